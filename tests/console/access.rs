//! Who may do what: requests, roles, and the answers that are expected.

use super::client::{Answer, Request};
use super::daemon::Config;
use super::database;
use super::place::wait_for;
use super::site::{PASSWORD, SignedIn, Site};

/// Users by rising role.
pub(crate) const USERS: [&str; 3] = ["cid", "bob", "ann"];

/// Path, the least role by its place in [`USERS`], what it answers to those who may.
const PAGES: [(&str, usize, u16); 18] = [
    ("/", 0, 200),
    ("/?span=day", 0, 200),
    ("/history", 0, 200),
    ("/history/01ARZ3NDEKTSV4RRFFQ69G5FAV", 0, 404),
    ("/quarantine", 0, 200),
    ("/quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV", 0, 404),
    ("/quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV/message.eml", 1, 404),
    ("/rules", 0, 200),
    ("/rules/TEST_SIX", 0, 200),
    ("/rules/NO_SUCH", 0, 404),
    ("/classifier", 0, 200),
    ("/policy", 0, 200),
    ("/account", 0, 200),
    ("/rules/trial", 1, 200),
    ("/configuration", 2, 200),
    ("/log", 2, 200),
    ("/users", 2, 200),
    ("/audit", 2, 200),
];

type Fields = &'static [(&'static str, &'static str)];

/// The same of what changes something, with a form.
const CHANGES: [(&str, Fields, usize, u16); 18] = [
    (
        "/account/tokens",
        &[("label", "x"), ("role", "viewer"), ("days", "1")],
        0,
        200,
    ),
    (
        "/account/tokens",
        &[("label", "x"), ("role", "viewer"), ("days", "0")],
        0,
        422,
    ),
    ("/account/tokens/remove", &[("id", "999")], 0, 409),
    ("/quarantine/do", &[("act", "none")], 1, 422),
    ("/quarantine/do", &[("act", "delete")], 1, 422),
    (
        "/quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV/release",
        &[("to", "a@b")],
        1,
        404,
    ),
    ("/quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV/delete", &[], 1, 404),
    ("/rules/trial", &[("message", "Subject: a\n\nb")], 1, 200),
    ("/rules/trial", &[("message", "")], 1, 422),
    ("/users", &[("name", "a b"), ("role", "viewer")], 2, 422),
    ("/users", &[("name", "eve"), ("role", "king")], 2, 422),
    ("/users/role", &[("id", "999"), ("role", "admin")], 2, 409),
    ("/users/link", &[("id", "999")], 2, 409),
    ("/users/disable", &[("id", "999")], 2, 409),
    ("/users/remove", &[("id", "999")], 2, 409),
    ("/classifier/promote", &[("model", "none")], 2, 409),
    ("/classifier/rollback", &[("model", "none")], 2, 409),
    (
        "/policy/list/0000000000000000/text",
        &[("text", ""), ("digest", "")],
        2,
        404,
    ),
];

#[test]
fn every_page_opens_to_those_who_may_and_to_nobody_else() {
    let site = Site::new(Config::default());
    pages_open(&site, &USERS.map(|name| site.signed_in(name)));
    let missing = site.get("/no/such/page").send();
    assert_eq!(missing.status, 404);
}

/// The table of pages holds for these, who are [`USERS`].
pub(crate) fn pages_open(site: &Site, signed: &[SignedIn; 3]) {
    for (path, least, answer) in PAGES {
        let stranger = site.get(path).send();
        assert_eq!(stranger.status, 303, "{path}");
        let to = stranger.field("location").unwrap();
        assert!(to.starts_with("/login"), "{path}: {to}");
        for (role, user) in signed.iter().enumerate() {
            let wanted = if role >= least { answer } else { 403 };
            let got = site.get(path).session(&user.cookie).send();
            assert_eq!(got.status, wanted, "{path} for {}", USERS[role]);
        }
        // A cookie that was never given, one of another name, and a token where pages are.
        for request in [
            site.get(path).session("mailweir=bm90aGluZw"),
            site.get(path)
                .session(&signed[2].cookie.replace("mailweir=", "other=")),
            site.get(path).field("Authorization", "Bearer mailweir_x"),
        ] {
            assert_eq!(request.send().status, 303, "{path}");
        }
    }
}

#[test]
fn every_change_takes_session_role_form_token_and_origin() {
    let site = Site::new(Config::default());
    changes_take_all(&site, &USERS.map(|name| site.signed_in(name)));
    // Nothing of all that was done.
    let users = site.command(&["list", "--json"], "");
    assert_eq!(String::from_utf8(users.stdout).unwrap().lines().count(), 3);
}

/// The table of changes holds for these, who are [`USERS`].
pub(crate) fn changes_take_all(site: &Site, signed: &[SignedIn; 3]) {
    for (path, fields, least, answer) in CHANGES {
        let form = |token: &str| {
            let mut all = fields.to_vec();
            let token: &'static str = Box::leak(token.to_owned().into_boxed_str());
            all.push(("form_token", token));
            all
        };
        for (role, user) in signed.iter().enumerate() {
            let good = form(&user.form_token);
            let own = site.post(path).session(&user.cookie).form(&good).send();
            let wanted = if role >= least { answer } else { 403 };
            assert_eq!(
                own.status, wanted,
                "{path} {fields:?} for {}: {}",
                USERS[role], own.body
            );
        }
        let ann = &signed[2];
        let good = form(&ann.form_token);
        let other = form(&signed[0].form_token);
        let evil = |origin: &str| {
            let request = site.post(path).session(&ann.cookie);
            request.field("Origin", origin).encoded(&good).send()
        };
        for (what, answer, wanted) in [
            ("no session", site.post(path).form(&good).send(), 401),
            (
                "no form token",
                site.post(path).session(&ann.cookie).form(fields).send(),
                403,
            ),
            (
                "another's form token",
                site.post(path).session(&ann.cookie).form(&other).send(),
                403,
            ),
            ("another site", evil("https://evil.example"), 403),
            ("another port", evil("http://127.0.0.1:1"), 403),
            ("a hidden origin", evil("null"), 403),
            (
                "no origin",
                site.post(path).session(&ann.cookie).encoded(&good).send(),
                403,
            ),
            (
                "read instead of changed",
                site.get(path).session(&ann.cookie).send(),
                405,
            ),
        ] {
            // Some paths are pages too.
            let page = what.starts_with("read") && PAGES.iter().any(|(p, ..)| *p == path);
            let wanted = if page { 200 } else { wanted };
            assert_eq!(answer.status, wanted, "{path}: {what}");
        }
    }
}

#[test]
fn tokens_open_what_is_for_programs_and_nothing_else() {
    let site = Site::new(Config::default());
    let token = |name: &str, role: &str| {
        let out = site.command(&["token", name, "--label", "test", "--role", role], "");
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    let who = |token: &str| {
        let request = site.get("/api/whoami");
        request
            .field("Authorization", &format!("Bearer {token}"))
            .send()
    };
    for (name, role, wanted) in [
        (
            "ann",
            "admin",
            r#"{"name":"ann","role":"admin","token":"test"}"#,
        ),
        (
            "ann",
            "viewer",
            r#"{"name":"ann","role":"viewer","token":"test"}"#,
        ),
        // No more than its user.
        (
            "cid",
            "admin",
            r#"{"name":"cid","role":"viewer","token":"test"}"#,
        ),
    ] {
        let answer = who(&token(name, role));
        assert_eq!((answer.status, answer.body.as_str()), (200, wanted));
    }
    let good = token("bob", "analyst");
    for path in ["/", "/rules", "/account"] {
        let request = site.get(path);
        let page = request
            .field("Authorization", &format!("Bearer {good}"))
            .send();
        assert_eq!(page.status, 303, "{path}");
    }
    for bad in ["", "mailweir_", "Basic x", &good[1..], &format!("{good}x")] {
        let answer = who(bad);
        assert_eq!(answer.status, 401, "{bad}");
        assert!(answer.body.contains(r#""status":401"#), "{}", answer.body);
    }
    // A session serves too.
    let session = site.get("/api/whoami").session(&site.session("bob")).send();
    assert!(session.body.contains(r#""token":null"#), "{}", session.body);
    let out = site.command(&["disable", "bob"], "");
    assert!(out.status.success(), "{out:?}");
    assert_eq!(who(&good).status, 401);
}

#[test]
fn a_session_ends_with_its_time_with_its_user_and_by_signing_out() {
    let site = Site::new(Config::default());
    let lives = |cookie: &str| site.get("/").session(cookie).send().status == 200;
    let ann = site.signed_in("ann");
    let out = site.post("/logout").session(&ann.cookie);
    let out = out.form(&[("form_token", &ann.form_token)]).send();
    assert_eq!(out.status, 303);
    assert!(out.field("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!lives(&ann.cookie));
    let bob = site.session("bob");
    assert!(lives(&bob));
    assert!(site.command(&["disable", "bob"], "").status.success());
    assert!(!lives(&bob));
    assert_eq!(site.sign_in("bob", PASSWORD).status, 401);
    assert!(site.command(&["enable", "bob"], "").status.success());
    assert!(!lives(&bob));
    let bob = site.session("bob");
    assert!(
        site.command(&["role", "bob", "viewer"], "")
            .status
            .success()
    );
    assert_eq!(site.get("/rules/trial").session(&bob).send().status, 403);
    assert!(site.command(&["remove", "bob"], "").status.success());
    assert!(!lives(&bob));
    for column in ["seen", "created"] {
        let cid = site.session("cid");
        assert!(lives(&cid));
        let change = format!("UPDATE sessions SET {column} = {column} - 90000");
        let path = site.daemon.path().join("data/console.sqlite");
        database::run(&path, &change);
        assert!(!lives(&cid), "{column}");
    }
}

#[test]
fn passwords_cannot_be_tried_fast() {
    let site = Site::new(Config::default());
    let mut answers: Vec<Answer> = (0..5)
        .map(|n| site.sign_in("ann", &format!("wrong {n}")))
        .collect();
    assert!(answers.iter().all(|a| a.status == 401), "{answers:?}");
    // The right one is not looked at either.
    answers.push(site.sign_in("ann", PASSWORD));
    let last = answers.last().unwrap();
    if last.status != 303 {
        assert_eq!(last.status, 429, "{last:?}");
        let wait: u64 = last.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait), "{wait}");
    }
    // Those who do not exist wait in the same way, from the same address.
    let refused = |name: &str| (0..40).any(|_| site.sign_in(name, "x").status == 429);
    assert!(refused("nobody"));
    assert!(
        site.daemon
            .metric("mailweir_console_logins_total{result=\"throttled\"}")
            >= 1.0
    );
    let log = site.daemon.log();
    assert!(log.contains("sign-in refused"), "{log}");
    assert!(!log.contains("wrong 3"), "a password stands in the log");
    wait_for("the wait to be over", || {
        (site.sign_in("ann", PASSWORD).status == 303).then_some(())
    });
}

#[test]
fn every_answer_tells_the_browser_to_trust_nobody_else() {
    let site = Site::new(Config::default());
    let ann = site.session("ann");
    let signed_in = ["/", "/history", "/log"].map(|path| site.get(path).session(&ann));
    let strangers =
        ["/login", "/nothing", "/welcome?link=x", "/api/whoami"].map(|path| site.get(path));
    for request in signed_in.into_iter().chain(strangers) {
        let answer = request.send();
        let policy = answer.field("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'"), "{answer:?}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{name} of {answer:?}");
        }
    }
    let cookie = site.sign_in("ann", PASSWORD);
    let field = cookie.field("set-cookie").unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(field.contains(word), "{field}");
    }
    // What never changes may be kept.
    let style = site.get("/assets/console.css").send();
    assert!(style.field("cache-control").unwrap().contains("immutable"));
}

#[test]
fn behind_a_proxy_the_address_of_the_client_and_of_the_site_hold() {
    let keys = ", url: 'https://console.example', trusted_proxies: [127.0.0.0/8]";
    let site = Site::empty(Config::default(), keys);
    site.user("ann", "admin");
    let fields = [("name", "ann"), ("password", PASSWORD)];
    let sign_in = |origin: &str| -> Request {
        let request = site.post("/login").field("X-Forwarded-For", "198.51.100.7");
        request.field("Origin", origin).encoded(&fields)
    };
    assert_eq!(sign_in(&site.url()).send().status, 403);
    let answer = sign_in("https://console.example").send();
    assert_eq!(answer.status, 303);
    let cookie = answer.cookie().unwrap();
    assert!(cookie.starts_with("__Host-mailweir="), "{cookie}");
    let page = site.get("/account").session(&cookie).send();
    let form = [
        ("form_token", page.form_token()),
        ("label", "x".into()),
        ("role", "viewer".into()),
        ("days", "1".into()),
    ];
    let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let request = site.post("/account/tokens").session(&cookie);
    let request = request.field("X-Forwarded-For", "10.9.9.9, 198.51.100.7");
    let made = request
        .field("Origin", "https://console.example")
        .encoded(&form)
        .send();
    assert_eq!(made.status, 200);
    let audit = site.get("/audit").session(&cookie).send();
    assert!(audit.body.contains("198.51.100.7"), "{}", audit.body);
    assert!(!audit.body.contains("10.9.9.9"));
    assert!(
        site.first_link_of_command()
            .starts_with("https://console.example/welcome?link=")
    );
}
