//! The promises of the filter `auth`, against a test zone.

use std::sync::Arc;

use mail_auth::dkim::Canonicalization;
use mailweir::filter::Outcome;

use crate::dns_server::FakeDns;
use crate::fixture::{Fixture, envelope, from_yaml, rules};
use crate::signer::Signer;
use crate::zone::Zone;
use crate::{mistake, resolver};

pub(crate) const CLIENT: &str = "192.0.2.1";

pub(crate) fn message(from: &str) -> String {
    format!(
        "From: Ann <ann@{from}>\r\nTo: bob@example.net\r\nSubject: lunch\r\n\r\nAt  noon.\r\n\r\nAnn\r\n"
    )
}

/// A client with a name, and a domain with SPF for it.
pub(crate) fn zone() -> Zone {
    Zone::default()
        .ptr("1.2.0.192.in-addr.arpa", "mail.example.org")
        .a("mail.example.org", CLIENT)
        .txt("example.org", "v=spf1 ip4:192.0.2.0/28 -all")
}

#[tokio::test]
async fn each_result_is_a_hit_and_stands_in_the_header() {
    let signer = Signer::new("example.org");
    let zone = signer
        .published(zone())
        .txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let server = zone.serve().await;
    let f = Fixture::new(
        &server,
        "authserv_id: MX.example.net\nscores: {SPF_PASS: -0.5}",
    );
    let signed = signer.sign(&message("news.example.org"));
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "ann@example.org"), signed.as_bytes())
        .await;
    assert_eq!(
        rules(&outcome),
        [
            "REVERSE_DNS_VALID",
            "SPF_PASS",
            "DKIM_VALID",
            "DKIM_VALID_AUTHOR",
            "DMARC_PASS"
        ]
    );
    assert!((outcome.hits()[1].score + 0.5).abs() < 1e-9);
    assert_eq!(
        outcome.hits()[1].evidence,
        "192.0.2.1 for MAIL example.org: ip4:192.0.2.0/28"
    );
    let found = found.unwrap();
    assert_eq!(found.author(), Some("news.example.org"));
    assert_eq!(found.domains(), ["example.org"]);
    assert!(found.proves("example.org") && !found.proves("news.example.org"));
    let mark = &found.dkim[0].mark;
    assert_eq!(
        found.header,
        format!(
            "mx.example.net; spf=pass smtp.mailfrom=ann@example.org; \
             dkim=pass header.d=example.org header.s=s header.a=ed25519-sha256 header.b={mark}; \
             dmarc=pass header.from=news.example.org; arc=none; iprev=pass policy.iprev=192.0.2.1"
        )
    );
    let counted = |method: &str, result: &str| {
        f.metrics
            .auth_results
            .with_label_values(&[method, result])
            .get()
    };
    assert_eq!(counted("spf", "pass"), 1);
    assert_eq!(counted("dkim", "pass"), 1);
    assert_eq!(counted("dmarc", "pass"), 1);
    assert_eq!(counted("iprev", "pass"), 1);
}

#[tokio::test]
async fn nothing_is_a_result_too() {
    let server = Zone::default().serve().await;
    let f = Fixture::new(&server, "");
    let (outcome, _) = f
        .examine(
            &envelope(CLIENT, "ann@example.com"),
            message("example.com").as_bytes(),
        )
        .await;
    assert_eq!(
        rules(&outcome),
        ["REVERSE_DNS_NONE", "SPF_NONE", "DKIM_NONE", "DMARC_NONE"]
    );
    // The null sender: the name of HELO is checked.
    let zone = zone()
        .txt("mail.example.org", "v=spf1 -all")
        .a("other.example.org", "192.0.2.9");
    let server = zone.serve().await;
    let f = Fixture::new(&server, "");
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "<>"), message("example.com").as_bytes())
        .await;
    assert!(rules(&outcome).contains(&"SPF_FAIL"), "{outcome:?}");
    assert!(
        found
            .unwrap()
            .header
            .contains("spf=fail smtp.helo=mail.example.org")
    );
}

#[tokio::test]
async fn a_signature_that_proves_too_little_does_not_count() {
    let signer = Signer::new("example.org");
    let zone = signer
        .published(zone())
        .txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let server = zone.serve().await;
    let f = Fixture::new(&server, "");
    let plain = message("example.org");
    let relaxed = Canonicalization::Relaxed;
    let fields = &["From", "To", "Subject"];
    let partial = signer.sign_as(&plain, fields, Canonicalization::Simple, true);
    let whole = signer.sign_as(&plain, fields, relaxed, false);
    for (raw, result, reason, rule) in [
        (
            format!("{partial}more\r\n"),
            "policy",
            "a part of the body is not signed",
            "DKIM_PARTIAL",
        ),
        (
            format!("{whole}more\r\n"),
            "fail",
            "the body has been changed",
            "DKIM_INVALID",
        ),
        (
            whole.replace("Subject: lunch", "Subject: dinner"),
            "fail",
            "the signature does not fit the header",
            "DKIM_INVALID",
        ),
        (
            signer.sign_as(&plain, &["To", "Subject"], relaxed, false),
            "permerror",
            "the From field is not signed",
            "DKIM_INVALID",
        ),
        (
            whole.replace("a=ed25519-sha256", "a=rsa-sha1"),
            "permerror",
            "SHA-1 proves nothing (RFC 8301)",
            "DKIM_INVALID",
        ),
        (
            whole.replace("d=example.org;", "d=example.org; i=@bank.example;"),
            "permerror",
            "the agent is not of the domain",
            "DKIM_INVALID",
        ),
        (
            whole.replace("s=s;", "s=none;"),
            "permerror",
            "there is no key",
            "DKIM_INVALID",
        ),
    ] {
        let (outcome, found) = f
            .examine(&envelope(CLIENT, "x@elsewhere.example"), raw.as_bytes())
            .await;
        let found = found.unwrap();
        assert_eq!(
            (found.dkim[0].result.name(), found.dkim[0].reason.as_str()),
            (result, reason)
        );
        assert!(rules(&outcome).contains(&rule), "{reason}: {outcome:?}");
        assert!(
            rules(&outcome).contains(&"DMARC_REJECT"),
            "{reason}: {outcome:?}"
        );
    }
    // A length that covers the whole body leaves nothing out, and white space may change.
    let looser = whole.replace("At  noon.", "At noon. ");
    for raw in [partial, looser] {
        let (outcome, _) = f
            .examine(&envelope(CLIENT, "x@elsewhere.example"), raw.as_bytes())
            .await;
        assert!(rules(&outcome).contains(&"DMARC_PASS"), "{outcome:?}");
    }
}

#[tokio::test]
async fn exact_bytes_are_what_simple_canonicalisation_holds() {
    let signer = Signer::new("example.org");
    let server = signer.published(zone()).serve().await;
    let f = Fixture::new(&server, "");
    let odd = "FROM: Ann  <ann@example.org>\r\nTo:bob@example.net\r\nSubject: a\r\n\t b  \r\n\r\nx \r\n\r\n\r\n";
    let fields = &["From", "To", "Subject"];
    let signed = signer.sign_as(odd, fields, Canonicalization::Simple, false);
    let result = async |raw: &str| {
        let (_, found) = f.examine(&envelope(CLIENT, ""), raw.as_bytes()).await;
        found.unwrap().dkim[0].result.name()
    };
    assert_eq!(result(&signed).await, "pass");
    assert_eq!(result(&signed.replace("To:bob", "To: bob")).await, "fail");
    assert_eq!(result(&signed.replace("x \r\n", "x\r\n")).await, "fail");
    assert_eq!(result(&format!("{signed}\r\n")).await, "pass");
}

#[tokio::test]
async fn our_own_clients_are_not_checked() {
    let server = FakeDns::start(|q| panic!("asked for {q:?}")).await;
    let f = Fixture::new(
        &server,
        "authserv_id: mx.example.net\ntrusted_authserv_ids: [backup.example.net]",
    );
    let raw = message("example.org");
    let (outcome, _) = f
        .examine(&envelope("10.0.0.1", "ann@example.org"), raw.as_bytes())
        .await;
    assert_eq!(outcome, Outcome::Skipped("trusted network"));
    // What another server of ours has found is believed when it hands the message over.
    let told = format!(
        "Authentication-Results: evil.example; dmarc=pass header.from=example.org\r\n\
         Authentication-Results: backup.example.net 1; spf=softfail smtp.mailfrom=ann@example.org;\r\n\
         \tdkim=pass header.d=example.org; dmarc=pass header.from=example.org\r\n{raw}"
    );
    let (outcome, found) = f
        .examine(&envelope("10.0.0.1", "ann@example.org"), told.as_bytes())
        .await;
    assert_eq!(
        rules(&outcome),
        ["SPF_SOFTFAIL", "DKIM_VALID", "DMARC_PASS"]
    );
    let found = found.unwrap();
    assert_eq!(
        (found.author(), found.header.as_str()),
        (Some("example.org"), "")
    );
    let mut authenticated = envelope("10.0.0.1", "ann@example.org");
    authenticated.authenticated = Some("ann".into());
    let (outcome, _) = f.examine(&authenticated, raw.as_bytes()).await;
    assert_eq!(outcome, Outcome::Skipped("authenticated client"));
    let mut unknown = envelope("10.0.0.1", "");
    unknown.client.addr = None;
    let (outcome, _) = f.examine(&unknown, raw.as_bytes()).await;
    assert_eq!(outcome, Outcome::Skipped("no client address"));
}

#[tokio::test]
async fn forged_results_are_told_of() {
    let server = zone().serve().await;
    let f = Fixture::new(&server, "");
    let forged = format!(
        "Authentication-Results: (x) \"MX.example.net\" 1; dmarc=pass\r\n\
         Authentication-Results: mx.example.com; spf=pass\r\n{}",
        message("example.org")
    );
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "ann@example.org"), forged.as_bytes())
        .await;
    let hit = outcome
        .hits()
        .iter()
        .find(|h| &*h.rule == "RESULTS_FORGED")
        .unwrap();
    assert_eq!(hit.evidence, "1 fields, removed");
    assert_eq!(f.metrics.auth_forged.get(), 1);
    assert!(found.unwrap().author().is_none());
}

#[tokio::test]
async fn mistakes_are_shown_where_they_are() {
    let server = zone().serve().await;
    let metrics = Arc::new(mailweir::metrics::Metrics::new().unwrap());
    let dns = resolver(&server, &metrics);
    for (yaml, position, words) in [
        ("authserv_id: \"a b\"", "1:14", "not the id of a server"),
        (
            "trusted_authserv_ids: [\"\"]",
            "1:24",
            "not the id of a server",
        ),
        (
            "trusted_networks: [10.0.0.1/8]",
            "1:20",
            "bits beyond its prefix",
        ),
        ("trusted_arc_sealers: [org]", "1:23", "not a domain"),
        (
            "dmarc: {mailing_lists: [\"*.example.org\"]}",
            "1:25",
            "not a domain",
        ),
        (
            "dmarc: {quarantine: reject}",
            "1:21",
            "does not ask for refusal",
        ),
        (
            "dmarc: {reject: tempfail}",
            "1:17",
            "unknown value `tempfail`",
        ),
        ("timeout: 1ms", "1:10", "must be 100ms to 120s"),
        ("max_signatures: 0", "1:17", "must be 1 to 100 signatures"),
        ("max_lookups: 5", "1:14", "must be 10 to 10000 look-ups"),
        ("scores: {SPF_PAS: 1}", "1:19", "did you mean SPF_PASS?"),
        (
            "scores: {SPF_PASS: 1000}",
            "1:20",
            "must be -100 to 100 points",
        ),
    ] {
        mistake::shown(yaml, from_yaml(yaml, &dns, &metrics), position, words);
    }
}
