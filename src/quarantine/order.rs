//! In which order messages are listed, and where a page of them ends.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::QuarantineError;

/// Longest cursor that is read, bytes.
const CURSOR_BYTES: usize = 4096;

/// What messages are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When they were received.
    #[default]
    Received,
    /// When they were received last.
    LastSeen,
    /// Points.
    Score,
    /// Bytes.
    Size,
    /// The sender's address.
    Sender,
    /// The subject.
    Subject,
    /// What has become of them.
    State,
}

impl Sort {
    /// Every order.
    pub const ALL: [Sort; 7] = [
        Sort::Received,
        Sort::LastSeen,
        Sort::Score,
        Sort::Size,
        Sort::Sender,
        Sort::Subject,
        Sort::State,
    ];

    /// The word used on the command line and in addresses of pages.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Received => "received",
            Sort::LastSeen => "last_seen",
            Sort::Score => "score",
            Sort::Size => "size",
            Sort::Sender => "sender",
            Sort::Subject => "subject",
            Sort::State => "state",
        }
    }

    /// The order of that name.
    pub fn parse(name: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Long texts are compared by their beginnings, so that cursors are short.
    pub(super) fn expression(self) -> &'static str {
        match self {
            Sort::Received => "received",
            Sort::LastSeen => "last_seen",
            Sort::Score => "score",
            Sort::Size => "size",
            Sort::Sender => "substr(sender, 1, 100)",
            Sort::Subject => "substr(subject, 1, 100)",
            Sort::State => "state",
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Sort::Sender | Sort::Subject | Sort::State)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// By what.
    pub by: Sort,
    /// The largest, last or newest first.
    pub descending: bool,
}

impl Default for Order {
    /// The newest first.
    fn default() -> Order {
        Order {
            by: Sort::default(),
            descending: true,
        }
    }
}

impl Order {
    /// By that, as people look first: texts from A on, all else from the largest, last or newest. `reverse`: the other way
    /// round.
    pub fn natural(by: Sort, reverse: bool) -> Order {
        Order {
            by,
            descending: by.is_text() == reverse,
        }
    }
}

/// Where a page ends. Opaque; letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) order: Order,
    pub(super) key: Key,
    pub(super) id: String,
}

/// What the last row of a page was sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.key {
            Key::Number(n) => json!(n),
            Key::Text(t) => json!(t),
        };
        let value = json!([self.order.by.name(), self.order.descending, key, self.id]);
        f.write_str(&BASE64URL_NOPAD.encode(value.to_string().as_bytes()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = QuarantineError;

    fn from_str(text: &str) -> Result<Cursor, QuarantineError> {
        let read = || {
            let bytes = Some(text).filter(|t| t.len() <= CURSOR_BYTES)?;
            let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?;
            let value: Vec<Value> = serde_json::from_slice(&bytes).ok()?;
            let [by, descending, key, id] = value.as_slice() else {
                return None;
            };
            let by = Sort::parse(by.as_str()?)?;
            let key = match by.is_text() {
                true => Key::Text(key.as_str()?.to_owned()),
                false => Key::Number(key.as_i64()?),
            };
            let descending = descending.as_bool()?;
            Some(Cursor {
                order: Order { by, descending },
                key,
                id: id.as_str()?.to_owned(),
            })
        };
        read().ok_or(QuarantineError::Cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_were_and_nothing_else_is_one() {
        for (by, key) in [
            (Sort::Received, Key::Number(-5)),
            (Sort::Sender, Key::Text("a\"\u{202e}@b".to_owned())),
        ] {
            let descending = by == Sort::Received;
            let order = Order { by, descending };
            let id = "01KFQ2M9T3Y7W6V5X4Z3A2B1C0".to_owned();
            let cursor = Cursor { order, key, id };
            let text = cursor.to_string();
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            );
            assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
            for bad in [text.get(1..).unwrap(), "", "x", "W10", &"A".repeat(5_000)] {
                assert!(bad.parse::<Cursor>().is_err(), "{bad:.40}");
            }
        }
    }
}
