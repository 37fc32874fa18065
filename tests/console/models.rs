//! Models: promoted, kept aside and rolled back in the browser.

#[path = "../workbench/letters.rs"]
mod letters;

use super::daemon::{Config, program};
use super::site::Site;
use super::webdriver::{DESK, PHONE};

/// Runs the program in the folder of the daemon; words are separated by spaces.
fn run(site: &Site, line: &str, code: i32) {
    let out = program()
        .args(line.split(' '))
        .args(["--data-dir", "data"])
        .current_dir(site.daemon.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(code), "{line}: {out:?}");
}

#[test]
fn a_model_is_rolled_back_to_and_a_worse_one_is_kept_aside() {
    let site = Site::new(Config {
        chain: "[rules, bayes]",
        watch: "100ms",
        ..Config::default()
    });
    let write = |name: &str, spam: bool, numbers: std::ops::Range<u64>| {
        letters::write(&site.daemon.path().join(name), spam, numbers, 20);
    };
    write("ham", false, 0..60);
    write("spam", true, 0..60);
    write("pin/ham", false, 1000..1030);
    write("pin/spam", true, 1000..1030);
    run(&site, "model pin --ham pin/ham --spam pin/spam", 0);
    run(&site, "train --ham ham --spam spam --promote", 0);
    write("ham", false, 100..130);
    write("spam", true, 100..130);
    run(
        &site,
        "train --ham ham --spam spam --promote --learning-curve",
        0,
    );
    // Labels the wrong way round.
    run(&site, "train --ham spam --spam ham --model bad.mwb", 0);
    run(&site, "model promote bad.mwb", 3);
    let Some(browser) = site.browser("ann") else {
        return;
    };
    for size in [DESK, PHONE] {
        browser.size(size);
        browser.go("/classifier");
        browser.check("classifier");
    }
    browser.size(DESK);
    // What the training came to, of the model in force and of the one before.
    let pictures = |path: &str| {
        browser.go(path);
        browser.check(path);
        browser.value("document.querySelectorAll('#evaluation svg.curve').length")
    };
    assert_eq!(pictures("/classifier"), 3);
    assert!(browser.text("#evaluation").contains("1-ROCA"));
    browser.keep("evaluation");
    browser.click("#models tbody tr:nth-child(3) th a");
    browser.until("location.search.includes('model=')");
    assert_eq!(
        browser.value("document.querySelectorAll('#evaluation svg.curve').length"),
        2
    );
    assert_eq!(pictures("/classifier?model=../../../etc/passwd"), 0);
    browser.go("/classifier");
    let state = |n: usize| browser.text(&format!("#models tbody tr:nth-child({n}) .tag"));
    assert_eq!([1, 2, 3].map(state), ["kept aside", "in force", "before"]);
    browser.click("#models tbody tr:nth-child(3) form[action$=rollback] button");
    browser.accept();
    browser
        .until("document.querySelector('[role=status]')?.textContent.includes('in force again')");
    assert_eq!(state(3), "in force");
    browser.click("#models tbody tr:nth-child(1) form[action$=promote] button");
    browser.accept();
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('kept aside')");
    assert_eq!(state(3), "in force");
    browser.check("classifier");
    browser.keep("models");
    // The daemon takes what is in force.
    site.daemon
        .wait_for_metric("mailweir_model_messages{class=\"ham\"}", 60.0);
    browser.go("/audit?q=model.");
    let audit = browser.text("#audit");
    for word in ["model.rollback", "model.trial"] {
        assert!(audit.contains(word), "{audit}");
    }
}
