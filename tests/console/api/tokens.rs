//! Tokens that are made with a token: no mightier, no longer, and gone with it.

use serde_json::{Value, json};

use super::harness::Api;

#[test]
fn a_token_that_was_stolen_leaves_nothing_behind() {
    let api = Api::start();
    let make = |token: &str, role: &str, days: u32| {
        let wanted = json!({ "label": "by a token", "role": role, "days": days });
        let answer = api.with(
            token,
            "POST",
            "account/tokens",
            wanted.to_string().as_bytes(),
        );
        (
            answer.status,
            serde_json::from_str::<Value>(&answer.body).unwrap(),
        )
    };
    let status = |token: &str| api.with(token, "GET", "account", b"").status;
    let secret = |made: &Value| made["secret"].as_str().unwrap().to_owned();
    let [viewer, _, admin] = &api.tokens;
    assert_eq!(make(viewer, "analyst", 1).0, 403);

    // A day, and what is made with it, for as long as is asked for.
    let (status_of_first, first) = make(admin, "analyst", 1);
    assert_eq!(status_of_first, 200, "{first}");
    assert_eq!(make(&secret(&first), "admin", 1).0, 403);
    let (_, second) = make(&secret(&first), "analyst", 3000);
    assert_eq!(
        second["expires"], first["expires"],
        "it would outlive its maker"
    );
    let (_, other) = make(admin, "viewer", 1);
    let who = api.with(&secret(&second), "GET", "account", b"");
    let who: Value = serde_json::from_str(&who.body).unwrap();
    assert_eq!(
        (&who["name"], &who["role"], &who["token"]["id"]),
        (&json!("ann"), &json!("analyst"), &second["id"]),
        "{who}"
    );

    // Secrets are told once.
    let all = api.json("account/tokens");
    assert_eq!(all["items"].as_array().unwrap().len(), 4, "{all}");
    for made in [&first, &second, &other] {
        assert!(!all.to_string().contains(&secret(made)[9..]), "{all}");
    }

    // Another user may not take it away, and with the first its child goes.
    let path = format!("account/tokens/{}", first["id"]);
    assert_eq!(api.with(viewer, "DELETE", &path, b"").status, 409);
    assert_eq!(status(&secret(&second)), 200);
    assert_eq!(api.with(admin, "DELETE", &path, b"").status, 204);
    assert_eq!(status(&secret(&first)), 401);
    assert_eq!(status(&secret(&second)), 401);
    assert_eq!(status(&secret(&other)), 200);
}
