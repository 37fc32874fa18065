//! Which message it is, whoever looks at it: at the MTA, in a Maildir, or in the folder of a person.
//!
//! On its way to the folder a message gets header fields of the receiving side, and its line ends may change. What
//! is left out here is what changes so; a person's lesson then meets the automatic one about the same message.

use crate::mail::Mail;

use super::lesson::Digest;
use super::receiving::Receiving;

/// The digest of a message without the fields of the receiving side, carriage returns, and empty lines at its end.
pub(super) fn identity(mail: &Mail) -> Digest {
    // The built-in list, never a configured one: the identity must not change with a model.
    let receiving = Receiving::default();
    let mut hasher = blake3::Hasher::new();
    for header in mail.headers() {
        let name = header.name_text().to_ascii_lowercase();
        if receiving.ignores(&name) {
            continue;
        }
        hasher.update(name.as_bytes());
        hasher.update(b":");
        for word in header.unfolded().split_ascii_whitespace() {
            hasher.update(word.as_bytes());
            hasher.update(b" ");
        }
        hasher.update(b"\n");
    }
    hasher.update(b"\n");
    let body = mail.raw_body().trim_ascii_end();
    for piece in body.split(|b| *b == b'\r') {
        hasher.update(piece);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Limits;

    fn of(raw: &str) -> Digest {
        identity(&Mail::parse(raw.to_owned().into(), &Limits::default()))
    }

    #[test]
    fn delivery_does_not_change_it_and_the_sender_s_words_do() {
        let sent = "From: a@b.example\r\nSubject: hello\r\n world\r\n\r\nText.\r\nMore.\r\n";
        let stored = "Return-Path: <a@b.example>\nDelivered-To: me@c.example\n\
            Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\nX-Mailweir-Score: 3\nFrom: a@b.example\n\
            Subject: hello world\n\nText.\nMore.\n\n";
        assert_eq!(of(sent), of(stored));
        assert_ne!(of(sent), of(&sent.replace("hello", "hallo")));
        assert_ne!(of(sent), of(&sent.replace("More", "Less")));
        assert_ne!(of(sent), of(&sent.replace("Subject", "Comments")));
    }
}
