//! Sign-in by a provider: the way there and back, as a browser and as a stranger take it.

mod hostile;
mod joint;
mod leaving;
mod userinfo;

use serde_json::json;

use crate::access::{USERS, changes_take_all, pages_open};
use crate::place::wait_for;
use crate::provider::{Provider, SECRET, fields};
use crate::site::PASSWORD;
use joint::{BY_GROUPS, Joint, person};

#[test]
fn who_signs_in_at_the_provider_comes_in_as_what_it_says() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let page = joint.site.get("/login").send();
    assert!(
        page.body.contains("Sign in with Example ID"),
        "{}",
        page.body
    );
    let (cookie, place) = joint.leave();
    let asked = fields(place.split_once('?').unwrap().1);
    assert_eq!(asked["scope"], "openid profile email");
    assert_eq!(
        asked["redirect_uri"],
        format!("{}/login/oidc/callback", joint.site.url())
    );
    // Nothing that the browser shows there tells what it has kept.
    let secret = cookie.split(['=', '.']).nth(1).unwrap();
    assert!(!place.contains(secret), "{place}");

    let ann = joint.session("1", "ann", json!(["staff", "mail-admins"]));
    assert_eq!(
        joint.whoami(&ann),
        json!({ "name": "ann", "role": "admin", "token": null })
    );
    let account = joint.site.get("/account").session(&ann).send();
    assert!(
        !account.body.contains("Current password"),
        "{}",
        account.body
    );
    let users = joint.site.get("/users").session(&ann).send();
    assert!(users.body.contains("by Example ID"), "{}", users.body);
    // The next time it is another role, and the session of before has it too.
    let again = joint.session("1", "ann", json!(["staff"]));
    assert_eq!(joint.whoami(&again)["role"], "viewer");
    assert_eq!(joint.whoami(&ann)["role"], "viewer");
    let audit = joint.audit("ann");
    for word in [
        "user.add",
        "user.bind",
        "session.begin",
        "by Example ID",
        "viewer, by the provider",
    ] {
        assert!(audit.contains(word), "{word} in {audit}");
    }
    let log = joint.site.daemon.log();
    for secret in [SECRET, "code-1", secret] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
    assert!(
        joint
            .site
            .daemon
            .metric("mailweir_console_oidc_requests_total{result=\"ok\"}")
            >= 4.0
    );
}

#[test]
fn who_may_not_come_in_is_told_why_and_it_is_noted() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    joint.site.user("eve", "viewer");
    for (subject, name, groups, part) in [
        ("1", "bob", json!(["nobody"]), "None of your roles"),
        ("1", "bob", json!([]), "None of your roles"),
        (
            "1",
            "bob",
            json!(["mail-admins", "leavers"]),
            "do not come in here",
        ),
        (
            "1",
            "root",
            json!(["mail-admins"]),
            "Another user has your name",
        ),
        (
            "1",
            "Root",
            json!(["mail-admins"]),
            "Another user has your name",
        ),
        ("1", "eve", json!(["staff"]), "Another user has your name"),
        (
            "1",
            "<script>alert(1)</script>",
            json!(["staff"]),
            "does not serve here",
        ),
    ] {
        joint.provider.person(person(subject, name, groups.clone()));
        // Strangers are slowed down, and these are.
        let answer = wait_for("the turn of the next", || {
            Some(joint.sign_in()).filter(|answer| answer.status != 429)
        });
        assert_eq!(answer.status, 403, "{name} {groups}: {answer:?}");
        assert!(answer.body.contains(part), "{name}: {}", answer.body);
        assert!(!answer.body.contains("<script>"), "{}", answer.body);
        assert_eq!(answer.cookie(), None);
    }
    let audit = joint.audit("session.refuse");
    assert!(audit.contains("another user has your name"), "{audit}");
    let refused = "mailweir_console_logins_total{result=\"refused\"}";
    assert!(joint.site.daemon.metric(refused) >= 7.0);
    let users = joint.site.command(&["list", "--json"], "");
    assert_eq!(String::from_utf8(users.stdout).unwrap().lines().count(), 2);
}

#[test]
fn who_was_kept_out_stays_out_and_comes_in_when_let_in_again() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let bob = joint.session("2", "bob", json!(["desk"]));
    assert!(joint.site.command(&["disable", "bob"], "").status.success());
    assert_eq!(joint.site.get("/").session(&bob).send().status, 303);
    let answer = joint.sign_in();
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("keeps you out"), "{}", answer.body);
    assert!(joint.site.command(&["enable", "bob"], "").status.success());
    joint.session("2", "bob", json!(["desk"]));
}

#[test]
fn without_leave_to_make_users_those_come_in_whom_an_admin_has_added() {
    let joint = Joint::new(Provider::start(), "create: false");
    joint.provider.person(person("2", "bob", json!([])));
    let answer = joint.sign_in();
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("ask an admin to add you"),
        "{}",
        answer.body
    );
    let added = joint.site.command(&["add", "bob", "--role", "analyst"], "");
    assert!(added.status.success(), "{added:?}");
    let bob = joint.session("2", "bob", json!([]));
    assert_eq!(joint.whoami(&bob)["role"], "analyst");
    let list = joint.site.command(&["list"], "");
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("signs in by the provider"), "{list}");
    // A password makes it a user of ours.
    let args = ["password", "bob", "--password-stdin"];
    let out = joint.site.command(&args, &format!("{PASSWORD}\n"));
    assert!(out.status.success(), "{out:?}");
    assert_eq!(joint.site.get("/").session(&bob).send().status, 303);
    assert_eq!(joint.sign_in().status, 403);
    assert_eq!(joint.site.sign_in("bob", PASSWORD).status, 303);
}

#[test]
fn the_table_of_who_may_what_holds_for_them_too() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let groups = ["staff", "desk", "mail-admins"];
    let mut number = 0;
    let signed = USERS.map(|name| {
        number += 1;
        let groups = json!([groups[number - 1]]);
        let session = joint.session(&number.to_string(), name, groups);
        joint.site.signed_with(session)
    });
    pages_open(&joint.site, &signed);
    changes_take_all(&joint.site, &signed);
}
