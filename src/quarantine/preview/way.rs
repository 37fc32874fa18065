//! The way of a message: its `Received` fields from the sender on, with the time between them.

use std::net::IpAddr;

use jiff::Timestamp;

use super::short;
use crate::mail::{Hop, Mail};

/// Hops that are shown, those nearest to us.
const HOPS: usize = 100;
/// Characters of one word of a field.
const WORD_CHARS: usize = 255;

/// One hop, as its receiver wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// What the client called itself. From outside, like every text here.
    pub helo: Option<String>,
    /// The name that the receiver found for the client.
    pub name: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The receiver.
    pub by: Option<String>,
    /// The protocol.
    pub with: Option<String>,
    /// When, by the receiver's clock.
    pub at: Option<Timestamp>,
    /// Seconds since the hop before; negative where the clocks differ, `None` where one of both is not known.
    pub seconds: Option<i64>,
}

/// The hops of a message, the first one first.
pub(super) fn way(mail: &Mail) -> Vec<Way> {
    let fields: Vec<Hop> = mail
        .headers_named("Received")
        .take(HOPS)
        .map(|field| Hop::parse(field.raw))
        .collect();
    let mut way: Vec<Way> = Vec::with_capacity(fields.len());
    let mut before: Option<Timestamp> = None;
    for hop in fields.into_iter().rev() {
        let seconds = before
            .zip(hop.at)
            .map(|(a, b)| b.as_second() - a.as_second());
        before = hop.at;
        let word = |text: Option<String>| text.map(|t| short(&t, WORD_CHARS));
        way.push(Way {
            helo: word(hop.helo),
            name: word(hop.name),
            address: hop.address,
            by: word(hop.by),
            with: word(hop.with),
            at: hop.at,
            seconds,
        });
    }
    way
}
