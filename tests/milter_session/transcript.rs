//! Reads a recorded session; `tests/transcripts/README.md` describes the form.

use std::path::Path;

/// A packet of the filter of the recording.
pub(crate) struct Said {
    pub(crate) code: u8,
    pub(crate) data: Vec<u8>,
}

/// A packet of the MTA and what the filter said before the next one.
pub(crate) struct Exchange {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    pub(crate) code: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) replies: Vec<Said>,
}

impl Exchange {
    /// The value of `i` in a MACRO packet.
    pub(crate) fn queue_id(&self) -> Option<String> {
        let strings: Vec<&[u8]> = self.data.get(1..)?.split(|b| *b == 0).collect();
        let (pairs, _) = strings.as_chunks::<2>();
        let [_, value] = pairs.iter().find(|[name, _]| *name == b"i")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

pub(crate) struct Transcript {
    /// Number of the connection, and what was said on it.
    pub(crate) connections: Vec<(u32, Vec<Exchange>)>,
}

impl Transcript {
    pub(crate) fn read(path: &Path) -> Transcript {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let mut connections: Vec<(u32, Vec<Exchange>)> = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), n + 1);
            let (number, rest) = line
                .strip_prefix('[')
                .and_then(|l| l.split_once("] "))
                .unwrap_or_else(|| panic!("{place}: no connection number"));
            let number = number.parse().expect(&place);
            if let Some(rest) = rest.strip_prefix("> ") {
                let (code, rest) = rest.split_once(" len=").expect(&place);
                let (length, data) = rest.split_once(' ').expect(&place);
                let code = code.as_bytes()[0];
                let data = restored(code, data, length.parse::<usize>().expect(&place) - 1);
                if connections.last().is_none_or(|(c, _)| *c != number) {
                    connections.push((number, Vec::new()));
                }
                connections.last_mut().unwrap().1.push(Exchange {
                    line: n + 1,
                    code,
                    data: data.unwrap_or_else(|e| panic!("{place}: {e}")),
                    replies: Vec::new(),
                });
            } else if let Some(rest) = rest.strip_prefix("< ") {
                let (code, data) = rest.split_at(1);
                let exchange = connections.last_mut().unwrap().1.last_mut().unwrap();
                exchange.replies.push(Said {
                    code: code.as_bytes()[0],
                    data: unescaped(data.strip_prefix(' ').unwrap_or(data)),
                });
            }
        }
        assert!(!connections.is_empty(), "{}", path.display());
        Transcript { connections }
    }

    /// The steps to which the filter of the recording agreed.
    pub(crate) fn agreed_steps(&self, connection: u32) -> Option<u32> {
        let (_, exchanges) = self.connections.iter().find(|(c, _)| *c == connection)?;
        let negotiation = exchanges.iter().find(|e| e.code == b'O')?;
        let word = negotiation.replies.first()?.data.get(8..12)?;
        Some(u32::from_be_bytes(word.try_into().unwrap()))
    }
}

/// `\x0d` to bytes.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match tail {
            [b'x', high, low, tail @ ..] if *first == b'\\' => {
                let hex = [*high, *low];
                let hex = std::str::from_utf8(&hex).unwrap();
                out.push(u8::from_str_radix(hex, 16).unwrap());
                tail
            }
            tail => {
                out.push(*first);
                tail
            }
        };
    }
    out
}

/// Long data is cut in the record; its last byte is repeated up to the length that was sent.
fn restored(code: u8, text: &str, length: usize) -> Result<Vec<u8>, String> {
    let note = format!("... ({length} bytes)");
    let Some(kept) = text.strip_suffix(&note) else {
        let data = unescaped(text);
        return match data.len() {
            same if same == length => Ok(data),
            other => Err(format!("{other} bytes of data, {length} were sent")),
        };
    };
    let mut data = unescaped(kept);
    let last = *data.last().ok_or("nothing kept")?;
    data.resize(length, last);
    if code == b'L' {
        *data.last_mut().unwrap() = 0;
    }
    Ok(data)
}
