//! Time of the shipped rules: to load, and for one message of each kind.
//!
//! `cargo bench --bench rules`; nothing outside the project is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};

/// Text of a given length that holds none of the words that rules look for, or many of them.
fn text(words: &[&str], bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 32);
    for (i, word) in words.iter().cycle().enumerate() {
        if out.len() >= bytes {
            break;
        }
        out.push_str(word);
        out.push(if i % 12 == 11 { '\n' } else { ' ' });
    }
    out
}

fn message(content_type: &str, body: &str) -> Mail {
    let raw = format!(
        "Received: from a.example.com by mx.example.org; Tue, 01 Sep 2026 09:30:00 +0000\r\nDate: Tue, 01 Sep 2026 09:30:00 +0000\r\nFrom: \"Ann Weir\" <ann@example.com>\r\nTo: Ben <ben@example.org>\r\nSubject: Minutes of the last meeting\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: {content_type}; charset=utf-8\r\n\r\n{body}"
    );
    Mail::parse(Bytes::from(raw), &Limits::default())
}

fn rules(c: &mut Criterion) {
    let set = RuleSet::shipped().unwrap_or_else(|p| panic!("{p}"));
    let quiet = [
        "harbour",
        "committee",
        "met",
        "on",
        "alternate",
        "evenings",
        "rope",
        "lamp",
        "oil",
        "geese",
    ];
    let loud = [
        "verify",
        "your",
        "account",
        "bank",
        "million",
        "dollars",
        "click",
        "here",
        "password",
        "invoice",
        "gift",
        "card",
        "bitcoin",
        "congratulations",
        "free",
        "prescription",
    ];
    let kinds = [
        ("plain_2k", message("text/plain", &text(&quiet, 2 << 10))),
        ("plain_20k", message("text/plain", &text(&quiet, 20 << 10))),
        (
            "plain_loud_2k",
            message("text/plain", &text(&loud, 2 << 10)),
        ),
        (
            "html_20k",
            message(
                "text/html",
                &text(
                    &[
                        "<p class=\"a\">harbour",
                        "committee</p>",
                        "<a href=\"https://example.com/x\">minutes</a>",
                    ],
                    20 << 10,
                ),
            ),
        ),
        ("one_line_1m", message("text/plain", &"a".repeat(1 << 20))),
    ];
    let envelope = Envelope::default();
    let mut group = c.benchmark_group("rules");
    for (name, mail) in &kinds {
        group.throughput(Throughput::Bytes(mail.raw().len() as u64));
        group.bench_function(*name, |b| {
            b.iter(|| black_box(set.evaluate(&envelope, mail)))
        });
    }
    group.finish();
    let mut group = c.benchmark_group("rules_load");
    group.sample_size(10);
    group.bench_function("shipped", |b| {
        b.iter(|| black_box(RuleSet::shipped().is_ok()))
    });
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
