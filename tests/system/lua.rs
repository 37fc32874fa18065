//! miltertest, an MTA's side of the protocol that others wrote, with scripts in `lua/`.

use std::path::Path;
use std::process::Command;

use super::daemon::{Config, Daemon, HELD, REFUSED, TAGGED};
use super::place::installed;
use super::scanner::{FalseClamd, Manner};

/// Runs a script against a daemon; `None` when miltertest is not installed.
fn run(script: &str, config: &Config) -> Option<Daemon> {
    let miltertest = installed("miltertest")?;
    let daemon = Daemon::start(config);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/lua");
    let define = |name: &str, value: &str| ["-D".to_owned(), format!("{name}={value}")];
    let done = Command::new(miltertest)
        .args(define(
            "socket",
            &format!("inet:{}@127.0.0.1", daemon.milter),
        ))
        .args(define(
            "prelude",
            &folder.join("assert.lua").to_string_lossy(),
        ))
        .args(define("six", TAGGED))
        .args(define("nine", HELD))
        .args(define("sixteen", REFUSED))
        .arg("-s")
        .arg(folder.join(script))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{script}:\n{}{}\n{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
        daemon.log()
    );
    Some(daemon)
}

#[test]
fn negotiation() {
    run("negotiation.lua", &Config::default());
}

#[test]
fn message() {
    run("message.lua", &Config::default());
}

#[test]
fn refusal() {
    if let Some(daemon) = run("refusal.lua", &Config::default()) {
        let log = daemon.log();
        assert!(log.contains("verdict=\"reject\""), "{log}");
        assert!(log.contains("verdict=\"quarantine\""), "{log}");
    }
}

#[test]
fn two_messages() {
    run("two-messages.lua", &Config::default());
}

#[test]
fn abort() {
    if let Some(daemon) = run("abort.lua", &Config::default()) {
        assert_eq!(daemon.metric("mailweir_transactions_aborted_total"), 1.0);
    }
}

#[test]
fn unknown() {
    run("unknown.lua", &Config::default());
}

#[test]
fn tempfail() {
    let absent = FalseClamd::start(Manner::Absent);
    let config = Config {
        chain: "[rules, clamav]",
        sections: format!("clamav: {{ servers: [\"127.0.0.1:{}\"] }}\n", absent.port),
        ..Config::default()
    };
    if let Some(daemon) = run("tempfail.lua", &config) {
        let refused = "mailweir_messages_total{verdict=\"tempfail\"}";
        assert_eq!(daemon.metric(refused), 1.0);
    }
}

#[test]
fn large_body() {
    run("large-body.lua", &Config::default());
}

#[test]
fn many_headers() {
    run("many-headers.lua", &Config::default());
}

#[test]
fn macros() {
    let Some(daemon) = run("macros.lua", &Config::default()) else {
        return;
    };
    let log = daemon.log();
    let line = |sender: &str| {
        log.lines()
            .find(|l| l.contains(sender))
            .unwrap_or_else(|| panic!("{sender} in\n{log}"))
    };
    assert!(line("first@example.net").contains("4FIRSTQUEUEID"));
    assert!(!line("second@example.net").contains("4FIRSTQUEUEID"));
}
