//! What was heard about one message, as it is kept: in memory as it came, on the disk as JSON.
//!
//! The bytes of a TXT record are written as the characters with their numbers, so that text in ASCII stays readable and
//! nothing is lost.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, PTR, TXT};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dns::{Failure, Found, Kind, RData, RecordType};

/// What was heard about one message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// When, seconds since 1970.
    pub(super) at: u64,
    /// Whether the mail server let recipients be dropped.
    #[serde(default)]
    pub(super) can_drop: bool,
    /// Answers of DNS.
    #[serde(default, with = "questions")]
    pub(super) dns: HashMap<(RecordType, Box<str>), Vec<Answer>>,
    /// Lists that were out of use for a question, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) out: BTreeMap<String, String>,
    /// What took too long.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) late: BTreeSet<String>,
    /// What else filters heard, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) others: BTreeMap<String, serde_json::Value>,
}

/// What DNS said, and to whom: the same question may be answered to one and not to another, who asked at another time.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    asker: u64,
    said: Said,
}

/// Who asks, as it is kept: FNV-1a of the name, the same on every machine and in every version.
pub(super) fn asker(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What DNS said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// These records; none where the name has none, or does not exist.
    Records(Arc<[RData]>, bool),
    /// Nothing, and why.
    Failure(Failure),
    /// Nothing before nobody waited any more.
    Open,
    /// It was not asked, because the message had asked for too much.
    TooMany,
}

impl Record {
    /// Whether the mail server let recipients be dropped.
    pub fn can_drop(&self) -> bool {
        self.can_drop
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let questions = self.dns.iter().map(|((_, name), all)| {
            let each = all.iter().map(|answer| match &answer.said {
                Said::Records(records, _) => 40 + records.iter().map(bytes).sum::<usize>(),
                Said::Failure(failure) => 40 + failure.detail.len(),
                Said::Open | Said::TooMany => 40,
            });
            120 + name.len() + each.sum::<usize>()
        });
        size_of::<Record>() + questions.sum::<usize>() + self.others.len() * 500
    }

    /// The answer to a question that somebody asks for the `nth` time; the last one holds for whatever comes after it, and
    /// for whoever did not ask. A question without an answer is one that nobody needed in the end, or that took too long,
    /// which is kept by name: it counts only where the same asker had no other.
    pub(super) fn said(
        &self,
        asker: u64,
        name: &str,
        kind: RecordType,
        nth: usize,
    ) -> Option<Said> {
        let all = self.dns.get(&(kind, name.into()))?;
        let own = || all.iter().filter(|answer| answer.asker == asker);
        let is_open = |answer: &&Answer| matches!(answer.said, Said::Open);
        let answered = || own().filter(|answer| !is_open(answer));
        let last = || answered().next_back().or_else(|| own().next_back());
        let answer = answered().nth(nth).or_else(last);
        let anybodys = || all.iter().rfind(|answer| !is_open(answer));
        let answer = answer.or_else(anybodys).or(all.last())?;
        Some(answer.said.clone())
    }

    /// A question is asked: makes a place for its answer, if there is room for one.
    pub(super) fn ask(
        &mut self,
        asker: u64,
        name: &str,
        kind: RecordType,
        most: usize,
    ) -> Option<usize> {
        let room = self.dns.len() < most;
        let key = (kind, name.into());
        let all = match self.dns.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) if room => vacant.insert(Vec::with_capacity(1)),
            Entry::Vacant(_) => return None,
        };
        if all.len() >= ANSWERS {
            return None;
        }
        let said = Said::Open;
        all.push(Answer { asker, said });
        Some(all.len() - 1)
    }

    /// Its answer has come.
    pub(super) fn answer(&mut self, name: &str, kind: RecordType, nth: usize, said: Said) {
        let all = self.dns.get_mut(&(kind, name.into()));
        if let Some(place) = all.and_then(|all| all.get_mut(nth)) {
            place.said = said;
        }
    }
}

/// Answers to one question of a message that are kept, the first.
const ANSWERS: usize = 64;

fn bytes(record: &RData) -> usize {
    let text = match record {
        RData::TXT(text) => text.txt_data.iter().map(|piece| piece.len()).sum(),
        _ => 0,
    };
    size_of::<RData>() + text
}

impl Said {
    /// Whether it says the same, so that it need not be written twice.
    fn is_same(&self, other: &Said) -> bool {
        match (self, other) {
            (Said::Records(one, exists), Said::Records(two, other)) => {
                exists == other && (Arc::ptr_eq(one, two) || one == two)
            }
            (Said::Failure(one), Said::Failure(two)) => one == two,
            (Said::Open, Said::Open) | (Said::TooMany, Said::TooMany) => true,
            _ => false,
        }
    }

    pub(super) fn of(answer: &Result<Found, Failure>) -> Said {
        match answer {
            Ok(found) => Said::Records(Arc::clone(&found.records), found.exists),
            Err(failure) => Said::Failure(failure.clone()),
        }
    }

    /// The same answer again.
    pub(super) fn told(self) -> Result<Found, Failure> {
        match self {
            Said::Records(records, exists) => Ok(Found {
                records,
                exists,
                valid_until: Instant::now(),
                took: None,
            }),
            Said::Failure(failure) => Err(failure),
            Said::Open | Said::TooMany => Err(Failure::timeout()),
        }
    }
}

/// A question with its answer, as it is written.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    name: Cow<'a, str>,
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<String>,
    /// Where there are no records: `absent` for a name that does not exist, `open`, `too_many`, or the kind of a
    /// failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    but: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    detail: Cow<'a, str>,
    /// Who was told so, where others were told something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asker: Option<u64>,
}

const ABSENT: &str = "absent";
const OPEN: &str = "open";
const TOO_MANY: &str = "too_many";

impl<'a> Written<'a> {
    fn new(
        (kind, name): &'a (RecordType, Box<str>),
        said: &'a Said,
        asker: Option<u64>,
    ) -> Written<'a> {
        let mut written = Written {
            name: Cow::Borrowed(name),
            kind: Cow::Borrowed((*kind).into()),
            records: Vec::new(),
            but: None,
            detail: Cow::default(),
            asker,
        };
        let but = match said {
            Said::Records(records, exists) => {
                written.records = records.iter().filter_map(text).collect();
                (!exists).then_some(ABSENT)
            }
            Said::Failure(failure) => {
                written.detail = Cow::Borrowed(&failure.detail);
                Some(failure.kind.name())
            }
            Said::Open => Some(OPEN),
            Said::TooMany => Some(TOO_MANY),
        };
        written.but = but.map(Cow::Borrowed);
        written
    }

    fn read(self) -> Option<((RecordType, Box<str>), Answer)> {
        let kind: RecordType = self.kind.parse().ok()?;
        let failure = |kind| {
            Said::Failure(Failure {
                kind,
                detail: self.detail.clone().into_owned(),
            })
        };
        let kinds = [Kind::Down, Kind::Timeout, Kind::Error];
        let said = match self.but.as_deref() {
            None | Some(ABSENT) => {
                let records = self.records.iter();
                let records: Option<Vec<RData>> = records.map(|text| record(kind, text)).collect();
                Said::Records(records?.into(), self.but.is_none())
            }
            Some(OPEN) => Said::Open,
            Some(TOO_MANY) => Said::TooMany,
            Some(but) => failure(kinds.into_iter().find(|k| k.name() == but)?),
        };
        let asker = self.asker.unwrap_or_default();
        Some(((kind, self.name.into()), Answer { asker, said }))
    }
}

/// A record as text; `None` for one that nobody asks for.
fn text(record: &RData) -> Option<String> {
    Some(match record {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::MX(mx) => format!("{} {}", mx.preference, name_text(&mx.exchange)),
        RData::NS(name) => name_text(&name.0),
        RData::PTR(name) => name_text(&name.0),
        RData::TXT(text) => {
            let pieces = text.txt_data.iter().flat_map(|piece| piece.iter());
            pieces.map(|byte| char::from(*byte)).collect()
        }
        _ => return None,
    })
}

/// The record that was written so.
fn record(kind: RecordType, text: &str) -> Option<RData> {
    Some(match kind {
        RecordType::A => RData::A(A(text.parse().ok()?)),
        RecordType::AAAA => RData::AAAA(AAAA(text.parse().ok()?)),
        RecordType::MX => {
            let (preference, name) = text.split_once(' ')?;
            RData::MX(MX::new(preference.parse().ok()?, name_of(name)?))
        }
        RecordType::NS => RData::NS(NS(name_of(text)?)),
        RecordType::PTR => RData::PTR(PTR(name_of(text)?)),
        RecordType::TXT => {
            let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
            RData::TXT(TXT::from_bytes(vec![&bytes.ok()?]))
        }
        _ => return None,
    })
}

/// The labels of a name with dots between them; a dot or a backslash of a label has a backslash before it.
fn name_text(name: &Name) -> String {
    let mut text = String::new();
    for label in name.iter() {
        for byte in label {
            if matches!(byte, b'.' | b'\\') {
                text.push('\\');
            }
            text.push(char::from(*byte));
        }
        text.push('.');
    }
    text
}

/// The name that was written so.
fn name_of(text: &str) -> Option<Name> {
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut label = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' => labels.push(std::mem::take(&mut label)),
            '\\' => label.push(u8::try_from(chars.next()?).ok()?),
            c => label.push(u8::try_from(c).ok()?),
        }
    }
    Name::from_labels(labels).ok()
}

mod questions {
    use super::{Answer, Deserialize, Deserializer, HashMap, RecordType, Serializer, Written};

    type Questions = HashMap<(RecordType, Box<str>), Vec<Answer>>;

    pub(super) fn serialize<S: Serializer>(all: &Questions, s: S) -> Result<S::Ok, S::Error> {
        let each = all.iter().flat_map(|(key, answers)| {
            let first = answers.first();
            let same = |first: &Answer| answers.iter().all(|a| a.said.is_same(&first.said));
            let alike = first.is_some_and(same);
            let needed = if alike { 1 } else { answers.len() };
            let asker = move |answer: &Answer| (!alike).then_some(answer.asker);
            let answers = answers.iter().take(needed);
            answers.map(move |a| Written::new(key, &a.said, asker(a)))
        });
        s.collect_seq(each)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Questions, D::Error> {
        let mut all = Questions::new();
        let written = Vec::<Written<'static>>::deserialize(d)?;
        // What cannot be read is not known.
        for (key, answer) in written.into_iter().filter_map(Written::read) {
            all.entry(key).or_default().push(answer);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_json() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let odd = Name::from_labels([&b"a b\\.\xff"[..], &b"example"[..]]).unwrap();
        let all = [
            (RecordType::A, RData::A(A([127, 0, 0, 2].into()))),
            (
                RecordType::AAAA,
                RData::AAAA(AAAA("2001:db8::1".parse().unwrap())),
            ),
            (
                RecordType::MX,
                RData::MX(MX::new(10, name("mx.example.org."))),
            ),
            (RecordType::NS, RData::NS(NS(name("ns.example.org.")))),
            (RecordType::PTR, RData::PTR(PTR(odd))),
            (
                RecordType::TXT,
                RData::TXT(TXT::from_bytes(vec![b"v=spf1 \xff\0\"", b" -all"])),
            ),
        ];
        let mut record = Record::default();
        let note = |record: &mut Record, name: &str, kind, said| {
            let nth = record.ask(asker("spf"), name, kind, 100).unwrap();
            record.answer(name, kind, nth, said);
        };
        for (kind, data) in &all {
            let said = Said::Records(Arc::new([data.clone()]), true);
            note(&mut record, "x.example.", *kind, said);
        }
        let failure = Failure::error("the resolver answered SERVFAIL");
        for (name, said) in [
            ("f.example.", Said::Failure(failure.clone())),
            ("n.example.", Said::Records(Arc::new([]), false)),
            ("o.example.", Said::Open),
            ("t.example.", Said::TooMany),
            ("twice.example.", Said::Open),
            ("twice.example.", Said::Records(Arc::new([]), true)),
        ] {
            note(&mut record, name, RecordType::A, said);
        }
        let json = serde_json::to_string(&record).unwrap();
        let back: Record = serde_json::from_str(&json).unwrap();
        for (kind, data) in &all {
            let Some(Said::Records(records, true)) =
                back.said(asker("spf"), "x.example.", *kind, 0)
            else {
                panic!("{kind} is lost: {json}");
            };
            match (&records[0], data) {
                (RData::TXT(found), RData::TXT(data)) => {
                    assert_eq!(found.txt_data.concat(), data.txt_data.concat());
                }
                (found, data) => assert_eq!(found, data),
            }
        }
        let of = |name| back.said(asker("spf"), name, RecordType::A, 0).unwrap();
        assert_eq!(of("f.example.").told().unwrap_err(), failure);
        assert!(!of("n.example.").told().unwrap().exists);
        assert!(matches!(of("o.example."), Said::Open));
        assert!(matches!(of("t.example."), Said::TooMany));
        for nth in [0, 1, 2] {
            let said = back.said(asker("spf"), "twice.example.", RecordType::A, nth);
            assert!(matches!(said, Some(Said::Records(_, true))));
        }
    }

    #[test]
    fn each_is_told_what_he_was_told() {
        let mut record = Record::default();
        let kind = RecordType::A;
        let (spf, iprev) = (asker("spf"), asker("iprev"));
        let first = record.ask(spf, "a.", kind, 9).unwrap();
        let second = record.ask(iprev, "a.", kind, 9).unwrap();
        record.answer("a.", kind, second, Said::Records(Arc::new([]), true));
        record.answer("a.", kind, first, Said::Failure(Failure::timeout()));
        let json = serde_json::to_string(&record).unwrap();
        let back: Record = serde_json::from_str(&json).unwrap();
        for nth in [0, 1] {
            let said = back.said(iprev, "a.", kind, nth);
            assert!(matches!(said, Some(Said::Records(_, true))));
            let said = back.said(spf, "a.", kind, nth);
            assert!(matches!(said, Some(Said::Failure(_))));
        }
    }

    #[test]
    fn questions_and_answers_are_bounded_and_equal_ones_are_written_once() {
        let mut record = Record::default();
        let kind = RecordType::A;
        for _ in 0..1000 {
            if let Some(nth) = record.ask(1, "a.", kind, 2) {
                record.answer("a.", kind, nth, Said::Records(Arc::new([]), true));
            }
        }
        assert_eq!(record.dns.values().next().unwrap().len(), ANSWERS);
        assert!(record.ask(1, "b.", kind, 2).is_some());
        assert!(record.ask(1, "c.", kind, 2).is_none());
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json.matches("\"a.\"").count(), 1, "{json}");
    }
}
