//! What was heard about one message, as it is kept: in memory as it came, on the disk as JSON.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Said};
use super::written::{self, Questions};
use crate::dns::RecordType;

/// Answers to one question of a message that are kept, the first.
const ANSWERS: usize = 64;

/// What was heard about one message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// When, seconds since 1970.
    pub(super) at: u64,
    /// Whether the mail server let recipients be dropped.
    #[serde(default)]
    pub(super) can_drop: bool,
    /// Answers of DNS.
    #[serde(default, with = "written")]
    pub(super) dns: Questions,
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

impl Record {
    /// Whether the mail server let recipients be dropped.
    pub fn can_drop(&self) -> bool {
        self.can_drop
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let questions = self.dns.iter().map(|((_, name), all)| {
            let each = all.iter().map(|answer| answer.said.weight());
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hickory_resolver::proto::rr::Name;
    use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, PTR, TXT};

    use super::super::answer::asker;
    use super::*;
    use crate::dns::{Failure, RData};

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
