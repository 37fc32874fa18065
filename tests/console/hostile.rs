//! Hostile words wherever the console shows something from outside: nothing of them runs, loads, hides or deceives.

use serde_json::json;

use super::client::percent;
use super::daemon::HELD;
use super::place::wait_for;
use super::post::HOSTILE;
use super::site::{PASSWORD, Site};
use super::taker::Taker;
use super::webdriver::{Browser, DESK, PHONE};

/// Half a megabyte of what harms, and everything else at once.
fn hostile_message() -> String {
    let evil = "\"><script>window.hurt=1</script><img src=http://evil.example/x onerror=window.hurt=1>\u{202e}\u{7}";
    let encoded = data_encoding::BASE64.encode(evil.repeat(3).as_bytes());
    let html = format!(
        "<html><head><style>body{{display:none}} .bar{{position:fixed}} @import 'http://evil.example/a.css';</style>\
         <meta http-equiv=refresh content='0;url=http://evil.example/'><base href=http://evil.example/></head>\
         <body onload=window.hurt=1 background=http://evil.example/b><h1 id=main class=bar style='position:fixed'>{HELD}</h1>\
         </div></div></section></main></body></html><script>window.hurt=1</script><iframe src=http://evil.example></iframe>\
         <form action=http://evil.example><input name=form_token><button>Release</button></form>\
         <a href='javascript:window.hurt=1'>click</a><svg onload=window.hurt=1></svg><table><td width=100000>{}</td></table>{}",
        "W".repeat(5_000),
        format!(
            "<p style='display:none'>{evil}</p><b>{}</b>",
            "\u{202e}x\u{1b}[2J".repeat(20)
        )
        .repeat(2_000)
    );
    format!(
        "Received: from {evil} ({evil} [192.0.2.1]) by {evil} with {evil}; Tue, 1 Sep 2026 09:30:00 +0000\r\n\
         From: \"{evil}\" <a@example.net>\r\nSubject: =?utf-8?B?{encoded}?=\r\nX-Evil: {evil}\r\nX-Long: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n\
         --bb\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n\
         --bb\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n\
         --bb\r\nContent-Type: application/octet-stream; name*=utf-8''%3Cscript%3Ewindow.hurt%3D1%3C%2Fscript%3E%E2%80%AEgpj.exe\r\n\
         Content-Disposition: attachment\r\n\r\nMZ\r\n--bb--\r\n",
        "y".repeat(10_000),
        "z".repeat(100_000),
    )
}

#[test]
fn a_hostile_message_does_nothing_in_the_quarantine() {
    let taker = Taker::start();
    let site = taker.site("");
    let message = hostile_message();
    assert!(message.len() > 500_000, "{}", message.len());
    let evil = "\"<script>window.hurt=1</script>\"@example.net";
    site.hold(evil, &[evil, "\u{202e}x@example.org"], &message);
    let Some(browser) = site.browser("ann") else {
        return;
    };
    let id = site.daemon.quarantined().remove(0);
    for path in ["/quarantine".to_owned(), format!("/quarantine/{id}")] {
        for size in [PHONE, DESK] {
            browser.size(size);
            browser.go(&path);
            browser.until("document.readyState === 'complete'");
            assert_eq!(browser.value("window.hurt ?? 0"), json!(0), "{path}");
            browser.check(&path);
            // Nothing of the message is more than text: one frame, one menu, our forms only, no pictures but ours.
            let ours = browser.value(
                "[document.querySelectorAll('main').length, document.querySelectorAll('.bar').length, \
                  document.querySelectorAll('iframe, object, embed, svg, style').length, \
                  document.querySelectorAll('img:not([src^=\"/assets/\"])').length, \
                  [...document.forms].filter((f) => new URL(f.action).origin !== location.origin).length, \
                  document.querySelectorAll('.preview a, .preview [style], .preview [id], .preview [onclick]').length]",
            );
            assert_eq!(ours, json!([1, 1, 0, 0, 0, 0]), "{path}");
            let bidi =
                browser.value("/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)");
            assert_eq!(bidi, json!(false), "{path}");
        }
    }
    assert!(browser.text(".preview").contains(HELD));
    assert!(browser.text("#files").contains("exe"));
}

/// Looks at a page on a phone and on a desk.
fn look(browser: &Browser, path: &str) {
    for size in [PHONE, DESK] {
        browser.size(size);
        browser.go(path);
        browser.until("document.readyState === 'complete'");
        browser.harmless(path);
        browser.check(path);
    }
}

/// What characters that act rather than are seen leave of the hostile words.
fn seen() -> String {
    HOSTILE.replace(['\u{7}', '\u{202e}', '\u{202c}', '\u{200b}'], "")
}

#[test]
fn what_strangers_send_does_nothing_on_any_page() {
    let site = Site::with_lists();
    site.day_of_mail();
    // Names that people try to sign in with stand in the log.
    assert_eq!(site.sign_in(HOSTILE, PASSWORD).status, 401);
    let Some(browser) = site.browser("ann") else {
        return;
    };
    for path in [
        "/",
        "/?span=day",
        "/history",
        "/history?sender=evil.example",
        "/quarantine",
        "/rules",
        "/rules?q=hostile",
        "/rules/TEST_HOSTILE",
        "/classifier",
        "/policy",
        "/configuration",
        "/log",
        "/users",
        "/audit",
        "/account",
    ] {
        look(&browser, path);
    }
    browser.go("/log");
    assert!(browser.text("#log").contains("<script>"));
    browser.go("/rules/TEST_HOSTILE");
    assert!(browser.text("main").contains("<script>"));
    let id = site.daemon.quarantined().remove(0);
    look(&browser, &format!("/quarantine/{id}"));
}

#[test]
fn what_is_looked_for_does_nothing_on_the_page_of_what_was_found() {
    let site = Site::with_lists();
    let Some(browser) = site.browser("ann") else {
        return;
    };
    let words = percent(HOSTILE);
    let long = percent(&HOSTILE.repeat(50));
    for path in [
        "/history?q=",
        "/history?sender=",
        "/quarantine?subject=",
        "/rules?q=",
        "/rules?sort=",
        "/rules/trial?rule=",
        "/audit?q=",
        "/classifier?model=",
        "/login?next=",
    ] {
        look(&browser, &format!("{path}{words}"));
        // Too long to be looked for, which the browser notes.
        browser.go(&format!("{path}{}", &long[..long.len().min(12_000)]));
        browser.harmless(path);
        browser.complaints();
        browser.check(path);
    }
    // Of keys that lead nowhere nothing is shown again.
    for path in ["/rules/", "/history/", "/quarantine/", "/policy/list/"] {
        browser.go(&format!("{path}{words}"));
        browser.harmless(path);
        assert!(!browser.text("main").contains("pwned"), "{path}");
        // The status of such an answer is one that the browser notes.
        browser.complaints();
    }
}

#[test]
fn what_people_write_does_nothing_to_others() {
    let site = Site::with_lists();
    let ann = site.signed_in("ann");
    let send = |path: &str, fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        fields.push(("form_token", &ann.form_token));
        let request = site.post(path).session(&ann.cookie);
        request.form(&fields).send().status
    };
    // Half a megabyte of a list is more than is edited here; what is there is shown all the same.
    let seen = seen();
    let line = format!("# {seen}\nbad.example\n");
    let remarks = line.repeat(500_000 / line.len() + 1);
    assert!(remarks.len() > 500_000);
    let file = site.daemon.path().join("deny.txt");
    std::fs::write(&file, line).unwrap();
    let page = site.get("/policy").session(&ann.cookie).send();
    let (_, rest) = page.body.split_once("/policy/list/").unwrap();
    let list = format!("/policy/list/{}", rest.split('"').next().unwrap());
    let entry = [("entry", "worse.example"), ("remark", &*seen)];
    assert_eq!(send(&format!("{list}/add"), &entry), 303);
    let label = [("label", &seen[..60]), ("role", "viewer"), ("days", "1")];
    let made = send("/account/tokens", &label);
    assert!([200, 422].contains(&made), "{made}");
    let message = format!("Subject: {HOSTILE}\n\n{}", HOSTILE.repeat(2_500));
    let trial = [("message", &*message)];
    assert_eq!(send("/rules/trial", &trial), 200);
    let Some(browser) = site.browser("ann") else {
        return;
    };
    for path in [
        "/policy",
        &list,
        "/audit",
        "/audit?q=list.edit",
        "/account",
        "/users",
    ] {
        look(&browser, path);
    }
    browser.go("/audit?q=list.edit");
    assert!(browser.text("#audit").contains("worse.example  # <script>"));
    std::fs::write(&file, remarks).unwrap();
    look(&browser, &list);
    assert!(browser.text("main").contains("too long to be edited"));
    // The same in the box for trials, as a browser sends it.
    browser.go("/rules/trial");
    let paste = format!(
        "document.querySelector('textarea').value = {}",
        json!(format!(
            "Subject: {HOSTILE}\n\n{HELD} {}",
            HOSTILE.repeat(2_500)
        ))
    );
    browser.value(&paste);
    browser.click("form button.main");
    browser.until("document.querySelector('[role=status]')");
    for size in [PHONE, DESK] {
        browser.size(size);
        browser.harmless("trial");
        browser.check("trial");
    }
}

#[test]
fn a_name_that_was_tried_does_nothing_on_the_page_of_signing_in() {
    let site = Site::with_lists();
    let Some(browser) = Browser::start(&site.url()) else {
        return;
    };
    browser.go("/login");
    browser.value("document.querySelector('input[name=name]').removeAttribute('maxlength')");
    browser.value(&format!(
        "document.querySelector('input[name=name]').value = {}",
        json!(HOSTILE)
    ));
    browser.fill("input[name=password]", PASSWORD);
    browser.click("button.main");
    wait_for("a refusal", || browser.look("[role=alert]"));
    browser.complaints();
    browser.harmless("login");
    browser.check("login");
}
