//! Coming in: the first link, signing in and out, and what keeps others out.

use super::daemon::Config;
use super::site::{PASSWORD, Site};
use super::webdriver::{Browser, DESK, PHONE};

#[test]
fn the_first_start_prints_a_link_that_makes_one_admin() {
    let site = Site::empty(Config::default(), "");
    let link = site.first_link();
    let Some(browser) = Browser::start(&site.url()) else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go(&link);
        browser.find("input[name=name]");
        browser.check("welcome");
    }
    browser.fill("input[name=name]", "ann");
    browser.fill("input[name=password]", PASSWORD);
    browser.fill("input[name=again]", "something else entirely");
    browser.click("button.main");
    assert!(browser.text("[role=alert]").contains("differ"));
    // The status of such an answer is one that the browser notes.
    browser.complaints();
    browser.fill("input[name=password]", PASSWORD);
    browser.fill("input[name=again]", PASSWORD);
    browser.click("button.main");
    browser.until("location.pathname === '/' && document.querySelector('h1')");
    assert_eq!(browser.text("h1"), "Overview");
    browser.check("overview");
    // The cookie is none of a script's business.
    assert_eq!(browser.value("document.cookie"), "");
    browser.go(&link);
    assert!(browser.text("[role=alert]").contains("used already"));
    assert_eq!(site.get("/").send().status, 303);
}
