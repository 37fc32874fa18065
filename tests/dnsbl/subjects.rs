//! What lists are asked about, and when.

use mailweir::mail::{Address, Limits, Mail, Spool};

use super::*;

pub(crate) const MESSAGE: &str = "Received: from relay.example.com (relay.example.com [198.51.100.20]) by mx.example.org; Mon, 1 Jan 2024 00:00:00 +0000\r
Received: from home (unknown [198.51.100.30]) by relay.example.com; Mon, 1 Jan 2024 00:00:00 +0000\r
DKIM-Signature: v=1; a=rsa-sha256; d=signer.example.com; s=x; h=from; bh=aGk=; b=aGk=\r
From: Ann <Ann+news@from.example.com>\r
Reply-To: drop.box@gmail.com\r
Message-ID: <1@id.example.com>\r
Subject: subjects\r
\r
See http://www.shop.example.co.uk/offer and http://203.0.113.80/x,\r
write to wanted@body.example.com.\r
";

fn envelope() -> Envelope {
    let mut envelope = client("192.0.2.1");
    envelope.client.name = Some("mail.client.example.com".to_owned());
    envelope.helo = Some("helo.example.com".to_owned());
    envelope.sender = Some(Address::new(b"<bounce@sender.example.com>"));
    envelope
}

/// A message on its way through a filter: every stage has been said.
pub(crate) async fn message(f: &Fixture, envelope: &Envelope, text: &str) -> Outcome {
    let mut check = f.filter.check();
    check.connect(envelope);
    check.helo(envelope);
    check.mail(envelope);
    let spool = Arc::new(Spool::new());
    spool.push(text.as_bytes());
    check.headers(envelope, &spool);
    let mail = Mail::parse(spool.complete(), &Limits::default());
    let envelope = envelope.clone();
    check
        .finish(Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        }))
        .await
}

#[tokio::test]
async fn each_subject_asks_its_own_question_and_the_evidence_says_which() {
    // Hashes as sha1sum and base32 of coreutils give them.
    for (subject, more, question, value) in [
        ("client", "", "1.2.0.192", "192.0.2.1"),
        ("client_name", "", "example.com", "example.com"),
        (
            "client_name",
            "names: host",
            "mail.client.example.com",
            "mail.client.example.com",
        ),
        (
            "helo",
            "names: host",
            "helo.example.com",
            "helo.example.com",
        ),
        (
            "sender",
            "names: host",
            "sender.example.com",
            "sender.example.com",
        ),
        (
            "from",
            "names: host",
            "from.example.com",
            "from.example.com",
        ),
        ("reply_to", "", "gmail.com", "gmail.com"),
        (
            "message_id",
            "names: both",
            "id.example.com",
            "id.example.com",
        ),
        ("received", "", "20.100.51.198", "198.51.100.20"),
        (
            "received",
            "hops: { first: -1 }",
            "30.100.51.198",
            "198.51.100.30",
        ),
        (
            "dkim",
            "names: host",
            "signer.example.com",
            "signer.example.com",
        ),
        (
            "email",
            "hash: { algorithm: sha1 }",
            "f0e0d69ea552a7d7ec5e96a13c9b8c09f3f9d969",
            "Ann+news@from.example.com",
        ),
        (
            "email",
            "hash: { algorithm: sha256, encoding: base32 }",
            "hzxu4fnhr2qthp3lgg7palzvw3vuspgg3dujtxwsn6n66utehozq",
            "drop.box@gmail.com",
        ),
        (
            "body_email",
            "hash: { algorithm: sha1 }",
            "c294bbee9343b5fe5a641aadefb4a3ac82208355",
            "wanted@body.example.com",
        ),
        ("url", "", "example.co.uk", "example.co.uk"),
        (
            "url",
            "names: both",
            "www.shop.example.co.uk",
            "www.shop.example.co.uk",
        ),
        ("url_numeric", "", "80.113.0.203", "203.0.113.80"),
        (
            "url_hash",
            "hash: { algorithm: sha1 }",
            "4be56cd8da9c359a172ee5e5c8c1d0740a91f537",
            "http://www.shop.example.co.uk/offer",
        ),
    ] {
        let hashed = question.to_owned();
        let dns = FakeDns::start(move |q| knows_one(q, &hashed)).await;
        let f = fixture(
            &dns,
            &format!(
                "zones:\n  - zone: bl.example.org\n    score: 2\n    subjects: [{subject}]\n    {more}\n"
            ),
        );
        let outcome = message(&f, &envelope(), MESSAGE).await;
        assert_eq!(
            rules(outcome.hits()),
            ["DNSBL_BL_EXAMPLE_ORG"],
            "{subject} {more}: {outcome:?}, asked {:?}",
            dns.questions()
        );
        assert_eq!(
            outcome.hits()[0].evidence,
            format!("{value} ({subject}) listed in bl.example.org: 127.0.0.2 \"see \"the\" list\""),
            "{subject} {more}"
        );
    }
}

fn knows_one(q: &dns_server::Question, front: &str) -> Reply {
    match q.name.strip_suffix(".bl.example.org") == Some(front) {
        true if q.kind == RecordType::TXT => Reply::Records(vec![txt(&q.name, "see \"the\" list")]),
        true => Reply::A(vec![[127, 0, 0, 2]], 60),
        false => Reply::NxDomain(Some(60)),
    }
}

/// The world behind the hosts of URLs: one host, its address and its name servers.
fn world(q: &dns_server::Question) -> Option<Reply> {
    let reply = match (q.name.as_str(), q.kind) {
        ("www.shop.example.co.uk", RecordType::A) => Reply::A(vec![[203, 0, 113, 5]], 60),
        ("www.shop.example.co.uk", RecordType::AAAA) => Reply::NoData,
        ("example.co.uk", RecordType::NS) => Reply::Records(vec![
            ns(&q.name, "ns2.bad.example.com"),
            ns(&q.name, "ns1.bad.example.com"),
        ]),
        ("ns1.bad.example.com", RecordType::A) => Reply::A(vec![[203, 0, 113, 6]], 60),
        ("ns2.bad.example.com", RecordType::A) => Reply::A(vec![[10, 0, 0, 6]], 60),
        (_, RecordType::AAAA) => Reply::NoData,
        _ => return None,
    };
    Some(reply)
}

#[tokio::test]
async fn hosts_are_resolved_for_lists_that_know_addresses_and_name_servers() {
    for (subject, question, evidence) in [
        (
            "url_address",
            "5.113.0.203",
            "203.0.113.5 (url_address of www.shop.example.co.uk)",
        ),
        (
            "url_ns",
            "example.com",
            "example.com (url_ns of example.co.uk)",
        ),
        (
            "url_ns_address",
            "6.113.0.203",
            "203.0.113.6 (url_ns_address of example.co.uk)",
        ),
    ] {
        let dns = FakeDns::start(move |q| world(q).unwrap_or_else(|| knows_one(q, question))).await;
        let f = fixture(
            &dns,
            &format!("zones: [{{zone: bl.example.org, score: 2, subjects: [{subject}]}}]"),
        );
        let outcome = message(&f, &envelope(), MESSAGE).await;
        let found = &outcome.hits()[0].evidence;
        assert!(found.starts_with(evidence), "{found}");
        let own = "6.0.0.10.bl.example.org";
        assert_eq!(
            dns.count(own),
            0,
            "addresses of one's own are not asked about"
        );
    }
}

#[tokio::test]
async fn hosts_that_cannot_be_resolved_are_nobodys_fault() {
    let dns = FakeDns::start(|q| match q.name.ends_with(".bl.example.org") {
        true => Reply::NxDomain(Some(60)),
        false => Reply::Silence,
    })
    .await;
    let f = fixture_with(
        &dns,
        "timeout: 5s",
        "timeout: 400ms
zones: [{zone: bl.example.org, score: 2, subjects: [url_address, url_ns_address]}]",
    );
    let start = Instant::now();
    assert_eq!(
        message(&f, &envelope(), MESSAGE).await,
        Outcome::Checked(vec![])
    );
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(f.metrics.dnsbl_unresolved.get(), 2);
    assert_eq!(
        f.metrics
            .dnsbl_up
            .with_label_values(&["bl.example.org"])
            .get(),
        1
    );
}

#[tokio::test]
async fn each_question_leaves_at_the_stage_that_gives_its_subject() {
    let dns = FakeDns::start(|_| Reply::NxDomain(Some(60))).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, names: host,
subjects: [client, client_name, helo, sender, from, dkim, received, url]}]",
    );
    let envelope = envelope();
    let (mut check, mut asked) = (f.filter.check(), 0);
    let mut expect = async |fronts: &[&str]| {
        asked += fronts.len();
        dns.asked(asked).await;
        let mut names: Vec<String> = dns.questions().iter().map(|q| q.name.clone()).collect();
        let mut new = names.split_off(asked - fronts.len());
        new.sort();
        let mut fronts: Vec<String> = fronts
            .iter()
            .map(|f| format!("{f}.bl.example.org"))
            .collect();
        fronts.sort();
        assert_eq!(new, fronts);
    };
    check.connect(&envelope);
    expect(&["1.2.0.192", "mail.client.example.com"]).await;
    check.helo(&envelope);
    expect(&["helo.example.com"]).await;
    check.mail(&envelope);
    expect(&["sender.example.com"]).await;
    let spool = Arc::new(Spool::new());
    let (header, body) = MESSAGE.split_at(MESSAGE.find("\r\n\r\n").unwrap() + 4);
    spool.push(header.as_bytes());
    check.headers(&envelope, &spool);
    expect(&[
        "from.example.com",
        "signer.example.com",
        "20.100.51.198",
        "30.100.51.198",
    ])
    .await;
    spool.push(body.as_bytes());
    let mail = Mail::parse(spool.complete(), &Limits::default());
    check
        .finish(Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        }))
        .await;
    expect(&["www.shop.example.co.uk"]).await;
}

#[tokio::test]
async fn a_second_helo_takes_the_place_of_the_first() {
    let dns = FakeDns::start(|q| knows_one(q, "first.example.com")).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, subjects: [helo], names: host}]",
    );
    let mut first = envelope();
    first.helo = Some("first.example.com".to_owned());
    let mut check = f.filter.check();
    check.connect(&first);
    check.helo(&first);
    dns.asked(1).await;
    check.helo(&envelope());
    assert_eq!(finish(check).await, Outcome::Checked(vec![]));
}

#[tokio::test]
async fn messages_of_trusted_relays_are_asked_about_and_their_connections_are_not() {
    let dns = FakeDns::start(|_| Reply::NxDomain(Some(60))).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, subjects: [client, client_name, helo, received, url],
hops: {first: 1, last: 1}}]",
    );
    let mut relay = envelope();
    relay.client.addr = Some("10.0.0.1".parse().unwrap());
    assert_eq!(message(&f, &relay, MESSAGE).await, Outcome::Checked(vec![]));
    let names: Vec<String> = dns.questions().into_iter().map(|q| q.name).collect();
    assert_eq!(
        names,
        [
            "20.100.51.198.bl.example.org",
            "example.co.uk.bl.example.org"
        ]
    );
    let mut own = envelope();
    own.authenticated = Some("ann".to_owned());
    assert_eq!(
        message(&f, &own, MESSAGE).await,
        Outcome::Skipped("authenticated client")
    );
}
