//! All that a search of the quarantine finds: told before, told after, and never other messages than those that were counted.

use serde_json::{Value, json};

use super::harness::Api;

#[test]
fn what_a_search_finds_meanwhile_is_not_touched() {
    let api = Api::start();
    let first = api.hold("bulk one");
    api.hold("bulk two");
    let kept = api.hold("something else");
    let search = "quarantine/chosen?subject=bulk&state=held";
    let delete = |digest: &Value| {
        let body = json!({ "digest": digest }).to_string();
        let path = "/api/v1/quarantine/chosen/delete?subject=bulk&state=held";
        let answer = api.ask("analyst", "POST", path, body.as_bytes());
        (
            answer.status,
            serde_json::from_str::<Value>(&answer.body).unwrap(),
        )
    };
    let held = || api.json("quarantine")["items"].as_array().unwrap().len();

    // One more.
    let two = api.json(search);
    assert_eq!((&two["found"], &two["most"]), (&json!(2), &json!(1000)));
    api.hold("bulk three");
    let (status, why) = delete(&two["digest"]);
    assert_eq!((status, held()), (409, 4), "{why}");
    assert!(
        why["detail"].as_str().unwrap().contains("3 of them"),
        "{why}"
    );

    // As many, and yet others.
    let three = api.json(search);
    let path = format!("/api/v1/quarantine/{first}");
    assert_eq!(api.ask("analyst", "DELETE", &path, b"").status, 204);
    api.hold("bulk four");
    let again = api.json(search);
    assert_eq!(again["found"], three["found"]);
    let (status, why) = delete(&three["digest"]);
    assert_eq!((status, held()), (409, 4), "{why}");

    // The same: each with its line in the audit log.
    let (status, done) = delete(&again["digest"]);
    assert_eq!(status, 200, "{done}");
    let wanted = json!({ "done": 3, "failed": 0, "failures": [], "found": 0 });
    assert_eq!(done, wanted);
    let left = api.json("quarantine");
    assert_eq!((held(), &left["items"][0]["id"]), (1, &json!(kept)));
    let audit = api.json("audit?text=quarantine.delete");
    assert_eq!(audit["items"].as_array().unwrap().len(), 4, "{audit}");

    // What was released already fails, and is named.
    let one = api.json("quarantine/chosen");
    let body = json!({ "digest": one["digest"] }).to_string();
    let release = || {
        let path = "/api/v1/quarantine/chosen/release";
        let answer = api.ask("analyst", "POST", path, body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let once = json!({ "done": 1, "failed": 0, "failures": [], "found": 1 });
    assert_eq!(release(), once);
    let twice = release();
    assert_eq!(
        (&twice["failed"], &twice["failures"][0]["id"]),
        (&json!(1), &json!(kept))
    );
}
