//! Addresses and names in address fields, read as SpamAssassin reads them: what it takes for the address decides
//! whether a rule on `From:addr` hits, also where the field is broken.

use super::field::is_space;

/// Most mailboxes of one field.
const MAILBOXES: usize = 1000;

/// One mailbox: both halves may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) address: Option<Vec<u8>>,
    pub(super) name: Option<Vec<u8>>,
}

/// The mailboxes of a raw field value.
pub(super) fn mailboxes(value: &[u8]) -> Vec<Mailbox> {
    let text = without_group(&without_double_backslashes(value.trim_ascii_end()));
    let mut found = Vec::new();
    let mut rest = text.as_slice();
    while !rest.iter().all(|b| is_space(*b)) && found.len() < MAILBOXES {
        let Some((mailbox, after)) = one(rest) else {
            break;
        };
        found.push(mailbox);
        rest = after;
    }
    // Something is left: take what stands between angle brackets.
    if memchr::memchr(b'@', rest).is_some() {
        for at in memchr::memchr_iter(b'<', rest) {
            let inner = rest.get(at + 1..).unwrap_or_default();
            if let Some(length) = address_length(inner)
                && inner.get(length) == Some(&b'>')
            {
                let address = inner.get(..length).unwrap_or_default();
                found.push(Mailbox {
                    address: valid(address).then(|| one_at(address)),
                    name: None,
                });
            }
        }
    }
    found
}

fn without_double_backslashes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, tail)) = rest.split_first() {
        match rest {
            [b'\\', b'\\', tail @ ..] => rest = tail,
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

/// `name: a, b;` without its name.
fn without_group(text: &[u8]) -> Vec<u8> {
    let plain = text
        .iter()
        .position(|b| b"\"()<>".contains(b))
        .unwrap_or(text.len());
    let colon = text.get(..plain).and_then(|t| memchr::memrchr(b':', t));
    match colon {
        Some(colon) if colon > 0 => {
            let members = text.get(colon + 1..).unwrap_or_default().trim_ascii_start();
            match members.first() {
                Some(b';') => Vec::new(),
                _ => members.to_vec(),
            }
        }
        _ => text.to_vec(),
    }
}

/// The mailbox at the start, and what follows its separator.
fn one(text: &[u8]) -> Option<(Mailbox, &[u8])> {
    let start = skip(text, 0);
    let phrase_end = phrase(text, start);
    if text.get(phrase_end) == Some(&b'<') {
        let inner = skip(text, phrase_end + 1);
        for close in closings(text, inner) {
            let behind = duplicates(text, close + 1);
            let ends = [behind, close + 1]
                .into_iter()
                .find_map(|at| separated(text, at));
            if let Some((comment, after)) = ends {
                let address = text.get(inner..close).unwrap_or_default().trim_ascii_end();
                let named = (phrase_end > start)
                    .then(|| text.get(start..phrase_end))
                    .flatten();
                return Some((mailbox(Some(address), named, comment), after));
            }
        }
    }
    let body = text.get(start..)?;
    if let Some(length) = address_length(body)
        && let Some((comment, after)) = separated(text, start + length)
    {
        let address = body.get(..length)?;
        return Some((
            Mailbox {
                address: valid(address).then(|| one_at(address)),
                name: comment.map(<[u8]>::to_vec),
            },
            after,
        ));
    }
    if phrase_end > start {
        // The phrase may hold the comment, because a phrase takes parentheses.
        let (comment, after) = separated(text, phrase_end)?;
        let named = text.get(start..phrase_end)?;
        return Some((mailbox(None, Some(named), comment), after));
    }
    None
}

fn skip(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| is_space(**b)).count()
}

/// Where the display name that begins at `at` ends: quoted strings, and what is no separator.
fn phrase(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => match quoted(text, at) {
                Some(end) => at = end,
                None => break,
            },
            b',' | b';' | b'<' => break,
            _ => at += 1,
        }
    }
    at
}

/// The end of the quoted string at `at`.
fn quoted(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The `>` that may close an address whose content begins at `inner`, the farthest first.
fn closings(text: &[u8], inner: usize) -> Vec<usize> {
    let rest = text.get(inner..).unwrap_or_default();
    let Some(stop) = rest.iter().position(|b| matches!(b, b'>' | b'@')) else {
        return Vec::new();
    };
    let run = rest.get(stop..).unwrap_or_default();
    let length = run.iter().take_while(|b| !is_space(**b)).count();
    let mut found: Vec<usize> = Vec::new();
    let behind = skip(text, inner + stop + length);
    if text.get(behind) == Some(&b'>') {
        found.push(behind);
    }
    let in_run = run.get(..length).unwrap_or_default();
    found.extend(
        memchr::memrchr_iter(b'>', in_run)
            .take(64)
            .map(|at| inner + stop + at),
    );
    found
}

/// Skips addresses in angle brackets that some programs repeat.
fn duplicates(text: &[u8], mut at: usize) -> usize {
    loop {
        let open = skip(text, at);
        if text.get(open) != Some(&b'<') {
            return at;
        }
        let rest = text.get(open..).unwrap_or_default();
        let run = rest.iter().take_while(|b| !is_space(**b)).count();
        match memchr::memrchr(b'>', rest.get(..run).unwrap_or_default()) {
            Some(close) => at = open + close + 1,
            None => return at,
        }
    }
}

/// A comment, then `,`, `;` or the end: the comment and what follows.
fn separated(text: &[u8], at: usize) -> Option<(Option<&[u8]>, &[u8])> {
    let start = skip(text, at);
    if text.get(start) == Some(&b'(')
        && let Some(end) = comment(text, start)
        && let Some(after) = separator(text, end)
    {
        return Some((text.get(start + 1..end - 1), after));
    }
    separator(text, start).map(|after| (None, after))
}

fn separator(text: &[u8], at: usize) -> Option<&[u8]> {
    let at = skip(text, at);
    match text.get(at) {
        None => Some(&[]),
        Some(b',' | b';') => text.get(at + 1..),
        Some(_) => None,
    }
}

/// The end of the comment at `at`; comments in comments are none.
fn comment(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b')' => return Some(at + 1),
            b'(' => return None,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn is_atom(byte: u8) -> bool {
    !is_space(byte) && !b"<>()[],:;".contains(&byte)
}

/// How many bytes at the start are an address.
fn address_length(text: &[u8]) -> Option<usize> {
    let local = match text.first()? {
        b'"' => quoted(text, 0).filter(|end| text.get(*end) == Some(&b'@')),
        _ => None,
    };
    let local = local.unwrap_or_else(|| {
        text.iter()
            .take_while(|b| is_atom(**b) && **b != b'@')
            .count()
    });
    if local == 0 || text.get(local) != Some(&b'@') {
        return None;
    }
    let domain = text.get(local + 1..)?;
    let length = domain
        .iter()
        .take_while(|b| is_atom(**b) && **b != b'"')
        .count();
    if length > 0 {
        return Some(local + 1 + length);
    }
    let digits = domain
        .iter()
        .skip(1)
        .take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
        .count();
    let literal = domain.first() == Some(&b'[') && domain.get(digits + 1) == Some(&b']');
    (literal && digits > 0).then_some(local + digits + 3)
}

fn valid(address: &[u8]) -> bool {
    !address.starts_with(b"\"\"@") && address.iter().filter(|b| **b == b'"').count() != 1
}

/// The address up to a second `@`.
fn one_at(address: &[u8]) -> Vec<u8> {
    let second = memchr::memchr_iter(b'@', address).nth(1);
    address
        .get(..second.unwrap_or(address.len()))
        .unwrap_or_default()
        .to_vec()
}

fn mailbox(address: Option<&[u8]>, phrase: Option<&[u8]>, comment: Option<&[u8]>) -> Mailbox {
    let mut address = address
        .map(without_comments)
        .filter(|a| address_length(a) == Some(a.len()) && valid(a));
    let mut name = phrase.map(unquoted);
    if let Some(written) = &name {
        let is_address = address.is_none()
            && address_length(written) == Some(written.len())
            && valid(written)
            && memchr::memchr(b'@', written)
                .and_then(|at| written.get(at + 1..))
                .is_some_and(|host| {
                    super::domain::is_well_formed(
                        &String::from_utf8_lossy(host).to_ascii_lowercase(),
                    )
                });
        if is_address {
            address = name.take();
        } else if written.is_empty() || address.as_ref() == Some(written) {
            name = None;
        }
    }
    Mailbox {
        address: address.map(|a| one_at(&a)),
        name: name.or_else(|| comment.map(<[u8]>::to_vec)),
    }
}

fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == b'('
            && let Some(end) = comment(text, at)
        {
            at = end;
            continue;
        }
        out.push(*byte);
        at += 1;
    }
    out
}

/// A display name without quotes and comments.
fn unquoted(phrase: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = phrase.get(at) {
        if *byte == b'"' {
            let Some(end) = quoted(phrase, at) else {
                at += 1;
                continue;
            };
            let inner = phrase.get(at + 1..end - 1).unwrap_or_default();
            out.extend(inner.iter().filter(|b| **b != b'\\'));
            at = end;
            continue;
        }
        let rest = phrase.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        out.extend(without_comments(rest.get(..end).unwrap_or_default()));
        at += end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(Option<String>, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        mailboxes(value.as_bytes())
            .into_iter()
            .map(|m| (m.address.map(text), m.name.map(text)))
            .collect()
    }

    fn pair(address: &str, name: &str) -> (Option<String>, Option<String>) {
        let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        (some(address), some(name))
    }

    #[test]
    fn names_addresses_and_comments() {
        for (value, expected) in [
            (
                " Joe <joe@a.example>\n",
                vec![pair("joe@a.example", "Joe ")],
            ),
            (
                " \"a, \\\"b\\\"\" <x@y.example>, z@w.example (Zed)",
                vec![pair("x@y.example", "a, \"b\" "), pair("z@w.example", "Zed")],
            ),
            (
                " joe@a.example <joe@a.example>",
                vec![pair("joe@a.example", "joe@a.example ")],
            ),
            (" undisclosed-recipients:;", vec![]),
            (
                " friends: a@b.example, c@d.example;",
                vec![pair("a@b.example", ""), pair("c@d.example", "")],
            ),
            (" only a name", vec![pair("", "only a name")]),
            (" <>", vec![pair("", "")]),
            (
                " =?utf-8?q?\"x?= foo@bar <a@b.example>",
                vec![pair("a@b.example", "")],
            ),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn broken_fields_cost_bounded_work() {
        for unit in ["<", "\"", "(", "a@b,", "<a@b>", "\\", "a@", ">"] {
            let value = unit.repeat(4096 / unit.len());
            assert!(mailboxes(value.as_bytes()).len() <= 2000, "{unit}");
        }
    }
}
