//! What one message may cost.

use super::subjects::message;
use super::*;

fn links(count: usize) -> String {
    let links: Vec<String> = (0..count)
        .map(|n| format!("http://h{n}.example.com/\r\n"))
        .collect();
    format!("Subject: x\r\n\r\n{}", links.concat())
}

#[tokio::test]
async fn of_too_many_hosts_the_first_and_the_last_are_asked_about() {
    let dns = FakeDns::start(|_| Reply::NxDomain(Some(60))).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, subjects: [url], names: host, max: 3}]",
    );
    assert_eq!(
        message(&f, &client("192.0.2.1"), &links(10)).await,
        Outcome::Checked(vec![])
    );
    let mut names: Vec<String> = dns.questions().into_iter().map(|q| q.name).collect();
    names.sort();
    assert_eq!(
        names,
        ["h0", "h1", "h9"].map(|h| format!("{h}.example.com.bl.example.org"))
    );
    let left_out = f
        .metrics
        .dnsbl_left_out
        .with_label_values(&["bl.example.org"]);
    assert_eq!(left_out.get(), 7);
}

#[tokio::test]
async fn a_message_that_asks_for_too_much_is_unscanned_and_keeps_its_hits() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        "h1.example.com.bl.example.org" => Reply::A(vec![[127, 0, 0, 2]], 60),
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let f = fixture(
        &dns,
        "queries_per_message: 4
zones:
  - {zone: bl.example.org, score: 1, subjects: [client, url], names: host, txt: false}
  - {zone: two.example.org, score: 1, subjects: [url], names: host}",
    );
    let outcome = message(&f, &client("192.0.2.1"), &links(3)).await;
    unscanned(&outcome, Reason::Limit, "more than 4 look-ups");
    assert_eq!(rules(outcome.hits()), ["DNSBL_BL_EXAMPLE_ORG"]);
    let to_two = dns
        .questions()
        .iter()
        .filter(|q| q.name.contains(".two."))
        .count();
    assert_eq!(to_two, 0, "the bound was used up");
    assert_eq!(f.metrics.dnsbl_over_limit.get(), 1);
    assert_eq!(
        message(&f, &client("192.0.2.1"), "Subject: x\r\n\r\n").await,
        Outcome::Checked(vec![]),
        "the next message has a bound of its own"
    );
}

#[tokio::test]
async fn domains_that_are_skipped_are_not_asked_about() {
    let dns = FakeDns::start(|_| Reply::NxDomain(Some(60))).await;
    let f = fixture(
        &dns,
        "skip_domains: [Example.com]
zones: [{zone: bl.example.org, score: 1, subjects: [url, from], names: host}]",
    );
    let text = "From: a@b.example.com\r\n\r\nhttp://www.example.com http://www.example.org";
    message(&f, &client("192.0.2.1"), text).await;
    let names: Vec<String> = dns.questions().into_iter().map(|q| q.name).collect();
    assert_eq!(names, ["www.example.org.bl.example.org"]);
}

#[tokio::test]
async fn a_list_that_is_not_required_or_not_enabled_marks_no_message() {
    let dns = FakeDns::start(|_| Reply::Code(ResponseCode::ServFail)).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, required: false},
  {zone: off.example.org, score: 1, enabled: false}]",
    );
    assert_eq!(f.ask("192.0.2.1").await, Outcome::Checked(vec![]));
    assert_eq!(f.counted("bl.example.org", "error"), 1);
    assert!(dns.questions().iter().all(|q| !q.name.contains(".off.")));
}
