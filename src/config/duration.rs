//! Durations as people write them: `300ms`, `5s`, `2m`, `1h30m`, `30d`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A duration of configuration. A unit is always required, so that nobody has to guess it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub Duration);

impl Seconds {
    /// `s` whole seconds.
    pub const fn new(s: u64) -> Seconds {
        Seconds(Duration::from_secs(s))
    }

    /// `ms` milliseconds.
    pub const fn millis(ms: u64) -> Seconds {
        Seconds(Duration::from_millis(ms))
    }

    fn parse(text: &str) -> Option<Seconds> {
        let mut total = Duration::ZERO;
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest.get(..digits)?.parse().ok()?;
            rest = rest.get(digits..)?;
            let unit_end = rest
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len());
            let millis = match rest.get(..unit_end)? {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
            rest = rest.get(unit_end..)?;
        }
        Some(Seconds(total))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Seconds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with a unit, such as 300ms, 5s, 2m, 1h or 30d")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                Seconds::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_required_and_add_up() {
        assert_eq!(Seconds::parse("300ms"), Some(Seconds::millis(300)));
        assert_eq!(Seconds::parse("1h30m"), Some(Seconds::new(5400)));
        assert_eq!(Seconds::parse("30d"), Some(Seconds::new(30 * 86400)));
        for bad in ["", "5", "s", "5 s", "-1s", "5y", "99999999999999999999s"] {
            assert_eq!(Seconds::parse(bad), None, "{bad}");
        }
    }
}
