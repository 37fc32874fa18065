//! `mailweir corpus check`: what was planted is found.

use std::fs;

use super::letters::{self, letter};
use super::place::Place;

fn planted() -> Place {
    let place = Place::new();
    letters::write(&place.path("mail/ham"), false, 0..60, 25);
    letters::write(&place.path("mail/spam"), true, 0..60, 25);
    let write = |name: &str, text: String| fs::write(place.path("mail").join(name), text).unwrap();
    // A copy, a near copy, the same under both labels, one under the wrong label.
    write("ham/copy.eml", letter(false, 3, 25));
    write(
        "ham/near.eml",
        letter(false, 4, 25).replace("letter 4", "letter four"),
    );
    write("ham/both.eml", letter(true, 5, 25));
    write("ham/wrong\u{1b}.eml", letter(true, 777, 60));
    letters::write(&place.path("test/ham"), false, 900..905, 25);
    letters::write(&place.path("test/spam"), true, 900..905, 25);
    fs::write(place.path("test/ham/leak.eml"), letter(false, 8, 25)).unwrap();
    place
}

#[test]
fn what_was_planted_is_found() {
    let place = planted();
    let line = "corpus check mail --test-ham test/ham --test-spam test/spam";
    let found = place.json(&format!("{line} --json"));
    assert_eq!(found["counts"]["ham"], 64);
    assert_eq!(found["counts"]["spam"], 60);
    assert_eq!(found["counts"]["test"], 11);
    assert_eq!(found["copies"], 1);
    assert_eq!(found["near_copies"], 3);
    assert_eq!(found["contradicting"], 1);
    assert_eq!(found["contradictions"][0]["exact"], true);
    let paths = found["contradictions"][0]["messages"].to_string();
    assert!(
        paths.contains("ham/both.eml") && paths.contains("spam/0005.eml"),
        "{paths}"
    );
    assert_eq!(found["suspects"][0]["path"], "mail/ham/wrong\u{1b}.eml");
    assert_eq!(found["suspects"][0]["label"], "ham");
    assert_eq!(found["leaking"], 1);
    assert_eq!(found["leaks"][0]["test"], "test/ham/leak.eml");
    assert_eq!(found["leaks"][0]["learned"], "mail/ham/0008.eml");

    let said = place.run(line);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("wrong\\u{1b}.eml"), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'));
    assert!(
        said.out
            .contains("leaking         1 of the 11 test messages"),
        "{}",
        said.out
    );
}

#[test]
fn strict_fails_on_what_makes_figures_wrong_and_only_then() {
    let place = planted();
    let said = place.run("corpus check mail --strict");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("both labels"), "{}", said.err);
    fs::remove_file(place.path("mail/ham/both.eml")).unwrap();
    assert_eq!(place.run("corpus check mail --strict").code, 0);
    assert_eq!(
        place
            .run("corpus check mail --strict --test-ham test/ham")
            .code,
        1
    );
}

#[test]
fn mail_without_labels_is_checked_for_copies() {
    let place = planted();
    let found = place.json("corpus check mail/ham --json");
    assert_eq!(found["counts"]["unlabelled"], 64);
    assert_eq!(found["near_copies"], 2);
    assert_eq!(found["doubtful"], serde_json::Value::Null);
    fs::create_dir(place.path("empty")).unwrap();
    let said = place.run("corpus check empty");
    assert_eq!(
        (said.code, said.err.contains("no messages")),
        (1, true),
        "{}",
        said.err
    );
}

#[test]
fn classes_that_were_collected_apart_are_told_from_each_other_by_that() {
    let place = Place::new();
    letters::write(&place.path("mail/ham"), false, 0..30, 25);
    fs::create_dir_all(place.path("mail/spam")).unwrap();
    for number in 0..30 {
        let trap = format!(
            "Received: from x by trap.example.net; Tue, {} Mar 2023 10:00:00 +0000\nX-Trap: yes\n{}",
            1 + number % 28,
            letter(true, number, 25)
        );
        fs::write(place.path("mail/spam").join(format!("{number}.eml")), trap).unwrap();
    }
    let found = place.json("corpus check mail --json");
    assert_eq!(found["date_distance"], 1.0);
    let skew = found["skew"].as_array().unwrap();
    let sign = |value: &str| {
        skew.iter()
            .find(|s| s["value"] == value)
            .unwrap_or_else(|| panic!("{value}: {skew:?}"))
    };
    assert_eq!(sign("x-trap")["seen_by_classifier"], true);
    assert_eq!(sign("trap.example.net")["seen_by_classifier"], false);
    assert_eq!(sign("trap.example.net")["spam"], 1.0);
}
