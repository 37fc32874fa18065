//! Debian's `spamc`.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::super::daemon::{Config, HELD, TAGGED};
use super::super::message::{as_stored, message, values};
use super::super::place::{free_port, installed};
use super::{Keys, Scanners, run, text};

/// What `spamc -x` makes of every failure that the daemon tells: it does not look at the code. Mail servers and delivery
/// agents take it for one that passes.
const EX_IOERR: i32 = 74;

/// `spamc`, which gives a failure of the daemon as its exit code.
fn spamc(scanners: &Scanners, args: &[&str], input: &[u8]) -> Option<Output> {
    let program: PathBuf = installed("spamc")?;
    let mut command = Command::new(program);
    command.args(["-x", "-F", "/dev/null", "-d", "127.0.0.1", "-p"]);
    command.arg(scanners.spamd.to_string()).args(args);
    Some(run(&mut command, input))
}

#[test]
fn every_command_of_spamc_is_answered() {
    let scanners = Scanners::plain();
    let spam = as_stored(&message("one", HELD));
    let ham = as_stored(&message("two", "nothing"));
    let Some(checked) = spamc(&scanners, &["-c"], &spam) else {
        return;
    };
    assert_eq!(
        (text(&checked.stdout).trim(), checked.status.code()),
        ("9.0/5.0", Some(1))
    );
    let ask = |args: &[&str], input| spamc(&scanners, args, input).unwrap();
    let checked = ask(&["-c"], &ham);
    assert_eq!(
        (text(&checked.stdout).trim(), checked.status.code()),
        ("0.0/5.0", Some(0))
    );
    assert_eq!(text(&ask(&["-y"], &spam).stdout), "TEST_NINE");
    let report = text(&ask(&["-R"], &spam).stdout);
    assert!(
        report.starts_with("9.0/5.0\n") && report.contains("The word that is worth nine points"),
        "{report}"
    );
    assert!(text(&ask(&["-r"], &spam).stdout).contains("TEST_NINE"));
    assert_eq!(text(&ask(&["-r"], &ham).stdout), "");
    assert_eq!(ask(&["-K"], b"").status.code(), Some(0));
    // By unix socket too.
    let socket = scanners.folder.path().join("spamd");
    let mut by_socket = Command::new(installed("spamc").unwrap());
    by_socket
        .args(["-x", "-F", "/dev/null", "-c", "-U"])
        .arg(&socket);
    assert_eq!(run(&mut by_socket, &spam).status.code(), Some(1));
    for (command, count) in [
        ("check", 3.0),
        ("symbols", 1.0),
        ("report", 1.0),
        ("report_ifspam", 2.0),
        ("ping", 1.0),
    ] {
        assert_eq!(
            scanners.requests("spamd", command, "answered"),
            count,
            "{command}"
        );
    }
    // Nothing is held back for who asks here.
    assert_eq!(scanners.daemon.metric("mailweir_quarantine_messages"), 0.0);
    assert_eq!(
        scanners
            .daemon
            .metric("mailweir_messages_total{verdict=\"quarantine\"}"),
        5.0
    );
    assert_eq!(scanners.daemon.metric("mailweir_bytes_in_flight"), 0.0);
}

#[test]
fn the_message_comes_back_with_our_fields_and_the_body_untouched() {
    let scanners = Scanners::plain();
    let forged =
        b"X-Spam-Flag: NO\nFrom: a@b.example\nX-Spam-Flag: NO\nSubject: one\n\n".as_slice();
    // With --headers spamc itself cuts a body at a zero byte, so there is none.
    let mut body = b"zebrawort-six\n\xff\n.\n From: no field\n".to_vec();
    body.extend(std::iter::repeat_n(b'x', 400_000));
    for separator in ["", "From a@b.example Tue Nov 17 10:00:00 2026\n"] {
        let sent = [separator.as_bytes(), forged, &body].concat();
        for args in [&[][..], &["--headers"]] {
            let Some(out) = spamc(&scanners, args, &sent) else {
                return;
            };
            assert_eq!(out.status.code(), Some(0));
            let came = out.stdout.strip_prefix(separator.as_bytes()).unwrap();
            assert!(came.ends_with(&body), "{separator:?} {args:?}");
            assert_eq!(values(came, "X-Spam-Flag"), ["YES"]);
            assert_eq!(values(came, "From"), ["a@b.example"]);
            assert!(
                values(came, "X-Spam-Status")[0]
                    .starts_with("Yes, score=6.00 required=5.00 tests=TEST_SIX")
            );
        }
    }
}

#[test]
fn what_could_not_be_checked_is_a_failure_and_never_clean() {
    let scanners = Scanners::unable();
    let ham = as_stored(&message("one", "nothing"));
    for args in [&["-c"][..], &["-R"], &["-y"], &[]] {
        let Some(out) = spamc(&scanners, args, &ham) else {
            return;
        };
        assert_eq!(out.status.code(), Some(EX_IOERR), "{args:?} {out:?}");
    }
    assert_eq!(scanners.requests("spamd", "check", "failed"), 1.0);
    // Longer than the daemon takes: for good.
    let long = [ham.as_slice(), &vec![b'x'; 200_000]].concat();
    assert_eq!(
        spamc(&scanners, &["-c"], &long).unwrap().status.code(),
        Some(EX_IOERR)
    );
    assert_eq!(scanners.daemon.metric("mailweir_bytes_in_flight"), 0.0);
}

#[test]
fn the_policy_is_that_of_the_user_and_the_client_that_of_the_received_field() {
    let config = Config {
        sections: "policies:
  - { name: strict, for: { recipients: [strict.example.org] }, thresholds: { tag: 1 } }
  - { name: blind, for: { recipients: [blind@example.net] }, skip: [rules] }
"
        .to_owned(),
        rules: format!(
            "{}  - id: FROM_THERE\n    description: The client\n    score: 1\n    when: {{ client: 192.0.2.7 }}\n",
            super::super::daemon::RULES
        ),
        ..Config::default()
    };
    let spamd = ", received: 2";
    let scanners = Scanners::start(Keys {
        spamd,
        config,
        ..Keys::default()
    });
    let ham = as_stored(&message("one", "nothing"));
    let relayed = b"Received: from mx.example.org (mx.example.org [10.0.0.1]) by store; now\n\
        Received: from x.example (x.example [192.0.2.7]) by mx.example.org; now\n\
        Received: from y.example (y.example [192.0.2.8]) by x.example; now\n"
        .as_slice();
    let six = as_stored(&message("two", TAGGED));
    for (user, message, said) in [
        (
            "ann@strict.example.org",
            [relayed, &ham].concat(),
            "1.0/1.0",
        ),
        ("ann@elsewhere.example", [relayed, &ham].concat(), "1.0/5.0"),
        ("blind@example.net", six.clone(), "0.0/5.0"),
        ("ann", six, "6.0/5.0"),
    ] {
        let Some(out) = spamc(&scanners, &["-c", "-u", user], &message) else {
            return;
        };
        assert_eq!(text(&out.stdout).trim(), said, "{user}");
    }
}

#[test]
fn lessons_reach_the_classifier_where_they_are_allowed() {
    let learning = |spamd| {
        let config = Config {
            chain: "[rules, bayes]",
            ..Config::default()
        };
        Scanners::start(Keys {
            spamd,
            config,
            ..Keys::default()
        })
    };
    let scanners = learning(", learning: true");
    let spam = as_stored(&message("one", "buy pills"));
    for (class, word) in [("spam", "spam"), ("ham", "ham"), ("forget", "forget")] {
        let Some(out) = spamc(&scanners, &["-L", class], &spam) else {
            return;
        };
        assert_eq!(
            text(&out.stdout).trim(),
            "Message successfully un/learned",
            "{class}"
        );
        // A lesson is applied in the background; messages make the filter look for it.
        super::super::place::wait_for("a lesson", || {
            spamc(&scanners, &["-c"], &spam);
            let series =
                format!("mailweir_model_lessons_total{{lesson=\"{word}\",origin=\"human\"}}");
            (scanners.daemon.metric(&series) == 1.0).then_some(())
        });
    }
    let closed = learning("");
    let out = spamc(&closed, &["-L", "spam"], &spam).unwrap();
    assert_eq!(out.status.code(), Some(EX_IOERR), "{out:?}");
    assert_eq!(closed.requests("spamd", "tell", "denied"), 1.0);
    assert!(!closed.daemon.path().join("data/model.mwb.journal").exists());
}

#[test]
fn a_daemon_that_is_gone_is_a_failure() {
    let Some(program) = installed("spamc") else {
        return;
    };
    let mut command = Command::new(program);
    command.args([
        "-x",
        "-F",
        "/dev/null",
        "-c",
        "--connect-retries=1",
        "-d",
        "127.0.0.1",
        "-p",
    ]);
    let out = run(command.arg(free_port().to_string()), b"Subject: x\n\n");
    assert_ne!(out.status.code(), Some(0));
}
