//! Work begins at the first byte that it needs.

use std::time::{Duration, Instant};

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon};
use super::dns_server::Reply;
use super::message::message;
use super::milter::{Milter, inserted};
use super::names::Names;
use super::place::wait_for;
use super::postfix::Postfix;
use super::scanner::{FalseClamd, Gate, Manner};

/// Without test entries, so that only messages make questions.
const ZONES: &str = "
  zones:
    - { zone: one.test.example, id: ONE, score: 3, test: { listed: null, unlisted: null } }
    - { zone: two.test.example, id: TWO, score: 3, test: { listed: null, unlisted: null } }";

#[test]
fn lists_are_asked_while_the_client_of_postfix_has_not_said_mail() {
    let names = Names::start(|_| Reply::NxDomain(Some(60)));
    let daemon = Daemon::start(&Config {
        chain: "[dnsbl, rules]",
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}\ndnsbl:{ZONES}\n",
            names.address()
        ),
        ..Config::default()
    });
    let Some(postfix) = Postfix::start(&[daemon.inet()]) else {
        return;
    };
    let mut smtp = postfix.open();
    smtp.xclient("192.0.2.1");
    names.wait_for(2);
    assert_eq!(smtp.send(&message("order", "In good order")).code, 250);
    assert_eq!(names.asked().len(), 2, "nothing is asked twice");
}

#[test]
fn slow_names_and_a_slow_body_cost_no_time_at_the_end() {
    let slow = Duration::from_millis(300);
    let names = Names::start(move |_| Reply::After(slow, Box::new(Reply::NxDomain(Some(60)))));
    let gate = Gate::default();
    gate.open();
    let clamd = FalseClamd::start(Manner::Waits(gate));
    let daemon = Daemon::start(&Config {
        chain: "[dnsbl, rules, clamav]",
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}\ndnsbl:{ZONES}\nclamav: {{ servers: [\"127.0.0.1:{}\"] }}\n",
            names.address(),
            clamd.port
        ),
        ..Config::default()
    });

    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    names.wait_for(2);
    milter.envelope();
    let sent = message("slow", "x");
    let header = sent.len() - milter.header(&sent).len();
    let chunk = "A line of the body, which takes its time.\r\n".repeat(200);
    let asked = names.asked().len();
    let mut begun = header;
    for _ in 0..10 {
        // The sender's pace, not a wait for something to have happened.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(milter.body(chunk.as_bytes()), MtaReply::Continue);
        // Everything before this chunk is at the scanner while the rest has not been sent.
        wait_for("the scanner to have what was sent", || {
            (clamd.bytes() >= begun).then_some(())
        });
        begun += chunk.len();
    }
    assert_eq!(clamd.streams(), 0, "the stream is open to the end");
    let ended = Instant::now();
    milter.write_end();
    let replies = milter.final_replies();
    let waited = ended.elapsed();
    println!(
        "end of body to final reply: {:.2} ms, with DNS at 300 ms and a body that took 1 s",
        waited.as_secs_f64() * 1000.0
    );
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    assert_eq!(
        inserted(&replies, "X-Virus-Status").as_deref(),
        Some("Clean")
    );
    assert_eq!(
        names.asked().len(),
        asked,
        "no name is asked for after the header"
    );
    assert_eq!(asked, 2);
    assert_eq!(
        clamd.bytes(),
        begun,
        "each byte is sent to the scanner once"
    );
}
