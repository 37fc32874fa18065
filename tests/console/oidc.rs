//! Sign-in by a provider: the way there and back, as a browser and as a stranger take it.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::access::{USERS, changes_take_all, pages_open};
use super::client::{Answer, Request};
use super::daemon::Config;
use super::place::wait_for;
use super::provider::{CLIENT, Provider, SECRET, Twist, fields};
use super::site::{PASSWORD, Site};
use super::webdriver::{Browser, DESK, PHONE};

/// What the tests configure beside provider and client: groups give roles, users are made.
const BY_GROUPS: &str = "role_claim: groups, create: true, \
    roles: { admin: [mail-admins], analyst: [desk], viewer: [staff], refused: [leavers] }";

/// A console whose users come from a provider, and `root`, who has a password.
struct Joint {
    site: Site,
    provider: Provider,
    _secret: tempfile::TempDir,
}

impl Joint {
    fn new(provider: Provider, keys: &str) -> Joint {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let keys = format!(
            ", oidc: {{ issuer: '{}', client_id: '{CLIENT}', client_secret_file: '{}', label: 'Example ID', {keys} }}",
            provider.issuer(),
            secret.display()
        );
        let site = Site::empty(Config::default(), &keys);
        site.user("root", "admin");
        Joint {
            site,
            provider,
            _secret: folder,
        }
    }

    /// The way to the provider: the cookie of the sign-in, and the place there.
    fn leave(&self) -> (String, String) {
        let answer = self.site.get("/login/oidc?next=/rules").send();
        assert_eq!(answer.status, 303, "{answer:?}");
        let field = answer.field("set-cookie").unwrap();
        for word in [
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/",
            "Max-Age=900",
        ] {
            assert!(field.contains(word), "{field}");
        }
        let place = answer.field("location").unwrap().to_owned();
        (answer.cookie().unwrap(), place)
    }

    /// What the provider sends the browser back with: the path with its query.
    fn granted(&self, place: &str) -> String {
        let path = place.strip_prefix(&self.provider.issuer()).unwrap();
        let answer = Request::new(self.provider.port, "GET", path).send();
        assert_eq!(answer.status, 302, "{answer:?}");
        let back = answer.field("location").unwrap();
        back.strip_prefix(&self.site.url()).unwrap().to_owned()
    }

    fn come_back(&self, path: &str, cookie: &str) -> Answer {
        self.site.get(path).session(cookie).send()
    }

    /// The whole way.
    fn sign_in(&self) -> Answer {
        let (cookie, place) = self.leave();
        self.come_back(&self.granted(&place), &cookie)
    }

    /// The cookie of a new session of somebody in a group.
    fn session(&self, subject: &str, name: &str, groups: Value) -> String {
        self.provider.person(person(subject, name, groups));
        let answer = self.sign_in();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("url=/rules"), "{}", answer.body);
        answer.cookie().unwrap()
    }

    fn whoami(&self, cookie: &str) -> Value {
        let answer = self.site.get("/api/whoami").session(cookie).send();
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Lines of the audit log.
    fn audit(&self, word: &str) -> String {
        let root = wait_for("the turn of root", || {
            self.site.sign_in("root", PASSWORD).cookie()
        });
        let page = self.site.get(&format!("/audit?q={word}")).session(&root);
        page.send().body
    }
}

fn person(subject: &str, name: &str, groups: Value) -> Value {
    json!({ "sub": subject, "preferred_username": name, "groups": groups })
}

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
    // The next time he has another role, and the session of before has it too.
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
    // A password makes him a user of ours.
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

/// Nothing of the kind gets in, and the page says in a word what it is about.
#[test]
fn a_hostile_provider_gets_nobody_in() {
    for (twist, status, part) in [
        (Twist::OtherNonce, 502, "cannot be trusted"),
        (Twist::OtherAudience, 502, "cannot be trusted"),
        (Twist::OtherIssuer, 502, "cannot be trusted"),
        (Twist::Expired, 502, "cannot be trusted"),
        (Twist::Old, 502, "cannot be trusted"),
        (Twist::OtherKey, 502, "cannot be trusted"),
        (Twist::Unsigned, 502, "cannot be trusted"),
        (Twist::BySecret, 502, "cannot be trusted"),
        (Twist::MixedUp, 401, "You were not signed in"),
        (Twist::Nameless, 401, "You were not signed in"),
        (Twist::Denied, 401, "You were not signed in"),
        (Twist::NoToken, 502, "cannot be trusted"),
        (Twist::NoJson, 502, "cannot be trusted"),
        (Twist::Refuses, 502, "cannot be trusted"),
        (Twist::Redirects, 502, "cannot be trusted"),
        (Twist::HugeTokens, 503, "cannot be reached"),
        (Twist::HugeKeys, 503, "cannot be reached"),
        (Twist::SlowTokens, 503, "cannot be reached"),
        (Twist::SlowKeys, 503, "cannot be reached"),
    ] {
        let slow = matches!(twist, Twist::SlowTokens | Twist::SlowKeys);
        let wait = if slow {
            "timeout: 500ms"
        } else {
            "timeout: 30s"
        };
        let joint = Joint::new(Provider::start(), &format!("{BY_GROUPS}, {wait}"));
        joint
            .provider
            .person(person("1", "ann", json!(["mail-admins"])));
        let (cookie, place) = match slow {
            false => joint.leave(),
            // On a busy machine even the quick answers may be late.
            true => wait_for("a way there", || {
                let answer = joint.site.get("/login/oidc").send();
                let place = answer.field("location")?.to_owned();
                Some((answer.cookie()?, place))
            }),
        };
        joint.provider.twist(twist);
        let answer = joint.come_back(&joint.granted(&place), &cookie);
        assert_eq!(answer.status, status, "{twist:?}: {answer:?}");
        assert!(answer.body.contains(part), "{twist:?}: {}", answer.body);
        assert!(!answer.body.contains("<script>"), "{}", answer.body);
        assert_eq!(answer.cookie(), None, "{twist:?}");
        let users = joint.site.command(&["list", "--json"], "");
        let users = String::from_utf8(users.stdout).unwrap();
        assert_eq!(users.lines().count(), 1, "{twist:?}: {users}");
        // The others come in all the same.
        assert_eq!(
            joint.site.sign_in("root", PASSWORD).status,
            303,
            "{twist:?}"
        );
        if twist == Twist::Redirects {
            assert_eq!(joint.provider.asked("/elsewhere"), 0);
        }
    }
}

#[test]
fn a_provider_that_is_down_or_talks_nonsense_locks_nobody_out() {
    for (twist, status, wait) in [
        (Twist::SlowMetadata, 503, "500ms"),
        (Twist::HugeMetadata, 503, "30s"),
        (Twist::OtherMetadata, 502, "30s"),
    ] {
        let keys = format!("{BY_GROUPS}, timeout: {wait}");
        let joint = Joint::new(Provider::start(), &keys);
        joint.provider.twist(twist);
        let answer = joint.site.get("/login/oidc?next=/rules").send();
        assert_eq!(answer.status, status, "{twist:?}: {answer:?}");
        assert!(
            answer
                .body
                .contains("Users with a password can sign in here")
        );
        assert!(answer.body.contains("name=\"password\""), "{}", answer.body);
        assert!(answer.body.contains("value=\"/rules\""), "{}", answer.body);
        assert_eq!(joint.site.sign_in("root", PASSWORD).status, 303);
        let failed = "mailweir_console_logins_total{result=\"failed\"}";
        assert_eq!(joint.site.daemon.metric(failed), 1.0);
        // It is not asked for each who tries, and comes back by itself.
        joint.provider.twist(Twist::None);
        joint.provider.person(person("1", "ann", json!(["staff"])));
        wait_for("the provider to be asked again", || {
            let answer = joint.site.get("/login/oidc").send();
            (answer.status == 303).then_some(())
        });
    }
    // Nobody listens there.
    let port = super::place::free_port();
    let keys = format!(
        ", oidc: {{ issuer: 'http://localhost:{port}', client_id: a, create: true, default_role: viewer }}"
    );
    let site = Site::empty(Config::default(), &keys);
    site.user("root", "admin");
    let answer = site.get("/login/oidc").send();
    assert_eq!(answer.status, 503, "{answer:?}");
    let log = site.daemon.log();
    assert!(log.contains("cannot be reached"), "{log}");
    assert_eq!(site.sign_in("root", PASSWORD).status, 303);
}

#[test]
fn what_comes_back_must_have_been_sent_for_by_this_browser_and_once() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    joint.provider.twist(Twist::Forgetful);
    joint.provider.person(person("1", "ann", json!(["staff"])));
    let (cookie, place) = joint.leave();
    let back = joint.granted(&place);
    let (other, _) = joint.leave();
    let refused = |path: &str, cookie: Option<&str>| {
        let answer = wait_for("the turn of the next", || {
            let request = joint.site.get(path);
            let request = match cookie {
                Some(cookie) => request.session(cookie),
                None => request,
            };
            Some(request.send()).filter(|answer| answer.status != 429)
        });
        assert_eq!(answer.status, 401, "{path} {cookie:?}: {answer:?}");
        assert!(
            answer.body.contains("Try again") || answer.body.contains("You were not signed in")
        );
        assert_eq!(answer.cookie(), None);
    };
    refused(&back, None);
    refused(&back, Some(&other));
    refused(&back, Some("mailweir-oidc=nonsense"));
    refused("/login/oidc/callback?code=code-1", Some(&cookie));
    let state = fields(back.split_once('?').unwrap().1)["state"].clone();
    refused(
        &format!("/login/oidc/callback?code=code-1&state={state}0"),
        Some(&cookie),
    );
    assert_eq!(joint.provider.asked("/token"), 0);
    let answer = wait_for("the turn of the right one", || {
        Some(joint.come_back(&back, &cookie)).filter(|answer| answer.status != 429)
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    // The provider would take the code again.
    refused(&back, Some(&cookie));
    assert_eq!(joint.provider.asked("/token"), 1);
    let double = format!("{back}&state=again");
    assert_eq!(joint.come_back(&double, &cookie).status, 400);
}

#[test]
fn nobody_is_led_elsewhere() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    joint.provider.person(person("1", "ann", json!(["staff"])));
    for next in [
        "//evil.example/",
        "https://evil.example/",
        "/%5Cevil.example/",
        "javascript:alert(1)",
    ] {
        let answer = joint.site.get(&format!("/login/oidc?next={next}")).send();
        let back = joint.granted(answer.field("location").unwrap());
        let answer = joint.come_back(&back, &answer.cookie().unwrap());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("url=/\""), "{next}: {}", answer.body);
    }
    // Not by a cookie either.
    let (cookie, place) = joint.leave();
    let secret = cookie.split('.').next().unwrap();
    let next = data_encoding::BASE64URL_NOPAD.encode(b"https://evil.example/");
    let answer = joint.come_back(&joint.granted(&place), &format!("{secret}.{next}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains("evil"), "{}", answer.body);
}

#[test]
fn a_new_key_is_taken_and_an_old_one_is_not() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    joint.session("1", "ann", json!(["staff"]));
    joint.session("1", "ann", json!(["staff"]));
    assert_eq!(joint.provider.asked("/keys"), 1);
    joint.provider.change_key();
    // Keys are not asked for more often than every few seconds.
    wait_for("the new key", || {
        Some(joint.sign_in()).filter(|answer| answer.status == 200)
    });
    assert_eq!(joint.provider.asked("/keys"), 2);
}

#[test]
fn a_provider_that_signs_with_rsa_is_one_like_any_other() {
    let Some(provider) = Provider::by_rsa() else {
        return;
    };
    let joint = Joint::new(provider, BY_GROUPS);
    let ann = joint.session("1", "ann", json!(["desk"]));
    assert_eq!(joint.whoami(&ann)["role"], "analyst");
}

#[test]
fn who_tries_again_and_again_has_to_wait() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let tries = || joint.come_back("/login/oidc/callback?code=x&state=y", "mailweir-oidc=x.Lw");
    let mut statuses: Vec<u16> = (0..40).map(|_| tries().status).collect();
    statuses.dedup();
    assert!(statuses.starts_with(&[401, 429]), "{statuses:?}");
    let throttled = "mailweir_console_logins_total{result=\"throttled\"}";
    assert!(joint.site.daemon.metric(throttled) >= 1.0);
    // It is the same address for both ways.
    let wait = tries();
    if wait.status == 429 {
        assert!(wait.field("retry-after").is_some());
        assert!([303, 429].contains(&joint.site.sign_in("root", PASSWORD).status));
    }
    assert_eq!(joint.provider.asked("/token"), 0);
}

#[test]
fn signing_out_leads_on_to_the_provider_and_ends_the_session_here_in_any_case() {
    for (keys, there) in [("logout: true", true), ("logout: false", false)] {
        let joint = Joint::new(Provider::start(), &format!("{BY_GROUPS}, {keys}"));
        let ann = joint.session("1", "ann", json!(["staff"]));
        let signed = joint.site.signed_with(ann.clone());
        let out = joint.site.post("/logout").session(&ann);
        let out = out.form(&[("form_token", &signed.form_token)]).send();
        let leads = out
            .body
            .contains("/logout?client_id=mail%3Aweir&amp;post_logout_redirect_uri=http")
            || out
                .body
                .contains("/logout?client_id=mail%3Aweir&#38;post_logout_redirect_uri=http");
        assert_eq!(leads, there, "{out:?}");
        assert_eq!(out.status, if there { 200 } else { 303 });
        assert!(out.field("set-cookie").unwrap().contains("Max-Age=0"));
        assert_eq!(joint.site.get("/").session(&ann).send().status, 303);
    }
    // Who has a password has nothing to do with it.
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let root = joint.site.signed_with(joint.site.session("root"));
    let out = joint.site.post("/logout").session(&root.cookie);
    let out = out.form(&[("form_token", &root.form_token)]).send();
    assert_eq!(out.field("location"), Some("/login"));
}

#[test]
fn a_reload_brings_another_provider_and_sign_ins_that_are_under_way_end_at_none() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let ann = joint.session("1", "ann", json!(["staff"]));
    let (cookie, place) = joint.leave();
    let back = joint.granted(&place);
    let next = Provider::start();
    next.person(person("1", "ann", json!(["mail-admins"])));
    let file = joint.site.daemon.path().join("mailweir.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let changed = written.replace(&joint.provider.issuer(), &next.issuer());
    std::fs::write(&file, changed.replace("Example ID", "Other ID")).unwrap();
    joint.site.daemon.signal("HUP");
    wait_for("the other provider", || {
        let page = joint.site.get("/login").send();
        page.body.contains("Sign in with Other ID").then_some(())
    });
    // What the one has granted is nothing to the other.
    let answer = joint.come_back(&back, &cookie);
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(next.asked("/token"), 0);
    // Sessions go on; users of the one are none of the other's.
    assert_eq!(joint.whoami(&ann)["role"], "viewer");
    let joint = Joint {
        provider: next,
        ..joint
    };
    let answer = joint.sign_in();
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(
        answer.body.contains("Another user has your name"),
        "{}",
        answer.body
    );
}

#[test]
fn a_browser_goes_there_and_back_and_out_again() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    joint
        .provider
        .person(person("1", "ann", json!(["mail-admins"])));
    let Some(browser) = Browser::start(&joint.site.url()) else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/login?next=/rules");
        assert_eq!(browser.text("#provider"), "Sign in with Example ID");
        browser.check("sign-in page with a provider");
    }
    // The site of the provider is another: cookies that are bound to ours stay behind until a page of ours asks.
    browser.click("#provider");
    browser.until("location.pathname === '/rules' && document.readyState === 'complete'");
    assert_eq!(browser.text("h1"), "Rules");
    assert_eq!(browser.cookies(), ["mailweir"]);
    let elsewhere = browser.strangers();
    let issuer = joint.provider.issuer();
    assert!(
        elsewhere.iter().all(|url| url.starts_with(&issuer)),
        "{elsewhere:?}"
    );
    assert_eq!(browser.complaints(), [""; 0]);
    for path in ["/account", "/users"] {
        for size in [DESK, PHONE] {
            browser.size(size);
            browser.go(path);
            browser.check(path);
        }
    }
    browser.size(DESK);
    // Signing out leads by the provider's page back to ours; its policy for forms does not stand in the way.
    browser.go("/account");
    browser.click("form[action='/logout'] button");
    browser.until("location.pathname === '/login' && document.querySelector('#provider')");
    assert_eq!(joint.provider.asked("/logout"), 1);
    assert_eq!(browser.cookies(), [""; 0]);
    assert_eq!(browser.complaints(), [""; 0]);
    // A sign-in that comes to nothing ends on the page that it began on.
    joint.provider.twist(Twist::OtherNonce);
    browser.click("#provider");
    browser.until("document.querySelector('[role=alert]')");
    assert!(browser.text("[role=alert]").contains("cannot be trusted"));
    browser.fill("input[name=name]", "root");
    browser.fill("input[name=password]", PASSWORD);
    browser.click("form[action='/login'] button");
    browser.until("location.pathname === '/' && document.querySelector('h1')");
}
