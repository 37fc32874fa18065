//! What hits do: points, caps, groups, shadow, forced verdicts, expiry, recipients; what the set tells of itself.

use jiff::civil::date;

use super::super::known::Known;
use super::*;

#[test]
fn occurrences_give_points_up_to_a_cap() {
    let points = |effect: &str, when: &str| {
        hits(&format!(
            "rules:\n  - {{ id: A, description: x, per_occurrence: {effect}, when: {when} }}\n"
        ))
        .pop()
        .map(|hit| (hit.score, hit.evidence))
    };
    for (effect, when, score) in [
        ("{ score: 0.5, cap: 9 }", "{ subject: '!' }", 1.5),
        ("{ score: 0.5, cap: 1 }", "{ subject: '!' }", 1.0),
        ("{ score: -0.5, cap: 1 }", "{ subject: '!' }", -1.0),
        (
            "{ score: 0.5, cap: 9, at_most: 2 }",
            "{ subject: '!' }",
            1.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ subject: '!', not: { subject: absent } }",
            3.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ any: [{ subject: '!' }, { html_text: '!' }] }",
            6.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ all: [{ subject: '!' }, { html_text: '!!' }] }",
            1.0,
        ),
        ("{ score: 1, cap: 9 }", "{ link: { url: '.' } }", 2.0),
        (
            "{ score: 1, cap: 9 }",
            "{ attachment_name: { length: { at_least: 1 } } }",
            2.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ relation: reply_to_is_not_from }",
            1.0,
        ),
    ] {
        let (found, _) = points(effect, when).unwrap();
        assert!((found - score).abs() < 1e-9, "{effect} {when}: {found}");
    }
    let (_, shown) = points("{ score: 1, cap: 9 }", "{ subject: '!' }").unwrap();
    assert_eq!(shown, "subject: \"!\" (3 times)");
    assert_eq!(points("{ score: 1, cap: 9 }", "{ subject: absent }"), None);
}

#[test]
fn formulas_add_up_hits_and_count_occurrences() {
    let formula = |formula: &str| {
        let text = format!(
            "rules:\n  - {{ id: F, description: x, score: 1, when: {{ formula: '{formula}' }} }}\n  - {{ id: MARKS, description: x, silent: true, per_occurrence: {{ at_most: 10 }}, when: {{ subject: '!' }} }}\n  - {{ id: ONE, description: x, silent: true, when: {{ subject: '!' }} }}\n  - {{ id: NO, description: x, silent: true, when: {{ subject: absent }} }}\n  - {{ id: SUM, description: x, silent: true, when: {{ formula: 'MARKS * 2' }} }}\n  - {{ id: BELOW, description: x, silent: true, when: {{ formula: '0 - MARKS' }} }}\n"
        );
        hits(&text).pop().map(|h| h.evidence)
    };
    for (text, expected) in [
        ("MARKS == 3", true),
        ("ONE == 1", true),
        ("MARKS + ONE > 3", true),
        ("NO", false),
        ("!NO && ONE", true),
        ("SUM == 6", true),
        ("BELOW == 1", true),
        ("(NO || MARKS) == 3", true),
        ("ONE / NO > 0", false),
        ("ONE && subject_length > 10", true),
    ] {
        assert_eq!(formula(text).is_some(), expected, "{text}");
    }
    assert_eq!(
        formula("MARKS + NO + ONE > 2").as_deref(),
        Some("formula of MARKS ONE")
    );
}

#[test]
fn a_formula_that_needs_no_hit_is_asked_for_every_message() {
    let set = loaded(
        "rules:\n  - { id: F, description: x, score: 1, when: { formula: '!(BANK || CARD)' } }\n  - { id: BANK, description: x, silent: true, when: { text: 'your bank' } }\n  - { id: CARD, description: x, silent: true, when: { text: 'your card' } }\n",
    );
    let hit = |text: &str| {
        let mail = Mail::parse(
            Bytes::from(format!("Subject: x\n\n{text}")),
            &Limits::default(),
        );
        !set.evaluate(&envelope(), &mail).is_empty()
    };
    assert!(hit("nothing") && !hit("your bank") && !hit("your card"));
}

#[test]
fn groups_are_capped_in_the_order_of_the_files() {
    let found = hits(
        "groups:\n  - { name: g, description: x, cap: 4 }\nrules:\n  - { id: A, description: x, score: 3, group: g, when: { subject: WIN } }\n  - { id: B, description: x, score: 3, group: g, when: { subject: gift } }\n  - { id: C, description: x, score: 3, when: { subject: card } }\n",
    );
    let shown: Vec<_> = found
        .iter()
        .map(|h| (&*h.rule, h.score, h.uncapped))
        .collect();
    assert_eq!(
        shown,
        [("A", 3.0, None), ("B", 1.0, Some(3.0)), ("C", 3.0, None)]
    );
}

#[test]
fn shadow_hits_weigh_nothing_and_serve_all_the_same() {
    let found = hits(
        "rules:\n  - { id: A, description: x, score: 7, mode: shadow, decisive: reject, labels: [bulk], when: { subject: WIN } }\n  - { id: B, description: x, score: 1, labels: [prize, win], when: { rule: A } }\n",
    );
    assert_eq!(
        (found[0].score, found[0].shadow, found[0].decisive),
        (0.0, Some(7.0), None)
    );
    assert!(found[0].labels.is_empty());
    let labels: Vec<&str> = found[1].labels.iter().map(|l| &**l).collect();
    assert_eq!((found[1].score, labels), (1.0, vec!["prize", "win"]));
}

#[test]
fn every_action_can_be_forced() {
    for action in [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Tempfail,
        Action::Discard,
        Action::Reject,
    ] {
        let found = hits(&format!(
            "rules:\n  - {{ id: A, description: x, score: 0, decisive: {action}, when: {{ subject: WIN }} }}\n"
        ));
        assert_eq!(found[0].decisive, Some(action));
        assert_eq!(found[0].ends(), action != Action::Deliver);
    }
}

#[test]
fn a_rule_is_on_until_its_last_day_and_warned_of() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, score: 1, expires: 2026-09-30, when: { subject: WIN }, tests: { hit: ['WIN'] } }\n  - { id: B, description: x, score: 1, when: { rule: A } }\n",
    );
    let on = |day| {
        set.evaluate_on(Some(day), &envelope(), &mail(), Known::default())
            .hits
            .len()
    };
    assert_eq!(on(date(2026, 9, 30)), 2);
    assert_eq!(on(date(2026, 10, 1)), 0);
    let of_rule = |day| {
        let warnings = set.warnings(day).into_iter();
        warnings.filter(|w| w.place.is_some()).collect::<Vec<_>>()
    };
    let warned = |day| of_rule(day).first().map(|w| w.message.clone());
    assert_eq!(warned(date(2026, 8, 30)), None);
    assert_eq!(
        warned(date(2026, 8, 31)).unwrap(),
        "the rule A expires in 30 days"
    );
    assert_eq!(
        warned(date(2026, 10, 1)).unwrap(),
        "the rule A has expired and is off"
    );
    let warning = &of_rule(date(2027, 1, 1))[0];
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!(warning.position().unwrap().1, 3);
}

#[test]
fn a_rule_can_be_on_for_some_recipients_only() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, score: 1, recipients: { only: examplecorp.org }, when: { subject: WIN } }\n  - { id: B, description: x, score: 1, recipients: { except: examplecorp.org }, when: { subject: WIN } }\n  - { id: C, description: x, score: 1, recipients: { only: examplecorp.org, of_several: any }, when: { subject: WIN } }\n",
    );
    let on = |recipients: &[&str]| {
        let recipients = recipients.iter().map(|r| Address::new(r.as_bytes()));
        let envelope = Envelope {
            recipients: recipients.collect(),
            ..envelope()
        };
        let hits = set.evaluate(&envelope, &mail());
        hits.iter().map(|h| h.rule.to_string()).collect::<String>()
    };
    assert_eq!(on(&["<a@sub.examplecorp.org>"]), "AC");
    assert_eq!(on(&["<a@examplecorp.org>", "<b@b.example>"]), "C");
    assert_eq!(on(&["<b@b.example>"]), "B");
    assert_eq!(on(&[]), "B");
}

#[test]
fn lists_and_groups_that_nothing_uses_are_warned_of() {
    let set = loaded(
        "groups:\n  - { name: idle, description: x, cap: 1 }\nrules:\n  - { id: A, description: x, score: 1, when: { url_host: { domains: { list: short } } } }\n  - { id: B, description: x, score: 1, when: { url_host: { domains: { list: empty } } } }\n",
    );
    let warnings = Problems(set.warnings(date(2026, 1, 1))).to_string();
    for told in [
        "no rule is in the group `idle`",
        "no rule looks into the list `unused`",
        "the list `empty` has no entries",
    ] {
        assert!(warnings.contains(told), "{told} is not in\n{warnings}");
    }
    assert!(!warnings.contains("`short`"), "{warnings}");
    let info = &set.lists()[1];
    assert_eq!(
        (info.name.as_str(), info.kind, info.entries),
        ("short", "domains", 1)
    );
    assert_eq!(&*set.rules()[0].lists()[0], "short");
}

#[test]
fn a_list_beside_the_files_belongs_to_the_version() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lists")).unwrap();
    let list = folder.path().join("lists/mine.txt");
    let rules = rule("{ url_host: { domains: { list: mine } } }");
    std::fs::write(folder.path().join("a.yaml"), format!("version: 1\n{rules}")).unwrap();
    let missing = RuleSet::load(folder.path()).unwrap_err().to_string();
    assert!(
        missing.contains("there is no list `mine`")
            && missing.contains("mine.txt, one entry a line"),
        "{missing}"
    );
    std::fs::write(&list, "bit.ly\n").unwrap();
    let set = RuleSet::load(folder.path()).unwrap();
    assert_eq!(set.evaluate(&envelope(), &mail()).len(), 1);
    std::fs::write(&list, "other.example\n").unwrap();
    let changed = RuleSet::load(folder.path()).unwrap();
    assert!(changed.evaluate(&envelope(), &mail()).is_empty());
    assert_ne!(set.version(), changed.version());
    // One file is loaded with the lists beside it, too.
    RuleSet::load(&folder.path().join("a.yaml")).unwrap();
}

#[test]
fn findings_tell_what_matched_and_where() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, silent: true, when: { url_path: '/b' , subject: gift } }\n",
    );
    let found = set.findings(&envelope(), &mail());
    let (number, findings) = &found[0];
    assert_eq!(*number, 0);
    assert_eq!(findings[0].place, "url_path");
    assert_eq!(findings[0].matched.as_deref(), Some(&b"/b"[..]));
    assert_eq!(findings[0].at, Some((0, 2..4)));
}

#[test]
fn a_fragment_has_no_recipients_that_a_rule_must_be_on_for() {
    loaded(
        "rules:\n  - { id: A, description: x, score: 1, recipients: { only: examplecorp.org }, when: { subject: WIN }, tests: { hit: ['WIN'], miss: ['lose'] } }\n",
    );
}
