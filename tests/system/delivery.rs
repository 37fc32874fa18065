//! A message on its way through Postfix and mailweir: into the Maildir, into quarantine, or refused.

use std::os::unix::fs::MetadataExt;

use super::daemon::{Config, Daemon, HELD, REFUSED, TAGGED};
use super::dns_server::rbldnsd::Lists;
use super::host::root;
use super::message::{as_stored, eicar, fields, message, status, value, values};
use super::place::{installed, wait_for};
use super::postfix::Postfix;
use super::real_clamd::RealClamd;
use super::smtp::attempt;

/// The fields that mailweir adds, from the top.
const ADDED: [&str; 6] = [
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Level",
    "X-Spam-Status",
    "X-Virus-Status",
    "X-Mailweir-Id",
];

fn start(config: &Config) -> Option<(Daemon, Postfix)> {
    let daemon = Daemon::start(config);
    let postfix = Postfix::start(&[daemon.inet()])?;
    Some((daemon, postfix))
}

#[test]
fn ham_is_delivered_with_our_fields_on_top() {
    let Some((daemon, postfix)) = start(&Config::default()) else {
        return;
    };
    let sent = message("plain ham", "Lunch at noon?");
    let reply = postfix.open().send(&sent);
    assert_eq!(reply.code, 250, "{reply:?}");
    let stored = postfix.wait_for("Lunch at noon?");
    let names: Vec<String> = fields(&stored).into_iter().map(|(n, _)| n).collect();
    // Above ours stands only what the delivery agent itself puts on top.
    assert_eq!(names[..3], ["Return-Path", "X-Original-To", "Delivered-To"]);
    assert_eq!(names[3..9], ADDED);
    assert_eq!(names[9], "Received");
    assert_eq!(value(&stored, "X-Spam-Flag"), "NO");
    assert_eq!(value(&stored, "X-Spam-Score"), "0.00");
    assert_eq!(value(&stored, "X-Spam-Level"), "-");
    assert_eq!(status(&stored), "No, score=0.00 required=5.00 tests=none");
    assert_eq!(
        value(&stored, "X-Virus-Status"),
        "Unscanned (no scanner configured)"
    );
    let id = value(&stored, "X-Mailweir-Id");
    assert!(daemon.log().contains(&id), "the log names {id}");
    let delivered = "mailweir_messages_total{verdict=\"deliver\"}";
    assert_eq!(daemon.metric(delivered), 1.0);
}

#[test]
fn header_and_body_keep_every_byte() {
    let Some((_daemon, postfix)) = start(&Config::default()) else {
        return;
    };
    let sent: &[u8] =
        b"Received: from elsewhere.example.net (elsewhere.example.net [192.0.2.9])\r\n\
        \tby mx.example.net; Tue, 17 Nov 2026 09:59:00 +0100\r\n\
        DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.net;\r\n\
        \ts=k1; h=from : to:subject;\r\n \t bh=bGV0dGVycw==; b=bW9y\r\n\t ZSBsZXR0ZXJz\r\n\
        from:Anna <sender@example.net>\r\n\
        TO:  user@example.org\r\n\
        Subject:no space, 100% sure, trailing blanks  \r\n\
        X-Tab:\tvalue\r\n\
        X-Empty:\r\n\
        X-Fold:\r\n first line is empty\r\n\
        X-Eight: caf\xc3\xa9 \xe9\r\n\
        x-case: a\r\n\
        X-Case: b\r\n\
        Message-ID: <exact@example.net>\r\n\
        Date: Tue, 17 Nov 2026 10:00:00 +0100\r\n\
        \r\n\
        .leading dot\r\n\
        ..two\r\n\
        trailing blanks   \r\n\
        \r\n\
        \ttab, 8-bit \xff\xfe, last line\r\n\
        \r\n";
    let mut smtp = postfix.open();
    assert_eq!(
        smtp.command("MAIL FROM:<sender@example.net> BODY=8BITMIME")
            .code,
        250
    );
    assert_eq!(smtp.command("RCPT TO:<user@example.org>").code, 250);
    assert_eq!(smtp.data(sent).code, 250);
    let stored = postfix.wait_for("exact@example.net");
    let wanted = as_stored(sent);
    assert!(
        stored.ends_with(&wanted),
        "sent:\n{}\nstored:\n{}",
        String::from_utf8_lossy(&wanted),
        String::from_utf8_lossy(&stored)
    );
    let above = String::from_utf8_lossy(&stored[..stored.len() - wanted.len()]).into_owned();
    let names: Vec<String> = fields(above.trim_end().as_bytes())
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    assert_eq!(names[3..9], ADDED);
    assert_eq!(names[9..], ["Received"]);
}

#[test]
fn every_forged_field_is_removed_and_nothing_else() {
    let Some((_daemon, postfix)) = start(&Config::default()) else {
        return;
    };
    let forged = [
        "X-Spam-Flag: NO",
        "x-spam-flag: no",
        "X-SPAM-STATUS: No, score=-100\r\n\ttests=ALL_TRUSTED",
        "X-Spam-Score: -100",
        "X-Spam-Flag: NO (again)",
        "X-Spam-Level:",
        "X-Virus-Status: Clean",
        "X-Mailweir-Id: 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "X-Mailweir-Release: 01ARZ3NDEKTSV4RRFFQ69G5FAV.00112233445566778899aabbccddeeff",
        "X-Virus-Status: Clean (again)",
        "X-Spam-Status: No",
        "X-Mailweir-Release: second",
    ];
    let plain = message("forged", &format!("Forged marks and {TAGGED}"));
    let plain = String::from_utf8(plain).unwrap();
    let (head, body) = plain.split_once("\r\n\r\n").unwrap();
    let mut own = head.split("\r\n");
    let mut sent = String::new();
    for field in forged {
        sent.push_str(field);
        sent.push_str("\r\n");
        if let Some(field) = own.next() {
            sent.push_str(field);
            sent.push_str("\r\n");
        }
    }
    sent.push_str("X-Spam-Checker-Version: another filter's\r\n\r\n");
    sent.push_str(body);
    let reply = postfix.open().send(sent.as_bytes());
    assert_eq!(reply.code, 250, "{reply:?}");
    let stored = postfix.wait_for("Forged marks");
    let wanted = format!("{head}\r\nX-Spam-Checker-Version: another filter's\r\n\r\n{body}");
    assert!(
        stored.ends_with(&as_stored(wanted.as_bytes())),
        "{}",
        String::from_utf8_lossy(&stored)
    );
    for name in ADDED {
        assert_eq!(values(&stored, name).len(), 1, "{name}");
    }
    assert_eq!(value(&stored, "X-Spam-Flag"), "YES");
    assert!(values(&stored, "X-Mailweir-Release").is_empty());
}

#[test]
fn spam_is_tagged_then_held_then_refused() {
    let Some((daemon, postfix)) = start(&Config::default()) else {
        return;
    };
    let mut smtp = postfix.open();
    let tagged = smtp.send(&message("six", TAGGED));
    assert_eq!(tagged.code, 250, "{tagged:?}");
    let held = smtp.send(&message("nine", HELD));
    assert_eq!(held.code, 250, "{held:?}");
    let refused = smtp.send(&message("sixteen", REFUSED));
    assert_eq!(refused.code, 550, "{refused:?}");
    assert!(
        refused
            .text
            .starts_with("550 5.7.1 Message refused as spam (id "),
        "{refused:?}"
    );
    smtp.quit();

    let stored = postfix.wait_for(TAGGED);
    assert_eq!(value(&stored, "X-Spam-Flag"), "YES");
    assert_eq!(value(&stored, "X-Spam-Score"), "6.00");
    assert_eq!(value(&stored, "X-Spam-Level"), "******");
    assert_eq!(
        status(&stored),
        "Yes, score=6.00 required=5.00 tests=TEST_SIX"
    );
    postfix.drained();
    assert_eq!(postfix.delivered().len(), 1);
    assert!(daemon.log().contains(refused.id()));

    let listed = daemon.quarantined();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = daemon.quarantine(&["show", "--raw", &listed[0]]);
    assert!(shown.status.success(), "{shown:?}");
    let raw = String::from_utf8_lossy(&shown.stdout).replace("\r\n", "\n");
    assert!(raw.contains(HELD), "{raw}");
    for (verdict, count) in [("tag", 1.0), ("quarantine", 1.0), ("reject", 1.0)] {
        let series = format!("mailweir_messages_total{{verdict=\"{verdict}\"}}");
        assert_eq!(daemon.metric(&series), count, "{verdict}");
    }
}

#[test]
fn held_by_the_mta_the_message_waits_in_its_hold_queue() {
    let config = Config {
        sections: "hold: mta\n".to_owned(),
        ..Config::default()
    };
    let Some((daemon, postfix)) = start(&config) else {
        return;
    };
    let reply = postfix.open().send(&message("on hold", HELD));
    assert_eq!(reply.code, 250, "{reply:?}");
    wait_for("the message in the hold queue", || {
        (postfix.held() == 1).then_some(())
    });
    assert!(postfix.delivered().is_empty());
    postfix.let_go();
    let stored = postfix.wait_for(HELD);
    assert_eq!(value(&stored, "X-Spam-Score"), "9.00");
    assert!(daemon.quarantined().is_empty());
}

#[test]
fn a_virus_is_refused_and_a_clean_message_says_so() {
    let Some(clamd) = RealClamd::start("") else {
        return;
    };
    let config = Config {
        chain: "[rules, clamav]",
        sections: format!("clamav: {{ servers: [\"{}\"] }}\n", clamd.server),
        ..Config::default()
    };
    let Some((daemon, postfix)) = start(&config) else {
        return;
    };
    let mut smtp = postfix.open();
    let refused = smtp.send(&eicar());
    assert_eq!(refused.code, 550, "{refused:?}");
    assert!(
        refused
            .text
            .starts_with("550 5.7.1 Message refused: a virus was found (id "),
        "{refused:?}"
    );
    assert!(!refused.text.contains("Eicar"), "no details to the sender");
    assert_eq!(smtp.send(&message("clean", "Nothing in here")).code, 250);
    let stored = postfix.wait_for("Nothing in here");
    assert_eq!(value(&stored, "X-Virus-Status"), "Clean");
    assert_eq!(postfix.delivered().len(), 1);
    assert_eq!(
        daemon.metric("mailweir_hits_total{mode=\"live\",rule=\"VIRUS\"}"),
        1.0
    );
}

#[test]
fn a_listed_client_is_refused_at_rcpt() {
    let Some(lists) = Lists::start() else {
        return;
    };
    let config = Config {
        chain: "[dnsbl, rules]",
        sections: format!(
            "dns: {{ resolvers: [\"127.0.0.1:{}\"] }}
dnsbl:
  zones: [{{ zone: bl.test.example, id: LISTED, score: 5, decisive: reject }}]
",
            lists.resolver
        ),
        ..Config::default()
    };
    let Some((daemon, postfix)) = start(&config) else {
        return;
    };
    let mut smtp = postfix.open();
    smtp.xclient("192.0.2.1");
    let listed = "mailweir_dnsbl_lookups_total{result=\"listed\",zone=\"bl.test.example\"}";
    daemon.wait_for_metric(listed, 1.0);
    // The answer is counted a moment before the check holds it; a client that tries again finds it there.
    let refused = wait_for("the refusal of a recipient", || {
        assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
        let rcpt = smtp.command("RCPT TO:<user@example.org>");
        assert_eq!(smtp.command("RSET").code, 250);
        (rcpt.code != 250).then_some(rcpt)
    });
    assert_eq!(refused.code, 550, "{refused:?}");
    assert!(
        refused
            .text
            .contains("5.7.1 Message refused: the client is on a block list (id "),
        "{refused:?}"
    );
    let early = "mailweir_early_answers_total{stage=\"rcpt\",verdict=\"reject\"}";
    assert_eq!(daemon.metric(early), 1.0);

    let mut other = postfix.open();
    other.xclient("203.0.113.5");
    assert_eq!(other.send(&message("unlisted", "A fine client")).code, 250);
    let stored = postfix.wait_for("A fine client");
    assert_eq!(value(&stored, "X-Spam-Flag"), "NO");
}

#[test]
fn messages_of_one_session_have_nothing_in_common() {
    let Some((daemon, postfix)) = start(&Config::default()) else {
        return;
    };
    let mut smtp = postfix.open();
    for (number, (word, code, flag)) in [
        (TAGGED, 250, Some("YES")),
        ("nothing", 250, Some("NO")),
        (REFUSED, 550, None),
        ("nothing", 250, Some("NO")),
        (TAGGED, 250, Some("YES")),
    ]
    .into_iter()
    .enumerate()
    {
        // A transaction that is given up leaves nothing behind either.
        smtp.envelope();
        assert_eq!(smtp.command("RSET").code, 250);
        let body = format!("part {number}: {word}");
        let reply = smtp.send(&message(&format!("number {number}"), &body));
        assert_eq!(reply.code, code, "{number}: {reply:?}");
        match flag {
            Some(flag) => {
                let stored = postfix.wait_for(&body);
                assert_eq!(value(&stored, "X-Spam-Flag"), flag, "{number}");
            }
            None => assert!(postfix.find(&body).is_none()),
        }
    }
    smtp.quit();
    let ids: std::collections::HashSet<String> = postfix
        .delivered()
        .iter()
        .map(|m| value(m, "X-Mailweir-Id"))
        .collect();
    assert_eq!(ids.len(), 4, "each message has an id of its own");
    assert_eq!(daemon.metric("mailweir_sessions_total"), 1.0);
}

#[test]
fn over_a_unix_socket_come_utf8_addresses_null_senders_and_long_messages() {
    let daemon = Daemon::start(&Config::default());
    let Some(postfix) = Postfix::start(&[daemon.unix()]) else {
        return;
    };
    let mut smtp = postfix.open();
    let ehlo = smtp.command("EHLO client.example.net");
    assert!(ehlo.text.contains("SMTPUTF8"), "{ehlo:?}");
    assert_eq!(
        smtp.command("MAIL FROM:<пример@example.net> SMTPUTF8").code,
        250
    );
    assert_eq!(smtp.command("RCPT TO:<用户@example.org>").code, 250);
    let sent = message("Zażółć gęślą jaźń", "κόσμε");
    assert_eq!(smtp.data(&sent).code, 250);
    let stored = postfix.wait_for("κόσμε");
    assert!(stored.ends_with(&as_stored(&sent)));
    assert_eq!(value(&stored, "X-Spam-Flag"), "NO");

    assert_eq!(smtp.command("MAIL FROM:<>").code, 250);
    assert_eq!(smtp.command("RCPT TO:<user@example.org>").code, 250);
    let bounce = message("Undelivered", "returned to sender");
    assert_eq!(smtp.data(&bounce).code, 250);
    let stored = postfix.wait_for("returned to sender");
    assert_eq!(value(&stored, "Return-Path"), "<>");
    assert_eq!(value(&stored, "X-Spam-Flag"), "NO");

    let mut body = String::with_capacity(270_000);
    while body.len() < 260_000 {
        body.push_str(&format!("line that begins at byte {}\r\n", body.len()));
    }
    body.push_str(TAGGED);
    let long = message("long", &body);
    assert_eq!(smtp.send(&long).code, 250);
    let stored = postfix.wait_for(TAGGED);
    assert!(stored.ends_with(&as_stored(&long)));
    assert_eq!(value(&stored, "X-Spam-Flag"), "YES");
}

/// Permissions and group of the socket of a daemon.
fn access(daemon: &Daemon) -> (u32, u32) {
    let meta = std::fs::metadata(&daemon.socket).unwrap();
    (meta.mode() & 0o777, meta.gid())
}

#[test]
fn the_group_of_the_unix_socket_decides_whether_postfix_may_connect() {
    let config = |milter: &str| Config {
        socket_mode: "0660",
        milter: milter.to_owned(),
        ..Config::default()
    };
    let own = nix::unistd::Gid::effective().as_raw();
    let closed = Daemon::start(&config(""));
    assert_eq!(access(&closed), (0o660, own));
    if installed("postfix").is_none() || !root() {
        return;
    }
    let group = nix::unistd::Group::from_name("postfix").unwrap().unwrap();
    let open = Daemon::start(&config("socket_group: postfix\n"));
    assert_eq!(access(&open), (0o660, group.gid.as_raw()));
    // smtpd and cleanup connect as the user postfix.
    let Some(postfix) = Postfix::start(&[open.unix(), closed.unix()]) else {
        return;
    };
    assert_eq!(postfix.open().send(&message("let in", "Let in")).code, 250);
    let stored = postfix.wait_for("Let in");
    assert!(!value(&stored, "X-Mailweir-Id").is_empty());

    let refused = attempt(postfix.port(1), &message("kept out", "Kept out")).unwrap();
    assert!((400..500).contains(&refused.code), "{refused:?}");
    assert_eq!(closed.metric("mailweir_sessions_total"), 0.0);
    wait_for("the reason in the log of Postfix", || {
        postfix.log().contains("Permission denied").then_some(())
    });
    assert!(postfix.find("Kept out").is_none());
}
