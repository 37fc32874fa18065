//! Promises about lessons: durable, never twice, never half, whatever dies in between.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::filter::{Action, Hit, Outcome, Reason, Report, Scan};
use crate::mail::{Limits, Mail};
use crate::metrics::Metrics;
use crate::workbench::registry::Registry;

use super::journal::{HEADER, Journal};
use super::live::Live;
use super::*;

fn mail(class: Class, number: u64) -> Mail {
    let words = match class {
        Class::Ham => "minutes of the garden meeting",
        Class::Spam => "cheap casino pills winner",
    };
    let text = format!(
        "From: a{number}@example.net\r\nSubject: {words}\r\n\r\n{words} number {number}\r\n"
    );
    Mail::parse(text.into(), &Limits::default())
}

fn lesson(class: Class, number: u64, teaching: Teaching, origin: Origin) -> Lesson {
    Engine::empty()
        .lesson(&mail(class, number), teaching, origin, 1_700_000_000)
        .unwrap()
}

fn learned(class: Class, number: u64) -> Lesson {
    lesson(class, number, Teaching::Learn(class), Origin::Human)
}

fn open(model: &Path) -> Live {
    let metrics = Arc::new(Metrics::new().unwrap());
    Live::open(model.to_owned(), EngineKind::Osb, &metrics).unwrap()
}

fn counts(live: &Live) -> (u64, u64) {
    live.engine()
        .map_or((0, 0), |e| (e.facts().ham, e.facts().spam))
}

fn bytes(live: &Live) -> Vec<u8> {
    let mut engine = Engine::clone(&live.engine().unwrap());
    engine.forget_position();
    engine.encode().unwrap()
}

/// A model that was trained on three messages of each class.
fn train(model: &Path) {
    let mut trainer = Trainer::new(EngineKind::Osb);
    for class in [Class::Ham, Class::Spam] {
        let samples = (0..3).map(|n| crate::mail::corpus::Sample {
            path: format!("{class}/{n}").into(),
            number: None,
            raw: mail(class, n).raw().clone(),
        });
        trainer.learn(class, samples.collect());
    }
    let trained = trainer.finish(Facts {
        trained_at: 1,
        sources: vec!["ham here".into()],
        ..Facts::default()
    });
    trained.unwrap().engine.save(model).unwrap();
}

#[test]
fn lessons_of_another_process_count_without_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let live = open(&model);
    assert!(live.engine().is_none());
    let journal = Journal::of(&model);
    journal
        .append(&[learned(Class::Ham, 1), learned(Class::Spam, 2)])
        .unwrap();
    live.look();
    assert_eq!(counts(&live), (1, 1));
    journal.append(&[learned(Class::Spam, 3)]).unwrap();
    live.look();
    live.look();
    assert_eq!(counts(&live), (1, 2));
    assert!(bytes(&open(&model)) == bytes(&live), "as after a restart");
}

#[test]
fn a_training_and_its_journal_come_together_and_nothing_is_learned_twice() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    train(&model);
    let journal = Journal::of(&model);
    journal
        .append(&[
            learned(Class::Ham, 1),
            learned(Class::Ham, 7),
            learned(Class::Ham, 7),
            lesson(Class::Spam, 2, Teaching::Forget, Origin::Human),
            lesson(Class::Ham, 7, Teaching::Learn(Class::Spam), Origin::Auto),
        ])
        .unwrap();
    assert_eq!(counts(&open(&model)), (4, 2));
    // Trained anew, the lessons still hold.
    train(&model);
    assert_eq!(counts(&open(&model)), (4, 2));
}

#[test]
fn a_journal_cut_at_any_byte_loses_only_the_lesson_that_was_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    let first = journal.append(&[learned(Class::Ham, 1)]).unwrap().offset;
    let second = journal.append(&[learned(Class::Spam, 2)]).unwrap().offset;
    let whole = std::fs::read(journal.path()).unwrap();
    assert_eq!(whole.len() as u64, second);
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        std::fs::write(journal.path(), &whole[..length]).unwrap();
        let expected = u64::from(length as u64 >= first);
        assert_eq!(counts(&open(&model)), (expected, 0), "{length} bytes");
        // The next lesson, of another process, goes where the torn one began.
        let another = Journal::of(&model);
        another.append(&[learned(Class::Spam, 3)]).unwrap();
        assert_eq!(counts(&open(&model)), (expected, 1), "{length} bytes");
    }
}

#[test]
fn what_is_damaged_is_reported_put_aside_and_never_learned() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    let first = journal.append(&[learned(Class::Ham, 1)]).unwrap().offset;
    journal.append(&[learned(Class::Spam, 2)]).unwrap();
    let mut bytes = std::fs::read(journal.path()).unwrap();
    bytes[first as usize + 40] ^= 1;
    std::fs::write(journal.path(), &bytes).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let live = Live::open(model.clone(), EngineKind::Osb, &metrics).unwrap();
    assert_eq!(counts(&live), (1, 0), "what is whole before the damage");
    assert_eq!(metrics.journal_errors.get(), 1);
    live.look();
    assert_eq!(metrics.journal_errors.get(), 1, "said once");
    let explained = current(&model, EngineKind::Osb).unwrap().unwrap();
    assert_eq!(explained.facts().ham, 1, "to every reader alike");
    let another = Journal::of(&model);
    another.append(&[learned(Class::Spam, 3)]).unwrap();
    live.look();
    assert_eq!(counts(&live), (1, 1));
    let aside = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .find(|n| n.contains("damaged"))
        .expect("kept");
    assert_eq!(
        std::fs::read(dir.path().join(aside)).unwrap(),
        bytes[first as usize..]
    );
}

/// A length that is too long makes a lesson look like one that was being written: what stands behind it would be cut off. Break it by
/// believing the length.
#[test]
fn a_damaged_length_costs_no_lesson_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    let first = journal.append(&[learned(Class::Ham, 1)]).unwrap().offset as usize;
    for number in 2..6 {
        journal.append(&[learned(Class::Spam, number)]).unwrap();
    }
    let whole = std::fs::read(journal.path()).unwrap();
    for (at, bit) in [(0, 7), (1, 3), (1, 7), (2, 0), (2, 5), (3, 0), (3, 7)] {
        let mut bytes = whole.clone();
        bytes[first + at] ^= 1 << bit;
        std::fs::write(journal.path(), &bytes).unwrap();
        Journal::of(&model)
            .append(&[learned(Class::Spam, 9)])
            .unwrap();
        assert_eq!(counts(&open(&model)), (1, 1));
        let aside = std::fs::read_dir(dir.path()).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            path.to_str()?.contains("damaged").then_some(path)
        });
        let aside = aside.unwrap_or_else(|| panic!("byte {at}, bit {bit}: four lessons are gone"));
        assert_eq!(std::fs::read(&aside).unwrap(), bytes[first..]);
        std::fs::remove_file(aside).unwrap();
    }
}

/// Break it by reading without the lock.
#[test]
fn a_lesson_counts_only_when_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    journal.append(&[learned(Class::Ham, 1)]).unwrap();
    let before = std::fs::read(journal.path()).unwrap();
    journal.append(&[learned(Class::Spam, 2)]).unwrap();
    let after = std::fs::read(journal.path()).unwrap();
    std::fs::write(journal.path(), &before).unwrap();

    // A writer whose disk gives up when everything is written and not yet synced.
    let mut writer = std::fs::OpenOptions::new()
        .append(true)
        .open(journal.path())
        .unwrap();
    writer.lock().unwrap();
    writer.write_all(&after[before.len()..]).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let live = open(&model);
        sender.send(counts(&live)).unwrap();
        live
    });
    let early = receiver.recv_timeout(std::time::Duration::from_millis(300));
    assert!(early.is_err(), "read while it was written: {early:?}");
    writer.set_len(before.len() as u64).unwrap();
    drop(writer);
    let live = reader.join().unwrap();
    assert_eq!(counts(&live), (1, 0), "what was taken back was never there");
    journal.append(&[learned(Class::Spam, 3)]).unwrap();
    live.look();
    assert_eq!(counts(&live), (1, 1));
}

#[test]
fn a_foreign_file_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    let foreign = vec![b'x'; 100];
    std::fs::write(journal.path(), &foreign).unwrap();
    let error = journal.append(&[learned(Class::Ham, 1)]).unwrap_err();
    assert!(error.to_string().contains("no journal"), "{error}");
    assert_eq!(std::fs::read(journal.path()).unwrap(), foreign);
}

#[test]
fn folding_survives_a_crash_between_its_two_steps() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    train(&model);
    let journal = Journal::of(&model);
    let live = open(&model);
    journal
        .append(&[learned(Class::Ham, 11), learned(Class::Spam, 12)])
        .unwrap();
    live.look();
    let before = std::fs::read(journal.path()).unwrap();
    live.fold_now().unwrap();
    assert_eq!(counts(&live), (4, 4));
    assert_eq!(std::fs::metadata(journal.path()).unwrap().len(), HEADER);
    let after = bytes(&open(&model));
    assert!(after == bytes(&live));

    // The crash: the model is new, the journal still the old one.
    std::fs::write(journal.path(), before).unwrap();
    let live = open(&model);
    assert_eq!(counts(&live), (4, 4));
    assert!(bytes(&live) == after);
    journal.append(&[learned(Class::Spam, 13)]).unwrap();
    live.look();
    assert_eq!(counts(&live), (4, 5));
    assert_eq!(counts(&open(&model)), (4, 5));
}

#[test]
fn another_process_may_fold() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let (one, other) = (open(&model), open(&model));
    let journal = Journal::of(&model);
    journal.append(&[learned(Class::Ham, 1)]).unwrap();
    one.look();
    other.look();
    one.fold_now().unwrap();
    journal.append(&[learned(Class::Spam, 2)]).unwrap();
    // One that comes too late changes nothing.
    other.fold_now().unwrap();
    for live in [&one, &other, &open(&model)] {
        live.look();
        assert_eq!(counts(live), (1, 1));
    }
}

/// Break it by asking only whether lessons were applied here.
#[test]
fn a_fold_of_another_process_counts_also_where_no_lesson_was_applied() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    train(&model);
    let journal = Journal::of(&model);
    let one = open(&model);
    journal.append(&[learned(Class::Ham, 10)]).unwrap();
    one.look();
    one.fold_now().unwrap();
    let idle = open(&model);
    journal.append(&[learned(Class::Ham, 11)]).unwrap();
    one.look();
    one.fold_now().unwrap();
    journal.append(&[learned(Class::Spam, 12)]).unwrap();
    idle.look();
    assert_eq!(counts(&idle), (5, 4));
    idle.look();
    assert_eq!(counts(&idle), (5, 4));
    one.look();
    assert!(bytes(&idle) == bytes(&one));
}

#[test]
fn a_fold_leaves_the_link_to_the_folder_of_models_and_their_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    train(&model);
    let registry = Registry::of(&model);
    // What lies there is taken into the folder and linked to.
    drop(registry.change().unwrap());
    let before = registry.live().unwrap();
    let trained = std::fs::read(registry.file(&before)).unwrap();

    let live = open(&model);
    let journal = Journal::of(&model);
    journal.append(&[learned(Class::Ham, 10)]).unwrap();
    live.look();
    live.fold_now().unwrap();

    let after = registry.live().unwrap();
    assert_ne!(before, after);
    assert_eq!(std::fs::read(registry.file(&before)).unwrap(), trained);
    assert_eq!(counts(&open(&model)), (4, 3));
    let book = &registry.change().unwrap().book;
    assert_eq!(book.entry(&after).unwrap().ham, 4);
    assert_eq!(book.before(&after), Some(before));
    assert_eq!(bytes(&open(&model)), bytes(&live));
}

#[test]
fn a_model_of_lessons_only_says_when_the_latest_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let live = open(&model);
    let at = |number, at| Lesson {
        at,
        ..learned(Class::Ham, number)
    };
    let lessons = [
        at(1, 1_700_000_000),
        at(2, 1_700_000_900),
        at(3, 1_600_000_000),
    ];
    Journal::of(&model).append(&lessons).unwrap();
    live.look();
    live.fold_now().unwrap();
    let trained_at = |path| {
        Engine::load(path, EngineKind::Osb)
            .unwrap()
            .facts()
            .trained_at
    };
    assert_eq!(trained_at(&model), 1_700_000_900);
    // It goes on being one of lessons only.
    Journal::of(&model).append(&[at(4, 1_800_000_000)]).unwrap();
    live.look();
    live.fold_now().unwrap();
    assert_eq!(trained_at(&model), 1_800_000_000);
}

#[test]
fn a_model_trained_meanwhile_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let live = open(&model);
    let journal = Journal::of(&model);
    journal.append(&[learned(Class::Ham, 1)]).unwrap();
    live.look();
    train(&model);
    let trained = std::fs::read(&model).unwrap();
    live.fold_now().unwrap();
    assert_eq!(std::fs::read(&model).unwrap(), trained);
    assert!(std::fs::metadata(journal.path()).unwrap().len() > HEADER);
}

#[test]
fn a_person_s_lesson_about_the_delivered_message_outranks_the_automatic_one() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let journal = Journal::of(&model);
    let auto = lesson(Class::Ham, 5, Teaching::Learn(Class::Ham), Origin::Auto);
    let stored = format!(
        "Return-Path: <x@example.net>\r\nX-Spam-Flag: NO\r\nReceived: from a by b; now\r\n{}",
        String::from_utf8_lossy(mail(Class::Ham, 5).raw())
    );
    let stored = Mail::parse(stored.into(), &Limits::default());
    let human = Engine::empty()
        .lesson(&stored, Teaching::Learn(Class::Spam), Origin::Human, 2)
        .unwrap();
    journal.append(&[auto.clone(), human, auto]).unwrap();
    assert_eq!(counts(&open(&model)), (0, 1));
}

fn report(filter: &'static str, outcome: Outcome) -> Report {
    Report {
        filter,
        outcome,
        elapsed: std::time::Duration::ZERO,
    }
}

#[test]
fn autolearn_needs_clear_words_of_others_and_a_balance() {
    let source = crate::config::Source::new("x.yaml", "enabled: true\nbalance: 2".to_owned());
    let autolearn: Autolearn = crate::config::parse_yaml(&source).unwrap();
    let scan = Arc::new(Scan {
        mail: mail(Class::Spam, 9),
        ..Scan::default()
    });
    let engine = Engine::empty();
    let teaches = |autolearn: &Autolearn, engine: &Engine, reports: &[Report]| {
        let lesson = autolearn.lesson(engine, &scan, reports, 1 << 16, 0)?;
        assert_eq!(lesson.origin, Origin::Auto);
        Some(lesson.teaching)
    };
    let says = |filter, score| report(filter, Outcome::Checked(vec![Hit::new("R", score, "")]));
    let spam = [says("rules", 16.0)];
    let learn_spam = Some(Teaching::Learn(Class::Spam));
    assert_eq!(teaches(&autolearn, &engine, &spam), learn_spam);
    assert_eq!(
        teaches(&autolearn, &engine, &[says("dnsbl", -2.0)]),
        Some(Teaching::Learn(Class::Ham))
    );
    assert_eq!(teaches(&autolearn, &engine, &[says("rules", 5.0)]), None);
    assert_eq!(
        teaches(
            &autolearn,
            &engine,
            &[says("rules", 5.0), says("bayes", 20.0)]
        ),
        None,
        "the classifier does not confirm itself"
    );
    let decides = |action| {
        report(
            "clamav",
            Outcome::Checked(vec![Hit::new("V", 0.0, "").decisive(action)]),
        )
    };
    for (score, action, teaching) in [
        (-2.0, Action::Reject, None),
        (-2.0, Action::Quarantine, None),
        (-2.0, Action::Deliver, Some(Teaching::Learn(Class::Ham))),
        (16.0, Action::Deliver, None),
        (16.0, Action::Reject, learn_spam),
    ] {
        let reports = [says("rules", score), decides(action)];
        let taught = teaches(&autolearn, &engine, &reports);
        assert_eq!(taught, teaching, "{score} and {action:?}");
    }
    let unscanned = report(
        "clamav",
        Outcome::Unscanned {
            reason: Reason::Timeout,
            detail: String::new(),
            hits: Vec::new(),
        },
    );
    assert_eq!(
        teaches(&autolearn, &engine, &[says("rules", 16.0), unscanned]),
        None
    );
    assert_eq!(
        teaches(&Autolearn::default(), &engine, &spam),
        None,
        "off by default"
    );

    let mut learner = Learner::empty();
    for number in 100..103 {
        learner.learn(&mail(Class::Spam, number), Class::Spam);
    }
    assert_eq!(
        teaches(&autolearn, &learner.snapshot(), &spam),
        None,
        "balance"
    );
    let mut learner = Learner::empty();
    for number in 100..200 {
        // The classifier knows these words as ham, and is sure.
        learner.learn(&mail(Class::Spam, number), Class::Ham);
        learner.learn(&mail(Class::Ham, number), Class::Spam);
    }
    assert_eq!(
        teaches(&autolearn, &learner.snapshot(), &spam),
        None,
        "doubt"
    );
}

/// A flood comes faster than the journal is looked at. Break it by counting only what the engine holds.
#[test]
fn automatic_lessons_on_their_way_count_for_the_balance() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let live = open(&model);
    let autolearn = Autolearn::default();
    let automatic = |class, number| lesson(class, number, Teaching::Learn(class), Origin::Auto);
    let promised = |class, number| {
        live.promise(&automatic(class, number), |this, other| {
            autolearn.balances(this, other)
        })
    };
    let flood = |numbers: std::ops::Range<u64>| {
        let promised = numbers.filter(|n| promised(Class::Spam, *n));
        promised.collect::<Vec<u64>>()
    };
    assert_eq!(flood(0..50), [0, 1, 2], "three times none, and one");
    assert!(promised(Class::Ham, 60), "of the other class");
    for number in 0..3 {
        live.teach(automatic(Class::Spam, number)).unwrap();
    }
    live.look();
    assert_eq!(counts(&live), (0, 3));
    assert!(flood(100..150).is_empty());
    live.teach(automatic(Class::Ham, 60)).unwrap();
    live.look();
    assert_eq!(counts(&live), (1, 3));
    assert_eq!(flood(100..150), [100, 101, 102], "kept promises are none");
}

fn class_of(number: u64) -> Class {
    if number.is_multiple_of(2) {
        Class::Ham
    } else {
        Class::Spam
    }
}

/// Not a test of its own: the process that is killed in the next one.
#[test]
fn child_learns_until_it_is_killed() {
    let Ok(dir) = std::env::var("MAILWEIR_TEST_KILL_DIR") else {
        return;
    };
    let start: u64 = std::env::var("MAILWEIR_TEST_KILL_FROM")
        .unwrap()
        .parse()
        .unwrap();
    let live = open(&Path::new(&dir).join("model.mwb"));
    for number in start..start + 100_000 {
        live.teach(learned(class_of(number), number)).unwrap();
        let line = format!("taught {number}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        if number % 5 == 0 {
            live.look();
        }
        if number % 15 == 0 {
            live.fold_now().unwrap();
        }
    }
}

#[test]
fn kill_9_at_any_moment_loses_no_lesson_and_doubles_none() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.mwb");
    let mut taught: Vec<u64> = Vec::new();
    let rounds = 6;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "filter::bayes::live_tests::child_learns_until_it_is_killed",
                "--nocapture",
            ])
            .env("MAILWEIR_TEST_KILL_DIR", dir.path())
            .env("MAILWEIR_TEST_KILL_FROM", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut note = |line: &str| {
            if let Some(number) = line.split("taught ").nth(1) {
                taught.push(number.trim().parse().unwrap());
            }
        };
        // The moment is chance: so many lines, and wherever the child is by then.
        for _ in 0..15 + (ulid::Ulid::new().0 % 40) {
            note(&lines.next().expect("the child works on").unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| note(&line));

        let (ham, spam) = counts(&open(&model));
        let found = ham + spam;
        let known = taught.len() as u64;
        assert!(found >= known, "{found} of {known} are left");
        // In each round one may have been taken that was not told any more.
        assert!(found <= known + round + 1, "{found} of {known}");
        let again: Vec<Lesson> = taught.iter().map(|n| learned(class_of(*n), *n)).collect();
        Journal::of(&model).append(&again).unwrap();
        assert_eq!(counts(&open(&model)), (ham, spam), "each was known");
    }
}
