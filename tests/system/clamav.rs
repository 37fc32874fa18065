//! The filter `clamav` in the daemon: what the real clamd finds of a message that we stream to it, and what becomes of
//! messages when servers misbehave, differ or grow old.

mod attachment;

use std::path::Path;
use std::time::Duration;

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon};
use super::milter::{Milter, inserted};
use super::place::wait_for;
use super::real_clamd::{HEURISTIC, RealClamd, SPAM, TEST_FILES, eicar};
use super::scanner::{FalseClamd, Manner};
use attachment::{Packed, attachments, base64, mail, messages, packed};

const DAY: Duration = Duration::from_secs(86_400);

fn daemon(servers: &[&str], more: &str) -> Daemon {
    let servers: Vec<String> = servers.iter().map(|s| format!("\"{s}\"")).collect();
    Daemon::start(&Config {
        chain: "[clamav]",
        sections: format!("clamav:\n  servers: [{}]\n{more}", servers.join(", ")),
        ..Config::default()
    })
}

/// Sends a message over milter, its body in pieces; gives `X-Virus-Status`, or the reply that refused it.
fn status(daemon: &Daemon, message: &[u8]) -> String {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    for part in milter.header(message).chunks(10_000) {
        assert_eq!(milter.body(part), MtaReply::Continue);
    }
    milter.write_end();
    let replies = milter.final_replies();
    match replies.last() {
        Some(MtaReply::Continue) => inserted(&replies, "X-Virus-Status").unwrap(),
        last => format!("{last:?}"),
    }
}

#[test]
fn what_clamd_finds_in_every_encoding_and_nesting() {
    let Some(clamd) = RealClamd::start("AlertEncrypted yes\nAlertExceedsMax yes") else {
        return;
    };
    // Points instead of a refusal, so that the header tells the name.
    let daemon = daemon(
        &[&clamd.server],
        "  signatures: [{ match: '*', score: 1 }]\n  on_failure: { limit: deliver, encrypted: deliver }\n",
    );
    let mut cases = messages(&eicar(), "Suspicious (Eicar-Test-Bytes.UNOFFICIAL)");
    match std::fs::read_dir(TEST_FILES) {
        Ok(files) => {
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.sort();
            assert!(files.len() >= 40, "{files:?}");
            cases.extend(files.iter().map(|file| test_file(file)));
        }
        Err(_) => println!("skipped: the containers of clamav-testfiles are not installed"),
    }
    let mut wrong = Vec::new();
    for (name, message, expected) in &cases {
        let found = status(&daemon, message);
        println!("{name:<52} {found}");
        if found != *expected {
            wrong.push(format!("{name}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// ClamAV's test file in one of its containers, as an attachment.
fn test_file(path: &Path) -> (String, Vec<u8>, &'static str) {
    let name = path.file_name().unwrap().to_str().unwrap();
    // Nested as deep as clamd goes by itself; inside of a message it is deeper.
    let expected = match name {
        "clam_cache_emax.tgz" => "Unscanned (limit)",
        _ => "Suspicious (ClamAV-Test-File.UNOFFICIAL)",
    };
    let content = std::fs::read(path).unwrap();
    (name.to_owned(), mail(&base64(&content)), expected)
}

/// docs/clamav.md, "What a pattern cannot do".
#[test]
fn clamd_stops_at_a_name_that_it_is_sure_of_and_goes_on_at_others() {
    let Some(clamd) = RealClamd::start("") else {
        return;
    };
    let daemon = daemon(
        &[&clamd.server],
        "  signatures: [{ match: 'Sanesecurity.*', score: 1 }, { match: 'Heuristics.*', score: 1 }]\n",
    );
    let said = |parts: &[&[u8]]| status(&daemon, &attachments(parts));
    let odd = "Suspicious (Heuristics.Test.UNOFFICIAL)";
    let spam = "Suspicious (Sanesecurity.Spam.Test.UNOFFICIAL)";
    assert_eq!(said(&[HEURISTIC]), odd);
    assert_eq!(said(&[SPAM]), spam);
    assert!(said(&[HEURISTIC, &eicar()]).contains("a virus was found"));
    assert!(said(&[&eicar(), SPAM]).contains("a virus was found"));
    // This is why names of spam have the points of quarantine.
    assert_eq!(said(&[SPAM, &eicar()]), spam);
}

#[test]
fn what_clamd_could_not_look_into_is_told_and_put_off() {
    let Some(clamd) = RealClamd::start(
        "AlertEncrypted yes\nAlertExceedsMax yes\nMaxFileSize 2M\nStreamMaxLength 3M\nMaxRecursion 5",
    ) else {
        return;
    };
    let deliver = "  on_failure: { too_large: deliver, limit: deliver, encrypted: deliver }\n";
    let (strict, mild) = (
        daemon(&[&clamd.server], ""),
        daemon(&[&clamd.server], deliver),
    );
    let deep = (0..12).fold(b"nothing bad".to_vec(), |inner, _| {
        packed(Packed::Stored, "inner.zip", &inner)
    });
    for (name, content, reason) in [
        (
            "encrypted",
            packed(Packed::Encrypted, "a.txt", b"secret"),
            "encrypted",
        ),
        ("deep", deep, "limit"),
        ("larger than clamd looks into", vec![b'a'; 2 << 20], "limit"),
        ("large", vec![b'a'; 3 << 20], "too_large"),
        ("large, a second time", vec![b'b'; 3 << 20], "too_large"),
    ] {
        let message = mail(&base64(&content));
        assert_eq!(
            status(&mild, &message),
            format!("Unscanned ({reason})"),
            "{name}"
        );
        let put_off = status(&strict, &message);
        assert!(put_off.contains("451"), "{name}: {put_off}");
        let unscanned =
            format!("mailweir_unscanned_total{{filter=\"clamav\",reason=\"{reason}\"}}");
        assert!(strict.metric(&unscanned) >= 1.0, "{name}");
    }
    assert_eq!(status(&strict, &mail(&base64(b"nothing bad"))), "Clean");
}

#[test]
fn new_signatures_are_noticed_and_old_ones_not_relied_on() {
    let Some(mut clamd) = RealClamd::start("") else {
        return;
    };
    let daemon = daemon(&[&clamd.server], "  health: { interval: 50ms }\n");
    let of_server = |name: &str| format!("mailweir_clamav_{name}{{server=\"{}\"}}", clamd.server);
    let (version, built) = (
        of_server("signatures_version"),
        of_server("signatures_timestamp_seconds"),
    );
    let (cached, scans) = (of_server("cached_total"), {
        let server = &clamd.server;
        format!("mailweir_clamav_scans_total{{result=\"clean\",server=\"{server}\"}}")
    });
    daemon.wait_for_metric(&version, 27_800.0);
    let age = jiff::Timestamp::now().as_second() as f64 - daemon.metric(&built);
    assert!((age - DAY.as_secs_f64()).abs() < 600.0, "{age}");
    let message = mail(&base64(b"nothing bad"));
    for _ in 0..2 {
        assert_eq!(status(&daemon, &message), "Clean");
    }
    assert_eq!((daemon.metric(&scans), daemon.metric(&cached)), (1.0, 1.0));
    clamd.update(27_801, DAY);
    assert_eq!(status(&daemon, &message), "Clean");
    assert_eq!((daemon.metric(&scans), daemon.metric(&cached)), (2.0, 1.0));
    clamd.update(27_802, 5 * DAY);
    daemon.wait_for_metric(&version, 27_802.0);
    assert_eq!(status(&daemon, &message), "Clean");
    clamd.update(27_803, 20 * DAY);
    daemon.wait_for_metric(&version, 27_803.0);
    assert_eq!(status(&daemon, &message), "Unscanned (outdated)");
    assert!(status(&daemon, &mail(&base64(&eicar()))).contains("550"));
    clamd.update(27_804, DAY);
    daemon.wait_for_metric(&version, 27_804.0);
    assert_eq!(status(&daemon, &message), "Clean");
    let log = daemon.log();
    for words in [
        "clamd answers",
        "clamd has changed",
        "27801",
        "clamd has old signatures: does freshclam run?",
        "age=\"5 days\"",
        "clamd has signatures too old to rely on",
        "clamd has fresh signatures again",
    ] {
        wait_for(words, || daemon.log().contains(words).then_some(()));
    }
    assert!(!log.contains("left alone"), "{log}");
}

#[test]
fn servers_that_flap_hang_or_answer_by_halves_cost_no_message() {
    let good = FalseClamd::start(Manner::Says(b"stream: OK\0"));
    for (name, manner) in [
        (
            "flaps",
            Manner::Moody(|n| {
                if n % 2 == 0 {
                    Manner::Closes(1)
                } else {
                    Manner::Says(b"stream: OK\0")
                }
            }),
        ),
        ("resets", Manner::Closes(1)),
        ("half a line, then silence", Manner::Begins(b"stream: O")),
        ("half a line", Manner::Says(b"stream: OK")),
        ("garbage", Manner::Says(b"\xff\xfe\0\0")),
        ("hangs", Manner::Mute),
        ("deaf", Manner::Deaf),
    ] {
        let bad = FalseClamd::start(manner);
        let servers = [bad.port, good.port].map(|port| format!("127.0.0.1:{port}"));
        let daemon = daemon(
            &[&servers[0], &servers[1]],
            "  connect_timeout: 1s\n  io_timeout: 1s\n  reply_timeout: 1s\n",
        );
        for number in 0..5 {
            let body = vec![b'0' + number; 200_000];
            assert_eq!(status(&daemon, &mail(&base64(&body))), "Clean", "{name}");
        }
        let unscanned = "mailweir_filter_outcomes_total{filter=\"clamav\",outcome=\"checked\"}";
        assert_eq!(daemon.metric(unscanned), 5.0, "{name}");
    }
}

#[test]
fn a_second_server_is_asked_when_the_first_takes_long() {
    let slow = FalseClamd::start(Manner::Mute);
    let quick = FalseClamd::start(Manner::Says(b"stream: OK\0"));
    let servers = [slow.port, quick.port].map(|port| format!("127.0.0.1:{port}"));
    let daemon = daemon(
        &[&servers[0], &servers[1]],
        "  hedge_after: 50ms\n  breaker: { failures: 2, retry_after: 1h }\n",
    );
    for number in 0..4 {
        assert_eq!(status(&daemon, &mail(&base64(&[number]))), "Clean");
    }
    let hedges = |result: &str| {
        let labels = format!("{{result=\"{result}\",server=\"{}\"}}", servers[1]);
        daemon.metric(&format!("mailweir_clamav_hedges_total{labels}"))
    };
    assert_eq!((hedges("sent"), hedges("won")), (2.0, 2.0));
    // It was found out.
    assert_eq!(
        daemon.metric(&format!("mailweir_clamav_up{{server=\"{}\"}}", servers[0])),
        0.0
    );
    assert_eq!(quick.streams(), 4);
}
