//! `mailweir evaluate`: figures that can be checked, designs that do not flatter.

use std::fs;
use std::process::Command;

use super::folder::shared;
use super::letters::{self, letter};
use super::place::Place;

fn corpus(place: &Place, own: u64) {
    letters::write(&place.path("ham"), false, 0..90, own);
    letters::write(&place.path("spam"), true, 0..60, own);
}

/// Label, score and verdict of each row.
fn rows(place: &Place, file: &str) -> Vec<(String, f64, String)> {
    let text = fs::read_to_string(place.path(file)).unwrap();
    let mut lines = text.split_terminator("\r\n");
    assert_eq!(lines.next(), Some("path,label,score,verdict"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.rsplitn(4, ',').collect();
            (
                fields[2].to_owned(),
                fields[1].parse().unwrap(),
                fields[0].to_owned(),
            )
        })
        .collect()
}

/// Pairs of ham and spam in the wrong order, counted one by one; ties half.
fn one_minus_roca(rows: &[(String, f64, String)]) -> f64 {
    let of = |label: &str| {
        rows.iter()
            .filter(|r| r.0 == label)
            .map(|r| r.1)
            .collect::<Vec<_>>()
    };
    let (ham, spam) = (of("ham"), of("spam"));
    let mut wrong = 0.0;
    for h in &ham {
        for s in &spam {
            wrong += if h > s {
                1.0
            } else if h == s {
                0.5
            } else {
                0.0
            };
        }
    }
    100.0 * wrong / (ham.len() * spam.len()) as f64
}

#[test]
fn figures_are_those_of_the_scores_and_every_message_is_judged_once() {
    let place = Place::new();
    corpus(&place, 6);
    let json = place
        .json("evaluate --ham ham --spam spam --folds 3 --scores s.csv --json --no-learning-curve");
    let rows = rows(&place, "s.csv");
    assert_eq!(rows.len(), 150);
    let figures = &json["runs"][0]["figures"];
    let said = figures["one_minus_roca"].as_f64().unwrap();
    assert!((said - one_minus_roca(&rows)).abs() < 1e-9, "{said}");
    assert!(said > 0.0, "the letters are too easy to test anything with");
    let interval = &figures["one_minus_roca_interval"];
    assert!(interval["low"].as_f64().unwrap() < said && said < interval["high"].as_f64().unwrap());
    let lost = rows
        .iter()
        .filter(|r| r.0 == "ham" && r.2 == "spam")
        .count();
    let missed = rows
        .iter()
        .filter(|r| r.0 == "spam" && r.2 != "spam")
        .count();
    assert_eq!(figures["ham_misclassified"]["count"], lost);
    assert_eq!(figures["spam_misclassified"]["count"], missed);
    assert_eq!(json["design"]["folds"], 3);
    // The same again is the same.
    let again = place.json("evaluate --ham ham --spam spam --folds 3 --json --no-learning-curve");
    assert_eq!(again["runs"][0]["figures"], *figures);
}

/// The figures of another program over the same scores, where it is at hand.
#[test]
fn the_shared_metrics_say_the_same() {
    let Some(script) = shared("bench/metrics.py") else {
        return;
    };
    let place = Place::new();
    corpus(&place, 6);
    let json = place
        .json("evaluate --ham ham --spam spam --folds 2 --scores s.csv --json --no-learning-curve");
    let Ok(output) = Command::new("python3")
        .arg(script)
        .arg(place.path("s.csv"))
        .output()
    else {
        println!("skipped: python3 is not here");
        return;
    };
    let table = String::from_utf8(output.stdout).unwrap();
    let cells: Vec<&str> = table.lines().last().unwrap().split(" | ").collect();
    let figures = &json["runs"][0]["figures"];
    let percent = |v: &serde_json::Value| 100.0 * v.as_f64().unwrap();
    let roca = format!("{:.4}", figures["one_minus_roca"].as_f64().unwrap());
    assert_eq!(cells[2].split(' ').next(), Some(roca.as_str()), "{table}");
    let lost = &figures["ham_misclassified"];
    assert_eq!(
        cells[3],
        format!("{:.2} ({})", percent(&lost["rate"]), lost["count"]),
        "{table}"
    );
    assert_eq!(
        cells[5],
        format!("{:.2}", percent(&figures["lam"])),
        "{table}"
    );
    let missed = format!("{:.2} |", percent(&figures["missed_at"][1][1]));
    assert_eq!(cells[7], missed, "{table}");
}

#[test]
fn near_copies_on_both_sides_would_flatter_and_do_not() {
    // Letters without a word of their class, so that there is nothing to learn but the letters themselves, each
    // four times with another subject.
    let place = Place::new();
    for (name, spam) in [("ham", false), ("spam", true)] {
        fs::create_dir_all(place.path(name)).unwrap();
        for number in 0..30 {
            for copy in 0..4 {
                let text = letter(spam, number, 0)
                    .replace("Subject: letter", &format!("Subject: copy{copy}"));
                fs::write(place.path(name).join(format!("{number}-{copy}.eml")), text).unwrap();
            }
        }
    }
    let json = place.json("evaluate --ham ham --spam spam --folds 5 --json --no-learning-curve");
    assert!(
        json["near_copies"].as_u64().unwrap() > 170,
        "{}",
        json["near_copies"]
    );
    let roca = json["runs"][0]["figures"]["one_minus_roca"]
        .as_f64()
        .unwrap();
    assert!(roca > 25.0, "{roca} % on noise");
}

#[test]
fn engines_and_models_stand_side_by_side() {
    let place = Place::new();
    corpus(&place, 10);
    letters::write(&place.path("more"), false, 500..540, 10);
    letters::write(&place.path("morespam"), true, 500..540, 10);
    place.ok("train --ham more --spam morespam --model small.mwb");
    let json = place.json(
        "evaluate --ham ham --spam spam --folds 3 --engine osb --engine bayespam --model small.mwb --scores s.csv --json",
    );
    let titles: Vec<&str> = json["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["osb", "bayespam", "small.mwb"]);
    let of = |i: usize| {
        json["runs"][i]["figures"]["one_minus_roca"]
            .as_f64()
            .unwrap()
    };
    for (i, difference) in json["differences"].as_array().unwrap().iter().enumerate() {
        let said = difference["difference"]["one_minus_roca"].as_f64().unwrap();
        assert!((said - (of(i + 1) - of(0))).abs() < 1e-9);
        let file = rows(&place, &format!("s-{}.csv", i + 2));
        assert!((one_minus_roca(&file) - of(i + 1)).abs() < 1e-9);
    }
    let curve = json["runs"][0]["learning_curve"].as_array().unwrap();
    assert_eq!(curve.last().unwrap()["messages"], 100);
    assert!(curve.len() >= 3, "{curve:?}");
    // A model that stands alone is judged on what it has not learned.
    let alone = place.json("evaluate --ham ham --spam spam --model small.mwb --json");
    assert_eq!(alone["design"]["design"], "held_out");
    assert_eq!(
        alone["runs"][0]["figures"]["one_minus_roca"],
        json["runs"][2]["figures"]["one_minus_roca"]
    );
}

#[test]
fn the_page_is_complete_in_itself_and_nothing_of_a_file_name_acts_in_it() {
    let place = Place::new();
    corpus(&place, 4);
    let evil = "ham/<img src=x onerror=alert(1)>&\"'.eml";
    fs::write(place.path(evil), letter(true, 7, 60)).unwrap();
    place.ok("evaluate --ham ham --spam spam --folds 3 --html r.html --scores s.csv");
    let page = fs::read_to_string(place.path("r.html")).unwrap();
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;.eml"),
        "the message is not named"
    );
    for never in [
        "<img", "<script", "<link", "http://", "https://", "url(", "@import", " src=", "href=",
    ] {
        let without = page.replace("&lt;img src=x", "");
        assert!(!without.contains(never), "{never}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.matches("<svg").count() >= 4);
    // Every element that is opened is closed, in order.
    let mut open: Vec<&str> = Vec::new();
    for tag in page
        .split('<')
        .skip(1)
        .map(|t| t.split('>').next().unwrap())
    {
        let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap_or("");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && !tag.starts_with('!') && name != "meta" {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    let scores = fs::read_to_string(place.path("s.csv")).unwrap();
    assert!(scores.contains("\"ham/<img src=x onerror=alert(1)>&\"\"'.eml\",ham,"));
}

#[test]
fn wrong_arguments_are_told() {
    let place = Place::new();
    corpus(&place, 10);
    for (line, code, text) in [
        ("evaluate --ham ham", 2, "--spam"),
        (
            "evaluate --ham ham --spam spam --folds 1",
            2,
            "1 is not in 2..=100",
        ),
        (
            "evaluate --ham ham --spam spam --spam-from 0.2",
            1,
            "--ham-below and --spam-from",
        ),
        ("evaluate --ham ham --spam none", 1, "cannot read none"),
        (
            "evaluate --ham ham --spam spam/0001.eml --folds 2",
            1,
            "with one of 2 parts kept aside: there is no spam to learn from",
        ),
        (
            "evaluate --ham ham --spam spam --model none.mwb",
            1,
            "there is no model at none.mwb",
        ),
        (
            "evaluate --ham ham --spam spam --folds 2 --scores no/s.csv",
            1,
            "cannot write no/s.csv",
        ),
        (
            "evaluate --ham ham --spam spam --model ham/0001.eml",
            1,
            "this is no mailweir model",
        ),
        (
            "evaluate --ham ham --spam spam --folds 2 --ignore-header X:Y",
            1,
            "is not the name of a header field",
        ),
    ] {
        let said = place.run(line);
        assert_eq!(said.code, code, "{line}: {}", said.err);
        assert!(said.err.contains(text), "{line}: {}", said.err);
    }
    fs::create_dir(place.path("empty")).unwrap();
    let said = place.run("evaluate --ham ham --spam empty --folds 2");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("there is no spam"), "{}", said.err);
}

#[test]
fn in_order_means_judged_before_it_is_learned() {
    let place = Place::new();
    corpus(&place, 12);
    let mut list = String::new();
    for number in 0..60 {
        list.push_str(&format!(
            "../ham/{number:04}.eml\tham\n../spam/{number:04}.eml\tspam\n"
        ));
    }
    // The same letter once more: by then it is known.
    list.push_str("../spam/0007.eml\tspam\n");
    fs::create_dir(place.path("lists")).unwrap();
    fs::write(place.path("lists/l"), list).unwrap();
    let json = place
        .json("evaluate --online lists/l --engine osb --engine bayespam --scores s.csv --json");
    assert_eq!(json["design"]["design"], "online");
    let rows = rows(&place, "s-1.csv");
    assert_eq!(rows.len(), 121);
    // Who knows nothing says nothing.
    assert_eq!((rows[0].1, rows[0].2.as_str()), (0.0, "unsure"));
    assert!(rows[120].1 > rows[15].1, "{:?} {:?}", rows[120], rows[15]);
    let said = json["runs"][0]["figures"]["one_minus_roca"]
        .as_f64()
        .unwrap();
    assert!((said - one_minus_roca(&rows)).abs() < 1e-9);
    let curve = json["runs"][0]["learning_curve"].as_array().unwrap();
    assert_eq!(curve.last().unwrap()["one_minus_roca"], said);
    assert!(
        curve[3]["one_minus_roca"].as_f64().unwrap() > said,
        "{curve:?}"
    );
    // The order is part of the figure.
    let text = fs::read_to_string(place.path("s-1.csv")).unwrap();
    assert!(
        text.lines()
            .nth(2)
            .unwrap()
            .starts_with("lists/../spam/0000.eml,spam,"),
        "{text}"
    );
    let said = place.run("evaluate --online s-1.csv");
    assert_eq!(
        (
            said.code,
            said.err.contains("s-1.csv:1: expected a path, a tab")
        ),
        (1, true),
        "{}",
        said.err
    );
}

/// What is left out changes all that is judged after it. Break it by going on.
#[test]
fn a_list_is_judged_whole_or_not_at_all() {
    let place = Place::new();
    corpus(&place, 20);
    fs::write(place.path("cut.eml.gz"), b"\x1f\x8bcut").unwrap();
    let list = "ham/0001.eml\tham\ncut.eml.gz\tspam\nspam/0001.eml\tspam\n";
    fs::write(place.path("list"), list).unwrap();
    let said = place.run("evaluate --online list");
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("left out: cut.eml.gz"), "{}", said.err);
    assert!(said.err.contains("could not be read"), "{}", said.err);
}

/// Names of files come from elsewhere; break it by printing errors as they are.
#[test]
fn nothing_in_the_name_of_a_file_acts_on_a_terminal() {
    let place = Place::new();
    corpus(&place, 20);
    let name = "\u{1b}[2Jx";
    fs::write(place.path("list"), format!("{name}\tham\n")).unwrap();
    let commands = [
        format!("evaluate --ham ham --spam spam --model {name}"),
        format!("evaluate --online {name}"),
        "evaluate --online list".to_owned(),
        format!("model --data-dir {name} explain ham"),
        format!("model --data-dir data explain {name}"),
        format!("corpus check {name}"),
    ];
    for line in commands {
        let said = place.run(&line);
        assert_eq!(said.code, 1, "{line:?}");
        assert!(!said.err.contains('\u{1b}'), "{line:?}: {:?}", said.err);
    }
}

#[test]
fn who_reads_only_the_beginning_is_no_failure() {
    let place = Place::new();
    corpus(&place, 20);
    let mut child = place
        .command("corpus check --json --ham ham --spam spam")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), &*err), (Some(0), ""));
}

#[test]
fn header_fields_are_left_out_as_in_training() {
    let place = Place::new();
    // Nothing but this field tells ham from spam.
    for (class, folder) in [("yes", "ham"), ("no", "spam")] {
        fs::create_dir(place.path(folder)).unwrap();
        for number in 0..40 {
            let same = letter(false, number, 40).replace("\r\n", "\n");
            let name = place.path(folder).join(format!("{number:04}.eml"));
            fs::write(name, format!("X-Wanted: {class}\n{same}")).unwrap();
        }
    }
    let roca = |more: &str| {
        let line =
            format!("evaluate --ham ham --spam spam --folds 2 --no-learning-curve --json {more}");
        place.json(&line)["runs"][0]["figures"]["one_minus_roca"]
            .as_f64()
            .unwrap()
    };
    let (read, ignored) = (roca(""), roca("--ignore-header X-Wanted"));
    assert!(read < 1.0 && ignored > 20.0, "{read} {ignored}");
    place.ok("train --ham ham --spam spam --model m.mwb");
    let said = place.run("evaluate --ham ham --spam spam --model m.mwb --ignore-header X-Wanted");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("go without --model"), "{}", said.err);
}
