//! Every view in a browser, on a desk and on a phone, in light and in dark, by mouse and by keyboard.

use super::site::Site;
use super::webdriver::{DESK, PHONE};

/// What an admin sees.
const VIEWS: [(&str, &str); 13] = [
    ("overview", "/"),
    ("overview-day", "/?span=day"),
    ("history", "/history"),
    ("quarantine", "/quarantine"),
    ("rules", "/rules"),
    ("rule", "/rules/TEST_NINE"),
    ("trial", "/rules/trial"),
    ("classifier", "/classifier"),
    ("policy", "/policy"),
    ("configuration", "/configuration"),
    ("log", "/log"),
    ("users", "/users"),
    ("audit", "/audit"),
];

#[test]
fn every_view_is_in_order_on_a_desk_and_on_a_phone_in_light_and_dark() {
    let site = Site::with_lists();
    site.day_of_mail();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    for (name, path) in VIEWS.into_iter().chain([("account", "/account")]) {
        browser.size(DESK);
        browser.scheme("light");
        browser.go(path);
        browser.check(name);
        browser.harmless(name);
        browser.keep(name);
        browser.scheme("dark");
        browser.check(name);
        browser.keep(&format!("{name}-dark"));
        browser.size(PHONE);
        browser.check(name);
        browser.keep(&format!("{name}-phone"));
    }
    // Each entry of the menu leads somewhere, on a phone too.
    browser.go("/");
    let entries = browser.value("document.querySelectorAll('#menu li a').length");
    for n in 1..=entries.as_u64().unwrap() {
        browser.click("#menu summary");
        let entry = format!("#menu li:nth-child({n}) a");
        browser.until(&format!(
            "document.querySelector('{entry}').checkVisibility()"
        ));
        let word = browser.text(&entry);
        browser.click(&entry);
        browser.until(&format!(
            "document.querySelector('#menu a[aria-current]')?.textContent === '{word}'"
        ));
        assert_eq!(browser.text("h1"), word);
        browser.check(&word);
    }
}

#[test]
fn the_keyboard_is_enough() {
    let site = Site::with_lists();
    let Some(browser) = site.browser("cid") else {
        return;
    };
    browser.go("/rules");
    browser.press("\u{e004}");
    assert_eq!(
        browser.value("document.activeElement.textContent"),
        "Skip to the page"
    );
    browser.until("document.activeElement.getBoundingClientRect().left >= 0");
    browser.press("\u{e007}");
    browser.until("location.hash === '#main'");
    browser.press("\u{e004}");
    // Whatever has the focus shows it.
    for _ in 0..8 {
        let outline = browser.value("getComputedStyle(document.activeElement).outlineStyle");
        assert_ne!(
            outline,
            "none",
            "{}",
            browser.value("document.activeElement.outerHTML")
        );
        browser.press("\u{e004}");
    }
}
