//! The verdicts of single policies.

use super::*;

/// What each policy makes of the same outcomes.
#[test]
fn verdict_by_policy() {
    use Action::*;
    let policies = read(
        "thresholds: { tag: 5, quarantine: 8, reject: 15 }
policies:
  - { name: high, for: { recipients: [high.example] }, thresholds: { tag: 7, quarantine: 20, reject: null } }
  - { name: low, for: { recipients: [low.example] }, thresholds: { tag: 1, quarantine: 3, reject: 5 } }
  - { name: never, for: { recipients: [never.example] }, thresholds: { tag: null, quarantine: null, reject: null } }
  - { name: no_bayes, for: { recipients: [no-bayes.example] }, skip: [bayes] }
  - { name: no_scan, for: { recipients: [no-scan.example] }, skip: [clamav] }
  - { name: tags, for: { recipients: [tags.example] }, actions: { quarantine: tag, reject: quarantine } }
  - { name: mild, for: { recipients: [mild.example] }, actions: { tag: deliver, quarantine: tag, reject: tag } }
  - { name: hard, for: { recipients: [hard.example] }, actions: { tag: reject } }
",
    );
    for (to, rules, bayes, virus, action) in [
        ("x@other.example", 3.0, 1.0, false, Deliver),
        ("x@other.example", 3.0, 3.0, false, Tag),
        ("x@other.example", 6.0, 3.0, false, Quarantine),
        ("x@other.example", 12.0, 3.0, false, Reject),
        ("x@other.example", 0.0, 0.0, true, Reject),
        ("x@high.example", 6.0, 0.5, false, Deliver),
        ("x@high.example", 12.0, 5.0, false, Tag),
        ("x@high.example", 90.0, 5.0, false, Quarantine),
        ("x@low.example", 1.0, 0.0, false, Tag),
        ("x@low.example", 4.0, 2.0, false, Reject),
        ("x@never.example", 90.0, 9.0, false, Deliver),
        ("x@never.example", 90.0, 9.0, true, Reject),
        ("x@no-bayes.example", 4.0, 9.0, false, Deliver),
        ("x@no-scan.example", 0.0, 0.0, true, Deliver),
        ("x@tags.example", 9.0, 0.0, false, Tag),
        ("x@tags.example", 19.0, 0.0, false, Quarantine),
        // A virus is a matter of more than points.
        ("x@tags.example", 0.0, 0.0, true, Quarantine),
        ("x@mild.example", 5.0, 0.0, false, Deliver),
        ("x@mild.example", 50.0, 0.0, false, Tag),
        ("x@mild.example", 0.0, 0.0, true, Reject),
        ("x@hard.example", 5.0, 0.0, false, Reject),
        ("x@hard.example", 4.9, 0.0, false, Deliver),
    ] {
        let scan = scan(mail_to(&[to]), "ann@sender.example");
        let found = verdict(&policies, &scan, chain(rules, bayes, virus));
        assert_eq!(found.action, action, "{to} {rules} {bayes} {virus}");
        let name = &found.policy.as_ref().unwrap().policy;
        let host = to.split(['@', '.']).nth(1).unwrap().replace('-', "_");
        assert_eq!(
            **name,
            if host == "other" {
                "default".to_owned()
            } else {
                host
            }
        );
    }
    let scan = scan(mail_to(&["x@no-bayes.example"]), "ann@sender.example");
    let found = verdict(&policies, &scan, chain(4.0, 9.0, false));
    assert_eq!(found.score, 4.0, "what is skipped gives no points");
    assert_eq!(found.reports[3].outcome, Outcome::Skipped(SKIPPED));
}

/// What a policy says depends on the message alone, not on who else gets it.
#[test]
fn a_verdict_is_the_same_whoever_else_gets_the_message() {
    let policies = read(
        "policies:
  - { name: a, for: { recipients: [a.example] }, skip: [dnsbl], thresholds: { tag: 2 } }
  - { name: b, for: { recipients: [b.example] }, deny: [{ senders: [sender.example] }] }
  - { name: c, for: { recipients: [c.example] }, skip: [clamav, bayes], language: { expected: [de] } }
",
    );
    let all = [
        "<x@a.example>",
        "<x@b.example>",
        "<x@c.example>",
        "<x@d.example>",
    ];
    let listed = || {
        let mut reports = chain(3.0, 4.0, true);
        let hit = Hit::new("ZONE", 0.0, "").decisive(Action::Quarantine);
        reports[0] = report("dnsbl", vec![hit]);
        reports
    };
    for reports in [chain(3.0, 4.0, false), chain(3.0, 4.0, true), listed()] {
        let together = scan(mail_to(&all), "ann@sender.example");
        let ruling = rule(&policies, &together, reports.clone(), true);
        assert_eq!(ruling.shares.len(), 4);
        for share in &ruling.shares {
            let to = share.recipients[0].raw();
            let alone = scan(
                mail_to(&[std::str::from_utf8(to).unwrap()]),
                "ann@sender.example",
            );
            let own = rule(&policies, &alone, reports.clone(), true);
            assert_eq!(own.verdict, share.verdict);
        }
    }
    // What stands behind a decisive hit was not looked at, though another policy has needed it.
    let together = scan(mail_to(&all), "ann@sender.example");
    let ruling = rule(&policies, &together, listed(), true);
    let of = |name: &str| {
        let found = ruling.shares.iter().find(|s| **s.policy.name() == *name);
        &found.unwrap().verdict
    };
    assert_eq!(
        (of("a").action, of("default").action),
        (Action::Reject, Action::Quarantine)
    );
    assert_eq!(
        of("default").reports[4].outcome,
        Outcome::Skipped(crate::filter::ENDED)
    );
    let DecidedBy::Hit { filter, .. } = &of("b").decided_by else {
        panic!("{:?}", of("b"))
    };
    assert_eq!(*filter, NAME);
}

#[test]
fn outbound_mail_passes_what_scans_and_nothing_that_judges_strangers() {
    let never = |yaml: &str, direction| read(yaml).never(direction).to_vec();
    let usual = ["dnsbl", "auth", "attachments", "rules", "bayes"];
    assert_eq!(never("", Direction::Outbound), usual);
    assert!(never("", Direction::Inbound).is_empty());
    let some = "outbound: { skip: [dnsbl] }\n";
    assert_eq!(never(some, Direction::Outbound), ["dnsbl"]);
    // One policy wants the rules, so they begin, and say nothing to the others.
    let wanted =
        "policies: [{ name: a, for: { direction: outbound, users: [x] }, skip: [dnsbl, auth] }]\n";
    assert_eq!(never(wanted, Direction::Outbound), ["dnsbl", "auth"]);
    // A policy for outbound mail that says nothing of filters skips what outbound mail does.
    let quiet = "policies: [{ name: a, for: { direction: outbound, users: [x] } }]\n";
    assert_eq!(never(quiet, Direction::Outbound), usual);
}

#[test]
fn without_policies_nothing_is_shown_and_all_is_as_the_file_says() {
    let policies = read("");
    let scan = scan(
        mail_to(&["<x@a.example>", "<x@b.example>"]),
        "ann@sender.example",
    );
    let ruling = rule(&policies, &scan, chain(6.0, 0.0, false), false);
    assert_eq!(ruling.verdict.action, Action::Tag);
    assert_eq!(ruling.verdict.policy, None);
    assert_eq!(ruling.required, Some(5.0));
    assert_eq!(ruling.shares.len(), 1);
    assert_eq!(ruling.verdict.reports, chain(6.0, 0.0, false));
    assert!(!policies.may_decide_early());
}
