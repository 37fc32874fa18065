//! Reputation and correspondents.

use mailweir::filter::{Action, Outcome};
use mailweir::store::Kind;
use mailweir::verdict::Verdict;

use crate::signer::Signer;
use crate::zone::Zone;
use crate::{Fixture, by_user, envelope, hit, message, proven};

const CHAIN: &str = "chain: [auth, rules, reputation]\n";
const TO: &str = "bob@example.net";
const NETWORK: &str = "203.0.113.0/24";

fn points(verdict: &Verdict, rule: &str) -> f64 {
    hit(verdict, rule).map_or(0.0, |hit| hit.score)
}

#[tokio::test]
async fn it_is_learned_from_what_others_said_and_never_from_itself() {
    let f = Fixture::new(Zone::default(), "chain: [rules, reputation]\n").await;
    let send = async |words: &str| {
        let envelope = envelope("203.0.113.7", "<ann@example.com>", &[TO]);
        f.send(envelope, &message("ann@example.com", words)).await
    };
    assert_eq!(points(&send("word-nine").await, "REPUTATION_NETWORK"), 0.0);
    let mut last = 0.0;
    for _ in 0..20 {
        let now = points(&send("word-nine").await, "REPUTATION_NETWORK");
        assert!(now > last, "{now} after {last}");
        last = now;
    }
    let fact = f.fact(Kind::Network, &[NETWORK]).unwrap();
    assert!((fact.count - 21.0).abs() < 0.01 && (fact.total - 21.0).abs() < 0.01);
    let worst = send("nothing").await;
    let network = hit(&worst, "REPUTATION_NETWORK").unwrap();
    assert!(
        network.score > 1.0 && network.score <= 1.5,
        "{}",
        network.score
    );
    assert!(
        network
            .evidence
            .starts_with("203.0.113.0/24: +0.68 from 21.0 messages")
    );
    assert!(points(&worst, "REPUTATION_UNPROVEN_DOMAIN") > 0.6);
    // That message was ham to the others, whatever reputation said of it.
    let fact = f.fact(Kind::Network, &[NETWORK]).unwrap();
    assert!((fact.count - 22.0).abs() < 0.01 && (fact.total - 21.0).abs() < 0.01);
    // Good mail makes it good again.
    for _ in 0..100 {
        send("nothing").await;
    }
    assert!(points(&send("nothing").await, "REPUTATION_NETWORK") < 0.0);
    let lessons = |lesson| {
        f.metrics
            .reputation_lessons
            .with_label_values(&[lesson])
            .get()
    };
    assert_eq!((lessons("spam"), lessons("ham")), (21, 102));
}

#[tokio::test]
async fn what_is_proven_and_what_is_claimed_are_kept_apart() {
    let f = Fixture::new(proven(), CHAIN).await;
    let send = async |client: &str, words: &str| {
        let envelope = envelope(client, "<ann@example.org>", &[TO]);
        f.send(envelope, &message("ann@news.example.org", words))
            .await
    };
    for _ in 0..10 {
        // Somebody else in its name.
        send("203.0.113.7", "word-nine").await;
    }
    let real = send("192.0.2.1", "nothing").await;
    assert!(hit(&real, "REPUTATION_DOMAIN").is_none());
    assert!(hit(&real, "REPUTATION_UNPROVEN_DOMAIN").is_none());
    let claimed = f.fact(Kind::UnprovenDomain, &["example.org"]).unwrap();
    assert!((claimed.count - 10.0).abs() < 0.01);
    let own = f.fact(Kind::Domain, &["example.org"]).unwrap();
    assert!((own.count - 1.0).abs() < 0.01 && own.total < 0.2);
    for _ in 0..10 {
        send("192.0.2.1", "nothing").await;
    }
    assert!(points(&send("192.0.2.1", "nothing").await, "REPUTATION_DOMAIN") < -0.3);
}

#[tokio::test]
async fn who_signs_for_others_has_a_reputation_of_its_own() {
    let esp = Signer::new("esp.example");
    let f = Fixture::new(esp.published(proven()), CHAIN).await;
    for _ in 0..10 {
        let raw = esp.sign(&message("ann@example.org", "word-nine"));
        f.send(envelope("192.0.2.1", "<ann@example.org>", &[TO]), &raw)
            .await;
    }
    let raw = esp.sign(&message("eve@example.com", "nothing"));
    let verdict = f
        .send(envelope("203.0.113.7", "<x@esp.example>", &[TO]), &raw)
        .await;
    assert!(points(&verdict, "REPUTATION_SIGNING_DOMAIN") > 0.4);
    assert!(hit(&verdict, "REPUTATION_DOMAIN").is_none());
}

#[tokio::test]
async fn what_was_put_off_or_not_wholly_checked_teaches_nothing() {
    let f = Fixture::new(
        Zone::default().broken("example.com"),
        "chain: [auth, rules, reputation, greylist]\ngreylist: { band: { from: 3, to: 20 } }\n",
    )
    .await;
    let send = async |sender: &str, words: &str| {
        f.send(
            envelope("203.0.113.7", sender, &[TO]),
            &message("ann@example.net", words),
        )
        .await
    };
    assert_eq!(
        send("<ann@example.net>", "word-nine").await.action,
        Action::Tempfail
    );
    let unscanned = send("<ann@example.com>", "nothing").await;
    let is_unscanned = |o: &Outcome| matches!(o, Outcome::Unscanned { .. });
    assert!(unscanned.reports.iter().any(|r| is_unscanned(&r.outcome)));
    assert_eq!(f.facts.len(Kind::Network), 0);
    // Neither have our own clients a reputation.
    let ours = envelope("10.0.0.1", "<ann@example.net>", &[TO]);
    f.send(ours, &message("ann@example.net", "nothing")).await;
    assert_eq!(f.facts.len(Kind::Network), 0);
}

#[tokio::test]
async fn who_was_written_to_is_known_where_the_domain_is_proven() {
    let f = Fixture::new(proven(), CHAIN).await;
    let receive = async |client: &str, from: &str, to: &[&str]| {
        f.send(
            envelope(client, "<bounces@example.org>", to),
            &message(from, "nothing"),
        )
        .await
    };
    let first = receive("192.0.2.1", "ann@example.org", &[TO]).await;
    assert!(hit(&first, "FIRST_CONTACT").is_some());
    assert!(hit(&first, "KNOWN_CORRESPONDENT").is_none());
    let second = receive("198.51.100.1", "Ann@Example.org", &[TO]).await;
    assert!(hit(&second, "FIRST_CONTACT").is_none());

    let sent = f
        .send(
            by_user("bob", "<bob@example.net>", &["<Ann@example.org>"]),
            &message("bob@example.net", "x"),
        )
        .await;
    assert_eq!(sent.action, Action::Deliver);
    let known = receive("192.0.2.1", "ann@example.org", &["eve@example.net", TO]).await;
    let hit_known = hit(&known, "KNOWN_CORRESPONDENT").unwrap();
    assert_eq!(
        hit_known.evidence,
        "bob@example.net has written to ann@example.org"
    );
    assert!((hit_known.score + 1.5).abs() < 1e-9);
    for (client, from, to) in [
        // Not proven, another author, another recipient.
        ("203.0.113.7", "ann@example.org", TO),
        ("192.0.2.1", "eve@example.org", TO),
        ("192.0.2.1", "ann@example.org", "carol@example.net"),
    ] {
        let other = receive(client, from, &[to]).await;
        assert!(
            hit(&other, "KNOWN_CORRESPONDENT").is_none(),
            "{client} {from} {to}"
        );
        assert!(
            hit(&other, "FIRST_CONTACT").is_some(),
            "{client} {from} {to}"
        );
    }
}

#[tokio::test]
async fn a_reply_is_known_by_what_it_answers() {
    let f = Fixture::new(
        Zone::default(),
        "chain: [rates, reputation]
rates: { limits: [{ by: authenticated_user, burst: 1, per: 1d }] }
",
    )
    .await;
    let outbound =
        message("bob@example.net", "x").replace("<1@example.net>", "<abc.1@example.net>");
    f.send(
        by_user("bob", "<bob@example.net>", &["ann@example.org"]),
        &outbound,
    )
    .await;
    // One that did not leave is none.
    let held = message("bob@example.net", "x").replace("<1@", "<held@");
    f.send(
        by_user("bob", "<bob@example.net>", &["ann@example.org"]),
        &held,
    )
    .await;
    let answer = async |field: &str, to: &str| {
        let raw = format!("{field}\r\n{}", message("ann@example.org", "x"));
        let verdict = f
            .send(envelope("203.0.113.7", "<ann@example.org>", &[to]), &raw)
            .await;
        hit(&verdict, "REPLY_TO_OURS").map(|hit| hit.evidence.clone())
    };
    let named = Some("<abc.1@example.net>".to_owned());
    assert_eq!(answer("In-Reply-To: <abc.1@example.net>", TO).await, named);
    let references = "References: <other@x>\r\n <abc.1@example.net> <more@x>";
    assert_eq!(answer(references, TO).await, named);
    assert_eq!(
        answer("In-Reply-To: <abc.1@example.net>", "eve@example.net").await,
        None
    );
    assert_eq!(answer("In-Reply-To: <abc.2@example.net>", TO).await, None);
    assert_eq!(answer("In-Reply-To: <held@example.net>", TO).await, None);
    assert_eq!(answer("X-Other: <abc.1@example.net>", TO).await, None);
}

#[tokio::test]
async fn strangers_cannot_push_out_what_is_proven() {
    let f = Fixture::new(
        proven(),
        &format!("{CHAIN}reputation: {{ entries: 100 }}\n"),
    )
    .await;
    let good = envelope("192.0.2.1", "<ann@example.org>", &[TO]);
    f.send(good, &message("ann@example.org", "x")).await;
    for number in 0..300 {
        let from = format!("ann@forged-{number}.example");
        let client = format!("203.0.113.{}", number % 250);
        f.send(
            envelope(&client, "<x@example.com>", &[TO]),
            &message(&from, "x"),
        )
        .await;
    }
    assert!(f.facts.len(Kind::UnprovenDomain) <= 100);
    assert!(f.fact(Kind::Domain, &["example.org"]).is_some());
}

#[tokio::test]
async fn outside_of_the_daemon_nothing_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailweir.yaml");
    let limit = "rates: { limits: [{ by: recipient, burst: 1, per: 1h }] }\n";
    std::fs::write(
        &path,
        format!("chain: [greylist, rates, reputation]\n{limit}"),
    )
    .unwrap();
    let scan = std::process::Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["scan", "--json", "--client-ip", "203.0.113.7", "--config"])
        .arg(&path)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/corpus/ham/personal/01-ridge-walk-photos.eml"
        ))
        .output()
        .unwrap();
    let text = String::from_utf8(scan.stdout).unwrap();
    let found: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(found["verdict"], "deliver");
    let outcomes = found["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 3);
    for outcome in outcomes {
        assert_eq!(outcome["detail"], "only the daemon remembers senders");
    }
}

/// Wherever they stand in the chain. Break it by not waiting for one of the filters.
#[tokio::test]
async fn rules_see_what_auth_and_reputation_have_found_out() {
    let signer = Signer::new("example.org");
    for chain in ["[rules, reputation, auth]", "[auth, reputation, rules]"] {
        let zone = signer.published(proven());
        let f = Fixture::new(zone, &format!("chain: {chain}\n")).await;
        let send = async |client: &str, raw: &str| {
            let envelope = envelope(client, "<ann@example.org>", &["bob@example.net"]);
            let verdict = f.send(envelope, raw).await;
            ["STRANGER", "PROVEN", "SIGNED"].map(|rule| hit(&verdict, rule).is_some())
        };
        let plain = message("ann@example.org", "word-known");
        assert_eq!(send("192.0.2.1", &plain).await, [true, true, false]);
        // Known by now; another client; signed.
        let signed = signer.sign(&plain);
        assert_eq!(send("203.0.113.1", &signed).await, [false, false, true]);
        assert_eq!(
            send("203.0.113.1", &plain.replace("word-known", "other")).await,
            [false; 3]
        );
    }
    // Without the filters their places are empty.
    let f = Fixture::new(proven(), "chain: [rules]\n").await;
    let envelope = envelope("192.0.2.1", "<ann@example.org>", &["bob@example.net"]);
    let verdict = f
        .send(envelope, &message("ann@example.org", "word-known"))
        .await;
    for rule in ["STRANGER", "PROVEN", "SIGNED"] {
        assert!(hit(&verdict, rule).is_none(), "{rule}");
    }
}
