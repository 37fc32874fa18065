//! From a verdict to what the MTA is told and what is done beside: a pure function.
//!
//! In: verdict, policy, the header names of the message. Out: a [`Plan`]: modifications, the final reply,
//! and whether a copy must be durable before that reply may be sent. Texts say what happened and which
//! id to ask for, never details: those are in the log and in the quarantine.

use serde::Deserialize;

use crate::filter::auth::FIELD;
use crate::filter::{Action, Outcome};
use crate::mail::Address;
use crate::milter::{Modification, Reply, ReplyText, header_value};
use crate::verdict::{DecidedBy, Verdict};

/// Header fields that mailweir writes. Fields of these names that a message brings along are forged, or
/// another filter's, and are removed.
pub const OWN_HEADERS: [&str; 9] = [
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Status",
    "X-Spam-Level",
    "X-Virus-Status",
    "X-Mailweir-Id",
    "X-Mailweir-Labels",
    "X-Mailweir-Policy",
    RELEASE_HEADER,
];

/// The mark that lets a released message pass once.
pub const RELEASE_HEADER: &str = "X-Mailweir-Release";

/// Where quarantined messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// In mailweir's own store.
    #[default]
    Store,
    /// In the hold queue of the MTA; in our own store where the MTA did not offer it.
    Mta,
}

/// What the router needs to know beside the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Id of the transaction.
    pub id: &'a str,
    /// The name of the scanner in the chain, `None` when the chain has no virus scanner.
    pub scanner: Option<&'a str>,
    /// The threshold shown as `required`.
    pub required: Option<f64>,
    /// Which configuration, rules and model decided; empty where nobody knows.
    pub version: &'a str,
    /// Where quarantined messages go.
    pub hold: Hold,
    /// Whether the MTA takes the hold modification.
    pub can_hold: bool,
    /// Recipients who do not get the message although others do.
    pub dropped: &'a [Address],
    /// Names of the header fields of the message, in order, as received.
    pub field_names: &'a [Vec<u8>],
    /// Fields `Authentication-Results` of the message that are forged, by their number among those of the name,
    /// from 1, rising.
    pub forged_results: &'a [u32],
    /// The value of our own, if there is one.
    pub results: Option<&'a str>,
}

/// What is to be done, in this order: store, modify, reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// A copy, for the recipients who are dropped or else for all, must be durable in the quarantine before anything
    /// else is sent. If that fails, the answer is [`store_failed`] instead.
    pub store: bool,
    /// Changes to the message.
    pub modifications: Vec<Modification>,
    /// The final reply.
    pub reply: Reply,
}

/// The answer when the copy could not be made durable.
pub fn store_failed(id: &str) -> Reply {
    Reply::Text(ReplyText::tempfailed(&format!(
        "Message cannot be processed now, please try again later (id {id})"
    )))
}

/// The answer when the verdict is tempfail, also when something broke before there was a verdict.
pub fn tempfail(id: &str) -> Reply {
    Reply::Text(ReplyText::tempfailed(&format!(
        "Message cannot be checked now, please try again later (id {id})"
    )))
}

fn reject(verdict: &Verdict, id: &str) -> Reply {
    let what = match &verdict.decided_by {
        DecidedBy::Hit { filter, .. } if *filter == "clamav" => {
            "Message refused: a virus was found"
        }
        DecidedBy::Hit { filter, .. } if *filter == "dnsbl" => {
            "Message refused: the client is on a block list"
        }
        DecidedBy::Hit { filter, .. } if *filter == crate::policy::NAME => {
            "Message refused: the recipient does not take mail of this sender"
        }
        DecidedBy::Hit { filter, .. } if *filter == "auth" => {
            "Message refused: the policy of the sender's domain asks for it (DMARC)"
        }
        _ => "Message refused as spam",
    };
    Reply::Text(ReplyText::rejected(&format!("{what} (id {id})")))
}

/// The answer of a verdict that is tempfail: a filter that defers on purpose says so, and how long it takes.
fn defer(verdict: &Verdict, id: &str) -> Reply {
    let DecidedBy::Hit { filter, rule } = &verdict.decided_by else {
        return tempfail(id);
    };
    let what = match *filter {
        "greylist" => "Greylisted",
        "rates" => "Too much mail at a time",
        _ => return tempfail(id),
    };
    let mut decisive = verdict
        .hits()
        .filter(|(f, hit)| f == filter && hit.rule == *rule);
    let wait = decisive.find_map(|(_, hit)| hit.retry_after);
    let when = wait.map_or_else(
        || "later".to_owned(),
        |wait| format!("in {} seconds", wait.as_secs_f64().ceil()),
    );
    Reply::Text(ReplyText::tempfailed(&format!(
        "{what}: please try again {when} (id {id})"
    )))
}

/// The reply to RCPT or BODY for a verdict that was reached before end of message.
pub fn early_reply(verdict: &Verdict, id: &str) -> Option<Reply> {
    match verdict.action {
        Action::Reject => Some(reject(verdict, id)),
        Action::Tempfail => Some(defer(verdict, id)),
        _ => None,
    }
}

/// Makes the plan.
pub fn route(verdict: &Verdict, context: &Context<'_>) -> Plan {
    let plain = |reply| Plan {
        store: false,
        modifications: Vec::new(),
        reply,
    };
    match verdict.action {
        Action::Reject => plain(reject(verdict, context.id)),
        Action::Tempfail => plain(defer(verdict, context.id)),
        Action::Discard => Plan {
            // A released message is in the quarantine already, and another copy of it is on its way.
            store: verdict.decided_by != DecidedBy::Release,
            ..plain(Reply::Discard)
        },
        Action::Quarantine if context.hold == Hold::Mta && context.can_hold => {
            let mut modifications = headers(verdict, context);
            modifications.push(Modification::Hold {
                reason: format!("mailweir score {:.2} id {}", verdict.score, context.id),
            });
            Plan {
                store: false,
                modifications,
                reply: Reply::Continue,
            }
        }
        // The MTA forgets the message; ours is the only copy from here on.
        Action::Quarantine => Plan {
            store: true,
            ..plain(Reply::Discard)
        },
        Action::Deliver | Action::Tag => {
            let mut modifications = headers(verdict, context);
            let mut paths: Vec<&[u8]> = context.dropped.iter().map(Address::raw).collect();
            paths.sort_unstable();
            paths.dedup();
            modifications.extend(paths.iter().map(|path| Modification::DeleteRecipient {
                path: path.to_vec(),
            }));
            Plan {
                store: !paths.is_empty(),
                modifications,
                reply: Reply::Continue,
            }
        }
    }
}

fn headers(verdict: &Verdict, context: &Context<'_>) -> Vec<Modification> {
    let mut out = forged(context.field_names);
    out.extend(
        context
            .forged_results
            .iter()
            .rev()
            .map(|index| Modification::DeleteHeader {
                index: *index,
                name: FIELD.to_owned(),
            }),
    );
    let mut values = Vec::with_capacity(9);
    if let Some(results) = context.results {
        values.push((FIELD, results.to_owned()));
    }
    let spam = verdict.action >= Action::Tag;
    values.push(("X-Spam-Flag", if spam { "YES" } else { "NO" }.to_owned()));
    values.push(("X-Spam-Score", format!("{:.2}", verdict.score)));
    values.push(("X-Spam-Level", level(verdict.score)));
    values.push(("X-Spam-Status", status(verdict, spam, context)));
    values.push(("X-Virus-Status", virus_status(verdict, context.scanner)));
    values.push(("X-Mailweir-Id", context.id.to_owned()));
    let labels = verdict.labels();
    if !labels.is_empty() {
        values.push(("X-Mailweir-Labels", labels.join(", ")));
    }
    if let Some(decision) = &verdict.policy {
        let listed = decision.listed.as_ref();
        let listed = listed.map_or(String::new(), |l| format!("; {l}"));
        values.push(("X-Mailweir-Policy", format!("{}{listed}", decision.policy)));
    }
    // Each goes to the top, so the last inserted comes first: insert from the last to the first.
    for (name, value) in values.into_iter().rev() {
        out.push(Modification::InsertHeader {
            index: 0,
            name: name.to_owned(),
            value: header_value(name, &value),
        });
    }
    out
}

/// One star a point, at most 50.
fn level(score: f64) -> String {
    let stars = if score >= 1.0 {
        score.min(50.0) as usize
    } else {
        0
    };
    match stars {
        0 => "-".to_owned(),
        n => "*".repeat(n),
    }
}

fn status(verdict: &Verdict, spam: bool, context: &Context<'_>) -> String {
    let mut out = format!(
        "{}, score={:.2}",
        if spam { "Yes" } else { "No" },
        verdict.score
    );
    if let Some(required) = context.required {
        out.push_str(&format!(" required={required:.2}"));
    }
    let shown = verdict.hits().filter(|(_, h)| h.shadow.is_none());
    let hits: Vec<_> = shown.map(|(_, h)| h.rule.as_ref()).collect();
    out.push_str(" tests=");
    if hits.is_empty() {
        out.push_str("none");
    } else {
        // A comma and a space between the names gives the line places to fold.
        out.push_str(&hits.join(", "));
    }
    for (filter, reason) in verdict.unscanned() {
        out.push_str(&format!(" unscanned={filter}:{reason}"));
    }
    if verdict.decided_by == DecidedBy::Release {
        out.push_str(" released=yes");
    }
    if !context.version.is_empty() {
        out.push_str(&format!(" version={}", context.version));
    }
    out
}

/// Never `Clean` unless the scanner has said so.
fn virus_status(verdict: &Verdict, scanner: Option<&str>) -> String {
    let Some(scanner) = scanner else {
        return "Unscanned (no scanner configured)".to_owned();
    };
    let report = verdict.reports.iter().find(|r| r.filter == scanner);
    match report.map(|r| &r.outcome) {
        Some(Outcome::Checked(hits)) => match hits.first() {
            None => "Clean".to_owned(),
            Some(hit) if hit.decisive.is_some() => format!("Infected ({})", hit.evidence),
            Some(hit) if hit.score == 0.0 => format!("Ignored ({})", hit.evidence),
            Some(hit) => format!("Suspicious ({})", hit.evidence),
        },
        Some(Outcome::Unscanned { reason, .. }) => format!("Unscanned ({reason})"),
        Some(Outcome::Skipped(why)) => format!("Unscanned ({why})"),
        None => "Unscanned (not checked)".to_owned(),
    }
}

/// Deletes every field of our names, from the last to the first.
fn forged(field_names: &[Vec<u8>]) -> Vec<Modification> {
    let mut out = Vec::new();
    for own in OWN_HEADERS {
        let count = field_names
            .iter()
            .filter(|n| n.eq_ignore_ascii_case(own.as_bytes()))
            .count();
        for index in (1..=count).rev() {
            out.push(Modification::DeleteHeader {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                name: own.to_owned(),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Hit, Reason, Report};
    use std::time::Duration;

    fn verdict(action: Action, outcomes: Vec<(&'static str, Outcome)>) -> Verdict {
        Verdict {
            action,
            score: 6.5,
            decided_by: DecidedBy::Nothing,
            policy: None,
            reports: outcomes
                .into_iter()
                .map(|(filter, outcome)| Report {
                    filter,
                    outcome,
                    elapsed: Duration::ZERO,
                })
                .collect(),
        }
    }

    fn context(field_names: &[Vec<u8>]) -> Context<'_> {
        Context {
            id: "01TEST",
            scanner: Some("clamav"),
            required: Some(5.0),
            version: "",
            hold: Hold::Store,
            can_hold: true,
            dropped: &[],
            field_names,
            forged_results: &[],
            results: None,
        }
    }

    fn value(plan: &Plan, wanted: &str) -> String {
        plan.modifications
            .iter()
            .find_map(|m| match m {
                Modification::InsertHeader { name, value, .. } if name == wanted => {
                    Some(value.clone())
                }
                _ => None,
            })
            .unwrap()
    }

    #[test]
    fn forged_fields_go_from_the_last_to_the_first_before_ours_come() {
        let names: Vec<Vec<u8>> = ["x-spam-flag", "From", "X-SPAM-FLAG", "X-Virus-Status"]
            .map(|n| n.as_bytes().to_vec())
            .to_vec();
        let plan = route(&verdict(Action::Deliver, vec![]), &context(&names));
        let deleted: Vec<_> = plan
            .modifications
            .iter()
            .map_while(|m| match m {
                Modification::DeleteHeader { index, name } => Some((*index, name.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(
            deleted,
            [
                (2, "X-Spam-Flag"),
                (1, "X-Spam-Flag"),
                (1, "X-Virus-Status")
            ]
        );
    }

    #[test]
    fn forged_results_go_from_the_last_to_the_first_and_ours_come_on_top() {
        let context = Context {
            forged_results: &[1, 3],
            results: Some("mx.example.org; spf=pass"),
            ..context(&[])
        };
        let plan = route(&verdict(Action::Deliver, vec![]), &context);
        let of_field: Vec<_> = plan
            .modifications
            .iter()
            .filter_map(|m| match m {
                Modification::DeleteHeader { index, name } if name == FIELD => Some(*index),
                _ => None,
            })
            .collect();
        assert_eq!(of_field, [3, 1]);
        let Some(Modification::InsertHeader { index, name, value }) = plan.modifications.last()
        else {
            panic!("ours comes last, and so on top");
        };
        assert_eq!((*index, name.as_str()), (0, FIELD));
        assert_eq!(value, "mx.example.org; spf=pass");
    }

    #[test]
    fn dropped_recipients_are_stored_for_and_leave_the_envelope_once_each() {
        let dropped = [b"<b@x>", b"<A@x>", b"<b@x>"].map(|path| Address::new(path));
        let split = Context {
            dropped: &dropped,
            hold: Hold::Mta,
            ..context(&[])
        };
        for action in [Action::Deliver, Action::Tag] {
            let plan = route(&verdict(action, vec![]), &split);
            assert!(plan.store);
            assert_eq!(plan.reply, Reply::Continue);
            let paths: Vec<_> = plan
                .modifications
                .iter()
                .filter_map(|m| match m {
                    Modification::DeleteRecipient { path } => Some(path.as_slice()),
                    _ => None,
                })
                .collect();
            assert_eq!(paths, [b"<A@x>", b"<b@x>"]);
        }
        assert!(!route(&verdict(Action::Deliver, vec![]), &context(&[])).store);
    }

    #[test]
    fn the_policy_and_the_list_line_that_decided_are_named() {
        let mut named = verdict(Action::Deliver, vec![]);
        named.policy = Some(crate::verdict::Decision {
            policy: "sales".into(),
            listed: None,
        });
        let field = "X-Mailweir-Policy";
        assert_eq!(value(&route(&named, &context(&[])), field), "sales");
        let listed = crate::verdict::Listed {
            list: "allow",
            place: "lists/a\r\nEvil: b.txt:12".to_owned(),
            entry: "example.org".to_owned(),
        };
        named.policy.as_mut().unwrap().listed = Some(listed);
        let shown = value(&route(&named, &context(&[])), field);
        assert!(shown.starts_with("sales; allow lists/a"), "{shown}");
        assert!(shown.contains("(example.org)"), "{shown}");
        assert!(
            !shown.contains("\nEvil") && !shown.contains('\r'),
            "{shown:?}"
        );
    }

    #[test]
    fn unscanned_is_never_clean() {
        let virus = |outcome| {
            let plan = route(
                &verdict(Action::Deliver, vec![("clamav", outcome)]),
                &context(&[]),
            );
            value(&plan, "X-Virus-Status")
        };
        assert_eq!(virus(Outcome::Checked(vec![])), "Clean");
        let found = |score| Hit::new("CLAMAV_SPAM", score, "A.Spam.B");
        for (hit, shown) in [
            (found(0.0).decisive(Action::Reject), "Infected (A.Spam.B)"),
            (found(8.0), "Suspicious (A.Spam.B)"),
            (found(0.0), "Ignored (A.Spam.B)"),
        ] {
            assert_eq!(virus(Outcome::Checked(vec![hit])), shown);
        }
        for reason in Reason::ALL {
            let shown = virus(Outcome::unscanned(reason, "secret detail"));
            assert_eq!(shown, format!("Unscanned ({reason})"));
        }
        assert!(virus(Outcome::Skipped("no server configured")).starts_with("Unscanned"));
        let none = Context {
            scanner: None,
            ..context(&[])
        };
        let plan = route(&verdict(Action::Deliver, vec![]), &none);
        assert!(value(&plan, "X-Virus-Status").starts_with("Unscanned"));
    }

    #[test]
    fn quarantine_and_discard_are_stored_before_the_reply() {
        for action in [Action::Quarantine, Action::Discard] {
            let plan = route(&verdict(action, vec![]), &context(&[]));
            assert!(plan.store);
            assert_eq!(plan.reply, Reply::Discard);
        }
        let mut mta = context(&[]);
        mta.hold = Hold::Mta;
        let plan = route(&verdict(Action::Quarantine, vec![]), &mta);
        assert!(!plan.store);
        assert_eq!(plan.reply, Reply::Continue);
        assert!(matches!(
            plan.modifications.last(),
            Some(Modification::Hold { .. })
        ));
        mta.can_hold = false;
        assert!(route(&verdict(Action::Quarantine, vec![]), &mta).store);
    }

    #[test]
    fn status_names_the_rules_and_what_was_not_scanned() {
        let hits = Outcome::Checked(vec![Hit::new("A", 1.0, ""), Hit::new("B", 5.5, "")]);
        let reports = vec![
            ("rules", hits),
            ("dnsbl", Outcome::unscanned(Reason::Timeout, "")),
        ];
        let plan = route(&verdict(Action::Tag, reports), &context(&[]));
        assert_eq!(
            value(&plan, "X-Spam-Status").replace("\n\t", " "),
            "Yes, score=6.50 required=5.00 tests=A, B unscanned=dnsbl:timeout"
        );
        assert_eq!(value(&plan, "X-Spam-Flag"), "YES");
        assert_eq!(value(&plan, "X-Spam-Level"), "******");
    }

    #[test]
    fn labels_have_a_field_and_hits_on_trial_are_not_named() {
        let mut labelled = Hit::new("A", 1.0, "");
        labelled.labels = ["prize".into(), "bulk".into()].into();
        let mut trial = Hit::new("B", 0.0, "");
        trial.shadow = Some(9.0);
        let outcome = Outcome::Checked(vec![labelled.clone(), trial, labelled]);
        let verdict = verdict(Action::Deliver, vec![("rules", outcome)]);
        let plan = route(&verdict, &context(&[]));
        assert_eq!(value(&plan, "X-Mailweir-Labels"), "bulk, prize");
        let status = value(&plan, "X-Spam-Status").replace("\n\t", " ");
        assert!(status.ends_with("tests=A, A"), "{status}");
        let forged = [b"x-mailweir-labels".to_vec()];
        let plan = route(&verdict, &context(&forged));
        let deleted = Modification::DeleteHeader {
            index: 1,
            name: "X-Mailweir-Labels".to_owned(),
        };
        assert!(plan.modifications.contains(&deleted));
    }

    #[test]
    fn refusals_name_the_id_and_nothing_from_the_message() {
        let plan = route(&verdict(Action::Reject, vec![]), &context(&[]));
        let Reply::Text(text) = plan.reply else {
            panic!()
        };
        assert_eq!(
            text.as_str(),
            "550 5.7.1 Message refused as spam (id 01TEST)"
        );
        let Reply::Text(text) = tempfail("01TEST") else {
            panic!()
        };
        assert!(text.as_str().starts_with("451 4.7.1 "));
    }

    #[test]
    fn who_is_deferred_on_purpose_is_told_for_how_long() {
        for (filter, wait, words) in [
            (
                "greylist",
                Some(Duration::from_millis(299_001)),
                "451 4.7.1 Greylisted: please try again in 300 seconds (id 01TEST)",
            ),
            (
                "rates",
                None,
                "451 4.7.1 Too much mail at a time: please try again later (id 01TEST)",
            ),
            (
                "rules",
                None,
                "451 4.7.1 Message cannot be checked now, please try again later (id 01TEST)",
            ),
        ] {
            let mut hit = Hit::new("R", 0.0, "").decisive(Action::Tempfail);
            hit.retry_after = wait;
            let verdict = Verdict::early(filter, hit);
            let at_end = route(&verdict, &context(&[])).reply;
            for reply in [early_reply(&verdict, "01TEST"), Some(at_end)] {
                let Some(Reply::Text(text)) = reply else {
                    panic!("{reply:?}")
                };
                assert_eq!(text.as_str(), words);
            }
        }
    }
}
