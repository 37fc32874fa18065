//! What the daemon remembers of senders: over its end, in whatever way it comes, and over the failures of its disk.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mailweir::milter::MtaReply;
use serde_json::Value;

use super::daemon::{Config, Daemon, program};
use super::disk::SmallDisk;
use super::milter::{Milter, inserted};
use super::place::wait_for;

const MESSAGE: &[u8] = b"From: ann@example.com\r\nSubject: lunch\r\n\r\nAt noon.\r\n";

/// Everything new is put off, at RCPT.
const ALL: &str = "greylist: { band: null }\n";

fn daemon(sections: &str) -> Daemon {
    Daemon::start(&Config {
        chain: "[greylist, reputation]",
        sections: sections.to_owned(),
        ..Config::default()
    })
}

/// The reply to a recipient.
fn rcpt(daemon: &Daemon, sender: &str) -> MtaReply {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.7");
    milter.mail(sender, None);
    milter.rcpt("bob@example.org")
}

/// How many attempts have had this result.
fn attempts(daemon: &Daemon, result: &str) -> f64 {
    daemon.metric(&format!("mailweir_greylist_total{{result=\"{result}\"}}"))
}

/// The text of a refusal.
fn refusal(reply: &MtaReply) -> &str {
    match reply {
        MtaReply::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// A whole message of somebody who is known, or whom nobody asks to come again.
fn deliver(daemon: &Daemon) -> Vec<MtaReply> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("127.0.0.1");
    milter.envelope();
    milter.message(MESSAGE)
}

fn facts(daemon: &Daemon, args: &[&str]) -> Vec<Value> {
    let out = program()
        .arg("facts")
        .args(args)
        .arg("--config")
        .arg(daemon.path().join("mailweir.yaml"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    let lines = String::from_utf8(out.stdout).unwrap();
    let json = lines.lines().filter(|line| line.starts_with('{'));
    json.map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn file(daemon: &Daemon) -> PathBuf {
    daemon.path().join("data/facts.sqlite")
}

/// Waits until the file has so many facts of a sender.
fn written(daemon: &Daemon, key: &str, number: usize) -> Vec<Value> {
    wait_for("the facts to be written", || {
        Some(facts(daemon, &["show", key, "--json"])).filter(|found| found.len() == number)
    })
}

/// Moves the beginning of every fact into the past.
fn age(file: &Path, millis: i64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("UPDATE facts SET since = since - ?, at = at - ?")
            .bind(millis)
            .bind(millis)
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    });
}

#[test]
fn what_is_known_outlasts_sigterm_and_time_goes_on_meanwhile() {
    let mut daemon = daemon(ALL);
    let first = rcpt(&daemon, "ann@example.com");
    let text = refusal(&first);
    assert!(
        text.starts_with("451 4.7.1 Greylisted: please try again in 300 seconds (id "),
        "{text}"
    );
    // At once: the last second is written too.
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    daemon.restart();
    refusal(&rcpt(&daemon, "ann@example.com"));
    assert_eq!(attempts(&daemon, "early"), 1.0);

    daemon.signal("TERM");
    daemon.wait();
    age(&file(&daemon), 300_000);
    daemon.restart();
    assert_eq!(rcpt(&daemon, "ann@example.com"), MtaReply::Continue);
    assert_eq!(rcpt(&daemon, "ann@example.com"), MtaReply::Continue);
    assert_eq!(attempts(&daemon, "passed"), 1.0);
    assert_eq!(attempts(&daemon, "known"), 1.0);
}

#[test]
fn a_kill_costs_what_was_not_written_yet_and_no_more() {
    let mut daemon = daemon(ALL);
    for sender in ["ann@example.com", "eve@example.com"] {
        refusal(&rcpt(&daemon, sender));
    }
    let found = written(&daemon, "example.com", 2);
    assert_eq!(found[0]["kind"], "greylist_waiting");
    let key = ["203.0.113.0/24", "ann@example.com", "bob@example.org"];
    assert_eq!(found[0]["key"], serde_json::json!(key));
    daemon.signal("KILL");
    daemon.wait();
    daemon.restart();
    assert_eq!(written(&daemon, "example.com", 2).len(), 2);
    for sender in ["ann@example.com", "eve@example.com"] {
        refusal(&rcpt(&daemon, sender));
    }
    assert_eq!(attempts(&daemon, "early"), 2.0);
}

#[test]
fn a_damaged_file_is_set_aside_and_mail_goes_on() {
    let mut daemon = daemon(ALL);
    for number in 0..300 {
        refusal(&rcpt(
            &daemon,
            &format!("{}@example.com", "x".repeat(number + 1)),
        ));
    }
    daemon.signal("TERM");
    daemon.wait();
    let mut damaged = std::fs::OpenOptions::new()
        .write(true)
        .open(file(&daemon))
        .unwrap();
    damaged.seek(SeekFrom::Start(4096)).unwrap();
    damaged.write_all(&[0x5a; 8192]).unwrap();
    drop(damaged);
    daemon.restart();
    assert_eq!(daemon.metric("mailweir_facts_set_aside_total"), 1.0);
    assert_eq!(daemon.metric("mailweir_facts_up"), 1.0);
    assert!(daemon.log().contains("was set aside; a new one is begun"));
    assert!(daemon.path().join("data/facts.sqlite.damaged").exists());
    refusal(&rcpt(&daemon, "ann@example.com"));
    written(&daemon, "example.com", 1);
    assert_eq!(deliver(&daemon).last(), Some(&MtaReply::Continue));
}

#[test]
fn a_file_that_cannot_be_used_is_said_once_and_mail_goes_on() {
    let mut daemon = daemon(ALL);
    daemon.signal("TERM");
    daemon.wait();
    std::fs::remove_file(file(&daemon)).unwrap();
    std::fs::create_dir(file(&daemon)).unwrap();
    daemon.restart();
    assert_eq!(daemon.metric("mailweir_facts_up"), 0.0);
    // In memory alone everything works.
    refusal(&rcpt(&daemon, "ann@example.com"));
    refusal(&rcpt(&daemon, "ann@example.com"));
    assert_eq!(attempts(&daemon, "early"), 1.0);
    assert_eq!(deliver(&daemon).last(), Some(&MtaReply::Continue));
    daemon.wait_for_metric("mailweir_facts_failures_total", 2.0);
    assert_eq!(
        daemon
            .log()
            .matches("facts about senders cannot be written")
            .count(),
        1
    );
    // It comes back by itself.
    std::fs::remove_dir(file(&daemon)).unwrap();
    daemon.wait_for_metric("mailweir_facts_up", 1.0);
    written(&daemon, "example.com", 1);
    assert!(
        daemon
            .log()
            .contains("facts about senders are written again")
    );
}

#[test]
fn a_full_disk_stops_no_mail_and_what_waits_is_written_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let mut daemon = daemon(ALL);
    daemon.move_to(disk.path());
    disk.fill();
    for number in 0..200 {
        refusal(&rcpt(
            &daemon,
            &format!("{}@example.com", "x".repeat(number + 1)),
        ));
    }
    daemon.wait_for_metric("mailweir_facts_failures_total", 1.0);
    assert_eq!(daemon.metric("mailweir_facts_up"), 0.0);
    let replies = deliver(&daemon);
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    assert_eq!(inserted(&replies, "X-Spam-Flag").as_deref(), Some("NO"));
    disk.make_room();
    daemon.wait_for_metric("mailweir_facts_up", 1.0);
    written(&daemon, "example.com", 200);
    assert_eq!(daemon.metric("mailweir_facts_dropped_total"), 0.0);
    daemon.signal("TERM");
    daemon.wait();
}

#[test]
fn a_running_daemon_forgets_what_it_is_told_to() {
    let daemon = daemon(ALL);
    for sender in ["ann@example.com", "eve@example.com"] {
        refusal(&rcpt(&daemon, sender));
    }
    written(&daemon, "203.0.113.99", 2);
    facts(&daemon, &["forget", "ann@example.com", "--dry-run"]);
    written(&daemon, "203.0.113.99", 2);
    facts(&daemon, &["forget", "ann@example.com"]);
    wait_for("the daemon to forget", || {
        (daemon.metric("mailweir_facts_entries{kind=\"greylist_waiting\"}") == 1.0).then_some(())
    });
    let before = attempts(&daemon, "deferred");
    refusal(&rcpt(&daemon, "ann@example.com"));
    assert_eq!(attempts(&daemon, "deferred"), before + 1.0);
    refusal(&rcpt(&daemon, "eve@example.com"));
    assert_eq!(attempts(&daemon, "early"), 1.0);
}

/// Whom a user has written to is no stranger, over a restart too.
#[test]
fn correspondents_are_learned_from_what_users_send() {
    let mut daemon = daemon(
        "greylist: { band: null }\nreputation: { points: { network: { good: 0, bad: 0 } } }\n",
    );
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.200");
    milter.mail("bob@example.org", Some("bob"));
    assert_eq!(milter.rcpt("ann@example.com"), MtaReply::Continue);
    let sent = b"From: bob@example.org\r\nMessage-ID: <question@example.org>\r\n\r\nLunch?\r\n";
    assert_eq!(milter.message(sent).last(), Some(&MtaReply::Continue));
    daemon.signal("TERM");
    daemon.wait();
    daemon.restart();
    let found = facts(&daemon, &["show", "ann@example.com", "--json"]);
    let pair = serde_json::json!(["bob@example.org", "ann@example.com"]);
    assert!(
        found
            .iter()
            .any(|f| f["kind"] == "correspondent" && f["key"] == pair)
    );

    let answer = |from: &str| {
        let mut milter = Milter::open(daemon.milter);
        milter.connect("203.0.113.7");
        milter.mail(from, None);
        match milter.rcpt("bob@example.org") {
            MtaReply::Continue => {}
            other => return Err(other),
        }
        let answer: &[u8] =
            b"From: ann@example.com\r\nIn-Reply-To: <question@example.org>\r\n\r\nAt noon.\r\n";
        Ok(milter.message(answer))
    };
    // Who was written to is not put off; what else is said of an answer is what anybody can make up.
    refusal(&answer("eve@example.com").unwrap_err());
    let replies = answer("ann@example.com").unwrap();
    assert_eq!(attempts(&daemon, "correspondent"), 1.0);
    let status = inserted(&replies, "X-Spam-Status").unwrap();
    assert!(
        status.contains("tests=REPLY_TO_OURS, FIRST_CONTACT"),
        "{status}"
    );
}
