//! `mailweir check` asks each list whether it works.

use std::process::{Command, Output};

use super::*;

const V4: &str = "2.0.0.127.";
const V4_NEVER: &str = "1.0.0.127.";
const V6: &str = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";
const V6_NEVER: &str = "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";

/// Each list, told by its first label.
fn lists(question: &dns_server::Question) -> Reply {
    let listed = |code: [u8; 4]| Reply::A(vec![code], 60);
    let name = question.name.as_str();
    let (client, list) = [V4, V4_NEVER, V6, V6_NEVER]
        .into_iter()
        .find_map(|client| Some((client, name.strip_prefix(client)?)))
        .unwrap();
    match (list.split('.').next().unwrap(), client) {
        ("silent", _) => Reply::Silence,
        ("broken", _) => Reply::Code(ResponseCode::ServFail),
        ("refusing", _) => listed([127, 255, 255, 254]),
        ("parked", _) => listed([203, 0, 113, 9]),
        ("everything", _) => listed([127, 0, 0, 2]),
        ("six", V4 | V6) | ("four" | "secret" | "everysix", V4) => listed([127, 0, 0, 4]),
        ("everysix", V6_NEVER) => listed([127, 0, 0, 4]),
        _ => Reply::NxDomain(Some(60)),
    }
}

fn check(dns: &FakeDns, lists: &[&str], args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mailweir.yaml");
    let mut yaml = format!(
        "chain: [dnsbl]\ndns: {{ resolvers: [\"{}\"] }}\ndnsbl:\n  timeout: 2s\n  zones:\n",
        dns.addr
    );
    for list in lists {
        let more = match *list {
            "four" => ", ipv6: false",
            "secret" => ", name: shown.example.org",
            _ => "",
        };
        yaml.push_str(&format!(
            "    - {{ zone: {list}.example.org, score: 1{more} }}\n"
        ));
    }
    std::fs::write(&file, yaml).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .arg("check")
        .arg("--config")
        .arg(&file)
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_lists_that_work_from_those_that_do_not() {
    let dns = FakeDns::start(lists).await;
    let all = [
        ("six.", "works", "as 127.0.0.4; lists ::ffff:127.0.0.2"),
        ("four.", "works", "lists 127.0.0.2 as 127.0.0.4"),
        ("shown.", "works", "does not list ::ffff:127.0.0.2"),
        ("silent.", "FAILS", "no answer"),
        ("broken.", "FAILS", "SERVFAIL"),
        (
            "refusing.",
            "FAILS",
            "refuses to answer us (127.255.255.254)",
        ),
        ("parked.", "FAILS", "answers 203.0.113.9, as no list does"),
        ("everything.", "FAILS", "lists 127.0.0.1 and so everything"),
        (
            "everysix.",
            "FAILS",
            "lists ::ffff:127.0.0.1 and so everything",
        ),
        ("gone.", "FAILS", "does not list 127.0.0.2: it may be gone"),
    ];
    let names: Vec<&str> = all
        .iter()
        .map(|(list, ..)| match *list {
            "shown." => "secret",
            list => list.trim_end_matches('.'),
        })
        .collect();
    let out = check(&dns, &names, &[]);
    let (said, warned) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{said}{warned}");
    for (list, state, words) in all {
        let row = said
            .lines()
            .find(|l| {
                l.split_whitespace()
                    .nth(1)
                    .is_some_and(|s| s.starts_with(list))
            })
            .unwrap_or_else(|| panic!("{list}\n{said}"));
        assert!(row.contains(state) && row.contains(words), "{row}");
    }
    assert!(!said.contains("secret"), "the zone holds a key:\n{said}");
    assert!(warned.contains("7 of 10 services"), "{warned}");

    assert_eq!(check(&dns, &["gone"], &["--strict"]).status.code(), Some(3));
    assert_eq!(check(&dns, &["six"], &["--strict"]).status.code(), Some(0));
    let asked = dns.questions().len();
    assert_eq!(
        check(&dns, &["gone"], &["--offline"]).status.code(),
        Some(0)
    );
    assert_eq!(dns.questions().len(), asked, "nobody is asked");
}
