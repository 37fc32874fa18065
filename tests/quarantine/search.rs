//! What is held can be found by everything that is known of it, page by page.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mailweir::filter::{Action, Reason};
use mailweir::quarantine::{Cursor, Entry, Filter, Order, PAGE, QuarantineError, Sort};
use mailweir::verdict::{DecidedBy, Decision};
use ulid::Ulid;

use crate::fixture::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn messages_are_found_by_everything_that_is_known_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let now = Timestamp::now();
    let mut ids = Vec::new();
    for (number, (client, sender, to, subject, decided_by, action, policy)) in [
        (
            "192.0.2.7",
            "<a@Mail.Example.NET>",
            "<x@one.example>",
            "Invoice for ÄPFEL and pears",
            DecidedBy::Score(8.0),
            Action::Quarantine,
            "default",
        ),
        (
            "2001:db8::9",
            "<>",
            "<y@two.example>",
            "pears only",
            DecidedBy::Hit {
                filter: "clamav",
                rule: "VIRUS_FOUND".into(),
            },
            Action::Discard,
            "strict",
        ),
        (
            "192.0.3.7",
            "<b@other.example>",
            "<z@sub.one.example>",
            "Äpfel%_",
            DecidedBy::Failure {
                filter: "clamav",
                reason: Reason::Timeout,
            },
            Action::Reject,
            "strict-er",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut envelope = envelope(sender, &[to]);
        envelope.client.addr = Some(client.parse().unwrap());
        let mut verdict = verdict("RULE_A");
        verdict.decided_by = decided_by;
        verdict.action = action;
        verdict.score = number as f64 * 10.0;
        verdict.policy = Some(Decision {
            policy: policy.into(),
            listed: None,
        });
        let id = Ulid::new().to_string();
        let at = Timestamp::from_millisecond(now.as_millisecond() + number as i64).unwrap();
        let entry = Entry::new(&id, at, &envelope, subject, &verdict, 0);
        let raw = "x".repeat(1_000 * (number + 1));
        quarantine.store(&entry, raw.into()).await.unwrap();
        ids.push(id);
    }
    let all = Filter::default();
    let cases: Vec<(Filter, &[usize])> = vec![
        (
            Filter {
                domain: text("example.net"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                domain: text("MAIL.example.net"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                domain: text("ample.net"),
                ..all.clone()
            },
            &[],
        ),
        (
            Filter {
                domain: text("one.example"),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                subject: text("pears invoice"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                subject: text("  äpfel "),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                subject: text("%"),
                ..all.clone()
            },
            &[2],
        ),
        (
            Filter {
                client: Some("192.0.2.0/23".parse().unwrap()),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                client: Some("192.0.2.7/32".parse().unwrap()),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                client: Some("2001:db8::/32".parse().unwrap()),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                client: Some("0.0.0.0/0".parse().unwrap()),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                reason: text("score"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                reason: text("CLAMAV"),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                reason: text("hit clamav virus_found"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                reason: text("timeout"),
                ..all.clone()
            },
            &[2],
        ),
        (
            Filter {
                verdict: Some(Action::Discard),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                policy: text("strict"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                larger: Some(2_000),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                smaller: Some(2_000),
                ..all.clone()
            },
            &[1, 0],
        ),
        (
            Filter {
                larger: Some(1_500),
                smaller: Some(2_500),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                sender: text("@"),
                recipient: text("z@"),
                ..all.clone()
            },
            &[2],
        ),
    ];
    for (filter, expected) in cases {
        let wanted: Vec<&String> = expected.iter().map(|i| &ids[*i]).collect();
        let page = quarantine
            .search(&filter, Order::default(), None, 10)
            .await
            .unwrap();
        let found: Vec<&String> = page.records.iter().map(|r| &r.entry.id).collect();
        assert_eq!(found, wanted, "{filter:?}");
        assert_eq!(
            quarantine.matching(&filter).await.unwrap(),
            wanted.len() as u64
        );
    }
    for (by, descending, expected) in [
        (Sort::Score, true, [2, 1, 0]),
        (Sort::Size, false, [0, 1, 2]),
        (Sort::Sender, false, [1, 0, 2]),
        (Sort::Subject, true, [2, 1, 0]),
    ] {
        let order = Order { by, descending };
        let page = quarantine.search(&all, order, None, 10).await.unwrap();
        let found: Vec<&String> = page.records.iter().map(|r| &r.entry.id).collect();
        assert_eq!(found, expected.map(|i| &ids[i]), "{by}");
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended_whatever_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let now = Timestamp::now();
    let mut stored = BTreeSet::new();
    for number in 0..23_i64 {
        // Several at one time, with one subject: the id alone tells them apart.
        let at = Timestamp::from_millisecond(now.as_millisecond() + number / 5).unwrap();
        let entry = entry_at(at, &format!("subject {}", number / 7));
        let raw = format!(
            "Subject: {number}\r\n\r\n{}",
            "x".repeat(number as usize / 3)
        );
        quarantine.store(&entry, raw.into()).await.unwrap();
        stored.insert(entry.id);
    }
    let all = Filter::default();
    for by in Sort::ALL {
        for descending in [true, false] {
            let order = Order { by, descending };
            let mut seen = Vec::new();
            let mut after: Option<Cursor> = None;
            loop {
                let page = quarantine
                    .search(&all, order, after.as_ref(), 5)
                    .await
                    .unwrap();
                assert!(page.records.len() <= 5);
                seen.extend(page.records.into_iter().map(|r| r.entry.id));
                // As it goes through the address of a page.
                after = page.next.map(|c| c.to_string().parse().unwrap());
                if after.is_none() {
                    break;
                }
            }
            let each: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!((seen.len(), &each), (23, &stored), "{order:?}");
        }
    }

    // What is removed and stored between two pages moves nothing.
    let first = quarantine
        .search(&all, Order::default(), None, 5)
        .await
        .unwrap();
    let whole = ids(&quarantine, &all).await;
    let last = &first.records[4].entry.id;
    quarantine.delete(last).await.unwrap();
    quarantine
        .store(&entry("new"), message("new"))
        .await
        .unwrap();
    let second = quarantine
        .search(&all, Order::default(), first.next.as_ref(), 5)
        .await
        .unwrap();
    let found: Vec<String> = second.records.into_iter().map(|r| r.entry.id).collect();
    assert_eq!(found, whole[5..10]);

    let other = Order {
        by: Sort::Size,
        descending: true,
    };
    let error = quarantine
        .search(&all, other, first.next.as_ref(), 5)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Cursor), "{error}");
    let most = quarantine
        .search(&all, other, None, u32::MAX)
        .await
        .unwrap();
    assert!(most.records.len() <= PAGE as usize);
}

#[tokio::test]
async fn a_choice_is_bounded_and_says_how_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    for number in 0..4 {
        let name = format!("wanted {number}");
        quarantine
            .store(&entry(&name), message(&name))
            .await
            .unwrap();
    }
    quarantine
        .store(&entry("other"), message("other"))
        .await
        .unwrap();
    let filter = Filter {
        subject: text("wanted"),
        ..Filter::default()
    };
    assert_eq!(quarantine.choose(&filter, 4).await.unwrap().len(), 4);
    let error = quarantine.choose(&filter, 3).await.unwrap_err();
    assert!(
        matches!(error, QuarantineError::TooMany { found: 4, most: 3 }),
        "{error}"
    );
}
