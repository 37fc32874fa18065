//! Whom our users write with: addresses that they have written to, addresses of which they have had mail, and the
//! Message-IDs of what they have sent.

use super::Shared;
use crate::filter::Scan;
use crate::filter::sender::{self, Sender};
use crate::mail::{Address, Envelope};
use crate::store::{Fact, Key, Kind};

/// Recipients of one message that are looked at.
const RECIPIENTS: usize = 50;
/// Message-IDs that a reply may name: so many of In-Reply-To, and so many of the last of References.
const NAMED: (usize, usize) = (2, 5);
/// Longest Message-ID, bytes.
const ID_BYTES: usize = 255;
/// Longest field that is looked at for Message-IDs, bytes: the last ones stand at its end.
const FIELD_BYTES: usize = 4096;

/// Who writes to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact<'a> {
    pub(super) sender: &'a Sender,
    pub(super) network: &'a str,
}

/// What is known of the author and the recipients of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acquaintance {
    /// A recipient has written to the author, who is proven.
    pub(super) correspondent: Option<String>,
    /// It answers a message that a recipient has sent: its Message-ID.
    pub(super) reply_to: Option<String>,
    /// No recipient has had mail of the author before, nor written there.
    pub(super) first: bool,
}

/// What is known of the author and the recipients of a message.
pub(super) fn acquaintance(
    shared: &Shared,
    scan: &Scan,
    contact: Contact<'_>,
    now: i64,
) -> Acquaintance {
    let facts = &shared.facts;
    let known = |kind, words: &[&str]| facts.get(kind, &Key::new(words), now).is_some();
    let recipients = recipients(&scan.envelope);
    let mut found = Acquaintance::default();
    if let Some(author) = contact.sender.author.as_deref() {
        let mut first = !recipients.is_empty();
        for recipient in &recipients {
            let written_to = known(Kind::Correspondent, &[recipient, author]);
            if written_to && contact.sender.proven && found.correspondent.is_none() {
                found.correspondent = Some(format!("{recipient} has written to {author}"));
            }
            first &= !(written_to && contact.sender.proven);
            first = first && !known(Kind::Contact, &words(recipient, author, contact));
        }
        found.first = first;
    }
    let named = named(scan);
    found.reply_to = named.into_iter().find(|id| {
        let mut recipients = recipients.iter();
        recipients.any(|recipient| known(Kind::SentMessage, &[recipient, id]))
    });
    found
}

/// A delivered message: its author is a contact of its recipients.
pub(super) fn received(shared: &Shared, scan: &Scan, contact: Contact<'_>, now: i64) {
    if let Some(author) = contact.sender.author.as_deref() {
        for recipient in recipients(&scan.envelope) {
            remember(
                shared,
                Kind::Contact,
                &words(&recipient, author, contact),
                now,
            );
        }
    }
}

/// A message of one of our users.
pub(super) fn sent(shared: &Shared, scan: &Scan, now: i64) {
    let mut ours: Vec<String> = Vec::with_capacity(2);
    ours.extend(scan.envelope.sender.as_ref().and_then(remembered));
    let author = Sender::of(scan, None).author;
    ours.extend(author.filter(|author| !ours.contains(author)));
    let id = scan.mail.headers_named("Message-ID").next();
    let id = id.and_then(|field| ids(field.raw).pop());
    for own in &ours {
        for theirs in recipients(&scan.envelope) {
            remember(shared, Kind::Correspondent, &[own, &theirs], now);
        }
        if let Some(id) = &id {
            remember(shared, Kind::SentMessage, &[own, id], now);
        }
    }
}

/// The key of a contact. Whose address is not proven is the same one only in the same network.
fn words<'a>(recipient: &'a str, author: &'a str, contact: Contact<'a>) -> Vec<&'a str> {
    let mut words = vec![recipient, author];
    if !contact.sender.proven {
        words.push(contact.network);
    }
    words
}

fn remember(shared: &Shared, kind: Kind, words: &[&str], now: i64) {
    let lifetime = shared.settings.correspondents.lifetime.as_millis();
    let lifetime = i64::try_from(lifetime).unwrap_or(i64::MAX);
    shared.facts.update(kind, &Key::new(words), now, |known| {
        Some(Fact {
            since: known.map_or(now, |fact| fact.since),
            at: now,
            expires: now.saturating_add(lifetime),
            count: known.map_or(0.0, |fact| fact.count) + 1.0,
            total: 0.0,
        })
    });
}

fn remembered(address: &Address) -> Option<String> {
    sender::address(address.text())
}

fn recipients(envelope: &Envelope) -> Vec<String> {
    let recipients = envelope.recipients.iter().take(RECIPIENTS);
    recipients.filter_map(remembered).collect()
}

/// The Message-IDs that a message says it answers.
fn named(scan: &Scan) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    let field = |name| scan.mail.headers_named(name).next();
    if let Some(field) = field("In-Reply-To") {
        named.extend(ids(field.raw).into_iter().take(NAMED.0));
    }
    if let Some(field) = field("References") {
        let all = ids(field.raw);
        for id in all.into_iter().rev().take(NAMED.1) {
            if !named.contains(&id) {
                named.push(id);
            }
        }
    }
    named
}

/// The Message-IDs in the last 4096 bytes of a field, without angle brackets.
fn ids(raw: &[u8]) -> Vec<String> {
    let raw = raw.get(raw.len().saturating_sub(FIELD_BYTES)..);
    let text = String::from_utf8_lossy(raw.unwrap_or_default());
    let pieces = text.split('<').skip(1);
    let inside = pieces.filter_map(|piece| Some(piece.split_once('>')?.0.trim()));
    let good = |id: &&str| !id.is_empty() && id.len() <= ID_BYTES && id.contains('@');
    inside.filter(good).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_found_in_whatever_stands_around_them() {
        assert_eq!(ids(b" <a@b>\r\n\t<c@d> (x) <e>"), ["a@b", "c@d"]);
        assert_eq!(ids(b"Your message of Monday <a@b> about <lunch"), ["a@b"]);
        assert!(ids(b"").is_empty());
        let long = format!("<{}@b>", "a".repeat(300));
        assert!(ids(long.as_bytes()).is_empty());
        let many = "<a@b> ".repeat(100_000);
        assert!(ids(many.as_bytes()).len() < 1000);
    }
}
