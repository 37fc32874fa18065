//! What lists are asked about: where it comes from, when it is known, and which kind of question it makes.

use std::net::IpAddr;

/// Where something that lists are asked about comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The address of the client.
    Client,
    /// The verified name of the client.
    ClientName,
    /// The name given with HELO.
    Helo,
    /// The domain of the envelope sender.
    Sender,
    /// The domains of `From`.
    From,
    /// The domains of `Reply-To`.
    ReplyTo,
    /// The domain of `Message-ID`.
    MessageId,
    /// The addresses in `Received`.
    Received,
    /// The signing domains of `DKIM-Signature`; the signatures are not verified.
    Dkim,
    /// The mail addresses of the envelope sender, `From`, `Sender` and `Reply-To`, hashed.
    Email,
    /// The mail addresses in the text, hashed.
    BodyEmail,
    /// The hosts of URLs that have a name.
    Url,
    /// The hosts of URLs that are addresses.
    UrlNumeric,
    /// Whole URLs, hashed.
    UrlHash,
    /// The addresses of the hosts of URLs.
    UrlAddress,
    /// The names of the name servers of the hosts of URLs.
    UrlNs,
    /// The addresses of these name servers.
    UrlNsAddress,
}

/// When a subject is known. A later one never changes an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Connect,
    Helo,
    Mail,
    Header,
    Body,
    /// What stands in the body stands in documents too, and these are opened after it was read.
    Documents,
}

impl Stage {
    pub(super) const ALL: [Stage; 6] = [
        Stage::Connect,
        Stage::Helo,
        Stage::Mail,
        Stage::Header,
        Stage::Body,
        Stage::Documents,
    ];
}

/// Which kind of question a subject makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Octets or nibbles backwards.
    Address,
    /// A name in front of the zone.
    Name,
    /// A hash in front of the zone.
    Digest,
}

impl Subject {
    /// Each of them, in the order in which they are known.
    pub(super) const ALL: [Subject; 17] = [
        Subject::Client,
        Subject::ClientName,
        Subject::Helo,
        Subject::Sender,
        Subject::From,
        Subject::ReplyTo,
        Subject::MessageId,
        Subject::Received,
        Subject::Dkim,
        Subject::Email,
        Subject::BodyEmail,
        Subject::Url,
        Subject::UrlNumeric,
        Subject::UrlHash,
        Subject::UrlAddress,
        Subject::UrlNs,
        Subject::UrlNsAddress,
    ];

    /// Their words in configuration and evidence, in the same order.
    pub(super) const NAMES: &[&str] = &[
        "client",
        "client_name",
        "helo",
        "sender",
        "from",
        "reply_to",
        "message_id",
        "received",
        "dkim",
        "email",
        "body_email",
        "url",
        "url_numeric",
        "url_hash",
        "url_address",
        "url_ns",
        "url_ns_address",
    ];

    /// The subject of that word.
    pub(super) fn named(word: &str) -> Option<Subject> {
        let place = Subject::NAMES.iter().position(|n| *n == word)?;
        Subject::ALL.get(place).copied()
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        let place = Subject::ALL.iter().position(|s| *s == self);
        place
            .and_then(|p| Subject::NAMES.get(p))
            .copied()
            .unwrap_or("")
    }

    pub(super) fn stage(self) -> Stage {
        match self {
            Subject::Client | Subject::ClientName => Stage::Connect,
            Subject::Helo => Stage::Helo,
            Subject::Sender => Stage::Mail,
            Subject::From
            | Subject::ReplyTo
            | Subject::MessageId
            | Subject::Received
            | Subject::Dkim
            | Subject::Email => Stage::Header,
            Subject::BodyEmail
            | Subject::Url
            | Subject::UrlNumeric
            | Subject::UrlHash
            | Subject::UrlAddress
            | Subject::UrlNs
            | Subject::UrlNsAddress => Stage::Body,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Subject::Client
            | Subject::Received
            | Subject::UrlNumeric
            | Subject::UrlAddress
            | Subject::UrlNsAddress => Kind::Address,
            Subject::Email | Subject::BodyEmail | Subject::UrlHash => Kind::Digest,
            _ => Kind::Name,
        }
    }

    /// Whether it says something about the client's connection and not about the message.
    pub(super) fn of_connection(self) -> bool {
        matches!(self, Subject::Client | Subject::ClientName | Subject::Helo)
    }

    /// Whether it is something about URLs.
    pub(super) fn of_url(self) -> bool {
        matches!(
            self,
            Subject::Url
                | Subject::UrlNumeric
                | Subject::UrlHash
                | Subject::UrlAddress
                | Subject::UrlNs
                | Subject::UrlNsAddress
        )
    }

    /// Whether names must be resolved before lists can be asked.
    pub(super) fn resolves(self) -> bool {
        matches!(
            self,
            Subject::UrlAddress | Subject::UrlNs | Subject::UrlNsAddress
        )
    }
}

/// Something that lists are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Value {
    /// An address; one of IPv4 is never in its IPv6 form.
    Address(IpAddr),
    /// A host name in lower case and ASCII, below a suffix that exists.
    Name(String),
    /// What is to be hashed: a mail address or a URL, as it came.
    Text(String),
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) subject: Subject,
    pub(super) value: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_has_its_word() {
        assert_eq!(Subject::ALL.len(), Subject::NAMES.len());
        for subject in Subject::ALL {
            assert_eq!(Subject::named(subject.name()), Some(subject));
        }
        assert_eq!(Subject::named("clients"), None);
        assert!(Subject::ALL.is_sorted());
    }
}
