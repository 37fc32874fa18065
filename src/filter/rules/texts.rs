//! The texts of the places of one transaction, each taken out of it once, when a rule first asks.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::fold::fold;
use super::place::{Field, Place, Side};
use super::spamassassin;
use crate::mail::{Envelope, Mail, Mailbox, PartKind};

/// `raw` and `raw_body` end here; a filter that uses them says so for a longer message.
pub(super) const RAW_BYTES: usize = 4 << 20;
/// How much of an attachment `attachment_start` shows, bytes.
const START_BYTES: usize = 1 << 10;

/// What a set of rules is evaluated on.
pub(super) enum Subject<'a> {
    /// A real transaction.
    Transaction(&'a Envelope, &'a Mail),
    /// A fragment of a test in a rule: every place of content holds exactly this text, the header and
    /// the envelope are empty.
    Fragment(&'a str),
}

/// Texts of one place.
pub(super) type Values<'a> = Vec<Cow<'a, [u8]>>;

/// The texts of one transaction for the places of one set of rules, by their number in it.
pub(super) struct Texts<'a> {
    subject: &'a Subject<'a>,
    places: &'a [Place],
    values: Vec<OnceCell<Values<'a>>>,
    spamassassin: OnceCell<spamassassin::Message<'a>>,
}

impl<'a> Texts<'a> {
    /// Nothing is taken out yet.
    pub(super) fn new(subject: &'a Subject<'a>, places: &'a [Place]) -> Texts<'a> {
        Texts {
            subject,
            places,
            values: places.iter().map(|_| OnceCell::new()).collect(),
            spamassassin: OnceCell::new(),
        }
    }

    /// The texts of a place; empty when the transaction has none.
    pub(super) fn of(&self, place: usize) -> &[Cow<'a, [u8]>] {
        match (self.values.get(place), self.places.get(place)) {
            (Some(cell), Some(place)) => cell.get_or_init(|| match self.subject {
                Subject::Fragment(text) if place.is_content() => {
                    vec![Cow::Borrowed(text.as_bytes())]
                }
                Subject::Fragment(_) => Vec::new(),
                Subject::Transaction(envelope, mail) if let Place::SpamAssassin(view) = place => {
                    let message = self
                        .spamassassin
                        .get_or_init(|| spamassassin::Message::parse(mail.raw()));
                    view.texts(message, envelope)
                }
                Subject::Transaction(envelope, mail) => values(place, envelope, mail),
            }),
            _ => &[],
        }
    }
}

fn values<'a>(place: &Place, envelope: &'a Envelope, mail: &'a Mail) -> Values<'a> {
    match place {
        Place::Header { name, raw } => mail
            .headers()
            .filter(|h| h.is(name))
            .map(|h| {
                if *raw {
                    borrowed(h.raw)
                } else {
                    owned(h.decoded())
                }
            })
            .collect(),
        Place::Headers { raw } => mail
            .headers()
            .map(|h| {
                let mut line = h.name.to_vec();
                if *raw {
                    line.push(b':');
                    line.extend_from_slice(h.raw);
                } else {
                    line.extend_from_slice(b": ");
                    line.extend_from_slice(h.decoded().as_bytes());
                }
                Cow::Owned(line)
            })
            .collect(),
        Place::Subject => mail
            .headers()
            .filter(|h| h.is("Subject"))
            .map(|h| owned(fold(&h.decoded())))
            .collect(),
        Place::Mailbox(field, side) => mailboxes(mail, *field, *side),
        Place::MailFrom => envelope
            .sender
            .iter()
            .map(|a| borrowed(a.text().as_bytes()))
            .collect(),
        Place::MailFromDomain => envelope
            .sender
            .iter()
            .filter_map(|a| a.domain())
            .map(|d| owned(d.to_ascii_lowercase()))
            .collect(),
        Place::RcptTo => envelope
            .recipients
            .iter()
            .map(|a| borrowed(a.text().as_bytes()))
            .collect(),
        Place::RcptToDomain => envelope
            .recipients
            .iter()
            .filter_map(|a| a.domain())
            .map(|d| owned(d.to_ascii_lowercase()))
            .collect(),
        Place::Helo => one(envelope.helo.as_deref()),
        Place::ClientName => one(envelope.client.name.as_deref()),
        Place::Tls => one(envelope.tls.as_deref()),
        Place::Text => vec![owned(fold(mail.text()))],
        Place::HiddenText => match fold(mail.hidden_text()) {
            hidden if hidden.is_empty() => Vec::new(),
            hidden => vec![owned(hidden)],
        },
        Place::Html => mail
            .parts()
            .iter()
            .filter_map(|p| match &p.kind {
                PartKind::Html(html) => Some(borrowed(html.as_bytes())),
                _ => None,
            })
            .collect(),
        Place::RawBody => vec![borrowed(beginning(mail.raw_body(), RAW_BYTES))],
        Place::Raw => vec![borrowed(beginning(mail.raw(), RAW_BYTES))],
        Place::Url => mail
            .urls()
            .iter()
            .map(|u| borrowed(u.text.as_bytes()))
            .collect(),
        Place::UrlHost => mail
            .urls()
            .iter()
            .filter(|u| !u.host.is_empty())
            .map(|u| borrowed(u.host.as_bytes()))
            .collect(),
        Place::LinkText => mail
            .urls()
            .iter()
            .filter_map(|u| u.shown.as_deref())
            .map(|shown| owned(fold(shown)))
            .collect(),
        Place::AttachmentName => mail
            .attachments()
            .filter_map(|p| p.name.as_deref())
            .map(|n| borrowed(n.as_bytes()))
            .collect(),
        Place::AttachmentType => mail
            .attachments()
            .map(|p| borrowed(p.content_type.as_bytes()))
            .collect(),
        Place::AttachmentStart => mail
            .attachments()
            .filter_map(|p| match &p.kind {
                PartKind::Text(text) | PartKind::Html(text) => Some(text.as_bytes()),
                PartKind::Binary(bytes) => Some(bytes.as_slice()),
                _ => None,
            })
            .map(|content| borrowed(beginning(content, START_BYTES)))
            .collect(),
        Place::PartType => mail
            .parts()
            .iter()
            .map(|p| borrowed(p.content_type.as_bytes()))
            .collect(),
        Place::PartCharset => mail
            .parts()
            .iter()
            .filter_map(|p| p.charset.as_deref())
            .map(|c| borrowed(c.as_bytes()))
            .collect(),
        // Taken from a reading of its own, in `Texts::of`.
        Place::SpamAssassin(_) => Vec::new(),
    }
}

fn mailboxes<'a>(mail: &Mail, field: Field, side: Side) -> Values<'a> {
    let take = |mailbox: Mailbox| match side {
        Side::Address => Some(mailbox.address).filter(|a| !a.is_empty()),
        Side::Name => mailbox.name.map(|n| fold(&n)),
        Side::Domain => mailbox.domain().map(str::to_ascii_lowercase),
    };
    mail.mailboxes(field.header())
        .into_iter()
        .filter_map(take)
        .map(owned)
        .collect()
}

fn borrowed(bytes: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(bytes)
}

fn owned<'a>(text: String) -> Cow<'a, [u8]> {
    Cow::Owned(text.into_bytes())
}

fn one(text: Option<&str>) -> Values<'_> {
    text.map(|t| borrowed(t.as_bytes())).into_iter().collect()
}

fn beginning(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}
