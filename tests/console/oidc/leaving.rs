//! Signing out, another provider by a reload, and the whole way in a browser.

use serde_json::json;

use super::joint::{BY_GROUPS, Joint, person};
use crate::place::wait_for;
use crate::provider::{Provider, Twist};
use crate::site::PASSWORD;
use crate::webdriver::{Browser, DESK, PHONE};

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
