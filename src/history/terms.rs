//! What a message is found by: its terms, as they stand in the index. A term is a letter or two for its kind, a colon, and
//! the value in lower case. White space and control characters, and the two marks of quotation, do not occur in terms.

use std::net::IpAddr;

use super::Entry;
use super::outcome::State;
use crate::mail::registered_domain;

/// Longest value of a term, bytes.
const TERM_BYTES: usize = 200;
/// Words of a subject that are indexed.
const WORDS: usize = 60;
/// Recipients that are indexed.
const RECIPIENTS: usize = 200;
/// Rules that are indexed.
const RULES: usize = 300;
/// Parent domains of a domain that are indexed.
const PARENTS: usize = 6;

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Address of the envelope's sender or of From.
    Sender,
    /// Domain of these, or one above it.
    SenderDomain,
    /// Address of a recipient.
    Recipient,
    /// Domain of a recipient, or one above it.
    RecipientDomain,
    /// Address or network of the client.
    Client,
    /// Name of the client or of its HELO, or a domain above it.
    ClientName,
    /// Word of the subject.
    Word,
    /// Id of a rule.
    Rule,
    /// Verdict.
    Verdict,
    /// Direction.
    Direction,
    /// Policy of one of the recipients.
    Policy,
    /// A filter that could not check the message.
    Unscanned,
    /// Login.
    User,
    /// Message-ID.
    MessageId,
    /// Queue id.
    QueueId,
    /// Digest of the message.
    Digest,
    /// Whether there is a copy in the quarantine.
    Held,
}

impl Field {
    fn prefix(self) -> &'static str {
        match self {
            Field::Sender => "s",
            Field::SenderDomain => "sd",
            Field::Recipient => "t",
            Field::RecipientDomain => "td",
            Field::Client => "c",
            Field::ClientName => "cn",
            Field::Word => "w",
            Field::Rule => "r",
            Field::Verdict => "v",
            Field::Direction => "d",
            Field::Policy => "p",
            Field::Unscanned => "u",
            Field::User => "a",
            Field::MessageId => "m",
            Field::QueueId => "q",
            Field::Digest => "b",
            Field::Held => "h",
        }
    }

    /// The term for a value.
    pub(super) fn term(self, value: &str) -> String {
        let mut term = String::with_capacity(self.prefix().len() + 1 + value.len());
        self.push(value, &mut term);
        term
    }

    fn push(self, value: &str, out: &mut String) {
        out.push_str(self.prefix());
        out.push(':');
        let end = value.floor_char_boundary(TERM_BYTES);
        for c in value.get(..end).unwrap_or_default().chars() {
            match c {
                '"' | '\'' => out.push('\u{fffd}'),
                c if c.is_ascii_graphic() => out.push(c.to_ascii_lowercase()),
                c if c.is_ascii() || c.is_whitespace() || c.is_control() => out.push('\u{fffd}'),
                c => out.extend(c.to_lowercase()),
            }
        }
    }
}

/// All terms of a message, separated by spaces.
pub(super) fn of_entry(entry: &Entry) -> String {
    let mut terms = Terms::default();
    let senders = entry.sender.iter().chain([&entry.from]);
    for sender in senders.filter(|s| !s.is_empty()) {
        terms.address(Field::Sender, Field::SenderDomain, sender);
    }
    let refused = entry.refused.iter().map(|r| &r.recipient);
    for recipient in entry.recipients.iter().chain(refused).take(RECIPIENTS) {
        terms.address(Field::Recipient, Field::RecipientDomain, recipient);
    }
    if let Some(client) = entry.client {
        for network in networks(client.to_canonical()) {
            terms.add(Field::Client, &network);
        }
    }
    for name in [&entry.client_name, &entry.helo].into_iter().flatten() {
        terms.domains(Field::ClientName, name);
    }
    for word in indexed_words(&entry.subject) {
        terms.add(Field::Word, &word);
    }
    let shares = entry.policies.iter();
    let outcomes = || {
        entry
            .outcomes
            .iter()
            .chain(shares.clone().flat_map(|s| &s.outcomes))
    };
    for hit in outcomes().flat_map(|o| &o.hits).take(RULES) {
        terms.add(Field::Rule, &hit.rule);
    }
    for rule in entry
        .refused
        .iter()
        .filter_map(|r| r.rule.as_ref())
        .take(RULES)
    {
        terms.add(Field::Rule, rule);
    }
    for outcome in outcomes() {
        if matches!(outcome.outcome, State::Unscanned(_)) {
            terms.add(Field::Unscanned, &outcome.filter);
        }
    }
    terms.add(Field::Verdict, entry.verdict.name());
    terms.add(Field::Direction, entry.direction.name());
    let policies = entry.policies.iter().map(|s| &s.policy);
    for policy in entry.policy.iter().chain(policies) {
        terms.add(Field::Policy, policy);
    }
    for (field, value) in [
        (Field::User, &entry.authenticated),
        (Field::QueueId, &entry.queue_id),
        (Field::Digest, &entry.digest),
    ] {
        if let Some(value) = value {
            terms.add(field, value);
        }
    }
    if !entry.message_id.is_empty() {
        terms.add(Field::MessageId, &entry.message_id);
    }
    if entry.quarantine.is_some() {
        terms.add(Field::Held, "yes");
    }
    terms.0
}

/// Terms, separated by spaces. One that stands there twice is indexed once.
#[derive(Default)]
struct Terms(String);

impl Terms {
    fn add(&mut self, field: Field, value: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        field.push(value, &mut self.0);
    }

    fn address(&mut self, whole: Field, domain: Field, address: &str) {
        self.add(whole, address);
        if let Some((_, of)) = address.rsplit_once('@') {
            self.domains(domain, of);
        }
    }

    /// A domain and those above it, up to the one that somebody has registered.
    fn domains(&mut self, field: Field, domain: &str) {
        let domain = domain.trim_end_matches('.').to_lowercase();
        if domain.is_empty() {
            return;
        }
        self.add(field, &domain);
        let last = registered_domain(&domain).unwrap_or_else(|| last_two(&domain));
        let mut rest = domain.as_str();
        for _ in 0..PARENTS {
            if rest.len() <= last.len() {
                return;
            }
            let Some((_, above)) = rest.split_once('.') else {
                return;
            };
            rest = above;
            self.add(field, rest);
        }
        self.add(field, last);
    }
}

/// The last two labels of a name whose suffix nobody knows.
fn last_two(domain: &str) -> &str {
    let dots = domain.rmatch_indices('.').map(|(at, _)| at + 1);
    let at = dots.take(2).nth(1).unwrap_or(0);
    domain.get(at..).unwrap_or(domain)
}

/// Lengths of prefixes under which clients are indexed.
pub(super) const IPV4_PREFIXES: [u8; 4] = [8, 16, 24, 32];
/// The same for IPv6.
pub(super) const IPV6_PREFIXES: [u8; 4] = [32, 48, 64, 128];

/// The client and the networks around it.
fn networks(client: IpAddr) -> impl Iterator<Item = String> {
    let prefixes = match client {
        IpAddr::V4(_) => IPV4_PREFIXES,
        IpAddr::V6(_) => IPV6_PREFIXES,
    };
    prefixes
        .into_iter()
        .filter_map(move |length| network(client, length))
}

/// The network of that length around an address, as it stands in a term.
fn network(address: IpAddr, length: u8) -> Option<String> {
    let network = ipnet::IpNet::new(address, length).ok()?;
    Some(network.trunc().to_string())
}

/// The words of a text, each once, in their order: runs of letters and digits in lower case; of scripts that are written
/// without spaces, each pair of characters.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| {
        let end = word.floor_char_boundary(TERM_BYTES);
        let word = word.get(..end).unwrap_or_default();
        if !word.is_empty() && !words.iter().any(|w| w == word) {
            words.push(word.to_owned());
        }
    };
    let mut word = String::new();
    let mut before: Option<char> = None;
    let lower = text.chars().flat_map(char::to_lowercase);
    for c in lower.chain([' ']) {
        if is_spaceless(c) {
            add(&std::mem::take(&mut word));
            if let Some(before) = before {
                add(&String::from_iter([before, c]));
            }
            before = Some(c);
            continue;
        }
        before = None;
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            add(&std::mem::take(&mut word));
        }
    }
    words
}

/// The words of a subject by which its message is found.
pub(super) fn indexed_words(subject: &str) -> impl Iterator<Item = String> {
    words(subject).into_iter().take(WORDS)
}

/// Letters of scripts that are written without spaces between words: Thai to Khmer, Japanese, Chinese.
fn is_spaceless(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_each_once() {
        assert_eq!(
            words("Re: RE: Ihr Paket-Nr. 123"),
            ["re", "ihr", "paket", "nr", "123"]
        );
        assert_eq!(words("免费发票x"), ["免费", "费发", "发票", "x"]);
        assert!(words("\u{0} \u{202e}!").is_empty());
    }

    #[test]
    fn terms_hold_nothing_that_separates_or_quotes() {
        assert_eq!(
            Field::Sender.term("A\"'b c\0@X.org"),
            "s:a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}@x.org"
        );
        assert!(Field::Word.term(&"ä".repeat(1000)).len() <= TERM_BYTES + 2);
    }

    #[test]
    fn a_domain_is_found_by_those_above_it() {
        let mut terms = Terms::default();
        terms.domains(Field::SenderDomain, "a.b.Example.co.uk.");
        let all: Vec<_> = terms.0.split(' ').collect();
        assert_eq!(
            all,
            [
                "sd:a.b.example.co.uk",
                "sd:b.example.co.uk",
                "sd:example.co.uk"
            ]
        );
    }

    #[test]
    fn clients_are_found_by_their_networks() {
        let v4: Vec<_> = networks("192.0.2.130".parse().unwrap()).collect();
        assert_eq!(
            v4,
            [
                "192.0.0.0/8",
                "192.0.0.0/16",
                "192.0.2.0/24",
                "192.0.2.130/32"
            ]
        );
        let v6: Vec<_> = networks("2001:db8:1:2::3".parse().unwrap()).collect();
        assert_eq!(
            v6,
            [
                "2001:db8::/32",
                "2001:db8:1::/48",
                "2001:db8:1:2::/64",
                "2001:db8:1:2::3/128"
            ]
        );
    }
}
