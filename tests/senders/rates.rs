//! Limits on rates at the end of the message.

use std::time::Duration;

use mailweir::filter::Action;
use mailweir::store::Kind;

use crate::zone::Zone;
use crate::{Fixture, by_user, envelope, hit, message, minutes, proven};

const TO: &str = "bob@example.net";

fn plain() -> String {
    message("ann@example.com", "x")
}

#[tokio::test]
async fn a_network_that_sends_too_much_waits_until_there_is_room() {
    let f = Fixture::new(
        Zone::default(),
        "chain: [rates]\nrates: { limits: [{ by: client_network, burst: 3, per: 1h }] }\n",
    )
    .await;
    let send = async |client: &str| {
        f.send(envelope(client, "<ann@example.com>", &[TO]), &plain())
            .await
    };
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        assert_eq!(send(client).await.action, Action::Deliver);
    }
    for _ in 0..5 {
        let over = send("203.0.113.9").await;
        assert_eq!(over.action, Action::Tempfail);
        let hit = hit(&over, "RATE_CLIENT_NETWORK").unwrap();
        let wait = hit.retry_after.unwrap();
        assert!(wait <= minutes(20) && wait > minutes(19), "{wait:?}");
        assert!(
            hit.evidence
                .starts_with("203.0.113.0/24: 4.0 messages, 3 in 3600 s allowed")
        );
    }
    // What was refused does not count, nor what others send.
    assert_eq!(send("198.51.100.1").await.action, Action::Deliver);
    f.age(
        Kind::Rate,
        &["client_network", "203.0.113.0/24"],
        minutes(20),
    );
    assert_eq!(send("203.0.113.9").await.action, Action::Deliver);
    assert_eq!(send("203.0.113.9").await.action, Action::Tempfail);
    let counted = f
        .metrics
        .rates_exceeded
        .with_label_values(&["client_network"]);
    assert_eq!(counted.get(), 6);
    // Ours may send what they like.
    for _ in 0..5 {
        assert_eq!(send("192.168.1.1").await.action, Action::Deliver);
    }
}

#[tokio::test]
async fn a_user_is_held_to_recipients_and_points_are_given_where_that_is_wanted() {
    let f = Fixture::new(
        Zone::default(),
        "chain: [rates]
rates:
  limits:
    - { by: authenticated_user, name: user_hour, count: recipients, burst: 4, per: 1h, action: { score: 6 } }
    - { by: authenticated_user, name: user_day, burst: 3, per: 1d }
    - { by: client_network, burst: 1, per: 1d }
",
    )
    .await;
    let send = async |to: &[&str]| {
        f.send(by_user("Ann", "<ann@example.net>", to), &plain())
            .await
    };
    let three = ["a@example.com", "b@example.com", "c@example.com"];
    assert_eq!(send(&three).await.action, Action::Deliver);
    let over = send(&three).await;
    assert_eq!(over.action, Action::Tag);
    assert_eq!(hit(&over, "RATE_USER_HOUR").unwrap().score, 6.0);
    // It counts all the same, up to twice the burst.
    let level = f.fact(Kind::Rate, &["user_hour", "ann"]).unwrap().total;
    assert!((5.9..=6.0).contains(&level), "{level}");
    assert_eq!(send(&three).await.action, Action::Tag);
    let late = send(&three).await;
    assert_eq!(late.action, Action::Tempfail);
    let longest = hit(&late, "RATE_USER_DAY").unwrap().retry_after.unwrap();
    assert!(longest > Duration::from_secs(7 * 3600), "{longest:?}");
}

#[tokio::test]
async fn nobody_fills_the_bucket_of_a_domain_that_is_not_theirs() {
    let f = Fixture::new(
        proven(),
        "chain: [auth, rates]\nrates: { limits: [{ by: sender_domain, burst: 2, per: 1h }] }\n",
    )
    .await;
    let send = async |client: &str| {
        let raw = message("ann@example.org", "x");
        f.send(envelope(client, "<ann@example.org>", &[TO]), &raw)
            .await
            .action
    };
    for _ in 0..4 {
        send("203.0.113.1").await;
    }
    assert_eq!(send("203.0.113.1").await, Action::Tempfail);
    assert!(send("233.252.0.1").await < Action::Tempfail);
    // Both networks of the domain together.
    assert!(send("192.0.2.1").await < Action::Tempfail);
    assert!(send("198.51.100.1").await < Action::Tempfail);
    assert_eq!(send("192.0.2.1").await, Action::Tempfail);
}

#[tokio::test]
async fn a_recipient_gets_so_much_and_a_message_that_never_fits_goes_into_an_empty_bucket() {
    let f = Fixture::new(
        Zone::default(),
        "chain: [rates]
rates:
  limits:
    - { by: recipient, burst: 2, per: 1h }
    - { by: client_network, count: recipients, burst: 2, per: 1h }
",
    )
    .await;
    let send = async |client: &str, to: &[&str]| {
        f.send(envelope(client, "<ann@example.com>", to), &plain())
            .await
            .action
    };
    assert_eq!(send("203.0.113.1", &[TO]).await, Action::Deliver);
    assert_eq!(
        send("198.51.100.1", &["BOB@example.net"]).await,
        Action::Deliver
    );
    assert_eq!(send("192.0.2.1", &[TO]).await, Action::Tempfail);
    let many = ["c@example.net", "d@example.net", "e@example.net"];
    assert_eq!(send("233.252.0.1", &many).await, Action::Deliver);
    assert_eq!(
        send("233.252.0.1", &["f@example.net"]).await,
        Action::Tempfail
    );
}
