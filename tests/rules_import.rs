//! `mailweir rules import spamassassin` through the real binary: files in, rules out that hit what they should,
//! and everything that was left out is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;
use std::process::{Command, Output};

use bytes::Bytes;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};

const BIN: &str = env!("CARGO_BIN_EXE_mailweir");

const SOURCE: &str = r#"
# A file with one rule of each kind.
header   __SUBJ_WIN   Subject =~ /\bwin(?:ner)?$/i
header   FROM_FREE    From:addr =~ /\@free\.example\.com$/i
describe FROM_FREE    Sent from a free service
score    FROM_FREE    0.5 0.6 0.7 0.8
header   NO_DATE      Date !~ /\d/
header   HAS_MAILER   exists:X-Mailer
header   UNSET        X-Class =~ /^none$/ [if-unset: none]
body     KIN          /next of kin/i
tflags   KIN          multiple maxhits=3
score    KIN          0.25
body     LOOK         /(?<!un)subscribe(?! now)/
body     REFERS       /\b(next) of kin, \1 of/i
rawbody  RAW_TAG      /<b class="x">/
uri      URI_HOST     m{^https?://[^/]*\.example\.net/}i
full     FULL_BOUND   /^X-Mailer: Bulk$/m
mimeheader MIME_PDF   Content-Type =~ /application\/pdf/
meta     BOTH         __SUBJ_WIN && (KIN > 1)
meta     SUM          (KIN + __SUBJ_WIN + 0.5) >= 3
meta     WITHOUT_OFF  KIN && !OFF_RULE
body     OFF_RULE     /kin/
score    OFF_RULE     0
replace_tag   A       [a4\@]
replace_inter W       \W?
body     TAGGED       /<inter W>\bv<A><A>l/i
replace_rules TAGGED
body     REDEFINED    /first/
body     REDEFINED    /second/
if (version >= 4.000000)
  body   NEW_ENOUGH   /next/
else
  body   TOO_OLD      /next/
endif
ifplugin Mail::SpamAssassin::Plugin::NoSuch
  body   PLUGIN       /next/
endif
lang de describe KIN  Auf Deutsch
body     EVAL         eval:check_no_such('x')
meta     NEEDS_EVAL   KIN && !EVAL
meta     NARROWED     KIN || EVAL
meta     NEVER        OFF_RULE || NO_SUCH_RULE
meta     ALWAYS       !NEVER
body     BAD_PATTERN  /(?|a|b)/
trusted_networks 10.0.0.0/8
header   broken
"#;

const MAIL: &str = "From: Joe <joe@free.example.com>\r\nTo: me@example.org\r\nSubject: you are a winner\r\nX-Mailer: Bulk\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<b class=\"x\">Next</b> of\r\nkin. Next of kin, next of kin, next of kin. subscribe v4al\r\nhttp://www.EXAMPLE.net/x second\r\n--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n";

fn import(source: &str, folder: &Path) -> Output {
    let from = folder.join("local.cf");
    std::fs::write(&from, source).unwrap();
    run(&from, &folder.join("out"))
}

fn run(from: &Path, to: &Path) -> Output {
    Command::new(BIN)
        .args(["rules", "import", "spamassassin"])
        .arg(from)
        .arg("--out")
        .arg(to)
        .output()
        .unwrap()
}

fn values(folder: &Path, mail: &str) -> Vec<(String, f64)> {
    let set = RuleSet::load(folder).unwrap_or_else(|p| panic!("{p}"));
    let mail = Mail::parse(Bytes::from(mail.to_owned()), &Limits::default());
    set.values(&Envelope::default(), &mail)
        .into_iter()
        .map(|(id, value)| (id.to_owned(), value))
        .collect()
}

/// Break it by reading the second of the four scores, or by not counting occurrences.
#[test]
fn every_kind_of_rule_hits_as_in_spamassassin() {
    let folder = tempfile::tempdir().unwrap();
    let out = import(SOURCE, folder.path());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    let hits = values(&folder.path().join("out"), MAIL);
    let expected = [
        ("__SUBJ_WIN", 1.0),
        ("FROM_FREE", 1.0),
        ("NO_DATE", 1.0),
        ("HAS_MAILER", 1.0),
        ("UNSET", 1.0),
        ("KIN", 3.0),
        ("LOOK", 1.0),
        ("RAW_TAG", 1.0),
        ("URI_HOST", 1.0),
        ("MIME_PDF", 1.0),
        ("BOTH", 1.0),
        ("SUM", 1.0),
        ("WITHOUT_OFF", 1.0),
        ("TAGGED", 1.0),
        ("REDEFINED", 1.0),
        ("REFERS", 1.0),
        ("NEW_ENOUGH", 1.0),
        ("NARROWED", 3.0),
        ("FULL_BOUND", 1.0),
        ("ALWAYS", 1.0),
    ];
    for (id, value) in expected {
        let found = hits.iter().find(|(i, _)| i == id).map(|(_, v)| *v);
        assert_eq!(found, Some(value), "{id}: {hits:?}");
    }
    assert_eq!(hits.len(), expected.len(), "{hits:?}");
    let text = std::fs::read_to_string(folder.path().join("out/local.yaml")).unwrap();
    assert!(text.contains("score: 0.5\n") && text.contains("Sent from a free service"));
    assert!(text.contains("engine: backtracking"));
}

#[test]
fn what_is_left_out_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    import(SOURCE, folder.path());
    let report = std::fs::read_to_string(folder.path().join("out/REPORT.md")).unwrap();
    for told in [
        "EVAL (",
        ": check_no_such",
        "NEEDS_EVAL (",
        "needs EVAL",
        "OFF_RULE (",
        "BAD_PATTERN (",
        "NEVER (",
        "- NARROWED: without EVAL",
        "`header broken`",
        "trusted_networks (1)",
    ] {
        assert!(report.contains(told), "{told}\n{report}");
    }
    // What other conditions exclude is not there at all.
    assert!(!report.contains("TOO_OLD") && !report.contains("PLUGIN"));
}

#[test]
fn a_formula_that_cannot_be_read_is_left_out_alone() {
    let folder = tempfile::tempdir().unwrap();
    import(
        "body GOOD /good/\nmeta CUT GOOD +\nmeta OPEN (GOOD\nmeta AFTER GOOD && !CUT\n",
        folder.path(),
    );
    let report = std::fs::read_to_string(folder.path().join("out/REPORT.md")).unwrap();
    assert!(report.contains("2 of 4 rules imported"), "{report}");
    for told in ["- CUT (", "- OPEN ("] {
        assert!(report.contains(told), "{told}\n{report}");
    }
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine.yaml"), "version: 1\nrules: []\n").unwrap();
    let refused = import(SOURCE, folder.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mine.yaml"));
    assert!(!out.join("local.yaml").exists());
    std::fs::remove_file(out.join("mine.yaml")).unwrap();
    assert!(run(&folder.path().join("local.cf"), &out).status.success());
    let again = run(&folder.path().join("local.cf"), &out);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--replace"));
    let replaced = Command::new(BIN)
        .args(["rules", "import", "spamassassin", "--replace", "--out"])
        .arg(&out)
        .arg(folder.path().join("local.cf"))
        .output()
        .unwrap();
    assert!(replaced.status.success());
}

#[test]
fn files_that_are_not_there_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(&folder.path().join("no.cf"), &folder.path().join("out"));
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("there is no"));
    let empty = import("# nothing\n", folder.path());
    assert_eq!(empty.status.code(), Some(1));
}
