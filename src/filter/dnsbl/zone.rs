//! A list as it is run: its zone, what it is asked about, and what its answers mean.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_resolver::proto::rr::rdata::TXT;

use super::digest;
use super::grade::{Code, Grade, Pattern};
use super::question::{
    LISTED, LISTED_NAME, LISTED_V6, UNLISTED, about_address, about_name, never_listed,
};
use super::secret::Secret;
use super::subject::{Kind, Subject, Value};
use super::zone_options::{HashOptions, HopOptions, Names};
use crate::dns::{Found, RData};
use crate::filter::Hit;
use crate::mail::registered_domain;

/// Findings that the evidence of one hit tells in full.
const TOLD: usize = 3;
/// Longest reason of a list that is kept, characters.
const REASON_CHARS: usize = 120;

/// One list.
#[derive(Debug)]
pub(super) struct Zone {
    /// The zone asked, lower case, without a final dot; it holds the key.
    pub(super) zone: Secret,
    pub(super) key: Option<Secret>,
    /// What evidence, log and metrics call it.
    pub(super) name: String,
    pub(super) subjects: Vec<Subject>,
    pub(super) names: Names,
    pub(super) hash: Option<HashOptions>,
    pub(super) hops: HopOptions,
    /// Values of one subject of a message that are asked about.
    pub(super) max: usize,
    /// Whether it is asked for IPv4 addresses.
    pub(super) ipv4: bool,
    /// Whether it is asked for IPv6 addresses.
    pub(super) ipv6: bool,
    /// The hit of a listing that no entry of `codes` takes.
    pub(super) otherwise: Option<Grade>,
    /// What single answers mean, in the order of the configuration.
    pub(super) codes: Vec<Code>,
    pub(super) refusals: Vec<Pattern>,
    pub(super) txt: bool,
    pub(super) test: OwnTest,
    /// Whether a message is unscanned when it could not be asked.
    pub(super) required: bool,
}

/// Entries that tell a working list from one that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) listed: Option<Value>,
    pub(super) unlisted: Option<Value>,
    /// Whether the absence of `listed` is a fault.
    pub(super) needed: bool,
}

/// Test entries of a list's own, in place of those of RFC 5782.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnTest {
    pub(super) listed: Option<Option<Value>>,
    pub(super) unlisted: Option<Option<Value>>,
}

/// Something that a list has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) subject: Subject,
    pub(super) value: Value,
    /// The host whose address or name server it is.
    pub(super) of: Option<String>,
    pub(super) codes: Vec<Ipv4Addr>,
    /// The reason that the list gives, printable.
    pub(super) reason: Option<String>,
}

impl Zone {
    /// Whether one of its listings settles the fate of a message.
    pub(super) fn may_decide(&self) -> bool {
        let ends = |g: &Grade| {
            g.decisive
                .is_some_and(|a| a > crate::filter::Action::Deliver)
        };
        self.grades().any(ends)
    }

    /// Whether one of its listings keeps other lists from counting.
    pub(super) fn may_exempt(&self) -> bool {
        self.grades().any(|g| g.exempt)
    }

    fn grades(&self) -> impl Iterator<Item = &Grade> {
        self.codes.iter().map(|c| &c.grade).chain(&self.otherwise)
    }

    /// The name to ask for; `None` when this list is not asked about the value.
    pub(super) fn question(&self, value: &Value) -> Option<String> {
        let zone = self.zone.reveal();
        match value {
            Value::Address(address) if address.is_ipv6() && !self.ipv6 => None,
            Value::Address(address) if address.is_ipv4() && !self.ipv4 => None,
            Value::Address(address) => Some(about_address(*address, zone)),
            Value::Name(name) => about_name(name, zone),
            Value::Text(text) => about_name(&digest::label(text, self.hash.as_ref()?), zone),
        }
    }

    /// A question of this list as it may be shown: without the key.
    pub(super) fn shown(&self, question: &str) -> String {
        let own = question.strip_suffix('.');
        let value = own.and_then(|own| own.strip_suffix(self.zone.reveal()));
        // What is no question of this list is not shown.
        format!("{}{}.", value.unwrap_or_default(), self.name)
    }

    /// An answer of this list as it may be shown: without the key in reasons, which often stands in a link.
    pub(super) fn without_key(&self, found: Found) -> Found {
        let Some(key) = &self.key else {
            return found;
        };
        let hidden = |record: &RData| match record {
            RData::TXT(text) => {
                let text = String::from_utf8_lossy(&text.txt_data.concat()).into_owned();
                RData::TXT(TXT::new(vec![key.hide(&text)]))
            }
            other => other.clone(),
        };
        Found {
            records: found.records.iter().map(hidden).collect(),
            ..found
        }
    }

    /// The forms of a host name that it is asked about.
    pub(super) fn forms(&self, host: &str) -> Vec<Value> {
        let registered = registered_domain(host).unwrap_or(host);
        let name = |n: &str| Value::Name(n.to_owned());
        match self.names {
            Names::Registered => vec![name(registered)],
            Names::Host => vec![name(host)],
            Names::Both if registered == host => vec![name(host)],
            Names::Both => vec![name(host), name(registered)],
        }
    }

    /// What it must not have while a listing of `value` counts.
    pub(super) fn unlisted(&self, value: &Value) -> Option<Value> {
        match (&self.test.unlisted, value) {
            (Some(own), _) => own.clone(),
            (None, Value::Address(address)) => Some(Value::Address(never_listed(*address))),
            (None, Value::Name(_)) => Some(Value::Name(UNLISTED.to_owned())),
            (None, Value::Text(_)) => Some(Value::Text(UNLISTED.to_owned())),
        }
    }

    /// Its test entries (RFC 5782, section 5), the ones that tell most first. Many lists that know addresses of
    /// both kinds have no entry for `::ffff:127.0.0.2`, so its absence is a fault only of the others.
    pub(super) fn tests(&self) -> Vec<Test> {
        let asks = |kind| self.subjects.iter().any(|s| s.kind() == kind);
        let mut tests = Vec::new();
        let mut add = |listed: Option<Value>, unlisted, needed| {
            tests.push(Test {
                listed,
                unlisted: Some(unlisted),
                needed,
            });
        };
        for (listed, asked, needed) in [
            (LISTED, self.ipv4, true),
            (LISTED_V6, self.ipv6, !self.ipv4),
        ] {
            if asks(Kind::Address) && asked {
                let unlisted = Value::Address(never_listed(listed));
                add(Some(Value::Address(listed)), unlisted, needed);
            }
        }
        if asks(Kind::Name) {
            let unlisted = Value::Name(UNLISTED.to_owned());
            add(Some(Value::Name(LISTED_NAME.to_owned())), unlisted, true);
        }
        if asks(Kind::Digest) {
            add(None, Value::Text(UNLISTED.to_owned()), false);
        }
        let without_own = self.test.listed.is_none() && self.test.unlisted.is_none();
        if without_own || tests.is_empty() {
            return tests;
        }
        // Entries of its own tell of the whole list.
        let mut own = tests.swap_remove(0);
        if let Some(listed) = &self.test.listed {
            own.listed.clone_from(listed);
            own.needed = true;
        }
        if let Some(unlisted) = &self.test.unlisted {
            own.unlisted.clone_from(unlisted);
        }
        vec![own]
    }

    /// The reason in a TXT record as it may be shown: one line, without the key.
    pub(super) fn reason(&self, text: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let line: String = text
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let line = match &self.key {
            Some(key) => key.hide(&line),
            None => line,
        };
        let line: String = line.chars().take(REASON_CHARS).collect();
        (!line.is_empty()).then_some(line)
    }

    /// Whether a finding keeps other lists from counting against its value.
    pub(super) fn exempts(&self, finding: &Finding) -> bool {
        finding.codes.iter().any(|code| {
            let grade = self.codes.iter().find(|c| c.takes(*code)).map(|c| &c.grade);
            grade.or(self.otherwise.as_ref()).is_some_and(|g| g.exempt)
        })
    }

    /// The hits of what the list has: one for each entry that takes a code of a finding, and one for
    /// all codes that none takes, however many findings there are.
    pub(super) fn hits(&self, findings: &[&Finding]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for entry in &self.codes {
            hits.extend(self.hit(&entry.grade, findings, |code| entry.takes(code)));
        }
        if let Some(grade) = &self.otherwise {
            let rest = |code| !self.codes.iter().any(|e| e.takes(code));
            hits.extend(self.hit(grade, findings, rest));
        }
        hits
    }

    fn hit(
        &self,
        grade: &Grade,
        findings: &[&Finding],
        takes: impl Fn(Ipv4Addr) -> bool,
    ) -> Option<Hit> {
        let mut told = Vec::new();
        let mut more = 0;
        for finding in findings {
            let codes: Vec<String> = finding
                .codes
                .iter()
                .filter(|c| takes(**c))
                .map(Ipv4Addr::to_string)
                .collect();
            match codes.is_empty() {
                true => {}
                false if told.len() == TOLD => more += 1,
                false => told.push(self.evidence(finding, &codes.join(", "))),
            }
        }
        if told.is_empty() {
            return None;
        }
        if more > 0 {
            told.push(format!("{more} more"));
        }
        let hit = Hit::new(Arc::clone(&grade.id), grade.score, told.join("; "));
        Some(match grade.decisive {
            Some(action) => hit.decisive(action),
            None => hit,
        })
    }

    fn evidence(&self, finding: &Finding, codes: &str) -> String {
        let value = match &finding.value {
            Value::Address(address) => address.to_string(),
            Value::Name(text) | Value::Text(text) => text.chars().take(REASON_CHARS).collect(),
        };
        let of = finding.of.as_ref().map(|h| format!(" of {h}"));
        let reason = finding.reason.as_ref().map(|r| format!(" \"{r}\""));
        format!(
            "{value} ({}{}) listed in {}: {codes}{}",
            finding.subject.name(),
            of.unwrap_or_default(),
            self.name,
            reason.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(id: &str, score: f64) -> Grade {
        Grade {
            id: id.into(),
            score,
            decisive: None,
            exempt: false,
        }
    }

    fn zone(otherwise: Option<Grade>, codes: Vec<Code>) -> Zone {
        Zone {
            zone: Secret::new("k3y.bl.example.org"),
            key: Some(Secret::new("k3y")),
            name: "bl.example.org".into(),
            subjects: vec![Subject::Client],
            names: Names::Registered,
            hash: None,
            hops: HopOptions { first: 1, last: -1 },
            max: 20,
            ipv4: true,
            ipv6: true,
            otherwise,
            codes,
            refusals: Vec::new(),
            txt: true,
            test: OwnTest::default(),
            required: true,
        }
    }

    fn finding(host: u8, last: &[u8]) -> Finding {
        Finding {
            subject: Subject::Client,
            value: Value::Address(Ipv4Addr::new(192, 0, 2, host).into()),
            of: None,
            codes: last.iter().map(|n| Ipv4Addr::new(127, 0, 0, *n)).collect(),
            reason: None,
        }
    }

    fn ids(zone: &Zone, findings: &[Finding]) -> Vec<String> {
        let hits = zone.hits(&findings.iter().collect::<Vec<_>>());
        hits.iter()
            .map(|h| format!("{} {}", h.rule, h.evidence))
            .collect()
    }

    #[test]
    fn ranges_hold_both_ends_and_the_rest_falls_to_the_zone() {
        let range = Ipv4Addr::new(127, 0, 0, 4)..=Ipv4Addr::new(127, 0, 0, 7);
        let entry = Code {
            patterns: vec![Pattern::Range(range)],
            grade: grade("XBL", 3.0),
        };
        let with_rest = zone(Some(grade("REST", 1.0)), vec![entry.clone()]);
        assert_eq!(
            ids(&with_rest, &[finding(1, &[3, 4, 7, 8])]),
            [
                "XBL 192.0.2.1 (client) listed in bl.example.org: 127.0.0.4, 127.0.0.7",
                "REST 192.0.2.1 (client) listed in bl.example.org: 127.0.0.3, 127.0.0.8",
            ]
        );
        assert!(ids(&zone(None, vec![entry]), &[finding(1, &[3, 8])]).is_empty());
    }

    #[test]
    fn each_mask_with_a_bit_of_the_answer_hits() {
        let codes = [(2, "A"), (4, "B"), (8, "C")].map(|(mask, id)| Code {
            patterns: vec![Pattern::Mask(mask)],
            grade: grade(id, 1.0),
        });
        let zone = zone(None, codes.to_vec());
        let hits = ids(&zone, &[finding(1, &[6])]);
        assert_eq!(hits.len(), 2, "{hits:?}");
        assert!(
            hits[0].starts_with("A ") && hits[1].starts_with("B "),
            "{hits:?}"
        );
    }

    #[test]
    fn octets_left_open_take_every_number() {
        let pattern = Pattern::Octets([Some(127), Some(0), None, Some(3)]);
        assert!(pattern.takes(Ipv4Addr::new(127, 0, 9, 3)));
        assert!(!pattern.takes(Ipv4Addr::new(127, 0, 9, 2)));
    }

    #[test]
    fn many_findings_are_one_hit_whose_evidence_stays_short() {
        let zone = zone(Some(grade("A", 1.0)), Vec::new());
        let findings: Vec<Finding> = (1..=9).map(|n| finding(n, &[2])).collect();
        let hits = ids(&zone, &findings);
        assert_eq!(hits.len(), 1);
        assert!(hits[0].contains("192.0.2.3 (client)"), "{hits:?}");
        assert!(hits[0].ends_with("; 6 more"), "{hits:?}");
    }

    #[test]
    fn a_reason_is_one_line_without_the_key() {
        let zone = zone(None, Vec::new());
        let said = zone.reason(b" see\r\n\x1b[31m https://K3Y.example/\x00 ");
        assert_eq!(said.as_deref(), Some("see [31m https://***.example/"));
        assert_eq!(zone.reason(b" \t"), None);
        let long = zone.reason("\u{e9}".repeat(500).as_bytes()).unwrap();
        assert_eq!(long.chars().count(), REASON_CHARS);
        assert!(!format!("{zone:?}").contains("k3y"));
    }

    #[test]
    fn questions_follow_the_kind_of_the_value() {
        let mut zone = zone(None, Vec::new());
        let v6 = Value::Address("2001:db8::1".parse().unwrap());
        assert!(zone.question(&v6).is_some());
        zone.ipv6 = false;
        assert!(zone.question(&v6).is_none());
        assert_eq!(
            zone.question(&Value::Name("a.example.com".into())).unwrap(),
            "a.example.com.k3y.bl.example.org."
        );
        assert_eq!(zone.question(&Value::Text("a@b".into())), None);
        let forms = |z: &Zone| z.forms("www.shop.example.co.uk").len();
        assert_eq!(forms(&zone), 1);
        zone.names = Names::Both;
        assert_eq!(forms(&zone), 2);
        assert_eq!(zone.forms("example.co.uk").len(), 1);
    }
}
