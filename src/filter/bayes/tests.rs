//! Promises of the whole filter.

mod configured;
mod corpora;
mod learning;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::config::{Source, parse_yaml};
use crate::filter::{Build, Filter, Outcome, Scan};
use crate::mail::corpus::{Corpus, Sample};
use crate::mail::{Envelope, Limits, Mail};
use crate::metrics::Metrics;

use super::features::{Settings, features, features_in_order};
use super::logistic::Random;
use super::*;

const HAM: [&str; 12] = [
    "meeting",
    "minutes",
    "thursday",
    "patch",
    "review",
    "garden",
    "grandmother",
    "tickets",
    "compiler",
    "lecture",
    "invoice",
    "library",
];
const SPAM: [&str; 12] = [
    "winner",
    "pills",
    "casino",
    "loan",
    "urgent",
    "prince",
    "bitcoin",
    "guarantee",
    "viagra",
    "lottery",
    "unlock",
    "deposit",
];
const BOTH: [&str; 10] = [
    "the", "and", "your", "for", "with", "please", "today", "we", "have", "account",
];

/// A message of words that its class likes, among words of both.
fn message(class: Class, number: u64) -> Bytes {
    let mut random = Random(number * 2 + u64::from(class == Class::Spam));
    let own = if class == Class::Ham { HAM } else { SPAM };
    let mut text = format!("From: a{number}@example.net\r\nSubject: note {number}\r\n\r\n");
    for _ in 0..60 {
        let i = random.next() as usize;
        let word = if i.is_multiple_of(3) {
            own[i / 3 % 12]
        } else {
            BOTH[i / 3 % 10]
        };
        let _ = write!(text, "{word} ");
    }
    text.push_str("\r\n");
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

fn trained(kind: EngineKind, ham: u64, spam: u64) -> Trained {
    let mut trainer = Trainer::new(kind);
    trainer.learn(Class::Ham, samples(Class::Ham, ham));
    trainer.learn(Class::Spam, samples(Class::Spam, spam));
    trainer
        .finish(Facts {
            seed: 1,
            trained_at: 1_700_000_000,
            ..Facts::default()
        })
        .unwrap()
}

fn probability(engine: &Engine, raw: Bytes) -> f64 {
    engine
        .judge(&Mail::parse(raw, &Limits::default()), 1 << 16, 0)
        .probability
}

fn bytes_of(engine: &Engine) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    engine.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn ham_and_spam_are_told_apart_by_either_engine() {
    for kind in [EngineKind::Osb, EngineKind::Bayespam] {
        let trained = trained(kind, 80, 80);
        for number in 1000..1020 {
            assert!(
                probability(&trained.engine, message(Class::Ham, number)) < 0.2,
                "{kind:?}"
            );
            assert!(
                probability(&trained.engine, message(Class::Spam, number)) > 0.8,
                "{kind:?}"
            );
        }
        assert!(trained.evaluation.unwrap().one_minus_roca().unwrap() < 1.0);
    }
}

#[test]
fn ten_times_more_of_one_class_does_not_make_everything_that_class() {
    for (ham, spam) in [(600, 60), (60, 600)] {
        let engine = trained(EngineKind::Osb, ham, spam).engine;
        for number in 1000..1020 {
            assert!(
                probability(&engine, message(Class::Ham, number)) < 0.4,
                "{ham}:{spam}"
            );
            assert!(
                probability(&engine, message(Class::Spam, number)) > 0.6,
                "{ham}:{spam}"
            );
        }
        // Words that nobody has seen say nothing.
        let unknown = probability(
            &engine,
            "Xyzzy: q\r\n\r\nqqqa qqqb qqqc qqqd qqqe qqqf qqqg qqqh\r\n".into(),
        );
        assert!(
            (0.05..0.95).contains(&unknown),
            "{ham}:{spam} gives {unknown}"
        );
    }
}

#[test]
fn the_same_corpus_and_seed_give_the_same_file_in_any_order() {
    for kind in [EngineKind::Osb, EngineKind::Bayespam] {
        let one = trained(kind, 60, 60);
        let mut trainer = Trainer::new(kind);
        let mut spam = samples(Class::Spam, 60);
        spam.reverse();
        trainer.learn(Class::Spam, spam);
        for sample in samples(Class::Ham, 60) {
            trainer.learn(Class::Ham, vec![sample]);
        }
        let two = trainer
            .finish(Facts {
                seed: 1,
                trained_at: 1_700_000_000,
                ..Facts::default()
            })
            .unwrap();
        assert!(bytes_of(&one.engine) == bytes_of(&two.engine), "{kind:?}");
    }
}

#[test]
fn copies_count_once_and_contradictions_not_at_all() {
    let mut trainer = Trainer::new(EngineKind::Osb);
    let mut ham = samples(Class::Ham, 30);
    ham.extend(samples(Class::Ham, 5));
    let mut spam = samples(Class::Spam, 30);
    spam.extend(samples(Class::Ham, 1));
    trainer.learn(Class::Ham, ham);
    trainer.learn(Class::Spam, spam);
    let trained = trainer.finish(Facts::default()).unwrap();
    assert_eq!(
        (
            trained.read.copies,
            trained.read.in_both,
            trained.read.learned
        ),
        (5, 1, 59)
    );
    assert_eq!(
        (trained.engine.facts().ham, trained.engine.facts().spam),
        (29, 30)
    );
}

#[test]
fn an_empty_class_gives_no_model() {
    let mut trainer = Trainer::new(EngineKind::Osb);
    trainer.learn(Class::Ham, samples(Class::Ham, 3));
    let error = trainer.finish(Facts::default()).unwrap_err();
    assert_eq!(error.to_string(), "there is no spam to learn from");
}

#[test]
fn a_small_corpus_trains_without_an_evaluation() {
    let trained = trained(EngineKind::Osb, 5, 5);
    assert!(trained.evaluation.is_none());
    assert!(probability(&trained.engine, message(Class::Spam, 3)) <= 6.0 / 7.0 + 1e-9);
}

#[test]
fn a_saved_model_judges_as_before_and_the_other_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, other) in [
        (EngineKind::Osb, EngineKind::Bayespam),
        (EngineKind::Bayespam, EngineKind::Osb),
    ] {
        let engine = trained(kind, 60, 60).engine;
        let path = dir.path().join(kind.name());
        engine.save(&path).unwrap();
        let loaded = Engine::load(&path, kind).unwrap();
        assert_eq!(loaded.facts(), engine.facts());
        for number in 0..5 {
            let raw = message(Class::Spam, number);
            assert_eq!(probability(&loaded, raw.clone()), probability(&engine, raw));
        }
        let error = Engine::load(&path, other).unwrap_err().to_string();
        assert!(error.contains("this is a model of the engine"), "{error}");
    }
}

#[test]
fn headers_of_the_receiving_side_and_of_filters_change_nothing() {
    let settings = Settings::default();
    let plain = "From: a@example.org\r\nSubject: hello\r\n\r\nSome text.\r\n";
    let read = |text: String| {
        features(
            &Mail::parse(text.into(), &Limits::default()),
            &settings,
            1 << 16,
        )
    };
    let expected = read(plain.to_owned());
    for header in [
        "X-Spam-Status: Yes, score=99",
        "x-spam-flag: YES",
        "X-Virus-Scanned: clean",
        "X-Mailweir-Score: 5",
        "Received: from localhost (localhost [127.0.0.1]) by mx.example.org; Sat, 1 Jan 2022 00:00:00 +0000",
        "Return-Path: <bounce@example.net>",
        "Delivered-To: me@example.org",
        "X-Original-To: me@example.org",
        "Authentication-Results: mx; spf=fail",
        "Received-SPF: fail",
        "ARC-Seal: i=1; a=rsa-sha256",
        ">From someone@example.org Sat Jan  1 00:00:00 2022",
    ] {
        let mut marked = read(format!("{header}\r\n{plain}"));
        // Only the size class of the whole message may differ.
        let extra: Vec<u64> = marked
            .hashes
            .iter()
            .copied()
            .filter(|h| !expected.hashes.contains(h))
            .collect();
        assert!(extra.len() <= 1, "{header} adds {} features", extra.len());
        marked.hashes.retain(|h| !extra.contains(h));
        assert!(marked.hashes.len() >= expected.hashes.len() - 1, "{header}");
        assert_eq!(marked.places, expected.places, "{header}");
    }
    assert_ne!(
        read(format!("X-Mailer: bulk\r\n{plain}")).places,
        expected.places
    );
}

#[test]
fn what_a_mailing_list_adds_changes_nothing() {
    let settings = Settings::default();
    let read = |text: &str| {
        let mail = Mail::parse(text.replace('\n', "\r\n").into(), &Limits::default());
        features(&mail, &settings, 1 << 16)
    };
    let sent = "Received: from pc.isp.example (pc.isp.example [203.0.113.9]) by mx.talk.example with SMTP\n\
        From: Ann <a@example.org>\nTo: talk@talk.example\nSubject: Re: hello\n\n\
        Some text, http://b.example/x\n";
    let through = "Received: from lists.talk.example (lists.talk.example [192.0.2.7]) by mx.example.com with ESMTP\n\
        Received: from lists.talk.example (localhost [127.0.0.1]) by lists.talk.example with ESMTP\n"
        .to_owned()
        + &sent.replace("Re: hello", "Re: [Talk] hello").replace(
            "\n\nSome",
            "\nSender: talk-admin@talk.example\nErrors-To: talk-admin@talk.example\nX-BeenThere: talk@talk.example\n\
             X-Mailman-Version: 2.1\nPrecedence: bulk\nList-Id: Talk <talk.talk.example>\n\nSome",
        )
        + "_______________\nTalk mailing list\nhttp://talk.example/mailman/listinfo/talk\n";
    let (direct, listed) = (read(sent), read(&through));
    assert_eq!(direct.places, listed.places);
    // Only the size class of the whole message may differ.
    let same = direct.hashes.iter().filter(|h| listed.hashes.contains(h));
    assert!(same.count() + 1 >= direct.hashes.len().max(listed.hashes.len()));
    // Who only claims to be a list is read in full.
    let mailing = read(
        &through
            .replace("X-BeenThere", "X-Campaign")
            .replace("X-Mailman", "X-Mailer"),
    );
    assert_ne!(mailing.places, listed.places);
}

#[test]
fn features_are_bounded_whatever_the_message() {
    let settings = Settings::default();
    let mut random = Random(3);
    let mut text = String::from("Subject: long\r\n\r\n");
    for _ in 0..400_000 {
        let _ = write!(text, "w{:x} ", random.next() % 1_000_000);
    }
    let features = features(
        &Mail::parse(text.into(), &Limits::default()),
        &settings,
        1 << 16,
    );
    assert!(features.hashes.len() <= settings.max_features as usize);
    for places in &features.places {
        assert!(places.len() <= settings.max_features as usize);
    }
}

#[test]
fn padding_in_front_does_not_push_the_end_out_of_sight() {
    let engine = trained(EngineKind::Osb, 80, 80).engine;
    let padding = "Subject: x\r\n\r\n".to_owned() + &"zzz ".repeat(200_000);
    let spam = format!(
        "{padding}{}",
        String::from_utf8_lossy(&message(Class::Spam, 5))
    );
    let mail = Mail::parse(spam.into(), &Limits::default());
    assert!(
        engine.judge(&mail, 1 << 16, 0).probability
            > engine
                .judge(&Mail::parse(padding.into(), &Limits::default()), 1 << 16, 0)
                .probability
    );
}
