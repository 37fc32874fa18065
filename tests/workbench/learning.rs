//! `mailweir learn`: lessons are durable, from wherever they come.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use super::letters::{self, letter};
use super::place::Place;

fn place() -> Place {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..60, 20);
    letters::write(&place.path("spam"), true, 0..60, 20);
    fs::create_dir(place.path("data")).unwrap();
    place.ok("train --ham ham --spam spam --model data/model.mwb");
    place
}

fn journal(place: &Place) -> u64 {
    fs::metadata(place.path("data/model.mwb.journal")).map_or(0, |m| m.len())
}

fn by_pipe(place: &Place, line: &str, message: &[u8]) -> Output {
    let mut child = place
        .command(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses the message may not read it to its end.
    let _ = child.stdin.take().unwrap().write_all(message);
    child.wait_with_output().unwrap()
}

#[test]
fn what_is_learned_changes_the_verdict_until_it_is_forgotten() {
    let place = place();
    fs::write(
        place.path("mailweir.yaml"),
        "chain: [bayes]\ndata_dir: data\n",
    )
    .unwrap();
    let score = || {
        let out = place.ok("scan --config mailweir.yaml --json odd.eml");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        json["hits"][0]["score"].as_f64().unwrap()
    };
    // A letter of words that nobody has seen, again and again.
    let odd: Vec<String> = (0..12)
        .map(|i| letter(false, 5000 + i, 0).replace("word", "quux"))
        .collect();
    fs::write(place.path("odd.eml"), &odd[0]).unwrap();
    fs::create_dir(place.path("odd")).unwrap();
    for (i, text) in odd.iter().enumerate().skip(1) {
        fs::write(place.path(format!("odd/{i}.eml")), text).unwrap();
    }
    let before = score();
    assert_eq!(
        place.ok("learn --config mailweir.yaml spam odd"),
        "11 messages learned as spam\n"
    );
    let taught = score();
    assert!(taught > before, "{before} {taught}");
    place.ok("learn --config mailweir.yaml forget odd");
    assert_eq!(score(), before);
}

#[test]
fn one_message_comes_by_pipe_with_or_without_a_separator() {
    let place = place();
    let text = letter(true, 900, 20);
    let out = by_pipe(&place, "learn --data-dir data spam", text.as_bytes());
    assert_eq!(
        out.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(out.stdout.is_empty());
    let first = journal(&place);
    assert!(first > 28);
    let separated = format!("From x@y Mon Jan  1 10:00:00 2024\n{text}");
    let out = by_pipe(&place, "learn --data-dir data spam -", separated.as_bytes());
    assert_eq!(out.status.code(), Some(0));
    // The same message gives a lesson of the same length: the separator is no part of it.
    assert_eq!(journal(&place) - first, first - 28);
}

#[test]
fn what_cannot_be_learned_now_is_to_be_given_again() {
    let place = place();
    let refused = |line: &str, message: &[u8], code: i32, why: &str| {
        let out = by_pipe(&place, line, message);
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{line}: {err}");
        assert!(err.contains(why), "{line}: {err}");
    };
    refused(
        "learn --data-dir data spam",
        b"\n",
        75,
        "no message on standard input",
    );
    refused(
        "learn --data-dir nowhere ham",
        b"A: b\n\n",
        75,
        "no folder nowhere",
    );
    refused("learn --data-dir data junk", b"A: b\n\n", 2, "junk");
    refused(
        "learn --data-dir data ham none.eml",
        b"",
        1,
        "cannot read none.eml",
    );
    fs::write(
        place.path("data/model.mwb.journal"),
        "this is no journal but something that a person wrote",
    )
    .unwrap();
    refused("learn --data-dir data ham", b"A: b\n\n", 75, "no journal");
}

#[test]
fn many_at_once_lose_nothing() {
    let place = place();
    letters::write(&place.path("more"), true, 600..605, 20);
    place.ok("learn --data-dir data spam more");
    let once = journal(&place) - 28;
    let children: Vec<_> = (0..8)
        .map(|_| {
            place
                .command("learn --data-dir data spam more")
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(journal(&place) - 28, 9 * once);
}

#[test]
fn the_strongest_features_of_each_side_are_named_with_their_counts() {
    let place = place();
    fs::write(
        place.path("new.eml"),
        letter(true, 950, 30).replace("word1 ", "gain\u{202e}evil "),
    )
    .unwrap();
    let json = place.json("model --data-dir data explain new.eml --json");
    let tokens = &json["tokens"];
    assert!(tokens["probability"].as_f64().unwrap() > 0.5, "{tokens}");
    assert_eq!(tokens["learned"], serde_json::Value::Null);
    let strongest = &tokens["spam"][0];
    assert!(strongest["odds"].as_f64().unwrap() > 0.0);
    let count = strongest["spam"].as_f64().unwrap();
    assert!(
        count > 0.0 && (strongest["spam_share"].as_f64().unwrap() - count / 60.0).abs() < 1e-9,
        "{strongest}"
    );
    assert!(
        tokens["ham"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["odds"].as_f64().unwrap() < 0.0)
    );
    let named = tokens["spam"].to_string();
    assert!(named.contains("gain"), "{named}");
    let text = place.ok("model --data-dir data explain new.eml --most 200");
    assert!(
        text.contains("for spam") && text.contains("for ham"),
        "{text}"
    );
    assert!(!text.contains('\u{202e}'));
    // Lessons count here as they do in the daemon.
    place.ok("learn --data-dir data ham new.eml");
    let json = place.json("model --data-dir data explain new.eml --json");
    assert_eq!(json["tokens"]["learned"], "ham");
    assert!(
        json["tokens"]["probability"].as_f64().unwrap() < tokens["probability"].as_f64().unwrap()
    );
}

#[test]
fn explain_shows_what_spoke_to_the_classifier_for_either_side() {
    let place = place();
    fs::write(place.path("new.eml"), letter(true, 950, 30)).unwrap();
    fs::write(
        place.path("c.yaml"),
        "data_dir: data\nchain: [bayes]\nbayes: { model: data/model.mwb }\n",
    )
    .unwrap();
    let text = place.ok("explain --config c.yaml --tokens 3 new.eml");
    let (of_spam, of_ham) = text.split_once("for ham").unwrap();
    assert!(
        of_spam.contains("for spam") && of_ham.contains(" %)"),
        "{text}"
    );
    assert_eq!(
        of_spam
            .split_once("for spam")
            .unwrap()
            .1
            .matches("\n")
            .count(),
        4,
        "{text}"
    );
    let json = place.json("explain --config c.yaml --json new.eml");
    let strongest = &json["tokens"]["spam"][0];
    assert!(strongest["spam"].as_u64().unwrap() > 0, "{strongest}");
    assert!(
        !place
            .ok("explain --config c.yaml --tokens 0 new.eml")
            .contains("for spam")
    );
}
