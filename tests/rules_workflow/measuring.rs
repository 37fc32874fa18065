//! `rules profile`, `tune` and `whatif`.

use super::files::{folder, repository};
use super::program::{done, run};

/// Forty ham and forty spam. Spam says "lottery", three quarters of it "claim"; of ham one in ten says "claim".
fn mail() -> tempfile::TempDir {
    let files = folder(&[
        (
            "rules/a.yaml",
            "version: 1
rules:
  - { id: LOTTERY, description: d, score: 2, when: { text: 'lottery' } }
  - { id: TWIN, description: d, score: 0, when: { text: 'lottery ticket' } }
  - { id: CLAIM, description: d, score: 3, when: { text: 'claim it' } }
  - { id: FRIEND, description: d, score: -1, when: { text: 'see you' } }
  - { id: ABSENT, description: d, score: 1, when: { text: 'nowhere to be found' } }
  - { id: HELPER, description: d, silent: true, when: { text: 'lottery' } }
  - { id: USER, description: d, score: 0.1, when: { rule: HELPER, subject: 'none such' } }
",
        ),
        (
            "mailweir.yaml",
            "data_dir: data\nchain: [rules]\nrules: { path: rules }\n",
        ),
    ]);
    // Words enough that no two messages are near copies.
    let words = |seed: u64, count: u64| -> String {
        (0..count)
            .map(|i| {
                let n = (seed * 7919 + i * 104_729).wrapping_mul(6_364_136_223_846_793_005) >> 40;
                format!("w{n:x} ")
            })
            .collect()
    };
    for i in 0..40_u64 {
        let claim = |yes: bool| if yes { "claim it" } else { "leave it" };
        let spam = format!(
            "Subject: s{i}\n\nlottery ticket {} {}\n",
            claim(i % 4 > 0),
            words(i, 60)
        );
        let ham = format!(
            "Subject: h{i}\n\nsee you {} {}\n",
            claim(i % 10 == 0),
            words(1000 + i, 60)
        );
        for (class, text) in [("spam", spam), ("ham", ham)] {
            let path = files.path().join(class).join(format!("{i:02}.eml"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    files
}

const SORTED: [&str; 4] = ["--ham", "ham", "--spam", "spam"];

#[test]
fn a_profile_says_what_each_rule_hits_decides_and_costs() {
    let files = mail();
    let args = [
        &[
            "rules", "profile", "--rules", "rules", "--order", "file", "--json",
        ],
        &SORTED[..],
    ]
    .concat();
    let told = done(files.path(), &args).json();
    assert_eq!((&told["ham"], &told["spam"]), (&40.into(), &40.into()));
    let rule = |n: usize| &told["rules"][n];
    assert_eq!(rule(0)["rule"], "LOTTERY");
    assert_eq!(
        (&rule(0)["spam"], &rule(0)["ham"], &rule(0)["so"]),
        (&40.into(), &0.into(), &1.0.into())
    );
    // Thirty spam have 5 points, and both rules are needed for them.
    assert_eq!(rule(0)["decides_spam"], 30);
    assert_eq!(rule(2)["decides_spam"], 30);
    assert_eq!((&rule(2)["spam"], &rule(2)["ham"]), (&30.into(), &4.into()));
    assert!(rule(0)["us"].as_f64().unwrap() >= 0.0);
    assert!(told["rules_us"].as_f64().unwrap() > 0.0);
    assert_eq!(told["never_hit"], serde_json::json!(["ABSENT", "USER"]));
    assert_eq!(told["overlaps"][0]["first"], "LOTTERY");
    assert_eq!(
        (
            &told["overlaps"][0]["second"],
            &told["overlaps"][0]["jaccard"]
        ),
        (&"TWIN".into(), &1.0.into())
    );
    let table = done(
        files.path(),
        &[&["rules", "profile", "--rules", "rules"], &SORTED[..]].concat(),
    );
    for part in [
        "40 (100.00 %)",
        "LOTTERY and TWIN: 40 messages in common, Jaccard 1.00",
        "Hit nothing here: ABSENT, USER",
        "40 ham, 40 spam, 0 not readable",
    ] {
        assert!(table.out.contains(part), "{part} in:\n{}", table.out);
    }
}

#[test]
fn scores_are_fitted_written_beside_and_taken_by_the_configuration() {
    let files = mail();
    let tune = [
        &[
            "rules",
            "tune",
            "--config",
            "mailweir.yaml",
            "--pull",
            "0.05",
            "--json",
        ],
        &SORTED[..],
    ]
    .concat();
    let told = done(files.path(), &tune).json();
    assert_eq!(told["within_limit"], true);
    assert_eq!(told["old"]["spam_caught"]["part"], 30);
    assert_eq!(told["new"]["spam_caught"]["part"], 40, "{told}");
    assert_eq!(told["new"]["ham_lost"]["part"], 0);
    let interval = told["new"]["ham_lost"]["interval"].as_array().unwrap();
    assert!(interval[0] == 0.0 && interval[1].as_f64().unwrap() > 0.05);
    for score in told["scores"].as_array().unwrap() {
        let (old, new) = (
            score["old"].as_f64().unwrap(),
            score["new"].as_f64().unwrap(),
        );
        assert!(old * new >= 0.0 && new.abs() <= 5.0, "{score}");
        // Score 0 asks to be counted only; the others hit too little, or nothing.
        assert!(["LOTTERY", "CLAIM", "FRIEND"].contains(&score["rule"].as_str().unwrap()));
    }
    assert_eq!(
        told,
        done(files.path(), &tune).json(),
        "the same mail gives the same scores"
    );

    let before = std::fs::read(files.path().join("rules/a.yaml")).unwrap();
    let write = [&tune[..], &["--out", "tuned.yaml"]].concat();
    done(files.path(), &write);
    assert_eq!(
        std::fs::read(files.path().join("rules/a.yaml")).unwrap(),
        before
    );
    let again = run(files.path(), &write);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("tuned.yaml is there already"),
        "{}",
        again.err
    );

    std::fs::write(
        files.path().join("mailweir.yaml"),
        "data_dir: data\nchain: [rules]\nrules: { path: rules, scores_file: tuned.yaml }\n",
    )
    .unwrap();
    let listed = done(
        files.path(),
        &["rules", "list", "--json", "--config", "mailweir.yaml"],
    )
    .json();
    let lottery = &listed[0];
    let fitted = told["scores"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["rule"] == "LOTTERY")
        .unwrap();
    assert_eq!(lottery["score"], fitted["new"]);
    assert_eq!(lottery["written_score"], 2.0);

    // A second fit takes the place of the first: what it leaves as it is stays in the new file, and what the
    // configuration sets itself is not fitted.
    std::fs::write(
        files.path().join("mailweir.yaml"),
        "data_dir: data\nchain: [rules]\nrules: { path: rules, scores_file: tuned.yaml, scores: { CLAIM: 1.5 } }\n",
    )
    .unwrap();
    let held = [&tune[..], &["--min-hits", "1000", "--out", "second.yaml"]].concat();
    assert_eq!(
        done(files.path(), &held).json()["scores"],
        serde_json::json!([])
    );
    let scores = |name: &str| {
        let text = std::fs::read_to_string(files.path().join(name)).unwrap();
        let lines = text
            .lines()
            .filter(|l| l.starts_with("  ") && !l.contains("CLAIM"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(!scores("tuned.yaml").is_empty());
    assert_eq!(scores("second.yaml"), scores("tuned.yaml"));
    let second = std::fs::read_to_string(files.path().join("second.yaml")).unwrap();
    assert!(!second.contains("CLAIM"), "{second}");
    // Of two scores that of the configuration counts.
    std::fs::write(
        files.path().join("tuned.yaml"),
        "version: 1\nscores:\n  CLAIM: 3\n  LOTTERY: 3\n",
    )
    .unwrap();
    let listed = done(
        files.path(),
        &["rules", "list", "--json", "--config", "mailweir.yaml"],
    )
    .json();
    let score = |id: &str| {
        let mut rules = listed.as_array().unwrap().iter();
        rules.find(|r| r["id"] == id).unwrap()["score"].as_f64()
    };
    assert_eq!((score("CLAIM"), score("LOTTERY")), (Some(1.5), Some(3.0)));

    std::fs::write(
        files.path().join("tuned.yaml"),
        "version: 1\nscores:\n  LOTERY: 3\n",
    )
    .unwrap();
    let wrong = run(
        files.path(),
        &["check", "--offline", "--config", "mailweir.yaml"],
    );
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("tuned.yaml:3:"), "{}", wrong.err);
}

#[test]
fn a_limit_that_no_scores_keep_is_said() {
    let files = mail();
    let rules = "version: 1\nrules:\n  - { id: ALL, description: d, score: 9, decisive: reject, when: { subject: '^[sh]' } }\n";
    std::fs::write(files.path().join("rules/a.yaml"), rules).unwrap();
    let said = done(
        files.path(),
        &[
            &["rules", "tune", "--rules", "rules", "--min-hits", "1000"],
            &SORTED[..],
        ]
        .concat(),
    );
    assert!(
        said.out
            .contains("No scores within the bounds keep lost ham at 0.100 %"),
        "{}",
        said.out
    );
    assert!(said.out.contains("0 scores change, 1 stay"), "{}", said.out);
}

#[test]
fn other_rules_are_compared_message_by_message() {
    let files = mail();
    let new = "version: 1
rules:
  - { id: LOTTERY, description: d, score: 5, when: { text: 'lottery' } }
  - { id: CLAIM, description: d, score: 3, when: { text: 'claim it' } }
  - { id: FRIEND, description: d, score: -1, when: { text: 'see you' } }
";
    std::fs::create_dir(files.path().join("new")).unwrap();
    std::fs::write(files.path().join("new/a.yaml"), new).unwrap();
    let args = [
        "rules",
        "whatif",
        "--config",
        "mailweir.yaml",
        "--rules",
        "new",
        "ham",
        "spam",
    ];
    let told = done(files.path(), &[&args[..], &["--json"]].concat()).json();
    assert_eq!(
        (&told["messages"], &told["verdicts_changed"]),
        (&80.into(), &40.into())
    );
    assert_eq!(
        told["transitions"],
        serde_json::json!({ "deliver -> tag": 10, "tag -> quarantine": 30 })
    );
    assert_ne!(told["version_now"], told["version_then"]);
    let changed = told["changed"].as_array().unwrap();
    assert!(
        changed
            .iter()
            .all(|c| c["path"].as_str().unwrap().starts_with("spam/"))
    );
    assert_eq!(changed[0]["lost"], serde_json::json!(["TWIN"]));
    let table = done(files.path(), &args);
    assert!(
        table
            .out
            .contains("80 messages: 40 verdicts and 40 scores would change"),
        "{}",
        table.out
    );
    assert!(table.out.contains("tag -> quarantine"), "{}", table.out);
    let same = [
        "rules",
        "whatif",
        "--config",
        "mailweir.yaml",
        "--rules",
        "rules",
        "ham",
    ];
    assert!(
        done(files.path(), &same)
            .out
            .contains("0 verdicts and 0 scores would change")
    );
    let missing = run(
        files.path(),
        &["rules", "whatif", "--config", "mailweir.yaml", "ham"],
    );
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("--rules DIR"), "{}", missing.err);
}

#[test]
fn the_commands_work_on_the_corpus() {
    let files = folder(&[]);
    let (ham, spam) = (repository("corpus/ham"), repository("corpus/spam"));
    let told = done(
        files.path(),
        &["rules", "profile", "--json", "--ham", &ham, "--spam", &spam],
    )
    .json();
    assert!(told["spam"].as_u64().unwrap() > 100 && told["ham"].as_u64().unwrap() > 100);
    let told = done(
        files.path(),
        &["rules", "tune", "--json", "--ham", &ham, "--spam", &spam],
    )
    .json();
    assert!(told["new"]["ham_lost"]["whole"].as_u64().unwrap() > 100);
    let said = run(
        files.path(),
        &["rules", "profile", "--ham", &ham, "--spam", "/nowhere"],
    );
    assert_eq!(said.code, 1);
    assert!(said.err.contains("/nowhere"), "{}", said.err);
}
