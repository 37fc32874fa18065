//! Questions with their answers, as they stand in JSON.
//!
//! The bytes of a TXT record are written as the characters with their numbers, so that text in ASCII stays readable and
//! nothing is lost.

use std::borrow::Cow;
use std::collections::HashMap;

use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, PTR, TXT};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::{Answer, Said};
use crate::dns::{Failure, Kind, RData, RecordType};

/// Answers to each question.
pub(super) type Questions = HashMap<(RecordType, Box<str>), Vec<Answer>>;

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
