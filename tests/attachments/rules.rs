//! Rules about files, through the whole chain of filters.

use std::sync::Arc;

use mailweir::config::{Config, Overrides};
use mailweir::filter::{Outcome, Reason};
use mailweir::mail::Envelope;
use mailweir::metrics::Metrics;
use mailweir::server::Engine;
use mailweir::verdict::Verdict;

use crate::archives::{self, Zipped, program};
use crate::documents::locked_office;
use crate::engine::built;

const RULES: &str = "version: 1
rules:
  - id: PROGRAM_IN_ARCHIVE
    description: x
    score: 1
    when: { file: { extension: { equals: [exe] }, container: { exists: true } } }
  - id: ENCRYPTED
    description: x
    score: 1
    when: { file_flag: { equals: [encrypted] } }
  - id: TWO_FLAGS
    description: x
    score: 1
    when: { file: { flag: '^double_extension$', name: 'exe$', not: { flag: '^encrypted$' } } }
  - id: PLAIN
    description: x
    score: 1
    when: { file: { flag: { exists: false }, real_type: '^pdf$', depth: { number: { at_most: 0 } } } }
  - id: BOUNDED
    description: x
    score: 1
    when: { file_flag: '^limit_' }
  - id: MANY
    description: x
    score: 1
    when: { file: { count: { at_least: 3 } } }
";

async fn verdict(sections: &str, raw: Vec<u8>) -> (Verdict, Arc<Metrics>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    let yaml = format!("rules: {{ path: rules }}\n{sections}");
    let built = built(folder.path(), &yaml);
    let (_, verdict) = built.engine.examine(Envelope::default(), raw.into()).await;
    (verdict, built.metrics)
}

fn hits(verdict: &Verdict) -> Vec<String> {
    verdict
        .hits()
        .map(|(_, hit)| format!("{} {}", hit.rule, hit.evidence))
        .collect()
}

const CHAIN: &str = "chain: [attachments, rules]\n";

#[tokio::test]
async fn rules_see_what_archives_hold() {
    let inner = archives::zip(&[Zipped::new("invoice.pdf.exe", &program())]);
    let outer = archives::zip(&[Zipped::new("inner.zip", &inner)]);
    let (verdict, metrics) = verdict(CHAIN, archives::message(&[("outer.zip", &outer)])).await;
    assert_eq!(
        hits(&verdict),
        [
            "PROGRAM_IN_ARCHIVE file: \"outer.zip/inner.zip/invoice.pdf.exe\", extension \"exe\", container \"zip\"",
            "TWO_FLAGS file: \"outer.zip/inner.zip/invoice.pdf.exe\", flag \"double_extension\", name \"exe\"",
            "MANY file: \"outer.zip\"",
        ]
    );
    assert_eq!(verdict.reports[0].outcome, Outcome::Checked(vec![]));
    assert_eq!(metrics.attachments_files.get(), 3);
    assert_eq!(
        metrics.attachments_opened.with_label_values(&["zip"]).get(),
        2
    );
}

#[tokio::test]
async fn without_the_filter_rules_see_attachments_alone() {
    let bytes = archives::zip(&[Zipped::new("a.exe", &program())]);
    let raw = archives::message(&[("a.zip", &bytes), ("b.pdf", b"%PDF-1.7")]);
    let (verdict, _) = verdict("chain: [rules]\n", raw).await;
    assert_eq!(
        hits(&verdict),
        ["PLAIN file: \"b.pdf\", real_type \"pdf\", depth \"0\""]
    );
}

#[tokio::test]
async fn what_was_not_seen_is_never_passed_as_checked() {
    let encrypted = archives::zip(&[Zipped {
        flags: 1,
        ..Zipped::new("a.exe", &program())
    }]);
    let bomb = archives::gzip(&vec![0; 4 << 20]);
    for (name, bytes, reason, detail) in [
        (
            "a.zip",
            &encrypted,
            Reason::Encrypted,
            "a.zip/a.exe is encrypted",
        ),
        (
            "a.docx",
            &locked_office(),
            Reason::Encrypted,
            "a.docx is encrypted",
        ),
        (
            "a.gz",
            &bomb,
            Reason::Limit,
            "limit `ratio` reached at a.gz",
        ),
    ] {
        let raw = archives::message(&[(name, bytes)]);
        let (passed, _) = verdict(CHAIN, raw.clone()).await;
        assert_eq!(
            passed.reports[0].outcome,
            Outcome::unscanned(reason, detail)
        );
        assert_eq!(passed.action.name(), "deliver");
        let strict = format!("{CHAIN}attachments: {{ on_failure: {{ {reason}: quarantine }} }}\n");
        let (held, metrics) = verdict(&strict, raw).await;
        assert_eq!(held.action.name(), "quarantine", "{reason}");
        let limit = metrics
            .attachments_limits
            .with_label_values(&["ratio"])
            .get();
        assert_eq!(limit, u64::from(reason == Reason::Limit));
    }
}

#[tokio::test]
async fn a_message_without_files_is_skipped() {
    let raw = b"Subject: x\r\n\r\nHello.\r\n".to_vec();
    let (verdict, metrics) = verdict(CHAIN, raw).await;
    assert_eq!(
        verdict.reports[0].outcome,
        Outcome::Skipped("no attachments")
    );
    assert_eq!(metrics.attachments_seconds.get_sample_count(), 0);
}

#[test]
fn limits_out_of_range_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailweir.yaml");
    let text = "chain: [attachments]\nattachments: { depth: 0, files: 0, ratio: 1, time: 1h, bytes: 64KiB, concurrent: 0 }\n";
    std::fs::write(&file, text).unwrap();
    let config = Config::load(Some(&file), &Overrides::default()).unwrap();
    let problems = Engine::build(&config, &Arc::new(Metrics::new().unwrap())).unwrap_err();
    let told = problems.to_string();
    for part in [
        "mailweir.yaml:2:23",
        "must be 1 to 32 containers in containers",
        "must be 1 to 100000 files",
        "must be 2 to 100000 times its size",
        "must be 100ms to 120s",
        "`bytes` is smaller than `file_bytes`",
        "must be 1 to 1024 messages",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}
