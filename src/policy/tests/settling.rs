//! Several policies on one message.

use super::*;

/// The table of conflicts. Recipients: `pass` delivers, `tag` tags, `hold` quarantines, `refuse` rejects, `later`
/// answers tempfail, `drop` discards.
#[test]
fn verdicts_of_several_policies_are_settled() {
    use Action::*;
    use Settled as S;
    let yaml = |conflict: &str| {
        format!(
            "{conflict}
policies:
  - {{ name: pass, for: {{ recipients: [pass.example] }}, thresholds: {{ tag: null, quarantine: null, reject: null }} }}
  - {{ name: tag, for: {{ recipients: [tag.example] }}, thresholds: {{ tag: 1, quarantine: null, reject: null }} }}
  - {{ name: hold, for: {{ recipients: [hold.example] }}, thresholds: {{ tag: null, quarantine: 1, reject: null }} }}
  - {{ name: refuse, for: {{ recipients: [refuse.example] }}, thresholds: {{ tag: null, quarantine: null, reject: 1 }} }}
  - {{ name: drop, for: {{ recipients: [drop.example] }}, thresholds: {{ tag: null, quarantine: 1, reject: null }}, actions: {{ quarantine: discard }} }}
"
        )
    };
    let split = "conflict: split";
    for (conflict, recipients, can_drop, action, settled, held) in [
        (
            split,
            &["pass", "pass"][..],
            true,
            Deliver,
            S::Agreed,
            &[][..],
        ),
        (split, &["refuse", "refuse"], true, Reject, S::Agreed, &[]),
        (split, &["pass", "tag"], true, Tag, S::Agreed, &[]),
        (split, &["pass", "hold"], true, Deliver, S::Split, &["hold"]),
        (
            split,
            &["refuse", "pass", "hold", "tag"],
            true,
            Tag,
            S::Split,
            &["refuse", "hold"],
        ),
        (split, &["drop", "pass"], true, Deliver, S::Split, &["drop"]),
        (split, &["hold", "refuse"], true, Quarantine, S::Held, &[]),
        (split, &["drop", "refuse"], true, Discard, S::Held, &[]),
        (
            split,
            &["hold", "drop", "refuse"],
            false,
            Quarantine,
            S::Held,
            &[],
        ),
        (split, &["pass", "refuse"], false, Reject, S::Strictest, &[]),
        (
            "conflict_fallback: mildest",
            &["pass", "refuse"],
            false,
            Deliver,
            S::Mildest,
            &[],
        ),
        (
            "conflict: strictest",
            &["pass", "hold"],
            true,
            Quarantine,
            S::Strictest,
            &[],
        ),
        (
            "conflict: strictest",
            &["pass", "tag"],
            true,
            Tag,
            S::Agreed,
            &[],
        ),
        (
            "conflict: mildest",
            &["tag", "refuse"],
            true,
            Tag,
            S::Mildest,
            &[],
        ),
        (
            "conflict: mildest",
            &["pass", "tag"],
            true,
            Deliver,
            S::Agreed,
            &[],
        ),
    ] {
        let policies = read(&yaml(conflict));
        let to: Vec<String> = recipients
            .iter()
            .map(|r| format!("<x@{r}.example>"))
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let scan = scan(mail_to(&to), "ann@sender.example");
        let ruling = rule(&policies, &scan, chain(6.0, 0.0, false), can_drop);
        let case = format!("{conflict} {recipients:?} {can_drop}");
        assert_eq!(
            (ruling.verdict.action, ruling.settled),
            (action, settled),
            "{case}"
        );
        let wanted = !can_drop && ruling.settled != S::Held && conflict != "conflict: strictest";
        assert_eq!(ruling.not_granted, wanted, "{case}");
        let mut left: Vec<String> = Vec::new();
        if let Some(ruled) = &ruling.held {
            left.extend(ruled.recipients.iter().map(|r| r.text().to_owned()));
            assert!(ruled.verdict.action > Tag, "{case}");
        }
        let held: Vec<String> = held.iter().map(|r| format!("x@{r}.example")).collect();
        assert_eq!(left, held, "{case}");
    }
}

#[test]
fn more_than_points_is_no_matter_of_mildness_and_later_is_later_for_all() {
    let policies = |conflict: &str| {
        read(&format!(
            "conflict: {conflict}
policies:
  - {{ name: no_scan, for: {{ recipients: [no-scan.example] }}, skip: [clamav] }}
  - {{ name: refuses, for: {{ recipients: [refuses.example] }}, deny: [{{ senders: [sender.example] }}] }}
"
        ))
    };
    let ruled = |conflict: &str, to: &[&str], reports| {
        let scan = scan(mail_to(to), "ann@sender.example");
        let ruling = rule(&policies(conflict), &scan, reports, true);
        (ruling.verdict.action, ruling.settled)
    };
    let down = || {
        let mut reports = chain(0.0, 0.0, false);
        reports[4].outcome = Outcome::unscanned(Reason::Down, "");
        reports
    };
    let to = ["x@no-scan.example", "x@other.example"];
    use Action::*;
    assert_eq!(
        ruled("split", &to, chain(0.0, 0.0, true)),
        (Deliver, Settled::Split)
    );
    assert_eq!(ruled("split", &to, down()), (Tempfail, Settled::Tempfail));
    assert_eq!(
        ruled("mildest", &to, chain(0.0, 0.0, true)),
        (Reject, Settled::Mildest)
    );
    assert_eq!(ruled("mildest", &to, down()), (Tempfail, Settled::Mildest));
    let denied = ["x@refuses.example", "x@other.example"];
    assert_eq!(
        ruled("mildest", &denied, chain(0.0, 0.0, false)),
        (Deliver, Settled::Mildest)
    );
    assert_eq!(
        ruled("split", &denied, chain(0.0, 0.0, false)),
        (Deliver, Settled::Split)
    );
}
