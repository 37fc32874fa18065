//! What figures mean: of rules, trials, explanations, replays, the charts, the state, the configuration and lessons.

use serde_json::{Value, json};

use super::harness::Api;
use crate::daemon::TAGGED;
use crate::place::wait_for;

/// What each figure of a rule is, and that a trial and a replay say what the message itself was told.
#[test]
fn rules_trials_explanations_and_replays_tell_what_they_know() {
    let api = Api::start();
    let data = api.site.daemon.path().join("data");
    let rule = api.json("rules/TEST_SIX");
    assert_eq!(rule["measured"], Value::Null, "{rule}");
    assert!(
        rule["text"].as_str().unwrap().contains("TEST_SIX"),
        "{rule}"
    );
    let profile = json!({
        "at": 1_795_000_000, "version": "of other rules", "ham": 10, "spam": 20, "left_out": 0,
        "shared_us": 1.0, "rules_us": 2.0, "threshold": 5.0, "overlaps": [], "never_hit": [],
        "rules": [{ "rule": "TEST_SIX", "mode": "scored", "score": 6.0, "spam": 9, "ham": 1, "so": 0.95,
                    "decides_spam": 0, "decides_ham": 0, "us": 0.5, "cost": "gated" }],
    });
    std::fs::write(data.join("rules-profile.json"), profile.to_string()).unwrap();
    let rules = api.json("rules");
    let six = &rules["items"][0];
    assert_eq!(
        six["measured"],
        json!({ "at": "2026-11-18T11:06:40Z", "current": false, "ham": 1, "spam": 9, "so": 0.95, "us": 0.5 })
    );
    assert_eq!(rules["items"][1]["measured"], Value::Null);

    let spam = format!("From: a@b.example\nSubject: x\n\n{TAGGED}\n");
    let post = |path: &str| {
        let answer = api.ask(
            "analyst",
            "POST",
            &format!("/api/v1/{path}"),
            spam.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let tried = post("rules/trial?rule=TEST_SIX&to=c%40example.org");
    assert_eq!(
        (&tried["message"]["verdict"], &tried["message"]["id"]),
        (&json!("tag"), &json!(""))
    );
    assert_eq!(tried["steps"][0]["holds"], true, "{tried}");
    let judged = post("verdict?to=c%40example.org");
    let id = judged["id"].as_str().unwrap();
    let explained = wait_for("the message in the history", || {
        let path = format!("/api/v1/messages/{id}/explanation");
        let answer = api.ask("viewer", "GET", &path, b"");
        (answer.status == 200).then(|| serde_json::from_str::<Value>(&answer.body).unwrap())
    });
    assert_eq!(explained["hits"][0]["rule"], "TEST_SIX", "{explained}");
    assert_eq!(
        explained["hits"][0]["origin"], rule["origin"],
        "{explained}"
    );
    // The trial left nothing behind.
    let all = api.json("messages");
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
    let overview = api.json("overview");
    assert_eq!(overview["verdicts"][0]["messages"], 1, "{overview}");
    let again = post(&format!("messages/{id}/replay"));
    assert_eq!(
        (&again["same"], &again["exact"]),
        (&json!(true), &json!(true)),
        "{again}"
    );
    let other = api.ask(
        "analyst",
        "POST",
        &format!("/api/v1/messages/{id}/replay"),
        b"Subject: y\n\nz\n",
    );
    let other: Value = serde_json::from_str(&other.body).unwrap();
    assert_eq!(
        (&other["same"], &other["exact"]),
        (&json!(false), &json!(false)),
        "{other}"
    );
    assert_eq!(other["hits"][0]["rule"], "TEST_SIX", "{other}");
}

#[test]
fn the_charts_and_the_state_count_what_was_judged() {
    let api = Api::start();
    for subject in ["one", "two"] {
        api.hold(subject);
    }
    for (span, bins, width) in [("hour", 60, 60), ("day", 96, 900)] {
        let course = api.json(&format!("course?span={span}"));
        assert_eq!(course["width"], width);
        let all = course["bins"].as_array().unwrap();
        assert_eq!(all.len(), bins);
        let held = |bin: &Value| bin["verdicts"]["quarantine"].as_u64().unwrap();
        assert_eq!(all.iter().map(held).sum::<u64>(), 2, "{course}");
        let since: Vec<_> = all.iter().map(|b| b["since"].as_str().unwrap()).collect();
        assert!(since.is_sorted(), "{since:?}");
    }
    let state = api.json("state");
    let rules = &state["filters"][0];
    assert_eq!(
        (&rules["name"], &rules["checked"]),
        (&json!("rules"), &json!(2)),
        "{state}"
    );
    let used = &state["in_force"]["quarantine_messages"]["now"];
    assert_eq!(used, &json!(2), "{state}");
    let words = api.json("rules?text=test%20scores&limit=2");
    let next = words["next"].as_str().unwrap();
    let rest = api.json(&format!("rules?text=test%20scores&cursor={next}"));
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(api.json("rules?text=no%20such")["items"], json!([]));
}

#[test]
fn what_holds_is_told_in_short_whether_it_is_written_or_not() {
    let api = Api::start();
    let daemon = &api.site.daemon;
    let told = api.json("configuration");
    let facts = &told["facts"];
    assert_eq!(
        facts,
        &json!({
            "milter": [format!("127.0.0.1:{}", daemon.milter), format!("unix:{}", daemon.socket.display())],
            "http": format!("127.0.0.1:{}", daemon.http),
            "data_dir": daemon.path().join("data"),
            "watch_seconds": null,
            "deadline_seconds": 120.0,
            "thresholds": { "tag": 5.0, "quarantine": 8.0, "reject": 15.0 },
            "message_bytes": 100 << 10,
            "total_bytes": 512 << 20,
            "connections": 512,
            "retention": { "age_seconds": 30 * 86_400, "bytes": 2_u64 << 30, "messages": 100_000 },
        }),
        "{told}"
    );
    // The page says the same in words.
    let page = api.site.get("/configuration");
    let page = page.session(&api.site.session("ann")).send().body;
    for words in ["at SIGHUP only", "from 15", "100.0 KiB", "30 days, 2.0 GiB"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn lessons_are_counted_by_what_they_teach_and_who_taught() {
    let api = Api::start();
    api.train();
    assert_eq!(api.json("models")["lessons"], json!([]));
    for (lesson, subject) in [("ham", "one"), ("ham", "two"), ("spam", "three")] {
        let message = format!("From: a@b.example\nSubject: {subject}\n\n{subject}\n");
        let path = format!("/api/v1/learning/{lesson}");
        let answer = api.ask("analyst", "POST", &path, message.as_bytes());
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let wanted = json!([
        { "lesson": "ham", "origin": "human", "count": 2 },
        { "lesson": "spam", "origin": "human", "count": 1 },
    ]);
    let models = wait_for("the lessons in the model", || {
        // Each message that comes by has the journal looked at.
        api.ask("analyst", "POST", "/api/v1/verdict", b"Subject: x\n\ny\n");
        let models = api.json("models");
        (models["lessons"] == wanted).then_some(models)
    });
    assert!(models["journal_bytes"].as_u64() > Some(0), "{models}");
}
