//! `rules whatif --quarantine`: messages that the daemon holds, with the envelopes that they came with and
//! what filters said of them at that time.

use super::daemon::{Config, Daemon, HELD, REFUSED, RULES};
use super::milter::Milter;
use super::place::free_port;
use super::program::{done, run};

/// Sends a message with this word in one session, from 192.0.2.1 to user@example.org.
fn send(daemon: &Daemon, word: &str) {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let message = format!("From: <sender@example.net>\r\nSubject: a message\r\n\r\n{word}\r\n");
    let body = milter.header(message.as_bytes());
    milter.body(body);
    milter.write_end();
    milter.final_replies();
}

/// `whatif` under the rules of the folder `new`.
const WHATIF: [&str; 6] = [
    "rules",
    "whatif",
    "--config",
    "mailweir.yaml",
    "--rules",
    "new",
];

/// `whatif --quarantine --json` under other rules, with further arguments.
fn whatif(daemon: &Daemon, rules: &str, more: &[&str]) -> serde_json::Value {
    let new = daemon.path().join("new");
    std::fs::create_dir_all(&new).unwrap();
    std::fs::write(new.join("a.yaml"), rules).unwrap();
    let args = [&WHATIF[..], &["--quarantine", "--json"], more].concat();
    done(daemon.path(), &args).json()
}

/// Break it by building the envelope of a held message from its header.
#[test]
fn held_messages_are_judged_with_their_own_envelopes() {
    let daemon = Daemon::start(&Config {
        sections: "thresholds: { reject: 40 }\n".to_owned(),
        ..Config::default()
    });
    send(&daemon, HELD);
    send(&daemon, REFUSED);
    let ids = daemon.quarantined();
    assert_eq!(ids.len(), 2);

    let same = whatif(&daemon, RULES, &[]);
    assert_eq!(
        (
            &same["messages"],
            &same["verdicts_changed"],
            &same["scores_changed"]
        ),
        (&2.into(), &0.into(), &0.into())
    );
    // One rule now asks for another client, the other for those that the envelope has.
    let told = whatif(
        &daemon,
        &RULES
            .replace(
                "{ raw_body: 'zebrawort-nine\\b' }",
                "{ raw_body: 'zebrawort-nine\\b', client: 203.0.113.0/24 }",
            )
            .replace(
                "{ raw_body: 'zebrawort-sixteen\\b' }",
                "{ raw_body: 'zebrawort-sixteen\\b', client: 192.0.2.1, helo: '^client\\.example\\.net$', rcpt_to: '^user@example\\.org$', mail_from: '^sender@' }",
            ),
        &[],
    );
    assert_eq!(
        told["transitions"],
        serde_json::json!({ "quarantine -> deliver": 1 })
    );
    let changed = &told["changed"][0];
    assert_eq!(changed["lost"], serde_json::json!(["TEST_NINE"]));
    let path = changed["path"].as_str().unwrap();
    assert!(
        ids.iter().any(|id| path == format!("quarantine {id}")),
        "{path} {ids:?}"
    );
    assert_eq!(daemon.quarantined(), ids, "nothing is released or deleted");

    // Beside the quarantine, files; for people too.
    std::fs::write(
        daemon.path().join("one.eml"),
        format!("From: a@example.com\nSubject: x\n\n{HELD}\n"),
    )
    .unwrap();
    let both = whatif(
        &daemon,
        &RULES.replace("score: 9", "score: 1"),
        &["one.eml"],
    );
    assert_eq!(both["messages"], 3);
    assert_eq!(
        both["transitions"],
        serde_json::json!({ "quarantine -> deliver": 2 })
    );
    let shown = done(daemon.path(), &[&WHATIF[..], &["--quarantine"]].concat());
    assert!(
        shown
            .out
            .contains("2 messages: 1 verdicts and 1 scores would change"),
        "{}",
        shown.out
    );

    let none = run(daemon.path(), &WHATIF);
    assert_eq!(
        none.code, 2,
        "neither files nor the quarantine: {}",
        none.err
    );
}

/// Break it by giving `joined` no recorded reports.
#[test]
fn what_the_virus_scanner_said_then_counts_still() {
    let sections = |down: &str| {
        format!(
            "clamav: {{ servers: [\"127.0.0.1:{}\"], on_failure: {{ down: {down} }} }}\n",
            free_port()
        )
    };
    let daemon = Daemon::start(&Config {
        chain: "[rules, clamav]",
        sections: sections("quarantine"),
        ..Config::default()
    });
    send(&daemon, HELD);
    assert_eq!(daemon.quarantined().len(), 1);

    let milder = RULES.replace("score: 9", "score: 1");
    let told = whatif(&daemon, &milder, &[]);
    assert_eq!(
        (&told["verdicts_changed"], &told["scores_changed"]),
        (&0.into(), &1.into()),
        "a message that was not scanned stays held: {told}"
    );

    // What becomes of such failures is what the configuration says now.
    let config = daemon.path().join("mailweir.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("down: quarantine", "down: deliver")).unwrap();
    let told = whatif(&daemon, &milder, &[]);
    assert_eq!(
        told["transitions"],
        serde_json::json!({ "quarantine -> deliver": 1 })
    );
}
