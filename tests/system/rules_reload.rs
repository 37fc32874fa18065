//! A change of a file comes into force by itself, whole or not at all, while mail is on its way.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon, RULES, TAGGED};
use super::milter::{Milter, inserted};
use super::place::wait_for;

fn watching() -> Config {
    Config {
        watch: "50ms",
        ..Config::default()
    }
}

fn message(text: &str) -> Vec<u8> {
    format!("From: <sender@example.net>\r\nSubject: a message\r\n\r\n{text}\r\n").into_bytes()
}

/// Sends a message over an open session; its `X-Spam-Status`.
fn status(milter: &mut Milter, text: &str) -> String {
    milter.envelope();
    let message = message(text);
    let body = milter.header(&message);
    milter.body(body);
    milter.write_end();
    ended(milter)
}

fn ended(milter: &mut Milter) -> String {
    let replies = milter.final_replies();
    let last = replies.last().unwrap();
    assert!(
        matches!(last, MtaReply::Continue | MtaReply::Accept),
        "{replies:?}"
    );
    inserted(&replies, "X-Spam-Status").unwrap()
}

fn score_and_version(status: &str) -> (String, String) {
    let of = |key: &str| {
        let rest = status
            .split(key)
            .nth(1)
            .unwrap_or_else(|| panic!("{status}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    (of("score="), of("version="))
}

#[test]
fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
    let daemon = Daemon::start(&watching());
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    let mut now = || score_and_version(&status(&mut milter, TAGGED));
    let ok = |n: f64| daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", n);
    let info = |version: &str| {
        let text = daemon.get("/metrics").unwrap();
        let lines = text
            .lines()
            .filter(|l| l.starts_with("mailweir_configuration_info{"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(&format!("version=\"{version}\"")),
            "{lines:?}"
        );
    };
    let (score, first) = now();
    assert_eq!(score, "6.00");
    info(&first);

    std::fs::write(daemon.rules(), RULES.replace("score: 6", "score: 7.5")).unwrap();
    ok(1.0);
    let (score, second) = now();
    assert_eq!(score, "7.50");
    assert_ne!(first, second);
    info(&second);
    assert!(daemon.log().contains(&second), "the version is in the log");

    // Broken: refused once, not again and again, and mail goes on.
    std::fs::write(daemon.rules(), RULES.replace("score: 9", "scor: 9")).unwrap();
    daemon.wait_for_metric("mailweir_reloads_total{result=\"failed\"}", 1.0);
    assert_eq!(daemon.metric("mailweir_reload_ok"), 0.0);
    assert!(daemon.metric("mailweir_reload_last_failure_timestamp_seconds") > 1e9);
    assert!(daemon.get("/readyz").unwrap().starts_with("HTTP/1.1 200"));
    wait_for("the place of the mistake in the log", || {
        daemon.log().contains("rules/test.yaml:9:").then_some(())
    });
    assert_eq!(now(), ("7.50".to_owned(), second.clone()));
    info(&second);

    // As editors save: a new file, renamed over the old.
    let beside = daemon.path().join("rules/.test.yaml.new");
    std::fs::write(&beside, RULES).unwrap();
    std::fs::rename(&beside, daemon.rules()).unwrap();
    ok(2.0);
    assert_eq!(
        now(),
        ("6.00".to_owned(), first.clone()),
        "the same files are the same version"
    );
    assert_eq!(daemon.metric("mailweir_reload_ok"), 1.0);
    assert_eq!(
        daemon.metric("mailweir_reloads_total{result=\"failed\"}"),
        1.0
    );

    // The configuration itself, and a further file of rules.
    let config = daemon.path().join("mailweir.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}thresholds: {{ tag: 7 }}\n")).unwrap();
    ok(3.0);
    let said = status(&mut milter, TAGGED);
    assert!(said.starts_with("No, score=6.00 required=7.00"), "{said}");
    let more = RULES
        .replace("TEST_", "MORE_")
        .replace("score: 6", "score: 0.5");
    std::fs::write(daemon.path().join("rules/more.yaml"), more).unwrap();
    ok(4.0);
    assert_eq!(score_and_version(&status(&mut milter, TAGGED)).0, "6.50");
}

#[test]
fn a_message_ends_under_the_rules_that_it_began_with() {
    let daemon = Daemon::start(&watching());
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let sent = message(TAGGED);
    let body = milter.header(&sent);
    milter.body(body);
    std::fs::write(daemon.rules(), RULES.replace("score: 6", "score: 7.5")).unwrap();
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);
    milter.write_end();
    let (score, before) = score_and_version(&ended(&mut milter));
    assert_eq!(score, "6.00");
    let (score, after) = score_and_version(&status(&mut milter, TAGGED));
    assert_eq!(score, "7.50");
    assert_ne!(before, after);
}

/// Two files of rules that belong together.
fn generation(folder: &Path, name: &str) {
    std::fs::create_dir(folder).unwrap();
    for number in ["ONE", "TWO"] {
        let rule = format!(
            "version: 1\nrules:\n  - {{ id: {number}_{name}, description: d, score: 1, when: {{ subject: 'message' }} }}\n"
        );
        std::fs::write(folder.join(format!("{}.yaml", number.to_lowercase())), rule).unwrap();
    }
}

#[test]
fn under_load_no_message_is_lost_and_none_sees_a_mixture() {
    let daemon = Daemon::start(&Config {
        // Reloads are told from each other by the counter, so they come by signal, too.
        watch: "50ms",
        ..Config::default()
    });
    for name in ["A", "B"] {
        generation(&daemon.path().join(format!("set-{name}")), name);
    }
    let broken = daemon.path().join("set-broken");
    generation(&broken, "A");
    std::fs::write(broken.join("two.yaml"), "version: 1\nrules: [\n").unwrap();
    // The folder of rules is a link, which is replaced at one stroke.
    let point_to = |name: &str| {
        let (beside, live) = (daemon.path().join(".live"), daemon.path().join("live"));
        symlink(format!("set-{name}"), &beside).unwrap();
        std::fs::rename(&beside, &live).unwrap();
    };
    point_to("A");
    let config = daemon.path().join("mailweir.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("path: rules", "path: live")).unwrap();
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);

    let stop = AtomicBool::new(false);
    // Which rules were seen with which version, and how often.
    let seen: Mutex<BTreeMap<(String, String), usize>> = Mutex::default();
    let sent = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut sent = 0_usize;
                    while !stop.load(Ordering::Relaxed) {
                        let mut milter = Milter::open(daemon.milter);
                        milter.connect("192.0.2.1");
                        for _ in 0..5 {
                            let status = status(&mut milter, "some text");
                            sent += 1;
                            let tests = status.split("tests=").nth(1).unwrap();
                            let tests = tests.split(" version=").next().unwrap().to_owned();
                            let (_, version) = score_and_version(&status);
                            *seen.lock().unwrap().entry((tests, version)).or_default() += 1;
                        }
                    }
                    sent
                })
            })
            .collect();
        let (mut ok, mut failed) = (1.0, 0.0);
        for step in 0..12 {
            match step % 3 {
                0 => point_to("B"),
                1 => point_to("broken"),
                _ => point_to("A"),
            }
            if step % 2 == 0 {
                daemon.signal("HUP");
            }
            match step % 3 {
                1 => {
                    failed += 1.0;
                    daemon.wait_for_metric("mailweir_reloads_total{result=\"failed\"}", failed);
                }
                _ => {
                    ok += 1.0;
                    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", ok);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        senders
            .into_iter()
            .map(|s| s.join().unwrap())
            .sum::<usize>()
    });
    let seen = seen.into_inner().unwrap();
    let mut sets: Vec<&str> = seen.keys().map(|(tests, _)| tests.as_str()).collect();
    sets.sort_unstable();
    assert_eq!(
        sets,
        ["ONE_A, TWO_A", "ONE_B, TWO_B"],
        "one version for each set: {seen:?}"
    );
    assert_eq!(seen.values().sum::<usize>(), sent);
    assert!(sent > 50, "{sent}");
    assert_eq!(
        daemon.metric("mailweir_messages_total{verdict=\"deliver\"}"),
        sent as f64
    );
    assert_eq!(daemon.metric("mailweir_panics_total"), 0.0);
}

#[test]
fn a_file_that_is_being_written_is_not_read_half_way() {
    let daemon = Daemon::start(&Config {
        watch: "500ms",
        ..Config::default()
    });
    // Valid YAML at every line end, and a different set at each: many writes within one interval.
    let mut text = RULES.to_owned();
    for number in 0..40 {
        text.push_str(&format!(
            "  - {{ id: MORE_{number}, description: d, score: 0.1, when: {{ subject: 'message' }} }}\n"
        ));
        std::fs::write(daemon.rules(), &text).unwrap();
    }
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);
    daemon.wait_for_metric("mailweir_rules_loaded", 43.0);
    let reloads = daemon.metric("mailweir_reloads_total{result=\"ok\"}");
    // One, or two where the machine was so slow that the writes took longer than the interval.
    assert!(reloads <= 2.0, "{reloads} reloads");
    assert_eq!(
        daemon.metric("mailweir_reloads_total{result=\"failed\"}"),
        0.0
    );
}
