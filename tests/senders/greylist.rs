//! Greylisting at the end of the message.

use mailweir::filter::{Action, Outcome};
use mailweir::store::Kind;
use mailweir::verdict::{DecidedBy, Verdict};

use crate::zone::Zone;
use crate::{Fixture, envelope, hit, message, minutes, proven};

const CHAIN: &str = "chain: [auth, rules, greylist]\n";
const TO: &str = "bob@example.net";

fn why(verdict: &Verdict) -> &str {
    let report = verdict.reports.iter().find(|r| r.filter == "greylist");
    match &report.unwrap().outcome {
        Outcome::Skipped(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_whose_score_lies_in_the_band_has_to_come_again() {
    let f = Fixture::new(Zone::default(), CHAIN).await;
    let send = async |words: &str| {
        let envelope = envelope("203.0.113.7", "<ann@example.com>", &[TO]);
        f.send(envelope, &message("ann@example.com", words)).await
    };
    // What auth finds is worth a point or so.
    let plain = send("nothing").await;
    assert_eq!(plain.action, Action::Deliver);
    assert_eq!(why(&plain), "score outside of the band");
    let spam = send("word-nine").await;
    assert_eq!(spam.action, Action::Quarantine);
    assert_eq!(why(&spam), "score outside of the band");

    let first = send("word-four").await;
    assert_eq!(first.action, Action::Tempfail);
    let DecidedBy::Hit { filter, rule } = &first.decided_by else {
        panic!("{:?}", first.decided_by)
    };
    assert_eq!((*filter, &**rule), ("greylist", "GREYLISTED"));
    let put_off = hit(&first, "GREYLISTED").unwrap();
    assert_eq!(
        put_off.evidence,
        "203.0.113.0/24 for the first time, to pass in 300 s"
    );
    assert_eq!(put_off.retry_after, Some(minutes(5)));
    // It weighs nothing, and the others have spoken all the same.
    assert_eq!(put_off.score, 0.0);
    assert!(hit(&first, "FOUR").is_some());

    assert_eq!(send("word-four").await.action, Action::Tempfail);
    let words = ["203.0.113.0/24", "ann@example.com", TO];
    f.age(Kind::GreylistWaiting, &words, minutes(6));
    let passed = send("word-four").await;
    assert!(passed.action < Action::Tempfail, "{passed:?}");
    let evidence = &hit(&passed, "GREYLIST_PASSED").unwrap().evidence;
    assert!(evidence.starts_with("again after 36"), "{evidence}");
    let known = send("word-four").await;
    assert!(known.action < Action::Tempfail);
    assert!(hit(&known, "GREYLIST_PASSED").is_none());
    for (result, times) in [("deferred", 1), ("early", 1), ("passed", 1), ("known", 1)] {
        assert_eq!(f.greylisted(result), times, "{result}");
    }
}

#[tokio::test]
async fn what_others_decide_is_not_put_off() {
    let f = Fixture::new(
        Zone::default(),
        // Wherever they stand.
        "chain: [greylist, auth, rules]\ngreylist: { band: { from: -9 } }\n",
    )
    .await;
    for (words, action) in [
        ("word-foe", Action::Reject),
        ("word-friend word-four", Action::Deliver),
    ] {
        let envelope = envelope("203.0.113.7", "<ann@example.com>", &[TO]);
        let verdict = f.send(envelope, &message("ann@example.com", words)).await;
        assert_eq!(verdict.action, action, "{words}");
        assert!(hit(&verdict, "GREYLISTED").is_none());
    }
    assert_eq!(f.facts.len(Kind::GreylistWaiting), 0);
}

#[tokio::test]
async fn a_domain_that_spf_proves_may_come_again_from_another_of_its_networks() {
    let f = Fixture::new(proven(), CHAIN).await;
    let send = async |client: &str| {
        let envelope = envelope(client, "<ann@example.org>", &[TO]);
        f.send(envelope, &message("ann@example.org", "word-four"))
            .await
            .action
    };
    assert_eq!(send("192.0.2.1").await, Action::Tempfail);
    let words = ["example.org", "ann@example.org", TO];
    f.age(Kind::GreylistWaiting, &words, minutes(6));
    assert!(send("198.51.100.9").await < Action::Tempfail);
    // A network of somebody else's is another origin.
    assert_eq!(send("203.0.113.7").await, Action::Tempfail);
}

#[tokio::test]
async fn our_own_clients_users_and_large_senders_are_spared() {
    let zone = proven();
    let yaml = format!(
        "{CHAIN}greylist: {{ band: {{ from: -9, to: null }}, exempt: [example.org, partner.example] }}\n"
    );
    let f = Fixture::new(zone, &yaml).await;
    let from = |client: &str, sender: &str| envelope(client, sender, &[TO]);
    let raw = message("ann@example.org", "x");

    let mut user = from("203.0.113.7", "<ann@example.com>");
    user.authenticated = Some("ann".into());
    assert_eq!(why(&f.send(user, &raw).await), "authenticated client");

    let ours = from("192.168.1.1", "<ann@example.com>");
    assert_eq!(why(&f.send(ours, &raw).await), "trusted network");

    for name in ["mail-ed1.google.com", "mx.partner.example"] {
        let mut large = from("203.0.113.7", "<ann@example.com>");
        large.client.name = Some(name.into());
        assert_eq!(why(&f.send(large, &raw).await), "large sender");
    }
    // SPF proves it.
    let exempt = from("192.0.2.1", "<ann@example.org>");
    assert_eq!(why(&f.send(exempt, &raw).await), "large sender");
    // Whoever only says so is not spared.
    let mut claims = from("203.0.113.7", "<ann@example.org>");
    claims.helo = Some("mail-ed1.google.com".into());
    assert_eq!(f.send(claims, &raw).await.action, Action::Tempfail);
}

#[tokio::test]
async fn of_several_recipients_the_one_who_waits_longest_decides() {
    let f = Fixture::new(Zone::default(), CHAIN).await;
    let raw = message("ann@example.com", "word-four");
    let send = async |to: &[&str]| {
        let envelope = envelope("203.0.113.7", "<ann@example.com>", to);
        f.send(envelope, &raw).await
    };
    send(&[TO]).await;
    f.age(
        Kind::GreylistWaiting,
        &["203.0.113.0/24", "ann@example.com", TO],
        minutes(4),
    );
    let both = send(&[TO, "eve@example.net"]).await;
    let put_off = hit(&both, "GREYLISTED").unwrap();
    assert_eq!(put_off.retry_after, Some(minutes(5)));
    for to in [TO, "eve@example.net"] {
        let words = ["203.0.113.0/24", "ann@example.com", to];
        f.age(Kind::GreylistWaiting, &words, minutes(6));
    }
    let both = send(&[TO, "eve@example.net"]).await;
    assert!(both.action < Action::Tempfail);
}

/// More senders than may be remembered: the newest are.
#[tokio::test]
async fn triplets_are_bounded() {
    let yaml = format!("{CHAIN}greylist: {{ entries: 160 }}\n");
    let f = Fixture::new(Zone::default(), &yaml).await;
    for number in 0..400 {
        let sender = format!("<{}@example.com>", letters(number));
        let envelope = envelope("203.0.113.7", &sender, &[TO]);
        f.send(envelope, &message("ann@example.com", "word-four"))
            .await;
    }
    let kept = f.facts.len(Kind::GreylistWaiting);
    assert!((100..=160).contains(&kept), "{kept}");
    let kind = Kind::GreylistWaiting.name();
    let evicted = f.metrics.facts_evicted.with_label_values(&[kind]).get();
    assert_eq!(evicted as usize, 400 - kept);
}

/// A name without digits.
fn letters(mut number: usize) -> String {
    let mut name = String::from("n");
    while number > 0 {
        name.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    name
}

/// Break it by asking for all recipients whatever their policy.
#[tokio::test]
async fn who_does_not_use_it_keeps_nobody_waiting() {
    let yaml = format!(
        "{CHAIN}policies:\n- {{ name: open, for: {{ recipients: [carol@example.net] }}, skip: [greylist] }}\n"
    );
    let f = Fixture::new(Zone::default(), &yaml).await;
    let send = async |recipients: &[&str]| {
        let envelope = envelope("203.0.113.7", "<ann@example.com>", recipients);
        f.send(envelope, &message("ann@example.com", "word-four"))
            .await
    };
    assert_eq!(send(&[TO]).await.action, Action::Tempfail);
    f.age(
        Kind::GreylistWaiting,
        &["203.0.113.0/24", "ann@example.com", TO],
        minutes(6),
    );
    assert!(send(&[TO]).await.action < Action::Tempfail);
    // Carol is new, and her policy does not care.
    for recipients in [[TO, "carol@example.net"], ["carol@example.net", TO]] {
        let both = send(&recipients).await;
        assert!(both.action < Action::Tempfail, "{both:?}");
        assert!(hit(&both, "GREYLISTED").is_none());
    }
    let of_carol = ["203.0.113.0/24", "ann@example.com", "carol@example.net"];
    assert_eq!(f.fact(Kind::GreylistWaiting, &of_carol), None);
    // Who does use it waits, whoever else gets the message.
    let with_new = send(&["dora@example.net", "carol@example.net"]).await;
    assert_eq!(with_new.action, Action::Tempfail);
}
