//! Releases and digests that are killed at any moment and run again, through a real Postfix: each recipient gets each
//! message and each digest exactly once.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::daemon::{Config, Daemon, HELD, program};
use super::message::{message, value};
use super::place::{PATIENCE, free_port, wait_for};
use super::postfix::{Postfix, releases_to, releasing};
use super::process::signal;
use super::tap::Tap;

const RECIPIENTS: [&str; 3] = ["ann@example.org", "ben@example.org", "eve@example.org"];

/// Holds a message for all recipients; gives its id.
fn hold(daemon: &Daemon, postfix: &Postfix, subject: &str) -> String {
    let mut smtp = postfix.open();
    assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
    for recipient in RECIPIENTS {
        assert_eq!(smtp.command(&format!("RCPT TO:<{recipient}>")).code, 250);
    }
    let sent = message(subject, &format!("{HELD} in {subject}."));
    assert_eq!(smtp.data(&sent).code, 250);
    let listed = daemon.quarantine(&["list", "--json", "--subject", subject]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let found: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// Begins a command of the quarantine.
fn begin(daemon: &Daemon, args: &[&str]) -> Child {
    let mut command: Command = program();
    command
        .arg("quarantine")
        .arg("--config")
        .arg(daemon.path().join("mailweir.yaml"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Kills a command after so long; that is chance, and meant to be.
fn kill_after(mut child: Child, delay: Duration) {
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How many delivered messages for a recipient hold a text.
fn copies(postfix: &Postfix, recipient: &str, text: &str) -> usize {
    let fits = |stored: &&Vec<u8>| {
        memchr::memmem::find(stored, text.as_bytes()).is_some()
            && value(stored, "Delivered-To") == recipient
    };
    postfix.delivered().iter().filter(fits).count()
}

#[test]
fn a_release_killed_at_any_moment_reaches_each_recipient_once() {
    let Some((daemon, postfix)) = releasing("") else {
        return;
    };
    for round in 0..10_u64 {
        let subject = format!("round-{round}-");
        let id = hold(&daemon, &postfix, &subject);
        // Some of them first, some or all of them again, each cut off at another moment.
        let first = ["release", "--to", RECIPIENTS[0], "--to", RECIPIENTS[1], &id];
        kill_after(begin(&daemon, &first), Duration::from_millis(15 * round));
        kill_after(
            begin(&daemon, &["release", &id]),
            Duration::from_millis(180 - 15 * round),
        );
        let done = daemon.quarantine(&["release", &id]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.success() || said.contains("was released at"),
            "{said}"
        );
        let shown = daemon.quarantine(&["show", "--json", &id]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("\"state\":\"released\""), "{shown}");
        for recipient in RECIPIENTS {
            postfix.wait_for(&format!("{subject}."));
            wait_for("the copy", || {
                (copies(&postfix, recipient, &format!("{subject}.")) > 0).then_some(())
            });
        }
    }
    postfix.drained();
    for round in 0..10 {
        for recipient in RECIPIENTS {
            let text = format!("round-{round}-.");
            assert_eq!(
                copies(&postfix, recipient, &text),
                1,
                "{text} for {recipient}"
            );
        }
    }
}

#[test]
fn a_digest_killed_at_any_moment_comes_once_and_passes_the_filters() {
    let digest = "base_url: \"https://mail.example.org\", from: \"Post <post@example.org>\"";
    let Some((daemon, postfix)) = releasing(digest) else {
        return;
    };
    for round in 0..6_u64 {
        // The subject is what the rules look for: a digest that were checked would be held itself.
        hold(&daemon, &postfix, &format!("{HELD} digest-{round}-"));
        for part in 0..3 {
            let delay = Duration::from_millis(20 * round + 60 * part);
            kill_after(begin(&daemon, &["digest"]), delay);
        }
        let done = daemon.quarantine(&["digest"]);
        assert!(done.status.success(), "{done:?}");
        let again = daemon.quarantine(&["digest"]);
        assert_eq!(String::from_utf8_lossy(&again.stdout), "0 digest(s) sent\n");
    }
    postfix.drained();
    let digests = postfix.delivered();
    assert_eq!(
        digests.len(),
        18,
        "one each for three recipients in six rounds"
    );
    for recipient in RECIPIENTS {
        let own: Vec<_> = digests
            .iter()
            .filter(|d| value(d, "Delivered-To") == recipient)
            .collect();
        assert_eq!(own.len(), 6);
        for digest in own {
            assert_eq!(value(digest, "Return-Path"), "<>");
            assert!(value(digest, "X-Spam-Status").contains("released=yes"));
        }
    }
    assert_eq!(daemon.quarantined().len(), 6, "nothing of our own was held");
}

/// The daemon itself sends what was begun, also after it was killed.
#[test]
fn the_daemon_sends_what_is_due_and_goes_on_after_it_was_killed() {
    let Some((mut daemon, postfix)) = releasing("at: [\"00:00\"]") else {
        return;
    };
    hold(&daemon, &postfix, "due");
    // As if the daemon had been off since yesterday.
    daemon.signal("KILL");
    daemon.wait();
    daemon.digests_were_made_yesterday();
    daemon.restart();
    for recipient in RECIPIENTS {
        wait_for("a digest", || {
            (copies(&postfix, recipient, "Auto-Submitted: auto-generated") == 1).then_some(())
        });
    }
    daemon.wait_for_metric("mailweir_quarantine_digests_total{result=\"sent\"}", 3.0);
}

/// A released message comes by, and the daemon is killed in the states in which its mark is read and used. The mail server
/// refuses it for now, and the release is run again.
#[test]
fn the_daemon_killed_while_a_released_message_comes_by_lets_it_through_once() {
    let port = free_port();
    let mut daemon = Daemon::start(&Config {
        sections: releases_to(port, ""),
        ..Config::default()
    });
    // In which state the daemon is killed next, and its process id.
    let armed: Arc<Mutex<Option<(u8, String)>>> = Arc::default();
    let (killed, deaths) = channel();
    let tap = {
        let armed = Arc::clone(&armed);
        Tap::start(daemon.milter, move |packet| {
            let mut armed = armed.lock().unwrap();
            if armed.as_ref().is_some_and(|(state, _)| *state == packet) {
                let (_, pid) = armed.take().unwrap();
                signal(&pid, "KILL");
                killed.send(()).unwrap();
            }
        })
    };
    let Some(postfix) = Postfix::start_at(vec![port], &[format!("inet:127.0.0.1:{}", tap.port)])
    else {
        return;
    };
    let states = b"MLNBEEEE";
    for (round, state) in states.iter().enumerate() {
        let subject = format!("by-{round}-");
        let id = hold(&daemon, &postfix, &subject);
        *armed.lock().unwrap() = Some((*state, daemon.pid()));
        let cut_off = daemon.quarantine(&["release", &id]);
        deaths.recv_timeout(PATIENCE).expect("the state is reached");
        daemon.wait();
        daemon.restart();
        let said = String::from_utf8_lossy(&cut_off.stderr).into_owned();
        if !cut_off.status.success() {
            let done = daemon.quarantine(&["release", &id]);
            assert!(done.status.success(), "{said}\n{done:?}");
        }
        for recipient in RECIPIENTS {
            wait_for("the copy", || {
                (copies(&postfix, recipient, &format!("{subject}.")) > 0).then_some(())
            });
        }
    }
    postfix.drained();
    for round in 0..states.len() {
        for recipient in RECIPIENTS {
            let text = format!("by-{round}-.");
            assert_eq!(
                copies(&postfix, recipient, &text),
                1,
                "{text} for {recipient}"
            );
        }
    }
}
