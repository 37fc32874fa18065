//! Names of signatures and what becomes of the message.

use super::*;
use mailweir::filter::clamav::{SIGNATURES, Treatment};

/// What a message with that signature comes to: rule, score, action.
async fn hit(signature: &str, rest: &str) -> (String, f64, Option<Action>) {
    let reply = format!("stream: {signature} FOUND\0").into_bytes().leak();
    let clamd = FakeClamd::start(|_| Act::Reply(reply)).await;
    let f = fixture(&[&clamd.server], rest);
    let outcome = f.scan(b"x").await;
    let Outcome::Checked(hits) = &outcome else {
        panic!("it was scanned: {outcome:?}");
    };
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].evidence, signature);
    assert_eq!(f.counted(&clamd.server, "found"), 1);
    (hits[0].rule.to_string(), hits[0].score, hits[0].decisive)
}

#[tokio::test]
async fn the_first_pattern_that_fits_decides() {
    let rest = "virus_action: quarantine
signatures:
  - { match: 'PUA.Win.Tool.*', action: ignore }
  - { match: 'PUA.*', score: 1.5, rule: CLAMAV_UNWANTED }
  - { match: 'sanesecurity.*', action: reject }
  - { match: '*.Adware.?-1', action: discard }
  - { match: 'Win.Joke*', score: 2 }
  - { match: 'Email.Spam.*', action: virus }
  - { match: 'Doc.*', action: quarantine }";
    let (reject, hold, drop) = (Action::Reject, Action::Quarantine, Action::Discard);
    for (name, rule, score, action) in [
        ("PUA.Win.Tool.Netcat-1", "CLAMAV_IGNORED", 0.0, None),
        ("PUA.Win.Packer.Upx-1", "CLAMAV_UNWANTED", 1.5, None),
        ("Sanesecurity.Junk.1.UNOFFICIAL", "VIRUS", 0.0, Some(reject)),
        ("Win.Adware.x-1", "VIRUS", 0.0, Some(drop)),
        ("Win.Adware.xy-1", "VIRUS", 0.0, Some(hold)),
        ("Win.Joke.A", "CLAMAV_SIGNATURE", 2.0, None),
        ("Email.Spam.A", "VIRUS", 0.0, Some(hold)),
        ("Email.Phishing.A", "CLAMAV_SPAM", 8.0, None),
        (
            "Heuristics.Broken.Executable",
            "CLAMAV_HEURISTIC",
            4.0,
            None,
        ),
        ("Eicar-Test-Signature", "VIRUS", 0.0, Some(hold)),
    ] {
        assert_eq!(
            hit(name, rest).await,
            (rule.to_owned(), score, action),
            "{name}"
        );
    }
    // A pattern for everything takes the place of all that is shipped.
    let strict = "signatures: [{ match: '*', action: reject }]";
    for name in ["PUA.A", "Email.Spam.A", "Heuristics.B"] {
        assert_eq!(hit(name, strict).await.2, Some(reject), "{name}");
    }
    // But what stands for a limit is no find, whatever the pattern.
    let clamd =
        FakeClamd::start(|_| Act::Reply(b"stream: Heuristics.Limits.Exceeded.MaxFiles FOUND\0"))
            .await;
    let f = fixture(&[&clamd.server], strict);
    unscanned(&f.scan(b"x").await, Reason::Limit, "MaxFiles");
}

#[test]
fn every_shipped_pattern_is_documented_with_what_it_does() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clamav.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut last = 0;
    for (pattern, treatment) in SIGNATURES {
        let row = match treatment {
            Treatment::Virus => format!("| `{pattern}` | `virus_action` |"),
            Treatment::Points(rule, points) => {
                format!("| `{pattern}` | `{rule}`, {points:.1} points |")
            }
        };
        let at = page.find(&row);
        assert!(
            at.is_some_and(|at| at > last),
            "docs/clamav.md lacks, or has out of order: {row}"
        );
        last = at.unwrap();
    }
}
