//! The links of digests: each releases one message to one recipient, once.

use mailweir::mail::Address;
use mailweir::quarantine::{LinkError, State};
use tokio::net::TcpListener;

use crate::digest::{digest, tell, telling};
use crate::fixture::options;
use crate::mail_server::*;

/// The token of the link with which a recipient releases a message.
async fn token_for(house: &House, id: &str, recipient: &str) -> String {
    let recipient = Address::new(recipient.as_bytes());
    let link = house.daemon.link(id, &recipient).await.unwrap().unwrap();
    link.rsplit_once('/').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_link_releases_one_message_to_one_recipient_once() {
    let (house, ids) = telling().await;
    let (_, taken) = tell(&house, 2, Server::Good).await;
    let ann = taken
        .iter()
        .find(|t| t.recipients[0].contains("ann@"))
        .unwrap();
    let tokens = digest(ann).0;
    // The newest first.
    let token = &tokens[1];
    let offer = house.daemon.follow_link(token).await.unwrap();
    assert_eq!(
        (offer.record.entry.id.as_str(), offer.recipient.text()),
        (ids[0].as_str(), "Ann@example.org")
    );
    assert_eq!(offer.state, State::Held, "looking releases nothing");

    let (done, taken) = tokio::join!(
        house.daemon.release_by_link(token),
        house.serve(Server::Good)
    );
    assert_eq!(done.unwrap().recipients, 1);
    assert_eq!(taken.recipients, ["RCPT TO:<Ann@example.org>"]);
    assert_eq!(house.state().await, State::Partly);
    let twice = house.daemon.release_by_link(token).await;
    assert!(matches!(twice, Err(LinkError::Before)), "{twice:?}");

    // One for another recipient, for another message, altered, made up: none is good.
    let ben = token_for(&house, &ids[0], "ben@example.org").await;
    assert!(house.daemon.follow_link(&ben).await.is_ok());
    let stranger = token_for(&house, &ids[0], "eve@example.org").await;
    let swap = |at: usize| {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let (before, after) = token.split_at(at);
        format!("{before}{other}{}", after.get(1..).unwrap())
    };
    let virus = token_for(&house, &ids[2], "ann@example.org").await;
    // The id's first bytes lead to another message, which is not there.
    for (bad, gone) in [
        (stranger, false),
        (swap(40), false),
        (swap(75), false),
        (swap(5), true),
        (virus, false),
        ("x".into(), false),
        (String::new(), false),
    ] {
        let refused = house.daemon.release_by_link(&bad).await;
        let expected = match gone {
            true => matches!(refused, Err(LinkError::Gone)),
            false => matches!(refused, Err(LinkError::Invalid)),
        };
        assert!(expected, "{bad}: {refused:?}");
    }
    house.daemon.delete(&ids[0]).await.unwrap();
    let gone = house.daemon.follow_link(&ben).await;
    assert!(matches!(gone, Err(LinkError::Gone)), "{gone:?}");
}

#[tokio::test]
async fn a_link_expires() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options("digest: { base_url: 'https://mail.example.org', link_valid: 300ms }");
    let house = House::with(RAW, &["<ann@example.org>"], options, listener).await;
    let token = &token_for(&house, &house.id, "ann@example.org").await;
    // Valid to the end of its second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match house.daemon.follow_link(token).await {
            Err(LinkError::Expired) => break,
            Ok(_) if std::time::Instant::now() < until => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    let refused = house.daemon.release_by_link(token).await;
    assert!(matches!(refused, Err(LinkError::Expired)), "{refused:?}");
}
