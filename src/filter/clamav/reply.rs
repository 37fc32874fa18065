//! Replies of clamd to INSTREAM, read strictly: what is not exactly a reply is none, and never clean.

/// Longest reply, bytes; what is longer is none.
pub(super) const REPLY_BYTES: usize = 4096;

/// Longest signature name and error text kept, bytes.
const TEXT_BYTES: usize = 128;

/// What clamd said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `stream: OK`
    Clean,
    /// `stream: NAME FOUND`; the name is printable ASCII.
    Found(String),
    /// A signature that stands for a limit of the engine (`AlertExceedsMax`).
    Limit(String),
    /// A signature that stands for encrypted content (`AlertEncrypted`).
    Encrypted(String),
    /// The message is larger than `StreamMaxLength`.
    TooLarge,
    /// The server waited too long for the next part of the message (`CommandReadTimeout`).
    Idle,
    /// Any other `... ERROR`.
    Error(String),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoReply {
    /// The connection was closed without a byte.
    Closed,
    /// What came is no reply of clamd; printable and cut.
    Garbled(String),
}

/// Reads everything that came until the connection was closed. Of several lines each must be a reply;
/// the gravest counts.
pub(super) fn parse(bytes: &[u8]) -> Result<Reply, NoReply> {
    let garbled = || NoReply::Garbled(printable(bytes));
    let Some((last, text)) = bytes.split_last() else {
        return Err(NoReply::Closed);
    };
    // Without a terminator the end may be missing: "FOUND", or the better part of a name.
    if !matches!(last, 0 | b'\n') || bytes.len() > REPLY_BYTES {
        return Err(garbled());
    }
    let mut gravest = None;
    for line in text.split(|b| matches!(b, 0 | b'\n')) {
        let reply = parse_line(line).ok_or_else(garbled)?;
        if gravest
            .as_ref()
            .is_none_or(|g| gravity(&reply) > gravity(g))
        {
            gravest = Some(reply);
        }
    }
    gravest.ok_or_else(garbled)
}

fn parse_line(line: &[u8]) -> Option<Reply> {
    match line {
        b"stream: OK" => return Some(Reply::Clean),
        b"INSTREAM size limit exceeded. ERROR" => return Some(Reply::TooLarge),
        b"COMMAND READ TIMED OUT" => return Some(Reply::Idle),
        _ => {}
    }
    if let Some(name) = line
        .strip_prefix(b"stream: ")
        .and_then(|rest| rest.strip_suffix(b" FOUND"))
        .filter(|name| !name.is_empty())
    {
        let name = printable(name);
        return Some(if name.starts_with("Heuristics.Limits.Exceeded") {
            Reply::Limit(name)
        } else if name.starts_with("Heuristics.Encrypted.") {
            Reply::Encrypted(name)
        } else {
            Reply::Found(name)
        });
    }
    let text = line.strip_suffix(b" ERROR").filter(|t| !t.is_empty())?;
    Some(Reply::Error(printable(text)))
}

fn gravity(reply: &Reply) -> u8 {
    match reply {
        Reply::Clean => 0,
        Reply::Idle => 1,
        Reply::Error(_) => 2,
        Reply::TooLarge => 3,
        Reply::Encrypted(_) => 4,
        Reply::Limit(_) => 5,
        Reply::Found(_) => 6,
    }
}

/// Printable ASCII, everything else as `?`, cut.
pub(super) fn printable(bytes: &[u8]) -> String {
    let one = |b: &u8| match b {
        b' '..=b'~' => char::from(*b),
        _ => '?',
    };
    bytes.iter().take(TEXT_BYTES).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_replies_are_read() {
        for (bytes, reply) in [
            (&b"stream: OK\0"[..], Reply::Clean),
            (b"stream: OK\n", Reply::Clean),
            (
                b"stream: Eicar-Signature FOUND\0",
                Reply::Found("Eicar-Signature".into()),
            ),
            (b"stream: OK FOUND\0", Reply::Found("OK".into())),
            (
                b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
                Reply::Limit("Heuristics.Limits.Exceeded.MaxFileSize".into()),
            ),
            (
                b"stream: Heuristics.Encrypted.Zip FOUND\0",
                Reply::Encrypted("Heuristics.Encrypted.Zip".into()),
            ),
            (b"INSTREAM size limit exceeded. ERROR\0", Reply::TooLarge),
            (b"COMMAND READ TIMED OUT\n", Reply::Idle),
            (
                b"stream: Can't allocate memory ERROR\0",
                Reply::Error("stream: Can't allocate memory".into()),
            ),
        ] {
            assert_eq!(parse(bytes), Ok(reply));
        }
    }

    #[test]
    fn of_several_lines_the_gravest_counts() {
        assert_eq!(
            parse(b"stream: OK\nstream: A FOUND\nstream: Heuristics.Encrypted.Zip FOUND\0"),
            Ok(Reply::Found("A".into()))
        );
        assert_eq!(
            parse(b"stream: OK\0INSTREAM size limit exceeded. ERROR\0"),
            Ok(Reply::TooLarge)
        );
    }

    #[test]
    fn what_is_not_exactly_a_reply_is_none() {
        assert_eq!(parse(b""), Err(NoReply::Closed));
        for bytes in [
            &b"stream: OK"[..],
            b"stream: O",
            b"stream: Eicar-Signature FOUND",
            b"stream: Eicar-Signature FOU\0",
            b"stream:OK\0",
            b"STREAM: OK\0",
            b"1: stream: OK\0",
            b" stream: OK\0",
            b"stream: OK \0",
            b"stream: OK\r\n",
            b"stream:  FOUND",
            b"stream: FOUND\0",
            b" ERROR\0",
            b"\0",
            b"\n\n",
            b"PONG\0",
            b"UNKNOWN COMMAND\0",
            b"stream: OK\0\0",
            b"stream: OK\0HTTP/1.1 400 Bad Request\0",
            b"stream: A FOUND\0\xff\xfe\0",
        ] {
            assert!(
                matches!(parse(bytes), Err(NoReply::Garbled(_))),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn names_are_printable_and_short() {
        let mut bytes = b"stream: a\r\x1b[31m\xc3\xa9%".to_vec();
        bytes.extend([b'x'; 1000]);
        bytes.extend(b" FOUND\0");
        let Ok(Reply::Found(name)) = parse(&bytes) else {
            panic!("it is a find");
        };
        assert_eq!(name.len(), TEXT_BYTES);
        assert!(
            name.starts_with("a??[31m??%xx") && name.bytes().all(|b| (b' '..=b'~').contains(&b))
        );
        let long = [&b"stream: "[..], &[b'x'; REPLY_BYTES], b" FOUND\0"].concat();
        assert!(parse(&long).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_but_the_clean_reply_are_clean(bytes: Vec<u8>) {
            if let Ok(reply) = parse(&bytes) {
                proptest::prop_assert_ne!(reply, Reply::Clean);
            }
        }

        #[test]
        fn a_damaged_clean_reply_is_not_clean(at in 0usize..11, to: u8) {
            let mut bytes = b"stream: OK\0".to_vec();
            proptest::prop_assume!(bytes[at] != to && !(at == 10 && to == b'\n'));
            bytes[at] = to;
            proptest::prop_assert_ne!(parse(&bytes), Ok(Reply::Clean));
        }
    }
}
