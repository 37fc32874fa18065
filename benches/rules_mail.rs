//! What rules cost on real mail: CPU time a message, memory, and the time to load.
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
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};
use nix::sys::resource::{UsageWho, getrusage};

/// Messages of one run.
const MESSAGES: usize = 2000;

/// CPU time of this process so far.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(micros.try_into().unwrap())
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn messages(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            messages(&path, found);
        } else if path.extension().is_some_and(|e| e == "eml") {
            found.push(path);
        }
    }
}

/// An even sample over all sets.
fn mail() -> Vec<Bytes> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("MAILWEIR_SHARED")
        .map_or_else(|| project.join("../shared"), PathBuf::from)
        .join("mail");
    let mut found = Vec::new();
    for set in ["sa-open", "modern"] {
        messages(&shared.join(set), &mut found);
    }
    if found.is_empty() {
        eprintln!("no ../shared/mail: the messages of corpus are taken");
        messages(&project.join("corpus"), &mut found);
    }
    found.sort();
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
    let (envelope, held) = (Envelope::default(), resident_kib());
    let mut best = Duration::MAX;
    let mut hits = 0;
    for _ in 0..3 {
        let start = cpu();
        hits = parsed
            .iter()
            .map(|mail| black_box(set.evaluate(&envelope, mail)).len())
            .sum();
        best = best.min(cpu() - start);
    }
    println!("evaluate         {:.1} µs CPU a message", per(best));
    println!(
        "memory after     {} KiB more",
        resident_kib().saturating_sub(held)
    );
    println!("hits             {hits}");
}
