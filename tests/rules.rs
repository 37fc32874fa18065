//! The shipped rules on real mail: how often each hits spam and ham, that spam is caught and that ham stays
//! below the thresholds. Prints its tables with `--nocapture`; `MAILWEIR_RULES_SCORED=file` lists every
//! message, `MAILWEIR_RULES=folder` measures other rules than those compiled in, `MAILWEIR_RULES_BARE=1`
//! takes all header fields away that a receiving server, a list or a mailing service writes. All of the mail:
//! `--release`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Address, Envelope, Limits, Mail};
use rayon::prelude::*;

#[path = "shared/files.rs"]
mod files;
#[path = "shared/folder.rs"]
mod folder;

use files::files;
use folder::shared;

/// Sets of messages: name, folder, whether it is spam.
const SHARED: &[(&str, &str, bool)] = &[
    ("sa-spam", "sa-open/spam", true),
    ("phish", "modern/phish-2022-2024", true),
    ("glitchy", "modern/spam-glitchy-2023-2024", true),
    ("sa-ham", "sa-open/ham", false),
    ("usrp-ham", "modern/ham-usrp-2019-2022", false),
    ("raid-ham", "modern/ham-raid-2019-2022", false),
    ("bounces", "bounces/maildir/bsd", false),
];

/// The messages of this project.
const OWN: &[(&str, &str, bool)] = &[
    ("corpus-spam", "corpus/spam", true),
    ("commercial", "corpus/ham/receipts", false),
    ("commercial", "corpus/ham/newsletters", false),
    ("commercial", "corpus/ham/alerts", false),
    ("corpus-ham", "corpus/ham/personal", false),
    ("corpus-ham", "corpus/ham/business", false),
    ("corpus-ham", "corpus/ham/lists", false),
    ("corpus-ham", "corpus/ham/bounces", false),
];

/// Of a large set an unoptimised build takes one message in ten; a release build takes all.
const SAMPLE: usize = if cfg!(debug_assertions) { 10 } else { 1 };

struct Scored {
    set: &'static str,
    spam: bool,
    file: PathBuf,
    score: f64,
    rules: Vec<String>,
}

/// What collectors put in the place of addresses becomes ordinary again, so that no rule lives on it.
fn without_collector(raw: Vec<u8>) -> Vec<u8> {
    let raw = replaced(&raw, b"phishing@pot", b"victim@example.org");
    if raw.windows(REDACTED.len()).any(|w| w == REDACTED) {
        return without_redaction(&replaced(&raw, b"\r\n", b"\n"));
    }
    raw
}

/// What stands where one set had addresses and names.
const REDACTED: &[u8] = b"[removed]";

fn without_redaction(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let (mut in_header, mut field) = (true, String::new());
    for line in raw.split_inclusive(|b| *b == b'\n') {
        in_header &= !line.trim_ascii().is_empty();
        if !in_header {
            out.extend(replaced(line, REDACTED, b"removed"));
            continue;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|b| *b == b':').next().unwrap();
            field = String::from_utf8_lossy(name).to_ascii_lowercase();
        }
        let address: &[u8] = match field.as_str() {
            "from" | "sender" | "reply-to" | "return-path" => b" <sender@mail.example.net>",
            "to" => b" <victim@example.org>",
            "message-id" => b" <1@mail.example.net>",
            _ => b"removed",
        };
        let line = replaced(line, b"<[removed]>", REDACTED);
        out.extend(replaced(&line, REDACTED, address));
    }
    out
}

fn replaced(raw: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.windows(from.len()).position(|w| w == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Header fields that say more of the way of a message than of its author, by the beginning of their names.
const OF_THE_WAY: &[&str] = &[
    "received",
    "return-path",
    "delivered-to",
    "authentication-results",
    "arc-",
    "dkim-",
    "domainkey-signature",
    "list-",
    "feedback-id",
    "message-id",
    "x-",
];

/// The message without those fields.
fn bare(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let (mut in_header, mut skipped) = (true, false);
    for line in raw.split_inclusive(|b| *b == b'\n') {
        if in_header && line.trim_ascii().is_empty() {
            (in_header, skipped) = (false, false);
        } else if in_header && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let line = String::from_utf8_lossy(line).to_lowercase();
            skipped = OF_THE_WAY.iter().any(|name| line.starts_with(name));
        }
        if !skipped {
            out.extend_from_slice(line);
        }
    }
    out
}

/// The envelope sender that the receiving server wrote down.
fn return_path(raw: &[u8]) -> Option<Address> {
    const NAME: &[u8] = b"return-path:";
    raw.split(|b| *b == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty())
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .map(|line| Address::new(line[NAME.len()..].trim_ascii()))
}

fn score(rules: &RuleSet, base: &Path, sets: &[(&'static str, &str, bool)]) -> Vec<Scored> {
    let without_way = std::env::var_os("MAILWEIR_RULES_BARE").is_some();
    let mut all = Vec::new();
    for (set, folder, spam) in sets {
        let mut found = files(&base.join(folder));
        found.retain(|path| path.extension().is_some_and(|e| e == "eml"));
        let step = if found.len() > 200 { SAMPLE } else { 1 };
        for file in found.into_iter().step_by(step) {
            all.push((*set, *spam, file));
        }
    }
    all.into_par_iter()
        .map(|(set, spam, file)| {
            let mut raw = without_collector(std::fs::read(&file).unwrap());
            if without_way {
                raw = bare(&raw);
            }
            let envelope = Envelope {
                recipients: vec![Address::new(b"<victim@example.org>")],
                sender: return_path(&raw),
                ..Envelope::default()
            };
            let mail = Mail::parse(Bytes::from(raw), &Limits::default());
            let hits = rules.evaluate(&envelope, &mail);
            Scored {
                set,
                spam,
                file,
                score: hits.iter().map(|h| h.score).sum(),
                rules: hits.iter().map(|h| h.rule.to_string()).collect(),
            }
        })
        .collect()
}

fn tables(rules: &RuleSet, scored: &[Scored]) -> String {
    let mut out = String::new();
    let mut sets: Vec<&str> = Vec::new();
    for s in scored {
        if !sets.contains(&s.set) {
            sets.push(s.set);
        }
    }
    writeln!(
        out,
        "{:<14}{:>7}{:>8}{:>8}{:>8}{:>8}",
        "set", "mails", ">=3", ">=5", ">=8", ">=15"
    )
    .unwrap();
    for set in &sets {
        let of: Vec<&Scored> = scored.iter().filter(|s| s.set == *set).collect();
        write!(out, "{set:<14}{:>7}", of.len()).unwrap();
        for threshold in [3.0, 5.0, 8.0, 15.0] {
            let over = of.iter().filter(|s| s.score >= threshold).count();
            write!(out, "{:>7.2}%", 100.0 * over as f64 / of.len() as f64).unwrap();
        }
        writeln!(out).unwrap();
    }
    let mut hits: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for s in scored {
        for rule in &s.rules {
            *hits.entry(rule).or_default().entry(s.set).or_default() += 1;
        }
    }
    write!(out, "\n{:<34}{:>6}", "rule", "score").unwrap();
    for set in &sets {
        write!(out, "{set:>12}").unwrap();
    }
    writeln!(out).unwrap();
    for rule in rules.rules().iter().filter(|r| !r.is_silent()) {
        write!(out, "{:<34}{:>6.1}", rule.id(), rule.score()).unwrap();
        for set in &sets {
            let n = hits
                .get(rule.id())
                .and_then(|h| h.get(set))
                .copied()
                .unwrap_or(0);
            write!(out, "{n:>12}").unwrap();
        }
        writeln!(out).unwrap();
    }
    out
}

/// Ham at or above each threshold, as a share.
fn ham_over(scored: &[Scored], threshold: f64) -> f64 {
    let ham: Vec<&Scored> = scored.iter().filter(|s| !s.spam).collect();
    ham.iter().filter(|s| s.score >= threshold).count() as f64 / ham.len().max(1) as f64
}

#[test]
fn shipped_rules_find_spam_and_leave_ham_alone() {
    let rules = match std::env::var_os("MAILWEIR_RULES") {
        Some(folder) => RuleSet::load(Path::new(&folder)),
        None => RuleSet::shipped(),
    }
    .unwrap_or_else(|p| panic!("{p}"));
    let mut scored = match shared("mail") {
        Some(folder) => score(&rules, &folder, SHARED),
        None => Vec::new(),
    };
    let own = std::env::var_os("MAILWEIR_CORPUS_BASE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    scored.extend(score(&rules, &own, OWN));
    if scored.is_empty() {
        println!("skipped: there is no mail here");
        return;
    }
    println!("{}", tables(&rules, &scored));
    if let Some(file) = std::env::var_os("MAILWEIR_RULES_SCORED") {
        let mut lines = String::new();
        for s in &scored {
            let hits = s.rules.join(",");
            writeln!(
                lines,
                "{}\t{:.1}\t{}\t{hits}",
                s.set,
                s.score,
                s.file.display()
            )
            .unwrap();
        }
        std::fs::write(file, lines).unwrap();
    }
    let (tagged, held) = (ham_over(&scored, 5.0), ham_over(&scored, 8.0));
    println!(
        "ham at 5 points: {:.3} %, at 8 points: {:.3} %",
        100.0 * tagged,
        100.0 * held
    );
    if std::env::var_os("MAILWEIR_RULES_BARE").is_some() {
        return;
    }
    // At most 0.5 % and 0.1 % of ham, or where there is little of it, three messages and one.
    let hams = scored.iter().filter(|s| !s.spam).count() as f64;
    assert!(
        tagged <= (3.0 / hams).max(0.005),
        "ham at 5 points: {:.3} %",
        100.0 * tagged
    );
    assert!(
        held <= (1.0 / hams).max(0.001),
        "ham at 8 points: {:.3} %",
        100.0 * held
    );
    // Receipts, newsletters and alerts are what filters lose most.
    let commercial: Vec<&Scored> = scored.iter().filter(|s| s.set == "commercial").collect();
    let worst = commercial.iter().map(|s| s.score).fold(0.0, f64::max);
    assert!(worst < 8.0, "commercial ham with {worst:.1} points");
    for (set, most, share) in [
        ("commercial", true, 0.01),
        ("phish", false, 0.78),
        ("glitchy", false, 0.75),
        ("corpus-spam", false, 0.75),
    ] {
        let of: Vec<&Scored> = scored.iter().filter(|s| s.set == set).collect();
        let over = of.iter().filter(|s| s.score >= 5.0).count() as f64 / of.len().max(1) as f64;
        let right = of.is_empty() || if most { over <= share } else { over >= share };
        assert!(right, "{set}: {:.2} % at 5 points", 100.0 * over);
    }

    if !scored.iter().any(|s| s.set == "phish") {
        println!("skipped: too little mail here to judge single rules");
        return;
    }
    // A rule that finds more ham than spam must not weigh: shares of each class, where it hits at all. Real
    // mail only: the messages of this project were written to hold what tempts rules.
    let (spam, ham): (Vec<&Scored>, Vec<&Scored>) = scored
        .iter()
        .filter(|s| SHARED.iter().any(|(set, ..)| *set == s.set))
        .partition(|s| s.spam);
    for rule in rules.rules().iter().filter(|r| r.score() >= 0.5) {
        let share = |of: &[&Scored]| {
            let n = of
                .iter()
                .filter(|s| s.rules.iter().any(|r| r == rule.id()))
                .count();
            (n, n as f64 / of.len().max(1) as f64)
        };
        let ((_, in_spam), (hams, in_ham)) = (share(&spam), share(&ham));
        assert!(
            hams < 3 || in_spam > in_ham,
            "{} hits {:.2} % of ham and {:.2} % of spam",
            rule.id(),
            100.0 * in_ham,
            100.0 * in_spam
        );
    }
}
