//! The bodies of the fuzz targets (`fuzz/bodies`) on mutations of files of our own, without a fuzzer: what every run of the
//! tests can afford. The same ones each time; `MAILWEIR_MUTATED_SECONDS=60` goes on for that long with further ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../archives/mod.rs"]
mod archives;
#[path = "../shared/files.rs"]
mod files;
#[path = "../milter_session/transcript.rs"]
#[allow(dead_code)]
mod transcript;

mod bodies;
mod mutation;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mutation::Mutation;

/// How long each target goes on beyond what every run does.
fn longer() -> Duration {
    let written = std::env::var("MAILWEIR_MUTATED_SECONDS").ok();
    Duration::from_secs(written.map_or(0, |s| s.parse().unwrap()))
}

/// Runs a target on each seed, and on `least` mutations of them; an input that fails is kept in a file.
fn run(name: &str, seeds: &[Vec<u8>], least: u64, target: impl Fn(&[u8])) {
    let (begun, longer) = (Instant::now(), longer());
    let attempt = |what: &str, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            let file = std::env::temp_dir().join(format!("mailweir-{name}-{}", std::process::id()));
            std::fs::write(&file, input).unwrap();
            println!("{name}: {what} fails; the input is {}", file.display());
            std::panic::resume_unwind(panic);
        }
    };
    for (n, seed) in seeds.iter().enumerate() {
        attempt(&format!("seed {n}"), seed);
    }
    let mut number = 0;
    while number < least || begun.elapsed() < longer {
        let input = Mutation::new(number).of(seeds);
        attempt(&format!("mutation {number}"), &input);
        number += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{name}: {} seeds, {number} mutations, {took:.1} s",
        seeds.len()
    );
}

/// A target that takes text.
fn text(target: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |input| target(&String::from_utf8_lossy(input))
}

#[test]
fn frames() {
    run("frame", &seeds::sessions(&[]), 5_000, bodies::frame::run);
}

#[test]
fn sessions() {
    // Answers, slicing and steps stand in front.
    let seeds = seeds::sessions(&[0, 7, 0, 0x1f, 0xff, 0xff]);
    run("session", &seeds, 1_000, bodies::session::run);
}

#[test]
fn messages() {
    run("mail", &seeds::messages(), 1_500, bodies::mail::run);
}

#[test]
fn attachments() {
    run(
        "content",
        &seeds::attachments(),
        1_500,
        bodies::content::run,
    );
}

#[test]
fn rules() {
    run("rules", &seeds::rules(), 300, text(bodies::rules::run));
}

#[test]
fn configurations() {
    run(
        "config",
        &seeds::configurations(),
        1_000,
        text(bodies::config::run),
    );
}

#[test]
fn replies() {
    run("reply", &seeds::replies(), 3_000, text(bodies::reply::run));
}
