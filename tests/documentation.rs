//! What README and docs say of keys, commands and tests is so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

const BIN: &str = env!("CARGO_BIN_EXE_mailweir");

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The keys that a section of the configuration knows, from the daemon's own words.
fn known_keys(section: &[&str]) -> Vec<String> {
    let mut text = String::new();
    for (depth, name) in section.iter().enumerate() {
        text.push_str(&format!("{}{name}:\n", "  ".repeat(depth)));
    }
    text.push_str(&format!("{}no_such_key: 1\n", "  ".repeat(section.len())));
    keys_known_beside(&text)
}

/// The keys that are known where a text has an unknown one.
fn keys_known_beside(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailweir.yaml");
    std::fs::write(&file, text).unwrap();
    let out = Command::new(BIN)
        .arg("check")
        .arg("--config")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("mailweir.yaml:"), "{said}");
    let (_, list) = said
        .split_once("known here: ")
        .unwrap_or_else(|| panic!("{said}"));
    let list = list.lines().next().unwrap();
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let page = read("docs/configuration.md");
    for section in [
        &[][..],
        &["milter"],
        &["http"],
        &["console"],
        &["console", "session"],
        &["console", "oidc"],
        &["console", "oidc", "roles"],
        &["limits"],
        &["thresholds"],
        &["outbound"],
        &["log"],
        &["dns"],
        &["dnsbl"],
        &["dnsbl", "guard"],
        &["dnsbl", "on_failure"],
        &["auth"],
        &["auth", "dmarc"],
        &["attachments"],
        &["greylist"],
        &["greylist", "band"],
        &["greylist", "network"],
        &["rates"],
        &["reputation"],
        &["reputation", "points"],
        &["reputation", "correspondents"],
        &["rules"],
        &["bayes"],
        &["clamav"],
        &["clamav", "breaker"],
        &["clamav", "health"],
        &["clamav", "cache"],
        &["quarantine"],
        &["quarantine", "objects"],
        &["quarantine", "retention"],
        &["quarantine", "release"],
        &["quarantine", "forward"],
        &["quarantine", "digest"],
        &["history"],
        &["scanners"],
        &["scanners", "spamd"],
        &["scanners", "rspamd"],
        &["events"],
        &["events", "webhook"],
    ] {
        for key in known_keys(section) {
            let written = [format!("`{key}`"), format!("{key}: ")];
            assert!(
                written.iter().any(|w| page.contains(w.as_str())),
                "docs/configuration.md does not explain `{key}` of {section:?}"
            );
        }
    }
}

#[test]
fn every_key_of_a_policy_is_documented() {
    let page = read("docs/policy.md");
    for text in [
        "policies: [{ no_such_key: 1 }]",
        "policies: [{ name: a, for: { no_such_key: 1 } }]",
        "policies: [{ name: a, thresholds: { no_such_key: 1 } }]",
        "policies: [{ name: a, language: { no_such_key: 1 } }]",
        "policies: [{ name: a, actions: { no_such_key: 1 } }]",
        "allow: [{ no_such_key: 1 }]",
        "deny: [{ no_such_key: 1 }]",
        "conflict: no_such_key",
        "conflict_fallback: no_such_key",
    ] {
        for key in keys_known_beside(text) {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/policy.md does not explain `{key}` of {text}"
            );
        }
    }
}

#[test]
fn every_hit_of_sender_authentication_is_documented_with_its_points() {
    let page = read("docs/authentication.md");
    for (name, points, meaning) in mailweir::filter::auth::HITS {
        let row = format!("| `{name}` | {points:.1} | {meaning} |");
        assert!(page.contains(&row), "docs/authentication.md lacks: {row}");
    }
}

#[test]
fn every_flag_trait_limit_and_kind_of_files_is_documented() {
    use mailweir::content::{FileFlag, Kind, Limit, Limits, document::Trait};
    let page = read("docs/attachments.md");
    let flags = FileFlag::ALL.iter().map(|f| (f.name(), f.meaning()));
    for (name, meaning) in flags {
        let row = format!("| `{name}` | {meaning} |");
        assert!(page.contains(&row), "docs/attachments.md lacks: {row}");
    }
    let documents = read("docs/documents.md");
    for found in Trait::ALL {
        let row = format!("| `{}` | {} |", found.name(), found.meaning());
        assert!(documents.contains(&row), "docs/documents.md lacks: {row}");
    }
    for kind in Kind::ALL {
        assert!(
            page.contains(&format!("`{}`", kind.name())),
            "{}",
            kind.name()
        );
    }
    let limits = Limits::default();
    for (key, value) in [
        ("depth", limits.depth.to_string()),
        ("files", limits.files.to_string()),
        ("file_bytes", format!("{}MiB", limits.file_bytes >> 20)),
        ("bytes", format!("{}MiB", limits.bytes >> 20)),
        ("ratio", limits.ratio.to_string()),
        ("time", format!("{}s", limits.time.as_secs())),
    ] {
        assert!(
            page.contains(&format!("  {key}: {value} ")),
            "{key}: {value}"
        );
    }
    let metrics = read("docs/metrics.md");
    let names = Limit::ALL.map(Limit::name).join(", ");
    assert!(metrics.contains(&format!("`limit`: {names} |")), "{names}");
    let names = Kind::ALL.map(Kind::name).join(", ");
    assert!(metrics.contains(&format!("`kind`: {names} |")), "{names}");
}

#[test]
fn every_hit_of_reputation_is_documented_with_its_points() {
    let page = read("docs/reputation.md");
    for (name, points, meaning) in mailweir::filter::reputation::HITS {
        let row = format!("| `{name}` | {points:.1} | {meaning} |");
        assert!(page.contains(&row), "docs/reputation.md lacks: {row}");
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let out = Command::new(BIN).arg("--help").output().unwrap();
    let help = String::from_utf8(out.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:").unwrap();
    let (commands, _) = commands.split_once("Options:").unwrap();
    let readme = read("README.md");
    let names = commands
        .lines()
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|name| *name != "help");
    let mut count = 0;
    for name in names {
        count += 1;
        assert!(
            readme.contains(&format!("mailweir {name}")),
            "README lacks {name}"
        );
    }
    assert!(count >= 8, "{help}");
}

/// What README says of them, who asks the command sees.
#[test]
fn exit_codes_of_their_own_stand_in_the_help_of_commands() {
    for (command, code) in [
        (
            &["send"][..],
            "3 one was refused for now; 4 one was refused for good",
        ),
        (&["check"], "3 with --strict"),
        (&["train"], "3 --promote kept it aside"),
        (&["model", "promote"], "3 it was kept aside"),
        (&["replay"], "3 another result"),
        (&["learn"], "75 the message on standard input"),
        (&["quarantine"], "1 something failed"),
    ] {
        let out = Command::new(BIN).args(command).arg("--help").output();
        let help = String::from_utf8(out.unwrap().stdout).unwrap();
        let words: Vec<&str> = help.split_whitespace().collect();
        assert!(words.join(" ").contains(code), "{command:?}: {help}");
    }
}

/// README names a test for each promise: `file::name`.
#[test]
fn every_promise_names_tests_that_exist() {
    let readme = read("README.md");
    let (_, promises) = readme.split_once("## Promises").unwrap();
    let promises = promises.split("\n## ").next().unwrap();
    let rows: Vec<_> = promises
        .lines()
        .filter(|l| l.starts_with("| ") && l.chars().nth(2).is_some_and(|c| c.is_ascii_digit()))
        .collect();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let (_, held_by) = row.trim_end_matches(['|', ' ']).rsplit_once('|').unwrap();
        let tests: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let (file, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test}"));
            assert!(
                read(file).contains(&format!("fn {name}(")),
                "{test} does not exist"
            );
        }
    }
}

/// CVE-2010-1132, CVE-2007-4560: what is never started cannot be made to run anything.
#[test]
fn no_process_is_ever_started() {
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for way in [
                "process::Command",
                "Command::new(\"",
                "fork(",
                "execv",
                "posix_spawn",
            ] {
                assert!(!text.contains(way), "{} has {way}", path.display());
            }
        }
    }
    assert!(files > 50);
}
