//! Providers that lie, fail or hang, and browsers that bring what they have not been sent for.

use serde_json::json;

use super::joint::{BY_GROUPS, Joint, person};
use crate::daemon::Config;
use crate::place::wait_for;
use crate::provider::{Provider, Twist, fields};
use crate::site::{PASSWORD, Site};

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
    let port = crate::place::free_port();
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
    let tries = || {
        let (cookie, place) = joint.leave();
        let state = fields(place.split_once('?').unwrap().1)["state"].clone();
        let back = format!("/login/oidc/callback?error=access_denied&state={state}");
        joint.come_back(&back, &cookie)
    };
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
fn what_another_site_has_a_browser_bring_makes_nobody_wait() {
    let joint = Joint::new(Provider::start(), BY_GROUPS);
    let (cookie, _) = joint.leave();
    let back = "/login/oidc/callback?code=x&state=y";
    for _ in 0..20 {
        // As an image on another site, without cookies, and as a window that is sent here.
        assert_eq!(joint.site.get(back).send().status, 401);
        assert_eq!(joint.come_back(back, &cookie).status, 401);
    }
    assert_eq!(joint.site.sign_in("root", PASSWORD).status, 303);
    assert_eq!(joint.provider.asked("/token"), 0);
}
