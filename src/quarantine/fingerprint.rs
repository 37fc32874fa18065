//! What stays the same of a message on its way from the quarantine through an MTA back to us.
//!
//! An MTA puts fields on top (Received, Return-Path), adds those that are missing (Date, Message-ID, From),
//! may fold anew, and sees line ends as CRLF. So a hash of all bytes would never match. The fingerprint
//! takes what a reader sees and no MTA changes: the body, with line ends made LF and empty lines at its
//! end left out, and the first From, Subject and Message-ID, white space folded. Fields that the stored
//! message does not have are left out on both sides, because the MTA may have added them.

/// The fields of the fingerprint, each with its bit.
const FIELDS: [(&[u8], u8); 3] = [(b"from", 1), (b"subject", 2), (b"message-id", 4)];

/// Which fields a message has, and the hash over them and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// One bit for each field that is taken into account.
    pub(super) fields: u8,
    /// BLAKE3; compared in constant time.
    pub(super) hash: blake3::Hash,
}

impl Fingerprint {
    /// Of a stored message: every field that it has counts.
    pub(super) fn of(raw: &[u8]) -> Fingerprint {
        Fingerprint::with(raw, u8::MAX)
    }

    /// Of a message that came back: only the given fields count.
    pub(super) fn with(raw: &[u8], fields: u8) -> Fingerprint {
        let (header, body) = split(raw);
        let mut hasher = blake3::Hasher::new_derive_key("mailweir release fingerprint 1");
        let mut found = 0;
        for (name, bit) in FIELDS {
            if let Some(value) = first(header, name).filter(|_| fields & bit != 0) {
                found |= bit;
                hasher.update(&[bit]);
                hash_words(&mut hasher, value);
            }
        }
        hasher.update(&[0]);
        hash_lines(&mut hasher, body);
        Fingerprint {
            fields: found,
            hash: hasher.finalize(),
        }
    }
}

/// Header and body, the empty line between them left out.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', raw) {
        let line = raw.get(start..end).unwrap_or_default();
        if line.is_empty() || line == b"\r" {
            return (
                raw.get(..start).unwrap_or_default(),
                raw.get(end + 1..).unwrap_or_default(),
            );
        }
        start = end + 1;
    }
    (raw, &[])
}

/// The value of the first field of that name, with its continuation lines.
fn first<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut start = 0;
    while start < header.len() {
        let end = end_of_field(header, start);
        let field = header.get(start..end).unwrap_or_default();
        if let Some(colon) = memchr::memchr(b':', field) {
            let (given, value) = field.split_at(colon);
            if given.trim_ascii_end().eq_ignore_ascii_case(name) {
                return value.get(1..);
            }
        }
        start = end;
    }
    None
}

fn end_of_field(header: &[u8], start: usize) -> usize {
    let rest = header.get(start..).unwrap_or_default();
    memchr::memchr_iter(b'\n', rest)
        .map(|i| start + i + 1)
        .find(|next| !matches!(header.get(*next), Some(b' ' | b'\t')))
        .unwrap_or(header.len())
}

/// Words with one space between them: folding and unfolding change nothing.
fn hash_words(hasher: &mut blake3::Hasher, value: &[u8]) {
    for word in value.split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
        if !word.is_empty() {
            hasher.update(word);
            hasher.update(b" ");
        }
    }
    // No word holds a line end, so words cannot move from one field to the next unseen.
    hasher.update(b"\n");
}

/// Lines with LF after each; CRLF, lone CR and lone LF all end one. Empty lines at the end do not count.
fn hash_lines(hasher: &mut blake3::Hasher, body: &[u8]) {
    let mut pending = 0_u64;
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = match after {
            [b'\r', b'\n', tail @ ..] | [_, tail @ ..] => tail,
            [] => &[],
        };
        if line.is_empty() {
            pending += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut pending) {
            hasher.update(b"\n");
        }
        hasher.update(line);
        hasher.update(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &[u8] =
        b"From: A <a@example.org>\r\nSubject: one\r\n two\r\n\r\nHello\r\n\r\n.\r\n";

    fn back(raw: &[u8]) -> bool {
        let stored = Fingerprint::of(STORED);
        Fingerprint::with(raw, stored.fields) == stored
    }

    #[test]
    fn what_an_mta_does_changes_nothing() {
        assert!(back(STORED));
        assert!(back(
            b"Received: from x\r\n\tby y\r\nX-Mailweir-Release: m\r\nfrom : A <a@example.org>\r\n\
              Subject: one two\r\nMessage-ID: <added@mta>\r\nDate: now\r\n\r\nHello\n\n.\n\r\n\r\n"
        ));
    }

    #[test]
    fn what_a_reader_sees_counts() {
        for other in [
            &b"From: B <b@example.org>\r\nSubject: one two\r\n\r\nHello\r\n\r\n.\r\n"[..],
            b"From: A <a@example.org>\r\nSubject: one three\r\n\r\nHello\r\n\r\n.\r\n",
            b"From: A <a@example.org>\r\nSubject: one two\r\n\r\nHello\r\n.\r\n",
            b"From: A <a@example.org>\r\nSubject: one two\r\n\r\nHellO\r\n\r\n.\r\n",
            b"Subject: one two\r\n\r\nHello\r\n\r\n.\r\n",
            b"From: evil\r\nFrom: A <a@example.org>\r\nSubject: one two\r\n\r\nHello\r\n\r\n.\r\n",
            b"",
        ] {
            assert!(!back(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn words_cannot_move_from_field_to_field_or_to_the_body() {
        let one = Fingerprint::of(b"From: a \x02b\r\nSubject: c\r\n\r\n");
        let other = Fingerprint::of(b"From: a\r\nSubject: b \x02c\r\n\r\n");
        assert_ne!(one, other);
        let one = Fingerprint::of(b"Subject: c \0d\r\n\r\n");
        assert_ne!(one, Fingerprint::of(b"Subject: c\r\n\r\nd \r\n"));
    }

    #[test]
    fn a_message_id_that_was_there_counts() {
        let stored = Fingerprint::of(b"Message-ID: <1>\r\n\r\nx");
        assert_eq!(stored.fields, 4);
        let other = Fingerprint::with(b"Message-ID: <2>\r\n\r\nx", stored.fields);
        assert_ne!(stored, other);
    }
}
