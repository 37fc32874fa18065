//! Clients that do not keep to the protocols, or take more than their share.

use std::io::{Read, Write};

use super::super::daemon::{Config, Daemon, HELD, TAGGED};
use super::super::message::message;
use super::super::milter::{Milter, inserted};
use super::super::place::{free_port, wait_for};
use super::{Keys, Scanners, connect, parsed, text};

fn spamd(command: &str, fields: &str, message: &[u8]) -> Vec<u8> {
    let head = format!(
        "{command} SPAMC/1.5\r\n{fields}Content-length: {}\r\n\r\n",
        message.len()
    );
    [head.as_bytes(), message].concat()
}

#[test]
fn a_request_that_makes_no_sense_is_answered_so() {
    let scanners = Scanners::plain();
    let short = [spamd("CHECK", "", b"0123456789").as_slice(), b"more"].concat();
    let long = format!("CHECK SPAMC/1.5\r\nUser: {}\r\n", "x".repeat(200_000));
    for (said, code) in [
        (b"HELLO\r\n".as_slice(), "76 EX_PROTOCOL"),
        (b"CHECK HTTP/1.1\r\n\r\n", "76 EX_PROTOCOL"),
        (
            b"CHECK SPAMC/1.5\r\nContent-length: many\r\n\r\n",
            "76 EX_PROTOCOL",
        ),
        (
            b"CHECK SPAMC/1.5\r\nContent-length: 20\r\n\r\nshort",
            "65 EX_DATAERR",
        ),
        (&short, "65 EX_DATAERR"),
        (long.as_bytes(), "76 EX_PROTOCOL"),
        (
            &spamd("CHECK", "Compress: zlib\r\n", b"not packed"),
            "65 EX_DATAERR",
        ),
    ] {
        let answer = text(&scanners.say(scanners.spamd, said));
        assert!(
            answer.starts_with(&format!("SPAMD/1.0 {code}: ")),
            "{answer}"
        );
    }
    for (said, code) in [
        ("CHECK RSPAMC/1.3\r\n\r\n", "76 EX_PROTOCOL"),
        ("LEARN RSPAMC/1.3\r\n\r\n", "76 EX_PROTOCOL"),
        (
            "CHECK RSPAMC/1.3\r\nContent-length: x\r\n\r\n",
            "76 EX_PROTOCOL",
        ),
    ] {
        let answer = text(&scanners.say(scanners.rspamd, said.as_bytes()));
        assert!(
            answer.starts_with(&format!("RSPAMD/1.3 {code}: ")),
            "{answer}"
        );
    }
    // Nothing to be answered.
    assert!(scanners.say(scanners.spamd, b"").is_empty());
    assert!(
        scanners
            .say(scanners.spamd, b"SKIP SPAMC/1.5\r\n")
            .is_empty()
    );
    assert!(
        scanners
            .say(scanners.spamd, b"CHECK SPAMC/1.5\r\n")
            .is_empty()
    );
    assert!(scanners.say(scanners.rspamd, b"").is_empty());
    assert_eq!(
        text(&scanners.say(scanners.spamd, b"PING SPAMC/1.2\r\n")),
        "SPAMD/1.5 0 PONG\r\n"
    );
    assert_eq!(scanners.daemon.metric("mailweir_panics_total"), 0.0);
    assert_eq!(scanners.requests("spamd", "unknown", "bad"), 4.0);
}

#[test]
fn packed_messages_are_bounded_by_what_they_unpack_to() {
    let config = Config {
        sections: "limits: { message: 1MiB }\n".to_owned(),
        ..Config::default()
    };
    let scanners = Scanners::start(Keys {
        config,
        ..Keys::default()
    });
    let pack = |bytes: &[u8]| {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let packed = spamd("CHECK", "Compress: zlib\r\n", &pack(&message("one", HELD)));
    let answer = text(&scanners.say(scanners.spamd, &packed));
    assert!(answer.contains("Spam: True ; 9.00 / 5.00\r\n"), "{answer}");
    // Cut off on its way, by the last byte of its checksum.
    let mut cut = pack(&message("one", "nothing"));
    cut.pop();
    let answer = text(&scanners.say(scanners.spamd, &spamd("CHECK", "Compress: zlib\r\n", &cut)));
    assert!(answer.starts_with("SPAMD/1.0 65 EX_DATAERR: "), "{answer}");
    let bomb = spamd("CHECK", "Compress: zlib\r\n", &pack(&vec![0; 50 << 20]));
    assert!(bomb.len() < 100_000);
    let answer = text(&scanners.say(scanners.spamd, &bomb));
    assert!(answer.starts_with("SPAMD/1.0 65 EX_DATAERR: "), "{answer}");
    assert_eq!(scanners.daemon.metric("mailweir_bytes_in_flight"), 0.0);
}

#[test]
fn strangers_and_one_client_too_many_are_turned_away() {
    let scanners = Scanners::start(Keys {
        spamd: ", connections: 2",
        rspamd: ", networks: [192.0.2.0/24]",
        ..Keys::default()
    });
    let held = [connect(scanners.spamd), connect(scanners.spamd)];
    scanners
        .daemon
        .wait_for_metric("mailweir_scanner_connections_open{protocol=\"spamd\"}", 2.0);
    assert!(
        scanners
            .say(scanners.spamd, b"PING SPAMC/1.5\r\n")
            .is_empty()
    );
    drop(held);
    wait_for("room for a connection", || {
        (!scanners
            .say(scanners.spamd, b"PING SPAMC/1.5\r\n")
            .is_empty())
        .then_some(())
    });
    assert!(
        scanners
            .say(scanners.rspamd, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            .is_empty()
    );
    let refused = |protocol, cause| {
        let series =
            format!("mailweir_scanner_refused_total{{cause=\"{cause}\",protocol=\"{protocol}\"}}");
        scanners.daemon.metric(&series)
    };
    assert!(refused("spamd", "connections") >= 1.0);
    assert_eq!(refused("rspamd", "network"), 1.0);
}

#[test]
fn a_client_that_stops_in_the_middle_is_left_and_the_daemon_ends_without_it() {
    let mut scanners = Scanners::start(Keys {
        spamd: ", timeout: 1s",
        rspamd: ", timeout: 1s",
        ..Keys::default()
    });
    let http = format!(
        "POST /checkv2 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}",
        "x".repeat(10)
    );
    for (port, begun) in [
        (
            scanners.spamd,
            "CHECK SPAMC/1.5\r\nContent-length: 100\r\n\r\nbegun",
        ),
        (scanners.spamd, "CHE"),
        (
            scanners.rspamd,
            "CHECK RSPAMC/1.3\r\nContent-length: 100\r\n\r\nbegun",
        ),
        (scanners.rspamd, "POST"),
        (scanners.rspamd, "POST /checkv2 HTTP/1.1\r\n"),
        (scanners.rspamd, http.as_str()),
    ] {
        let mut client = connect(port);
        client.write_all(begun.as_bytes()).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let clean = ["EX_OK", "no action"]
            .iter()
            .any(|w| text(&answer).contains(w));
        assert!(!clean, "{begun}: {}", text(&answer));
    }
    assert_eq!(scanners.daemon.metric("mailweir_bytes_in_flight"), 0.0);
    let _idle = [connect(scanners.spamd), connect(scanners.rspamd)];
    scanners.daemon.signal("TERM");
    assert!(scanners.daemon.wait().success());
}

#[test]
fn a_message_gets_the_same_score_whichever_protocol_asks() {
    let scanners = Scanners::plain();
    for word in ["nothing", TAGGED, HELD] {
        let message = message("one", word);
        let by_spamd = text(&scanners.say(scanners.spamd, &spamd("CHECK", "", &message)));
        let (_, score) = by_spamd.split_once(" ; ").unwrap();
        let by_spamd = parsed(score.split(" /").next().unwrap());
        let head = format!(
            "CHECK RSPAMC/1.3\r\nContent-length: {}\r\n\r\n",
            message.len()
        );
        let by_line = text(&scanners.say(scanners.rspamd, &[head.as_bytes(), &message].concat()));
        let by_line = parsed(
            by_line
                .split("; ")
                .nth(2)
                .unwrap()
                .split(" /")
                .next()
                .unwrap(),
        );
        let mut milter = Milter::open(scanners.daemon.milter);
        milter.connect("192.0.2.1");
        milter.envelope();
        let replies = milter.message(&message);
        if let Some(score) = inserted(&replies, "X-Spam-Score") {
            assert_eq!(parsed(&score), by_spamd, "{word}");
        }
        assert_eq!(by_spamd, by_line, "{word}");
    }
}

#[test]
fn the_daemon_says_where_it_listens_and_that_it_cannot() {
    let scanners = Scanners::plain();
    let log = scanners.daemon.log();
    for line in [
        format!("spamd: 127.0.0.1:{}", scanners.spamd),
        format!("rspamd: 127.0.0.1:{}", scanners.rspamd),
    ] {
        assert!(log.contains(&line), "{line} in {log}");
    }
    let port = free_port();
    let daemon = Daemon::start(&Config {
        sections: format!("scanners: {{ spamd: {{ listen: ['127.0.0.1:{port}'] }} }}\n"),
        ..Config::default()
    });
    let other = super::super::daemon::program()
        .args([
            "serve",
            "--milter",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(scanners.folder.path().join("data"))
        .arg("--config")
        .arg(daemon.path().join("mailweir.yaml"))
        .output()
        .unwrap();
    assert!(
        text(&other.stderr).contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{other:?}"
    );
}
