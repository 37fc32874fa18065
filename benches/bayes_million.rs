//! What a corpus of a million messages costs: CPU time to train, memory while it trains, the model in a file and in
//! memory, and how long it takes to load.
//!
//! `cargo bench --bench bayes_million` (`MESSAGES=100000` for fewer). The messages are made up, each different: header of
//! a real one with names of its own, and a text of stretches of words of others of its class, one word in fifty changed
//! so that the vocabulary grows as that of real mail does. The real ones are `../shared/mail/sa-open` (`MAILWEIR_SHARED` names
//! another place than `../shared`), or `corpus` where there are none. A seed is fixed, so every run makes the same. Nothing is written but what
//! training itself puts aside in `TMPDIR`, some 6 KB a message, and the model, in a temporary folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use mailweir::filter::bayes::{Class, Engine, EngineKind, Facts, Trainer};
use mailweir::mail::corpus::Sample;
use mailweir::mail::{Limits, Mail};
use rayon::prelude::*;

#[path = "measure/cpu.rs"]
mod cpu;
#[path = "measure/memory.rs"]
mod memory;
#[path = "measure/random.rs"]
mod random;
#[path = "measure/real_mail.rs"]
mod real_mail;

use cpu::cpu;
use random::Random;

/// Messages that are made and learned at a time.
const BATCH: u64 = 512;
/// Words of one stretch at most.
const STRETCH: u64 = 16;
/// Words of a message at most.
const WORDS: u64 = 600;
/// One word in so many is changed.
const CHANGED: u64 = 50;
/// Names the model to the process that loads it.
const LOAD: &str = "MAILWEIR_BENCH_LOAD";

/// The real messages of a class, taken apart.
struct Source {
    class: Class,
    headers: Vec<String>,
    texts: Vec<Vec<String>>,
}

impl Source {
    fn of(class: Class) -> Source {
        let (folder, other) = match class {
            Class::Ham => ("ham", "spam"),
            Class::Spam => ("spam", "ham"),
        };
        let found = real_mail::messages(&[&format!("sa-open/{folder}")]);
        let is = |path: &PathBuf, folder: &str| path.components().any(|c| c.as_os_str() == folder);
        let found = found.iter().filter(|p| is(p, folder) && !is(p, other));
        let (mut headers, mut texts) = (Vec::new(), Vec::new());
        for path in found {
            let raw = std::fs::read(path).unwrap();
            let mail = Mail::parse(raw.into(), &Limits::default());
            headers.push(header(&mail));
            let words = mail.text().split_whitespace().map(str::to_owned);
            texts.push(words.collect());
        }
        texts.retain(|words: &Vec<String>| words.len() > 20);
        assert!(!texts.is_empty(), "there is no {class} to begin with");
        Source {
            class,
            headers,
            texts,
        }
    }

    /// Message `number`.
    fn message(&self, number: u64) -> Bytes {
        let mut random = Random(number.wrapping_mul(2_654_435_761) ^ 0x6D61_6E79);
        for _ in 0..4 {
            random.next();
        }
        let mut one_of = |count: usize| random.any(count as u64) as usize;
        let mut raw = self.headers[one_of(self.headers.len())].clone();
        raw.push_str(&format!(
            "Message-ID: <{number}.{:x}@mx{}.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
            one_of(1 << 30),
            number % 50_000
        ));
        // As many words as some real message has.
        let wanted = self.texts[one_of(self.texts.len())].len() as u64;
        let mut left = wanted.min(WORDS);
        while left > 0 {
            let text = &self.texts[random.any(self.texts.len() as u64) as usize];
            let length = (1 + random.any(STRETCH)).min(left).min(text.len() as u64);
            let from = random.any(text.len() as u64 - length + 1) as usize;
            for word in &text[from..from + length as usize] {
                raw.push_str(word);
                if random.any(CHANGED) == 0 {
                    raw.push_str(&format!("{:x}", random.skewed(1 << 24)));
                }
                raw.push(' ');
            }
            left -= length;
            if random.any(2) == 0 {
                raw.push_str("\r\n");
            }
        }
        raw.push_str("\r\n");
        raw.into()
    }
}

/// The fields of a message but those that it gets anew.
fn header(mail: &Mail) -> String {
    let mut text = String::new();
    for field in mail.headers() {
        let name = field.name_text();
        let lower = name.to_ascii_lowercase();
        if lower == "message-id" || lower.starts_with("content-") {
            continue;
        }
        text.push_str(&format!("{name}: {}\r\n", field.decoded().trim()));
    }
    text
}

fn main() {
    if let Some(model) = std::env::var_os(LOAD) {
        return load(Path::new(&model));
    }
    let messages = std::env::var("MESSAGES").map_or(1_000_000, |n| n.parse().unwrap());
    let sources = [Source::of(Class::Ham), Source::of(Class::Spam)];
    let held = memory::resident_kib();
    let mut trainer = Trainer::new(EngineKind::Osb);
    let (mut making, mut bytes) = (std::time::Duration::ZERO, 0);
    let (started, begun) = (Instant::now(), cpu());
    for first in (0..messages).step_by(BATCH as usize) {
        for source in &sources {
            let before = cpu();
            let samples: Vec<Sample> = (first..messages.min(first + BATCH))
                .into_par_iter()
                .filter(|number| number % 2 == u64::from(source.class == Class::Spam))
                .map(|number| Sample {
                    path: PathBuf::from("made-up"),
                    number: Some(number as usize),
                    raw: source.message(number),
                })
                .collect();
            making += cpu() - before;
            bytes += samples.iter().map(|s| s.raw.len()).sum::<usize>();
            trainer.learn(source.class, samples);
        }
    }
    let read = cpu() - begun - making;
    let trained = trainer.finish(Facts::default()).unwrap();
    let all = cpu() - begun - making;
    let learned = trained.read.learned;
    println!(
        "messages         {learned} learned, {} bytes on average, {} nearly the same as another",
        bytes / messages as usize,
        trained.read.near_copies
    );
    println!(
        "train            {:.0} s of CPU time, {:.0} messages a second and core; reading alone {:.0} s; {:.0} s by the clock, making them included",
        all.as_secs_f64(),
        learned as f64 / all.as_secs_f64(),
        read.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    println!(
        "memory           {} MiB at most while training, of which {} MiB are the real messages",
        memory::peak_kib() >> 10,
        held >> 10
    );
    if let Some(evaluation) = &trained.evaluation {
        println!(
            "evaluation       {} messages, 1-ROCA {:.4} %",
            evaluation.judged.len(),
            evaluation.one_minus_roca().unwrap_or_default()
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.mwb");
    trained.engine.save(&model).unwrap();
    println!(
        "model            {} words and pairs, {} MiB in the file",
        trained.engine.features(),
        std::fs::metadata(&model).unwrap().len() >> 20
    );
    let loaded = Command::new(std::env::current_exe().unwrap())
        .env(LOAD, &model)
        .status();
    assert!(loaded.unwrap().success());
}

/// Loads the model as a daemon does when it starts.
fn load(model: &Path) {
    let held = memory::resident_kib();
    let started = Instant::now();
    let engine = Engine::load(model, EngineKind::Osb).unwrap();
    println!(
        "load             {:.0} ms; {} MiB in memory after it, {} MiB at most during it",
        started.elapsed().as_secs_f64() * 1e3,
        (memory::resident_kib() - held) >> 10,
        (memory::peak_kib() - held) >> 10
    );
    drop(engine);
}
