//! The HTTP API, held against its own document: each path, each role, each documented answer.

mod document;
mod harness;
mod schemathesis;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::Request;
use super::daemon::TAGGED;
use super::place::wait_for;
use document::Document;
use harness::{Api, ROLES};

/// A path with ids that lead nowhere.
fn filled(path: &str) -> String {
    path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{lesson}", "ham")
}

#[test]
fn each_path_lets_in_who_may_and_nobody_else() {
    let api = Api::start();
    let document = Document::of(&api);
    for (path, method, operation) in document.operations() {
        let path = filled(&path);
        let least = ROLES
            .iter()
            .position(|r| *r == operation["x-role"])
            .unwrap();
        let nobody = api.ask("nobody", method, &path, b"");
        assert_eq!(nobody.status, 401, "{method} {path}");
        document.hold(operation, &nobody);
        let wrong =
            Request::new(api.site.port, method, &path).field("Authorization", "Bearer nonsense");
        assert_eq!(wrong.send().status, 401, "{method} {path}");
        for (place, role) in ROLES.iter().enumerate() {
            let answer = api.ask(role, method, &path, b"");
            assert_eq!(
                answer.status == 403,
                place < least,
                "{method} {path} {role} {answer:?}"
            );
            assert_ne!(answer.status, 401, "{method} {path} {role}");
            document.hold(operation, &answer);
        }
        // A session of the console reads; what changes something takes the word of its forms too.
        let cookie = api.site.session("ann");
        let answer = Request::new(api.site.port, method, &path)
            .session(&cookie)
            .send();
        assert_eq!(
            answer.status == 403,
            method != "GET",
            "{method} {path} {answer:?}"
        );
    }
    let nowhere = api.ask("admin", "GET", "/api/v2/health", b"");
    assert_eq!(
        (nowhere.status, nowhere.field("content-type")),
        (404, Some("application/problem+json"))
    );
}

#[test]
fn each_documented_answer_is_as_documented() {
    let api = Api::start();
    let document = Document::of(&api);
    let model = api.train();
    let (freed, gone, kept) = (
        api.hold("to be released"),
        api.hold("to be deleted"),
        api.hold("a \u{202e}<b>\"subject"),
    );
    let spam = format!("From: a@b.example\nSubject: x\n\n{TAGGED}\n");
    let long = vec![b'x'; 200 << 10];
    let verdict = api.ask(
        "analyst",
        "POST",
        "/api/v1/verdict?client=192.0.2.7&to=c%40example.org,d%40example.org",
        spam.as_bytes(),
    );
    let judged: Value = serde_json::from_str(&verdict.body).unwrap();
    assert_eq!(
        (&judged["verdict"], &judged["hits"][0]["rule"]),
        (&json!("tag"), &json!("TEST_SIX")),
        "{judged}"
    );
    let message = wait_for("the message in the history", || {
        let found = api.ask(
            "viewer",
            "GET",
            "/api/v1/messages?rule=TEST_SIX&recipient=d%40example.org",
            b"",
        );
        let found: Value = serde_json::from_str(&found.body).unwrap();
        Some(found["items"][0]["id"].as_str()?.to_owned())
    });
    assert_eq!(judged["id"], message);
    let promote = json!({ "model": model }).to_string();
    let of = |path: &str, rest: &str| format!("/api/v1/{path}{rest}");
    let none = b"".as_slice();
    let requests: Vec<(&str, &'static str, String, &[u8], u16)> = vec![
        ("document", "GET", of("openapi.json", ""), none, 200),
        ("health", "GET", of("health", ""), none, 200),
        ("configuration", "GET", of("configuration", ""), none, 200),
        (
            "judge",
            "POST",
            of("verdict", "?from=a%40b.example"),
            spam.as_bytes(),
            200,
        ),
        (
            "judge",
            "POST",
            of("verdict", "?client=here"),
            spam.as_bytes(),
            422,
        ),
        (
            "judge",
            "POST",
            of("verdict", "?clint=1"),
            spam.as_bytes(),
            422,
        ),
        ("judge", "POST", of("verdict", ""), &long, 413),
        (
            "searchMessages",
            "GET",
            of(
                "messages",
                "?limit=1&verdict=tag&since=2020-01-01T00:00:00Z",
            ),
            none,
            200,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?limit=0"),
            none,
            422,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?cursor=x"),
            none,
            422,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?since=yesterday"),
            none,
            422,
        ),
        ("message", "GET", of("messages/", &message), none, 200),
        ("message", "GET", of("messages/", "nothing"), none, 404),
        (
            "searchQuarantine",
            "GET",
            of("quarantine", "?limit=1&sort=score&state=held"),
            none,
            200,
        ),
        (
            "searchQuarantine",
            "GET",
            of("quarantine", "?state=eaten"),
            none,
            422,
        ),
        ("held", "GET", of("quarantine/", &kept), none, 200),
        (
            "held",
            "GET",
            of("quarantine/", "..%2f..%2fetc%2fpasswd"),
            none,
            404,
        ),
        (
            "download",
            "GET",
            of("quarantine/", &format!("{kept}/message")),
            none,
            200,
        ),
        (
            "download",
            "GET",
            of("quarantine/", "01ARZ3NDEKTSV4RRFFQ69G5FAV/message"),
            none,
            404,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            br#"{"learn":true}"#,
            200,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            none,
            409,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            br#"{"recipients":["c@example.org"],"again":true}"#,
            200,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            b"no json",
            422,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            br#"{"recipient":[]}"#,
            422,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            &long,
            413,
        ),
        ("release", "POST", of("quarantine/", "x/release"), none, 404),
        ("deleteHeld", "DELETE", of("quarantine/", &gone), none, 204),
        ("deleteHeld", "DELETE", of("quarantine/", &gone), none, 404),
        ("rules", "GET", of("rules", "?limit=2"), none, 200),
        (
            "rules",
            "GET",
            of("rules", "?cursor=NO_SUCH_RULE"),
            none,
            422,
        ),
        ("models", "GET", of("models", ""), none, 200),
        (
            "promote",
            "POST",
            of("models/promote", ""),
            promote.as_bytes(),
            200,
        ),
        (
            "promote",
            "POST",
            of("models/promote", ""),
            br#"{"model":"nothing"}"#,
            409,
        ),
        ("promote", "POST", of("models/promote", ""), b"{}", 422),
        ("promote", "POST", of("models/promote", ""), &long, 413),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            promote.as_bytes(),
            200,
        ),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            br#"{"model":"nothing"}"#,
            409,
        ),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            br#"{"force":true}"#,
            422,
        ),
        ("rollback", "POST", of("models/rollback", ""), &long, 413),
        (
            "learn",
            "POST",
            of("learning/", "spam"),
            spam.as_bytes(),
            204,
        ),
        (
            "learn",
            "POST",
            of("learning/", "forget"),
            spam.as_bytes(),
            204,
        ),
        (
            "learn",
            "POST",
            of("learning/", "mail"),
            spam.as_bytes(),
            404,
        ),
        ("learn", "POST", of("learning/", "ham"), none, 409),
        ("learn", "POST", of("learning/", "ham"), &long, 413),
    ];
    let operations = document.operations();
    let mut seen = BTreeSet::new();
    for (name, method, path, body, status) in &requests {
        let found = operations
            .iter()
            .find(|(_, m, o)| o["operationId"] == *name && m == method);
        let (_, _, operation) = found.unwrap_or_else(|| panic!("{name}"));
        let answer = api.ask("admin", method, path, body);
        assert_eq!(answer.status, *status, "{method} {path} {answer:?}");
        document.hold(operation, &answer);
        seen.insert((*name, *status));
    }
    for (_, _, operation) in &operations {
        let name = operation["operationId"].as_str().unwrap();
        let done = seen.iter().any(|(n, status)| *n == name && *status < 300);
        assert!(done, "{name} was not tried");
    }
    // What was changed stands in the audit log, with the token that did it.
    let audit =
        std::fs::read(api.site.daemon.path().join("data/console.sqlite-wal")).unwrap_or_default();
    let audit = [
        audit,
        std::fs::read(api.site.daemon.path().join("data/console.sqlite")).unwrap(),
    ]
    .concat();
    assert!(memchr::memmem::find(&audit, b"ann (token tests)").is_some());
}

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
