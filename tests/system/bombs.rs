//! Archives made to exhaust memory and time (CVE-2019-12625 and its like), against the running daemon.

use std::time::{Duration, Instant};

use mailweir::milter::MtaReply;

use super::archives::{self, Zipped};
use super::daemon::{Config, Daemon};
use super::milter::Milter;

/// What the daemon may hold beside its own 100 MB of rules, parser and test build: what the messages in progress
/// may unpack, once as packed and once as unpacked.
const MEMORY_MIB: u64 = 400;
/// Opening may take 5 seconds for each message, and messages wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest memory so far, MiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib >> 10
}

fn send(daemon: &Daemon, raw: &[u8]) -> Vec<MtaReply> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let body = milter.header(raw);
    for chunk in body.chunks(60_000) {
        milter.body(chunk);
    }
    milter.write_end();
    milter.final_replies()
}

/// Name, archive, and the limit that it runs into, where it is not time.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeros = vec![0; 64 << 20];
    let stored = |name: &str, content: &[u8]| Zipped {
        method: 0,
        ..Zipped::new(name, content)
    };
    let mut layers = archives::zip(&[Zipped::new("0.dll", &zeros[..16 << 20])]);
    for level in 0..5 {
        let name = |n: usize| format!("lib {level} {n}.zip");
        let files: Vec<Zipped> = (0..16).map(|n| Zipped::new(&name(n), &layers)).collect();
        layers = archives::zip(&files);
    }
    let many: Vec<Zipped> = (0..65_535).map(|n| stored(&n.to_string(), b"")).collect();
    let mut deep = b"the end".to_vec();
    for _ in 0..2000 {
        deep = archives::zip(&[stored("a.zip", &deep)]);
    }
    let mut chain = b"the end".to_vec();
    for _ in 0..500 {
        chain = archives::gzip(&chain);
    }
    let twice = archives::bzip2(&archives::bzip2(&zeros));
    let in_eml = archives::message(&[("a.gz", &archives::gzip(&zeros))]);
    vec![
        ("42.zip", layers, "bytes"),
        ("zeros.gz", archives::gzip(&zeros), "ratio"),
        ("zeros.xz", archives::xz(&zeros), "ratio"),
        ("twice.bz2", twice, "ratio"),
        ("many.zip", archives::zip(&many), "files"),
        ("deep.zip", deep, "depth"),
        ("chain.gz", chain, "depth"),
        (
            "zeros.7z",
            archives::sevenzip(&[("zeros", &zeros)]),
            "ratio",
        ),
        ("zeros.cab", archives::cab(&[("zeros", &zeros)]), "ratio"),
        ("mail.eml", in_eml, "ratio"),
    ]
}

#[test]
fn bombs_end_at_a_limit_within_time_and_memory() {
    let daemon = Daemon::start(&Config {
        chain: "[attachments, rules]",
        ..Config::default()
    });
    let mut sent = 0.0;
    for (name, bomb, limit) in bombs() {
        let raw = archives::message(&[(name, &bomb)]);
        let unscanned = |reason| {
            daemon.metric(&format!(
                "mailweir_unscanned_total{{filter=\"attachments\",reason=\"{reason}\"}}"
            ))
        };
        let reached = |limit| {
            let series = format!("mailweir_attachments_limits_total{{limit=\"{limit}\"}}");
            daemon.metric(&series)
        };
        let before = (reached(limit), reached("time"));
        let started = Instant::now();
        let replies = send(&daemon, &raw);
        sent += 1.0;
        assert!(
            started.elapsed() < PATIENCE,
            "{name}: {:?}",
            started.elapsed()
        );
        // Never clean: delivered as the policy says, and said to be unscanned.
        assert_eq!(replies.last(), Some(&MtaReply::Continue), "{name}");
        assert!(
            (unscanned("limit") + unscanned("timeout") - sent).abs() < 0.5,
            "{name}"
        );
        let after = (reached(limit), reached("time"));
        assert!(
            after.0 > before.0 || after.1 > before.1,
            "{name}: not {limit}"
        );
        let peak = peak(&daemon);
        println!(
            "{name}: {} bytes, {:?}, peak {peak} MiB",
            bomb.len(),
            started.elapsed()
        );
        assert!(peak < MEMORY_MIB, "{name}: {peak} MiB");
    }
}

#[test]
fn many_bombs_at_once_take_no_more_memory_than_those_that_are_opened_at_one_time() {
    let daemon = Daemon::start(&Config {
        chain: "[attachments, rules]",
        sections: "attachments: { concurrent: 2, bytes: 64MiB, time: 1s }\n".to_owned(),
        ..Config::default()
    });
    // 32 MB that cannot be packed small, so that no ratio ends it.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random: Vec<u8> = (0..4 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let inner = archives::gzip(&random);
    let files: Vec<Zipped> = (0..8)
        .map(|n| Zipped {
            method: 0,
            ..Zipped::new(&format!("{n}.gz"), &inner)
        })
        .collect();
    let raw = archives::message(&[("a.zip", &archives::zip(&files))]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| send(&daemon, &raw));
        }
    });
    let answered = daemon.metric("mailweir_messages_total{verdict=\"deliver\"}");
    assert!((answered - 6.0).abs() < 0.5, "{answered}");
    // Six messages of 44 MB as they came and as they were decoded, and two that are opened.
    let own = 6 * 2 * (raw.len() as u64 >> 20);
    let peak = peak(&daemon);
    println!("messages {own} MiB, peak {peak} MiB");
    assert!(peak < own + MEMORY_MIB, "{peak} MiB beside {own} MiB");
}
