//! A quarantine that an older mailweir has left is taken over as it is.

use std::fs;

use mailweir::filter::Action;
use mailweir::quarantine::{Filter, State};

use crate::fixture::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn a_quarantine_of_version_1_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let entries = stored(&quarantine, ["held", "released", "releasing"]).await;
    quarantine.close().await;
    drop(quarantine);
    // Files and index as they were: the message behind its head, an index without the newer tables.
    for head in files(dir.path()) {
        let eml = head.with_extension("eml");
        let text = fs::read_to_string(&head).unwrap();
        let old = text.replacen("mailweir-quarantine 2 ", "mailweir-quarantine 1 ", 1);
        fs::write(&head, old + &fs::read_to_string(&eml).unwrap()).unwrap();
        fs::remove_file(&eml).unwrap();
    }
    let path = dir.path().join("quarantine/index.sqlite");
    remove_index(dir.path());
    fs::File::create(&path).unwrap();
    let db = database(dir.path()).await;
    let schema = include_str!("../../src/quarantine/schema/1.sql");
    sqlx::raw_sql(schema).execute(&db).await.unwrap();
    sqlx::query("PRAGMA user_version = 1")
        .execute(&db)
        .await
        .unwrap();
    for entry in &entries {
        sqlx::query(
            "INSERT INTO messages VALUES (?1, ?2, ?2, 1, ?3, NULL, ?4, randomblob(32), 'spammer@example.net', ?3, ?5)",
        )
        .bind(&entry.id)
        .bind(entry.received.as_millisecond())
        .bind(&entry.subject)
        .bind(message(&entry.subject).len() as i64)
        .bind(serde_json::to_string(entry).unwrap())
        .execute(&db)
        .await
        .unwrap();
        sqlx::query("INSERT INTO recipients VALUES (?, 'victim@example.org')")
            .bind(&entry.id)
            .execute(&db)
            .await
            .unwrap();
    }
    db.close().await;

    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    for (entry, state) in entries
        .iter()
        .zip([State::Held, State::Released, State::Releasing])
    {
        let record = quarantine.get(&entry.id).await.unwrap();
        assert_eq!(record.state, state);
        assert_eq!(
            quarantine.read(&entry.id).await.unwrap(),
            message(&entry.subject)
        );
        let deliveries = quarantine.deliveries(&entry.id).await.unwrap();
        assert_eq!(deliveries[0].state, state);
    }
    for filter in [
        Filter {
            domain: text("example.net"),
            ..Filter::default()
        },
        Filter {
            domain: text("example.org"),
            ..Filter::default()
        },
        Filter {
            reason: text("score"),
            ..Filter::default()
        },
        Filter {
            verdict: Some(Action::Quarantine),
            ..Filter::default()
        },
    ] {
        assert_eq!(quarantine.matching(&filter).await.unwrap(), 3, "{filter:?}");
    }
    // Nobody is told of what was held before there were digests.
    assert!(quarantine.untold().await.unwrap().is_empty());
    quarantine.delete(&entries[0].id).await.unwrap();
    assert_eq!(files(dir.path()).len(), 2);
}
