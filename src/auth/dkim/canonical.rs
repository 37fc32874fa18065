//! The signed header fields in canonical form (RFC 6376, sections 3.4.1, 3.4.2, 3.7 and 5.4.2).

use std::collections::HashMap;

use super::Canonicalization;
use crate::mail::Mail;

/// The fields of a header, by name, for signatures that each take some of them from the bottom up.
#[derive(Debug)]
pub struct Fields<'a> {
    by_name: HashMap<Vec<u8>, Vec<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    /// Those of a message.
    pub fn of(mail: &'a Mail) -> Fields<'a> {
        let mut by_name: HashMap<Vec<u8>, Vec<&[u8]>> = HashMap::new();
        for (header, whole) in mail.headers().zip(mail.header_lines()) {
            let name = header.name.to_ascii_lowercase();
            by_name.entry(name).or_default().push(whole);
        }
        Fields { by_name }
    }

    /// The fields that a signature names, each name the lowest that it has not named yet.
    pub(in crate::auth) fn signed(&self, names: &[String]) -> Vec<&'a [u8]> {
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let mut fields = Vec::new();
        for name in names {
            let taken = taken.entry(name).or_default();
            *taken += 1;
            let all = self.by_name.get(name.as_bytes());
            if let Some(field) = all.and_then(|all| all.get(all.len().checked_sub(*taken)?)) {
                fields.push(*field);
            }
        }
        fields
    }
}

/// What a signature signs: the fields, then the field of the signature itself, its value taken out, without a
/// line end.
pub(in crate::auth) fn header_hash_input(
    fields: &[&[u8]],
    own: &[u8],
    canonicalization: Canonicalization,
) -> Vec<u8> {
    let mut input =
        Vec::with_capacity(fields.iter().map(|f| f.len() + 2).sum::<usize>() + own.len());
    for field in fields {
        push(field, canonicalization, &mut input);
        input.extend_from_slice(b"\r\n");
    }
    push(&without_signature(own), canonicalization, &mut input);
    input
}

/// One whole field, without its line end.
fn push(field: &[u8], canonicalization: Canonicalization, out: &mut Vec<u8>) {
    match canonicalization {
        Canonicalization::Simple => crate::mail::push_with_crlf(field, out),
        Canonicalization::Relaxed => {
            let colon = memchr::memchr(b':', field).unwrap_or(field.len());
            let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
            out.extend(name.trim_ascii_end().to_ascii_lowercase());
            out.push(b':');
            let value = value.get(1..).unwrap_or_default();
            let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            let mut words = value.split(space).filter(|word| !word.is_empty());
            if let Some(first) = words.next() {
                out.extend_from_slice(first);
            }
            for word in words {
                out.push(b' ');
                out.extend_from_slice(word);
            }
        }
    }
}

/// A field of tags with the value of `b=` taken out, white space around it included.
pub(in crate::auth) fn without_signature(field: &[u8]) -> Vec<u8> {
    let colon = memchr::memchr(b':', field).map_or(0, |at| at + 1);
    let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
    let mut out = name.to_vec();
    for (number, spec) in value.split(|b| *b == b';').enumerate() {
        if number > 0 {
            out.push(b';');
        }
        match memchr::memchr(b'=', spec).and_then(|at| spec.get(..at)) {
            Some(tag) if tag.trim_ascii() == b"b" => {
                out.extend_from_slice(tag);
                out.push(b'=');
            }
            _ => out.extend_from_slice(spec),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mail::Limits;

    /// RFC 6376, section 3.4.5.
    #[test]
    fn the_example_of_the_rfc() {
        let mail = Mail::parse(
            Bytes::from_static(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n"),
            &Limits::default(),
        );
        let fields = Fields::of(&mail).signed(&["a".into(), "b".into()]);
        let own = b"S: v=1; b=\r\n abc ; d=x";
        assert_eq!(
            header_hash_input(&fields, own, Canonicalization::Relaxed),
            b"a:X\r\nb:Y Z\r\ns:v=1; b=; d=x"
        );
        assert_eq!(
            header_hash_input(&fields, own, Canonicalization::Simple),
            b"A: X\r\nB : Y\t\r\n\tZ  \r\nS: v=1; b=; d=x"
        );
    }

    #[test]
    fn fields_are_taken_from_the_bottom_and_missing_ones_are_nothing() {
        let mail = Mail::parse(
            Bytes::from_static(b"X: 1\nY: a\nx: 2\n\n"),
            &Limits::default(),
        );
        let names = ["x", "z", "x", "x", "y"].map(str::to_owned);
        let fields = Fields::of(&mail).signed(&names);
        assert_eq!(fields, [&b"x: 2"[..], b"X: 1", b"Y: a"]);
    }

    #[test]
    fn only_the_signature_is_taken_out() {
        assert_eq!(
            without_signature(b"D: bh=b=c; b = x=y\r\n z; h=b"),
            b"D: bh=b=c; b =; h=b"
        );
        assert_eq!(without_signature(b"D:b=x"), b"D:b=");
    }
}
