//! The promises of the filter `dnsbl`, held against a scripted DNS server, and once against rbldnsd
//! behind unbound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../dns_server/mod.rs"]
mod dns_server;
#[path = "../shared/mistake.rs"]
mod mistake;
#[path = "../shared/parts.rs"]
mod parts;

mod allow;
mod bounds;
mod configuration;
mod faults;
mod guard;
mod health;
mod memory;
mod real;
mod secrets;
mod shipped;
mod subjects;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dns_server::{FakeDns, Gate, Reply};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{NS, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use mailweir::dns::{self, Dns};
use mailweir::filter::dnsbl::{Options, build};
use mailweir::filter::{Action, Build, Check, FailureAction, Filter, Hit, Outcome, Reason, Scan};
use mailweir::mail::Envelope;
use mailweir::metrics::Metrics;
use parts::{beside, options};

const V4: &str = "1.2.0.192.bl.example.org";

struct Fixture {
    filter: Arc<dyn Filter>,
    metrics: Arc<Metrics>,
}

/// A filter with the options `yaml` that asks `dns`.
fn fixture(dns: &FakeDns, yaml: &str) -> Fixture {
    fixture_with(dns, "", yaml)
}

/// The same, with more keys of the section `dns`.
fn fixture_with(dns: &FakeDns, more: &str, yaml: &str) -> Fixture {
    from_parts(&format!("resolvers: [\"{}\"]\n{more}", dns.addr), yaml).unwrap()
}

/// A filter that asks nobody.
fn from_yaml(yaml: &str) -> Result<Fixture, String> {
    from_parts("resolvers: [127.0.0.1:1]", yaml)
}

fn resolver(yaml: &str, metrics: &Arc<Metrics>) -> Result<Dns, String> {
    let (source, options) = options::<dns::Options>(yaml)?;
    Dns::new(&options, &source, metrics).map_err(|p| p.to_string())
}

fn from_parts(dns: &str, yaml: &str) -> Result<Fixture, String> {
    let (source, options) = options::<Options>(yaml)?;
    let metrics = Arc::new(Metrics::new().unwrap());
    let dns = resolver(dns, &metrics)?;
    let filter = build(&options, &dns, &beside(&source, &metrics)).map_err(|p| p.to_string())?;
    Ok(Fixture { filter, metrics })
}

const ONE_ZONE: &str = "zones: [{zone: bl.example.org, score: 3}]";

fn client(address: &str) -> Envelope {
    let mut envelope = Envelope::default();
    envelope.client.addr = Some(address.parse().unwrap());
    envelope
}

impl Fixture {
    fn connect(&self, address: &str) -> Box<dyn Check> {
        let mut check = self.filter.check();
        check.connect(&client(address));
        check
    }

    async fn ask(&self, address: &str) -> Outcome {
        finish(self.connect(address)).await
    }

    fn counted(&self, zone: &str, result: &str) -> u64 {
        self.metrics
            .dnsbl_lookups
            .with_label_values(&[zone, result])
            .get()
    }
}

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_ascii(format!("{name}.")).unwrap(), 60, data)
}

fn txt(name: &str, text: &str) -> Record {
    record(name, RData::TXT(TXT::new(vec![text.to_owned()])))
}

fn ns(name: &str, server: &str) -> Record {
    let server = Name::from_ascii(format!("{server}.")).unwrap();
    record(name, RData::NS(NS(server)))
}

async fn finish(check: Box<dyn Check>) -> Outcome {
    check.finish(Arc::new(Scan::default())).await
}

fn rules(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|h| &*h.rule).collect()
}

/// A list that knows 192.0.2.1 under `code`.
fn lists(code: [u8; 4]) -> impl Fn(&dns_server::Question) -> Reply + Send + Sync + 'static {
    move |question| {
        if question.name == V4 {
            Reply::A(vec![code], 300)
        } else {
            Reply::NxDomain(Some(300))
        }
    }
}

#[track_caller]
fn unscanned(outcome: &Outcome, reason: Reason, words: &str) {
    match outcome {
        Outcome::Unscanned {
            reason: r, detail, ..
        } if *r == reason && detail.contains(words) => {}
        other => panic!("not {reason} with {words:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_listing_hits_and_anything_else_does_not() {
    let dns = FakeDns::start(lists([127, 0, 0, 4])).await;
    let f = fixture(&dns, ONE_ZONE);
    let Outcome::Checked(hits) = f.ask("192.0.2.1").await else {
        panic!("it was asked");
    };
    assert_eq!(rules(&hits), ["DNSBL_BL_EXAMPLE_ORG"]);
    assert_eq!(
        hits[0].evidence,
        "192.0.2.1 (client) listed in bl.example.org: 127.0.0.4"
    );
    assert!((hits[0].score - 3.0).abs() < f64::EPSILON && hits[0].decisive.is_none());
    assert_eq!(f.ask("192.0.2.2").await, Outcome::Checked(vec![]));
    assert_eq!(f.counted("bl.example.org", "listed"), 1);
    assert_eq!(f.counted("bl.example.org", "not_listed"), 1);
}

#[tokio::test]
async fn no_data_is_not_listed() {
    let dns = FakeDns::start(|_| Reply::NoData).await;
    let f = fixture(&dns, ONE_ZONE);
    assert_eq!(f.ask("192.0.2.1").await, Outcome::Checked(vec![]));
}

#[tokio::test]
async fn ipv6_clients_are_asked_by_nibbles_where_the_list_takes_them() {
    let name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.six.example.org";
    let dns = FakeDns::start(move |q| {
        if q.name == name {
            Reply::A(vec![[127, 0, 0, 2]], 60)
        } else {
            Reply::NxDomain(Some(60))
        }
    })
    .await;
    let f = fixture(
        &dns,
        "zones: [{zone: six.example.org, score: 1}, {zone: four.example.org, score: 1, ipv6: false}]",
    );
    let outcome = f.ask("2001:db8::1").await;
    assert_eq!(rules(outcome.hits()), ["DNSBL_SIX_EXAMPLE_ORG"]);
    assert!(
        dns.questions()
            .iter()
            .all(|q| !q.name.ends_with("four.example.org"))
    );
    // An IPv4 client that comes over an IPv6 socket is an IPv4 client.
    f.ask("::ffff:192.0.2.9").await;
    assert_eq!(dns.count("9.2.0.192.four.example.org"), 1);
}

#[tokio::test]
async fn codes_and_masks_grade_the_listing() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        V4 => Reply::A(vec![[127, 0, 0, 3], [127, 0, 0, 6]], 60),
        "1.2.0.192.mask.example.org" => Reply::A(vec![[127, 0, 0, 10]], 60),
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let f = fixture(
        &dns,
        "zones:
  - zone: bl.example.org
    codes:
      - {codes: [127.0.0.2], id: SBL, score: 5}
      - {codes: [127.0.0.4..127.0.0.7, 127.0.0.9], id: XBL, score: 3, decisive: quarantine}
  - zone: mask.example.org
    codes:
      - {mask: 0x02, id: MASK_A, score: 1}
      - {mask: 0x04, id: MASK_B, score: 1}
      - {mask: 0x08, id: MASK_C, score: 1}
",
    );
    let outcome = f.ask("192.0.2.1").await;
    assert_eq!(rules(outcome.hits()), ["XBL", "MASK_A", "MASK_C"]);
    assert_eq!(outcome.hits()[0].decisive, Some(Action::Quarantine));
}

#[tokio::test]
async fn a_decisive_listing_is_known_before_the_end_without_waiting() {
    let gate = Gate::new();
    let held = gate.clone();
    let dns = FakeDns::start(move |q| match q.name.as_str() {
        V4 => Reply::Gate(held.clone(), Box::new(Reply::A(vec![[127, 0, 0, 2]], 60))),
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let f = fixture(
        &dns,
        "zones: [{zone: quiet.example.org, score: 1}, {zone: bl.example.org, score: 9, decisive: reject}]",
    );
    let mut check = f.connect("192.0.2.1");
    dns.asked(2).await;
    assert_eq!(check.decisive(), None);
    gate.open();
    let hit = loop {
        if let Some(hit) = check.decisive() {
            break hit;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(hit.decisive, Some(Action::Reject));
    assert_eq!(rules(finish(check).await.hits()), ["DNSBL_BL_EXAMPLE_ORG"]);
}

#[tokio::test]
async fn an_answer_that_is_no_listing_is_never_taken_for_one() {
    for (code, result, words) in [
        ([127, 255, 255, 254], "refused", "refuses"),
        ([127, 255, 255, 252], "refused", "refuses"),
        ([127, 0, 0, 1], "refused", "refuses"),
        ([203, 0, 113, 7], "bogus", "no code of a list"),
    ] {
        let dns = FakeDns::start(lists(code)).await;
        let f = fixture(&dns, ONE_ZONE);
        let outcome = f.ask("192.0.2.1").await;
        unscanned(&outcome, Reason::Error, words);
        assert!(outcome.hits().is_empty());
        assert_eq!(f.counted("bl.example.org", result), 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_list_that_lists_everything_lists_nothing() {
    let dns = FakeDns::start(|_| Reply::A(vec![[127, 0, 0, 2]], 60)).await;
    let f = fixture(&dns, ONE_ZONE);
    for address in ["192.0.2.1", "2001:db8::1"] {
        let outcome = f.ask(address).await;
        unscanned(&outcome, Reason::Error, "lists everything");
        assert!(outcome.hits().is_empty());
    }
    assert_eq!(f.counted("bl.example.org", "bogus"), 2);
    assert_eq!(dns.count("1.0.0.127.bl.example.org"), 1);

    let trusting = fixture(&dns, &format!("verify_lists: false\n{ONE_ZONE}"));
    assert_eq!(trusting.ask("192.0.2.1").await.hits().len(), 1);
}

#[tokio::test]
async fn servfail_and_refused_are_errors_and_keep_the_hits_of_the_others() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let dns = FakeDns::start(move |q| match q.name.as_str() {
            V4 => Reply::A(vec![[127, 0, 0, 2]], 60),
            name if name.ends_with("sick.example.org") => Reply::Code(code),
            _ => Reply::NxDomain(Some(60)),
        })
        .await;
        let f = fixture(
            &dns,
            "zones: [{zone: sick.example.org, score: 1}, {zone: bl.example.org, score: 1}]",
        );
        let outcome = f.ask("192.0.2.1").await;
        unscanned(
            &outcome,
            Reason::Error,
            "sick.example.org: the resolver answered",
        );
        assert_eq!(rules(outcome.hits()), ["DNSBL_BL_EXAMPLE_ORG"]);
        assert_eq!(
            f.filter.failure_policy().for_reason(Reason::Error),
            FailureAction::Deliver
        );
        assert_eq!(f.counted("sick.example.org", "error"), 1);
    }
}

#[tokio::test]
async fn a_silent_list_costs_its_timeout_and_no_more() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        V4 => Reply::A(vec![[127, 0, 0, 2]], 60),
        name if name.ends_with("silent.example.org") => Reply::Silence,
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let f = fixture(
        &dns,
        "timeout: 300ms\nzones: [{zone: silent.example.org, score: 1}, {zone: bl.example.org, score: 1}]",
    );
    let start = Instant::now();
    let outcome = f.ask("192.0.2.1").await;
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    unscanned(
        &outcome,
        Reason::Timeout,
        "silent.example.org: no answer in time",
    );
    assert_eq!(rules(outcome.hits()), ["DNSBL_BL_EXAMPLE_ORG"]);
    assert_eq!(f.counted("silent.example.org", "timeout"), 1);
}

#[tokio::test]
async fn the_timeout_runs_from_the_connect_and_a_slow_answer_within_it_counts() {
    let dns = FakeDns::start(|q| {
        Reply::After(
            Duration::from_millis(50),
            Box::new(if q.name == V4 {
                Reply::A(vec![[127, 0, 0, 2]], 60)
            } else {
                Reply::NxDomain(Some(60))
            }),
        )
    })
    .await;
    let f = fixture(&dns, ONE_ZONE);
    assert_eq!(f.ask("192.0.2.1").await.hits().len(), 1);
}

#[tokio::test]
async fn a_resolver_that_is_not_there_is_down_at_once() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let f = from_parts(&format!("resolvers: [\"{address}\"]"), ONE_ZONE).unwrap();
    let start = Instant::now();
    unscanned(
        &f.ask("192.0.2.1").await,
        Reason::Down,
        "no resolver could be reached",
    );
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_over_tcp() {
    let dns = FakeDns::start(|q| {
        Reply::Truncated(Box::new(if q.name == V4 {
            Reply::A((2..60).map(|n| [127, 0, 0, n]).collect(), 60)
        } else {
            Reply::NxDomain(Some(60))
        }))
    })
    .await;
    let f = fixture(&dns, ONE_ZONE);
    assert_eq!(f.ask("192.0.2.1").await.hits().len(), 1);
    assert!(dns.questions().iter().any(|q| q.tcp && q.name == V4));
}

#[tokio::test]
async fn forged_ids_and_garbage_list_nobody() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        V4 => Reply::Spoofed(
            Box::new(Reply::A(vec![[127, 0, 0, 2]], 60)),
            Box::new(Reply::NxDomain(Some(60))),
        ),
        _ => Reply::Garbage,
    })
    .await;
    let f = fixture(&dns, &format!("timeout: 1s\n{ONE_ZONE}"));
    assert_eq!(f.ask("192.0.2.1").await, Outcome::Checked(vec![]));
    unscanned(&f.ask("192.0.2.2").await, Reason::Error, "cannot be read");
}

#[tokio::test]
async fn trusted_and_authenticated_clients_are_not_looked_up() {
    let dns = FakeDns::start(|_| Reply::A(vec![[127, 0, 0, 2]], 60)).await;
    let f = fixture(&dns, ONE_ZONE);
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.7.7",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(
            f.ask(address).await,
            Outcome::Skipped("trusted network"),
            "{address}"
        );
    }
    assert!(dns.questions().is_empty());
    let mut check = f.connect("192.0.2.1");
    let mut envelope = client("192.0.2.1");
    envelope.authenticated = Some("alice".into());
    check.mail(&envelope);
    assert_eq!(check.decisive(), None);
    assert_eq!(
        finish(check).await,
        Outcome::Skipped("authenticated client")
    );
    let mut check = f.filter.check();
    check.connect(&Envelope::default());
    assert_eq!(finish(check).await, Outcome::Skipped("no client address"));

    let own = fixture(&dns, &format!("trusted_networks: [192.0.2.1]\n{ONE_ZONE}"));
    assert_eq!(
        own.ask("192.0.2.1").await,
        Outcome::Skipped("trusted network")
    );
    assert!(matches!(
        own.ask("10.1.2.3").await,
        Outcome::Unscanned { .. }
    ));
}

#[tokio::test]
async fn the_name_of_a_list_hides_the_key_in_its_zone() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        "1.2.0.192.s3cretkey.zen.example.net" => Reply::A(vec![[127, 0, 0, 2]], 60),
        "2.2.0.192.s3cretkey.zen.example.net" => Reply::Code(ResponseCode::ServFail),
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let f = fixture(
        &dns,
        "zones: [{zone: s3cretkey.zen.example.net, name: zen.example.net, score: 1}]",
    );
    let shown = format!(
        "{:?} {:?}",
        f.ask("192.0.2.1").await,
        f.ask("192.0.2.2").await
    );
    assert!(shown.contains("DNSBL_ZEN_EXAMPLE_NET"), "{shown}");
    assert!(!shown.to_ascii_lowercase().contains("s3cretkey"), "{shown}");
    let exported = String::from_utf8(f.metrics.encode().unwrap()).unwrap();
    assert!(!exported.contains("s3cretkey"));
}
