//! The hops that a message has taken, from its Received fields and the SMTP session: the pseudo fields
//! `X-Spam-Relays-*`.
//!
//! No networks of the site are configured here, so what counts as trusted is inferred as SpamAssassin infers it:
//! hops from private addresses and authenticated ones, up to the first that is neither. Trusted is internal.

use std::net::{IpAddr, Ipv6Addr};

use super::message::Message;
use super::received::{self, Read};
use crate::mail::Envelope;

/// Most hops that are read.
const HOPS: usize = 200;

/// The hops, newest first, as rules see them.
#[derive(Debug, Default)]
pub(super) struct Relays {
    /// The text of the hops up to the first that is not trusted.
    pub(super) trusted: Vec<u8>,
    /// The text of the hops from there on.
    pub(super) untrusted: Vec<u8>,
    envelope_from: Option<Vec<u8>>,
    /// Fields that nobody can read.
    pub(super) unknown: usize,
    /// How many Received fields from the top are of trusted hops or before the first other one.
    pub(super) trusted_fields: usize,
}

/// One hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) ip: String,
    pub(super) rdns: String,
    pub(super) helo: String,
    pub(super) by: String,
    pub(super) ident: String,
    pub(super) envelope_from: Option<String>,
    pub(super) id: String,
    pub(super) auth: String,
}

impl Relays {
    /// Reads the hops. The SMTP client, where there is one, is the newest.
    pub(super) fn read(message: &Message<'_>, envelope: &Envelope) -> Relays {
        let mut trusted: Vec<Hop> = Vec::new();
        let mut untrusted: Vec<Hop> = Vec::new();
        let mut in_trusted = true;
        let (mut unknown, mut trusted_fields) = (0, 0);
        let own = usize::from(envelope.client.addr.is_some());
        let mut number = 0;
        let session = session_hop(envelope).map(|hop| Read::Hop(Box::new(hop)));
        // Some web mail services tell the first client in a field of its own.
        let originating = [
            "X-Yahoo-Post-IP",
            "X-Originating-IP",
            "X-Apparently-From",
            "X-SenderIP",
            "X-AOL-IP",
            "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp",
        ]
        .iter()
        .filter_map(|name| message.named(name).last())
        .filter_map(|field| originating(field.decoded()))
        .map(|hop| Read::Hop(Box::new(hop)));
        let received = message
            .named("Received")
            .take(HOPS)
            .map(|field| received::read(field.decoded()));
        for read in session.into_iter().chain(received).chain(originating) {
            number += 1;
            let hop = match read {
                Read::Hop(hop) => hop,
                Read::Fetched if in_trusted => {
                    trusted.clear();
                    trusted_fields += usize::from(number > own);
                    continue;
                }
                Read::Fetched | Read::Local | Read::Unknown => {
                    unknown += usize::from(matches!(read, Read::Unknown));
                    trusted_fields += usize::from(in_trusted && number > own);
                    continue;
                }
            };
            in_trusted &= is_private(&hop.ip) || !hop.auth.is_empty();
            trusted_fields += usize::from(in_trusted && number > own);
            match in_trusted {
                true => trusted.push(*hop),
                false => untrusted.push(*hop),
            }
        }
        let last = untrusted.first().or(trusted.last());
        Relays {
            envelope_from: last
                .and_then(|h| h.envelope_from.clone())
                .map(String::into_bytes),
            unknown,
            trusted_fields,
            trusted: shown(&trusted, 1),
            untrusted: shown(&untrusted, 0),
        }
    }

    /// The envelope sender that the last hop before the trusted ones noted.
    pub(super) fn envelope_from(&self) -> Option<&[u8]> {
        self.envelope_from.as_deref()
    }
}

fn shown(hops: &[Hop], internal: u8) -> Vec<u8> {
    let texts: Vec<String> = hops
        .iter()
        .map(|h| {
            format!(
                "[ ip={} rdns={} helo={} by={} ident={} envfrom={} intl={internal} id={} auth={} msa=0 ]",
                h.ip,
                h.rdns,
                h.helo,
                h.by,
                h.ident,
                h.envelope_from.as_deref().unwrap_or_default(),
                h.id,
                h.auth
            )
        })
        .collect();
    texts.join(" ").into_bytes()
}

fn session_hop(envelope: &Envelope) -> Option<Hop> {
    let ip = envelope.client.addr?;
    let word = |text: Option<&str>| clean(text.unwrap_or_default());
    Some(Hop {
        ip: ip.to_canonical().to_string(),
        rdns: word(envelope.client.name.as_deref()),
        helo: word(envelope.helo.as_deref()),
        by: word(envelope.mta.as_deref()),
        envelope_from: envelope.sender.as_ref().map(|a| clean(a.text())),
        id: word(envelope.queue_id.as_deref()),
        auth: match &envelope.authenticated {
            Some(_) => "ESMTPA".to_owned(),
            None => String::new(),
        },
        ..Hop::default()
    })
}

/// Characters that would break the notation are replaced.
pub(super) fn clean(text: &str) -> String {
    let breaks = |c: char| c.is_ascii_whitespace() || "\0\u{b}#[]()<>|".contains(c);
    text.chars()
        .map(|c| if breaks(c) { '!' } else { c })
        .collect()
}

fn originating(value: &[u8]) -> Option<Hop> {
    let text = String::from_utf8_lossy(value);
    let ip = text
        .split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')))
        .find_map(|p| p.parse::<IpAddr>().ok())?;
    Some(Hop {
        ip: ip.to_string(),
        ..Hop::default()
    })
}

fn is_private(ip: &str) -> bool {
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => {
            let [a, b, ..] = v4.octets();
            matches!(
                (a, b),
                (10 | 127, _) | (169, 254) | (172, 16..=31) | (192, 168) | (100, 64..=127)
            )
        }
        Ok(IpAddr::V6(v6)) => {
            let first = v6.segments()[0];
            v6 == Ipv6Addr::LOCALHOST || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_authenticated_hops_are_trusted_until_the_first_other() {
        let raw = "Received: from a (a.example [10.0.0.1]) by b (Postfix) with SMTP id 111\nReceived: from c (c.example [192.0.2.1]) by a (Postfix) with SMTP id 222 (envelope-from <x@y.example>)\nReceived: from d (d.example [10.0.0.2]) by c (Postfix) with SMTP id 333\n\n";
        let message = Message::parse(raw.as_bytes());
        let relays = Relays::read(&message, &Envelope::default());
        let text = |t: &[u8]| String::from_utf8(t.to_vec()).unwrap();
        assert!(text(&relays.trusted).starts_with("[ ip=10.0.0.1 rdns=a.example helo=a by=b "));
        assert_eq!(text(&relays.untrusted).matches("[ ip=").count(), 2);
        assert_eq!(relays.envelope_from(), Some(&b"x@y.example"[..]));
    }
}
