//! Points in time as people write them on a command line.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::config::Seconds;

/// From one time to another.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct Span {
    /// Of that time or later: 2h, 7d (ago), 2026-11-05, 2026-11-05T08:00:00Z
    #[arg(long, value_parser = parse, value_name = "WHEN")]
    pub(in crate::cli) since: Option<Timestamp>,
    /// Of an earlier time
    #[arg(long, value_parser = parse, value_name = "WHEN")]
    pub(in crate::cli) until: Option<Timestamp>,
}

/// `2h` or `7d` ago, a day (its first moment, UTC), or a full RFC 3339 time.
pub(in crate::cli) fn parse(text: &str) -> Result<Timestamp, String> {
    let ago: StrDeserializer<'_, Error> = text.into_deserializer();
    if let Ok(ago) = Seconds::deserialize(ago) {
        return i64::try_from(ago.0.as_millis())
            .ok()
            .and_then(|ms| Timestamp::now().as_millisecond().checked_sub(ms))
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .ok_or_else(|| "that is too long ago".to_owned());
    }
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    text.parse::<Date>()
        .and_then(|day| day.to_zoned(TimeZone::UTC))
        .map(|day| day.timestamp())
        .map_err(|_| {
            "write 2h or 7d for so long ago, 2026-11-05, or 2026-11-05T08:00:00Z".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_days_and_times() {
        let hour_ago = Timestamp::now().as_second() - parse("1h").unwrap().as_second();
        assert!((3_600..3_660).contains(&hour_ago));
        assert_eq!(
            parse("2026-11-05").unwrap().to_string(),
            "2026-11-05T00:00:00Z"
        );
        assert_eq!(
            parse("2026-11-05T08:00:00+01:00").unwrap().to_string(),
            "2026-11-05T07:00:00Z"
        );
        for bad in ["", "yesterday", "5", "2026-13-01", "999999999d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
