//! What the files of a message cost: CPU time of `attachments` for mail without files, for mail of all kinds, and for
//! single archives.
//!
//! `cargo bench --bench attachments`. Mail is taken from `../shared/mail` (`MAILWEIR_SHARED` names another place), or
//! from `corpus` where there is none. One thread; the best of three rounds.
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
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use mailweir::content::{self, Limits};
use mailweir::mail::Mail;

#[path = "../tests/archives/mod.rs"]
mod archives;
#[path = "measure/cpu.rs"]
mod cpu;
#[path = "measure/real_mail.rs"]
mod real_mail;

use cpu::cpu;

fn mail() -> Vec<Mail> {
    let found = real_mail::messages(&["sa-open", "modern", "torture"]);
    let read = found.iter().map(|p| fs::read(p).unwrap());
    read.map(parsed).collect()
}

fn parsed(raw: Vec<u8>) -> Mail {
    Mail::parse(Bytes::from(raw), &mailweir::mail::Limits::default())
}

/// CPU time of one call for each message, the best of three rounds.
fn round<T>(mail: &[&Mail], each: impl Fn(&Mail) -> T) -> Duration {
    let rounds = (0..3).map(|_| {
        let before = cpu();
        for message in mail {
            black_box(each(message));
        }
        cpu() - before
    });
    rounds.min().unwrap()
}

fn show(what: &str, mail: &[&Mail], times: usize, time: Duration) {
    let calls = (mail.len() * times).max(1);
    println!(
        "{what:<34} {:>7} messages {:>10.2} µs CPU each",
        mail.len(),
        time.as_secs_f64() * 1e6 / calls as f64
    );
}

fn main() {
    let (limits, go) = (Limits::default(), AtomicBool::new(false));
    let read = |message: &Mail| content::read(message, &limits, &go).files.len();
    let all = mail();
    let (with, without): (Vec<&Mail>, Vec<&Mail>) = all.iter().partition(|m| content::has_files(m));
    // A look takes nanoseconds: many of them, so that the clock can tell.
    let many: Vec<&Mail> = (0..200).flat_map(|_| without.iter().copied()).collect();
    let look = round(&many, content::has_files);
    show("without files: the look", &without, 200, look);
    show("with files: opened", &with, 1, round(&with, read));
    let program = archives::program();
    let text: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| format!("{n} {} ", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect();
    let files: &[(&str, &[u8])] = &[("setup.exe", &program), ("text.txt", &text)];
    let zipped: Vec<archives::Zipped> = files
        .iter()
        .map(|(name, content)| archives::Zipped::new(name, content))
        .collect();
    println!("text of {} bytes in each of these:", text.len());
    for (name, bytes) in [
        ("text.txt", text.clone()),
        ("a.zip", archives::zip(&zipped)),
        ("a.tar.gz", archives::gzip(&archives::tar(files))),
        ("text.bz2", archives::bzip2(&text)),
        ("text.xz", archives::xz(&text)),
        ("text.zst", archives::zstd(&text)),
        ("a.7z", archives::sevenzip(files)),
        ("a.cab", archives::cab(files)),
        ("a.iso", archives::iso(files, true)),
    ] {
        let message = parsed(archives::message(&[(name, &bytes)]));
        show(name, &[&message], 1, round(&[&message], read));
    }
}
