//! The signature database of a clamd, as its reply to VERSION tells: `ClamAV 1.4.3/27800/Sat Nov 21 09:12:33 2026`.
//!
//! The number is that of ClamAV's own daily database; one that was put together from other files has none, and
//! clamd says nothing of it. The time is the server's local time without its zone, and is read as if the server
//! were in ours.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::reply::printable;

/// What a clamd says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// All of it, printable.
    pub(super) text: String,
    /// The database, where it tells.
    pub(super) database: Option<Database>,
}

/// A signature database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Database {
    /// Rises with each release.
    pub(super) number: u32,
    /// When it was built.
    pub(super) built: Timestamp,
}

impl Version {
    /// Reads a reply to VERSION without its end; `None` if it is not one of clamd.
    pub(super) fn read(reply: &[u8]) -> Option<Version> {
        let text = printable(reply);
        let rest = text.strip_prefix("ClamAV ")?;
        let mut parts = rest.splitn(3, '/').skip(1);
        let database = parts
            .next()
            .zip(parts.next())
            .and_then(|(number, built)| Database::read(number, built));
        Some(Version { text, database })
    }
}

impl Database {
    fn read(number: &str, built: &str) -> Option<Database> {
        // C's ctime() fills the day of the month with a blank, which counts as one of several here.
        let parsed = strtime::parse("%a %b %d %H:%M:%S %Y", built.replace("  ", " ")).ok()?;
        let local: DateTime = parsed.to_datetime().ok()?;
        let zoned = local.to_zoned(TimeZone::system()).ok()?;
        Some(Database {
            number: number.parse().ok().filter(|number| *number > 0)?,
            built: zoned.timestamp(),
        })
    }

    /// How old it is; nothing for one from the future, which is a matter of time zones.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        let age = now.duration_since(self.built);
        Duration::try_from(age).unwrap_or_default()
    }
}

/// From which age on a database is a matter for people, and from which on it is not relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ages {
    pub(super) warn: Option<Duration>,
    pub(super) fail: Option<Duration>,
}

/// What the age of a database means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    Fresh,
    /// Somebody should look.
    Old,
    /// What it does not find counts for nothing.
    Outdated,
}

impl Ages {
    /// What `age` means.
    pub(super) fn freshness(&self, age: Duration) -> Freshness {
        let reached = |bound: Option<Duration>| bound.is_some_and(|bound| age >= bound);
        if reached(self.fail) {
            Freshness::Outdated
        } else if reached(self.warn) {
            Freshness::Old
        } else {
            Freshness::Fresh
        }
    }
}

/// An age in words: `5 hours`, `12 days`.
pub(super) fn shown(age: Duration) -> String {
    match age.as_secs() / 3600 {
        hours @ 0..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn versions_are_read_with_their_database_where_they_tell() {
        for (reply, number) in [
            ("ClamAV 1.4.3/27800/Sat Nov 21 09:12:33 2026", Some(27800)),
            ("ClamAV 1.4.3/27800/Tue Nov  3 09:12:33 2026", Some(27800)),
            ("ClamAV 1.4.6", None),
            ("ClamAV 1.4.6/0/Sat Nov 21 09:12:33 2026", None),
            ("ClamAV 1.4.6/-1/Sat Nov 21 09:12:33 2026", None),
            ("ClamAV 1.4.6/27800/yesterday", None),
            ("ClamAV 1.4.6/27800/Sat Nov 41 09:12:33 2026", None),
            ("ClamAV 1.4.6/27800", None),
        ] {
            let version = Version::read(reply.as_bytes()).unwrap();
            assert_eq!(version.text, reply);
            assert_eq!(version.database.map(|d| d.number), number, "{reply}");
        }
        assert_eq!(Version::read(b"PONG"), None);
        let shown = Version::read(b"ClamAV 1\x1b[31m").unwrap().text;
        assert_eq!(shown, "ClamAV 1?[31m");
    }

    #[test]
    fn the_time_is_that_of_our_zone() {
        let version = Version::read(b"ClamAV 1.4.3/27800/Sat Nov 21 09:12:33 2026").unwrap();
        let built = version.database.unwrap().built.to_zoned(TimeZone::system());
        assert_eq!(
            built.datetime(),
            DateTime::constant(2026, 11, 21, 9, 12, 33, 0)
        );
    }

    #[test]
    fn ages_have_a_meaning_from_their_bounds_on() {
        let ages = Ages {
            warn: Some(3 * DAY),
            fail: Some(14 * DAY),
        };
        for (age, freshness) in [
            (Duration::ZERO, Freshness::Fresh),
            (3 * DAY - Duration::from_secs(1), Freshness::Fresh),
            (3 * DAY, Freshness::Old),
            (14 * DAY, Freshness::Outdated),
        ] {
            assert_eq!(ages.freshness(age), freshness, "{age:?}");
        }
        let never = Ages {
            warn: None,
            fail: None,
        };
        assert_eq!(never.freshness(1000 * DAY), Freshness::Fresh);
        assert_eq!(
            (shown(DAY), shown(2 * DAY)),
            ("24 hours".into(), "2 days".into())
        );
    }

    #[test]
    fn a_database_from_the_future_has_no_age() {
        let now = Timestamp::now();
        let built = |built| Database { number: 1, built };
        assert_eq!(built(now + 2 * DAY).age(now), Duration::ZERO);
        assert_eq!(built(now - 2 * DAY).age(now), 2 * DAY);
    }
}
