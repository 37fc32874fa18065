//! The tree walk (RFC 9989, section 4.10): records at a domain and above it.

use futures_util::future::join_all;

use super::record::{Record, Suffix};
use crate::auth::names::{Failure, Names, texts};

/// Labels at which a walk from a long name goes on.
const LABELS: usize = 7;

/// The records from a domain upwards, the domain itself first.
#[derive(Debug)]
pub(super) struct Walk(Vec<(String, Record)>);

impl Walk {
    /// Asks for all of them at once, and reads them as if one after the other.
    pub(super) async fn of(names: &dyn Names, domain: &str) -> Result<Walk, Failure> {
        let steps = steps(domain);
        let asked = steps.iter().map(async |name| {
            let found = texts(names, &format!("_dmarc.{name}")).await?;
            let mut records = found.iter().filter_map(|text| Record::read(text));
            // Several policies at one name are none.
            Ok(records.next().filter(|_| records.next().is_none()))
        });
        let mut walk = Walk(Vec::new());
        for (name, record) in steps.iter().zip(join_all(asked).await) {
            let Some(record) = record? else {
                continue;
            };
            let stop = record.suffix != Suffix::Unsaid;
            walk.0.push(((*name).to_owned(), record));
            if stop {
                break;
            }
        }
        Ok(walk)
    }

    /// The record at a name.
    pub(super) fn record(&self, at: &str) -> Option<&Record> {
        let found = self.0.iter().find(|(name, _)| name == at)?;
        Some(&found.1)
    }

    /// The record with the fewest labels.
    pub(super) fn highest(&self) -> Option<&Record> {
        self.0.last().map(|(_, record)| record)
    }

    /// The organizational domain of the domain that the walk began with (section 4.10.2).
    pub(super) fn organization(&self, start: &str) -> String {
        for (name, record) in &self.0 {
            match record.suffix {
                Suffix::No => return name.clone(),
                Suffix::Yes if name != start => return below(start, name),
                _ => {}
            }
        }
        match self.0.last() {
            Some((name, _)) => name.clone(),
            None => start.to_owned(),
        }
    }
}

/// The name one label below `suffix` on the way to `name`.
fn below(name: &str, suffix: &str) -> String {
    let rest = name.strip_suffix(suffix).unwrap_or_default();
    let label = rest.trim_end_matches('.').rsplit('.').next();
    format!("{}.{suffix}", label.unwrap_or_default())
}

/// The names at which records are looked for: the domain, then its last seven labels and less.
fn steps(domain: &str) -> Vec<&str> {
    let starts = domain.match_indices('.').map(|(at, _)| at + 1);
    let mut all: Vec<&str> = std::iter::once(0)
        .chain(starts)
        .filter_map(|at| domain.get(at..))
        .collect();
    let over = all.len().saturating_sub(LABELS);
    if over > 1 {
        all.drain(1..over);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_eight_names_are_asked() {
        assert_eq!(
            steps("a.b.example.org"),
            ["a.b.example.org", "b.example.org", "example.org", "org"]
        );
        // RFC 9989, section 4.10: a.b.c.d.e.f.g.h.i.j.mail.example.com.
        let long = steps("a.b.c.d.e.f.g.h.i.j.mail.example.com");
        assert_eq!(long.len(), 8);
        assert_eq!(long[1], "g.h.i.j.mail.example.com");
        assert_eq!(steps("1.2.3.4.5.6.7.8").len(), 8);
    }

    #[test]
    fn the_organization_is_told_by_psd_or_by_the_fewest_labels() {
        let walk = |records: &[(&str, &str)]| {
            let read = |(name, text): &(&str, &str)| {
                (name.to_string(), Record::read(text.as_bytes()).unwrap())
            };
            Walk(records.iter().map(read).collect())
        };
        let start = "a.mail.example.com";
        let none = "v=DMARC1; p=none";
        for (records, organization) in [
            (&[][..], start),
            (
                &[("mail.example.com", none), ("example.com", none)],
                "example.com",
            ),
            (
                &[("mail.example.com", "v=DMARC1; p=none; psd=n")],
                "mail.example.com",
            ),
            (&[("com", "v=DMARC1; p=none; psd=y")], "example.com"),
            (&[(start, "v=DMARC1; p=none; psd=y")], start),
        ] {
            assert_eq!(walk(records).organization(start), organization);
        }
    }
}
