//! A list of senders, edited in a browser.

use super::site::Site;
use super::webdriver::{DESK, PHONE};

#[test]
fn a_list_is_edited_checked_and_comes_into_force() {
    let site = Site::with_lists();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    let file = site.daemon.path().join("deny.txt");
    let before = site.daemon.metric("mailweir_reloads_total{result=\"ok\"}");
    browser.go("/policy");
    browser.click("#lists a");
    browser.fill("input[name=entry]", "worse.example");
    browser.fill("input[name=remark]", "asked by sales");
    browser.click("form[action$='/add'] button");
    browser.until("document.querySelector('[role=status]')");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.ends_with("bad.example\nworse.example  # asked by sales\n"),
        "{text}"
    );
    site.daemon
        .wait_for_metric("mailweir_reloads_total{result=\"ok\"}", before + 1.0);
    // What is wrong is shown with its place, and nothing is written.
    browser.fill("textarea", "good.example\nno domain at all\n");
    browser.click("form[action$='/text'] button");
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('deny.txt:2')");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    browser.complaints();
    // What somebody else has changed meanwhile is not overwritten.
    std::fs::write(&file, "other.example\n").unwrap();
    browser.fill("textarea", "mine.example\n");
    browser.click("form[action$='/text'] button");
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('Somebody else')");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "other.example\n");
    browser.complaints();
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/policy");
        browser.click("#lists a");
        browser.until("document.querySelector('textarea')");
        browser.check("list");
    }
    browser.fill("textarea", "mine.example\n");
    browser.click("form[action$='/text'] button");
    browser.until("document.querySelector('[role=status]')");
    browser.go("/audit?q=list.edit");
    let told = browser.text("#audit");
    assert!(told.contains("+worse.example  # asked by sales"), "{told}");
    assert!(told.contains("-other.example"), "{told}");
}
