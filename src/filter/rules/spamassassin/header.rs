//! The `header` and `mimeheader` views: fields by name, with SpamAssassin's modifiers and pseudo fields.

use std::borrow::Cow;

use super::address;
use super::domain;
use super::field::{self, Field, is_space};
use super::message::Message;
use super::transfer;
use crate::mail::Envelope;

/// Most bytes of the whole header as one text.
const HEADER_BYTES: usize = 64 << 10;

/// A field name with its modifiers, `From:addr`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FieldView {
    name: String,
    source: Source,
    raw: bool,
    part: Part,
    pick: Pick,
}

/// Which fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// Those of the name.
    Named,
    /// The whole header.
    All,
    MessageIds,
    EnvelopeFrom,
    Untrusted,
    Trusted,
    Unparseable,
    /// The header from the first hop on that is not trusted.
    BehindTrusted,
    ToAndCc,
}

impl Source {
    fn of(name: &str) -> Source {
        match name {
            "ALL" => return Source::All,
            "MESSAGEID" => return Source::MessageIds,
            _ => {}
        }
        match name.to_ascii_lowercase().as_str() {
            "envelopefrom" => Source::EnvelopeFrom,
            // Without networks of the site, what is trusted is internal.
            "x-spam-relays-untrusted" | "x-spam-relays-external" => Source::Untrusted,
            "x-spam-relays-trusted" | "x-spam-relays-internal" => Source::Trusted,
            "x-spam-relays-unparseable" => Source::Unparseable,
            "all-external" | "all-untrusted" => Source::BehindTrusted,
            "tocc" => Source::ToAndCc,
            _ => Source::Named,
        }
    }
}

/// Which part of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    Address,
    Name,
    /// Host, of the address where `:addr` stands with it.
    Host {
        address: bool,
    },
    Domain {
        address: bool,
    },
    Ip {
        reversed: bool,
    },
}

/// Which of several fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pick {
    All,
    First,
    Last,
}

impl FieldView {
    /// Reads a name with modifiers; `None` when it is none.
    pub(crate) fn parse(written: &str) -> Option<FieldView> {
        let mut pieces = written.split(':');
        let name = pieces.next()?;
        let well_formed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if name.is_empty() || name.len() > 100 || !name.bytes().all(well_formed) {
            return None;
        }
        let mut view = FieldView {
            source: Source::of(name),
            name: name.to_owned(),
            raw: false,
            part: Part::Whole,
            pick: Pick::All,
        };
        let mut address = false;
        for modifier in pieces {
            match modifier {
                "raw" => view.raw = true,
                "addr" => address = true,
                "name" => view.part = Part::Name,
                "host" => view.part = Part::Host { address: false },
                "domain" => view.part = Part::Domain { address: false },
                "ip" => view.part = Part::Ip { reversed: false },
                "revip" => view.part = Part::Ip { reversed: true },
                "first" => view.pick = Pick::First,
                "last" => view.pick = Pick::Last,
                _ => return None,
            }
        }
        if address {
            view.part = match view.part {
                Part::Host { .. } => Part::Host { address },
                Part::Domain { .. } => Part::Domain { address },
                Part::Ip { reversed } => Part::Ip { reversed },
                _ => Part::Address,
            };
        }
        Some(view)
    }

    /// The name without modifiers.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The fields of that view as one text; `None` when there are none.
pub(super) fn text(
    view: &FieldView,
    message: &Message<'_>,
    envelope: &Envelope,
) -> Option<Vec<u8>> {
    let mut values = values(view, message, envelope);
    match view.pick {
        Pick::All => {}
        Pick::First => values.truncate(1),
        Pick::Last => values = values.pop().into_iter().collect(),
    }
    let values = match view.part {
        Part::Whole => values,
        part => taken(part, view.raw, &values)
            .into_iter()
            .map(Cow::Owned)
            .collect(),
    };
    let first = values.first()?;
    let between: &[u8] = match first.last() {
        Some(b'\n') => b"",
        _ => b"\n",
    };
    Some(values.join(between))
}

fn values<'m>(
    view: &FieldView,
    message: &'m Message<'_>,
    envelope: &Envelope,
) -> Vec<Cow<'m, [u8]>> {
    let raw = view.raw;
    let fields = |name: &str| -> Vec<Cow<'m, [u8]>> {
        let named = message.fields.iter().filter(|f| f.is(name));
        named.map(|f| shown(f, raw)).collect()
    };
    let relays = || message.relays(envelope);
    let all = |text: Vec<u8>| vec![Cow::Owned(text)];
    match view.source {
        Source::All if raw => all(whole_header(message)),
        Source::All => {
            let mut out = Vec::new();
            for field in &message.fields {
                write(field, false, &mut out);
                if out.len() > HEADER_BYTES {
                    break;
                }
            }
            all(out)
        }
        Source::MessageIds => [
            "X-Message-Id",
            "Resent-Message-Id",
            "X-Original-Message-ID",
            "Message-Id",
        ]
        .iter()
        .flat_map(|name| fields(name))
        .filter(|v| !v.is_empty())
        .collect(),
        Source::EnvelopeFrom => {
            let sender = envelope_from(message, envelope);
            sender.map(Cow::Owned).into_iter().collect()
        }
        Source::Untrusted => vec![Cow::Borrowed(&relays().untrusted)],
        Source::Trusted => vec![Cow::Borrowed(&relays().trusted)],
        // A field of our own: there when a Received field could not be read.
        Source::Unparseable => match relays().unknown {
            0 => Vec::new(),
            n => all(n.to_string().into_bytes()),
        },
        Source::BehindTrusted => all(behind_received(message, raw, relays().trusted_fields)),
        Source::ToAndCc => {
            let mut both = fields("To");
            both.extend(fields("Cc"));
            both
        }
        Source::Named => {
            let whole = raw
                || matches!(
                    view.part,
                    Part::Address
                        | Part::Name
                        | Part::Host { address: true }
                        | Part::Domain { address: true }
                );
            match whole {
                true => {
                    let named = message.fields.iter().filter(|f| f.is(&view.name));
                    named.map(|f| Cow::Borrowed(f.raw.as_slice())).collect()
                }
                false => fields(&view.name),
            }
        }
    }
}

/// The value of a field as one line.
fn shown(field: &Field, raw: bool) -> Cow<'_, [u8]> {
    match raw {
        true => Cow::Owned(field.unfolded()),
        false => Cow::Borrowed(field.line()),
    }
}

/// Writes a field with its name.
fn write(field: &Field, raw: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&field.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(&shown(field, raw));
}

/// The fields from the Received field of that number (from 0) on.
fn behind_received(message: &Message<'_>, raw: bool, number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seen = 0;
    for field in &message.fields {
        seen += usize::from(field.is("Received"));
        if seen <= number || out.len() > HEADER_BYTES {
            continue;
        }
        write(field, raw, &mut out);
    }
    out
}

fn whole_header(message: &Message<'_>) -> Vec<u8> {
    let header = message.header;
    let end = match header {
        [.., b'\n', b'\n'] => header.len() - 1,
        [.., b'\n', b'\r', b'\n'] => header.len() - 2,
        _ => header.len(),
    };
    transfer::line_feeds(header.get(..end).unwrap_or_default().to_vec())
}

/// The part of each value that the modifiers ask for.
fn taken(part: Part, raw: bool, values: &[Cow<'_, [u8]>]) -> Vec<Vec<u8>> {
    let mailboxes = || values.iter().flat_map(|v| address::mailboxes(v));
    let addresses = || mailboxes().filter_map(|m| m.address);
    let whole = || values.iter().map(|v| v.to_vec());
    match part {
        Part::Whole => whole().collect(),
        Part::Address => addresses().collect(),
        Part::Name => mailboxes()
            .filter_map(|m| m.name)
            .map(|name| if raw { name } else { shown_name(&name) })
            .collect(),
        Part::Host { address: true } => hosts(addresses(), after_at),
        Part::Host { address: false } => hosts(whole(), found_host),
        Part::Domain { address } => {
            let hosts = match address {
                true => hosts(addresses(), after_at),
                false => hosts(whole(), found_host),
            };
            let registered = |host: &Vec<u8>| {
                let host = String::from_utf8_lossy(host);
                domain::registered(&host).as_bytes().to_vec()
            };
            hosts.iter().map(registered).collect()
        }
        Part::Ip { reversed } => values.iter().filter_map(|v| ip(v, reversed)).collect(),
    }
}

/// A display name decoded, white space folded, without single quotes around it.
fn shown_name(name: &[u8]) -> Vec<u8> {
    let decoded = field::decode(name, true);
    if decoded.iter().all(|b| is_space(*b)) {
        return decoded;
    }
    let words: Vec<&[u8]> = decoded
        .split(|b| is_space(*b))
        .filter(|w| !w.is_empty())
        .collect();
    let folded = words.join(&b' ');
    match folded.as_slice() {
        [b'\'', inner @ .., b'\''] => inner.to_vec(),
        _ => folded,
    }
}

fn hosts(values: impl Iterator<Item = Vec<u8>>, find: fn(&str) -> Option<String>) -> Vec<Vec<u8>> {
    values
        .filter_map(|v| find(&String::from_utf8_lossy(&v)))
        .map(String::into_bytes)
        .collect()
}

fn after_at(address: &str) -> Option<String> {
    let host = address.rsplit('@').next()?;
    let host = host.split_whitespace().next()?;
    address.contains('@').then(|| host.to_owned())
}

/// The first host with a name that exists, preferably behind an `@`.
fn found_host(text: &str) -> Option<String> {
    let edge = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let real = |piece: &str| {
        let host = piece.trim_matches(['.', '-', '_']).to_ascii_lowercase();
        domain::is_real(&host).then_some(host)
    };
    let behind = text
        .rsplit_once('@')
        .and_then(|(_, rest)| rest.split(edge).next());
    behind
        .and_then(real)
        .or_else(|| text.split(edge).find_map(real))
}

fn ip(value: &[u8], reversed: bool) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(value);
    let piece = text
        .split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')))
        .find_map(|p| p.parse::<std::net::IpAddr>().ok())?;
    let text = match (piece, reversed) {
        (std::net::IpAddr::V4(v4), true) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        (other, _) => other.to_string(),
    };
    Some(text.into_bytes())
}

/// The envelope sender: from the MTA where it told one, else as the fields tell it.
fn envelope_from(message: &Message<'_>, envelope: &Envelope) -> Option<Vec<u8>> {
    if envelope.client.addr.is_some()
        && let Some(sender) = &envelope.sender
    {
        return Some(sender.text().as_bytes().to_vec());
    }
    if let Some(sender) = message.relays(envelope).envelope_from()
        && (sender.is_empty() || memchr::memchr(b'@', sender).is_some_and(|at| at > 0))
    {
        return Some(sender.to_vec());
    }
    let first_address = |name: &str| {
        let field = message.named(name).next()?;
        address::mailboxes(&field.raw)
            .into_iter()
            .find_map(|m| m.address)
    };
    let fetched = || {
        message
            .named("Received")
            .any(|f| memchr::memmem::find(&f.raw, b"(fetchmail").is_some())
    };
    if first_address("X-Sender").is_some_and(|a| a.contains(&b'@')) && fetched() {
        return None;
    }
    let received = message.fields.iter().position(|f| f.is("Received"));
    for name in ["X-Envelope-From", "Envelope-Sender", "Return-Path"] {
        let Some(sender) = first_address(name) else {
            continue;
        };
        let last = message.fields.iter().rposition(|f| f.is(name));
        // Behind a Received field it may tell of an earlier leg of the way.
        if received.is_some() && received < last {
            if name == "X-Envelope-From" {
                return None;
            }
            continue;
        }
        return Some(sender);
    }
    None
}

/// The fields of that name in each part, one text for a part that has any.
pub(super) fn of_parts(view: &FieldView, message: &Message<'_>) -> Vec<Vec<u8>> {
    let root = &message.fields;
    std::iter::once(root.as_slice())
        .chain(message.part_fields.iter().skip(1).map(Vec::as_slice))
        .filter_map(|fields| {
            let named = fields.iter().filter(|f| f.is(&view.name));
            let values: Vec<_> = named.map(|f| shown(f, view.raw)).collect();
            (!values.is_empty()).then(|| values.concat())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(view: &str, raw: &str) -> Option<String> {
        let message = Message::parse(raw.as_bytes());
        let view = FieldView::parse(view).unwrap();
        text(&view, &message, &Envelope::default()).map(|t| String::from_utf8(t).unwrap())
    }

    const MAIL: &str = "Return-Path: <env@x.example.com>\nFrom: =?utf-8?q?J=C3=B6?= <j@mail.example.co.uk>, k@y.example\nTo: a@b\nCc: c@d\nX: 1\nX: 2\n\n";

    #[test]
    fn modifiers_take_parts_of_values() {
        for (view, expected) in [
            ("From", "J\u{f6} <j@mail.example.co.uk>, k@y.example\n"),
            (
                "From:raw",
                " =?utf-8?q?J=C3=B6?= <j@mail.example.co.uk>, k@y.example\n",
            ),
            ("From:addr", "j@mail.example.co.uk\nk@y.example"),
            ("From:name", "J\u{f6}"),
            ("From:addr:domain", "example.co.uk\ny.example"),
            ("From:host", "mail.example.co.uk"),
            ("X", "1\n2\n"),
            ("X:first", "1\n"),
            ("X:last", "2\n"),
            ("ToCc", "a@b\nc@d\n"),
            ("EnvelopeFrom", "env@x.example.com"),
        ] {
            assert_eq!(get(view, MAIL).as_deref(), Some(expected), "{view}");
        }
        assert_eq!(get("Reply-To", MAIL), None);
        assert!(get("ALL", MAIL).unwrap().ends_with("X: 1\nX: 2\n"));
        assert!(get("ALL:raw", MAIL).unwrap().ends_with("X: 1\nX: 2\n"));
        assert!(FieldView::parse("From:foo").is_none() && FieldView::parse("a b").is_none());
    }
}
