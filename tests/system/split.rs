//! One message whose recipients want different things: some get it, a copy is held for the others.

use std::path::PathBuf;

use mailweir::milter::{Actions, MtaReply};

use super::daemon::{Config, Daemon, HELD, TAGGED};
use super::message::{as_stored, message, value, values};
use super::milter::{Milter, inserted};
use super::place::free_port;
use super::postfix::Postfix;
use super::process::signal;

/// `strict@` refuses what others have tagged, `careful@` holds it back.
const POLICIES: &str = "policies:
  - name: strict
    for: { recipients: [strict@example.org] }
    thresholds: { tag: null, quarantine: null, reject: 5 }
  - name: careful
    for: { recipients: [careful@example.org] }
    thresholds: { tag: null, quarantine: 5, reject: null }
";

fn daemon(more: &str) -> Daemon {
    Daemon::start(&Config {
        sections: format!("{more}{POLICIES}"),
        ..Config::default()
    })
}

/// A session past RCPT.
fn session(mut milter: Milter, recipients: &[&str]) -> Milter {
    milter.connect("192.0.2.1");
    milter.mail("sender@example.net", None);
    for recipient in recipients {
        assert_eq!(milter.rcpt(recipient), MtaReply::Continue, "{recipient}");
    }
    milter
}

fn dropped(replies: &[MtaReply]) -> Vec<&str> {
    let dropped = replies.iter().filter_map(|r| match r {
        MtaReply::DeleteRecipient(path) => Some(path.as_str()),
        _ => None,
    });
    dropped.collect()
}

/// What is held, from `quarantine list --json`.
fn held(daemon: &Daemon) -> Vec<serde_json::Value> {
    let listed = daemon.quarantine(&["list", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn those_who_take_it_get_it_and_a_copy_is_held_for_the_others() {
    let daemon = daemon("");
    let all = [
        "strict@example.org",
        "ann@example.org",
        "careful@example.org",
    ];
    let mut milter = session(Milter::open(daemon.milter), &all);
    let replies = milter.message(&message("split", TAGGED));
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    assert_eq!(
        dropped(&replies),
        ["<careful@example.org>", "<strict@example.org>"]
    );
    // The fields are those of who gets it.
    assert_eq!(inserted(&replies, "X-Spam-Flag").as_deref(), Some("YES"));
    assert_eq!(
        inserted(&replies, "X-Mailweir-Policy").as_deref(),
        Some("default")
    );
    let held = held(&daemon);
    assert_eq!(held.len(), 1, "{held:?}");
    let entry = &held[0];
    assert_eq!(
        entry["recipients"],
        serde_json::json!(["strict@example.org", "careful@example.org"])
    );
    assert_eq!(entry["action"], "reject");
    let policies: Vec<_> = entry["policies"].as_array().unwrap().iter().collect();
    let said: Vec<_> = policies
        .iter()
        .map(|p| (p["policy"].as_str().unwrap(), p["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("strict", "reject"),
            ("default", "tag"),
            ("careful", "quarantine")
        ]
    );
    assert_eq!(
        entry["id"].as_str(),
        inserted(&replies, "X-Mailweir-Id").as_deref()
    );
    let shown = daemon.quarantine(&["show", entry["id"].as_str().unwrap()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("strict: reject, score 6.00, for strict@example.org"),
        "{shown}"
    );
    assert_eq!(
        daemon.metric("mailweir_policy_conflicts_total{settled=\"split\"}"),
        1.0
    );
    assert_eq!(
        daemon.metric("mailweir_policy_dropped_recipients_total"),
        2.0
    );
    assert_eq!(
        daemon.metric("mailweir_messages_total{verdict=\"tag\"}"),
        1.0
    );
    let log = daemon.log();
    assert!(
        log.contains("strict:reject:1,default:tag:1,careful:quarantine:1"),
        "{log}"
    );
    // The rule is counted once for the message.
    assert_eq!(
        daemon.metric("mailweir_hits_total{mode=\"live\",rule=\"TEST_SIX\"}"),
        1.0
    );

    // Where nobody takes it there is nothing to split: it is held for all.
    let mut milter = session(
        Milter::open(daemon.milter),
        &["strict@example.org", "careful@example.org"],
    );
    let replies = milter.message(&message("nobody", TAGGED));
    assert_eq!(replies, [MtaReply::Discard]);
    // Where all refuse it, it is refused.
    let mut milter = session(Milter::open(daemon.milter), &["strict@example.org"]);
    let replies = milter.message(&message("refused", TAGGED));
    assert!(matches!(&replies[..], [MtaReply::Text(text)] if text.starts_with("550 ")));
}

#[test]
fn where_recipients_cannot_be_dropped_one_verdict_holds_for_all() {
    for (fallback, tagged) in [("", false), ("conflict_fallback: mildest\n", true)] {
        let daemon = daemon(fallback);
        let milter = Milter::open_without(daemon.milter, Actions::DELETE_RCPT);
        let mut milter = session(milter, &["strict@example.org", "ann@example.org"]);
        let replies = milter.message(&message("whole", TAGGED));
        assert!(dropped(&replies).is_empty());
        match (tagged, replies.last().unwrap()) {
            (false, MtaReply::Text(text)) if text.starts_with("550 5.7.1 ") => {}
            (true, MtaReply::Continue) => {
                assert_eq!(inserted(&replies, "X-Spam-Flag").as_deref(), Some("YES"));
            }
            other => panic!("{other:?}"),
        }
        assert!(daemon.quarantined().is_empty());
        assert_eq!(daemon.metric("mailweir_policy_drop_not_granted_total"), 1.0);
        assert!(daemon.log().contains("does not let recipients be dropped"));
    }
    for (conflict, flag) in [("strictest", None), ("mildest", Some("YES"))] {
        let daemon = daemon(&format!("conflict: {conflict}\n"));
        let mut milter = session(
            Milter::open(daemon.milter),
            &["strict@example.org", "ann@example.org"],
        );
        let replies = milter.message(&message("whole", TAGGED));
        assert_eq!(inserted(&replies, "X-Spam-Flag").as_deref(), flag);
        assert_eq!(daemon.metric("mailweir_policy_drop_not_granted_total"), 0.0);
    }
}

/// Without a copy nobody is dropped: the message comes again, for all.
#[test]
fn where_no_copy_can_be_kept_the_message_is_put_off_for_all() {
    let daemon = daemon("");
    std::fs::remove_dir_all(daemon.path().join("data/quarantine/tmp")).unwrap();
    let mut milter = session(
        Milter::open(daemon.milter),
        &["strict@example.org", "ann@example.org"],
    );
    let replies = milter.message(&message("no room", TAGGED));
    assert!(
        matches!(&replies[..], [MtaReply::Text(text)] if text.starts_with("451 ")),
        "{replies:?}"
    );
    assert_eq!(
        daemon.metric("mailweir_policy_dropped_recipients_total"),
        0.0
    );
    assert_eq!(
        daemon.metric("mailweir_messages_total{verdict=\"tempfail\"}"),
        1.0
    );
}

/// The daemon is killed as soon as it has begun to answer: the copy is there. The mail server has no answer, so it
/// gives the message again; then there is still one copy.
#[test]
fn a_crash_between_copy_and_reply_loses_nothing_and_holds_one_copy() {
    let mut daemon = daemon("");
    let sent = message("crash", TAGGED);
    let to = ["strict@example.org", "ann@example.org"];
    let mut milter = session(Milter::open(daemon.milter), &to);
    let body = milter.header(&sent).to_vec();
    milter.body(&body);
    milter.write_end();
    milter.first_of_end();
    signal(&daemon.pid(), "KILL");
    daemon.wait();
    daemon.restart();
    let after = held(&daemon);
    assert_eq!(
        after.len(),
        1,
        "the copy is older than the first byte of the answer"
    );
    assert_eq!(
        after[0]["recipients"],
        serde_json::json!(["strict@example.org"])
    );

    let mut milter = session(Milter::open(daemon.milter), &to);
    let replies = milter.message(&sent);
    assert_eq!(dropped(&replies), ["<strict@example.org>"]);
    let again = held(&daemon);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["id"], after[0]["id"]);
    assert_eq!(again[0]["seen"], 2);
}

/// Who got what: recipients and messages of the Maildir.
fn deliveries(postfix: &Postfix, subject: &str) -> Vec<String> {
    let mut to: Vec<String> = postfix
        .delivered()
        .iter()
        .filter(|m| value(m, "Subject") == subject)
        .map(|m| value(m, "Delivered-To"))
        .collect();
    to.sort();
    to
}

fn send(postfix: &Postfix, recipients: &[&str], sent: &[u8]) {
    let mut smtp = postfix.open();
    assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
    for recipient in recipients {
        let reply = smtp.command(&format!("RCPT TO:<{recipient}>"));
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    assert_eq!(smtp.data(sent).code, 250);
    postfix.drained();
}

#[test]
fn postfix_delivers_to_those_who_take_it_and_a_release_goes_to_the_others_only() {
    let port = free_port();
    let release = format!("quarantine: {{ release: {{ smtp: \"127.0.0.1:{port}\" }} }}\n");
    let daemon = daemon(&release);
    let Some(postfix) = Postfix::start_at(vec![port], &[daemon.inet()]) else {
        return;
    };
    let sent = message("split", &format!("{TAGGED}\r\n.a line with a dot"));
    let all = [
        "Strict@example.org",
        "ann@example.org",
        "careful@example.org",
        "bob@example.org",
    ];
    send(&postfix, &all, &sent);
    assert_eq!(
        deliveries(&postfix, "split"),
        ["ann@example.org", "bob@example.org"]
    );
    for stored in postfix.delivered() {
        assert!(stored.ends_with(&as_stored(&sent)));
        assert_eq!(value(&stored, "X-Spam-Flag"), "YES");
        assert_eq!(value(&stored, "X-Mailweir-Policy"), "default");
        // Nothing tells those who got it of the others.
        let text = String::from_utf8_lossy(&stored).to_lowercase();
        assert!(
            !text.contains("strict") && !text.contains("careful"),
            "{text}"
        );
    }
    let held = daemon.quarantined();
    assert_eq!(held.len(), 1);

    let released = daemon.quarantine(&["release", &held[0]]);
    assert!(released.status.success(), "{released:?}");
    postfix.drained();
    assert_eq!(
        deliveries(&postfix, "split"),
        [
            "Strict@example.org",
            "ann@example.org",
            "bob@example.org",
            "careful@example.org"
        ]
    );
    let released: Vec<_> = postfix
        .delivered()
        .into_iter()
        .filter(|m| value(m, "X-Spam-Status").contains("released=yes"))
        .collect();
    assert_eq!(released.len(), 2);
    for stored in &released {
        assert!(stored.ends_with(&as_stored(&sent)));
        assert!(values(stored, "X-Mailweir-Release").is_empty());
    }
}

/// Recipients are dropped by the path that came with RCPT, whatever it looks like.
#[test]
fn postfix_drops_the_recipient_that_is_meant() {
    let daemon = Daemon::start(&Config {
        sections: "policies:
  - name: strict
    for: { recipients: [\"strict+tag@example.org\", \"two words@example.org\", sub.example.org] }
    thresholds: { quarantine: 5 }
"
        .replace("two words@example.org", "o'hara@example.org"),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let all = [
        "STRICT+tag@example.org",
        "strict@example.org",
        "o'hara@example.org",
        "hara@example.org",
    ];
    send(&postfix, &all, &message("paths", TAGGED));
    assert_eq!(
        deliveries(&postfix, "paths"),
        ["hara@example.org", "strict@example.org"]
    );
    let held = held(&daemon);
    assert_eq!(
        held[0]["recipients"],
        serde_json::json!(["STRICT+tag@example.org", "o'hara@example.org"])
    );
    // A message that nobody of them refuses goes to all, and one that all refuse to nobody.
    send(&postfix, &all, &message("fine", "nothing special"));
    assert_eq!(deliveries(&postfix, "fine").len(), 4);
    send(&postfix, &all, &message("bad", HELD));
    assert!(deliveries(&postfix, "bad").is_empty());
}

/// A full disk under the quarantine, for a message that is to be split.
#[test]
fn postfix_puts_off_for_all_what_cannot_be_held_for_one() {
    let daemon = daemon("");
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let gone: PathBuf = daemon.path().join("data/quarantine/tmp");
    std::fs::remove_dir_all(&gone).unwrap();
    let mut smtp = postfix.open();
    let sent = message("put off", TAGGED);
    smtp.command("MAIL FROM:<sender@example.net>");
    smtp.command("RCPT TO:<strict@example.org>");
    smtp.command("RCPT TO:<ann@example.org>");
    assert_eq!(smtp.data(&sent).code, 451);
    postfix.drained();
    assert!(postfix.delivered().is_empty());
    std::fs::create_dir(&gone).unwrap();
    send(&postfix, &["strict@example.org", "ann@example.org"], &sent);
    assert_eq!(deliveries(&postfix, "put off"), ["ann@example.org"]);
    assert_eq!(daemon.quarantined().len(), 1);
}
