//! Every view in a browser, on a desk and on a phone: clicked, typed, sorted, searched; with hostile mail in all of
//! them.

use super::daemon::{Config, HELD, RULES};
use super::place::wait_for;
use super::post::HOSTILE;
use super::site::{PASSWORD, Site};
use super::webdriver::{Browser, DESK, PHONE};

/// What an admin sees.
const VIEWS: [(&str, &str); 12] = [
    ("overview", "/"),
    ("overview-day", "/?span=day"),
    ("history", "/history"),
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

fn site() -> Site {
    let hostile = format!(
        "{RULES}  - id: TEST_HOSTILE\n    description: >-\n      {}\n    score: 0\n    when: {{ raw_body: '<script>.{{0,60}}' }}\n",
        HOSTILE.replace(['\u{7}', '\u{202e}', '\u{202c}', '\u{200b}'], "")
    );
    Site::new(Config {
        rules: hostile,
        sections: "deny: [{ list: deny.txt }]\npolicies:\n  - name: sales\n    for: { recipients: [sales@here.example] }\n    thresholds: { tag: 3 }\n"
            .to_owned(),
        files: vec![("deny.txt", "# Who is not wanted\nbad.example\n")],
        watch: "100ms",
        ..Config::default()
    })
}

/// Keeps what is seen, where somebody wants to look at it.
fn keep(browser: &Browser, name: &str) {
    if let Ok(folder) = std::env::var("MAILWEIR_SCREENSHOTS") {
        std::fs::write(format!("{folder}/{name}.png"), browser.screenshot()).unwrap();
    }
}

/// Nothing of what came with the mail has run, and nothing is hidden.
fn harmless(browser: &Browser, what: &str) {
    assert!(browser.value("window.pwned").is_null(), "{what}");
    let visible = "getComputedStyle(document.querySelector('main')).display !== 'none'";
    assert_eq!(browser.value(visible), true, "{what}");
    let foreign = "document.querySelectorAll('main script, main style, main img, main iframe, main [onerror]').length";
    assert_eq!(browser.value(foreign), 0, "{what}");
    let deceiving =
        "/[\\u202a-\\u202e\\u200b-\\u200f\\u2066-\\u2069]/.test(document.body.innerText)";
    assert_eq!(browser.value(deceiving), false, "{what}");
}

#[test]
fn every_view_is_in_order_on_a_desk_and_on_a_phone_in_light_and_dark() {
    let site = site();
    site.day_of_mail();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    for (name, path) in VIEWS.into_iter().chain([("account", "/account")]) {
        browser.size(DESK);
        browser.scheme("light");
        browser.go(path);
        browser.check(name);
        harmless(&browser, name);
        keep(&browser, name);
        browser.scheme("dark");
        browser.check(name);
        keep(&browser, &format!("{name}-dark"));
        browser.size(PHONE);
        browser.check(name);
        keep(&browser, &format!("{name}-phone"));
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
fn a_message_is_found_and_its_verdict_explained() {
    let site = site();
    site.day_of_mail();
    let Some(browser) = site.browser("cid") else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/history");
        harmless(&browser, "history");
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
        keep(
            &browser,
            if size == DESK {
                "message"
            } else {
                "message-phone"
            },
        );
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
    keep(&browser, "found");
    // By score, either way.
    let first =
        "Number(document.querySelector('#messages tbody td[data-label=Score]').dataset.value)";
    browser.click("#messages th:nth-child(3) button");
    assert_eq!(browser.value(first), 16);
    browser.click("#messages th:nth-child(3) button");
    assert_eq!(browser.value(first), 9);
    // Hostile mail is text, also with its reasons.
    browser.go("/history?sender=evil.example");
    harmless(&browser, "hostile");
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
            harmless(&browser, "hostile message");
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

#[test]
fn a_message_is_tried_out_and_leaves_no_trace() {
    let site = site();
    let Some(browser) = site.browser("bob") else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/rules");
        browser.fill("input[name=q]", "nine");
        browser.click("form button.main");
        browser.until("document.querySelectorAll('#rules tbody tr').length === 1");
        browser.click("#rules tbody a");
        browser.click("a[href='/rules/trial?rule=TEST_NINE']");
        browser.fill(
            "textarea",
            &format!("Subject: a\n\n{HELD} <script>window.pwned=1</script>\n"),
        );
        browser.click("form button.main");
        browser.until("document.querySelector('[role=status]')");
        let text = browser.text("main");
        for word in ["quarantine", "9.00", "TEST_NINE", "holds"] {
            assert!(text.contains(word), "{word} in {text}");
        }
        harmless(&browser, "trial");
        browser.check("trial");
    }
    keep(&browser, "tried");
    browser.fill("input[name=rule]", "NO_SUCH_RULE");
    browser.click("form button.main");
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('no such rule')");
    browser.fill("input[name=client]", "somewhere");
    browser.click("form button.main");
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('192.0.2.1')");
    assert_eq!(
        site.daemon
            .metric("mailweir_messages_total{verdict=\"quarantine\"}"),
        0.0
    );
    assert_eq!(
        site.daemon
            .metric("mailweir_hits_total{rule=\"TEST_NINE\",mode=\"live\"}"),
        0.0
    );
    assert_eq!(site.daemon.metric("mailweir_history_written_total"), 0.0);
}

#[test]
fn a_list_is_edited_checked_and_comes_into_force() {
    let site = site();
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

#[test]
fn users_come_change_and_go() {
    let site = site();
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

#[test]
fn a_refused_reload_is_shown_with_its_place_and_the_overview_goes_on_by_itself() {
    let site = site();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    browser.go("/");
    let first = browser.text(".tiles strong");
    assert_eq!(first, "0");
    site.day_of_mail();
    std::fs::write(
        site.daemon.rules(),
        "version: 1\nrules:\n  - id: A\n    whn: {}\n",
    )
    .unwrap();
    site.daemon
        .wait_for_metric("mailweir_reloads_total{result=\"failed\"}", 1.0);
    // Nobody loads the page again.
    browser.until("document.querySelector('.tiles strong').textContent !== '0'");
    browser.until(
        "document.querySelector('pre.source')?.textContent.includes('did you mean `when`?')",
    );
    assert!(browser.text("pre.source").contains("test.yaml:4:5"));
    browser.check("overview");
    for path in ["/rules", "/configuration", "/log"] {
        for size in [DESK, PHONE] {
            browser.size(size);
            browser.go(path);
            let shown = wait_for("the problem", || {
                let text = browser.text("main");
                text.contains("test.yaml:4:5").then_some(text)
            });
            assert!(shown.contains("^"), "{shown}");
            browser.check(path);
        }
    }
    std::fs::write(site.daemon.rules(), RULES).unwrap();
    browser.go("/");
    browser.until("!document.querySelector('pre.source')");
}

#[test]
fn the_keyboard_is_enough() {
    let site = site();
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
