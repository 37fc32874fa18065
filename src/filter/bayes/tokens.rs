//! A message becomes tokens.
//!
//! In: a [`Mail`]. Out: a stream of tokens, field by field, into a [`Sink`]. What is read: the fields that
//! the sender wrote, addresses, subject, rendered text, hidden text, URLs, the structure of MIME and HTML.
//! What is not read: fields that the receiving side added, what a mailing list added ([`list`]), this filter's own headers and
//! those of other filters. A classifier that sees those learns who collected a message, or its own opinion.
//!
//! Promises: bounded in number and length of tokens whatever the message, never fails, the same
//! message always gives the same stream.

mod structure;
mod urls;

use std::borrow::Cow;

use crate::auth::dkim::signing_domain;
use crate::mail::{Header, Mail};

use super::list;
use super::receiving::Receiving;
use super::route;
use super::undone::Undone;
use super::words::{self, Oddities};
use structure::structure;
use urls::urls;

/// Takes the tokens of one message.
pub(super) trait Sink {
    /// A field begins. Tokens of one field are neighbours of each other; those of two fields are not.
    fn field(&mut self, label: &'static str, detail: &str);
    /// The next token of the field.
    fn token(&mut self, text: &str);
    /// A token that has no neighbours.
    fn alone(&mut self, text: &str);
    /// More of the header as the sender wrote it, for runs of its bytes.
    fn header(&mut self, text: &str);
    /// The subject, for runs of its bytes.
    fn subject(&mut self, text: &str);
    /// A word, wherever it stands; `None` for the latest token as it is.
    fn anywhere(&mut self, word: Option<&str>);
    /// Something about how the message came.
    fn route(&mut self, kind: &'static str, text: &str);
}

/// Header fields looked at.
const HEADERS: usize = 80;
/// Bytes of the value of one header field.
const HEADER_BYTES: usize = 1_000;
/// Bytes of the value of one header field whose runs are looked at.
const RUN_BYTES: usize = 400;
/// Bytes of the subject whose runs are looked at.
const SUBJECT_BYTES: usize = 300;
/// Bytes of each text whose words are looked at apart from their place.
const ANYWHERE_BYTES: usize = 8_000;
/// Fields that are read in a way of their own, or that never come twice. Lower case.
const READ_ELSEWHERE: &[&str] = &[
    "from",
    "reply-to",
    "sender",
    "subject",
    "to",
    "cc",
    "bcc",
    "date",
    "message-id",
    "references",
    "in-reply-to",
    "dkim-signature",
    "domainkey-signature",
    "content-type",
    "mime-version",
    "thread-index",
    "autocrypt",
    "openpgp",
    "x-face",
    "face",
    "x-beenthere",
    "errors-to",
];

/// Fields whose values say whose mail this is, or never come twice: only their names are looked at. Lower case.
const WHOSE: &[&str] = &[
    "to",
    "cc",
    "bcc",
    "references",
    "in-reply-to",
    "domainkey-signature",
    "thread-index",
    "autocrypt",
    "openpgp",
    "x-face",
    "face",
    "x-beenthere",
    "errors-to",
];

/// Sends the tokens of `mail` to `sink`, reading at most `max_bytes` of its text and no field of `receiving`.
pub(super) fn tokens(mail: &Mail, max_bytes: usize, receiving: &Receiving, sink: &mut impl Sink) {
    let mut odd = Oddities::default();
    let listed = list::is_discussion(mail);
    let (text, footer) = match listed {
        true => list::without_footer(mail.text()),
        false => (mail.text(), ""),
    };
    subject(mail, listed, sink, &mut odd);
    senders(mail, listed, sink);
    recipients(mail, sink);
    headers(mail, listed, receiving, sink);
    route::route(mail, listed, receiving, sink);
    structure(mail, sink);
    urls(mail, footer, sink);
    for (label, text) in [("text", text), ("hidden", mail.hidden_text())] {
        let (head, tail) = window(text, max_bytes);
        for (piece, anywhere) in [(head, ANYWHERE_BYTES), (tail, 0)] {
            if !piece.is_empty() {
                sink.field(label, "");
                add(&mut odd, prose_anywhere(piece, anywhere, sink));
            }
        }
    }
    sink.field("trait", "");
    sink.alone(size("text", text.len()).as_str());
    sink.alone(size("raw", mail.raw().len()).as_str());
    if !mail.hidden_text().trim().is_empty() {
        sink.alone("hidden-text");
    }
    if odd.zero_width {
        sink.alone("zero-width");
    }
    if odd.mixed_script {
        sink.alone("mixed-script");
    }
    for flag in mail.flags() {
        sink.alone(flag.name());
    }
}

fn add(odd: &mut Oddities, more: Oddities) {
    odd.zero_width |= more.zero_width;
    odd.mixed_script |= more.mixed_script;
}

/// The first three quarters of what may be read and the last: padding in front of the message proper
/// does not push it out of sight.
fn window(text: &str, max: usize) -> (&str, &str) {
    if text.len() <= max {
        return (text, "");
    }
    let head = text.floor_char_boundary(max - max / 4);
    let tail = text.ceil_char_boundary(text.len() - max / 4);
    (
        text.get(..head).unwrap_or_default(),
        text.get(tail..).unwrap_or_default(),
    )
}

/// Words as a sequence; a shouted word also by its spelling.
fn prose(text: &str, sink: &mut impl Sink) -> Oddities {
    words::split(text, |word| {
        sink.token(word.folded);
        if word.shouted && word.seen.len() <= 24 {
            sink.alone(word.seen);
        }
    })
}

/// The same, and the words of its first `anywhere` bytes once more whatever their place, with tricks undone.
fn prose_anywhere(text: &str, anywhere: usize, sink: &mut impl Sink) -> Oddities {
    let mut undone = Undone::default();
    let odd = words::split(text, |word| {
        sink.token(word.folded);
        if word.at < anywhere {
            let seen = undone.word(word.folded, |spelled| sink.anywhere(Some(spelled)));
            sink.anywhere(seen);
        }
        if word.shouted && word.seen.len() <= 24 {
            sink.alone(word.seen);
        }
    });
    undone.end(|spelled| sink.anywhere(Some(spelled)));
    odd
}

fn subject(mail: &Mail, listed: bool, sink: &mut impl Sink, odd: &mut Oddities) {
    let subject = mail.subject();
    let subject = unmarked(&subject, listed);
    let subject = window(&subject, HEADER_BYTES).0;
    sink.field("subject", "");
    add(odd, prose_anywhere(subject, ANYWHERE_BYTES, sink));
    sink.subject(window(subject, SUBJECT_BYTES).0);
    if subject.trim().is_empty() {
        sink.alone("(empty)");
    }
}

/// A subject, without the mark of a list if it came through one.
fn unmarked(subject: &str, listed: bool) -> Cow<'_, str> {
    match listed {
        true => list::without_mark(subject),
        false => subject.into(),
    }
}

fn senders(mail: &Mail, listed: bool, sink: &mut impl Sink) {
    let mut domains = Vec::new();
    for (label, field) in [
        ("from", "From"),
        ("reply-to", "Reply-To"),
        ("sender", "Sender"),
    ] {
        if listed && label == "sender" {
            continue;
        }
        let mailboxes = mail.mailboxes(field);
        sink.field(label, "");
        if label == "from" && mailboxes.len() != 1 {
            sink.alone("(not one)");
        }
        for mailbox in mailboxes.iter().take(3) {
            let address = bounded(&mailbox.address).to_ascii_lowercase();
            sink.alone(&address);
            if let Some(domain) = mailbox.domain() {
                let domain = bounded(domain).to_ascii_lowercase();
                sink.alone(&format!("@{domain}"));
                let registered = registered_domain(&domain);
                if registered != domain {
                    sink.alone(&format!("@@{registered}"));
                }
                domains.push(registered.to_owned());
            }
            match mailbox.name.as_deref().map(bounded) {
                Some(name) if !name.trim().is_empty() => {
                    prose(name, sink);
                    if name.contains('@') {
                        sink.alone("(address as name)");
                    }
                }
                _ => sink.alone("(no name)"),
            }
        }
    }
    if domains.len() > 1 {
        let same = domains.windows(2).all(|w| w.first() == w.last());
        sink.alone(if same {
            "(one domain)"
        } else {
            "(two domains)"
        });
    }
}

fn recipients(mail: &Mail, sink: &mut impl Sink) {
    for (label, field) in [("to", "To"), ("cc", "Cc")] {
        sink.field(label, "");
        let mailboxes = mail.mailboxes(field);
        sink.alone(count("count", mailboxes.len()).as_str());
        for mailbox in mailboxes.iter().take(5) {
            let address = bounded(&mailbox.address).to_ascii_lowercase();
            sink.alone(&address);
            match mailbox.name.as_deref().map(bounded) {
                Some(name) if !name.trim().is_empty() => {
                    if name.eq_ignore_ascii_case(&address) {
                        sink.alone("(address as name)");
                    }
                }
                _ => sink.alone("(no name)"),
            }
        }
    }
}

fn headers(mail: &Mail, listed: bool, receiving: &Receiving, sink: &mut impl Sink) {
    let mut name = String::new();
    for header in mail.headers().take(HEADERS) {
        let seen = header.name_text();
        let seen = bounded(&seen);
        name.clear();
        push_lower(&mut name, seen);
        // The hops have a reader of their own.
        if name == "received" || receiving.ignores(&name) || listed && list::writes(&name) {
            continue;
        }
        sink.field("header", "");
        sink.alone(seen);
        sink.header(seen);
        sink.field("header", &name);
        // That there is a list tells something; which one mostly tells whose mail this is.
        let of_list = ["list-", "x-list-", "x-mailman"]
            .iter()
            .any(|p| name.starts_with(p));
        let read_here = !of_list && !READ_ELSEWHERE.contains(&name.as_str());
        match name.as_str() {
            "date" => date(header, sink),
            "message-id" => message_id(header, sink),
            "dkim-signature" => dkim(header, sink),
            _ if of_list || WHOSE.contains(&name.as_str()) => {}
            _ => {
                let value = header.decoded();
                let value = unmarked(&value, listed && name == "subject");
                if read_here {
                    prose(window(&value, HEADER_BYTES).0, sink);
                }
                sink.header(":");
                sink.header(window(&value, RUN_BYTES).0);
            }
        }
        sink.header("\n");
    }
}

/// Only the zone: the time itself tells when a corpus was collected.
fn date(header: Header<'_>, sink: &mut impl Sink) {
    let value = header.decoded();
    let zone = value
        .split_ascii_whitespace()
        .find(|w| w.len() == 5 && (w.starts_with('+') || w.starts_with('-')));
    sink.alone(zone.unwrap_or("(no zone)"));
}

/// The host that made the id, and the form of what stands before it.
fn message_id(header: Header<'_>, sink: &mut impl Sink) {
    let value = header.decoded();
    let id = bounded(value.trim_matches(['<', '>']));
    let (left, right) = id.rsplit_once('@').unwrap_or((id, "(no host)"));
    sink.alone(&format!("@{}", right.to_ascii_lowercase()));
    let mut form = String::new();
    for c in left.chars() {
        let class = match c {
            '0'..='9' => '9',
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            other => other,
        };
        if form.len() < 24 && !form.ends_with(class) {
            form.push(class);
        }
    }
    sink.alone(&form);
}

/// Only who signs.
fn dkim(header: Header<'_>, sink: &mut impl Sink) {
    let value = header.decoded();
    let signer = signing_domain(&value).unwrap_or("(none)");
    sink.alone(&bounded(signer).to_ascii_lowercase());
}

/// Adds `text` in lower case, as far as it is ASCII.
pub(super) fn push_lower(to: &mut String, text: &str) {
    let from = to.len();
    to.push_str(text);
    if let Some(added) = to.get_mut(from..) {
        added.make_ascii_lowercase();
    }
}

/// The part of a host name that its owner registered; the whole where the public suffix list knows none.
pub(super) fn registered_domain(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

/// Longest address, domain, name or type that is kept, bytes.
const NAME_BYTES: usize = 80;

fn bounded(text: &str) -> &str {
    clip(text, NAME_BYTES)
}

pub(super) fn clip(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max))
        .unwrap_or_default()
}

fn size(label: &str, bytes: usize) -> String {
    format!("{label} 2^{}", bytes.checked_ilog2().unwrap_or(0))
}

fn count(label: &str, n: usize) -> String {
    match n {
        0..=3 => format!("{label} {n}"),
        _ => format!("{label} 2^{}", n.ilog2()),
    }
}
