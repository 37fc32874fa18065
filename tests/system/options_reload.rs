//! History and quarantine take other options without a restart; what takes one is said, and stays as it was.

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon, HELD};
use super::message::message;
use super::milter::Milter;
use super::place::{free_port, wait_for};
use super::postfix::releases_to;

fn send(daemon: &Daemon, subject: &str) {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.7");
    milter.envelope();
    let replies = milter.message(&message(subject, &format!("{HELD} in {subject}")));
    // Kept in our own quarantine, so for the mail server it is done with.
    assert_eq!(replies.last(), Some(&MtaReply::Discard));
}

/// Takes a changed file, and gives what it was before.
fn reload(daemon: &Daemon, number: f64, change: impl FnOnce(&str) -> String) -> String {
    let before = daemon.rewrite(change);
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", number);
    before
}

#[test]
fn history_and_quarantine_take_other_options_while_the_daemon_runs() {
    let port = free_port();
    let daemon = Daemon::start(&Config {
        sections: releases_to(port, ""),
        ..Config::default()
    });
    for subject in ["one", "two", "three"] {
        send(&daemon, subject);
    }
    daemon.wait_for_metric("mailweir_history_written_total", 3.0);
    assert_eq!(daemon.metric("mailweir_quarantine_messages"), 3.0);
    daemon.digests_were_made_yesterday();

    // Of the digest nobody hears, because nobody listens on the port; that it waits shows that it was made.
    let other = "quarantine:
  path: elsewhere
  release: { smtp: \"127.0.0.1:9\" }
  retention: { messages: 1, bytes: 1GiB }
  digest: { at: [\"00:00\"] }
history: { enabled: false, size: 64MiB }
limits: { message: 1MiB }
";
    let before = reload(&daemon, 1.0, |yaml| {
        yaml.replace(&releases_to(port, ""), other).replace(
            "socket_mode: \"0666\"",
            "socket_mode: \"0666\"\n  connections: 7",
        )
    });
    for (series, value) in [
        ("mailweir_quarantine_messages_limit", 1.0),
        ("mailweir_quarantine_bytes_limit", 1_073_741_824.0),
        ("mailweir_history_enabled", 0.0),
        ("mailweir_history_bytes_limit", 67_108_864.0),
        // Still that of the start.
        ("mailweir_sessions_limit", 512.0),
    ] {
        assert_eq!(daemon.metric(series), value, "{series}");
    }
    wait_for("what is too much to go", || {
        (daemon.metric("mailweir_quarantine_messages") == 1.0).then_some(())
    });
    daemon.wait_for_metric("mailweir_quarantine_digests_waiting", 1.0);
    let said = daemon.log();
    let waiting = said.lines().find(|line| line.contains("take a restart"));
    let waiting = waiting.unwrap_or_else(|| panic!("nothing was said:\n{said}"));
    assert!(
        waiting.contains("\"limits.message, milter.connections, quarantine.path\""),
        "{waiting}"
    );
    // The message goes where all go, and no verdict is kept of it.
    send(&daemon, "four");
    assert!(!daemon.path().join("data/elsewhere").exists());
    wait_for("the file to be closed", || {
        (daemon.metric("mailweir_history_up") == 0.0).then_some(())
    });
    assert_eq!(daemon.metric("mailweir_history_written_total"), 3.0);

    reload(&daemon, 2.0, |_| before);
    assert_eq!(daemon.metric("mailweir_history_enabled"), 1.0);
    send(&daemon, "five");
    daemon.wait_for_metric("mailweir_history_written_total", 4.0);
    let told = |log: String| log.matches("take a restart").count();
    assert_eq!(told(daemon.log()), 1, "all is as it was at the start");
}
