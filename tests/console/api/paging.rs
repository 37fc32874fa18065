//! Lists, page by page.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::Api;
use crate::place::wait_for;

#[test]
fn pages_lead_to_each_item_once() {
    let api = Api::start();
    let held: BTreeSet<String> = (0..5).map(|n| api.hold(&format!("number {n}"))).collect();
    wait_for("five messages in the history", || {
        let all = api.ask("viewer", "GET", "/api/v1/messages?quarantined=true", b"");
        let all: Value = serde_json::from_str(&all.body).unwrap();
        (all["items"].as_array()?.len() == 5).then_some(())
    });
    for path in ["/api/v1/quarantine?", "/api/v1/messages?quarantined=true&"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = api.ask("viewer", "GET", &format!("{path}limit=2{cursor}"), b"");
            let page: Value = serde_json::from_str(&answer.body).unwrap();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{page}");
            found.extend(items.iter().map(|i| i["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found.len(), 5, "{path}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), held, "{path}");
    }
    let mut rules = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = api.ask(
            "viewer",
            "GET",
            &format!("/api/v1/rules?limit=2{cursor}"),
            b"",
        );
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        rules.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let hits: Vec<_> = rules
        .iter()
        .map(|r| (r["id"].as_str().unwrap(), r["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        hits,
        [("TEST_SIX", 0), ("TEST_NINE", 5), ("TEST_SIXTEEN", 0)]
    );
}
