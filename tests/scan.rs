//! `mailweir train` and `mailweir scan` over the shipped corpus, through the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;
use std::process::{Command, Output};

const BIN: &str = env!("CARGO_BIN_EXE_mailweir");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn run(args: &[&str]) -> Output {
    let out = Command::new(BIN)
        .args(args)
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

fn trained(folder: &Path) {
    let model = folder.join("model.mwb");
    let model = model.to_str().unwrap();
    run(&[
        "train",
        "--ham",
        "corpus/ham",
        "--spam",
        "corpus/spam",
        "--model",
        model,
    ]);
}

fn scanned(data: &Path, paths: &[&str]) -> Vec<serde_json::Value> {
    let mut args = vec!["scan", "--json", "--data-dir", data.to_str().unwrap()];
    args.extend(paths);
    let out = run(&args);
    String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_same_messages_get_the_same_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let once = scanned(folder.path(), &["corpus"]);
    // Eight at a time on two cores: load must change nothing.
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scanned(folder.path(), &["corpus"])))
            .collect();
        for again in runs {
            assert_eq!(once, again.join().unwrap());
        }
    });
    assert!(once.len() >= 280, "{}", once.len());
}

#[test]
fn a_verdict_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let spam = scanned(folder.path(), &["corpus/spam"]);
    let ham = scanned(folder.path(), &["corpus/ham"]);
    for result in spam.iter().chain(&ham) {
        let sum: f64 = result["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| {
                assert!(
                    hit["rule"].is_string() && hit["evidence"].is_string(),
                    "{hit}"
                );
                hit["score"].as_f64().unwrap()
            })
            .sum();
        assert!(
            (sum - result["score"].as_f64().unwrap()).abs() < 0.02,
            "{result}"
        );
        let filters: Vec<_> = result["outcomes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["filter"].as_str().unwrap())
            .collect();
        assert_eq!(
            filters,
            ["dnsbl", "auth", "attachments", "rules", "bayes", "clamav"]
        );
    }
    let kept = |results: &[serde_json::Value]| {
        results.iter().filter(|r| r["verdict"] == "deliver").count()
    };
    assert_eq!(
        kept(&ham),
        ham.len(),
        "ham that was learned is delivered unmarked"
    );
    assert!(
        kept(&spam) * 2 < spam.len(),
        "{} of {}",
        kept(&spam),
        spam.len()
    );
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_scanned() {
    let missing = Command::new(BIN)
        .args(["scan", "/no/such/path"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("/no/such/path")
    );
    let usage = Command::new(BIN).arg("scan").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
