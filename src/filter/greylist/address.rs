//! Envelope addresses as triplets know them: one spelling, and of a sender without what changes from one message to the
//! next, so that a second attempt, and the next issue of a newsletter, are recognised.

use std::borrow::Cow;

use crate::filter::sender;

/// Words of letters and digits from this length on are taken for a serial number if there is a digit in them.
const SERIAL: usize = 8;

/// A recipient.
pub(super) fn recipient(written: &str) -> String {
    sender::address(written).unwrap_or_else(|| written.to_lowercase())
}

/// An envelope sender; empty for the null sender.
pub(crate) fn sender(written: &str) -> String {
    let whole = recipient(written);
    match whole.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", constant(local)),
        None => whole,
    }
}

/// What stays the same of a local part: without the tags of SRS and BATV, without an extension, numbers made alike.
fn constant(local: &str) -> Cow<'_, str> {
    // prvs=TAG=user, and prvs=user/TAG of older senders.
    if let Some(rest) = local.strip_prefix("prvs=") {
        return match (rest.split_once('='), rest.split_once('/')) {
            (Some((_, user)), _) => Cow::Borrowed(user),
            (None, Some((user, _))) => Cow::Borrowed(user),
            (None, None) => Cow::Borrowed(rest),
        };
    }
    // SRS0=HASH=TIME=domain=user and SRS1=HASH=forwarder==HASH=TIME=domain=user; `+` and `-` may stand behind the 0.
    for (prefix, changing) in [("srs0", 2), ("srs1", 1)] {
        let rest = local.strip_prefix(prefix);
        if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(['=', '+', '-'])) {
            let words = rest.split('=').skip(changing);
            let kept = match prefix {
                "srs0" => words.collect::<Vec<_>>().join("="),
                // The forwarder, and what stands behind the hash and time of the first rewriting.
                _ => {
                    let words: Vec<&str> = words.collect();
                    let (forwarder, inner) = words.split_at(words.len().min(1));
                    let inner = inner.get(3..).unwrap_or_default();
                    [forwarder, inner].concat().join("=")
                }
            };
            return Cow::Owned(format!("{prefix}={kept}"));
        }
    }
    let base = match local.split_once('+') {
        Some((base, _)) if !base.is_empty() => base,
        _ => local,
    };
    if !base.bytes().any(|b| b.is_ascii_digit()) {
        return Cow::Borrowed(base);
    }
    let mut out = String::with_capacity(base.len());
    let mut rest = base;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        match word.len() {
            0 => {}
            length if digits == length || (digits > 0 && length >= SERIAL) => out.push('#'),
            _ => out.push_str(word),
        }
        let next = tail.chars().next().map_or(0, char::len_utf8);
        let (between, tail) = tail.split_at(next);
        out.push_str(between);
        rest = tail;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_message_to_message_does_not_count() {
        for (written, known) in [
            ("Ann@Example.ORG", "ann@example.org"),
            ("", ""),
            ("ann2@example.org", "ann2@example.org"),
            (
                "list-bounces+ann=example.com@list.example",
                "list-bounces@list.example",
            ),
            ("bounce-1234-5678@list.example", "bounce-#-#@list.example"),
            (
                "msprvs1=18a9b2c3d4=bounces-77@esp.example",
                "msprvs1=#=bounces-#@esp.example",
            ),
            ("010001890abc-1b2c3d4e@ses.example", "#-#@ses.example"),
            ("prvs=0123abcdef=Ann@example.org", "ann@example.org"),
            ("prvs=ann/0123abcdef@example.org", "ann@example.org"),
            (
                "SRS0=x1Yz=AB=example.org=ann@forward.example",
                "srs0=example.org=ann@forward.example",
            ),
            (
                "SRS0+x1Yz=AB=example.org=ann@forward.example",
                "srs0=example.org=ann@forward.example",
            ),
            (
                "SRS1=HHHH=first.example==x1Yz=AB=example.org=ann@second.example",
                "srs1=first.example=example.org=ann@second.example",
            ),
            ("srs0@example.org", "srs0@example.org"),
            ("+x@example.org", "+x@example.org"),
            ("münch99@example.org", "münch99@example.org"),
        ] {
            assert_eq!(sender(written), known, "{written}");
        }
        assert_eq!(recipient("Bob+lists@Example.ORG"), "bob+lists@example.org");
        assert_eq!(recipient("Root"), "root");
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(written in ".*") {
            let once = sender(&written);
            proptest::prop_assert!(once.len() <= written.len() * 4 + 8);
        }
    }
}
