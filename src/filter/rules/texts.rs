//! The texts of the places of one transaction, each taken out of it once, when a rule first asks.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::atomic::AtomicBool;

use super::element::{Element, Elements};
use super::fold::fold;
use super::known::Known;
use super::number::Number;
use super::place::{Place, Side};
use super::relation;
use super::spamassassin;
use crate::content::{self, Content};
use crate::mail::{Address, Envelope, Hop, Mail, Mailbox, PartKind};

/// `raw` and `raw_body` end here; a filter that uses them says so for a longer message.
pub(super) const RAW_BYTES: usize = 4 << 20;
/// Most Received fields that are read.
const HOPS: usize = 200;

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
    hops: OnceCell<Vec<Hop>>,
    content: OnceCell<Cow<'a, Content>>,
    known: Known<'a>,
    numbers: [OnceCell<Option<f64>>; Number::ALL.len()],
}

impl<'a> Texts<'a> {
    /// Nothing is taken out yet.
    /// Where the files are not given, they are opened when a rule first asks for them.
    pub(super) fn new(
        subject: &'a Subject<'a>,
        places: &'a [Place],
        known: Known<'a>,
    ) -> Texts<'a> {
        Texts {
            subject,
            places,
            values: places.iter().map(|_| OnceCell::new()).collect(),
            spamassassin: OnceCell::new(),
            hops: OnceCell::new(),
            content: known
                .content
                .map_or_else(OnceCell::new, |c| OnceCell::from(Cow::Borrowed(c))),
            known,
            numbers: Default::default(),
        }
    }

    /// The texts of a place; empty when the transaction has none.
    pub(super) fn of(&self, place: usize) -> &[Cow<'a, [u8]>] {
        match (self.values.get(place), self.places.get(place)) {
            (Some(cell), Some(place)) => cell.get_or_init(|| match (self.subject, place) {
                (Subject::Fragment(text), place) if place.is_content() => {
                    vec![Cow::Borrowed(text.as_bytes())]
                }
                (Subject::Fragment(_), _) => Vec::new(),
                (Subject::Transaction(envelope, mail), Place::SpamAssassin(view)) => {
                    let message = self
                        .spamassassin
                        .get_or_init(|| spamassassin::Message::parse(mail.raw()));
                    view.texts(message, envelope)
                }
                (
                    Subject::Transaction(..),
                    Place::Of(
                        element @ (Element::Received | Element::File | Element::Signature),
                        aspect,
                    ),
                ) => {
                    let elements = self.elements(*element);
                    // They are read into this; their texts have to outlive it.
                    (0..elements.len())
                        .flat_map(|i| elements.texts(i, *aspect))
                        .map(|text| Cow::Owned(text.into_owned()))
                        .collect()
                }
                (Subject::Transaction(_, mail), Place::Of(element, aspect)) => {
                    let elements = of_mail(*element, mail);
                    (0..elements.len())
                        .flat_map(|i| elements.texts(i, *aspect))
                        .collect()
                }
                (Subject::Transaction(..), Place::Proof(proof)) => {
                    let found = self.known.authentication;
                    found.map_or_else(Vec::new, |found| proof.texts(found))
                }
                (Subject::Transaction(..), Place::Reputation) => {
                    let hits = self.known.reputation.iter();
                    hits.map(|hit| borrowed(hit.rule.as_bytes())).collect()
                }
                (Subject::Transaction(envelope, mail), place) => values(place, envelope, mail),
            }),
            _ => &[],
        }
    }

    /// The elements of a kind.
    pub(super) fn elements(&self, element: Element) -> Elements<'_> {
        match (self.subject, element) {
            (Subject::Fragment(text), _) => Elements::Fragment(text),
            (Subject::Transaction(_, mail), Element::Received) => {
                Elements::Hops(self.hops.get_or_init(|| {
                    let fields = mail.headers_named("Received").take(HOPS);
                    fields.map(|field| Hop::parse(field.raw)).collect()
                }))
            }
            (Subject::Transaction(_, mail), Element::File) => {
                Elements::Files(self.content.get_or_init(|| {
                    let limits = content::Limits::default();
                    Cow::Owned(content::read(mail, &limits, &AtomicBool::new(false)))
                }))
            }
            (Subject::Transaction(..), Element::Signature) => {
                let found = self.known.authentication;
                Elements::Signatures(found.map_or(&[], |found| &found.dkim))
            }
            (Subject::Transaction(_, mail), element) => of_mail(element, mail),
        }
    }

    /// A number of the message; `None` when it has none.
    pub(super) fn number(&self, number: Number) -> Option<f64> {
        let cell = self.numbers.get(number as usize)?;
        *cell.get_or_init(|| number.of(self.subject))
    }
}

fn of_mail(element: Element, mail: &Mail) -> Elements<'_> {
    match element {
        Element::Link => Elements::Links(mail.urls()),
        Element::Part => Elements::Parts(mail.parts().iter().collect()),
        Element::Attachment => Elements::Parts(mail.attachments().collect()),
        // Taken in `Texts::elements`.
        Element::Received | Element::File | Element::Signature => Elements::Hops(&[]),
    }
}

fn values<'a>(place: &Place, envelope: &'a Envelope, mail: &'a Mail) -> Values<'a> {
    match place {
        Place::Header {
            name,
            raw,
            position,
            side,
        } => {
            let fields: Vec<_> = mail.headers().filter(|h| h.is(name)).collect();
            let chosen = match position {
                Some(position) => position
                    .of(fields.len())
                    .and_then(|i| fields.get(i..=i))
                    .unwrap_or_default(),
                None => fields.as_slice(),
            };
            chosen
                .iter()
                .flat_map(|h| match (side, raw) {
                    (Some(side), _) => h
                        .mailboxes()
                        .into_iter()
                        .filter_map(|m| of_mailbox(m, *side))
                        .map(owned)
                        .collect(),
                    (None, true) => vec![borrowed(h.raw)],
                    (None, false) => vec![owned(h.decoded())],
                })
                .collect()
        }
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
        Place::Mailbox(field, side) => mail
            .mailboxes(field.header())
            .into_iter()
            .filter_map(|m| of_mailbox(m, *side))
            .map(owned)
            .collect(),
        Place::MailFrom(side) => envelope
            .sender
            .iter()
            .filter_map(|a| of_address(a, *side))
            .collect(),
        Place::RcptTo(side) => envelope
            .recipients
            .iter()
            .filter_map(|a| of_address(a, *side))
            .collect(),
        Place::Helo => one(envelope.helo.as_deref()),
        Place::HeloRegisteredDomain => registered(envelope.helo.as_deref()),
        Place::ClientName => one(envelope.client.name.as_deref()),
        Place::ClientRegisteredDomain => registered(envelope.client.name.as_deref()),
        Place::ClientAddress => envelope
            .client
            .addr
            .map(|addr| owned(addr.to_canonical().to_string()))
            .into_iter()
            .collect(),
        Place::Tls => one(envelope.tls.as_deref()),
        Place::Text => vec![owned(fold(mail.text()))],
        Place::PlainText => parts_of_text(mail, false),
        Place::HtmlText => parts_of_text(mail, true),
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
        Place::RawBody => vec![borrowed(beginning(mail.raw_body()))],
        Place::Raw => vec![borrowed(beginning(mail.raw()))],
        // Taken in `Texts::of`.
        Place::Of(..) | Place::SpamAssassin(_) | Place::Proof(_) | Place::Reputation => Vec::new(),
    }
}

/// The folded text of each plain or HTML part that a reader sees.
fn parts_of_text<'a>(mail: &Mail, html: bool) -> Values<'a> {
    mail.texts()
        .filter(|(part, _)| matches!(part.kind, PartKind::Html(_)) == html)
        .map(|(_, text)| owned(fold(text)))
        .collect()
}

fn of_mailbox(mailbox: Mailbox, side: Side) -> Option<String> {
    match side {
        Side::Address => Some(mailbox.address).filter(|a| !a.is_empty()),
        Side::Mailbox => Some(match mailbox.name {
            Some(name) => format!("{} <{}>", fold(&name), mailbox.address),
            None => mailbox.address,
        }),
        Side::Name => mailbox.name.map(|n| fold(&n)),
        Side::LocalPart => mailbox
            .address
            .rsplit_once('@')
            .map(|(local, _)| local.to_owned()),
        Side::Domain => mailbox.domain().map(str::to_ascii_lowercase),
        Side::RegisteredDomain => relation::registered(mailbox.domain()?),
    }
}

fn of_address(address: &Address, side: Side) -> Option<Cow<'_, [u8]>> {
    match side {
        Side::Address | Side::Mailbox => Some(borrowed(address.text().as_bytes())),
        Side::Name => None,
        Side::LocalPart => Some(borrowed(address.local_part().as_bytes())),
        Side::Domain => address.domain().map(|d| owned(d.to_ascii_lowercase())),
        Side::RegisteredDomain => relation::registered(address.domain()?).map(owned),
    }
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

fn registered<'a>(host: Option<&str>) -> Values<'a> {
    host.and_then(relation::registered)
        .map(owned)
        .into_iter()
        .collect()
}

fn beginning(bytes: &[u8]) -> &[u8] {
    bytes.get(..RAW_BYTES).unwrap_or(bytes)
}
