//! Rules in a browser: what they are worth, and messages that are tried out.

use super::daemon::{HELD, TAGGED, program};
use super::place::wait_for;
use super::site::Site;
use super::webdriver::{DESK, PHONE};

#[test]
fn a_message_is_tried_out_and_leaves_no_trace() {
    let site = Site::with_lists();
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
        browser.harmless("trial");
        browser.check("trial");
    }
    browser.keep("tried");
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
fn what_rules_are_worth_and_cost_is_shown_with_its_day() {
    let site = Site::with_lists();
    let Some(browser) = site.browser("cid") else {
        return;
    };
    browser.go("/rules");
    assert!(browser.text("#measured").contains("rules profile --keep"));
    for (class, words) in [("ham", "hello there"), ("spam", HELD), ("spam", TAGGED)] {
        let folder = site.daemon.path().join("mail").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..6 {
            let text = format!("Subject: {words} {n}\n\n{words} {}\n", n * 7919);
            std::fs::write(folder.join(format!("{words}{n}.eml")), text).unwrap();
        }
    }
    let profile = |more: &[&str]| {
        let out = program()
            .args(["rules", "profile", "--config", "mailweir.yaml"])
            .args(["--ham", "mail/ham", "--spam", "mail/spam"])
            .args(more)
            .current_dir(site.daemon.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
    };
    let file = site.daemon.path().join("data/rules-profile.json");
    profile(&["--json"]);
    assert!(!file.exists());
    profile(&["--keep", "--top", "1"]);
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/rules?sort=so");
        assert!(browser.text("#measured").contains("12 spam and 6 ham"));
        // Ham never has the word, so all that it says is spam.
        let first = "document.querySelector('#rules tbody td[data-label=\"S/O\"]').textContent";
        let so = browser.value(first);
        assert!(so.as_str().unwrap().starts_with("1.000"), "{so}");
        browser.check("rules with a profile");
        browser.keep(if size == DESK {
            "profile"
        } else {
            "profile-phone"
        });
        browser.go("/rules/TEST_NINE");
        let facts = browser.text(".facts");
        for word in ["6 spam, 0 ham", "µs a message", "S/O"] {
            assert!(facts.contains(word), "{word} in {facts}");
        }
        browser.check("a rule with a profile");
    }
    // Other rules than those that were measured.
    let rules = std::fs::read_to_string(site.daemon.rules()).unwrap();
    std::fs::write(site.daemon.rules(), rules.replace("score: 6", "score: 5")).unwrap();
    wait_for("the new rules", || {
        browser.go("/rules");
        let said = browser.text("#measured");
        said.contains("have changed since").then_some(())
    });
    // A file that is damaged is said, and nothing else is lost.
    std::fs::write(&file, "{").unwrap();
    browser.go("/rules");
    assert!(browser.text("#measured").contains("rules-profile.json"));
    assert!(browser.text("#rules").contains("TEST_NINE"));
    browser.check("rules with a damaged profile");
}
