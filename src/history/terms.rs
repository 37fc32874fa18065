//! What a message is found by: its terms. A term is a letter or two for its kind, a colon, and the value in lower case.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Entry;
use super::outcome::State;
use crate::mail::registered_domain;

/// Longest value of a term, bytes.
const TERM_BYTES: usize = 200;
/// Words of a subject that are indexed.
const WORDS: usize = 60;
/// Shortest beginning of a word that is indexed, and can be looked for, characters.
pub(super) const BEGINNING: usize = 3;
/// Longest that is indexed.
const LONGEST_BEGINNING: usize = 8;
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
    /// What a word of the subject begins with.
    Beginning,
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
            Field::Beginning => "wb",
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
        self.spell(value, |c| term.push(c));
        term
    }

    /// The characters of the term for a value, one by one.
    fn spell(self, value: &str, mut put: impl FnMut(char)) {
        self.prefix().chars().for_each(&mut put);
        put(':');
        let end = value.floor_char_boundary(TERM_BYTES);
        for c in value.get(..end).unwrap_or_default().chars() {
            match c.is_ascii() {
                true => put(c.to_ascii_lowercase()),
                false => c.to_lowercase().for_each(&mut put),
            }
        }
    }
}

/// A term in the index: 64 bits that are made of it. What the index finds is held against the terms themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Term(pub(super) u64);

impl Term {
    /// Of a term in full.
    pub(super) fn of(term: &str) -> Term {
        let mut bits = Bits::default();
        term.chars().for_each(|c| bits.put(c));
        bits.term()
    }

    fn new(field: Field, value: &str) -> Term {
        let mut bits = Bits::default();
        field.spell(value, |c| bits.put(c));
        bits.term()
    }
}

/// The bits of a term, made of its characters as FNV-1a is of bytes, and stirred at the end. They stand in files, and
/// stay as they are.
struct Bits(u64);

impl Default for Bits {
    fn default() -> Bits {
        Bits(0xcbf2_9ce4_8422_2325)
    }
}

impl Bits {
    fn put(&mut self, c: char) {
        self.0 = (self.0 ^ u64::from(c)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn term(self) -> Term {
        let stirred = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Term(stirred ^ (stirred >> 29))
    }
}

/// All terms of a message, as the index has them; one may stand there twice.
pub(super) fn of_entry(entry: &Entry) -> Vec<Term> {
    let mut terms = Vec::with_capacity(100);
    each(entry, |field, value| terms.push(Term::new(field, value)));
    terms
}

/// All terms of a message in full.
pub(super) fn in_full(entry: &Entry) -> HashSet<String> {
    let mut terms = HashSet::new();
    each(entry, |field, value| {
        terms.insert(field.term(value));
    });
    terms
}

fn each(entry: &Entry, put: impl FnMut(Field, &str)) {
    let mut terms = Terms(put);
    let from = Some(&entry.from).filter(|from| entry.sender.as_ref() != Some(from));
    let senders = entry.sender.iter().chain(from);
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
        for beginning in beginnings(&word) {
            terms.add(Field::Beginning, beginning);
        }
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
}

/// What takes each term of a message.
struct Terms<F>(F);

impl<F: FnMut(Field, &str)> Terms<F> {
    fn add(&mut self, field: Field, value: &str) {
        self.0(field, value);
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
pub(super) const IPV4_PREFIXES: [u8; 7] = [8, 12, 16, 20, 24, 28, 32];
/// The same for IPv6.
pub(super) const IPV6_PREFIXES: [u8; 5] = [32, 40, 48, 64, 128];

/// The client and the networks around it.
fn networks(client: IpAddr) -> impl Iterator<Item = String> {
    let prefixes = match client {
        IpAddr::V4(_) => IPV4_PREFIXES.as_slice(),
        IpAddr::V6(_) => IPV6_PREFIXES.as_slice(),
    };
    prefixes
        .iter()
        .filter_map(move |length| network(client, *length))
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

/// What a word begins with, in all lengths that are indexed.
fn beginnings(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    let ends = ends.take(LONGEST_BEGINNING).skip(BEGINNING - 1);
    ends.filter_map(|end| word.get(..end))
}

/// The longest beginning of a word that is indexed, of one that is looked for.
pub(super) fn longest_beginning(word: &str) -> &str {
    beginnings(word).last().unwrap_or(word)
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
    fn a_term_is_of_its_kind_in_lower_case_and_bounded() {
        assert_eq!(Field::Sender.term("A\"b c@X.Örg"), "s:a\"b c@x.örg");
        assert!(Field::Word.term(&"ä".repeat(1000)).len() <= TERM_BYTES + 2);
    }

    #[test]
    fn the_bits_of_a_term_are_those_that_stand_in_files() {
        let term = Term::new(Field::Sender, "Ann@Example.ORG");
        assert_eq!(term, Term::of("s:ann@example.org"));
        assert_eq!(term, Term(15_382_553_611_802_084_182));
        assert_ne!(term, Term::new(Field::Recipient, "ann@example.org"));
    }

    #[test]
    fn the_index_has_what_the_terms_are_in_full() {
        let entry = crate::history::transaction::tests::entry();
        let mut of_entry = of_entry(&entry);
        let mut in_full: Vec<Term> = in_full(&entry).iter().map(|t| Term::of(t)).collect();
        of_entry.sort_unstable();
        of_entry.dedup();
        in_full.sort_unstable();
        assert_eq!(of_entry, in_full);
    }

    #[test]
    fn words_are_found_by_what_they_begin_with() {
        let of = |word| beginnings(word).collect::<Vec<_>>();
        assert_eq!(of("größer"), ["grö", "größ", "größe", "größer"]);
        assert_eq!(of("newsletters").last(), Some(&"newslett"));
        assert!(of("ab").is_empty());
        assert_eq!(longest_beginning("newsletters"), "newslett");
        assert_eq!(longest_beginning("news"), "news");
    }

    #[test]
    fn a_domain_is_found_by_those_above_it() {
        let mut all = Vec::new();
        let mut terms = Terms(|field: Field, value: &str| all.push(field.term(value)));
        terms.domains(Field::SenderDomain, "a.b.Example.co.uk.");
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
                "192.0.0.0/12",
                "192.0.0.0/16",
                "192.0.0.0/20",
                "192.0.2.0/24",
                "192.0.2.128/28",
                "192.0.2.130/32"
            ]
        );
        let v6: Vec<_> = networks("2001:db8:1:2::3".parse().unwrap()).collect();
        assert_eq!(
            v6,
            [
                "2001:db8::/32",
                "2001:db8::/40",
                "2001:db8:1::/48",
                "2001:db8:1:2::/64",
                "2001:db8:1:2::3/128"
            ]
        );
    }
}
