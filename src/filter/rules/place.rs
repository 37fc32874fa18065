//! The places of a transaction that a condition can look at, by their names in rule files.

use super::spamassassin::View;

/// An address field of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    From,
    To,
    Cc,
    ReplyTo,
    Sender,
}

impl Field {
    /// The name of the field in the header.
    pub(super) fn header(self) -> &'static str {
        match self {
            Field::From => "From",
            Field::To => "To",
            Field::Cc => "Cc",
            Field::ReplyTo => "Reply-To",
            Field::Sender => "Sender",
        }
    }
}

/// Which side of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Address,
    Name,
    Domain,
}

/// A place: gives any number of texts for one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Values of the header fields of one name (lower case), decoded or raw.
    Header {
        name: String,
        raw: bool,
    },
    /// All header fields as `Name: value`, decoded or raw.
    Headers {
        raw: bool,
    },
    Subject,
    Mailbox(Field, Side),
    MailFrom,
    MailFromDomain,
    RcptTo,
    RcptToDomain,
    Helo,
    ClientName,
    Tls,
    Text,
    HiddenText,
    Html,
    RawBody,
    Raw,
    Url,
    UrlHost,
    LinkText,
    AttachmentName,
    AttachmentType,
    AttachmentStart,
    PartType,
    PartCharset,
    /// What imported rules look at: docs/spamassassin.md.
    SpamAssassin(View),
}

/// Places that need nothing but their name. `header`, `headers`, `sa_header` and `sa_mime_header` take keys
/// of their own.
const NAMED: &[(&str, Place)] = &[
    ("subject", Place::Subject),
    ("from", Place::Mailbox(Field::From, Side::Address)),
    ("from_name", Place::Mailbox(Field::From, Side::Name)),
    ("from_domain", Place::Mailbox(Field::From, Side::Domain)),
    ("to", Place::Mailbox(Field::To, Side::Address)),
    ("to_name", Place::Mailbox(Field::To, Side::Name)),
    ("to_domain", Place::Mailbox(Field::To, Side::Domain)),
    ("cc", Place::Mailbox(Field::Cc, Side::Address)),
    ("cc_name", Place::Mailbox(Field::Cc, Side::Name)),
    ("cc_domain", Place::Mailbox(Field::Cc, Side::Domain)),
    ("reply_to", Place::Mailbox(Field::ReplyTo, Side::Address)),
    ("reply_to_name", Place::Mailbox(Field::ReplyTo, Side::Name)),
    (
        "reply_to_domain",
        Place::Mailbox(Field::ReplyTo, Side::Domain),
    ),
    ("sender", Place::Mailbox(Field::Sender, Side::Address)),
    ("sender_name", Place::Mailbox(Field::Sender, Side::Name)),
    ("sender_domain", Place::Mailbox(Field::Sender, Side::Domain)),
    ("mail_from", Place::MailFrom),
    ("mail_from_domain", Place::MailFromDomain),
    ("rcpt_to", Place::RcptTo),
    ("rcpt_to_domain", Place::RcptToDomain),
    ("helo", Place::Helo),
    ("client_name", Place::ClientName),
    ("tls", Place::Tls),
    ("text", Place::Text),
    ("hidden_text", Place::HiddenText),
    ("html", Place::Html),
    ("raw_body", Place::RawBody),
    ("raw", Place::Raw),
    ("url", Place::Url),
    ("url_host", Place::UrlHost),
    ("link_text", Place::LinkText),
    ("attachment_name", Place::AttachmentName),
    ("attachment_type", Place::AttachmentType),
    ("attachment_start", Place::AttachmentStart),
    ("part_type", Place::PartType),
    ("part_charset", Place::PartCharset),
    ("sa_body", Place::SpamAssassin(View::Body)),
    ("sa_body_text", Place::SpamAssassin(View::BodyText)),
    ("sa_rawbody", Place::SpamAssassin(View::RawBody)),
    ("sa_uri", Place::SpamAssassin(View::Uri)),
    ("sa_full", Place::SpamAssassin(View::Full)),
];

impl Place {
    /// The place of that name; `None` for `header`, `headers` and unknown names.
    pub(super) fn named(name: &str) -> Option<Place> {
        NAMED
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, place)| place.clone())
    }

    /// Names of all places without keys of their own.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// How evidence calls it: the name in rule files, a header field with its own name.
    pub(super) fn label(&self) -> String {
        match self {
            Place::Header { name, .. } => format!("header {name}"),
            Place::Headers { .. } => "headers".to_owned(),
            Place::SpamAssassin(View::Header(field)) => format!("sa_header {}", field.name()),
            Place::SpamAssassin(View::MimeHeader(field)) => {
                format!("sa_mime_header {}", field.name())
            }
            other => NAMED
                .iter()
                .find(|(_, place)| place == other)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }

    /// Whether it shows what a person wrote rather than who sent it: a fragment of a test stands here.
    pub(super) fn is_content(&self) -> bool {
        matches!(
            self,
            Place::Subject
                | Place::Text
                | Place::Html
                | Place::RawBody
                | Place::Raw
                | Place::Url
                | Place::UrlHost
                | Place::LinkText
                | Place::AttachmentName
                | Place::SpamAssassin(View::Body | View::BodyText | View::RawBody | View::Uri | View::Full)
        )
    }

    /// Whether its texts are domains, or addresses that end in one.
    pub(super) fn holds_domains(&self) -> bool {
        matches!(
            self,
            Place::Mailbox(_, Side::Address | Side::Domain)
                | Place::MailFrom
                | Place::MailFromDomain
                | Place::RcptTo
                | Place::RcptToDomain
                | Place::Helo
                | Place::ClientName
                | Place::UrlHost
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_places_and_back() {
        let mut names: Vec<_> = Place::names().collect();
        for name in &names {
            assert_eq!(Place::named(name).unwrap().label(), *name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMED.len());
    }
}
