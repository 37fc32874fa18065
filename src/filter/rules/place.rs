//! The places of a transaction that a condition can look at, by their names in rule files.

use super::element::{Aspect, Element, Position};
use super::known::Proof;
use super::spamassassin::View;
use crate::filter::reputation;

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

/// Which side of a mailbox or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Address,
    /// Name and address, as a reader sees them: `Ann <ann@example.org>`.
    Mailbox,
    Name,
    LocalPart,
    Domain,
    RegisteredDomain,
}

impl Side {
    /// Every side with its name behind `as:`.
    pub(super) const NAMED: &'static [(&'static str, Side)] = &[
        ("address", Side::Address),
        ("mailbox", Side::Mailbox),
        ("name", Side::Name),
        ("local_part", Side::LocalPart),
        ("domain", Side::Domain),
        ("registered_domain", Side::RegisteredDomain),
    ];

    /// Whether it is a domain or ends in one.
    fn holds_domains(self) -> bool {
        matches!(self, Side::Address | Side::Domain | Side::RegisteredDomain)
    }
}

/// A place: gives any number of texts for one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Values of the header fields of one name (lower case), decoded or raw, or one side of the mailboxes
    /// in them.
    Header {
        name: String,
        raw: bool,
        position: Option<Position>,
        side: Option<Side>,
    },
    /// All header fields as `Name: value`, decoded or raw.
    Headers {
        raw: bool,
    },
    Subject,
    Mailbox(Field, Side),
    MailFrom(Side),
    RcptTo(Side),
    Helo,
    HeloRegisteredDomain,
    ClientName,
    ClientRegisteredDomain,
    ClientAddress,
    Tls,
    Text,
    PlainText,
    HtmlText,
    HiddenText,
    Html,
    RawBody,
    Raw,
    /// One aspect of all elements of a kind.
    Of(Element, Aspect),
    /// What the filter `auth` has found out.
    Proof(Proof),
    /// The hits of the filter `reputation`.
    Reputation,
    /// What imported rules look at: docs/spamassassin.md.
    SpamAssassin(View),
}

macro_rules! sides {
    ($($name:literal $field:ident;)*) => {
        &[$(
            ($name, Place::Mailbox(Field::$field, Side::Address)),
            (concat!($name, "_mailbox"), Place::Mailbox(Field::$field, Side::Mailbox)),
            (concat!($name, "_name"), Place::Mailbox(Field::$field, Side::Name)),
            (concat!($name, "_local_part"), Place::Mailbox(Field::$field, Side::LocalPart)),
            (concat!($name, "_domain"), Place::Mailbox(Field::$field, Side::Domain)),
            (concat!($name, "_registered_domain"), Place::Mailbox(Field::$field, Side::RegisteredDomain)),
        )*]
    };
}

/// The address fields.
const MAILBOXES: &[(&str, Place)] = sides! {
    "from" From;
    "to" To;
    "cc" Cc;
    "reply_to" ReplyTo;
    "sender" Sender;
};

/// Other places that need nothing but their name. `header` and `headers` take keys of their own.
const NAMED: &[(&str, Place)] = &[
    ("subject", Place::Subject),
    ("mail_from", Place::MailFrom(Side::Address)),
    ("mail_from_local_part", Place::MailFrom(Side::LocalPart)),
    ("mail_from_domain", Place::MailFrom(Side::Domain)),
    (
        "mail_from_registered_domain",
        Place::MailFrom(Side::RegisteredDomain),
    ),
    ("rcpt_to", Place::RcptTo(Side::Address)),
    ("rcpt_to_local_part", Place::RcptTo(Side::LocalPart)),
    ("rcpt_to_domain", Place::RcptTo(Side::Domain)),
    (
        "rcpt_to_registered_domain",
        Place::RcptTo(Side::RegisteredDomain),
    ),
    ("helo", Place::Helo),
    ("helo_registered_domain", Place::HeloRegisteredDomain),
    ("client_name", Place::ClientName),
    ("client_registered_domain", Place::ClientRegisteredDomain),
    ("client_address", Place::ClientAddress),
    ("tls", Place::Tls),
    ("text", Place::Text),
    ("plain_text", Place::PlainText),
    ("html_text", Place::HtmlText),
    ("hidden_text", Place::HiddenText),
    ("html", Place::Html),
    ("raw_body", Place::RawBody),
    ("raw", Place::Raw),
    ("sa_body", Place::SpamAssassin(View::Body)),
    ("sa_body_text", Place::SpamAssassin(View::BodyText)),
    ("sa_rawbody", Place::SpamAssassin(View::RawBody)),
    ("sa_uri", Place::SpamAssassin(View::Uri)),
    ("sa_full", Place::SpamAssassin(View::Full)),
    ("url", Place::Of(Element::Link, Aspect::Url)),
    ("url_scheme", Place::Of(Element::Link, Aspect::Scheme)),
    ("url_userinfo", Place::Of(Element::Link, Aspect::Userinfo)),
    ("url_host", Place::Of(Element::Link, Aspect::Host)),
    (
        "url_registered_domain",
        Place::Of(Element::Link, Aspect::RegisteredDomain),
    ),
    ("url_port", Place::Of(Element::Link, Aspect::Port)),
    ("url_path", Place::Of(Element::Link, Aspect::Path)),
    ("url_query", Place::Of(Element::Link, Aspect::Query)),
    ("link_text", Place::Of(Element::Link, Aspect::LinkText)),
    ("part_type", Place::Of(Element::Part, Aspect::Type)),
    ("part_charset", Place::Of(Element::Part, Aspect::Charset)),
    (
        "part_disposition",
        Place::Of(Element::Part, Aspect::Disposition),
    ),
    ("part_name", Place::Of(Element::Part, Aspect::FileName)),
    (
        "part_extension",
        Place::Of(Element::Part, Aspect::Extension),
    ),
    ("part_start", Place::Of(Element::Part, Aspect::Start)),
    ("part_sha256", Place::Of(Element::Part, Aspect::Sha256)),
    ("part_real_type", Place::Of(Element::Part, Aspect::RealType)),
    (
        "attachment_type",
        Place::Of(Element::Attachment, Aspect::Type),
    ),
    (
        "attachment_charset",
        Place::Of(Element::Attachment, Aspect::Charset),
    ),
    (
        "attachment_disposition",
        Place::Of(Element::Attachment, Aspect::Disposition),
    ),
    (
        "attachment_name",
        Place::Of(Element::Attachment, Aspect::FileName),
    ),
    (
        "attachment_extension",
        Place::Of(Element::Attachment, Aspect::Extension),
    ),
    (
        "attachment_start",
        Place::Of(Element::Attachment, Aspect::Start),
    ),
    (
        "attachment_sha256",
        Place::Of(Element::Attachment, Aspect::Sha256),
    ),
    (
        "attachment_real_type",
        Place::Of(Element::Attachment, Aspect::RealType),
    ),
    ("file_name", Place::Of(Element::File, Aspect::FileName)),
    ("file_path", Place::Of(Element::File, Aspect::FilePath)),
    (
        "file_extension",
        Place::Of(Element::File, Aspect::Extension),
    ),
    (
        "file_extensions",
        Place::Of(Element::File, Aspect::Extensions),
    ),
    ("file_type", Place::Of(Element::File, Aspect::Type)),
    ("file_real_type", Place::Of(Element::File, Aspect::RealType)),
    (
        "file_container",
        Place::Of(Element::File, Aspect::Container),
    ),
    ("file_depth", Place::Of(Element::File, Aspect::FileDepth)),
    ("file_sha256", Place::Of(Element::File, Aspect::Sha256)),
    ("file_flag", Place::Of(Element::File, Aspect::FileFlag)),
    ("file_trait", Place::Of(Element::File, Aspect::Trait)),
    ("file_url", Place::Of(Element::File, Aspect::FileUrl)),
    ("received_helo", Place::Of(Element::Received, Aspect::Helo)),
    (
        "received_name",
        Place::Of(Element::Received, Aspect::ClientName),
    ),
    (
        "received_address",
        Place::Of(Element::Received, Aspect::Address),
    ),
    ("received_by", Place::Of(Element::Received, Aspect::By)),
    ("received_with", Place::Of(Element::Received, Aspect::With)),
    ("received_id", Place::Of(Element::Received, Aspect::Id)),
    ("received_for", Place::Of(Element::Received, Aspect::For)),
    (
        "auth_dkim_result",
        Place::Of(Element::Signature, Aspect::Result),
    ),
    (
        "auth_dkim_domain",
        Place::Of(Element::Signature, Aspect::SigningDomain),
    ),
    (
        "auth_dkim_selector",
        Place::Of(Element::Signature, Aspect::Selector),
    ),
    ("auth_iprev", Place::Proof(Proof::Iprev)),
    ("auth_spf", Place::Proof(Proof::Spf)),
    ("auth_spf_domain", Place::Proof(Proof::SpfDomain)),
    ("auth_arc", Place::Proof(Proof::Arc)),
    ("auth_dmarc", Place::Proof(Proof::Dmarc)),
    ("auth_disposition", Place::Proof(Proof::Disposition)),
    ("auth_domain", Place::Proof(Proof::Domain)),
    ("auth_author", Place::Proof(Proof::Author)),
    ("reputation", Place::Reputation),
];

impl Place {
    /// Places with their names; not `header` and `headers`.
    fn all() -> impl Iterator<Item = &'static (&'static str, Place)> {
        MAILBOXES.iter().chain(NAMED)
    }

    /// The place of that name; `None` for `header`, `headers` and unknown names.
    pub(super) fn named(name: &str) -> Option<Place> {
        Place::all()
            .find(|(n, _)| *n == name)
            .map(|(_, place)| place.clone())
    }

    /// Names of all places without keys of their own.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Place::all().map(|(name, _)| *name)
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
            other => Place::all()
                .find(|(_, place)| place == other)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }

    /// Whether its texts may be as long as the message.
    pub(super) fn is_long(&self) -> bool {
        matches!(
            self,
            Place::Text
                | Place::PlainText
                | Place::HtmlText
                | Place::HiddenText
                | Place::Html
                | Place::RawBody
                | Place::Raw
        )
    }

    /// Whether it shows what a person wrote rather than who sent it: a fragment of a test stands here.
    pub(super) fn is_content(&self) -> bool {
        match self {
            Place::Subject
            | Place::Text
            | Place::PlainText
            | Place::HtmlText
            | Place::Html
            | Place::RawBody
            | Place::Raw
            | Place::SpamAssassin(
                View::Body | View::BodyText | View::RawBody | View::Uri | View::Full,
            ) => true,
            Place::Of(_, aspect) => aspect.is_content(),
            _ => false,
        }
    }

    /// Whether its texts are domains, or addresses that end in one.
    pub(super) fn holds_domains(&self) -> bool {
        match self {
            Place::Mailbox(_, side)
            | Place::MailFrom(side)
            | Place::RcptTo(side)
            | Place::Header {
                side: Some(side), ..
            } => side.holds_domains(),
            Place::Helo
            | Place::HeloRegisteredDomain
            | Place::ClientName
            | Place::ClientRegisteredDomain => true,
            Place::Of(_, aspect) => aspect.holds_domains(),
            Place::Proof(proof) => proof.words().is_none(),
            _ => false,
        }
    }

    /// Whether its texts may be IP addresses.
    pub(super) fn holds_addresses(&self) -> bool {
        match self {
            Place::ClientAddress | Place::Helo => true,
            Place::Of(_, aspect) => aspect.holds_addresses(),
            Place::Header { side, .. } => side.is_none(),
            _ => false,
        }
    }

    /// The only words that its texts can be, if there are such.
    pub(super) fn words(&self) -> Option<Vec<&'static str>> {
        match self {
            Place::Of(_, aspect) => aspect.words(),
            Place::Proof(proof) => proof.words(),
            Place::Reputation => Some(reputation::words()),
            _ => None,
        }
    }

    /// Whether its texts are SHA-256 digests.
    pub(super) fn holds_digests(&self) -> bool {
        matches!(self, Place::Of(_, Aspect::Sha256))
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
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_aspect_of_an_element_is_a_place_too() {
        for element in Element::ALL {
            for (key, aspect) in element.aspects() {
                let place = Place::Of(element, *aspect);
                assert!(!place.label().is_empty(), "{} {key}", element.name());
            }
        }
    }
}
