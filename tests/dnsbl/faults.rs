//! Whatever DNS does, nothing is listed that is not, the wait is bounded, and the metric says what happened:
//! for each kind of question.

use super::guard::until;
use super::subjects::message;
use super::*;

const MESSAGE: &str = "From: ann@from.example.com\r\n\r\nhttp://www.url.example.com/\r\n";

struct Fault {
    name: &'static str,
    reply: fn() -> Reply,
    /// Result of `mailweir_dnsbl_lookups_total`.
    result: &'static str,
    /// Why the message is unscanned; `None` when it is not.
    reason: Option<Reason>,
}

fn listed() -> Box<Reply> {
    Box::new(Reply::A(vec![[127, 0, 0, 2]], 60))
}

fn unlisted() -> Box<Reply> {
    Box::new(Reply::NxDomain(Some(60)))
}

const FAULTS: [Fault; 13] = {
    use Reason::{Error, Timeout};
    const fn fault(
        name: &'static str,
        reply: fn() -> Reply,
        result: &'static str,
        reason: Option<Reason>,
    ) -> Fault {
        Fault {
            name,
            reply,
            result,
            reason,
        }
    }
    [
        fault("drops", || Reply::Silence, "timeout", Some(Timeout)),
        fault(
            "delays for 30 s",
            || Reply::After(Duration::from_secs(30), listed()),
            "timeout",
            Some(Timeout),
        ),
        fault(
            "fails",
            || Reply::Code(ResponseCode::ServFail),
            "error",
            Some(Error),
        ),
        fault(
            "refuses",
            || Reply::Code(ResponseCode::Refused),
            "error",
            Some(Error),
        ),
        fault(
            "truncates",
            || Reply::Truncated(unlisted()),
            "not_listed",
            None,
        ),
        fault(
            "is spoofed by id",
            || Reply::Spoofed(listed(), unlisted()),
            "not_listed",
            None,
        ),
        fault(
            "is spoofed by question",
            || Reply::OtherQuestion(listed()),
            "timeout",
            Some(Timeout),
        ),
        fault("gives garbage", || Reply::Garbage, "error", Some(Error)),
        fault("answers everything", || *listed(), "bogus", Some(Error)),
        fault(
            "tells an error by 127.255.255.254",
            || Reply::A(vec![[127, 255, 255, 254]], 60),
            "refused",
            Some(Error),
        ),
        fault(
            "tells an error by 127.0.0.1",
            || Reply::A(vec![[127, 0, 0, 1]], 60),
            "refused",
            Some(Error),
        ),
        fault(
            "leads elsewhere",
            || Reply::A(vec![[203, 0, 113, 7]], 60),
            "bogus",
            Some(Error),
        ),
        fault(
            "leads elsewhere beside a code",
            || Reply::A(vec![[127, 0, 0, 2], [203, 0, 113, 7]], 60),
            "bogus",
            Some(Error),
        ),
    ]
};

#[tokio::test]
async fn no_fault_of_dns_lists_anything_or_holds_mail_up() {
    for (kind, zone) in [
        ("address", "subjects: [client]"),
        ("IPv6 address", "subjects: [client]"),
        ("name", "subjects: [url]"),
        ("hash", "subjects: [email], hash: { algorithm: sha1 }"),
        ("resolved address", "subjects: [url_address]"),
    ] {
        for fault in &FAULTS {
            let reply = fault.reply;
            let dns = FakeDns::start(move |q| {
                let resolved = !q.name.ends_with(".bl.example.org");
                match (resolved, q.kind) {
                    (true, RecordType::A) => Reply::A(vec![[198, 51, 100, 9]], 60),
                    (true, _) => Reply::NoData,
                    (false, _) => reply(),
                }
            })
            .await;
            let f = fixture_with(
                &dns,
                "timeout: 5s\nattempts: 1",
                &format!(
                    "timeout: 300ms\nzones: [{{zone: bl.example.org, score: 5, decisive: reject, {zone}}}]"
                ),
            );
            let address = match kind {
                "IPv6 address" => "2001:db8::1",
                _ => "192.0.2.1",
            };
            let start = Instant::now();
            let outcome = message(&f, &client(address), MESSAGE).await;
            let what = format!("{kind}, a server that {}: {outcome:?}", fault.name);
            assert!(start.elapsed() < Duration::from_secs(3), "{what}");
            assert!(outcome.hits().is_empty(), "{what}");
            match (fault.reason, &outcome) {
                (None, Outcome::Checked(_)) => {}
                (Some(wanted), Outcome::Unscanned { reason, .. }) if *reason == wanted => {}
                _ => panic!("{what}"),
            }
            assert_eq!(f.counted("bl.example.org", fault.result), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_hijacking_resolver_takes_every_list_out_and_lists_nobody() {
    let dns = FakeDns::start(|_| Reply::A(vec![[198, 51, 100, 200]], 60)).await;
    let f = fixture(
        &dns,
        "guard: { interval: 100ms }
zones: [{zone: one.example.org, score: 5}, {zone: two.example.org, score: 5, subjects: [url]}]",
    );
    let outcome = message(&f, &client("192.0.2.1"), MESSAGE).await;
    unscanned(&outcome, Reason::Error, "no code of a list");
    f.filter.in_force(&f.metrics);
    let zones = ["one.example.org", "two.example.org"];
    until("both are out", || zones.iter().all(|z| !f.in_use(z))).await;
    let outcome = message(&f, &client("192.0.2.1"), MESSAGE).await;
    unscanned(
        &outcome,
        Reason::Down,
        "out of use: it answers what no list does",
    );
}
