//! What was heard about one message, as it is kept: in memory as it came, on the disk as JSON.
//!
//! The bytes of a TXT record are written as the characters with their numbers, so that text in ASCII stays readable and
//! nothing is lost.

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
    pub(super) dns: HashMap<(RecordType, Box<str>), Said>,
    /// What took too long.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) late: BTreeSet<String>,
    /// What else filters heard, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) others: BTreeMap<String, serde_json::Value>,
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
        let questions = self.dns.iter().map(|((_, name), said)| {
            let records = match said {
                Said::Records(records, _) => records.iter().map(bytes).sum(),
                Said::Failure(failure) => failure.detail.len(),
                Said::Open | Said::TooMany => 0,
            };
            120 + name.len() + records
        });
        size_of::<Record>() + questions.sum::<usize>() + self.others.len() * 500
    }

    pub(super) fn said(&self, name: &str, kind: RecordType) -> Option<Said> {
        self.dns.get(&(kind, name.into())).cloned()
    }

    /// Notes an answer, if there is room for one more. The first that came counts.
    pub(super) fn note(&mut self, name: &str, kind: RecordType, said: Said, most: usize) {
        let room = self.dns.len() < most;
        let key = (kind, name.into());
        match self.dns.get_mut(&key) {
            Some(open @ Said::Open) => *open = said,
            Some(_) => {}
            None if room => {
                self.dns.insert(key, said);
            }
            None => {}
        }
    }
}

fn bytes(record: &RData) -> usize {
    let text = match record {
        RData::TXT(text) => text.txt_data.iter().map(|piece| piece.len()).sum(),
        _ => 0,
    };
    size_of::<RData>() + text
}

impl Said {
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
struct Written {
    name: Box<str>,
    kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<String>,
    /// Where there are no records: `absent` for a name that does not exist, `open`, `too_many`, or the kind of a
    /// failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    but: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

const ABSENT: &str = "absent";
const OPEN: &str = "open";
const TOO_MANY: &str = "too_many";

impl Written {
    fn new((kind, name): &(RecordType, Box<str>), said: &Said) -> Written {
        let mut written = Written {
            name: name.clone(),
            kind: kind.to_string(),
            records: Vec::new(),
            but: None,
            detail: String::new(),
        };
        let but = match said {
            Said::Records(records, exists) => {
                written.records = records.iter().filter_map(text).collect();
                (!exists).then_some(ABSENT)
            }
            Said::Failure(failure) => {
                written.detail.clone_from(&failure.detail);
                Some(failure.kind.name())
            }
            Said::Open => Some(OPEN),
            Said::TooMany => Some(TOO_MANY),
        };
        written.but = but.map(str::to_owned);
        written
    }

    fn read(self) -> Option<((RecordType, Box<str>), Said)> {
        let kind: RecordType = self.kind.parse().ok()?;
        let failure = |kind| {
            Said::Failure(Failure {
                kind,
                detail: self.detail.clone(),
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
        Some(((kind, self.name), said))
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
    use super::{Deserialize, Deserializer, HashMap, RecordType, Said, Serializer, Written};

    type Questions = HashMap<(RecordType, Box<str>), Said>;

    pub(super) fn serialize<S: Serializer>(all: &Questions, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(all.iter().map(|(key, said)| Written::new(key, said)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Questions, D::Error> {
        let written = Vec::<Written>::deserialize(d)?;
        // What cannot be read is not known.
        Ok(written.into_iter().filter_map(Written::read).collect())
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
        for (kind, data) in &all {
            let said = Said::Records(Arc::new([data.clone()]), true);
            record.note("x.example.", *kind, said, 100);
        }
        let failure = Failure::error("the resolver answered SERVFAIL");
        record.note(
            "f.example.",
            RecordType::A,
            Said::Failure(failure.clone()),
            100,
        );
        record.note(
            "n.example.",
            RecordType::A,
            Said::Records(Arc::new([]), false),
            100,
        );
        record.note("o.example.", RecordType::A, Said::Open, 100);
        record.note("t.example.", RecordType::A, Said::TooMany, 100);
        let json = serde_json::to_string(&record).unwrap();
        let back: Record = serde_json::from_str(&json).unwrap();
        for (kind, data) in &all {
            let Some(Said::Records(records, true)) = back.said("x.example.", *kind) else {
                panic!("{kind} is lost: {json}");
            };
            match (&records[0], data) {
                (RData::TXT(found), RData::TXT(data)) => {
                    assert_eq!(found.txt_data.concat(), data.txt_data.concat());
                }
                (found, data) => assert_eq!(found, data),
            }
        }
        let of = |name| back.said(name, RecordType::A).unwrap();
        assert_eq!(of("f.example.").told().unwrap_err(), failure);
        assert!(!of("n.example.").told().unwrap().exists);
        assert!(matches!(of("o.example."), Said::Open));
        assert!(matches!(of("t.example."), Said::TooMany));
    }

    #[test]
    fn the_first_answer_counts_and_questions_are_bounded() {
        let mut record = Record::default();
        let kind = RecordType::A;
        record.note("a.", kind, Said::Open, 2);
        record.note("a.", kind, Said::Records(Arc::new([]), true), 2);
        record.note("a.", kind, Said::Open, 2);
        record.note("b.", kind, Said::Open, 2);
        record.note("c.", kind, Said::Open, 2);
        assert!(matches!(
            record.said("a.", kind),
            Some(Said::Records(_, true))
        ));
        assert!(record.said("c.", kind).is_none());
    }
}
