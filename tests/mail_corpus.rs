//! Parsing of real and broken messages: no panic, bounded time, the same text under LF and CRLF.
//!
//! The messages lie outside of the repository: in `../shared/mail`, or where `MAILWEIR_SHARED` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mail_parser::{MessageParser, PartType};
use mailweir::mail::{Flag, Limits, Mail, PartKind};

#[path = "shared/files.rs"]
mod files;
#[path = "shared/folder.rs"]
mod folder;

use files::files;
use folder::shared;

/// Longest time that one message may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn to_lf(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for (at, byte) in raw.iter().enumerate() {
        if *byte != b'\r' || raw.get(at + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    out
}

fn to_crlf(lf: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lf.len() + lf.len() / 40);
    for byte in lf {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

fn parse(raw: Vec<u8>) -> Mail {
    Mail::parse(Bytes::from(raw), &Limits::default())
}

/// Reads everything that a filter can ask for.
fn exercise(mail: &Mail) {
    let _ = (
        mail.subject(),
        mail.raw_body(),
        mail.mailboxes("From"),
        mail.mailboxes("To"),
    );
    for header in mail.headers() {
        let _ = (header.decoded(), header.unfolded(), header.name_text());
    }
    for url in mail.urls() {
        assert!(!url.host.is_empty() && url.text.len() <= 2048);
        let _ = (url.registered_domain(), url.address());
    }
    for part in mail.parts() {
        let _ = (part.extension(), part.content());
        for place in [&part.header, &part.body].into_iter().flatten() {
            assert!(mail.raw().get(place.clone()).is_some());
        }
    }
}

/// Parses a file with both line ends.
fn both(path: &Path) {
    let lf = to_lf(&fs::read(path).unwrap());
    let crlf = to_crlf(&lf);
    // UTF-16 as it stands is not a text of lines, and changed line ends change it.
    if lf.contains(&0) {
        exercise(&parse(lf));
        exercise(&parse(crlf));
        return;
    }
    let lone_cr = lf.contains(&b'\r');
    let started = Instant::now();
    let (one, two) = (parse(lf), parse(crlf));
    exercise(&one);
    exercise(&two);
    let name = path.display();
    assert!(
        started.elapsed() < PATIENCE,
        "{name}: {:?}",
        started.elapsed()
    );
    assert!(one.text() == two.text(), "{name}: text differs");
    assert!(
        one.hidden_text() == two.hidden_text(),
        "{name}: hidden_text differs"
    );
    assert_eq!(one.urls(), two.urls(), "{name}");
    assert_eq!(one.subject(), two.subject(), "{name}");
    // CRs before a line end are part of the damage, and stay so in one variant only.
    if !lone_cr {
        assert_eq!(one.flags(), two.flags(), "{name}");
    }
    let kinds = |m: &Mail| -> Vec<_> {
        m.parts()
            .iter()
            .map(|p| (p.depth, p.content_type.clone(), p.name.clone()))
            .collect()
    };
    assert_eq!(kinds(&one), kinds(&two), "{name}");
}

fn both_of_all(folder: &str, step: usize) {
    let Some(folder) = shared(&format!("mail/{folder}")) else {
        return;
    };
    let files = files(&folder);
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for path in files.iter().step_by(step) {
        both(path);
    }
    println!(
        "{}: {} messages",
        folder.display(),
        files.len().div_ceil(step)
    );
}

#[test]
fn torture_messages() {
    both_of_all("torture", 1);
}

#[test]
fn bounces() {
    both_of_all("bounces", 1);
}

#[test]
fn modern_messages() {
    both_of_all("modern", 1);
}

#[test]
fn old_messages() {
    both_of_all("sa-open", 8);
}

#[test]
fn malformed_messages_of_the_repository() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/malformed"));
    if !folder.is_dir() {
        println!("skipped: corpus/malformed is not here");
    }
    for path in files(folder) {
        both(&path);
    }
}

/// A small generator of pseudo-random numbers (xorshift), the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// Changes `raw` a little: bytes, runs, tokens that mean something to a parser.
fn mutate(raw: &mut Vec<u8>, random: &mut Random) {
    const TOKENS: &[&[u8]] = &[
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"--",
        b"=?utf-8?q?",
        b"?=",
        b"=",
        b";",
        b"\"",
        b"(",
        b"<",
        b">",
        b"&#",
        b"\n\n",
        b"\nContent-Type: multipart/mixed; boundary=x\n\n--x\n",
        b"\xff",
        b"boundary=",
        b"\nContent-Type: message/rfc822\n\n",
        b"<style>",
        b"base64",
        b"*0*=",
        b"%",
        b"http://",
        b"@",
        b":",
    ];
    for _ in 0..=random.below(6) {
        let at = random.below(raw.len() + 1);
        match random.below(5) {
            0 if at < raw.len() => raw[at] = random.below(256) as u8,
            1 => {
                let token = TOKENS[random.below(TOKENS.len())];
                raw.splice(at..at, token.iter().copied());
            }
            2 => {
                let end = (at + random.below(200)).min(raw.len());
                raw.drain(at..end);
            }
            3 => {
                let end = (at + random.below(500)).min(raw.len());
                let run = raw[at..end].to_vec();
                let to = random.below(raw.len() + 1);
                raw.splice(to..to, run);
            }
            _ => raw.truncate(at.max(raw.len() / 2)),
        }
    }
}

#[test]
fn twenty_thousand_mutations() {
    let Some(folder) = shared("mail/torture") else {
        return;
    };
    let seeds: Vec<Vec<u8>> = files(&folder)
        .iter()
        .map(|p| fs::read(p).unwrap())
        .filter(|raw| raw.len() < 8_000)
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut slowest = Duration::ZERO;
    for _ in 0..20_000 {
        let mut raw = seeds[random.below(seeds.len())].clone();
        mutate(&mut raw, &mut random);
        let started = Instant::now();
        exercise(&parse(raw));
        slowest = slowest.max(started.elapsed());
    }
    println!("{} seeds, slowest {slowest:?}", seeds.len());
    assert!(slowest < PATIENCE);
}

/// Contents of the leaves as mail-parser reads them, without white space.
fn leaves_of_library(raw: &[u8]) -> Option<Vec<String>> {
    let message = MessageParser::default().parse(raw)?;
    let mut leaves = Vec::new();
    let mut stack: Vec<_> = vec![(&message, 0_usize)];
    while let Some((message, at)) = stack.pop() {
        let Some(part) = message.parts.get(at) else {
            continue;
        };
        stack.push((message, at + 1));
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => leaves.push(squeeze(text.as_bytes())),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                leaves.push(squeeze(bytes));
            }
            PartType::Message(inner) => stack.push((inner, 0)),
            PartType::Multipart(_) => {}
        }
    }
    Some(leaves)
}

fn squeeze(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The few that differ are those whose charset the library cannot decode or takes for another.
#[test]
fn undamaged_messages_read_as_mail_parser_reads_them() {
    let Some(folder) = shared("mail/modern") else {
        return;
    };
    let (mut same, mut different) = (0, Vec::new());
    for path in files(&folder) {
        let raw = fs::read(&path).unwrap();
        let mail = parse(raw.clone());
        let damaged = mail
            .flags()
            .iter()
            .any(|f| f.name().starts_with("mime.") && *f != Flag::BareLf);
        if damaged {
            continue;
        }
        let ours: Vec<String> = mail
            .parts()
            .iter()
            .filter(|p| !matches!(p.kind, PartKind::Message | PartKind::Multipart))
            .map(|p| squeeze(p.content()))
            .collect();
        if leaves_of_library(&raw).as_ref() == Some(&ours) {
            same += 1;
        } else {
            different.push(path);
        }
    }
    println!("{same} the same, {} different", different.len());
    assert!(
        different.len() * 50 < same,
        "{same} the same, {} different",
        different.len()
    );
}
