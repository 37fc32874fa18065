//! The history of verdicts: there within a moment, searched and explained beside the daemon, over the failures of its disk;
//! and messages replayed from it.

use std::path::Path;
use std::process::Output;

use mailweir::milter::MtaReply;
use serde_json::Value;

use super::daemon::{Config, Daemon, HELD, RULES, TAGGED, program};
use super::disk::SmallDisk;
use super::message::message;
use super::milter::{Milter, inserted};
use super::place::wait_for;

fn run(daemon: &Daemon, command: &str, args: &[&str]) -> Output {
    program()
        .arg(command)
        .args(args)
        .arg("--config")
        .arg(daemon.path().join("mailweir.yaml"))
        .output()
        .unwrap()
}

fn text(out: &Output) -> String {
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout.clone()).unwrap()
}

/// What `mailweir history --json` finds.
pub(super) fn found(daemon: &Daemon, args: &[&str]) -> Vec<Value> {
    let all = [&["--json", "--limit", "0"], args].concat();
    let text = text(&run(daemon, "history", &all));
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits until so many messages are found.
pub(super) fn wait_until_found(daemon: &Daemon, args: &[&str], number: usize) -> Vec<Value> {
    wait_for("the history to be written", || {
        let file = daemon.path().join("data/history.sqlite");
        // Before the daemon has made it there is nothing to read.
        let there = std::fs::metadata(file).is_ok_and(|m| m.len() > 0);
        let found = if there {
            found(daemon, args)
        } else {
            Vec::new()
        };
        (found.len() == number).then_some(found)
    })
}

pub(super) fn send(daemon: &Daemon, raw: &[u8]) -> Vec<MtaReply> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.7");
    milter.envelope();
    milter.message(raw)
}

pub(super) fn wait_for_written(daemon: &Daemon, messages: f64) {
    daemon.wait_for_metric("mailweir_history_written_total", messages);
}

#[test]
fn a_message_is_in_the_history_within_a_moment_and_explained() {
    let daemon = Daemon::start(&Config::default());
    let replies = send(&daemon, &message("Lunch and dinner", TAGGED));
    let id = inserted(&replies, "X-Mailweir-Id").unwrap();
    send(&daemon, &message("Something else", "Hello."));
    let all = wait_until_found(&daemon, &[], 2);
    assert_eq!(all[0]["subject"], "Something else");
    let tagged = found(
        &daemon,
        &["dinner", "--verdict", "tag", "--rule", "test_six"],
    );
    assert_eq!(tagged, found(&daemon, &["--id", &id]));
    let entry = &tagged[0];
    assert_eq!(entry["id"], id.as_str());
    assert_eq!(entry["client"], "203.0.113.7");
    assert_eq!(entry["from"], "sender@example.net");
    assert_eq!(entry["score"], 6.0);
    assert_eq!(entry["answer"], "accept");
    assert_eq!(entry["outcomes"][0]["hits"][0]["rule"], "TEST_SIX");
    assert!(entry["rules"].is_string() && entry["version"].is_string());
    assert_eq!(daemon.metric("mailweir_history_messages"), 2.0);

    let people = text(&run(&daemon, "history", &["--client", "203.0.113.0/24"]));
    assert!(
        people.contains("Lunch and dinner") && people.contains("TEST_SIX"),
        "{people}"
    );
    let nothing = text(&run(&daemon, "history", &["nowhere"]));
    assert_eq!(nothing, "Nothing is found.\n");
    let overview = text(&run(&daemon, "history", &["--overview"]));
    assert!(
        overview.contains("TEST_SIX") && overview.contains("inbound"),
        "{overview}"
    );
    let explained = text(&run(&daemon, "explain", &[&id]));
    for part in [
        "tag, score 6.00, at or above 5",
        "TEST_SIX  The word that is worth six points",
        "rules/test.yaml:",
        TAGGED,
        "203.0.113.7",
    ] {
        assert!(explained.contains(part), "{part} in:\n{explained}");
    }
    let json: Value =
        serde_json::from_str(&text(&run(&daemon, "explain", &["--json", &id]))).unwrap();
    assert_eq!(json["rules_now"][0]["rule"], "TEST_SIX");
    let unknown = run(&daemon, "explain", &["01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn hostile_text_acts_on_no_terminal() {
    let daemon = Daemon::start(&Config::default());
    let subject = "a \u{1b}[2Jb \u{202e}gpj.exe <script>alert(1)</script> ' OR 1=1 --";
    let body = format!("\u{1b}]0;x\u{7}{TAGGED}");
    send(&daemon, &message(subject, &body));
    let entry = wait_until_found(&daemon, &["script"], 1).remove(0);
    assert!(entry["subject"].as_str().unwrap().contains('\u{202e}'));
    let id = entry["id"].as_str().unwrap();
    for (command, args) in [
        ("history", &[][..]),
        ("explain", &[id]),
        ("history", &["' OR \"1\"=\"1"]),
    ] {
        let shown = text(&run(&daemon, command, args));
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(acts), "{shown:?}");
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_mail_goes_on() {
    let mut daemon = Daemon::start(&Config::default());
    send(&daemon, &message("before", "Hello."));
    wait_for_written(&daemon, 1.0);
    daemon.signal("KILL");
    daemon.wait();
    let data = daemon.path().join("data");
    for end in ["", "-wal"] {
        let path = data.join(format!("history.sqlite{end}"));
        let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
        std::fs::write(&path, vec![0x5a; usize::try_from(bytes).unwrap().max(8192)]).unwrap();
    }
    daemon.restart();
    let replies = send(&daemon, &message("after", "Hello."));
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    wait_until_found(&daemon, &["--subject", "after"], 1);
    assert_eq!(daemon.metric("mailweir_history_set_aside_total"), 1.0);
    assert!(data.join("history.sqlite.damaged").exists());
    assert!(daemon.log().contains("the file of the history is damaged"));
}

#[test]
fn a_full_disk_is_counted_and_mail_goes_on() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let mut daemon = Daemon::start(&Config::default());
    daemon.move_to(disk.path());
    send(&daemon, &message("before", "Hello."));
    wait_for_written(&daemon, 1.0);
    disk.fill();
    let body = "Hello. ".repeat(100);
    for number in 0..100 {
        let replies = send(
            &daemon,
            &message(&format!("full {number} {body}"), "Hello."),
        );
        assert_eq!(replies.last(), Some(&MtaReply::Continue));
        if daemon.metric("mailweir_history_failures_total") >= 1.0 {
            break;
        }
    }
    daemon.wait_for_metric("mailweir_history_failures_total", 1.0);
    let replies = send(&daemon, &message("still", "Hello."));
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    wait_for("the log to say so", || {
        let said = daemon.log().contains("the history cannot be written");
        said.then_some(())
    });
    disk.make_room();
    daemon.wait_for_metric("mailweir_history_up", 1.0);
    wait_for("what waited to be written", || {
        (daemon.metric("mailweir_history_waiting") == 0.0).then_some(())
    });
    assert_eq!(found(&daemon, &["--subject", "still"]).len(), 1);
    assert_eq!(daemon.metric("mailweir_history_dropped_total"), 0.0);
    daemon.signal("TERM");
    daemon.wait();
}

#[test]
fn recipients_who_are_refused_before_the_message_are_kept_too() {
    let daemon = Daemon::start(&Config {
        chain: "[greylist, rules]",
        sections: "greylist: { band: null }\n".to_owned(),
        ..Config::default()
    });
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.7");
    milter.mail("ann@example.com", None);
    for recipient in ["bob@example.org", "eve@example.org"] {
        assert!(matches!(milter.rcpt(recipient), MtaReply::Text(_)));
    }
    milter.quit().unwrap();
    let entry = wait_until_found(&daemon, &["--recipient", "eve@example.org"], 1).remove(0);
    assert_eq!(entry["stage"], "rcpt");
    assert_eq!(entry["verdict"], "tempfail");
    assert_eq!(entry["refused"].as_array().unwrap().len(), 2);
    assert_eq!(entry["refused"][0]["rule"], "GREYLISTED");
    let id = entry["id"].as_str().unwrap();
    let explained = text(&run(&daemon, "explain", &[id]));
    assert!(
        explained.contains("refused before the message came: eve@example.org"),
        "{explained}"
    );
    let replayed = run(&daemon, "replay", &[id]);
    assert_eq!(replayed.status.code(), Some(1), "{replayed:?}");
}

#[test]
fn a_history_that_is_switched_off_leaves_no_file() {
    let daemon = Daemon::start(&Config {
        sections: "history: { enabled: false }\n".to_owned(),
        ..Config::default()
    });
    send(&daemon, &message("x", "Hello."));
    assert_eq!(daemon.metric("mailweir_history_enabled"), 0.0);
    assert!(!daemon.path().join("data/history.sqlite").exists());
    assert_eq!(run(&daemon, "history", &[]).status.code(), Some(1));
}

fn write(path: &Path, bytes: &[u8]) -> String {
    std::fs::write(path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn a_message_is_replayed_from_the_quarantine_and_from_a_file() {
    let daemon = Daemon::start(&Config::default());
    let held = message("Held back", HELD);
    send(&daemon, &held);
    let passed = message("Passed", "Hello.");
    let replies = send(&daemon, &passed);
    let passed_id = inserted(&replies, "X-Mailweir-Id").unwrap();
    wait_until_found(&daemon, &["--id", &passed_id], 1);
    let entry = wait_until_found(&daemon, &["--quarantined"], 1).remove(0);
    let id = entry["id"].as_str().unwrap();
    let same = run(&daemon, "replay", &[id]);
    assert!(
        text(&same).contains("the same: quarantine, score 9.00"),
        "{same:?}"
    );

    // What passed is not kept: it comes from a file, known by its bytes or by its id.
    let without = run(&daemon, "replay", &[&passed_id]);
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("--message FILE"));
    let lf: Vec<u8> = passed.iter().copied().filter(|b| *b != b'\r').collect();
    let file = write(&daemon.path().join("passed.eml"), &lf);
    for args in [&[file.as_str()][..], &[&passed_id, "--message", &file]] {
        let out = run(&daemon, "replay", args);
        assert!(
            text(&out).contains(&format!("{passed_id}: the same: deliver")),
            "{out:?}"
        );
    }
    let mut delivered = format!("X-Mailweir-Id: {passed_id}\n").into_bytes();
    delivered.extend_from_slice(&lf);
    let delivered = write(&daemon.path().join("delivered.eml"), &delivered);
    let out = text(&run(&daemon, "replay", &[&delivered]));
    assert!(
        out.contains("not byte for byte") && out.contains("the same: deliver"),
        "{out}"
    );
    let other = write(&daemon.path().join("other.eml"), b"Subject: unknown\n\nx\n");
    let out = run(&daemon, "replay", &[&file, &other]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("does not know this message"));

    // Other rules.
    let rules = daemon.path().join("other-rules");
    std::fs::create_dir(&rules).unwrap();
    let text_of_rules = RULES
        .replace("score: 9", "score: 20")
        .replace("TEST_SIX", "TEST_OTHER");
    std::fs::write(rules.join("test.yaml"), text_of_rules).unwrap();
    let out = run(
        &daemon,
        "replay",
        &[id, "--json", "--rules", rules.to_str().unwrap()],
    );
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    let json: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["same"], false);
    assert_eq!(json["then"]["verdict"], "quarantine");
    assert_eq!(json["now"]["verdict"], "reject");
    assert_eq!(json["hits"][0]["rule"], "TEST_NINE");
    assert_eq!(json["hits"][0]["then"]["score"], 9.0);
    assert_eq!(json["hits"][0]["now"]["score"], 20.0);
    let out = run(&daemon, "replay", &[id, "--rules", rules.to_str().unwrap()]);
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(
        shown.contains("9.00 -> 20.00") && shown.contains("TEST_NINE"),
        "{shown}"
    );
}

#[test]
fn other_rules_are_tried_on_past_messages_by_their_hits() {
    let daemon = Daemon::start(&Config::default());
    send(&daemon, &message("Tagged", TAGGED));
    send(&daemon, &message("Held", HELD));
    send(&daemon, &message("Plain", "Hello."));
    wait_until_found(&daemon, &[], 3);
    let rules = daemon.path().join("other-rules");
    std::fs::create_dir(&rules).unwrap();
    let other = RULES
        .replace("score: 6", "score: 8.5")
        .replace("TEST_NINE", "TEST_NEW");
    std::fs::write(rules.join("test.yaml"), other).unwrap();
    let rules = rules.to_str().unwrap();
    let out = run(
        &daemon,
        "rules",
        &[
            "whatif",
            "--rules",
            rules,
            "--history",
            "--since",
            "1d",
            "--json",
        ],
    );
    let json: Value = serde_json::from_str(&text(&out)).unwrap();
    assert_eq!(json["messages"], 3);
    assert_eq!(json["transitions"]["tag -> quarantine"], 1);
    assert_eq!(json["transitions"]["quarantine -> deliver"], 1);
    let out = run(&daemon, "rules", &["whatif", "--rules", rules, "--history"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("rules that are new: TEST_NEW"), "{said}");
}
