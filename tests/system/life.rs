//! Stopping and reloading while mail is on its way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::daemon::{Config, Daemon, RULES, TAGGED};
use super::message::{message, value};
use super::place::{PATIENCE, wait_for};
use super::postfix::Postfix;
use super::scanner::{FalseClamd, Gate, Manner};
use super::smtp::attempt;

#[test]
fn on_sigterm_the_message_in_flight_is_answered_before_the_end() {
    let gate = Gate::default();
    let clamd = FalseClamd::start(Manner::Waits(gate.clone()));
    let mut daemon = Daemon::start(&Config {
        chain: "[rules, clamav]",
        sections: format!("clamav: {{ servers: [\"127.0.0.1:{}\"] }}\n", clamd.port),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let reply = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let sent = message("in flight", "Sent before the end");
            attempt(postfix.port(0), &sent).unwrap()
        });
        clamd.wait_for_stream_after(0);
        daemon.signal("TERM");
        wait_for("the drain", || {
            let ready = daemon.get("/readyz").expect("HTTP is served to the end");
            ready.starts_with("HTTP/1.1 503").then_some(())
        });
        // Nothing new is taken.
        let late = attempt(postfix.port(0), &message("late", "Sent after")).unwrap();
        assert!((400..500).contains(&late.code), "{late:?}");
        gate.open();
        client.join().unwrap()
    });
    assert_eq!(reply.code, 250, "{reply:?}");
    let status = daemon.wait();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    let stored = postfix.wait_for("Sent before the end");
    assert_eq!(value(&stored, "X-Virus-Status"), "Clean");
}

#[test]
fn a_client_of_the_metrics_that_says_nothing_does_not_keep_the_daemon_from_ending() {
    let mut daemon = Daemon::start(&Config::default());
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.http)).unwrap();
    let silent = connect();
    let mut slow = connect();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").unwrap();
    // Both have been taken when a later one is answered.
    assert!(daemon.get("/healthz").is_some());
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    drop((silent, slow));
}

#[test]
fn clients_of_the_metrics_are_bounded_and_their_places_come_back() {
    let daemon = Daemon::start(&Config::default());
    let connect = || {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.http)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    };
    let mut clients: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
    // They have been taken when one that came after them is closed.
    assert_eq!(connect().read(&mut [0]).unwrap(), 0);
    let mut first = clients.swap_remove(0);
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
    drop(clients);
    wait_for("a place for one more client", || {
        let metrics = daemon.get("/metrics")?;
        let refused = "mailweir_http_connections_refused_total ";
        let refused = metrics.lines().find_map(|l| l.strip_prefix(refused))?;
        (refused.parse::<f64>().unwrap() >= 1.0).then_some(())
    });
}

#[test]
fn a_reload_changes_the_next_message_and_a_broken_file_changes_nothing() {
    let daemon = Daemon::start(&Config::default());
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    // One SMTP session, and so one milter connection, over all reloads.
    let mut smtp = postfix.open();
    let mut score_of = |text: &str| {
        let reply = smtp.send(&message(text, &format!("{text} {TAGGED}")));
        assert_eq!(reply.code, 250, "{reply:?}");
        value(&postfix.wait_for(&format!("{text} ")), "X-Spam-Score")
    };
    assert_eq!(score_of("first"), "6.00");

    std::fs::write(daemon.rules(), RULES.replace("score: 6", "score: 7.5")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);
    assert_eq!(daemon.metric("mailweir_reload_ok"), 1.0);
    assert_eq!(score_of("second"), "7.50");

    std::fs::write(daemon.rules(), RULES.replace("score: 9", "scor: 9")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"failed\"}", 1.0);
    assert_eq!(daemon.metric("mailweir_reload_ok"), 0.0);
    wait_for("the place of the mistake in the log", || {
        daemon.log().contains("rules/test.yaml:9:").then_some(())
    });
    assert_eq!(score_of("third"), "7.50");

    std::fs::write(daemon.rules(), RULES).unwrap();
    let config = daemon.path().join("mailweir.yaml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, good.replace("chain:", "chian:")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"failed\"}", 2.0);
    wait_for("the place of the mistake in the log", || {
        daemon.log().contains("did you mean `chain`?").then_some(())
    });
    assert_eq!(score_of("fourth"), "7.50");

    std::fs::write(&config, good).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 2.0);
    assert_eq!(daemon.metric("mailweir_reload_ok"), 1.0);
    assert_eq!(score_of("fifth"), "6.00");
}
