//! Release from the quarantine against a mail server made for the purpose: the message arrives untouched,
//! its mark lets it back in, and every way to fail leaves a state from which one can go on.

use mailweir::config::Seconds;
use mailweir::mail::{Address, Limits, Mail, PartKind};
use mailweir::quarantine::{Options, QuarantineError, Redeem, Released, State};
use tokio::net::TcpListener;

use crate::mail_server::*;

#[tokio::test]
async fn a_released_message_arrives_untouched_and_passes_the_filter() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<sender@example.net> BODY=8BITMIME");
    assert_eq!(
        taken.recipients,
        ["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"]
    );
    let data = taken.data.unwrap();
    assert_eq!(split(&data).1, RAW);
    assert_eq!(house.state().await, State::Released);
    assert!(
        house
            .daemon
            .get(&house.id)
            .await
            .unwrap()
            .released
            .is_some()
    );

    let changed = [&data[..], b"more\r\n"].concat();
    assert!(matches!(house.redeem(&changed).await, Redeem::Refused(_)));
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
    assert_eq!(house.redeem(&data).await, Redeem::Pass, "for a lost answer");
    assert!(matches!(house.redeem(&data).await, Redeem::Refused(_)));

    let error = house
        .command
        .release(&house.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Released { .. }), "{error}");
    let (again, taken) = house.release(Server::Good, true).await;
    again.unwrap();
    let again = taken.data.unwrap();
    assert_ne!(split(&again).0, split(&data).0, "a mark of its own");
    assert_eq!(house.redeem(&again).await, Redeem::Pass);
    assert_eq!(house.daemon.read(&house.id).await.unwrap(), house.raw);
}

#[tokio::test]
async fn a_lone_line_end_cannot_end_the_message_early() {
    let smuggled = b"Subject: x\r\n\r\none\n.\r\nMAIL FROM:<evil@example.net>\r\n\r.\rtwo\n.\n";
    let house = House::new(smuggled, &["<a@example.org>"]).await;
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<sender@example.net>");
    let data = taken.data.unwrap();
    assert_eq!(
        split(&data).1,
        b"Subject: x\r\n\r\none\r\n.\r\nMAIL FROM:<evil@example.net>\r\n\r\n.\r\ntwo\r\n.\r\n"
    );
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
}

#[tokio::test]
async fn what_is_refused_is_held_as_before_and_its_mark_is_void() {
    for server in [
        Server::RefusesRecipient,
        Server::RefusesMessage,
        Server::Plain,
    ] {
        let house = House::new(RAW, &["<a@example.org>", "<no@example.org>"]).await;
        let (released, taken) = house.release(server, false).await;
        let error = released.unwrap_err();
        assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");
        assert!(!error.to_string().contains('\x1b'), "{error}");
        assert_eq!(house.state().await, State::Held, "{server:?}");
        match taken.data {
            Some(data) => assert!(matches!(house.redeem(&data).await, Redeem::Refused(_))),
            None => assert_ne!(server, Server::RefusesMessage),
        }
        house.release(Server::Good, false).await.0.unwrap();
        assert_eq!(house.state().await, State::Released);
    }
}

#[tokio::test]
async fn without_an_answer_the_release_can_be_run_again_and_one_copy_passes() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let (released, taken) = house.release(Server::HangsUp, false).await;
    let error = released.unwrap_err();
    assert!(matches!(error, QuarantineError::Unsure(_)), "{error}");
    assert_eq!(house.state().await, State::Releasing);
    let first = taken.data.unwrap();
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(house.redeem(&taken.data.unwrap()).await, Redeem::Pass);
    assert_eq!(house.redeem(&first).await, Redeem::Superseded);
    let changed = [&first[..], b"more\r\n"].concat();
    let late = house.redeem(&changed).await;
    assert!(matches!(late, Redeem::Refused(_)), "{late:?}");
}

#[tokio::test]
async fn a_silent_or_absent_server_costs_a_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::default();
    options.release.smtp.value = listener.local_addr().unwrap().to_string();
    options.release.timeout.value = Seconds::millis(50);
    let house = House::with(RAW, &["<a@example.org>"], options, listener).await;
    let (released, _) = house.release(Server::Silent, false).await;
    let error = released.unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
    assert_eq!(house.state().await, State::Held);

    let House {
        daemon,
        command,
        listener,
        id,
        ..
    } = house;
    drop(listener);
    let error = command.release(&id, &[], false).await.unwrap_err();
    assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");
    assert_eq!(daemon.get(&id).await.unwrap().state, State::Held);
}

#[tokio::test]
async fn addresses_that_are_commands_are_never_sent() {
    let evil = "<a@example.org>\r\nRCPT TO:<b@example.org>";
    let house = House::new(RAW, &[evil]).await;
    // No server is asked: the address is refused before a connection is made.
    let error = house
        .command
        .release(&house.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Address { .. }), "{error}");
    assert!(!error.to_string().contains('\n'));
    assert_eq!(house.state().await, State::Held);
    let none = House::new(RAW, &[]).await;
    let error = none
        .command
        .release(&none.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");

    let to = [Address::new(b"<postmaster@example.org>")];
    let (released, taken) = tokio::join!(
        house.command.release(&house.id, &to, false),
        house.serve(Server::Good)
    );
    released.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<postmaster@example.org>"]);
}

/// Releases to some recipients while the server serves one connection.
async fn release_to(
    house: &House,
    to: &[&str],
    server: Server,
    again: bool,
) -> (Result<Released, QuarantineError>, Taken) {
    let to: Vec<Address> = to.iter().map(|a| Address::new(a.as_bytes())).collect();
    let serve = house.serve(server);
    tokio::join!(house.command.release(&house.id, &to, again), serve)
}

/// Each recipient with what has become of their copy.
async fn states(house: &House) -> Vec<(String, State)> {
    let deliveries = house.daemon.deliveries(&house.id).await.unwrap();
    deliveries
        .into_iter()
        .map(|d| (d.recipient, d.state))
        .collect()
}

#[tokio::test]
async fn each_recipient_gets_it_once_and_others_on_top() {
    let house = House::new(
        RAW,
        &["<A@example.org>", "<b@example.org>", "<c@example.org>"],
    )
    .await;
    let (done, taken) = release_to(&house, &["a@example.org"], Server::Good, false).await;
    assert_eq!((done.unwrap().recipients, taken.recipients.len()), (1, 1));
    assert_eq!(house.state().await, State::Partly);

    // Who has got it is left out, whoever else is asked for.
    let all = &["a@example.org", "<b@example.org>", "x@example.net"];
    let (done, taken) = release_to(&house, all, Server::Good, false).await;
    let done = done.unwrap();
    assert_eq!((done.recipients, done.before), (2, 1));
    assert_eq!(
        taken.recipients,
        ["RCPT TO:<b@example.org>", "RCPT TO:<x@example.net>"]
    );
    let to = [Address::new(b"b@example.org")];
    let error = house
        .command
        .release(&house.id, &to, false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Released { .. }), "{error}");

    let (done, taken) = house.release(Server::Good, false).await;
    done.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<c@example.org>"]);
    assert_eq!(house.state().await, State::Released);
    let released = |r: &str| (r.to_owned(), State::Released);
    let expected = [
        "a@example.org",
        "b@example.org",
        "c@example.org",
        "x@example.net",
    ];
    assert_eq!(states(&house).await, expected.map(released));

    let (done, taken) = house.release(Server::Good, true).await;
    done.unwrap();
    assert_eq!(taken.recipients.len(), 3);
}

#[tokio::test]
async fn a_failure_leaves_each_recipient_as_he_was() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    release_to(&house, &["a@example.org"], Server::Good, false)
        .await
        .0
        .unwrap();
    let before = states(&house).await;
    for (to, again) in [
        (&["b@example.org"][..], false),
        (&["a@example.org", "x@y"], true),
    ] {
        let (done, _) = release_to(&house, to, Server::RefusesMessage, again).await;
        assert!(matches!(done, Err(QuarantineError::NotSent(_))));
        assert_eq!(states(&house).await, before);
        assert_eq!(house.state().await, State::Partly);
    }
}

#[tokio::test]
async fn a_message_that_came_by_is_released_whatever_became_of_the_answer() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    let (done, taken) = release_to(&house, &["a@example.org"], Server::HangsUp, false).await;
    assert!(matches!(done, Err(QuarantineError::Unsure(_))));
    assert_eq!(house.state().await, State::Releasing);
    assert_eq!(house.redeem(&taken.data.unwrap()).await, Redeem::Pass);
    assert_eq!(house.state().await, State::Partly);
    // So it does not go out a second time.
    let (done, taken) = house.release(Server::Good, false).await;
    done.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<b@example.org>"]);
}

#[tokio::test]
async fn two_releases_at_one_time_send_it_once() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let serve = house.serve(Server::Good);
    let (one, two, _) = tokio::join!(
        house.command.release(&house.id, &[], false),
        house.daemon.release(&house.id, &[], false),
        serve
    );
    let done = [one, two];
    assert_eq!(done.iter().filter(|d| d.is_ok()).count(), 1, "{done:?}");
    let released =
        |d: &&Result<_, QuarantineError>| matches!(d, Err(QuarantineError::Released { .. }));
    assert_eq!(done.iter().filter(released).count(), 1, "{done:?}");
}

#[tokio::test]
async fn an_analyst_gets_the_message_attached_and_it_passes() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let error = house
        .command
        .forward(&house.id, None, "")
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Unconfigured(_)), "{error}");
    let to = Address::new(b"analyst@example.com");
    let (done, taken) = tokio::join!(
        house.command.forward(&house.id, Some(&to), "look at this"),
        house.serve(Server::Good)
    );
    done.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<> BODY=8BITMIME");
    assert_eq!(taken.recipients, ["RCPT TO:<analyst@example.com>"]);
    let data = taken.data.unwrap();
    let mail = Mail::parse(split(&data).1.to_vec().into(), &Limits::default());
    assert!(
        mail.text()
            .starts_with("look at this\n\nThe message attached"),
        "{}",
        mail.text()
    );
    let part = mail
        .parts()
        .iter()
        .find(|p| p.kind == PartKind::Message)
        .unwrap();
    let attached = &mail.raw()[part.body.clone().unwrap()];
    assert!(RAW.starts_with(attached.trim_ascii_end()), "{attached:?}");
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
    assert_eq!(
        house.state().await,
        State::Held,
        "its recipient has not got it"
    );
}
