//! A message with changes to its header, for protocols that give the message back.
//!
//! In: the bytes of a message and the changes that a mail server would be told to make. Out: the header as it is then,
//! with the empty line behind it, in the line ends of the message. The body is never touched.

use std::collections::{HashMap, HashSet};

use crate::mail::fields;
use crate::milter::Modification;

/// The header of `raw` with the changes made, its empty line included, and where the body of `raw` begins.
pub(super) fn rewritten(raw: &[u8], modifications: &[Modification]) -> (Vec<u8>, usize) {
    let eol: &[u8] = match memchr::memchr(b'\n', raw) {
        Some(end) if end > 0 && raw.get(end - 1) == Some(&b'\r') => b"\r\n",
        Some(_) => b"\n",
        None => b"\r\n",
    };
    let mut deleted: HashSet<(Vec<u8>, u32)> = HashSet::new();
    let mut inserted = Vec::new();
    for modification in modifications {
        match modification {
            Modification::DeleteHeader { index, name } => {
                deleted.insert((name.to_ascii_lowercase().into_bytes(), *index));
            }
            Modification::InsertHeader { name, value, .. } => inserted.push((name, value)),
            Modification::DeleteRecipient { .. } | Modification::Hold { .. } => {}
        }
    }
    let (old, body) = fields(raw);
    let mut header = Vec::with_capacity(body + 1024);
    // Each went to the top, so the last is the first.
    for (name, value) in inserted.into_iter().rev() {
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(b": ");
        for (i, line) in value.split('\n').enumerate() {
            if i > 0 {
                header.extend_from_slice(eol);
            }
            header.extend_from_slice(line.as_bytes());
        }
        header.extend_from_slice(eol);
    }
    let named: HashSet<&[u8]> = deleted.iter().map(|(name, _)| name.as_slice()).collect();
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    for field in old {
        let name = raw.get(field.name.clone()).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if named.contains(name.as_slice()) {
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            if deleted.contains(&(name, *count)) {
                continue;
            }
        }
        let whole = raw.get(field.name.start..field.value.end);
        header.extend_from_slice(whole.unwrap_or_default());
        header.extend_from_slice(eol);
    }
    header.extend_from_slice(eol);
    (header, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(name: &str, value: &str) -> Modification {
        Modification::InsertHeader {
            index: 0,
            name: name.into(),
            value: value.into(),
        }
    }

    fn delete(index: u32, name: &str) -> Modification {
        let name = name.to_owned();
        Modification::DeleteHeader { index, name }
    }

    #[test]
    fn fields_come_on_top_and_go_by_their_number() {
        let raw = b"A: 1\r\nX-Spam: a\r\nB: 2\r\n folded\r\nx-SPAM: b\r\nX-Spam: c\r\n\r\nbody\r\n";
        let changes = [
            delete(3, "X-Spam"),
            delete(1, "X-Spam"),
            insert("Second", "two\n\tlines"),
            insert("First", "1"),
        ];
        let (header, body) = rewritten(raw, &changes);
        assert_eq!(
            header,
            b"First: 1\r\nSecond: two\r\n\tlines\r\nA: 1\r\nB: 2\r\n folded\r\nx-SPAM: b\r\n\r\n"
        );
        assert_eq!(&raw[body..], b"body\r\n");
    }

    #[test]
    fn the_line_ends_of_the_message_are_kept() {
        let (header, body) = rewritten(b"A: 1\n\nx\n", &[insert("B", "1\n\t2")]);
        assert_eq!((header.as_slice(), body), (&b"B: 1\n\t2\nA: 1\n\n"[..], 6));
        // A line that is no field ends the header, and is body.
        let (header, body) = rewritten(b"A: 1\nno field\n", &[insert("B", "1")]);
        assert_eq!((header.as_slice(), body), (&b"B: 1\nA: 1\n\n"[..], 5));
        assert_eq!(rewritten(b"", &[]), (b"\r\n".to_vec(), 0));
    }

    #[test]
    fn many_forged_fields_take_little_time() {
        let raw = "X-Spam-Flag: NO\r\n".repeat(200_000);
        let changes: Vec<_> = (1..=200_000).map(|i| delete(i, "X-Spam-Flag")).collect();
        assert_eq!(rewritten(raw.as_bytes(), &changes).0, b"\r\n");
    }
}
