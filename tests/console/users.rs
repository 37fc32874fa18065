//! Users in a browser, and what each of them keeps.

use super::site::{PASSWORD, Site};

#[test]
fn users_come_change_and_go() {
    let site = Site::with_lists();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    browser.go("/users");
    browser.fill("input[name=name]", "dora");
    browser.click("form.row button.main");
    let link = browser.text("#secret");
    assert!(link.starts_with(&site.url()), "{link}");
    browser.check("a new user");
    browser.fill("input[name=name]", "dora");
    browser.click("form.row button.main");
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('already')");
    browser.complaints();
    // The last admin stays, and the browser says so.
    browser.go("/users");
    browser.click("#users tbody tr:nth-child(1) button.danger");
    browser.accept();
    browser.until("document.body.textContent.includes('last admin')");
    browser.complaints();
    browser.go("/users");
    browser.click("#users th:first-child button");
    let names = browser.value("[...document.querySelectorAll('#users tbody th')].map((e) => e.firstChild.textContent.trim())");
    assert_eq!(names, serde_json::json!(["ann", "bob", "cid", "dora"]));
    browser.click("#users tbody tr:nth-child(3) button.danger");
    browser.accept();
    browser.until("document.querySelector('[role=status]')");
    assert_eq!(site.sign_in("cid", PASSWORD).status, 401);
    // The link opens the door once.
    browser.click("form[action='/logout'] button");
    browser.until("location.pathname === '/login'");
    browser.go(&link);
    browser.fill("input[name=password]", PASSWORD);
    browser.fill("input[name=again]", PASSWORD);
    browser.click("button.main");
    browser.until("document.querySelector('h1')?.textContent === 'Overview'");
    assert!(browser.text("#menu").contains("dora"));
    assert!(!browser.text("#menu").contains("Users"));
    // One's own password and tokens.
    browser.go("/account");
    browser.fill("input[name=label]", "backup");
    browser.click("form[action='/account/tokens'] button");
    let token = browser.text("#secret");
    let whoami = || {
        site.get("/api/whoami")
            .field("Authorization", &format!("Bearer {token}"))
            .send()
    };
    assert_eq!(whoami().status, 200);
    browser.check("a new token");
    browser.click("table button.danger");
    browser.accept();
    browser.until("document.querySelector('[role=status]')");
    assert_eq!(whoami().status, 401);
    browser.fill("input[name=current]", "not this one at all");
    browser.fill("input[name=password]", "another good password");
    browser.fill("input[name=again]", "another good password");
    browser.click("form[action='/account/password'] button");
    browser.until("document.querySelector('[role=alert]')");
    browser.complaints();
    browser.fill("input[name=current]", PASSWORD);
    browser.fill("input[name=password]", "another good password");
    browser.fill("input[name=again]", "another good password");
    browser.click("form[action='/account/password'] button");
    browser.until("!document.querySelector('[role=alert]') && document.readyState === 'complete'");
    assert_eq!(site.sign_in("dora", "another good password").status, 303);
    assert_eq!(site.sign_in("dora", PASSWORD).status, 401);
}
