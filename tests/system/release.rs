//! A message is released from the quarantine and passes, once, through the same Postfix.

use super::daemon::{Config, Daemon, HELD};
use super::message::{as_stored, message, value, values};
use super::place::free_port;
use super::postfix::Postfix;

#[test]
fn a_released_message_is_delivered_as_it_was_and_passes_once() {
    let port = free_port();
    let daemon = Daemon::start(&Config {
        sections: format!("quarantine: {{ release: {{ smtp: \"127.0.0.1:{port}\" }} }}\n"),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start_at(vec![port], &[daemon.inet()]) else {
        return;
    };
    let sent = message("held back", &format!("{HELD}\r\n.a line with a dot"));
    assert_eq!(postfix.open().send(&sent).code, 250);
    postfix.drained();
    assert!(postfix.delivered().is_empty());
    let held = daemon.quarantined();
    assert_eq!(held.len(), 1);

    let released = daemon.quarantine(&["release", &held[0]]);
    assert!(released.status.success(), "{released:?}");
    let stored = postfix.wait_for(HELD);
    assert!(
        stored.ends_with(&as_stored(&sent)),
        "{}",
        String::from_utf8_lossy(&stored)
    );
    assert!(values(&stored, "X-Mailweir-Release").is_empty());
    let status = value(&stored, "X-Spam-Status");
    assert!(status.contains("released=yes"), "{status}");
    assert_eq!(value(&stored, "Return-Path"), "<sender@example.net>");
    assert_eq!(value(&stored, "Delivered-To"), "user@example.org");

    // The sender's next copy is judged anew.
    assert_eq!(postfix.open().send(&sent).code, 250);
    // So is one with a mark that was made up.
    let forged = [
        format!("X-Mailweir-Release: {}.{}\r\n", held[0], "0".repeat(32)).as_bytes(),
        &sent,
    ]
    .concat();
    assert_eq!(postfix.open().send(&forged).code, 250);
    postfix.drained();
    assert_eq!(postfix.delivered().len(), 1);
}
