//! Reloads and restarts, as the console shows them, and what of its own configuration they change.

use super::daemon::{Config, RULES};
use super::place::wait_for;
use super::site::Site;
use super::webdriver::{DESK, PHONE};

#[test]
fn a_refused_reload_is_shown_with_its_place_and_the_overview_goes_on_by_itself() {
    let site = Site::with_lists();
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
fn sessions_and_addresses_follow_the_configuration_and_the_listener_stays() {
    let site = Site::with_lists();
    let ann = site.session("ann");
    let file = site.daemon.path().join("mailweir.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let reload = |section: &str| {
        let reloads = site.daemon.metric("mailweir_reloads_total{result=\"ok\"}");
        let old = format!("console: {{ listen: '127.0.0.1:{}' }}\n", site.port);
        assert!(written.contains(&old), "{written}");
        std::fs::write(&file, written.replace(&old, section)).unwrap();
        site.daemon
            .wait_for_metric("mailweir_reloads_total{result=\"ok\"}", reloads + 1.0);
    };
    // Another address, and proxies, from which on cookies are bound to HTTPS.
    reload(&format!(
        "console: {{ listen: '127.0.0.1:{}', url: 'https://console.example', trusted_proxies: [127.0.0.0/8] }}\n",
        site.port
    ));
    wait_for("the new address", || {
        let page = site.get("/account").session(&ann).send();
        (page.status == 303).then_some(())
    });
    let signed_in = site
        .post("/login")
        .field("Origin", "https://console.example")
        .encoded(&[("name", "ann"), ("password", super::site::PASSWORD)])
        .send();
    let cookie = signed_in.cookie().unwrap();
    assert!(cookie.starts_with("__Host-mailweir="), "{cookie}");
    // A listener is where it was at the start, and the log says so.
    reload(
        "console: { listen: '127.0.0.1:1', connections: 9, session: { idle: 5m, total: 6m } }\n",
    );
    let said = wait_for("a word about the restart", || {
        let log = site.daemon.log();
        log.contains("take a restart").then_some(log)
    });
    assert!(said.contains("listen, connections"), "{said}");
    let again = site.sign_in("ann", super::site::PASSWORD);
    let field = again.field("set-cookie").unwrap();
    assert!(field.contains("Max-Age=360;"), "{field}");
    reload("");
    wait_for("a word about switching off", || {
        site.daemon.log().contains("switching it off").then_some(())
    });
    assert_eq!(site.get("/login").send().status, 200);
}

#[test]
fn charts_go_on_after_a_restart() {
    let mut site = Site::new(Config::default());
    site.day_of_mail();
    let messages = |site: &Site| {
        let page = site.get("/").session(&site.session("ann")).send();
        let (_, rest) = page.body.split_once("<ul class=\"tiles\">").unwrap();
        let (_, rest) = rest.split_once("<strong>").unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let before = messages(&site);
    assert_eq!(before, "19");
    site.daemon.signal("TERM");
    site.daemon.wait();
    site.daemon.restart();
    assert_eq!(messages(&site), before);
    // What comes now is added.
    site.send(&[(
        "Subject: one more\r\n\r\nHello\r\n".to_owned(),
        "ann@sender.example",
    )]);
    wait_for("one more", || (messages(&site) == "20").then_some(()));
}
