//! Users, managed by programs.

use serde_json::json;

use super::harness::Api;
use crate::client::Request;
use crate::place::wait_for;
use crate::site::PASSWORD;

#[test]
fn whom_a_program_adds_comes_in_by_the_link_and_stays_out_when_removed() {
    let api = Api::start();
    let added = api.make("users", &json!({ "name": "eve", "role": "viewer" }));
    let (id, link) = (added["user"].to_string(), added["link"].as_str().unwrap());
    let path = link.strip_prefix(&api.site.url()).unwrap();
    let page = api.site.get(path).send();
    assert_eq!(page.status, 200, "{page:?}");
    let asked = |method, path: &str, body: &str| {
        let path = format!("/api/v1/users/{id}{path}");
        api.ask("admin", method, &path, body.as_bytes()).status
    };
    // A second link takes the place of the first.
    assert_eq!(asked("POST", "/link", ""), 200);
    assert_ne!(api.site.get(path).send().status, 200);
    let out = api.site.command(
        &["password", "eve", "--password-stdin"],
        &format!("{PASSWORD}\n"),
    );
    assert!(out.status.success(), "{out:?}");
    let eve = api.site.session("eve");
    let role = || {
        let who = Request::new(api.site.port, "GET", "/api/v1/account").session(&eve);
        let who = who.send();
        (who.status, who.body.contains(r#""role":"analyst""#))
    };
    assert_eq!(role(), (200, false));
    assert_eq!(asked("PUT", "/role", r#"{"role":"analyst"}"#), 204);
    assert_eq!(role(), (200, true));

    // A link now would let whoever has the token in as eve; people may still make one.
    assert_eq!(asked("POST", "/link", ""), 409);
    let ann = api.site.signed_in("ann");
    let by_hand = Request::new(api.site.port, "POST", &format!("/api/v1/users/{id}/link"))
        .session(&ann.cookie)
        .field("Origin", &api.site.url())
        .field("X-Form-Token", &ann.form_token);
    assert_eq!(by_hand.send().status, 200);

    assert_eq!(asked("DELETE", "", ""), 204);
    assert_eq!(role().0, 401);
    // Somebody must be left who can administer.
    let last = api.find("users", "name", "ann", "id");
    let last = |method, rest: &str, body: &[u8]| {
        let path = format!("/api/v1/users/{last}{rest}");
        api.ask("admin", method, &path, body).status
    };
    assert_eq!(last("DELETE", "", b""), 409);
    assert_eq!(last("PUT", "/role", br#"{"role":"viewer"}"#), 409);
    assert_eq!(last("POST", "/disable", b""), 409);
}

#[test]
fn a_password_is_changed_by_who_knows_it_and_cannot_be_tried_fast() {
    let api = Api::start();
    let bob = api.site.session("bob");
    let change = |current: &str| {
        let body = json!({ "current": current, "password": "quite other words now" });
        let body = body.to_string();
        api.ask(
            "analyst",
            "POST",
            "/api/v1/account/password",
            body.as_bytes(),
        )
    };
    let refused = (0..40).map(|n| change(&format!("wrong {n}")));
    let refused = refused
        .map(|answer| answer.status)
        .find(|status| *status != 422);
    assert_eq!(refused, Some(429));
    wait_for("the wait to be over", || {
        (change(PASSWORD).status == 204).then_some(())
    });
    assert_eq!(api.site.get("/").session(&bob).send().status, 303);
    // What was tried from this address holds up its sign-ins too.
    wait_for("the sign-in", || {
        let answer = api.site.sign_in("bob", "quite other words now");
        (answer.status == 303).then_some(())
    });
}
