//! What the Bayesian filter costs: judging a message of 3 KB, and learning, on one core.
//!
//! `cargo bench --bench bayes`. The mail is made up, with the skew of words that real text has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailweir::filter::bayes::{Class, EngineKind, Facts, Learner, Trainer};
use mailweir::mail::corpus::Sample;
use mailweir::mail::{Limits, Mail};

#[path = "measure/random.rs"]
mod random;

use random::Random;

/// Some 3 KB: header, 450 words of a vocabulary where few words make up most of the text, some links.
fn message(class: Class, number: u64) -> Bytes {
    let mut random = Random(number.wrapping_mul(0x9E37_79B9) + 7 + u64::from(class == Class::Spam));
    let mut text = format!(
        "From: Sender {number} <s{number}@example{}.org>\r\nTo: <me@example.com>\r\nSubject: message {number}\r\n\
         Date: Sat, 1 Jan 2022 00:00:00 +0000\r\nMessage-ID: <{number}.abc@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Mailer: Bench 1.0\r\n\r\n",
        number % 50
    );
    for i in 0..450 {
        let unit = (random.next() % 10_000) as f64 / 10_000.0;
        let mut word = (unit * unit * unit * 20_000.0) as u64;
        if class == Class::Spam && word > 200 {
            word += 7_000;
        }
        let _ = write!(text, "w{word:x}{}", if i % 12 == 11 { "\r\n" } else { " " });
    }
    let _ = write!(
        text,
        "\r\nhttp://www.example{}.net/path/{number}?a=b\r\n",
        number % 90
    );
    text.into()
}

fn samples(class: Class, count: u64) -> Vec<Sample> {
    (0..count)
        .map(|number| Sample {
            path: PathBuf::from(format!("{class}/{number}")),
            number: None,
            raw: message(class, number),
        })
        .collect()
}

fn trainer(messages: u64) -> Trainer {
    let mut trainer = Trainer::new(EngineKind::Osb);
    trainer.learn(Class::Ham, samples(Class::Ham, messages));
    trainer.learn(Class::Spam, samples(Class::Spam, messages));
    trainer
}

fn bayes(c: &mut Criterion) {
    let engine = trainer(2_000).finish(Facts::default()).unwrap().engine;
    let mails: Vec<Mail> = (5_000..5_200)
        .map(|n| {
            Mail::parse(
                message(if n % 2 == 0 { Class::Ham } else { Class::Spam }, n),
                &Limits::default(),
            )
        })
        .collect();
    let mut at = 0;
    for (name, telling) in [("judge 3 KB", 0), ("judge 3 KB, name five reasons", 5)] {
        c.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 1) % mails.len();
                black_box(engine.judge(&mails[at], 64 << 10, telling).probability)
            });
        });
    }

    // Each message is new to the learner, as lessons are.
    let mut learner = Learner::new(engine.clone(), false).unwrap();
    let mut next = 100_000;
    c.bench_function("judge and learn 3 KB as a lesson", |b| {
        b.iter_batched(
            || {
                next += 1;
                let class = if next % 2 == 0 {
                    Class::Ham
                } else {
                    Class::Spam
                };
                (class, Mail::parse(message(class, next), &Limits::default()))
            },
            |(class, mail)| learner.classify_then_learn(&mail, class),
            BatchSize::SmallInput,
        );
    });

    // One thread, so that the figure is for one core.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let mut group = c.benchmark_group("train");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(1_000));
    group.bench_function("parse and take in", |b| {
        b.iter_batched(
            || samples(Class::Ham, 1_000),
            |batch| pool.install(|| Trainer::new(EngineKind::Osb).learn(Class::Ham, batch)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("evaluate and learn", |b| {
        b.iter_batched(
            || trainer(500),
            |trainer| pool.install(|| trainer.finish(Facts::default()).unwrap()),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, bayes);
criterion_main!(benches);
