//! Data that is written as text: base64, hexadecimal digits, lists of numbers, escapes.
//!
//! In: the text of a page or a script. Out: what long literals hold, decoded. Pieces that a script joins (`"..." +
//! "..."`) are one literal when each is long enough to be data. Linear; what is decoded is counted.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use super::super::examination::Examination;

/// Shortest literal that is decoded, characters.
pub(super) const LONG: usize = 512;
/// Shortest piece of base64 that is joined with the next one, characters.
const PIECE: usize = 32;
/// Longest gap between two pieces, characters.
const GAP: usize = 24;
/// Shortest run of escapes (`%41`, `\x41`) that is decoded.
const ESCAPES: usize = 32;
/// Shortest list of numbers that is decoded.
const NUMBERS: usize = 128;
/// What a URL looks like in base64 when it stands at the beginning of what was encoded.
const URL_BASE64: &[u8] = b"aHR0c";

static BASE64: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".to_owned();
    specification.translate.from = "-_".to_owned();
    specification.translate.to = "+/".to_owned();
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

/// Decodes base64 without padding as far as it is whole; empty where it is none.
fn base64(text: &[u8], examination: &mut Examination) -> Vec<u8> {
    // One character more than whole groups encodes nothing.
    let length = text.len() - usize::from(text.len() % 4 == 1);
    let length = examination.spend(length);
    let text = text.get(..length).unwrap_or_default();
    let decoded = BASE64.as_ref().and_then(|b| b.decode(text).ok());
    decoded.unwrap_or_default()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// Hands every long literal of base64 or hexadecimal digits to `take`, decoded.
pub(super) fn long_runs(
    text: &[u8],
    examination: &mut Examination,
    take: &mut dyn FnMut(Vec<u8>, &mut Examination),
) {
    let mut rest = text;
    let mut run: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let start = rest.iter().position(|b| is_base64(*b));
        let gap = rest.get(..start.unwrap_or(rest.len())).unwrap_or_default();
        if !run.is_empty() && (gap.len() > GAP || !gap.iter().all(|b| joins(*b))) {
            finish(&mut run, examination, take);
        }
        let piece = rest.get(gap.len()..).unwrap_or_default();
        let length = piece.iter().position(|b| !is_base64(*b));
        let (piece, after) = piece
            .split_at_checked(length.unwrap_or(piece.len()))
            .unwrap_or_default();
        rest = after;
        // The operator that joins two pieces is also a digit of base64.
        if piece == b"+" && !run.is_empty() {
            continue;
        }
        if piece.len() >= PIECE || !run.is_empty() {
            run.extend_from_slice(piece);
        }
        if piece.len() < PIECE {
            finish(&mut run, examination, take);
        }
    }
    finish(&mut run, examination, take);
}

/// What may stand between the pieces of one literal.
fn joins(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'+' | b',' | b'\\')
}

fn finish(
    run: &mut Vec<u8>,
    examination: &mut Examination,
    take: &mut dyn FnMut(Vec<u8>, &mut Examination),
) {
    let run = std::mem::take(run);
    if run.len() < LONG {
        return;
    }
    let decoded = if run.iter().all(|b| hex_digit(*b).is_some()) {
        let length = examination.spend(run.len() / 2);
        let pairs = run.chunks_exact(2).take(length);
        pairs
            .filter_map(|pair| match pair {
                [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => None,
            })
            .collect()
    } else {
        base64(&run, examination)
    };
    if !decoded.is_empty() {
        take(decoded, examination);
    }
}

/// Records URLs that are written in base64.
pub(super) fn encoded_urls(text: &[u8], examination: &mut Examination) {
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, URL_BASE64) {
        let run = rest.get(at..).unwrap_or_default();
        let length = run.iter().take(4096).take_while(|b| is_base64(**b)).count();
        let (run, after) = run.split_at_checked(length).unwrap_or_default();
        rest = after;
        let decoded = base64(run, examination);
        examination.urls_in(&String::from_utf8_lossy(&decoded));
    }
}

/// Hands what is written in escapes of one kind, `%41` or `\x41` or `\u0041`, to `take`, decoded; ordinary characters
/// between them belong to it.
pub(super) fn escapes(
    text: &[u8],
    examination: &mut Examination,
    take: &mut dyn FnMut(Vec<u8>, &mut Examination),
) {
    let mut decoded: Vec<u8> = Vec::new();
    let mut count = 0;
    let mut rest = text;
    loop {
        let next = match rest {
            [b'%', b'u', b'0', b'0', high, low, after @ ..]
            | [b'\\', b'u', b'0', b'0', high, low, after @ ..]
            | [b'\\', b'x', high, low, after @ ..]
            | [b'%', high, low, after @ ..] => hex_digit(*high)
                .zip(hex_digit(*low))
                .map(|(high, low)| (high << 4 | low, after, 1)),
            _ => None,
        };
        let plain = rest
            .split_first()
            .filter(|(byte, _)| !matches!(byte, b'"' | b'\'' | b'<' | b'`'))
            .filter(|_| count > 0)
            .map(|(byte, after)| (*byte, after, 0));
        match next.or(plain) {
            Some((byte, after, one)) => {
                decoded.push(byte);
                count += one;
                rest = after;
            }
            None => {
                let content = std::mem::take(&mut decoded);
                if count >= ESCAPES {
                    let granted = examination.spend(content.len());
                    take(content.into_iter().take(granted).collect(), examination);
                }
                count = 0;
                match rest.split_first() {
                    Some((_, after)) => rest = after,
                    None => return,
                }
            }
        }
    }
}

/// Hands lists of numbers below 256 to `take`, as bytes.
pub(super) fn numbers(
    text: &[u8],
    examination: &mut Examination,
    take: &mut dyn FnMut(Vec<u8>, &mut Examination),
) {
    let of_list = |b: u8| b.is_ascii_digit() || b == b',' || b.is_ascii_whitespace();
    for list in text.split(|b| !of_list(*b)) {
        if list.len() < 2 * NUMBERS {
            continue;
        }
        let values = list.split(|b| *b == b',').map(|number| {
            let number = std::str::from_utf8(number.trim_ascii()).ok()?;
            number.parse::<u8>().ok()
        });
        let most = examination.spend(list.len() / 2);
        let bytes: Vec<u8> = values.flatten().take(most).collect();
        if bytes.len() >= NUMBERS {
            take(bytes, examination);
        }
    }
}
