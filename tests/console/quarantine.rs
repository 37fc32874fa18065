//! The quarantine in a browser: looking for messages, looking at one, releasing, learning, deleting; hostile mail; the
//! pages behind links.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::daemon::{Config, HELD, program};
use super::place::wait_for;
use super::site::Site;
use super::webdriver::{DESK, PHONE};

/// A mail server that takes everything and remembers the recipients.
struct Taker {
    port: u16,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Taker {
    fn start() -> Taker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let log = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                std::thread::spawn(move || take(stream, &log));
            }
        });
        Taker { port, taken }
    }

    fn recipients(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

fn take(stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    out.write_all(b"220 taker\r\n")?;
    let mut recipients = Vec::new();
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(recipient) = line.strip_prefix("RCPT TO:") {
            recipients.push(recipient.to_owned());
        }
        let reply: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" => b"250-taker\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "DATA" => {
                out.write_all(b"354 go\r\n")?;
                loop {
                    let mut line = Vec::new();
                    lines.read_until(b'\n', &mut line)?;
                    if line == b".\r\n" {
                        break;
                    }
                }
                log.lock().unwrap().append(&mut recipients);
                b"250 taken\r\n"
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        out.write_all(reply)?;
    }
}

/// A console with a quarantine whose releases go to a mail server, and whose recipients are told.
fn site(taker: &Taker, chain: &'static str, more: &str) -> Site {
    let sections = format!(
        "quarantine: {{ release: {{ smtp: \"127.0.0.1:{}\" }}, forward: {{ to: analyst@example.com }}{more} }}\n",
        taker.port
    );
    Site::new(Config {
        chain,
        sections,
        ..Config::default()
    })
}

/// Brings a message to the daemon as a mail server would; it is held.
fn hold(site: &Site, from: &str, to: &[&str], message: &str) {
    let file = site.daemon.path().join("message.eml");
    std::fs::write(&file, message).unwrap();
    let mut command = program();
    command
        .args(["send", "--milter"])
        .arg(format!("127.0.0.1:{}", site.daemon.milter));
    command.args(["--from", from]);
    for to in to {
        command.args(["--rcpt", to]);
    }
    let out = command.arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        said.contains("quarantine") || said.contains("discard"),
        "{out:?}"
    );
}

fn plain(subject: &str) -> String {
    format!(
        "Received: from a.example (a.example [192.0.2.1]) by b.example with ESMTPS; Tue, 1 Sep 2026 09:30:00 +0000\r\n\
         From: a@example.net\r\nSubject: {subject}\r\n\r\n{HELD} of {subject}\r\n"
    )
}

#[test]
fn messages_are_searched_sorted_looked_at_released_taught_and_deleted() {
    let taker = Taker::start();
    let site = site(&taker, "[rules]", "");
    for (number, subject) in ["apples", "pears", "plums"].iter().enumerate() {
        let to = ["ann@example.org", "ben@example.org"];
        let message = plain(&format!("{subject} {}", "x".repeat(number)));
        hold(&site, &format!("s{number}@example.net"), &to, &message);
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

/// Half a megabyte of what harms, and everything else at once.
fn hostile() -> String {
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
fn hostile_mail_does_nothing_in_any_view() {
    let taker = Taker::start();
    let site = site(&taker, "[rules]", "");
    let message = hostile();
    assert!(message.len() > 500_000, "{}", message.len());
    let evil = "\"<script>window.hurt=1</script>\"@example.net";
    hold(&site, evil, &[evil, "\u{202e}x@example.org"], &message);
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

#[test]
fn each_role_may_do_what_it_may_and_no_more() {
    let taker = Taker::start();
    let site = site(&taker, "[rules]", "");
    hold(
        &site,
        "a@example.net",
        &["ann@example.org"],
        &plain("apples"),
    );
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
        // An analyst, but without the word of his session, or from elsewhere.
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
fn a_link_shows_first_and_releases_by_a_button_once() {
    let taker = Taker::start();
    let site = site(
        &taker,
        "[rules]",
        ", digest: { base_url: \"http://console.example\" }",
    );
    hold(
        &site,
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
