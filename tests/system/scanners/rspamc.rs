//! Debian's `rspamc`.

use std::process::{Command, Output};

use serde_json::Value;

use super::super::daemon::{Config, HELD, REFUSED, TAGGED};
use super::super::message::message;
use super::super::place::{installed, wait_for};
use super::{Keys, PASSWORD, Scanners, run, text};

fn rspamc(scanners: &Scanners, args: &[&str], input: &[u8]) -> Option<Output> {
    let mut command = Command::new(installed("rspamc")?);
    command
        .arg("-h")
        .arg(format!("127.0.0.1:{}", scanners.rspamd));
    Some(run(command.args(args), input))
}

fn json(scanners: &Scanners, args: &[&str], input: &[u8]) -> Option<Value> {
    let args: Vec<&str> = ["-j"]
        .into_iter()
        .chain(args.iter().copied())
        .chain(["symbols"])
        .collect();
    let out = rspamc(scanners, &args, input)?;
    let said = text(&out.stdout);
    Some(serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said} {out:?}")))
}

#[test]
fn verdicts_are_actions() {
    let scanners = Scanners::plain();
    for (word, action, score) in [
        ("nothing", "no action", 0.0),
        (TAGGED, "add header", 6.0),
        (HELD, "add header", 9.0),
        (REFUSED, "reject", 16.0),
    ] {
        for packed in [&[][..], &["-z"]] {
            let Some(answer) = json(&scanners, packed, &message("one", word)) else {
                return;
            };
            assert_eq!(answer["action"], action, "{answer}");
            assert_eq!(answer["score"], score, "{answer}");
            assert_eq!(answer["required_score"], 5.0);
            assert_eq!(answer["message-id"], "one@example.net");
            let passes = action != "reject";
            assert_eq!(answer["milter"].is_object(), passes, "{answer}");
            assert_eq!(
                answer["messages"]["smtp_message"].is_string(),
                !passes,
                "{answer}"
            );
        }
    }
    let answer = json(&scanners, &[], &message("one", HELD)).unwrap();
    let symbol = &answer["symbols"]["TEST_NINE"];
    assert_eq!(symbol["name"], "TEST_NINE");
    assert_eq!(symbol["score"], 9.0);
    assert_eq!(symbol["description"], "The word that is worth nine points");
    let people = text(
        &rspamc(&scanners, &[], &message("one", HELD))
            .unwrap()
            .stdout,
    );
    for line in [
        "Action: add header",
        "Spam: true",
        "Score: 9.00 / 5.00",
        "Symbol: TEST_NINE (9.00)",
    ] {
        assert!(people.contains(line), "{line} in\n{people}");
    }
}

#[test]
fn the_envelope_is_what_the_request_says() {
    let config = Config {
        sections: "policies: [{ name: strict, for: { recipients: [strict.example.org] }, thresholds: { tag: 1 } }]\n".to_owned(),
        rules: "version: 1
rules:
  - { id: CLIENT, description: x, score: 1, when: { client: 192.0.2.7 } }
  - { id: HELO, description: x, score: 2, when: { helo: 'client\\.example' } }
  - { id: SENDER, description: x, score: 4, when: { mail_from: 'a@b\\.example' } }
"
        .to_owned(),
        ..Config::default()
    };
    let scanners = Scanners::start(Keys {
        config,
        ..Keys::default()
    });
    let all = [
        "-i",
        "192.0.2.7",
        "--helo",
        "client.example",
        "-F",
        "a@b.example",
        "-r",
        "x@strict.example.org",
    ];
    let Some(answer) = json(&scanners, &all, &message("one", "nothing")) else {
        return;
    };
    assert_eq!(
        (&answer["score"], &answer["required_score"]),
        (&7.0.into(), &1.0.into()),
        "{answer}"
    );
    let log = scanners.daemon.log();
    assert!(
        log.contains("protocol=\"rspamd\"") && log.contains("to=\"x@strict.example.org\""),
        "{log}"
    );
}

#[test]
fn what_could_not_be_checked_is_a_soft_reject_whatever_the_client_looks_at() {
    let scanners = Scanners::unable();
    let body = |answer: &[u8]| {
        let said = text(answer);
        let (_, body) = said
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{said}"));
        serde_json::from_str::<Value>(body).unwrap_or_else(|e| panic!("{e}: {said}"))
    };
    let request = |path: &str, fields: &str, message: &[u8]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {}\r\n\r\n",
            message.len()
        );
        scanners.say(scanners.rspamd, &[head.as_bytes(), message].concat())
    };
    let ham = message("one", "nothing");
    // Nobody knows where it ends.
    let open = [b"POST /checkv2 HTTP/1.0\r\n\r\n".as_slice(), &ham].concat();
    let answer = scanners.say(scanners.rspamd, &open);
    assert!(text(&answer).contains(" 411 "), "{}", text(&answer));
    assert_eq!(body(&answer)["action"], "soft reject");
    let answer = body(&request("/checkv2", "", &ham));
    assert_eq!(answer["action"], "soft reject", "{answer}");
    assert_eq!(answer["symbols"]["UNSCANNED_CLAMAV"]["options"][0], "down");
    assert!(
        answer["messages"]["smtp_message"]
            .as_str()
            .unwrap()
            .starts_with("4.7.1 ")
    );
    for (path, fields) in [
        ("/checkv2", "Compression: zstd\r\n"),
        ("/checkv2", "Compression: gzip\r\n"),
        ("/check", ""),
        ("/learnspam", ""),
    ] {
        let answer = body(&request(path, fields, &ham));
        assert_eq!(answer["action"], "soft reject", "{path} {fields} {answer}");
        assert!(answer["error"].is_string());
    }
    let many = "Rcpt: a@b.example\r\n".repeat(2_001);
    assert_eq!(
        body(&request("/checkv2", &many, &ham))["action"],
        "soft reject"
    );
    // Longer than the daemon takes: for good.
    let answer = body(&request("/checkv2", "", &vec![b'x'; 200_000]));
    assert_eq!(answer["action"], "reject", "{answer}");
    assert_eq!(scanners.daemon.metric("mailweir_bytes_in_flight"), 0.0);
}

#[test]
fn learning_takes_the_password_and_statistics_tell_what_was_done() {
    let config = Config {
        chain: "[rules, bayes]",
        ..Config::default()
    };
    let scanners = Scanners::start(Keys {
        config,
        ..Keys::default()
    });
    let spam = message("one", "buy pills");
    for args in [
        &["learn_spam"][..],
        &["-P", "wrong", "learn_spam"],
        &["-P", "wrong", "stat"],
    ] {
        let Some(out) = rspamc(&scanners, args, &spam) else {
            return;
        };
        assert!(text(&out.stdout).contains("403"), "{args:?} {out:?}");
    }
    assert_eq!(scanners.requests("rspamd", "learn", "denied"), 2.0);
    for (command, word) in [("learn_spam", "spam"), ("learn_ham", "ham")] {
        let out = rspamc(&scanners, &["-P", PASSWORD, command], &spam).unwrap();
        assert!(text(&out.stdout).contains("success = true"), "{out:?}");
        wait_for("a lesson", || {
            rspamc(&scanners, &[], &spam);
            let series =
                format!("mailweir_model_lessons_total{{lesson=\"{word}\",origin=\"human\"}}");
            (scanners.daemon.metric(&series) == 1.0).then_some(())
        });
    }
    let out = rspamc(&scanners, &["-P", PASSWORD, "stat"], b"").unwrap();
    let said = text(&out.stdout);
    assert!(
        said.contains("Messages scanned: ") && said.contains("Statfile: BAYES_HAM"),
        "{said}"
    );
    assert!(
        said.contains("Total learns: 1"),
        "relabelled, so learned once: {said}"
    );
}

#[test]
fn copies_are_kept_only_where_that_is_configured_and_durable() {
    let rspamd = ", quarantine: true";
    let mut scanners = Scanners::start(Keys {
        rspamd,
        ..Keys::default()
    });
    let Some(answer) = json(&scanners, &["-r", "x@example.org"], &message("one", HELD)) else {
        return;
    };
    assert_eq!(answer["action"], "discard", "{answer}");
    let id = answer["id"].as_str().unwrap().to_owned();
    // It outlives the daemon.
    scanners.daemon.signal("KILL");
    scanners.daemon.wait();
    let shown = scanners.daemon.quarantine(&["show", &id]);
    assert!(text(&shown.stdout).contains("x@example.org"), "{shown:?}");
    scanners.daemon.restart();
    let answer = json(&scanners, &[], &message("two", REFUSED)).unwrap();
    assert_eq!(answer["action"], "reject");
    assert_eq!(scanners.daemon.metric("mailweir_quarantine_messages"), 1.0);
    // No copy, no discard.
    let store = scanners.daemon.path().join("data/quarantine");
    let moved = scanners.daemon.path().join("data/moved");
    std::fs::rename(&store, &moved).unwrap();
    std::fs::write(&store, "in the way").unwrap();
    let answer = json(&scanners, &[], &message("three", HELD)).unwrap();
    assert_eq!(answer["action"], "soft reject", "{answer}");
}
