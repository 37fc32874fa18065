//! Whatever a message, a record or a name server says: there is a result, and a bound on the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hickory_proto::rr::rdata::{A, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use mailweir::auth::arc::Chain;
use mailweir::auth::dkim::{self, BodyHasher, Fields};
use mailweir::auth::dmarc::Author;
use mailweir::auth::spf::{self, Query};
use mailweir::auth::{Answer, Failure, Names, iprev};
use mailweir::mail::{Limits, Mail};
use proptest::prelude::*;

use crate::dns_server::{FakeDns, Reply};
use crate::fixture::{Fixture, envelope};
use crate::zone::Zone;

/// Answers every question with the same text, address and name, and counts.
struct Same {
    text: Vec<u8>,
    asked: AtomicUsize,
}

impl Same {
    fn new(text: impl Into<Vec<u8>>) -> Same {
        Same {
            text: text.into(),
            asked: AtomicUsize::new(0),
        }
    }
}

impl Names for Same {
    fn ask<'a>(&'a self, _: &'a str, kind: RecordType) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let host = Name::from_ascii("host.example.org.").unwrap();
        let data = match kind {
            RecordType::A => RData::A(A::new(198, 51, 100, 7)),
            RecordType::MX => RData::MX(MX::new(1, host)),
            RecordType::PTR => RData::PTR(PTR(host)),
            _ => {
                let pieces: Vec<&[u8]> = self.text.chunks(200).collect();
                RData::TXT(TXT::from_bytes(pieces))
            }
        };
        let answer = Answer {
            records: Arc::new([data]),
            exists: true,
        };
        std::future::ready(Ok(answer)).boxed()
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing to wait for")
}

fn query<'a>(sender: &'a str, helo: &'a str) -> Query<'a> {
    Query {
        client: "192.0.2.1".parse().unwrap(),
        helo,
        sender,
    }
}

/// Pieces of records and fields, so that much of what is made gets past the first look.
const PIECES: &str = "(v=spf1|v=DMARC1|v=DKIM1|v=1| |;|=|\\.|:|/|-all|\\+?mx|a|ptr|include:|redirect=|exists:|ip4:|ip6:|\
%\\{[a-z0-9.]{0,4}\\}|%%|example\\.org|p=|reject|k=rsa|bh?=|[a-z]=|i=1|cv=none|rsa-sha256|relaxed/simple|from:to|MIGf|\r\n\t|\u{e9})";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_record_has_a_result(
        text in proptest::collection::vec(PIECES, 0..30),
        sender in "[ -~]{0,40}",
        helo in "[ -~]{0,40}",
    ) {
        let text = text.concat();
        for text in [text.clone(), format!("v=spf1 {text}"), format!("v=DMARC1; {text}")] {
            let names = Same::new(text);
            now(spf::check(&names, query(&sender, &helo)));
            now(spf::check(&names, query("a@example.org", &helo)));
            let author = now(Author::discover(&names, &helo, &[&sender]));
            now(author.judge(&names, None, &[]));
            let _ = now(dkim::fetch_key(&names, "s", "example.org"));
            now(iprev::check(&names, "192.0.2.1".parse().unwrap()));
        }
    }

    #[test]
    fn any_header_has_a_result(
        fields in proptest::collection::vec(("(DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|From)",
            proptest::collection::vec(PIECES, 0..20)), 0..8),
        body in "[a \t\r\n]{0,40}",
    ) {
        let mut raw = String::new();
        for (name, value) in &fields {
            raw.push_str(&format!("{name}: {}\r\n", value.concat()));
        }
        raw.push_str("\r\n");
        let header = Mail::parse(raw.into(), &Limits::default());
        let names = Same::new("v=DKIM1; p=MIGf");
        let signatures = dkim::read(&header, 10, |_| false);
        let chain = Chain::read(&header);
        let wanted = signatures.iter().flatten().map(|s| s.body_wanted());
        let mut hasher = BodyHasher::new(wanted.chain(chain.body_wanted()), false);
        hasher.update(body.as_bytes());
        let hashes = hasher.finish();
        let fields = Fields::of(&header);
        for signature in signatures.iter().flatten() {
            let key = now(dkim::fetch_key(&names, &signature.selector, &signature.domain));
            dkim::verify(signature, &key, &fields, &hashes, 0);
        }
        let keys = now(chain.fetch_keys(&names));
        chain.verify(&keys, &fields, &hashes);
    }
}

#[test]
fn a_record_that_includes_itself_ends() {
    for record in [
        "v=spf1 include:example.org include:example.org -all",
        "v=spf1 redirect=example.org",
        "v=spf1 include:%{d} include:%{d} -all",
        "v=spf1 mx:%{l}.example.org mx mx mx mx mx mx mx mx mx mx mx mx -all",
    ] {
        let names = Same::new(record);
        let said = now(spf::check(&names, query("a@example.org", "example.org")));
        assert_eq!(said.result.name(), "permerror", "{record}: {}", said.reason);
        let asked = names.asked.load(Ordering::Relaxed);
        assert!(asked < 60, "{record}: {asked}");
    }
}

/// A header of many signatures over many fields, and a body that is all white space, cost no more than their bytes.
#[tokio::test]
async fn work_grows_with_bytes_and_no_faster() {
    let server = Zone::default().serve().await;
    let f = Fixture::new(&server, "max_signatures: 100");
    let names = "from:".repeat(400);
    let signature = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h={names}to; bh=AAAA; b=AAAA; c=relaxed/relaxed; l=7\r\n"
    );
    let mut raw = signature.repeat(200);
    raw.push_str(&"From: a@example.org\r\n".repeat(10_000));
    raw.push_str("\r\n");
    raw.push_str(&" \t\r\n".repeat(500_000));
    let started = Instant::now();
    let (_, found) = f.examine(&envelope("192.0.2.1", ""), raw.as_bytes()).await;
    assert_eq!(found.unwrap().dkim.len(), 100);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

/// Round trips to DNS run beside each other: twenty look-ups of 100 ms are no two seconds.
#[tokio::test]
async fn look_ups_run_beside_each_other() {
    let includes: String = (1..=9)
        .map(|n| format!("include:i{n}.example.org "))
        .collect();
    let mut zone = Zone::default()
        .ptr("1.2.0.192.in-addr.arpa", "mail.example.org")
        .a("mail.example.org", "192.0.2.1")
        .txt("example.org", &format!("v=spf1 {includes}-all"))
        .txt("_dmarc.example.org", "v=DMARC1; p=none");
    for n in 1..=9 {
        zone = zone.txt(
            &format!("i{n}.example.org"),
            "v=spf1 ip4:198.51.100.0/24 -all",
        );
    }
    let late = Duration::from_millis(100);
    let server = FakeDns::start(move |q| Reply::After(late, Box::new(zone.answer(q)))).await;
    let f = Fixture::new(&server, "");
    let raw = "From: a@mail.news.example.org\r\nSubject: x\r\n\r\nx\r\n";
    let started = Instant::now();
    let (outcome, _) = f
        .examine(&envelope("192.0.2.1", "a@example.org"), raw.as_bytes())
        .await;
    let took = started.elapsed();
    println!("{} look-ups in {took:?}", server.questions().len());
    assert!(server.questions().len() >= 16);
    assert!(!outcome.hits().is_empty());
    assert!(took < Duration::from_millis(900), "{took:?}");
}
