//! The history in a browser: a message is found, and why it got its verdict is read.

use super::daemon::HELD;
use super::site::Site;
use super::webdriver::{DESK, PHONE};

#[test]
fn a_message_is_found_and_its_verdict_explained() {
    let site = Site::with_lists();
    site.day_of_mail();
    let Some(browser) = site.browser("cid") else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/history");
        browser.harmless("history");
        // "/" goes to the search field.
        browser.press("/");
        browser.until("document.activeElement.name === 'q'");
        browser.press("won\u{e007}");
        browser.until("location.search.includes('q=won') && document.readyState === 'complete'");
        assert_eq!(
            browser.value("document.querySelectorAll('#messages tbody tr').length"),
            1
        );
        browser.check("found");
        browser.click("#messages tbody a");
        browser.until("location.pathname.length > 20 && document.readyState === 'complete'");
        assert_eq!(browser.text("h1"), "You have won");
        assert!(browser.text("main").contains("TEST_NINE"));
        assert!(
            browser
                .text("main")
                .contains("The word that is worth nine points")
        );
        browser.check("message");
        browser.keep(if size == DESK {
            "message"
        } else {
            "message-phone"
        });
        browser.click("a[href='/rules/TEST_NINE']");
        browser.until("document.querySelector('h1')?.textContent === 'TEST_NINE'");
        assert!(browser.text("pre.source").contains(HELD));
    }
    browser.size(DESK);
    // Narrower, by what more there is to fill in.
    browser.go("/history");
    browser.click("form details summary");
    browser.fill("input[name=sender]", "spam.example");
    browser.click("form button.main");
    browser.until(
        "location.search.includes('sender=spam.example') && document.readyState === 'complete'",
    );
    assert_eq!(
        browser.value("document.querySelectorAll('#messages tbody tr').length"),
        2
    );
    browser.keep("found");
    // By score, either way.
    let first =
        "Number(document.querySelector('#messages tbody td[data-label=Score]').dataset.value)";
    browser.click("#messages th:nth-child(3) button");
    assert_eq!(browser.value(first), 16);
    browser.click("#messages th:nth-child(3) button");
    assert_eq!(browser.value(first), 9);
    // Hostile mail is text, also with its reasons.
    browser.go("/history?sender=evil.example");
    browser.harmless("hostile");
    let rows = browser
        .value("document.querySelectorAll('#messages tbody tr').length")
        .as_u64()
        .unwrap();
    assert_eq!(rows, 3);
    for n in 1..=rows {
        for size in [DESK, PHONE] {
            browser.size(size);
            browser.go("/history?sender=evil.example");
            browser.click(&format!("#messages tbody tr:nth-child({n}) a"));
            browser.until("location.pathname.length > 20 && document.readyState === 'complete'");
            browser.harmless("hostile message");
            browser.check("hostile message");
        }
    }
    assert!(
        site.get("/history/01ARZ3NDEKTSV4RRFFQ69G5FAV")
            .session(&site.session("cid"))
            .send()
            .status
            == 404
    );
    browser.go("/history?q=ab*");
    assert!(browser.text("[role=alert]").contains("3 characters"));
}
