//! How values are written in templates. Their output is escaped by the template like any other.

// The macro makes items whose visibility is not ours to choose.
#![allow(unreachable_pub)]

use std::fmt::Display;

use askama::Values;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::readings::duration;
use crate::printable;

/// A number, or a reference to one of any depth: templates hand over both.
pub(super) trait Value<N> {
    /// The number.
    fn value(&self) -> N;
}

impl Value<i64> for i64 {
    fn value(&self) -> i64 {
        *self
    }
}

impl Value<u64> for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

impl<N, T: Value<N>> Value<N> for &T {
    fn value(&self) -> N {
        (**self).value()
    }
}

/// Text from outside as one line of at most `max` characters, with characters that deceive written out.
#[askama::filter_fn]
pub(super) fn visible<T: Display>(text: T, _: &dyn Values, max: usize) -> askama::Result<String> {
    Ok(printable::printable(&text.to_string(), max))
}

/// Text of several lines that an admin wrote, or the log: as it stands but for characters that deceive.
#[askama::filter_fn]
pub(super) fn lines<T: Display>(text: T, _: &dyn Values, max: usize) -> askama::Result<String> {
    let text = text.to_string();
    let lines = text.lines().map(|line| printable::visible(line, max));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Seconds since 1970 as date and time of this host.
#[askama::filter_fn]
pub(super) fn time<T: Value<i64>>(seconds: T, _: &dyn Values) -> askama::Result<String> {
    let shown = Timestamp::from_second(seconds.value()).map(|t| t.to_zoned(TimeZone::system()));
    Ok(shown.map_or_else(
        |_| "?".to_owned(),
        |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    ))
}

/// A number with a thin space between thousands.
#[askama::filter_fn]
pub(super) fn number<T: Display>(value: T, _: &dyn Values) -> askama::Result<String> {
    Ok(grouped(&value.to_string()))
}

/// Bytes as people read them.
#[askama::filter_fn]
pub(super) fn bytes<T: Value<u64>>(value: T, _: &dyn Values) -> askama::Result<String> {
    Ok(size(value.value()))
}

/// Seconds as people read them, where there are any.
#[askama::filter_fn]
pub(super) fn took(seconds: &Option<f64>, _: &dyn Values) -> askama::Result<String> {
    Ok(seconds.map_or_else(|| "–".to_owned(), duration))
}

/// Digits in groups of three.
pub(super) fn grouped(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let mut out = String::from(sign);
    let length = digits.chars().take_while(char::is_ascii_digit).count();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && i < length && (length - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// Bytes with the unit that leaves one to three digits before the point.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            return match unit {
                "B" => format!("{bytes} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_easy_to_read() {
        for (digits, shown) in [
            ("7", "7"),
            ("1234", "1\u{202f}234"),
            ("-1234567", "-1\u{202f}234\u{202f}567"),
            ("1234.5", "1\u{202f}234.5"),
        ] {
            assert_eq!(grouped(digits), shown);
        }
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (2048, "2.0 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
