//! What the history costs: CPU to keep a message, and time to find messages among many.
//!
//! `HISTORY_MESSAGES=1000000 cargo bench --bench history` (100,000 by default) writes that many made-up messages, with
//! some twenty answers of DNS each, and searches them by each field, newest first. The folder is `HISTORY_FOLDER`, or a
//! temporary one. CPU is user and system time of the process, all threads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mailweir::dns::{Found, RData, RecordType};
use mailweir::filter::{Action, Hit, Outcome, Report};
use mailweir::heard::{Heard, Record};
use mailweir::history::{Entry, History, Options, Query, Stage, Transaction, Versions};
use mailweir::mail::{Address, Client, Direction, Envelope, Limits, Mail};
use mailweir::metrics::Metrics;
use mailweir::milter::Reply;
use mailweir::verdict::{Thresholds, decide};
use tokio_util::sync::CancellationToken;

#[path = "measure/cpu.rs"]
mod cpu;
#[path = "measure/random.rs"]
mod random;

use cpu::cpu;
use random::Random;

fn message(random: &mut Random, number: u64) -> (Envelope, Mail) {
    let sender = format!(
        "u{}@d{}.example.com",
        random.skewed(50_000),
        random.skewed(20_000)
    );
    let words: Vec<String> = (0..7)
        .map(|_| format!("word{}", random.skewed(30_000)))
        .collect();
    let raw = format!(
        "From: <{sender}>\r\nSubject: {}\r\nMessage-ID: <{number}.{}@d.example.com>\r\n\r\nText.\r\n",
        words.join(" "),
        random.next()
    );
    let envelope = Envelope {
        direction: match random.any(10) {
            0 => Direction::Outbound,
            _ => Direction::Inbound,
        },
        client: Client {
            addr: Some(std::net::IpAddr::from(
                (0xc000_0000 + random.skewed(1 << 28) as u32).to_be_bytes(),
            )),
            name: Some(format!(
                "mx{}.d{}.example.com",
                random.any(9),
                random.skewed(20_000)
            )),
            port: 25,
        },
        helo: Some("mx.example.com".into()),
        sender: Some(Address::new(sender.as_bytes())),
        recipients: vec![Address::new(
            format!("r{}@our{}.example", random.skewed(5_000), random.skewed(30)).as_bytes(),
        )],
        queue_id: Some(format!("4{:x}", random.next() >> 20)),
        ..Envelope::default()
    };
    (
        envelope,
        Mail::parse(raw.into_bytes().into(), &Limits::default()),
    )
}

fn reports(random: &mut Random) -> Vec<Report> {
    let mut report = |filter, hits: usize| Report {
        filter,
        outcome: Outcome::Checked(
            (0..hits)
                .map(|_| {
                    let rule = format!("RULE_{}", random.skewed(400));
                    Hit::new(
                        rule,
                        random.any(200) as f64 / 100.0,
                        "what matched, and where it stood",
                    )
                })
                .collect(),
        ),
        elapsed: Duration::from_micros(900),
    };
    vec![
        report("dnsbl", 1),
        report("auth", 4),
        report("attachments", 0),
        report("rules", 7),
        report("bayes", 1),
        report("clamav", 0),
    ]
}

async fn heard(random: &mut Random) -> Option<Record> {
    let heard = Heard::keeping();
    for number in 0..20 {
        let name = format!("{}.113.0.203.list{number}.example.org.", random.any(255));
        let found = Found {
            records: match number {
                0 => Arc::new([RData::A(std::net::Ipv4Addr::new(127, 0, 0, 2).into())]),
                _ => Arc::new([]),
            },
            exists: number == 0,
            valid_until: Instant::now(),
            took: None,
        };
        let _ = heard
            .dns("bench", &name, RecordType::A, async { Ok(found) })
            .await;
    }
    heard.take()
}

async fn entry(random: &mut Random, number: u64, at: Timestamp) -> (Entry, Option<Record>) {
    let (envelope, mail) = message(random, number);
    let failure = |_: &str, _| mailweir::filter::FailureAction::Deliver;
    let verdict = decide(reports(random), &Thresholds::default(), failure);
    let versions = Versions {
        all: "0123456789ab".into(),
        rules: Some("123456789abc".into()),
        model: Some("1795000000-9000-9000".into()),
    };
    let transaction = Transaction {
        id: &ulid::Ulid::new().to_string(),
        received: at,
        envelope: &envelope,
        stage: Stage::End,
        mail: Some(&mail),
        refused: &[],
        digest: Some(mailweir::history::digest(mail.raw())),
        bytes: mail.raw().len(),
        reply: &Reply::Accept,
        versions: &versions,
        took: Duration::from_millis(4),
    };
    let entry = Entry::new(&transaction, &verdict, None, false);
    (Entry { at, ..entry }, heard(random).await)
}

async fn wait_for(metrics: &Metrics, written: u64) {
    while metrics.history_written.get() < written {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::main]
async fn main() {
    let messages: u64 = std::env::var("HISTORY_MESSAGES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("HISTORY_FOLDER").map(std::path::PathBuf::from);
    let folder = folder.unwrap_or_else(|| temporary.path().to_path_buf());
    let metrics = Arc::new(Metrics::new().unwrap());
    let options = Options {
        size: serde_saphyr::Spanned::new(
            mailweir::config::ByteSize(1 << 40),
            serde_saphyr::Location::UNKNOWN,
            serde_saphyr::Location::UNKNOWN,
        ),
        ..Options::default()
    };
    let (history, keeper) = History::open(&folder, &options, metrics.clone());
    let stop = CancellationToken::new();
    let kept = tokio::spawn(keeper.run(stop.clone()));

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Over the last 25 days.
    let now = Timestamp::now();
    let step = SignedDuration::from_hours(25 * 24) / i32::try_from(messages).unwrap();
    let mut at = now - SignedDuration::from_hours(25 * 24);
    let (mut making, mut recording, mut all, mut wall) = (
        Duration::ZERO,
        Duration::ZERO,
        Duration::ZERO,
        Duration::ZERO,
    );
    let mut number = 0;
    while number < messages {
        let before = cpu();
        let mut batch = Vec::new();
        for _ in 0..1000.min(messages - number) {
            batch.push(entry(&mut random, number, at).await);
            at += step;
            number += 1;
        }
        let made = cpu();
        let started = Instant::now();
        for (entry, heard) in batch {
            history.record(entry, heard);
        }
        let recorded = cpu();
        wait_for(&metrics, number).await;
        making += made - before;
        recording += recorded - made;
        all += cpu() - made;
        wall += started.elapsed();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    println!("{messages} messages");
    println!(
        "made-up message with its verdict  {:8.1} us CPU",
        each(making)
    );
    println!(
        "on the way of a message (record)  {:8.1} us CPU",
        each(recording)
    );
    println!(
        "to keep a message, all together   {:8.1} us CPU, {:.1} us wall",
        each(all),
        each(wall)
    );
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |m| m.len());
    let bytes = size("history.sqlite");
    println!(
        "bytes a message on the disk       {:8.0}",
        bytes as f64 / messages as f64
    );

    // An entry that is neither rare nor frequent, to take what is looked for from.
    let page = history.search(&Query::default(), None, 500).await.unwrap();
    let some = page.entries.last().unwrap().clone();
    let of = |set: &dyn Fn(&mut Query)| {
        let mut query = Query::default();
        set(&mut query);
        query
    };
    let text = |text: &str| Some(text.to_owned());
    let queries: Vec<(&str, Query)> = vec![
        ("nothing in particular", Query::default()),
        ("id", of(&|q| q.id = Some(some.id.clone()))),
        ("address", of(&|q| q.address.clone_from(&some.sender))),
        (
            "sender, frequent domain",
            of(&|q| q.sender = text("d1.example.com")),
        ),
        (
            "sender, every domain",
            of(&|q| q.sender = text("example.com")),
        ),
        (
            "recipient",
            of(&|q| q.recipient = Some(some.recipients[0].clone())),
        ),
        (
            "client address",
            of(&|q| q.client = some.client.map(|c| c.to_string())),
        ),
        (
            "client /22",
            of(&|q| q.client = some.client.map(|c| format!("{c}/22"))),
        ),
        (
            "client /9, nothing there",
            of(&|q| q.client = text("10.0.0.0/9")),
        ),
        (
            "client /28 in a busy /24",
            of(&|q| q.client = text("192.0.0.240/28")),
        ),
        ("subject, one word", of(&|q| q.subject = text("word9"))),
        (
            "subject, three words",
            of(&|q| q.subject = text("word1 word2 word3")),
        ),
        (
            "subject, rare and frequent",
            of(&|q| q.subject = text("word0 word29000")),
        ),
        ("subject, beginning", of(&|q| q.subject = text("word2*"))),
        (
            "subject, beginning of all",
            of(&|q| q.subject = text("wor*")),
        ),
        ("rule, frequent", of(&|q| q.rules = vec!["RULE_0".into()])),
        (
            "rules, two",
            of(&|q| q.rules = vec!["RULE_0".into(), "RULE_390".into()]),
        ),
        ("verdict reject", of(&|q| q.verdict = Some(Action::Reject))),
        (
            "verdict discard, none",
            of(&|q| q.verdict = Some(Action::Discard)),
        ),
        (
            "direction and verdict",
            of(&|q| {
                q.direction = Some(Direction::Outbound);
                q.verdict = Some(Action::Deliver);
            }),
        ),
        (
            "an hour 20 days ago",
            of(&|q| {
                q.from = Some(now - SignedDuration::from_hours(480));
                q.to = Some(now - SignedDuration::from_hours(479));
            }),
        ),
        (
            "rule, 20 days ago",
            of(&|q| {
                q.rules = vec!["RULE_7".into()];
                q.to = Some(now - SignedDuration::from_hours(479));
            }),
        ),
        ("text, address", of(&|q| q.text.clone_from(&some.sender))),
        ("text, word", of(&|q| q.text = text("word17"))),
        ("text, two words", of(&|q| q.text = text("word17 RULE_5"))),
        (
            "Message-ID",
            of(&|q| q.message_id = Some(some.message_id.clone())),
        ),
        ("queue id", of(&|q| q.queue_id.clone_from(&some.queue_id))),
    ];
    let mut worst = Duration::ZERO;
    for (what, query) in &queries {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..3 {
            let started = Instant::now();
            found = history.search(query, None, 50).await.unwrap().entries.len();
            times.push(started.elapsed());
        }
        worst = worst.max(times[0]);
        println!(
            "{what:<28} {:8.1} ms first, {:8.1} ms again, {found} found",
            ms(times[0]),
            ms(times[2])
        );
    }
    for days in [1, 25] {
        let from = now - SignedDuration::from_hours(24 * days);
        let started = Instant::now();
        let overview = history.overview(from, now).await.unwrap();
        let hours = overview.hours.len();
        println!(
            "overview of {days:>2} days          {:8.1} ms, {hours} hours",
            ms(started.elapsed())
        );
    }
    println!("slowest search               {:8.1} ms", ms(worst));
    stop.cancel();
    kept.await.unwrap();
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
