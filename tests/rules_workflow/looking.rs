//! `rules list`, `show`, `test`, and `explain`.

use super::files::{folder, repository};
use super::program::{done, run};

const RULES: &str = "version: 1
rules:
  - id: OVERDUE
    description: An invoice that is overdue
    score: 2.5
    when:
      subject: '(?i)invoice'
      not: { rule: REPLY }
      any:
        - text: 'overdue since (?:yesterday|long)'
        - { header: { name: X-Overdue, exists: true } }
    tests:
      hit: [{ subject: 'Your invoice', text: 'overdue since long' }]
      miss: ['invoice', { subject: 'Re: invoice', text: 'overdue since long' }]
  - id: REPLY
    description: An answer
    silent: true
    when: { subject: '^Re: ' }
  - { id: DIGITS, description: Any letter and digit, score: 0.5, when: { text: '[a-z][^<]*\\d' } }
";

const MESSAGE: &str = "From: a@example.com\nSubject: Re: Invoice \x1b[31m 7\n\n\
                       It is overdue since long, see a1.\n";

fn files() -> tempfile::TempDir {
    folder(&[
        (
            "mailweir.yaml",
            "data_dir: data\nchain: [rules]\nrules: { path: rules, disable: [DIGITS] }\n",
        ),
        ("rules/invoices.yaml", RULES),
        ("mail/1.eml", MESSAGE),
        ("mail/2.eml", &MESSAGE.replace("Re: ", "")),
    ])
}

const WITH: [&str; 2] = ["--config", "mailweir.yaml"];

#[test]
fn rules_are_listed_and_shown_with_all_that_is_known_of_them() {
    let files = files();
    let list = |more: &[&str]| {
        let said = done(
            files.path(),
            &[&["rules", "list", "--json"], &WITH[..], more].concat(),
        );
        said.json().as_array().unwrap().clone()
    };
    let ids = |rules: Vec<serde_json::Value>| -> Vec<String> {
        rules
            .iter()
            .map(|r| r["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = list(&[]);
    assert_eq!(all.len(), 3);
    assert_eq!(
        all[0]["asks"],
        serde_json::json!(["subject", "text", "header X-Overdue"])
    );
    assert_eq!(all[0]["refers_to"], serde_json::json!(["REPLY"]));
    assert_eq!(
        (&all[0]["line"], &all[0]["tests_hit"], &all[0]["tests_miss"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(
        (&all[0]["cost"], &all[2]["cost"]),
        (&"gated".into(), &"long".into())
    );
    assert_eq!(ids(list(&["--place", "text"])), ["OVERDUE", "DIGITS"]);
    assert_eq!(ids(list(&["--mode", "silent"])), ["REPLY"]);
    assert_eq!(ids(list(&["--mode", "disabled"])), ["DIGITS"]);
    assert_eq!(ids(list(&["--cost", "long"])), ["DIGITS"]);
    assert!(list(&["--file", "nothing"]).is_empty());
    let table = done(files.path(), &[&["rules", "list"], &WITH[..]].concat());
    for part in [
        "OVERDUE",
        "2.50",
        "rules/invoices.yaml:3",
        "3 of 3 rules, version ",
    ] {
        assert!(table.out.contains(part), "{part} in:\n{}", table.out);
    }

    let shown = done(
        files.path(),
        &[&["rules", "show", "OVERDUE", "REPLY"], &WITH[..]].concat(),
    );
    for part in [
        "OVERDUE: An invoice that is overdue",
        "rules/invoices.yaml:3",
        "1 must hit, 2 must not",
        "refers to    REPLY",
        "referred by  OVERDUE",
        "overdue since",
        "\n    - id: OVERDUE\n      description: An invoice",
        "header: { name: X-Overdue, exists: true }",
    ] {
        assert!(shown.out.contains(part), "{part} in:\n{}", shown.out);
    }
    assert!(!shown.out.contains("Any letter"));
    let json = done(
        files.path(),
        &[&["rules", "show", "OVERDUE", "--json"], &WITH[..]].concat(),
    )
    .json();
    assert!(
        json[0]["text"]
            .as_str()
            .unwrap()
            .starts_with("- id: OVERDUE")
    );
    assert!(
        !json[0]["patterns"][0]["literals"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let none = run(
        files.path(),
        &[&["rules", "show", "NONE"], &WITH[..]].concat(),
    );
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no rule NONE"));
}

#[test]
fn tests_in_rules_are_run_and_messages_are_tried() {
    let files = files();
    let said = done(files.path(), &["rules", "test", "--rules", "rules", "mail"]);
    assert!(
        said.out
            .contains("3 tests of 3 rules passed; 1 rules have none"),
        "{}",
        said.out
    );
    assert!(said.out.contains("mail/1.eml: 0.50 points"), "{}", said.out);
    assert!(said.out.contains("mail/2.eml: 3.00 points"), "{}", said.out);
    let json = done(
        files.path(),
        &["rules", "test", "--rules", "rules", "mail", "--json"],
    );
    let lines: Vec<serde_json::Value> = json
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines[0]["tests"], 3);
    assert_eq!(lines[2]["hits"][0]["rule"], "OVERDUE");

    let broken = RULES.replace(
        "miss: ['invoice',",
        "miss: [{ subject: 'invoice', text: 'overdue since long' },",
    );
    std::fs::write(files.path().join("rules/invoices.yaml"), broken).unwrap();
    let said = run(files.path(), &["rules", "test", "--rules", "rules"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("hits where its test says that it must not"),
        "{}",
        said.err
    );
    assert!(said.err.contains("invoices.yaml:14:"), "{}", said.err);
}

#[test]
fn what_hits_nothing_has_no_points_and_not_less() {
    let files = files();
    std::fs::write(files.path().join("none.eml"), "Subject: Lunch\n\nAt one\n").unwrap();
    for command in [
        &["rules", "test", "--rules", "rules", "none.eml"][..],
        &[&["explain", "none.eml"], &WITH[..]].concat(),
    ] {
        let said = done(files.path(), command);
        assert!(said.out.contains(" 0.00 points"), "{}", said.out);
    }
}

#[test]
fn a_verdict_is_explained_down_to_the_line_and_nothing_reaches_the_terminal() {
    let files = files();
    let said = done(
        files.path(),
        &[&["explain", "mail/2.eml"], &WITH[..]].concat(),
    );
    for part in [
        "mail/2.eml: deliver, score 2.50, below every threshold",
        "rules: checked, 1 hits, 2.50 points",
        "2.50  OVERDUE  An invoice that is overdue",
        "rules/invoices.yaml:3",
        "subject: \"Invoice\"  (./rules/invoices.yaml:7)",
        "text: \"overdue since long\"  (./rules/invoices.yaml:10)",
    ] {
        assert!(said.out.contains(part), "{part} in:\n{}", said.out);
    }
    assert!(!said.out.contains("DIGITS"), "{}", said.out);
    assert!(!said.out.contains('\x1b'));

    let why = done(
        files.path(),
        &[&["explain", "--rule", "OVERDUE", "mail/1.eml"], &WITH[..]].concat(),
    );
    let lines: Vec<&str> = why.out.lines().map(str::trim).collect();
    assert_eq!(lines[1], "OVERDUE does not hit");
    let line = |part: &str| {
        let found = lines.iter().find(|l| l.contains(part));
        found
            .unwrap_or_else(|| panic!("{part} in:\n{}", why.out))
            .to_owned()
    };
    assert!(line("subject: '(?i)invoice'").starts_with("yes"));
    assert!(line("rule REPLY").starts_with("yes"));
    assert!(line("X-Overdue").starts_with("no"));
    assert!(line("text: 'overdue").contains("-> text: \"overdue since long\""));

    let args = [
        &[
            "explain",
            "--json",
            "--rule",
            "OVERDUE",
            "mail/1.eml",
            "mail/2.eml",
        ],
        &WITH[..],
    ]
    .concat();
    let json: Vec<serde_json::Value> = done(files.path(), &args)
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(json[0]["asked"][0]["hits"], false);
    assert_eq!(json[1]["asked"][0]["hits"], true);
    assert_eq!(json[1]["rules"][0]["rule"], "OVERDUE");
    assert_eq!(
        json[1]["rules"][0]["matches"][0]["line"],
        "subject: '(?i)invoice'"
    );
    assert_eq!(json[1]["verdict"], "deliver");

    let none = run(
        files.path(),
        &[&["explain", "--rule", "NONE", "mail"], &WITH[..]].concat(),
    );
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no rule NONE"), "{}", none.err);
}

#[test]
fn explain_and_scan_agree_on_the_corpus() {
    let files = folder(&[]);
    let corpus = repository("corpus/spam/scams");
    let lines = |command: &str| -> Vec<serde_json::Value> {
        let said = done(
            files.path(),
            &[command, "--json", "--data-dir", "data", &corpus],
        );
        said.out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let (scanned, explained) = (lines("scan"), lines("explain"));
    assert!(scanned.len() >= 20);
    for (scanned, explained) in scanned.iter().zip(&explained) {
        for key in ["path", "verdict", "score", "hits", "outcomes"] {
            assert_eq!(scanned[key], explained[key]);
        }
    }
}
