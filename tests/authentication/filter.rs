//! The promises of the filter `auth`, against a test zone.

use std::sync::Arc;
use std::time::Duration;

use mail_auth::dkim::Canonicalization;
use mailweir::auth::dmarc::{DmarcResult, Policy};
use mailweir::auth::spf::{self, Query, SpfResult};
use mailweir::filter::auth::Disposition;
use mailweir::filter::{Action, Outcome, Reason};
use mailweir::mail::Spool;

use crate::dns_server::{FakeDns, Gate, Reply};
use crate::fixture::{Fixture, envelope, finish, from_yaml, rules};
use crate::signer::Signer;
use crate::zone::Zone;
use crate::{questions, resolver};

const CLIENT: &str = "192.0.2.1";

fn message(from: &str) -> String {
    format!(
        "From: Ann <ann@{from}>\r\nTo: bob@example.net\r\nSubject: lunch\r\n\r\nAt  noon.\r\n\r\nAnn\r\n"
    )
}

/// A client with a name, and a domain with SPF for it.
fn zone() -> Zone {
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

/// Policy records, the domain of From, whether SPF passes for it: what is asked for and what becomes of it.
#[tokio::test]
async fn policies_are_found_and_followed() {
    const NONE: &[(&str, &str)] = &[];
    let org = |record: &'static str| vec![("_dmarc.example.org", record)];
    for (records, from, rule, disposition) in [
        (org("v=DMARC1; p=none"), "example.org", "DMARC_FAIL", "none"),
        (
            org("v=DMARC1; p=quarantine"),
            "example.org",
            "DMARC_QUARANTINE",
            "quarantine",
        ),
        (
            org("v=DMARC1; p=reject"),
            "example.org",
            "DMARC_REJECT",
            "reject",
        ),
        // A subdomain, one that exists and one that does not.
        (
            org("v=DMARC1; p=none; sp=quarantine; np=reject"),
            "sub.example.org",
            "DMARC_QUARANTINE",
            "quarantine",
        ),
        (
            org("v=DMARC1; p=none; sp=quarantine; np=reject"),
            "no.example.org",
            "DMARC_REJECT",
            "reject",
        ),
        (
            org("v=DMARC1; p=reject; sp=none"),
            "sub.example.org",
            "DMARC_FAIL",
            "none",
        ),
        // Test mode and pct.
        (
            org("v=DMARC1; p=reject; t=y"),
            "example.org",
            "DMARC_QUARANTINE",
            "quarantine",
        ),
        (
            org("v=DMARC1; p=reject; pct=0"),
            "example.org",
            "DMARC_QUARANTINE",
            "spared",
        ),
        (
            org("v=DMARC1; p=quarantine; pct=0"),
            "example.org",
            "DMARC_FAIL",
            "spared",
        ),
        // A domain that is an organization of its own, and a public suffix.
        (
            vec![
                ("_dmarc.sub.example.org", "v=DMARC1; p=reject; psd=n"),
                ("_dmarc.example.org", "v=DMARC1; p=none"),
            ],
            "a.sub.example.org",
            "DMARC_REJECT",
            "reject",
        ),
        (
            vec![("_dmarc.org", "v=DMARC1; p=reject; psd=y")],
            "example.org",
            "DMARC_REJECT",
            "reject",
        ),
        // Two policies are none.
        (
            vec![
                ("_dmarc.example.org", "v=DMARC1; p=reject"),
                ("_dmarc.example.org", "v=DMARC1; p=none"),
            ],
            "example.org",
            "DMARC_NONE",
            "",
        ),
        (NONE.to_vec(), "example.org", "DMARC_NONE", ""),
    ] {
        let zone = records.iter().fold(
            zone().a("sub.example.org", CLIENT),
            |zone, (name, record)| zone.txt(name, record),
        );
        let server = zone.serve().await;
        let f = Fixture::new(&server, "dmarc: {reject: reject, quarantine: quarantine}");
        let (outcome, found) = f
            .examine(
                &envelope(CLIENT, "x@elsewhere.example"),
                message(from).as_bytes(),
            )
            .await;
        let hit = outcome
            .hits()
            .iter()
            .find(|h| h.rule.starts_with("DMARC"))
            .unwrap();
        assert_eq!(&*hit.rule, rule, "{records:?} {from}");
        let decisive = match rule {
            "DMARC_REJECT" => Some(Action::Reject),
            "DMARC_QUARANTINE" => Some(Action::Quarantine),
            _ => None,
        };
        assert_eq!(hit.decisive, decisive, "{records:?} {from}");
        let is = found
            .unwrap()
            .disposition
            .as_ref()
            .map_or("", Disposition::name);
        assert_eq!(is, disposition, "{records:?} {from}");
        if !disposition.is_empty() {
            let counter = f
                .metrics
                .auth_dispositions
                .with_label_values(&[disposition]);
            assert_eq!(counter.get(), 1);
        }
    }
}

/// What lies above an organization is nobody's concern, also when DNS cannot tell it.
#[tokio::test]
async fn a_walk_ends_at_an_organization() {
    for (record, result) in [
        ("v=DMARC1; p=reject; psd=n", DmarcResult::Fail),
        ("v=DMARC1; p=reject", DmarcResult::TempError),
    ] {
        let zone = zone()
            .txt("_dmarc.example.org", record)
            .broken("_dmarc.org");
        let server = zone.serve().await;
        let f = Fixture::new(&server, "");
        let raw = message("example.org");
        let (_, found) = f.examine(&envelope(CLIENT, ""), raw.as_bytes()).await;
        assert_eq!(
            found.unwrap().dmarc.as_ref().unwrap().result,
            result,
            "{record}"
        );
    }
}

#[tokio::test]
async fn by_default_a_policy_is_a_matter_of_points() {
    let server = zone()
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .serve()
        .await;
    let f = Fixture::new(&server, "");
    let (outcome, _) = f
        .examine(
            &envelope(CLIENT, "x@elsewhere.example"),
            message("example.org").as_bytes(),
        )
        .await;
    let hit = outcome
        .hits()
        .iter()
        .find(|h| &*h.rule == "DMARC_REJECT")
        .unwrap();
    assert_eq!(hit.decisive, None);
    assert!((hit.score - 5.0).abs() < 1e-9);
}

#[tokio::test]
async fn alignment_is_strict_where_the_policy_says_so() {
    for (record, passes) in [
        ("v=DMARC1; p=reject", true),
        ("v=DMARC1; p=reject; aspf=s", false),
        ("v=DMARC1; p=reject; adkim=s", true),
    ] {
        let zone = zone()
            .txt("bounce.example.org", "v=spf1 ip4:192.0.2.1 -all")
            .txt("_dmarc.example.org", record);
        let server = zone.serve().await;
        let f = Fixture::new(&server, "");
        let (_, found) = f
            .examine(
                &envelope(CLIENT, "x@bounce.example.org"),
                message("example.org").as_bytes(),
            )
            .await;
        let result = found.unwrap().dmarc.as_ref().unwrap().result;
        assert_eq!(result == DmarcResult::Pass, passes, "{record}");
    }
}

#[tokio::test]
async fn of_several_domains_in_from_the_strictest_policy_counts() {
    let zone = zone()
        .txt("_dmarc.example.org", "v=DMARC1; p=none")
        .txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    let server = zone.serve().await;
    let f = Fixture::new(&server, "");
    let both = message("example.org").replace("To:", "From: <pay@bank.example>\r\nTo:");
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "ann@example.org"), both.as_bytes())
        .await;
    assert!(rules(&outcome).contains(&"DMARC_REJECT"), "{outcome:?}");
    assert_eq!(
        found.unwrap().dmarc.as_ref().unwrap().domain,
        "bank.example"
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
async fn a_temporary_failure_is_unscanned_and_the_other_results_stay() {
    let signer = Signer::new("example.org");
    let base = || {
        signer
            .published(zone())
            .txt("_dmarc.example.org", "v=DMARC1; p=reject")
    };
    for (zone, words) in [
        (
            base().broken("elsewhere.example"),
            "spf: the resolver answered SERVFAIL",
        ),
        (
            zone()
                .broken("s._domainkey.example.org")
                .txt("_dmarc.example.org", "v=DMARC1; p=reject"),
            "dkim: the resolver answered SERVFAIL; dmarc: the resolver answered SERVFAIL",
        ),
        (
            signer.published(zone()).broken("_dmarc.example.org"),
            "dmarc: the resolver answered SERVFAIL",
        ),
        (
            signer.published(Zone::default().broken("1.2.0.192.in-addr.arpa")),
            "iprev: the resolver answered SERVFAIL",
        ),
    ] {
        let server = zone.serve().await;
        let f = Fixture::new(&server, "");
        let signed = signer.sign(&message("example.org"));
        let (outcome, found) = f
            .examine(&envelope(CLIENT, "x@elsewhere.example"), signed.as_bytes())
            .await;
        let Outcome::Unscanned {
            reason,
            detail,
            hits,
        } = &outcome
        else {
            panic!("{words}: {outcome:?}");
        };
        assert_eq!((*reason, detail.as_str()), (Reason::Error, words));
        assert!(!hits.is_empty(), "{words}");
        // What could not be asked is no reason to refuse.
        assert!(!rules(&outcome).contains(&"DMARC_REJECT"), "{words}");
        assert!(found.is_some());
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = FakeDns::start(|_| Reply::Silence).await;
    let f = Fixture::new(&server, "timeout: 100ms");
    let (outcome, _) = f
        .examine(
            &envelope(CLIENT, "ann@example.org"),
            message("example.org").as_bytes(),
        )
        .await;
    let Outcome::Unscanned { reason, detail, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Timeout);
    for method in ["iprev", "spf", "dmarc"] {
        assert!(detail.contains(method), "{detail}");
    }
}

#[tokio::test]
async fn questions_of_one_message_are_bounded() {
    // Ten includes, each with ten more names: SPF has its own bound, and all together have one.
    let server = zone()
        .txt(
            "example.com",
            "v=spf1 mx mx:a.example.com mx:b.example.com -all",
        )
        .serve()
        .await;
    let f = Fixture::new(&server, "max_lookups: 10");
    let from = "a.b.c.d.e.f.example.com";
    let (outcome, _) = f
        .examine(&envelope(CLIENT, "x@example.com"), message(from).as_bytes())
        .await;
    let Outcome::Unscanned { reason, detail, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Limit);
    assert!(detail.contains("too many look-ups"), "{detail}");
    assert_eq!(server.questions().len(), 10);
}

#[tokio::test]
async fn of_many_signatures_those_of_the_author_come_first() {
    let (own, other) = (Signer::new("example.org"), Signer::new("spam.example"));
    let zone = own.published(other.published(zone()));
    let server = zone
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .serve()
        .await;
    let f = Fixture::new(&server, "max_signatures: 3");
    let mut raw = message("example.org");
    for n in 0..20 {
        let signer = if n == 9 { &own } else { &other };
        raw = signer.sign(&raw);
    }
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "x@spam.example"), raw.as_bytes())
        .await;
    assert!(rules(&outcome).contains(&"DMARC_PASS"), "{outcome:?}");
    assert_eq!(found.unwrap().dkim.len(), 3);
}

#[tokio::test]
async fn a_trusted_seal_excuses_and_no_other() {
    let (author, list) = (Signer::new("example.org"), Signer::new("lists.example.com"));
    let zone = list.published(author.published(zone()));
    let server = zone
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .serve()
        .await;
    // The list has changed the body and sealed what it saw before.
    let changed = author.sign(&message("example.org")) + "-- \r\nfooter\r\n";
    let passed = "dmarc=pass header.from=example.org; spf=pass smtp.mailfrom=ann@example.org";
    let sealed = list.seal(&changed, passed);
    let trusting = "trusted_arc_sealers: [example.com]\ndmarc: {reject: reject}";
    for (yaml, raw, rule) in [
        (trusting, sealed.clone(), "DMARC_EXEMPT"),
        ("dmarc: {reject: reject}", sealed.clone(), "DMARC_REJECT"),
        // Changed after the seal.
        (trusting, format!("{sealed}more\r\n"), "DMARC_REJECT"),
        // The sealer saw something else.
        (
            trusting,
            list.seal(&changed, "dmarc=fail header.from=example.org"),
            "DMARC_REJECT",
        ),
        (
            trusting,
            list.seal(&changed, "dmarc=pass header.from=other.example"),
            "DMARC_REJECT",
        ),
        (
            trusting,
            list.seal(&changed, "spf=pass smtp.mailfrom=x@other.example"),
            "DMARC_REJECT",
        ),
        // And what makes DMARC pass.
        (
            trusting,
            list.seal(&changed, "dkim=pass header.d=mail.example.org"),
            "DMARC_EXEMPT",
        ),
    ] {
        let f = Fixture::new(&server, yaml);
        let (outcome, found) = f
            .examine(&envelope(CLIENT, "x@lists.example.com"), raw.as_bytes())
            .await;
        assert!(rules(&outcome).contains(&rule), "{yaml}: {outcome:?}");
        let found = found.unwrap();
        if rule == "DMARC_EXEMPT" {
            let left = found.disposition.as_ref().unwrap().policy();
            assert_eq!(left, Policy::None);
            assert_eq!(
                found.disposition,
                Some(Disposition::Sealed("lists.example.com".into()))
            );
            assert!(
                found
                    .header
                    .contains("dmarc=fail reason=\"passed when lists.example.com sealed it\"")
            );
            assert!(
                found
                    .header
                    .contains("arc=pass (i=1 sealed by lists.example.com)"),
                "{}",
                found.header
            );
        }
    }
}

#[tokio::test]
async fn a_mailing_list_is_excused_when_it_is_proven_to_be_one() {
    let zone = zone()
        .txt("lists.example.com", "v=spf1 ip4:192.0.2.1 -all")
        .txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let server = zone.serve().await;
    let f = Fixture::new(
        &server,
        "dmarc: {reject: reject, mailing_lists: [example.com]}",
    );
    let raw = message("example.org");
    let (outcome, _) = f
        .examine(
            &envelope(CLIENT, "talk-bounces@lists.example.com"),
            raw.as_bytes(),
        )
        .await;
    assert!(rules(&outcome).contains(&"DMARC_EXEMPT"), "{outcome:?}");
    // The same sender from somewhere else.
    let (outcome, _) = f
        .examine(
            &envelope("192.0.2.99", "talk-bounces@lists.example.com"),
            raw.as_bytes(),
        )
        .await;
    assert!(rules(&outcome).contains(&"DMARC_REJECT"), "{outcome:?}");
}

/// A name to which `_dmarc.` or a selector cannot be put has no policy and no key; that is no failure of DNS.
#[tokio::test]
async fn names_that_are_too_long_to_ask_for_have_nothing() {
    let server = zone().serve().await;
    let f = Fixture::new(&server, "");
    let long = format!(
        "{}.{}.{}.{}.example.org",
        "a".repeat(60),
        "b".repeat(60),
        "c".repeat(60),
        "d".repeat(55)
    );
    assert!(long.len() > 246 && long.len() <= 253);
    let signed = Signer::new(&long).sign(&message("example.org"));
    let signed = signed.replace(
        "From: Ann <ann@example.org>",
        &format!("From: Ann <ann@{long}>"),
    );
    let (outcome, found) = f.examine(&envelope(CLIENT, ""), signed.as_bytes()).await;
    assert!(matches!(outcome, Outcome::Checked(_)), "{outcome:?}");
    let found = found.unwrap();
    assert_eq!(found.dkim[0].reason, "there is no key");
    assert_eq!(found.dmarc.as_ref().unwrap().result, DmarcResult::None);
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

/// Each question leaves as soon as what it is about is known.
#[tokio::test]
async fn questions_leave_before_the_message_is_there() {
    let gate = Gate::new();
    let held = gate.clone();
    let signer = Signer::new("example.org");
    let zone = signer
        .published(zone())
        .txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let server = FakeDns::start(move |q| Reply::Gate(held.clone(), Box::new(zone.answer(q)))).await;
    let f = Fixture::new(&server, "");
    let envelope = envelope(CLIENT, "ann@example.org");
    let signed = signer.sign(&message("example.org"));
    let mut check = f.filter.check();
    check.connect(&envelope);
    server.asked(1).await;
    assert_eq!(server.count("1.2.0.192.in-addr.arpa"), 1);
    check.helo(&envelope);
    check.mail(&envelope);
    server.asked(2).await;
    assert_eq!(server.count("example.org"), 1);
    let spool = Arc::new(Spool::new());
    let (header, body) = signed.split_once("\r\n\r\n").unwrap();
    spool.push(format!("{header}\r\n\r\n").as_bytes());
    check.headers(&envelope, &spool);
    // The key and the policy, while the body is not there yet.
    server.asked(5).await;
    assert_eq!(server.count("s._domainkey.example.org"), 1);
    assert_eq!(server.count("_dmarc.example.org"), 1);
    gate.open();
    spool.push(body.as_bytes());
    let (outcome, _) = finish(check, &envelope, spool.complete()).await;
    assert!(rules(&outcome).contains(&"DMARC_PASS"), "{outcome:?}");
}

/// SPF takes as many round trips as includes are nested, not as there are terms.
#[tokio::test]
async fn all_includes_are_asked_for_at_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let includes: String = (1..=8)
        .map(|n| format!("include:i{n}.example.com "))
        .collect();
    let mut zone = zone().txt(
        "example.com",
        &format!("v=spf1 {includes}a:i9.example.com -all"),
    );
    for n in 1..=8 {
        zone = zone.txt(
            &format!("i{n}.example.com"),
            "v=spf1 ip4:198.51.100.0/24 -all",
        );
    }
    let zone = zone.txt(
        "early.example.com",
        &format!("v=spf1 ip4:192.0.2.1 {includes}-all"),
    );
    let server = FakeDns::start(move |q| match q.name.starts_with('i') {
        true => Reply::Gate(held.clone(), Box::new(zone.answer(q))),
        false => zone.answer(q),
    })
    .await;
    let dns = resolver(
        &server,
        &Arc::new(mailweir::metrics::Metrics::new().unwrap()),
    );
    let names = questions(&dns);
    let query = |sender| Query {
        client: CLIENT.parse().unwrap(),
        helo: "mail.example.org",
        sender,
    };
    let check = spf::check(&names, query("ann@example.com"));
    let all_asked = async {
        // The record, eight includes, the addresses: before any include is answered.
        server.asked(10).await;
        gate.open();
    };
    let (said, ()) = tokio::join!(check, all_asked);
    assert_eq!(said.result, SpfResult::Fail);
    assert_eq!(server.questions().len(), 10);
    // What decides without a question costs none.
    let said = spf::check(&names, query("ann@early.example.com")).await;
    assert_eq!(said.result, SpfResult::Pass);
    assert_eq!(server.questions().len(), 11);
}

#[tokio::test]
async fn a_dropped_check_asks_no_more() {
    let server = FakeDns::start(|_| Reply::Silence).await;
    let f = Fixture::new(&server, "");
    let envelope = envelope(CLIENT, "ann@example.org");
    let mut check = f.filter.check();
    check.connect(&envelope);
    server.asked(1).await;
    drop(check);
    tokio::time::timeout(Duration::from_secs(20), async {
        while f.metrics.dns_in_flight.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("what is on its way is given up");
}

#[tokio::test]
async fn a_long_header_is_a_limit() {
    let server = zone().serve().await;
    let f = Fixture::new(&server, "");
    let long = format!("X: {}\r\n{}", "a".repeat(1 << 20), message("example.org"));
    let (outcome, _) = f
        .examine(&envelope(CLIENT, "ann@example.org"), long.as_bytes())
        .await;
    let Outcome::Unscanned { reason, hits, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Limit);
    assert!(hits.iter().any(|h| &*h.rule == "SPF_PASS"));
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
        let said = from_yaml(yaml, &dns, &metrics).map(|_| ()).unwrap_err();
        assert!(said.contains(words), "{yaml}: {said}");
        assert!(
            said.contains(&format!("mailweir.yaml:{position}")),
            "{yaml}: {said}"
        );
    }
}
