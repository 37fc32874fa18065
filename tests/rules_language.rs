//! What a hit does, through the real binary: shadow, groups, labels, occurrences, lists in files, expiry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;
use std::process::{Command, Output};

const RULES: &str = "version: 1
groups:
  - { name: prize, description: Promises a prize, cap: 4 }
rules:
  - { id: WON, description: x, score: 3, group: prize, labels: [prize], when: { subject: 'won' } }
  - { id: CARD, description: x, score: 3, group: prize, when: { text: { words: { list: gifts } } } }
  - { id: MARKS, description: x, per_occurrence: { score: 0.25, cap: 1 }, when: { subject: '!' } }
  - { id: TRIAL, description: x, score: 9, mode: shadow, decisive: reject, when: { formula: 'WON && MARKS > 2' } }
  - { id: OLD, description: x, score: 9, expires: 2020-01-31, when: { subject: 'won' } }
";
const MAIL: &str =
    "From: a@example.com\nTo: b@example.org\nSubject: You won!!!\n\nA gift-card for you\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("mailweir.yaml", "chain: [rules]\n"),
        ("rules/a.yaml", RULES),
        ("rules/lists/gifts.txt", "# gifts\ngift card\n"),
        ("mail.eml", MAIL),
    ];
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_scan_shows_what_each_hit_does() {
    let folder = folder();
    let out = run(
        folder.path(),
        &["scan", "--json", "--data-dir", "data", "mail.eml"],
    );
    assert!(out.status.success(), "{}", text(&out.stderr));
    let result: serde_json::Value = serde_json::from_str(text(&out.stdout).trim()).unwrap();
    assert_eq!(result["score"], 4.75, "{result}");
    assert_eq!(result["verdict"], "deliver");
    let hits = result["hits"].as_array().unwrap();
    let of = |id: &str| hits.iter().find(|h| h["rule"] == id).unwrap();
    assert_eq!(hits.len(), 4, "{result}");
    assert_eq!(of("WON")["labels"], serde_json::json!(["prize"]));
    assert_eq!(
        (&of("CARD")["score"], &of("CARD")["uncapped"]),
        (&1.0.into(), &3.0.into())
    );
    assert_eq!(of("CARD")["evidence"], "text: \"gift-card\"");
    assert_eq!(of("MARKS")["score"], 0.75);
    assert_eq!(
        (&of("TRIAL")["score"], &of("TRIAL")["shadow"]),
        (&0.0.into(), &9.0.into())
    );
    let shown = text(&run(folder.path(), &["scan", "--data-dir", "data", "mail.eml"]).stdout);
    assert!(
        shown.contains("capped, of 3.00") && shown.contains("shadow: 9.00"),
        "{shown}"
    );
}

#[test]
fn check_tells_bad_entries_of_lists_and_rules_that_have_expired() {
    let folder = folder();
    let out = run(folder.path(), &["check"]);
    let said = text(&out.stdout) + &text(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(
        said.contains("the rule OLD has expired and is off"),
        "{said}"
    );
    std::fs::write(
        folder.path().join("rules/lists/gifts.txt"),
        "gift card\n!!\n",
    )
    .unwrap();
    let out = run(folder.path(), &["check"]);
    let said = text(&out.stdout) + &text(&out.stderr);
    assert!(!out.status.success(), "{said}");
    assert!(said.contains("gifts.txt:2:1"), "{said}");
}

#[test]
fn the_schema_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(folder.path(), &["rules", "schema"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let schema: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(schema["$defs"]["condition"]["properties"]["subject"].is_object());
}
