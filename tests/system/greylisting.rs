//! Greylisting and rates behind a real Postfix, with swaks as the client.

use std::process::{Command, Output};

use super::daemon::{Config, Daemon};
use super::message::{message, value};
use super::place::{installed, wait_for};
use super::postfix::Postfix;

fn daemon(sections: &str) -> Daemon {
    Daemon::start(&Config {
        chain: "[greylist, rates, rules]",
        sections: sections.to_owned(),
        ..Config::default()
    })
}

/// One message by swaks from another client; its exit code is 0 only where all is taken.
fn swaks(port: u16, client: &str, to: &str, words: &str) -> Option<Output> {
    let swaks = installed("swaks")?;
    let out = Command::new(swaks)
        .args(["--server", "127.0.0.1", "--port", &port.to_string()])
        .args(["--helo", "client.example.net", "--from", "ann@example.com"])
        .args(["--to", to, "--body", words, "--timeout", "20"])
        .args(["--xclient", &format!("ADDR={client} NAME=[UNAVAILABLE]")])
        .output()
        .unwrap();
    Some(out)
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_first_attempt_is_refused_at_rcpt_and_the_second_is_taken() {
    let daemon = daemon("greylist: { band: null, delay: 1s }\n");
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let port = postfix.port(0);
    let send = |to: &str| swaks(port, "192.0.2.1", to, "first words");
    let Some(first) = send("user@example.org") else {
        return;
    };
    assert!(!first.status.success());
    let text = said(&first);
    assert!(
        text.contains("451 4.7.1")
            && text.contains("Greylisted: please try again in 1 seconds (id "),
        "{text}"
    );
    // Refused at RCPT: the body was not sent.
    assert!(!text.contains("DATA"), "{text}");
    wait_for("a second attempt to be taken", || {
        send("user@example.org").filter(|out| out.status.success())
    });
    let stored = postfix.wait_for("first words");
    let status = value(&stored, "X-Spam-Status");
    assert!(status.contains("tests=GREYLIST_PASSED"), "{status}");
    let deferred = "mailweir_early_answers_total{stage=\"rcpt\",verdict=\"tempfail\"}";
    assert!(daemon.metric(deferred) >= 1.0);
}

/// Who is known gets the message; who is new is told to wait, alone.
#[test]
fn of_several_recipients_only_the_new_one_is_put_off() {
    let daemon = daemon("greylist: { band: null, delay: 1s }\n");
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let raw = message("both", "to the one who is known");
    wait_for("the first recipient to be known", || {
        let mut smtp = postfix.open();
        smtp.xclient("192.0.2.1");
        assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
        (smtp.command("RCPT TO:<user@example.org>").code == 250).then_some(())
    });
    let mut smtp = postfix.open();
    smtp.xclient("192.0.2.1");
    assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
    let new = smtp.command("RCPT TO:<new@example.org>");
    assert_eq!(new.code, 451, "{new:?}");
    assert_eq!(smtp.command("RCPT TO:<user@example.org>").code, 250);
    let reply = smtp.data(&raw);
    assert_eq!(reply.code, 250, "{reply:?}");
    postfix.wait_for("to the one who is known");
    assert!(
        daemon.log().contains("decided_by=\"GREYLISTED\""),
        "{}",
        daemon.log()
    );

    // The null sender is answered at the end: a server that only asks for an address is not told to wait.
    let mut smtp = postfix.open();
    smtp.xclient("192.0.2.1");
    assert_eq!(smtp.command("MAIL FROM:<>").code, 250);
    assert_eq!(smtp.command("RCPT TO:<user@example.org>").code, 250);
    let reply = smtp.data(&message("bounce", "a bounce"));
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.contains("Greylisted"), "{reply:?}");
}

#[test]
fn in_a_band_of_scores_the_answer_comes_at_the_end() {
    let daemon = daemon("greylist: { band: { from: 5, to: 8 }, delay: 1s }\n");
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let port = postfix.port(0);
    let send = |words: &str| swaks(port, "192.0.2.1", "user@example.org", words);
    let Some(plain) = send("nothing to see") else {
        return;
    };
    assert!(plain.status.success(), "{}", said(&plain));
    let suspicious = send("zebrawort-six").unwrap();
    assert!(!suspicious.status.success());
    let text = said(&suspicious);
    assert!(
        text.contains("DATA") && text.contains("451 4.7.1 Greylisted"),
        "{text}"
    );
    wait_for("a second attempt to be taken", || {
        send("zebrawort-six").filter(|out| out.status.success())
    });
    let stored = postfix.wait_for("zebrawort-six");
    assert_eq!(value(&stored, "X-Spam-Flag"), "YES");
}

#[test]
fn a_recipient_beyond_a_limit_is_refused_and_the_message_goes_to_the_others() {
    let daemon = daemon(
        "greylist: { band: { from: 99, to: null } }\n\
         rates: { limits: [{ by: client_network, count: recipients, burst: 2, per: 1d }] }\n",
    );
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let mut smtp = postfix.open();
    smtp.xclient("192.0.2.1");
    smtp.envelope();
    assert_eq!(smtp.command("RCPT TO:<second@example.org>").code, 250);
    let third = smtp.command("RCPT TO:<third@example.org>");
    assert_eq!(third.code, 451, "{third:?}");
    assert!(
        third
            .text
            .contains("Too much mail at a time: please try again in 43"),
        "{third:?}"
    );
    let reply = smtp.data(&message("two", "for two of three"));
    assert_eq!(reply.code, 250, "{reply:?}");
    postfix.wait_for("for two of three");
    assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
    assert_eq!(smtp.command("RCPT TO:<user@example.org>").code, 451);
    // Another network has a bucket of its own.
    let mut other = postfix.open();
    other.xclient("198.51.100.1");
    assert_eq!(other.send(&message("other", "from elsewhere")).code, 250);
    assert_eq!(
        daemon.metric("mailweir_rates_exceeded_total{limit=\"client_network\"}"),
        2.0
    );
}
