//! The quarantine in a browser: looking for messages, looking at one, releasing, learning, deleting; hostile mail; the
//! pages behind links.

use serde_json::json;

use super::daemon::HELD;
use super::place::wait_for;
use super::site::Site;
use super::taker::Taker;
use super::webdriver::{DESK, PHONE};

fn plain(subject: &str) -> String {
    format!(
        "Received: from a.example (a.example [192.0.2.1]) by b.example with ESMTPS; Tue, 1 Sep 2026 09:30:00 +0000\r\n\
         From: a@example.net\r\nSubject: {subject}\r\n\r\n{HELD} of {subject}\r\n"
    )
}

#[test]
fn messages_are_searched_sorted_looked_at_released_taught_and_deleted() {
    let taker = Taker::start();
    let site = taker.site("");
    for (number, subject) in ["apples", "pears", "plums"].iter().enumerate() {
        let to = ["ann@example.org", "ben@example.org"];
        let message = plain(&format!("{subject} {}", "x".repeat(number)));
        site.hold(&format!("s{number}@example.net"), &to, &message);
    }
    let Some(browser) = site.browser("bob") else {
        return;
    };
    let subjects = "[...document.querySelectorAll('#held tbody td[data-label=Subject] a')].map((a) => a.textContent.trim().split(' ')[0])";
    browser.go("/quarantine");
    assert_eq!(browser.value(subjects), json!(["plums", "pears", "apples"]));
    for size in [PHONE, DESK] {
        browser.size(size);
        browser.check("the list");
    }
    // Sorted by a click on a heading, on the server.
    browser.click("#held thead th:nth-of-type(4) a");
    browser.until("location.search.includes('sort=subject')");
    assert_eq!(browser.value(subjects), json!(["apples", "pears", "plums"]));
    // Searched by keys: `/`, words, Enter.
    browser.press("/");
    browser.press("pears\u{e007}");
    browser.until("location.search.includes('subject=pears')");
    assert_eq!(browser.value(subjects), json!(["pears"]));

    // One message: chosen recipients only.
    browser.click("#held tbody a");
    browser.until("document.querySelector('#why')");
    assert!(browser.text("#why").contains("TEST_NINE"));
    assert!(browser.text(".preview").contains(HELD));
    assert!(browser.text("#way").contains("a.example"));
    for size in [PHONE, DESK] {
        browser.size(size);
        browser.check("a message");
    }
    browser.click("#release input[value='ben@example.org']");
    browser.click("#release button.main");
    browser.until("location.search.includes('done=released')");
    assert!(browser.text("[role=status]").contains("released"));
    assert_eq!(browser.text("#state"), "partly");
    assert_eq!(taker.recipients(), ["<ann@example.org>"]);
    browser.check("released");

    // Forwarded to the analyst that is configured.
    browser.click("#main details summary");
    browser.click("#forward button");
    browser.until("location.search.includes('done=forwarded')");
    assert_eq!(taker.recipients()[1], "<analyst@example.com>");

    // The other recipient, and taught.
    browser.click("#release button[value=ham]");
    browser.until("location.search.includes('done=released-ham')");
    assert_eq!(browser.text("#state"), "released");
    assert_eq!(taker.recipients()[2], "<ben@example.org>");
    assert!(site.daemon.path().join("data/model.mwb.journal").exists() || journal(&site));

    // Deleted and taught as spam, after a question.
    browser.go("/quarantine?subject=apples");
    browser.click("#held tbody a");
    browser.click("button[value=spam]");
    browser.accept();
    browser.until("location.search.includes('done=deleted-spam')");
    assert_eq!(browser.value(subjects), json!(["plums", "pears"]));

    // Several at one time: ticked, and all that match, after their number was confirmed.
    browser.click("input[data-all=id]");
    browser.click("button[value=release]");
    browser.until("document.querySelector('[role=status]')");
    let said = browser.text("[role=status]");
    assert!(
        said.contains("1 done") && said.contains("1 failed"),
        "{said}"
    );
    browser.check("done to several");
    browser.go("/quarantine?from=s");
    browser.click("input[name=all]");
    browser.click("button[value=delete]");
    browser.accept();
    browser.until("document.querySelector('#confirm')");
    assert!(browser.text("#confirm").contains("Delete 2"));
    browser.check("a question");
    browser.click("#confirm");
    browser.until("document.querySelector('[role=status]')");
    assert!(browser.text("[role=status]").contains("2 done"));
    assert!(site.daemon.quarantined().is_empty());
}

/// Whether lessons were written, wherever the journal lies.
fn journal(site: &Site) -> bool {
    let data = std::fs::read_dir(site.daemon.path().join("data")).unwrap();
    data.flatten().any(|e| {
        e.file_name().to_string_lossy().contains("journal")
            || e.file_name().to_string_lossy().contains("lessons")
    })
}

#[test]
fn each_role_may_do_what_it_may_and_no_more() {
    let taker = Taker::start();
    let site = taker.site("");
    site.hold("a@example.net", &["ann@example.org"], &plain("apples"));
    let id = site.daemon.quarantined().remove(0);
    let (viewer, analyst) = (site.session("cid"), site.session("bob"));
    let page = format!("/quarantine/{id}");
    let list = site.get("/quarantine").session(&viewer).send();
    assert!(
        list.status == 200 && !list.body.contains("name=\"act\""),
        "{list:?}"
    );
    let shown = site.get(&page).session(&viewer).send();
    assert!(
        shown.status == 200 && !shown.body.contains("Delete"),
        "{shown:?}"
    );
    let token = shown.form_token();
    for (path, fields) in [
        (format!("{page}/release"), vec![("to", "ann@example.org")]),
        (format!("{page}/delete"), vec![]),
        (format!("{page}/forward"), vec![("to", "a@b")]),
        (
            "/quarantine/do".to_owned(),
            vec![("act", "delete"), ("id", &*id)],
        ),
    ] {
        let mut own = fields.clone();
        own.push(("form_token", &token));
        assert_eq!(
            site.post(&path).session(&viewer).form(&own).send().status,
            403,
            "{path}"
        );
        assert_eq!(site.post(&path).form(&own).send().status, 401, "{path}");
        // An analyst, but without the word of the session, or from elsewhere.
        assert_eq!(
            site.post(&path)
                .session(&analyst)
                .form(&fields)
                .send()
                .status,
            403,
            "{path}"
        );
        let token = site.get(&page).session(&analyst).send().form_token();
        let mut own = fields.clone();
        own.push(("form_token", &token));
        assert_eq!(
            site.post(&path)
                .session(&analyst)
                .encoded(&own)
                .send()
                .status,
            403,
            "{path}"
        );
    }
    let save = format!("{page}/message.eml");
    assert_eq!(site.get(&save).session(&viewer).send().status, 403);
    let saved = site.get(&save).session(&analyst).send();
    assert_eq!(saved.body, plain("apples"));
    assert_eq!(
        saved.field("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(saved.field("x-content-type-options"), Some("nosniff"));
    for (path, status) in [
        ("/quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404),
        ("/quarantine/..%2f..%2fetc", 404),
        ("/quarantine?client=nonsense", 422),
        ("/quarantine?after=nonsense", 422),
    ] {
        assert_eq!(
            site.get(path).session(&analyst).send().status,
            status,
            "{path}"
        );
    }
    assert!(taker.recipients().is_empty());
    assert_eq!(site.daemon.quarantined(), [id]);
}

#[test]
fn what_was_begun_comes_to_its_end_although_the_browser_leaves_and_is_told() {
    let taker = Taker::start();
    let site = taker.site("");
    for n in 0..25 {
        let message = plain(&format!("letter {n}"));
        site.hold("a@example.net", &["ann@example.org"], &message);
    }
    let ids = site.daemon.quarantined();
    let bob = site.signed_in("bob");
    let token = ("form_token", bob.form_token.as_str());
    // To somebody else than its recipient, and the audit log says to whom.
    let elsewhere = [("to", "eve@other.example"), token];
    let release = site.post(&format!("/quarantine/{}/release", ids[0]));
    let released = release.session(&bob.cookie).form(&elsewhere).send();
    assert_eq!(released.status, 303, "{released:?}");
    // The others at one time, by somebody who does not wait for the end.
    let held = || {
        let days = std::fs::read_dir(site.daemon.path().join("data/quarantine")).unwrap();
        let days = days
            .flatten()
            .filter_map(|day| std::fs::read_dir(day.path()).ok());
        days.flatten()
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|e| e == "eml"))
            .count()
    };
    assert_eq!(held(), ids.len());
    let others = &ids[1..];
    let mut fields = vec![("act", "delete"), token];
    fields.extend(others.iter().map(|id| ("id", id.as_str())));
    let delete = site.post("/quarantine/do").session(&bob.cookie);
    delete.form(&fields).send_and_leave(|| held() < ids.len());
    wait_for("the end of what was begun", || {
        (site.daemon.quarantined() == ids[..1]).then_some(())
    });
    let ann = site.session("ann");
    let audit = |word: &str| {
        let page = site.get(&format!("/audit?q={word}"));
        page.session(&ann).send().body
    };
    wait_for("the audit log", || {
        let told = audit("quarantine.delete");
        others.iter().all(|id| told.contains(id)).then_some(())
    });
    let told = audit("quarantine.release");
    assert!(told.contains("to eve@other.example"), "{told}");
}

#[test]
fn a_link_shows_first_and_releases_by_a_button_once() {
    let taker = Taker::start();
    let site = taker.site(", digest: { base_url: \"http://console.example\" }");
    site.hold(
        "a@example.net",
        &["ann@example.org", "ben@example.org"],
        &plain("apples"),
    );
    let id = site.daemon.quarantined().remove(0);
    let done = site.daemon.quarantine(&["digest"]);
    assert!(done.status.success(), "{done:?}");
    let link = site.daemon.quarantine(&["link", &id, "ann@example.org"]);
    let link = String::from_utf8(link.stdout).unwrap();
    let path = link.trim().strip_prefix("http://console.example").unwrap();
    let before = taker.recipients().len();

    // Programs that look at links release nothing.
    for _ in 0..3 {
        let page = site.get(path).send();
        assert!(
            page.status == 200 && page.body.contains("apples"),
            "{page:?}"
        );
        assert!(!page.body.contains("ben@example.org"), "{page:?}");
    }
    assert_eq!(site.post(&format!("{path}x")).send().status, 404);
    assert_eq!(taker.recipients().len(), before);
    match site.browser("cid") {
        Some(browser) => {
            for size in [PHONE, DESK] {
                browser.size(size);
                browser.go(path);
                browser.check("a link");
            }
            browser.click("#release");
            browser.until("document.querySelector('[role=status]')");
            browser.check("a link that was used");
        }
        None => assert_eq!(site.post(path).send().status, 200),
    }
    wait_for("the release", || {
        (taker.recipients().len() > before).then_some(())
    });
    assert_eq!(taker.recipients()[before..], ["<ann@example.org>"]);
    assert_eq!(site.post(path).send().status, 409);
    assert!(site.get(path).send().body.contains("already"));
    assert_eq!(taker.recipients().len(), before + 1);
    assert!(
        site.daemon
            .metric("mailweir_quarantine_links_total{result=\"before\"}")
            >= 1.0
    );
}
