//! What the sender is told, and what the metrics say, when something that mailweir leans on fails.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::daemon::{Config, Daemon, HELD, REFUSED};
use super::disk::SmallDisk;
use super::dns_server::{Question, Reply as Answer};
use super::message::{message, status, value};
use super::names::Names;
use super::postfix::Postfix;
use super::scanner::{FalseClamd, Gate, Manner};
use super::smtp::{Reply, attempt};

const LATER: &str = "451 4.7.1 Message cannot be checked now, please try again later (id ";

/// One way in which clamd fails, and what follows.
struct Scan {
    name: &'static str,
    manner: Manner,
    /// Size of the body that is sent.
    body: usize,
    /// Reason of `mailweir_unscanned_total`.
    reason: &'static str,
    /// Result of `mailweir_clamav_scans_total`.
    result: &'static str,
}

fn scans() -> Vec<Scan> {
    let scan = |name, manner, body, reason, result| Scan {
        name,
        manner,
        body,
        reason,
        result,
    };
    let limit = b"INSTREAM size limit exceeded. ERROR\0";
    vec![
        scan("absent", Manner::Absent, 100, "down", "down"),
        scan("deaf", Manner::Deaf, 9_000_000, "timeout", "timeout"),
        scan("mute", Manner::Mute, 100, "timeout", "timeout"),
        scan("closes", Manner::Closes(1), 300_000, "error", "closed"),
        scan("says nothing", Manner::Says(b""), 100, "error", "closed"),
        scan(
            "size limit",
            Manner::Interrupts(70_000, limit),
            300_000,
            "too_large",
            "too_large",
        ),
        scan(
            "half a line",
            Manner::Says(b"stream: O"),
            100,
            "error",
            "garbled",
        ),
        scan(
            "garbage",
            Manner::Says(b"220 mail ready\r\n\0"),
            100,
            "error",
            "garbled",
        ),
        scan(
            "error",
            Manner::Says(b"Can't allocate memory ERROR\0"),
            100,
            "error",
            "error",
        ),
    ]
}

fn with_clamd(port: u16, more: &str) -> Config {
    Config {
        chain: "[rules, clamav]",
        sections: format!(
            "clamav:
  servers: [\"127.0.0.1:{port}\"]
  connect_timeout: 2s
  io_timeout: 2s
  reply_timeout: 2s
  timeout: 5s
{more}"
        ),
        ..Config::default()
    }
}

fn body(size: usize) -> String {
    let line = "This line is sixty-four bytes long, its end of line included..\r\n";
    line.repeat(size / line.len() + 1)
}

#[test]
fn whatever_clamd_does_an_unscanned_message_is_refused_for_now() {
    let scans = scans();
    let servers: Vec<FalseClamd> = scans
        .iter()
        .map(|s| FalseClamd::start(s.manner.clone()))
        .collect();
    let daemons: Vec<Daemon> = servers
        .iter()
        .map(|s| Daemon::start(&with_clamd(s.port, "")))
        .collect();
    let milters: Vec<String> = daemons.iter().map(Daemon::inet).collect();
    let Some(postfix) = Postfix::start(&milters) else {
        return;
    };
    std::thread::scope(|scope| {
        for (number, scan) in scans.iter().enumerate() {
            let (postfix, daemon, server) = (&postfix, &daemons[number], &servers[number]);
            scope.spawn(move || {
                let sent = message(scan.name, &body(scan.body));
                let reply = attempt(postfix.port(number), &sent).unwrap();
                assert_eq!(reply.code, 451, "{}: {reply:?}", scan.name);
                assert!(reply.text.starts_with(LATER), "{}: {reply:?}", scan.name);
                assert!(daemon.log().contains(reply.id()), "{}", scan.name);
                let unscanned = format!(
                    "mailweir_unscanned_total{{filter=\"clamav\",reason=\"{}\"}}",
                    scan.reason
                );
                assert_eq!(daemon.metric(&unscanned), 1.0, "{}", scan.name);
                let result = format!(
                    "mailweir_clamav_scans_total{{result=\"{}\",server=\"127.0.0.1:{}\"}}",
                    scan.result, server.port
                );
                assert!(daemon.metric(&result) >= 1.0, "{}: {result}", scan.name);
                let refused = "mailweir_messages_total{verdict=\"tempfail\"}";
                assert_eq!(daemon.metric(refused), 1.0, "{}", scan.name);
            });
        }
    });
    postfix.drained();
    assert!(postfix.delivered().is_empty());
}

#[test]
fn without_clamd_the_policy_chooses_and_certain_spam_is_still_refused() {
    let absent = FalseClamd::start(Manner::Absent);
    let deliver = Daemon::start(&with_clamd(
        absent.port,
        "  on_failure: { down: deliver }\n",
    ));
    let hold = Daemon::start(&with_clamd(
        absent.port,
        "  on_failure: { down: quarantine }\n",
    ));
    let Some(postfix) = Postfix::start(&[deliver.inet(), hold.inet()]) else {
        return;
    };
    let sent = message("unscanned", "Nobody has looked into this");
    assert_eq!(attempt(postfix.port(0), &sent).unwrap().code, 250);
    let stored = postfix.wait_for("Nobody has looked into this");
    assert_eq!(value(&stored, "X-Virus-Status"), "Unscanned (down)");
    let status = status(&stored);
    assert!(status.ends_with("unscanned=clamav:down"), "{status}");

    let sent = message("held unscanned", "Nobody has looked into that");
    assert_eq!(attempt(postfix.port(1), &sent).unwrap().code, 250);
    assert_eq!(hold.quarantined().len(), 1);

    let refused = attempt(postfix.port(1), &message("spam", REFUSED)).unwrap();
    assert_eq!(refused.code, 550, "{refused:?}");
    postfix.drained();
    assert_eq!(postfix.delivered().len(), 1);
}

/// One way in which a name server fails, and what follows.
struct Lookup {
    name: &'static str,
    answer: fn(&Question) -> Answer,
    /// Result of `mailweir_dnsbl_lookups_total`.
    result: &'static str,
    /// What `X-Spam-Status` ends with.
    status: &'static str,
    /// Whether its test takes the list out of use.
    takes_out: bool,
}

fn lookups() -> [Lookup; 6] {
    fn listed(q: &Question) -> Answer {
        if q.name.starts_with("1.2.0.192.") {
            Answer::A(vec![[127, 0, 0, 2]], 60)
        } else {
            Answer::NxDomain(Some(60))
        }
    }
    let lookup = |name, answer, result, status| Lookup {
        name,
        answer,
        result,
        status,
        takes_out: matches!(result, "bogus" | "refused"),
    };
    [
        lookup(
            "silent",
            |_| Answer::Silence,
            "timeout",
            "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:timeout",
        ),
        lookup(
            "slow",
            |q| Answer::After(Duration::from_millis(300), Box::new(listed(q))),
            "listed",
            "Yes, score=6.00 required=5.00 tests=LISTED",
        ),
        lookup(
            "servfail",
            |_| Answer::Code(ResponseCode::ServFail),
            "error",
            "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:error",
        ),
        lookup(
            "lists the world",
            |_| Answer::A(vec![[127, 0, 0, 2]], 60),
            "bogus",
            "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:error",
        ),
        lookup(
            "parked domain",
            |_| Answer::A(vec![[203, 0, 113, 99]], 60),
            "bogus",
            "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:error",
        ),
        lookup(
            "refuses us",
            |_| Answer::A(vec![[127, 255, 255, 254]], 60),
            "refused",
            "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:error",
        ),
    ]
}

#[test]
fn whatever_the_name_server_does_mail_is_delivered_and_says_so() {
    let lookups = lookups();
    let servers: Vec<Names> = lookups.iter().map(|l| Names::start(l.answer)).collect();
    let daemons: Vec<Daemon> = servers
        .iter()
        .map(|names| {
            Daemon::start(&Config {
                chain: "[dnsbl, rules]",
                sections: format!(
                    "dns: {{ resolvers: [\"{}\"], timeout: 3s }}
dnsbl:
  zones: [{{ zone: bl.test.example, id: LISTED, score: 6, test: {{ listed: null }} }}]
  timeout: 3s
",
                    names.address()
                ),
                ..Config::default()
            })
        })
        .collect();
    let milters: Vec<String> = daemons.iter().map(Daemon::inet).collect();
    let Some(postfix) = Postfix::start(&milters) else {
        return;
    };
    std::thread::scope(|scope| {
        for (number, lookup) in lookups.iter().enumerate() {
            let (postfix, daemon) = (&postfix, &daemons[number]);
            scope.spawn(move || {
                let mut smtp = super::smtp::Smtp::open(postfix.port(number));
                smtp.xclient("192.0.2.1");
                let text = format!("The name server: {}", lookup.name);
                let reply = smtp.send(&message(lookup.name, &text));
                assert_eq!(reply.code, 250, "{}: {reply:?}", lookup.name);
                let stored = postfix.wait_for(&text);
                let status = status(&stored);
                // The test of the list may have taken it out of use before the message came.
                let out = "No, score=0.00 required=5.00 tests=none unscanned=dnsbl:down";
                let result = match status == out && lookup.takes_out {
                    true => "skipped",
                    false => {
                        assert_eq!(status, lookup.status, "{}", lookup.name);
                        lookup.result
                    }
                };
                let series = format!(
                    "mailweir_dnsbl_lookups_total{{result=\"{result}\",zone=\"bl.test.example\"}}"
                );
                assert!(daemon.metric(&series) >= 1.0, "{}: {series}", lookup.name);
            });
        }
    });
}

#[test]
fn a_full_disk_is_told_to_the_sender_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let daemon = Daemon::start(&Config {
        sections: format!("quarantine: {{ path: \"{}\" }}\n", disk.path().display()),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let sent = message("no room", &format!("{HELD}\r\n{}", body(50_000)));
    disk.fill();
    let reply = attempt(postfix.port(0), &sent).unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    let told = "451 4.7.1 Message cannot be processed now, please try again later (id ";
    assert!(reply.text.starts_with(told), "{reply:?}");
    let failed = "mailweir_quarantine_failures_total{operation=\"store\"}";
    assert!(daemon.metric(failed) >= 1.0);
    // Counted and logged is what was answered.
    let verdict = |v| daemon.metric(&format!("mailweir_messages_total{{verdict=\"{v}\"}}"));
    assert_eq!((verdict("tempfail"), verdict("quarantine")), (1.0, 0.0));
    let log = daemon.log();
    let line = log
        .lines()
        .find(|l| l.contains(" message id=") && l.contains(reply.id()));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    for part in [
        "verdict=\"tempfail\"",
        "decided_by=\"quarantine failed\"",
        "TEST_NINE",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }

    disk.make_room();
    let reply = attempt(postfix.port(0), &sent).unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(daemon.quarantined().len(), 1);
    assert_eq!((verdict("tempfail"), verdict("quarantine")), (1.0, 1.0));
    assert!(postfix.delivered().is_empty());
}

#[test]
fn messages_that_together_exceed_the_memory_are_put_off_and_none_is_lost() {
    let gate = Gate::default();
    let clamd = FalseClamd::start(Manner::Waits(gate.clone()));
    let daemon = Daemon::start(&Config {
        chain: "[rules, clamav]",
        sections: format!(
            "clamav: {{ servers: [\"127.0.0.1:{}\"] }}
limits: {{ message: 64KiB, total: 80KiB }}
",
            clamd.port
        ),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let in_flight = "mailweir_bytes_in_flight";
    let send = |subject: &str| -> Reply {
        attempt(postfix.port(0), &message(subject, &body(50_000))).unwrap()
    };
    let first = std::thread::scope(|scope| {
        // The first holds its bytes until the scanner answers.
        let first = scope.spawn(|| send("first"));
        clamd.wait_for_stream_after(0);
        let held = daemon.metric(in_flight);
        assert!(held > 50_000.0 && held <= 81_920.0, "{held}");
        let put_off = send("second");
        assert_eq!(put_off.code, 452, "{put_off:?}");
        let told = "452 4.3.1 Server is busy, please try again later (id ";
        assert!(put_off.text.starts_with(told), "{put_off:?}");
        assert!(daemon.log().contains(put_off.id()));
        let over = "mailweir_over_limit_total{bound=\"total\"}";
        assert_eq!(daemon.metric(over), 1.0);
        assert_eq!(daemon.metric("mailweir_bytes_in_flight_limit"), 81_920.0);
        // What was put off holds nothing; a small one still fits beside the first.
        assert_eq!(daemon.metric(in_flight), held);
        let small = scope.spawn(|| {
            let sent = message("small", "There is room for this one");
            attempt(postfix.port(0), &sent).unwrap()
        });
        clamd.wait_for_stream_after(1);
        gate.open();
        assert_eq!(small.join().unwrap().code, 250);
        first.join().unwrap()
    });
    assert_eq!(first.code, 250, "{first:?}");
    assert_eq!(send("second").code, 250, "the sender tries again");
    postfix.drained();
    let mut subjects: Vec<String> = postfix
        .delivered()
        .iter()
        .map(|m| value(m, "Subject"))
        .collect();
    subjects.sort();
    assert_eq!(subjects, ["first", "second", "small"]);
    assert_eq!(daemon.metric(in_flight), 0.0);
    for (verdict, count) in [("deliver", 3.0), ("tempfail", 1.0)] {
        let series = format!("mailweir_messages_total{{verdict=\"{verdict}\"}}");
        assert_eq!(daemon.metric(&series), count, "{verdict}");
    }
}

#[test]
fn a_message_over_the_limit_is_refused_for_good() {
    let daemon = Daemon::start(&Config {
        sections: "limits: { message: 64KiB }\n".to_owned(),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let send = |size| -> Reply { attempt(postfix.port(0), &message("size", &body(size))).unwrap() };
    let reply = send(200_000);
    assert_eq!(reply.code, 552, "{reply:?}");
    let told = "552 5.3.4 Message is larger than this server accepts (id ";
    assert!(reply.text.starts_with(told), "{reply:?}");
    let over = "mailweir_over_limit_total{bound=\"message\"}";
    assert_eq!(daemon.metric(over), 1.0);
    assert_eq!(send(30_000).code, 250);
    postfix.drained();
    assert_eq!(postfix.delivered().len(), 1);
    assert_eq!(daemon.metric("mailweir_bytes_in_flight"), 0.0);
}
