//! What rules cost: CPU time a message, memory and the time to load on real mail; how the cost grows with the
//! number of rules; and the worst that one message of 1 MB does to them.
//!
//! `cargo bench --bench rules_mail [-- RULES]`: RULES is a file or folder of rules, by default those that are
//! shipped. Mail is taken from `../shared/mail` (`MAILWEIR_SHARED` names another place), or from `corpus`
//! where there is none. One thread; the best of three rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use mailweir::config::Source;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};

#[path = "measure/cpu.rs"]
mod cpu;
#[path = "measure/memory.rs"]
mod memory;
#[path = "measure/real_mail.rs"]
mod real_mail;

use cpu::cpu;
use memory::resident_kib;

/// Messages of one run.
const MESSAGES: usize = 2000;

/// An even sample over all sets.
fn mail() -> Vec<Bytes> {
    let found = real_mail::messages(&["sa-open", "modern"]);
    let step = (found.len() as f64 / MESSAGES as f64).max(1.0);
    let chosen = (0..MESSAGES.min(found.len())).map(|i| &found[(i as f64 * step) as usize]);
    chosen.map(|p| Bytes::from(fs::read(p).unwrap())).collect()
}

fn main() {
    let rules = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let before = (cpu(), resident_kib());
    let set = match &rules {
        Some(path) => RuleSet::load(Path::new(path)),
        None => RuleSet::shipped(),
    };
    let set = set.unwrap_or_else(|problems| panic!("{problems}"));
    println!(
        "rules            {} ({} always running)",
        set.rules().len(),
        set.always_running().len()
    );
    println!(
        "load             {:.0} ms CPU",
        (cpu() - before.0).as_secs_f64() * 1e3
    );
    println!(
        "memory           {} KiB",
        resident_kib().saturating_sub(before.1)
    );
    let raw = mail();
    let bytes: usize = raw.iter().map(Bytes::len).sum();
    println!(
        "messages         {} of {} bytes on average",
        raw.len(),
        bytes / raw.len().max(1)
    );
    let per = |time: Duration| time.as_secs_f64() * 1e6 / raw.len() as f64;
    let limits = Limits::default();
    let start = cpu();
    let parsed: Vec<Mail> = raw
        .iter()
        .map(|r| Mail::parse(r.clone(), &limits))
        .collect();
    println!(
        "parse            {:.1} µs CPU a message",
        per(cpu() - start)
    );
    let held = resident_kib();
    let (time, hits) = evaluate(&set, &parsed);
    println!("evaluate         {:.1} µs CPU a message", per(time));
    println!(
        "memory after     {} KiB more",
        resident_kib().saturating_sub(held)
    );
    println!("hits             {hits}");
    for kind in ["phrases", "seldom"] {
        for count in [1_000, 10_000] {
            let set = phrases(count, &parsed, kind == "seldom");
            let (time, hits) = evaluate(&set, &parsed);
            println!(
                "{count:>6} {kind:<9} {:.1} µs CPU a message, {hits} hits",
                per(time)
            );
        }
    }
    for (name, text) in hostile() {
        let raw = format!("From: a@example.com\r\nSubject: x\r\n\r\n{text}");
        let mail = Mail::parse(Bytes::from(raw), &limits);
        let (time, _) = evaluate(&set, std::slice::from_ref(&mail));
        println!("1 MB of {name:<9} {:.1} ms CPU", time.as_secs_f64() * 1e3);
    }
}

/// CPU time of the best of three rounds over all messages, and the hits of one.
fn evaluate(set: &RuleSet, mail: &[Mail]) -> (Duration, usize) {
    let envelope = Envelope::default();
    let mut best = Duration::MAX;
    let mut hits = 0;
    for _ in 0..3 {
        let start = cpu();
        hits = mail
            .iter()
            .map(|mail| black_box(set.evaluate(&envelope, mail)).len())
            .sum();
        best = best.min(cpu() - start);
    }
    (best, hits)
}

/// Rules that look for two words each: neighbours in one of the messages, so that all of them have something to
/// hit and ten times as many hit ten times as often; or words of two messages, which seldom stand together.
fn phrases(count: usize, mail: &[Mail], seldom: bool) -> RuleSet {
    let mut yaml = "version: 1\nrules:\n".to_owned();
    let mut seed = 1;
    let mut made = 0;
    let mut other = None;
    while made < count {
        let text = mail[random(&mut seed) % mail.len()].text();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() < 2 {
            continue;
        }
        let at = random(&mut seed) % (words.len() - 1);
        let plain = |w: &str| w.len() >= 4 && w.bytes().all(|b| b.is_ascii_alphabetic());
        if !plain(words[at]) || !plain(words[at + 1]) {
            continue;
        }
        let (a, b) = match (seldom, other) {
            (true, Some(other)) => (words[at], other),
            _ => (words[at], words[at + 1]),
        };
        other = Some(words[at + 1]);
        yaml.push_str(&format!(
            "  - {{ id: P{made}, description: phrase, score: 0.1, when: {{ text: '(?i)\\b{a} {b}\\b' }} }}\n"
        ));
        made += 1;
    }
    RuleSet::from_sources(&[Source::new("phrases.yaml", yaml)])
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    usize::try_from(*seed >> 33).unwrap()
}

/// Texts of 1 MB: one letter; the words of the shipped rules, so that every gate opens; the same in one line
/// of HTML; digits and signs.
fn hostile() -> Vec<(&'static str, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    let mut words = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let split = text.split(|c: char| !(c.is_alphanumeric() || c == '$' || c == '@'));
        words.extend(split.filter(|w| w.len() > 2).map(str::to_owned));
    }
    words.sort();
    let shuffled = |space: &str| {
        let (mut out, mut seed) = (String::new(), 1);
        while out.len() < 1 << 20 {
            out.push_str(&words[random(&mut seed) % words.len()]);
            out.push_str(space);
        }
        out
    };
    vec![
        ("a", "a".repeat(1 << 20)),
        ("words", shuffled(" ")),
        ("one line", shuffled("-")),
        ("sums", "$1,000,000 ".repeat((1 << 20) / 11)),
        ("greeting", "your account ".repeat((1 << 20) / 13)),
    ]
}
