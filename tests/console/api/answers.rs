//! Each operation, asked well and wrongly: the answers are those of the document, and changes stand in the audit log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::Document;
use super::harness::Api;
use crate::daemon::TAGGED;
use crate::place::wait_for;
use crate::site::PASSWORD;

#[test]
fn each_documented_answer_is_as_documented() {
    let api = Api::start();
    let document = Document::of(&api);
    let model = api.train();
    let (freed, gone, taught, kept) = (
        api.hold("to be released"),
        api.hold("to be deleted"),
        api.hold("to be learned as spam"),
        api.hold("a \u{202e}<b>\"subject"),
    );
    for subject in ["first of two", "second of two"] {
        api.hold(subject);
    }
    let of_two = api.json("quarantine/chosen?subject=of%20two");
    assert_eq!(of_two["found"], 2, "{of_two}");
    let of_two = json!({ "digest": of_two["digest"] }).to_string();
    let eve = api.make("users", &json!({ "name": "eve", "role": "viewer" }))["user"].to_string();
    let wanted = json!({ "label": "short", "role": "viewer", "days": 1 }).to_string();
    let own = api.make(
        "account/tokens",
        &json!({ "label": "x", "role": "admin", "days": 1 }),
    );
    let own = own["id"].to_string();
    let other_password = "other words serve as well";
    let password = json!({ "current": PASSWORD, "password": other_password }).to_string();
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
    // A training on few messages is not measured, so it is written what one came to.
    let evaluation = json!({
        "at": 1_795_000_000, "design": { "design": "folds", "folds": 5 }, "ham": 40, "spam": 40, "one_minus_roca": 0.5,
        "ham_lost": 0, "spam_missed": 3,
        "curves": { "title": model, "roc": [[0.0, 7.5]], "calibration": [[0.5, 0.5]], "learning": [] },
    });
    let of_model = std::fs::canonicalize(api.site.daemon.path().join("data/model.mwb")).unwrap();
    let beside = of_model.with_extension("evaluation.json");
    std::fs::write(beside, evaluation.to_string()).unwrap();
    let promote = json!({ "model": model }).to_string();
    let list = api.find("lists", "what", "deny: reject", "key");
    let text = api.json(&format!("lists/{list}"));
    assert_eq!(
        (&text["text"], &text["entries"]),
        (&json!("bad.example\n"), &json!(1))
    );
    let replaced = json!({ "text": "worse.example\n", "digest": text["digest"] }).to_string();
    let cid = api.find("users", "name", "cid", "id");
    let token = api.find("tokens", "user", "bob", "id");
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
        (
            "overview",
            "GET",
            of("overview", "?since=2020-01-01T00:00:00Z"),
            none,
            200,
        ),
        (
            "overview",
            "GET",
            of("overview", "?since=2999-01-01T00:00:00Z"),
            none,
            422,
        ),
        (
            "explanation",
            "GET",
            of("messages/", &format!("{message}/explanation")),
            none,
            200,
        ),
        (
            "replay",
            "POST",
            of("messages/", &format!("{message}/replay")),
            spam.as_bytes(),
            200,
        ),
        (
            "replay",
            "POST",
            of("messages/", &format!("{message}/replay")),
            none,
            409,
        ),
        (
            "preview",
            "GET",
            of("quarantine/", &format!("{kept}/preview")),
            none,
            200,
        ),
        (
            "forward",
            "POST",
            of("quarantine/", &format!("{kept}/forward")),
            br#"{"to":"expert@example.org","note":"what is this?"}"#,
            204,
        ),
        (
            "forward",
            "POST",
            of("quarantine/", &format!("{kept}/forward")),
            none,
            409,
        ),
        (
            "deleteHeld",
            "DELETE",
            of("quarantine/", &format!("{taught}?learn=true")),
            none,
            204,
        ),
        (
            "deleteHeld",
            "DELETE",
            of("quarantine/", &format!("{kept}?learn=perhaps")),
            none,
            422,
        ),
        ("rules", "GET", of("rules", "?limit=2"), none, 200),
        ("rule", "GET", of("rules/", "TEST_SIX"), none, 200),
        ("rule", "GET", of("rules/", "NO_SUCH_RULE"), none, 404),
        (
            "trial",
            "POST",
            of("rules/trial", "?from=a%40b.example&rule=TEST_SIX"),
            spam.as_bytes(),
            200,
        ),
        (
            "trial",
            "POST",
            of("rules/trial", "?rule=NO_SUCH_RULE"),
            spam.as_bytes(),
            422,
        ),
        ("trial", "POST", of("rules/trial", ""), none, 422),
        ("policies", "GET", of("policies", ""), none, 200),
        ("lists", "GET", of("lists", ""), none, 200),
        ("list", "GET", of("lists/", &list), none, 200),
        (
            "replaceList",
            "PUT",
            of("lists/", &list),
            replaced.as_bytes(),
            200,
        ),
        (
            "replaceList",
            "PUT",
            of("lists/", &list),
            replaced.as_bytes(),
            409,
        ),
        ("replaceList", "PUT", of("lists/", &list), none, 422),
        (
            "addEntry",
            "POST",
            of("lists/", &format!("{list}/entries")),
            br#"{"entry":"more.example","remark":"asked for"}"#,
            200,
        ),
        (
            "addEntry",
            "POST",
            of("lists/", &format!("{list}/entries")),
            br#"{"entry":"no address at all"}"#,
            422,
        ),
        (
            "evaluation",
            "GET",
            of("models/", &format!("{model}/evaluation")),
            none,
            200,
        ),
        (
            "evaluation",
            "GET",
            of("models/", "none/evaluation"),
            none,
            404,
        ),
        (
            "countChosen",
            "GET",
            of("quarantine", "/chosen?subject=of%20two"),
            none,
            200,
        ),
        (
            "countChosen",
            "GET",
            of("quarantine", "/chosen?limit=5"),
            none,
            422,
        ),
        (
            "forwardChosen",
            "POST",
            of("quarantine", "/chosen/forward?subject=of%20two"),
            of_two.as_bytes(),
            200,
        ),
        (
            "releaseChosen",
            "POST",
            of("quarantine", "/chosen/release?subject=of%20two"),
            of_two.as_bytes(),
            200,
        ),
        (
            "deleteChosen",
            "POST",
            of("quarantine", "/chosen/delete?subject=of%20two"),
            none,
            422,
        ),
        (
            "deleteChosen",
            "POST",
            of("quarantine", "/chosen/delete?subject=of"),
            of_two.as_bytes(),
            200,
        ),
        (
            "deleteChosen",
            "POST",
            of("quarantine", "/chosen/delete?subject=of%20two"),
            of_two.as_bytes(),
            409,
        ),
        ("course", "GET", of("course", ""), none, 200),
        ("course", "GET", of("course", "?span=day"), none, 200),
        ("course", "GET", of("course", "?span=year"), none, 422),
        ("state", "GET", of("state", ""), none, 200),
        ("account", "GET", of("account", ""), none, 200),
        (
            "changePassword",
            "POST",
            of("account/", "password"),
            none,
            422,
        ),
        (
            "changePassword",
            "POST",
            of("account/", "password"),
            password.as_bytes(),
            204,
        ),
        ("ownTokens", "GET", of("account/", "tokens"), none, 200),
        (
            "makeToken",
            "POST",
            of("account/", "tokens"),
            wanted.as_bytes(),
            200,
        ),
        (
            "makeToken",
            "POST",
            of("account/", "tokens"),
            br#"{"label":"x","role":"viewer","days":4000}"#,
            422,
        ),
        (
            "revokeOwn",
            "DELETE",
            of("account/tokens/", &own),
            none,
            204,
        ),
        (
            "revokeOwn",
            "DELETE",
            of("account/tokens/", &own),
            none,
            409,
        ),
        ("users", "GET", of("users", ""), none, 200),
        (
            "addUser",
            "POST",
            of("users", ""),
            br#"{"name":"fay","role":"analyst"}"#,
            200,
        ),
        (
            "addUser",
            "POST",
            of("users", ""),
            br#"{"name":"fay","role":"analyst"}"#,
            409,
        ),
        (
            "addUser",
            "POST",
            of("users", ""),
            br#"{"name":"fay","role":"king"}"#,
            422,
        ),
        (
            "setRole",
            "PUT",
            of("users/", &format!("{eve}/role")),
            br#"{"role":"analyst"}"#,
            204,
        ),
        (
            "setRole",
            "PUT",
            of("users/", "999/role"),
            br#"{"role":"analyst"}"#,
            409,
        ),
        (
            "link",
            "POST",
            of("users/", &format!("{eve}/link")),
            none,
            200,
        ),
        (
            "link",
            "POST",
            of("users/", &format!("{cid}/link")),
            none,
            409,
        ),
        ("link", "POST", of("users/", "nobody/link"), none, 404),
        ("removeUser", "DELETE", of("users/", &eve), none, 204),
        ("removeUser", "DELETE", of("users/", &eve), none, 409),
        (
            "disable",
            "POST",
            of("users/", &format!("{cid}/disable")),
            none,
            204,
        ),
        (
            "enable",
            "POST",
            of("users/", &format!("{cid}/enable")),
            none,
            204,
        ),
        ("disable", "POST", of("users/", "999/disable"), none, 409),
        ("tokens", "GET", of("tokens", ""), none, 200),
        ("revoke", "DELETE", of("tokens/", &token), none, 204),
        ("revoke", "DELETE", of("tokens/", &token), none, 409),
        (
            "audit",
            "GET",
            of("audit", "?text=list.edit&limit=1"),
            none,
            200,
        ),
        ("audit", "GET", of("audit", "?cursor=x"), none, 422),
        ("log", "GET", of("log", "?errors=true"), none, 200),
        ("log", "GET", of("log", "?cursor=-1"), none, 422),
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
    let audit = api.json("audit?limit=500");
    let lines = audit["items"].as_array().unwrap();
    for (action, subject) in [
        ("quarantine.release", freed.as_str()),
        ("quarantine.delete", &taught),
        ("quarantine.forward", &kept),
        ("list.edit", "denied.txt"),
        ("user.disable", "cid"),
        ("token.remove", "tests"),
        ("token.add", "ann"),
        ("user.add", "fay"),
        ("user.role", "eve"),
        ("user.invite", "eve"),
        ("user.remove", "eve"),
        ("user.password", "ann"),
    ] {
        let is = |line: &&Value| line["action"] == action && line["subject"] == subject;
        let line = lines.iter().find(is);
        let line = line.unwrap_or_else(|| panic!("{action} {subject}: {audit}"));
        assert_eq!(line["user"], "ann (token tests)", "{line}");
    }
    // Whoever had the token that was taken away is out.
    assert_eq!(api.ask("analyst", "GET", "/api/v1/health", b"").status, 401);
    let written = std::fs::read_to_string(api.site.daemon.path().join("denied.txt")).unwrap();
    assert_eq!(written, "worse.example\nmore.example  # asked for\n");
}
