//! Digests tell each recipient once what is held for them.

use jiff::Timestamp;
use mailweir::config::Seconds;
use mailweir::filter::{Hit, Outcome, Report};
use mailweir::mail::{Address, Envelope, Limits, Mail, PartKind};
use mailweir::quarantine::{Digested, Entry, Redeem};
use mailweir::verdict::Verdict;
use tokio::net::TcpListener;
use ulid::Ulid;

use crate::fixture::options;
use crate::mail_server::*;

/// A house whose recipients are told, with three messages for two of them.
pub(crate) async fn telling() -> (House, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options =
        options("digest: { base_url: 'https://mail.example.org/mw', except: [never.example] }");
    options.release.smtp.value = listener.local_addr().unwrap().to_string();
    options.release.timeout.value = Seconds::new(20);
    let to = [
        "<Ann@example.org>",
        "<ben@example.org>",
        "<x@never.example>",
    ];
    let house = House::with(RAW, &to, options, listener).await;
    let mut ids = vec![house.id.clone()];
    for (to, virus) in [("<ann@example.org>", false), ("<ann@example.org>", true)] {
        let envelope = Envelope {
            sender: Some(Address::new(b"<\"<b>\"@example.net>")),
            recipients: vec![Address::new(to.as_bytes())],
            ..Envelope::default()
        };
        let mut verdict = Verdict::released();
        if virus {
            verdict.reports.push(Report {
                filter: "clamav",
                outcome: Outcome::Checked(vec![Hit::new("VIRUS_FOUND", 100.0, "Eicar")]),
                elapsed: std::time::Duration::ZERO,
            });
        }
        let id = Ulid::new().to_string();
        let subject = "<script>alert(1)</script>\u{202e}\r\nBcc: x@y";
        let entry = Entry::new(&id, Timestamp::now(), &envelope, subject, &verdict, 0);
        house
            .daemon
            .store(&entry, format!("{id}\r\n").into())
            .await
            .unwrap();
        ids.push(id);
    }
    (house, ids)
}

/// Sends all digests while the server serves so many connections.
pub(crate) async fn tell(
    house: &House,
    connections: usize,
    server: Server,
) -> (Digested, Vec<Taken>) {
    let serving = async {
        let mut taken = Vec::new();
        for _ in 0..connections {
            taken.push(house.serve(server).await);
        }
        taken
    };
    let (done, taken) = tokio::join!(house.command.send_digests(), serving);
    (done.unwrap(), taken)
}

/// The tokens of the links of a digest, and its text.
pub(crate) fn digest(taken: &Taken) -> (Vec<String>, String) {
    let data = taken.data.as_ref().unwrap();
    let mail = Mail::parse(split(data).1.to_vec().into(), &Limits::default());
    let text = mail.texts().next().unwrap().1.to_owned();
    let links = text
        .split_whitespace()
        .filter_map(|w| w.split_once("/mw/quarantine/link/"));
    (links.map(|(_, token)| token.to_owned()).collect(), text)
}

#[tokio::test]
async fn a_digest_tells_each_recipient_once_what_is_held_for_them() {
    let (house, ids) = telling().await;
    let untold = house.command.untold().await.unwrap();
    let untold: Vec<_> = untold
        .iter()
        .map(|u| (u.recipient.as_str(), u.messages))
        .collect();
    assert_eq!(untold, [("ann@example.org", 2), ("ben@example.org", 1)]);
    let (done, taken) = tell(&house, 2, Server::Good).await;
    assert_eq!((done.sent, done.waiting), (2, 0));
    assert_eq!(taken[0].mail, "MAIL FROM:<>");
    assert_eq!(taken[0].recipients, ["RCPT TO:<ann@example.org>"]);
    let (links, text) = digest(&taken[0]);
    assert_eq!(links.len(), 2, "{text}");
    assert!(
        text.contains("<script>alert(1)</script>\u{fffd}\u{fffd}\u{fffd}Bcc: x@y"),
        "{text}"
    );
    let whole = String::from_utf8_lossy(taken[0].data.as_ref().unwrap()).into_owned();
    let mail = Mail::parse(
        split(taken[0].data.as_ref().unwrap()).1.to_vec().into(),
        &Limits::default(),
    );
    let html = mail.parts().iter().find_map(|p| match &p.kind {
        PartKind::Html(html) => Some(html.clone()),
        _ => None,
    });
    let html = html.unwrap();
    assert!(
        html.contains("&lt;script&gt;alert(1)") && !html.contains("<script"),
        "{html}"
    );
    assert!(!whole.contains("\nBcc"), "{whole}");
    assert!(house.redeem(taken[0].data.as_ref().unwrap()).await == Redeem::Pass);

    // Told once; what comes later is told of alone.
    assert_eq!(tell(&house, 0, Server::Good).await.0, Digested::default());
    assert!(
        !house
            .daemon
            .untold()
            .await
            .unwrap()
            .iter()
            .any(|u| u.messages > 0)
    );
    let _ = ids;
}

#[tokio::test]
async fn a_digest_that_is_not_taken_waits_and_one_that_came_by_is_sent() {
    let (house, _) = telling().await;
    let (done, _) = tell(&house, 2, Server::RefusesMessage).await;
    assert_eq!((done.sent, done.waiting), (0, 2));
    // The answer to the first is lost, but it came by.
    let (done, taken) = tell(&house, 2, Server::HangsUp).await;
    assert_eq!((done.sent, done.waiting), (0, 2));
    let ann = taken
        .iter()
        .find(|t| t.recipients[0].contains("ann@"))
        .unwrap();
    assert_eq!(house.redeem(ann.data.as_ref().unwrap()).await, Redeem::Pass);
    let (done, taken) = tell(&house, 1, Server::Good).await;
    assert_eq!((done.sent, done.waiting), (1, 0));
    assert_eq!(taken[0].recipients, ["RCPT TO:<ben@example.org>"]);
}
