//! Where a piece of a value stands in its file, however the value is quoted.

use std::ops::Range;

use crate::config::Source;

/// The bytes in the file of a range within a scalar; `None` when escapes stand between the two.
pub(super) fn within(
    source: &Source,
    scalar: Range<usize>,
    value: &str,
    inner: Range<usize>,
) -> Option<Range<usize>> {
    let written = source.text().get(scalar.start..)?;
    let quote = written.bytes().next().filter(|b| matches!(b, b'\'' | b'"'));
    let (start, body) = match quote {
        Some(_) => (scalar.start + 1, written.get(1..)?),
        None => (scalar.start, written),
    };
    if body.starts_with(value) {
        return Some(start + inner.start..start + inner.end);
    }
    if quote == Some(b'\'') {
        // A quote is written twice between single quotes.
        let doubled = |end: usize| value.get(..end).map(|v| v.matches('\'').count() + end);
        let escaped = value.replace('\'', "''");
        if body.starts_with(&escaped) {
            return Some(start + doubled(inner.start)?..start + doubled(inner.end)?);
        }
    }
    None
}
