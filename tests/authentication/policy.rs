//! DMARC policies, as far as they are followed, and what excuses a message from one.

use mailweir::auth::dmarc::{DmarcResult, Policy};
use mailweir::filter::Action;
use mailweir::filter::auth::Disposition;

use crate::filter::{CLIENT, message, zone};
use crate::fixture::{Fixture, envelope, rules};
use crate::sealer::seal;
use crate::signer::Signer;

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
    let sealed = seal(&list, &changed, passed);
    let trusting = "trusted_arc_sealers: [example.com]\ndmarc: {reject: reject}";
    for (yaml, raw, rule) in [
        (trusting, sealed.clone(), "DMARC_EXEMPT"),
        ("dmarc: {reject: reject}", sealed.clone(), "DMARC_REJECT"),
        // Changed after the seal.
        (trusting, format!("{sealed}more\r\n"), "DMARC_REJECT"),
        // The sealer saw something else.
        (
            trusting,
            seal(&list, &changed, "dmarc=fail header.from=example.org"),
            "DMARC_REJECT",
        ),
        (
            trusting,
            seal(&list, &changed, "dmarc=pass header.from=other.example"),
            "DMARC_REJECT",
        ),
        (
            trusting,
            seal(&list, &changed, "spf=pass smtp.mailfrom=x@other.example"),
            "DMARC_REJECT",
        ),
        // And what makes DMARC pass.
        (
            trusting,
            seal(&list, &changed, "dkim=pass header.d=mail.example.org"),
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
