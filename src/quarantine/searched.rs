//! What of a message the index searches, beside its addresses, subject and rules.
//!
//! In: an [`Entry`]. Out: [`Searched`], the values of columns. Made when a message is stored, and once for
//! those that an older version has stored.

use std::net::IpAddr;

use serde_json::Value;

use super::entry::{Entry, bare};
use crate::config::FilterName;
use crate::mail::Address;

/// Columns that are made from an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    /// Address of the client, 16 bytes, so that a network is a range.
    pub(super) client: Option<Vec<u8>>,
    /// Domain of the sender.
    pub(super) domain: String,
    /// Names of the policies, a blank before and behind each.
    pub(super) policies: String,
    /// What decided: `score`, `hit FILTER RULE`, `failure FILTER REASON`, `nothing`.
    pub(super) reason: String,
    /// What was decided, by its name.
    pub(super) verdict: String,
    /// Hundredths of points.
    pub(super) score: i64,
    /// Whether a virus scanner named it.
    pub(super) virus: bool,
}

impl Searched {
    pub(super) fn of(entry: &Entry) -> Searched {
        let one = text_at(&entry.verdict, "/policy/policy");
        let several = entry.policies.iter().map(|p| p.policy.as_str());
        let mut policies = String::from(" ");
        for name in several.chain(one.filter(|_| entry.policies.is_empty())) {
            policies.push_str(&folded(name));
            policies.push(' ');
        }
        Searched {
            client: entry.client.map(|ip| ordered(ip).to_vec()),
            domain: domain_of(&recipient_key(&entry.sender)).to_owned(),
            policies,
            reason: folded(&reason(entry)),
            verdict: entry.action.name().to_owned(),
            score: (entry.score * 100.0).round() as i64,
            virus: has_virus(entry),
        }
    }
}

/// What decided, in a few words: `score`, `hit rules BAD_WORD`, `failure clamav timeout`.
pub(super) fn reason(entry: &Entry) -> String {
    let Some(decided) = entry.verdict.get("decided_by") else {
        return String::new();
    };
    if let Some(word) = decided.as_str() {
        return word.to_owned();
    }
    let part = |place: &str| text_at(decided, place).unwrap_or_default();
    if decided.get("score").is_some() {
        "score".to_owned()
    } else if decided.get("hit").is_some() {
        format!("hit {} {}", part("/hit/filter"), part("/hit/rule"))
    } else if decided.get("failure").is_some() {
        let (filter, reason) = (part("/failure/filter"), part("/failure/reason"));
        format!("failure {filter} {reason}")
    } else {
        String::new()
    }
}

/// Whether the virus scanner had anything to say of it.
fn has_virus(entry: &Entry) -> bool {
    let reports = entry.verdict.get("reports").and_then(Value::as_array);
    let mut scanners = reports.into_iter().flatten();
    scanners.any(|report| {
        report.get("filter").and_then(Value::as_str) == Some(FilterName::Clamav.name())
            && ["/outcome/checked", "/outcome/unscanned/hits"]
                .iter()
                .filter_map(|place| report.pointer(place)?.as_array())
                .any(|hits| !hits.is_empty())
    })
}

fn text_at<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    value.pointer(place)?.as_str()
}

/// An address as 16 bytes in the order of addresses; those of IPv4 as IPv6 maps them.
pub(super) fn ordered(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// An address as the index knows it.
pub(super) fn recipient_key(address: &Address) -> String {
    folded(&String::from_utf8_lossy(bare(address)))
}

/// What stands behind the last `@` of a folded address; empty where there is none.
pub(super) fn domain_of(folded: &str) -> &str {
    folded.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// As it is searched: lower case, in all scripts, and without NUL, at which SQLite would stop reading.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase().replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::filter::{Action, Hit, Outcome, Reason, Report};
    use crate::mail::Envelope;
    use crate::verdict::{DecidedBy, Decision, Verdict};

    fn entry(decided_by: DecidedBy, reports: Vec<Report>) -> Entry {
        let policy = Arc::from("strict");
        let listed = None;
        let verdict = Verdict {
            action: Action::Quarantine,
            score: 8.25,
            decided_by,
            policy: Some(Decision { policy, listed }),
            reports,
        };
        let envelope = Envelope {
            sender: Some(Address::new(b"<\"a@b\"@Example.NET>")),
            ..Envelope::default()
        };
        let now = jiff::Timestamp::now();
        Entry::new("x", now, &envelope, "s", &verdict, 0)
    }

    #[test]
    fn what_decided_is_said_in_words_that_can_be_searched() {
        let hit = DecidedBy::Hit {
            filter: "rules",
            rule: "BAD_WORD".into(),
        };
        let failure = DecidedBy::Failure {
            filter: "clamav",
            reason: Reason::Timeout,
        };
        for (decided_by, words) in [
            (DecidedBy::Score(8.0), "score"),
            (hit, "hit rules bad_word"),
            (failure, "failure clamav timeout"),
            (DecidedBy::Nothing, "nothing"),
        ] {
            let found = Searched::of(&entry(decided_by, Vec::new()));
            assert_eq!(found.reason, words);
            assert_eq!((found.score, found.verdict.as_str()), (825, "quarantine"));
            assert_eq!(found.domain, "example.net");
            assert_eq!(found.policies, " strict ");
            assert!(!found.virus);
        }
    }

    #[test]
    fn what_the_virus_scanner_names_is_known() {
        let report = |filter, hits| Report {
            filter,
            outcome: Outcome::Checked(hits),
            elapsed: Duration::ZERO,
        };
        let virus = || vec![Hit::new("CLAMAV_VIRUS", 100.0, "Eicar")];
        let found = |reports| Searched::of(&entry(DecidedBy::Nothing, reports)).virus;
        assert!(found(vec![
            report("rules", vec![]),
            report("clamav", virus())
        ]));
        assert!(!found(vec![
            report("rules", virus()),
            report("clamav", vec![])
        ]));
    }
}
