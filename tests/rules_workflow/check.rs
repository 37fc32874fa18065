//! `mailweir check` says everything in one go, for people, editors and CI.

use super::files::folder;
use super::program::run;

const CONFIG: &str = "data_dir: data\nchain: [rules]\nrules: { path: rules }\n";

#[test]
fn every_problem_of_every_file_is_told_in_one_go() {
    let files = folder(&[
        (
            "mailweir.yaml",
            "data_dir: data\nchain: [rules]\nrules: { path: rules }\nthresholds: { tag: 9, reject: 3 }\n",
        ),
        (
            "rules/a.yaml",
            "version: 1\nrules:\n  - id: NOT_A_NUMBER\n    description: A score that is none\n    score: much\n    \
             when: { subject: 'a1b2c3' }\n  - id: UNKNOWN_PLACE\n    description: d\n    score: 1\n    \
             when: { subjct: 'x' }\n",
        ),
        (
            "rules/b.yaml",
            "version: 1\nrules:\n  - { id: DEAD, description: d, score: 1, when: { rule: NOWHERE } }\n  \
             - { id: LIVE, description: d, score: 1, when: { rule: NOT_A_NUMBER } }\n  \
             - { id: UNKNOWN_PLACE, description: d, score: 1, when: { text: '(' } }\n",
        ),
    ]);
    let args = ["check", "--offline", "--config", "mailweir.yaml"];
    let said = run(files.path(), &args);
    assert_eq!(said.code, 1);
    for part in [
        "mailweir.yaml:4:13",
        "thresholds must rise",
        "rules/a.yaml:5:12",
        "rules/a.yaml:10:13",
        "did you mean `subject`?",
        "rules/b.yaml:3:57",
        "there is no rule `NOWHERE`",
        "rules/b.yaml:5:11",
        "stands twice",
        "rules/b.yaml:5:67",
        "^",
        "6 problems",
    ] {
        assert!(said.err.contains(part), "{part} in:\n{}", said.err);
    }
    let json = run(
        files.path(),
        &["check", "--offline", "--config", "mailweir.yaml", "--json"],
    );
    assert_eq!(json.code, 1);
    let found = json.json();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 6);
    let keys = [
        "severity",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
        "message",
        "hint",
        "rule",
    ];
    for finding in found {
        let names: Vec<_> = finding.as_object().unwrap().keys().collect();
        assert_eq!(names, keys);
        assert_eq!(finding["severity"], "error");
    }
    let of = |message: &str| {
        let found = found
            .iter()
            .find(|f| f["message"].as_str().unwrap().contains(message));
        found.unwrap_or_else(|| panic!("{message} in {}", json.out))
    };
    let misspelt = of("subjct");
    assert!(misspelt["file"].as_str().unwrap().ends_with("rules/a.yaml"));
    assert_eq!(misspelt["rule"], "UNKNOWN_PLACE");
    assert_eq!(
        (&misspelt["line"], &misspelt["column"]),
        (&10.into(), &13.into())
    );
    assert_eq!(
        (&misspelt["end_line"], &misspelt["end_column"]),
        (&10.into(), &19.into())
    );
    assert!(
        misspelt["hint"]
            .as_str()
            .unwrap()
            .contains("did you mean `subject`?")
    );
    assert_eq!(of("NOWHERE")["rule"], "DEAD");
    assert_eq!(of("expected a number")["rule"], "NOT_A_NUMBER");
}

#[test]
fn warnings_and_notes_are_no_errors_unless_they_are_denied() {
    let files = folder(&[
        (
            "mailweir.yaml",
            "data_dir: data\nchain: [rules]\nrules:\n  path: rules\n  disable: [ALWAYS]\n  scores: { ALWAYS: 2 }\n",
        ),
        (
            "rules/a.yaml",
            "version: 1\nrules:
  - id: NEVER
    description: Asks for a thing and its opposite
    score: 1
    when: { subject: 'abc', not: { subject: 'abc' } }
  - id: LONELY
    description: Serves nobody
    silent: true
    when: { subject: 'def' }
  - id: ALWAYS
    description: Needs no literal
    score: 1
    when: { text: '[a-z][^<]' }
  - id: PAST
    description: Its time is over
    score: 1
    expires: 2020-01-01
    when: { subject: 'ghi' }
",
        ),
    ]);
    let base = ["check", "--offline", "--config", "mailweir.yaml"];
    let with = |more: &[&str]| run(files.path(), &[&base[..], more].concat());
    let plain = with(&[]);
    assert_eq!(plain.code, 0, "{}", plain.err);
    assert!(plain.out.contains("is in order, version "), "{}", plain.out);
    for part in [
        "the rule NEVER can never hit",
        "rules/a.yaml:6:36",
        "nothing refers to the silent rule LONELY",
        "the score of ALWAYS does nothing: the rule is disabled",
        "mailweir.yaml:6:21",
        "the rule PAST has expired and is off",
        "4 warnings",
        "6 notes, which --notes shows",
    ] {
        assert!(plain.err.contains(part), "{part} in:\n{}", plain.err);
    }
    assert_eq!(plain.err.matches("has expired").count(), 1, "{}", plain.err);
    assert!(!plain.err.contains("has no tests"));
    let notes = with(&["--notes"]);
    for part in [
        "has no tests",
        "runs over the whole text of every message",
        "it is disabled here",
    ] {
        assert!(notes.err.contains(part), "{part} in:\n{}", notes.err);
    }
    assert_eq!(with(&["--deny", "warnings"]).code, 1);
    assert_eq!(with(&["--deny", "nothing"]).code, 2);
    let all = with(&["--json"]);
    assert_eq!(all.code, 0);
    let severities: Vec<String> = all
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["severity"].as_str().unwrap().to_owned())
        .collect();
    let count = |name: &str| severities.iter().filter(|s| *s == name).count();
    assert_eq!((count("warning"), count("note")), (4, 6));

    let fine = "version: 1\nrules:
  - { id: FINE, description: d, score: 1, when: { subject: 'abc' }, tests: { hit: ['abc'] } }
";
    std::fs::write(files.path().join("rules/a.yaml"), fine).unwrap();
    std::fs::write(files.path().join("mailweir.yaml"), CONFIG).unwrap();
    let said = with(&["--deny", "notes"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.is_empty(), "{}", said.err);
}

#[test]
fn files_that_only_look_like_rule_files_are_told() {
    let rules = "version: 1
rules:
  - { id: FINE, description: d, score: 1, when: { subject: 'abc' }, tests: { hit: ['abc'] } }
";
    let files = folder(&[
        ("rules/a.yaml", rules),
        ("rules/b.yml", rules),
        ("mailweir.yaml", CONFIG),
    ]);
    let check = || {
        run(
            files.path(),
            &["check", "--offline", "--config", "mailweir.yaml"],
        )
    };
    let said = check();
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("rules/b.yml is not read"), "{}", said.err);
    // A link that leads nowhere would take its rules out of force without a word.
    std::os::unix::fs::symlink("gone.yaml", files.path().join("rules/c.yaml")).unwrap();
    let said = check();
    assert_eq!(said.code, 1);
    assert!(said.err.contains("rules/c.yaml"), "{}", said.err);
}

#[test]
fn the_shipped_rules_have_no_warnings() {
    let files = folder(&[]);
    let said = run(files.path(), &["check", "--offline", "--deny", "warnings"]);
    assert_eq!(said.code, 0, "{}", said.err);
}
