//! Messages whose bytes are in an object store: where they lie is said everywhere by the same word, and what cannot be
//! done while the store is down fails with the reason and can be done afterwards.

use serde_json::{Value, json};

use super::client::Request;
use super::daemon::{Config, HELD};
use super::place::wait_for;
use super::shelf::{Fault, Shelf};
use super::site::Site;
use super::taker::Taker;

/// A console whose quarantine has a store.
fn site(shelf: &Shelf, taker: &Taker) -> Site {
    Site::new(Config {
        chain: "[rules, bayes]",
        sections: format!(
            "quarantine:
  release: {{ smtp: '127.0.0.1:{}' }}
  forward: {{ to: analyst@example.com }}
  objects: {{ url: '{}', timeout: 20s }}
",
            taker.port, shelf.url
        ),
        ..Config::default()
    })
}

/// Asks the API with a token, and gives status and body.
struct Api {
    port: u16,
    token: String,
}

impl Api {
    fn of(site: &Site) -> Api {
        let args = ["token", "ann", "--label", "tests", "--role", "admin"];
        let said = String::from_utf8(site.command(&args, "").stdout).unwrap();
        let token = said.split_whitespace().max_by_key(|word| word.len());
        Api {
            port: site.port,
            token: token.unwrap().to_owned(),
        }
    }

    fn ask(&self, method: &'static str, path: &str) -> (u16, Value) {
        let answer = Request::new(self.port, method, &format!("/api/v1/{path}"))
            .field("Authorization", &format!("Bearer {}", self.token))
            .send();
        let body = serde_json::from_str(&answer.body);
        (answer.status, body.unwrap_or(Value::String(answer.body)))
    }
}

fn letter(subject: &str) -> String {
    format!("From: a@b.example\r\nSubject: {subject}\r\n\r\n{HELD} of {subject}\r\n")
}

#[test]
fn where_the_bytes_lie_is_said_by_the_same_word_everywhere() {
    let (shelf, taker) = (Shelf::start(), Taker::start());
    let site = site(&shelf, &taker);
    let (api, cookie) = (Api::of(&site), site.session("cid"));
    let is_said = |id: &str, word: &str| {
        assert_eq!(api.ask("GET", "quarantine").1["items"][0]["location"], word);
        let one = api.ask("GET", &format!("quarantine/{id}")).1;
        assert_eq!(one["location"], word, "{one}");
        let page = site.get(&format!("/quarantine/{id}")).session(&cookie);
        let page = page.send().body;
        assert!(
            page.contains(&format!("<dt>Location</dt><dd><bdi>{word}</bdi>")),
            "{page}"
        );
        for args in [&["list", "--json"][..], &["show", "--json", id]] {
            let out = site.daemon.quarantine(args).stdout;
            let told: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(told["location"], word, "{args:?} {told}");
        }
        let shown = site.daemon.quarantine(&["show", id]).stdout;
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.contains(&format!("\nLocation       {word}\n")),
            "{shown}"
        );
        let listed = site.daemon.quarantine(&["list"]).stdout;
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(listed.contains("Location"), word != "folder", "{listed}");
        assert_eq!(listed.contains(word), word != "folder", "{listed}");
    };
    shelf.fail(Fault::Down);
    site.hold("a@b.example", &["c@example.org"], &letter("one"));
    let id = site.daemon.quarantined().remove(0);
    is_said(&id, "waiting");
    shelf.fail(Fault::None);
    site.daemon
        .wait_for_metric("mailweir_quarantine_objects", 1.0);
    is_said(&id, "objects");
    // Given up: it comes back, and stays.
    let file = site.daemon.path().join("mailweir.yaml");
    let yaml = std::fs::read_to_string(&file).unwrap();
    let drained = yaml.replace("timeout: 20s", "timeout: 20s, drain: true");
    std::fs::write(&file, drained).unwrap();
    site.daemon.signal("HUP");
    wait_for("the message in the folder", || {
        let one = api.ask("GET", &format!("quarantine/{id}")).1;
        (one["location"] == "folder").then_some(())
    });
    is_said(&id, "folder");
}

#[test]
fn what_fails_while_the_store_is_down_says_so_and_works_when_it_is_back() {
    let (shelf, taker) = (Shelf::start(), Taker::start());
    let site = site(&shelf, &taker);
    let api = Api::of(&site);
    site.hold("a@b.example", &["c@example.org"], &letter("one"));
    site.daemon
        .wait_for_metric("mailweir_quarantine_objects", 1.0);
    let id = site.daemon.quarantined().remove(0);
    shelf.fail(Fault::Refuses);

    // Programs are told 503 and why, whatever they wanted with the bytes.
    for (method, path) in [
        ("GET", format!("quarantine/{id}/message")),
        ("GET", format!("quarantine/{id}/preview")),
        ("POST", format!("quarantine/{id}/release")),
        ("POST", format!("quarantine/{id}/forward")),
        ("DELETE", format!("quarantine/{id}?learn=true")),
    ] {
        let (status, told) = api.ask(method, &path);
        assert_eq!(status, 503, "{method} {path} {told}");
        let why = told["detail"].as_str().unwrap();
        assert!(why.contains("object store cannot be used now"), "{why}");
        assert!(!why.contains(['\u{1b}', '\u{202e}']), "{why}");
    }
    // What is known is still told.
    let (status, known) = api.ask("GET", &format!("quarantine/{id}"));
    assert_eq!(
        (status, &known["state"], &known["location"]),
        (200, &json!("held"), &json!("objects")),
        "{known}"
    );

    // People see what is known, and why there is no more; what they try to do fails.
    let ann = site.signed_in("ann");
    let page = |path: &str| site.get(path).session(&ann.cookie).send();
    let shown = page(&format!("/quarantine/{id}"));
    assert_eq!(shown.status, 200);
    assert!(
        shown
            .body
            .contains("The object store does not give the message")
    );
    assert!(shown.body.contains("c@example.org"), "{}", shown.body);
    assert_eq!(page(&format!("/quarantine/{id}/message.eml")).status, 503);
    for (act, fields) in [
        ("release", vec![("to", "c@example.org")]),
        ("forward", vec![]),
        ("delete", vec![("learn", "spam")]),
    ] {
        let mut form = vec![("form_token", ann.form_token.as_str())];
        form.extend(fields);
        let request = site.post(&format!("/quarantine/{id}/{act}"));
        let answer = request.session(&ann.cookie).form(&form).send();
        assert_eq!(answer.status, 503, "{act} {answer:?}");
        assert!(answer.body.contains("object store"), "{act} {answer:?}");
    }

    // The command says it, too.
    let out = site.daemon.quarantine(&["release", &id]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("object store cannot be used now"), "{said}");
    assert!(taker.recipients().is_empty());

    // And when it is back, the same works.
    shelf.fail(Fault::None);
    let (status, freed) = api.ask("POST", &format!("quarantine/{id}/release"));
    assert_eq!((status, &freed["recipients"]), (200, &json!(1)), "{freed}");
    assert_eq!(taker.recipients(), ["<c@example.org>"]);
    assert_eq!(api.ask("GET", &format!("quarantine/{id}/preview")).0, 200);
}
