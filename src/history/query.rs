//! What is looked for in the history, and what is found.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::HistoryError;
use super::entry::{Entry, instant};
use super::terms::{self, BEGINNING, Field, IPV4_PREFIXES, IPV6_PREFIXES, indexed_words, words};
use super::wanted::Wanted;
use crate::filter::Action;
use crate::mail::Direction;

/// Most messages of one page.
pub const PAGE: usize = 500;
/// A network is looked for by its parts where they are no more than two to that power.
const MADE_OF: u8 = 7;
/// Most words of one query.
const WORDS: usize = 20;

/// What messages are looked for: those for which everything holds that is given. Case does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// The id of the message.
    pub id: Option<String>,
    /// Words, each of which stands in the subject or is the address, domain, client, rule, Message-ID or queue id of the
    /// message; an id of ours finds that message. `word*`: words that begin so, of the subject.
    pub text: Option<String>,
    /// An address, or a domain with those below it: of the sender, of From, or of a recipient.
    pub address: Option<String>,
    /// The same, of the sender or of From.
    pub sender: Option<String>,
    /// The same, of a recipient.
    pub recipient: Option<String>,
    /// Address or network (`192.0.2.0/22`) of the client, or its name, HELO, or a domain above these.
    pub client: Option<String>,
    /// Words of the subject; `word*` for words that begin so.
    pub subject: Option<String>,
    /// Rules that hit, each of them.
    pub rules: Vec<String>,
    /// The verdict.
    pub verdict: Option<Action>,
    /// Which way the message went.
    pub direction: Option<Direction>,
    /// The policy of one of the recipients.
    pub policy: Option<String>,
    /// The login of the client.
    pub user: Option<String>,
    /// A filter that could not check the message.
    pub unscanned: Option<String>,
    /// The Message-ID, with or without angle brackets.
    pub message_id: Option<String>,
    /// The queue id of the mail server.
    pub queue_id: Option<String>,
    /// The BLAKE3 digest of the message, hexadecimal.
    pub digest: Option<String>,
    /// Only messages of which a copy went into the quarantine.
    pub quarantined: bool,
    /// Verdicts reached then or later.
    #[serde(with = "optional_instant")]
    pub from: Option<Timestamp>,
    /// Verdicts reached before then.
    #[serde(with = "optional_instant")]
    pub to: Option<Timestamp>,
}

/// Where a page ends, for the one after it. As text it is a number; it stays good while rows come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(super) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Cursor, Self::Err> {
        text.parse().map(Cursor)
    }
}

/// One page of what was found, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The messages.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// A query, ready for the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Search {
    /// What the terms of a message must be; `None` where nothing is asked of them.
    pub(super) terms: Option<Wanted>,
    /// What words of the subject begin with, each of these one of them.
    pub(super) beginnings: Vec<String>,
    /// First and last address of a network, where the index knows only a wider one.
    pub(super) clients: Option<(Vec<u8>, Vec<u8>)>,
    /// Id of the message.
    pub(super) id: Option<String>,
    /// Milliseconds, from (included) and to (not included).
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

impl Query {
    /// Prepares the query.
    ///
    /// # Errors
    /// What cannot be looked for, and why.
    pub(super) fn search(&self) -> Result<Search, HistoryError> {
        let mut all: Vec<Wanted> = Vec::new();
        let mut search = Search {
            from: self.from.map(Timestamp::as_millisecond),
            to: self.to.map(Timestamp::as_millisecond),
            id: self.id.as_deref().map(|id| id.trim().to_ascii_uppercase()),
            ..Search::default()
        };
        const SENDER: (Field, Field) = (Field::Sender, Field::SenderDomain);
        const RECIPIENT: (Field, Field) = (Field::Recipient, Field::RecipientDomain);
        if let Some(address) = &self.address {
            all.push(Wanted::Any(vec![
                of_address(SENDER, address),
                of_address(RECIPIENT, address),
            ]));
        }
        for (fields, address) in [(SENDER, &self.sender), (RECIPIENT, &self.recipient)] {
            if let Some(address) = address {
                all.push(of_address(fields, address));
            }
        }
        if let Some(client) = &self.client {
            let (term, range) = of_client(client.trim())?;
            all.push(term);
            search.clients = range;
        }
        for word in spaced(self.subject.as_deref())? {
            let (terms, beginning) = of_subject(word)?;
            all.extend(terms);
            search.beginnings.extend(beginning);
        }
        for word in spaced(self.text.as_deref())? {
            match word.len() == 26 && word.parse::<ulid::Ulid>().is_ok() && search.id.is_none() {
                true => search.id = Some(word.to_ascii_uppercase()),
                false if word.ends_with('*') => {
                    let (terms, beginning) = of_subject(word)?;
                    all.extend(terms);
                    search.beginnings.extend(beginning);
                }
                false => all.push(of_text(word)?),
            }
        }
        all.extend(self.rules.iter().map(|rule| term(Field::Rule, rule)));
        let message_id = self.message_id.as_deref().map(bare);
        for (field, value) in [
            (Field::Policy, self.policy.as_deref()),
            (Field::User, self.user.as_deref()),
            (Field::Unscanned, self.unscanned.as_deref()),
            (Field::MessageId, message_id),
            (Field::QueueId, self.queue_id.as_deref()),
            (Field::Digest, self.digest.as_deref()),
            (Field::Verdict, self.verdict.map(Action::name)),
            (Field::Direction, self.direction.map(Direction::name)),
            (Field::Held, self.quarantined.then_some("yes")),
        ] {
            all.extend(value.map(|value| term(field, value.trim())));
        }
        // What a word begins with is looked up first by what is likely to be rarer.
        let beginnings = search.beginnings.iter();
        all.extend(beginnings.map(|b| term(Field::Beginning, terms::longest_beginning(b))));
        search.terms = (!all.is_empty()).then_some(Wanted::All(all));
        Ok(search)
    }
}

fn term(field: Field, value: &str) -> Wanted {
    Wanted::Term(field.term(value))
}

fn bare(id: &str) -> &str {
    let id = id.trim();
    let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    inner.unwrap_or(id)
}

/// An address, or with no `@` or nothing before it a domain.
fn of_address((whole, domain): (Field, Field), address: &str) -> Wanted {
    let address = bare(address);
    match address.rsplit_once('@') {
        Some(("", of)) => term(domain, of.trim_end_matches('.')),
        Some(_) => term(whole, address),
        // An address of a local user has no domain.
        None => Wanted::Any(vec![
            term(domain, address.trim_end_matches('.')),
            term(whole, address),
        ]),
    }
}

/// First and last address of a range.
type Range = (Vec<u8>, Vec<u8>);

/// The networks that make up that of a client, as far as they are few; otherwise the narrowest around it that the index
/// knows, and the range.
fn of_client(client: &str) -> Result<(Wanted, Option<Range>), HistoryError> {
    let net = match client.parse::<IpNet>() {
        Ok(net) => net.trunc(),
        Err(_) => match client.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => {
                let name = client.trim_end_matches('.');
                return Ok((term(Field::ClientName, name), None));
            }
        },
    };
    let length = net.prefix_len();
    let prefixes = match net {
        IpNet::V4(_) => IPV4_PREFIXES.as_slice(),
        IpNet::V6(_) => IPV6_PREFIXES.as_slice(),
    };
    let prefixes = prefixes.iter().copied();
    let of_net = |net: IpNet| term(Field::Client, &net.to_string());
    let within = prefixes.clone().find(|known| *known >= length);
    if let Some(known) = within.filter(|known| known - length <= MADE_OF)
        && let Ok(parts) = net.subnets(known)
    {
        return Ok((Wanted::Any(parts.map(of_net).collect()), None));
    }
    let around = prefixes.rev().find(|known| *known <= length);
    let around = around.and_then(|known| IpNet::new(net.addr(), known).ok());
    let Some(around) = around else {
        return Err(HistoryError::Query(format!(
            "{net} is too wide: from /1 on for IPv4, /25 for IPv6"
        )));
    };
    let range = (
        super::table::address(net.network()),
        super::table::address(net.broadcast()),
    );
    Ok((of_net(around.trunc()), Some(range)))
}

fn spaced(text: Option<&str>) -> Result<Vec<&str>, HistoryError> {
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    match words.len() > WORDS {
        true => Err(HistoryError::Query(format!(
            "at most {WORDS} words can be looked for"
        ))),
        false => Ok(words),
    }
}

/// The words in one piece of text between spaces, and with a `*` behind it what the last of them begins with.
fn of_subject(word: &str) -> Result<(Vec<Wanted>, Option<String>), HistoryError> {
    let (whole, is_beginning) = match word.strip_suffix('*') {
        Some(beginning) => (beginning, true),
        None => (word, false),
    };
    if is_beginning && whole.chars().count() < BEGINNING {
        return Err(HistoryError::Query(format!(
            "at least {BEGINNING} characters must stand before *"
        )));
    }
    let mut each = words(whole);
    let last = if is_beginning { each.pop() } else { None };
    let terms = each.iter().map(|w| term(Field::Word, w)).collect();
    Ok((terms, last))
}

/// What one word may stand for.
fn of_text(word: &str) -> Result<Wanted, HistoryError> {
    let mut each = Vec::new();
    let (subject, _) = of_subject(word)?;
    if !subject.is_empty() {
        each.push(Wanted::All(subject));
    }
    each.push(of_address((Field::Sender, Field::SenderDomain), word));
    each.push(of_address((Field::Recipient, Field::RecipientDomain), word));
    for (field, value) in [
        (Field::Rule, word),
        (Field::MessageId, bare(word)),
        (Field::QueueId, word),
        (Field::User, word),
        (Field::ClientName, word.trim_end_matches('.')),
    ] {
        each.push(term(field, value));
    }
    if let Ok((client, None)) = of_client(word) {
        each.push(client);
    }
    Ok(Wanted::Any(each))
}

impl Search {
    /// Whether a message, of whatever time, is one of those that are looked for.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.id.as_ref().is_none_or(|id| entry.id == *id)
            && self.is_of_client(entry)
            && self.begins(entry)
            && (self.terms.as_ref()).is_none_or(|wanted| wanted.holds(&terms::in_full(entry)))
    }

    fn is_of_client(&self, entry: &Entry) -> bool {
        let Some((first, last)) = &self.clients else {
            return true;
        };
        let client = entry.client.map(super::table::address);
        client.is_some_and(|client| (first..=last).contains(&&client))
    }

    /// Whether the words of the subject begin as they should.
    fn begins(&self, entry: &Entry) -> bool {
        self.beginnings.iter().all(|beginning| {
            let beginning = Field::Word.term(beginning);
            let mut words = indexed_words(&entry.subject);
            words.any(|word| Field::Word.term(&word).starts_with(&beginning))
        })
    }
}

mod optional_instant {
    use super::{Timestamp, instant};
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Written(#[serde(with = "instant")] Timestamp);

    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => instant::serialize(at, s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Written>::deserialize(d)?.map(|w| w.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(query: Query) -> String {
        query.search().unwrap().terms.unwrap().to_string()
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let query = Query {
            rules: vec!["A\" OR \"B".into()],
            subject: Some("a-b newsletters*".into()),
            ..Query::default()
        };
        let text = terms(query);
        assert_eq!(text, "w:a AND w:b AND r:a\" or \"b AND wb:newslett");
    }

    #[test]
    fn clients_are_addresses_networks_and_names() {
        let of = |client: &str| Query {
            client: Some(client.into()),
            ..Query::default()
        };
        assert_eq!(terms(of("192.0.2.1")), "(c:192.0.2.1/32)");
        assert_eq!(terms(of("::ffff:192.0.2.1")), "(c:192.0.2.1/32)");
        assert_eq!(terms(of("mx.Example.org")), "cn:mx.example.org");
        assert_eq!(
            terms(of("192.0.3.77/23")),
            "(c:192.0.2.0/24 OR c:192.0.3.0/24)"
        );
        assert_eq!(terms(of("0.0.0.0/1")).matches(" OR ").count(), 127);
        let search = of("2001:db8:1::/66").search().unwrap();
        assert_eq!(
            search.terms.as_ref().unwrap().to_string(),
            "c:2001:db8:1::/64"
        );
        let (first, last) = search.clients.clone().unwrap();
        assert_eq!(first[..9], [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0]);
        assert_eq!(last[..9], [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0x3f]);
        let from = |client: &str| Entry {
            client: Some(client.parse().unwrap()),
            ..crate::history::transaction::tests::entry()
        };
        assert!(search.holds(&from("2001:db8:1::3fff:0:0:1")));
        assert!(!search.holds(&from("2001:db8:1::4000:0:0:1")));
        assert!(of("0.0.0.0/0").search().is_err());
        assert!(of("2000::/3").search().is_err());
    }

    #[test]
    fn an_id_among_words_is_an_id() {
        let id = ulid::Ulid::new().to_string();
        let query = Query {
            text: Some(format!("offer {}", id.to_lowercase())),
            ..Query::default()
        };
        assert_eq!(query.search().unwrap().id, Some(id));
    }

    #[test]
    fn short_beginnings_and_many_words_are_refused() {
        let of = |text: &str| Query {
            text: Some(text.into()),
            ..Query::default()
        };
        assert!(of("ab*").search().is_err());
        assert!(of(&"a ".repeat(21)).search().is_err());
        let search = of("a-inv* b").search().unwrap();
        assert_eq!(search.beginnings, ["inv"]);
        let whole = search.terms.unwrap().to_string();
        assert!(whole.starts_with("w:a AND ("), "{whole}");
        assert!(whole.ends_with(" AND wb:inv"), "{whole}");
    }
}
