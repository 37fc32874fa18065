//! Addresses: of the envelope (RFC 5321 paths) and of header fields (RFC 5322 mailboxes).

/// An envelope address as the MTA gave it, `<user@example.org>` or bare, and its readable form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    raw: Vec<u8>,
    text: String,
}

impl Address {
    /// Takes the argument of MAIL or RCPT. Invalid UTF-8 is replaced in [`Address::text`] only;
    /// [`Address::raw`] keeps the exact bytes for replies that must repeat them.
    pub fn new(raw: &[u8]) -> Self {
        let bare = raw
            .strip_prefix(b"<")
            .and_then(|r| r.strip_suffix(b">"))
            .unwrap_or(raw);
        Address {
            raw: raw.to_vec(),
            text: String::from_utf8_lossy(bare).into_owned(),
        }
    }

    /// The exact bytes, with angle brackets if the MTA sent them.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Without angle brackets; empty for the null sender `<>`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`, or the whole address when there is none.
    pub fn local_part(&self) -> &str {
        self.text.rsplit_once('@').map_or(&self.text, |(l, _)| l)
    }

    /// What stands after the last `@`; `None` for the null sender and for unqualified addresses.
    pub fn domain(&self) -> Option<&str> {
        self.text
            .rsplit_once('@')
            .map(|(_, d)| d)
            .filter(|d| !d.is_empty())
    }
}

/// One mailbox of an address header: display name (decoded) and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// Decoded display name, if there is one.
    pub name: Option<String>,
    /// `local@domain` as written; empty when the field holds a name only.
    pub address: String,
}

impl Mailbox {
    /// What stands after the last `@`, or nothing.
    pub fn domain(&self) -> Option<&str> {
        self.address
            .rsplit_once('@')
            .map(|(_, d)| d)
            .filter(|d| !d.is_empty())
    }
}
