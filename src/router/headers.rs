//! The header fields that a delivered message gets, and those it loses.
//!
//! In: verdict and context of the message. Out: modifications in the order in which the MTA must be given them. Fields of
//! our names go first, from the last to the first, because the MTA counts again after each; ours come after them.

use super::Context;
use crate::filter::Action;
use crate::filter::Outcome;
use crate::filter::auth::FIELD;
use crate::milter::{Modification, header_value};
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

pub(super) fn headers(verdict: &Verdict, context: &Context<'_>) -> Vec<Modification> {
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
    use super::super::tests::{context, verdict};
    use super::super::{Plan, route};
    use super::*;
    use crate::filter::{Hit, Reason};

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
}
