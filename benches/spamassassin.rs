//! Imported rules against real SpamAssassin, rule by rule.
//!
//! `cargo bench --bench spamassassin -- RULES ROOT HITS [LIMIT]`: RULES is a folder that `mailweir rules import
//! spamassassin` wrote, ROOT the folder that the paths in HITS are relative to, HITS the output of
//! `tests/import/sa_hits.pl`. Prints the agreement over all pairs of message and rule and over those where at least one
//! of the two hits, the rules that disagree most, the time to load, and the CPU time of one message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};

#[path = "measure/cpu.rs"]
mod cpu;

use cpu::cpu;

/// Disagreements about one rule.
#[derive(Default)]
struct Differences {
    only_spamassassin: Vec<String>,
    only_ours: Vec<String>,
    both: usize,
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [rules, root, hits, ..] = args.as_slice() else {
        println!("skipped: give RULES ROOT HITS [LIMIT], see the head of benches/spamassassin.rs");
        return;
    };
    let limit: usize = args.get(3).map_or(30, |l| l.parse().unwrap());
    let started = Instant::now();
    let set = RuleSet::load(Path::new(rules)).unwrap_or_else(|p| panic!("{p}"));
    println!(
        "{} rules loaded in {:.2} s",
        set.rules().len(),
        started.elapsed().as_secs_f64()
    );
    let report = std::fs::read_to_string(Path::new(rules).join("REPORT.md")).unwrap_or_default();
    let narrowed = section(&report, "## Taken over, but hit less often");
    let renamed: HashMap<String, String> = section(&report, "## Other names")
        .into_iter()
        .filter_map(|line| {
            let (old, new) = line.split_once(" is ")?;
            Some((old.to_owned(), new.to_owned()))
        })
        .collect();
    let narrowed: HashSet<&str> = narrowed
        .iter()
        .filter_map(|l| l.split(':').next())
        .collect();
    let known: HashSet<&str> = set
        .rules()
        .iter()
        .map(|r| r.id())
        .filter(|id| !narrowed.contains(id))
        .collect();

    let mut by_rule: BTreeMap<String, Differences> = BTreeMap::new();
    let (mut messages, mut values_differ) = (0, 0);
    let mut spent = Duration::ZERO;
    for line in std::fs::read_to_string(hits).unwrap().lines() {
        let mut columns = line.split('\t');
        let path = columns.next().unwrap();
        let theirs: HashMap<String, f64> = columns
            .nth(1)
            .unwrap_or_default()
            .split(',')
            .filter_map(|hit| {
                let (name, value) = hit.split_once('=')?;
                let id = renamed.get(name).map_or(name, String::as_str);
                Some((id.to_owned(), value.parse().ok()?))
            })
            .collect();
        let raw = std::fs::read(Path::new(root).join(path)).unwrap();
        let mail = Mail::parse(Bytes::from(raw), &Limits::default());
        let envelope = Envelope::default();
        let before = cpu();
        std::hint::black_box(set.evaluate(&envelope, &mail));
        spent += cpu() - before;
        let ours: HashMap<&str, f64> = set.values(&envelope, &mail).into_iter().collect();
        messages += 1;
        for id in theirs
            .keys()
            .map(String::as_str)
            .chain(ours.keys().copied())
        {
            if !known.contains(id) {
                continue;
            }
            let of_rule = by_rule.entry(id.to_owned()).or_default();
            match (theirs.get(id), ours.get(id)) {
                (Some(theirs), Some(ours)) => {
                    // Seen twice, from either side.
                    of_rule.both += 1;
                    values_differ += usize::from(theirs != ours);
                }
                (Some(_), None) => of_rule.only_spamassassin.push(path.to_owned()),
                _ => of_rule.only_ours.push(path.to_owned()),
            }
        }
    }
    let both: usize = by_rule.values().map(|d| d.both / 2).sum();
    let apart: usize = by_rule
        .values()
        .map(|d| d.only_spamassassin.len() + d.only_ours.len())
        .sum();
    let pairs = messages * known.len();
    println!(
        "{messages} messages, {} exact rules, {} narrowed ones left aside",
        known.len(),
        narrowed.len()
    );
    println!(
        "agreement over all pairs: {:.4} %; over pairs where one hits: {:.3} % ({both} agree, {apart} do not); {} values differ",
        100.0 * (pairs - apart) as f64 / pairs as f64,
        100.0 * both as f64 / (both + apart).max(1) as f64,
        values_differ / 2
    );
    println!(
        "{:.3} ms a message for the rules",
        spent.as_secs_f64() * 1000.0 / f64::from(messages as u32)
    );
    let mut worst: Vec<_> = by_rule
        .iter()
        .filter(|(_, d)| !d.only_spamassassin.is_empty() || !d.only_ours.is_empty())
        .collect();
    println!("{} rules disagree on some message", worst.len());
    worst.sort_by_key(|(_, d)| std::cmp::Reverse(d.only_spamassassin.len() + d.only_ours.len()));
    for (id, d) in worst.into_iter().take(limit) {
        println!(
            "{id}: both {}, only SpamAssassin {}{}, only mailweir {}{}",
            d.both / 2,
            d.only_spamassassin.len(),
            example(&d.only_spamassassin),
            d.only_ours.len(),
            example(&d.only_ours)
        );
    }
}

fn example(paths: &[String]) -> String {
    paths
        .first()
        .map_or_else(String::new, |p| format!(" ({p})"))
}

/// The entries of a list in the report.
fn section(report: &str, heading: &str) -> Vec<String> {
    let behind = report.split_once(heading).map_or("", |(_, b)| b);
    let body = behind.split("\n## ").next().unwrap_or_default();
    body.lines()
        .filter_map(|l| l.strip_prefix("- "))
        .map(str::to_owned)
        .collect()
}
