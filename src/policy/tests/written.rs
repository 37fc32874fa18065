//! Policies as they are written: which one is chosen, and what is refused.

use super::*;

#[test]
fn the_first_policy_that_takes_a_recipient_holds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vip.txt"), "boss@example.org\n").unwrap();
    let policies = read_in(
        folder.path(),
        "policies:
  - { name: vip, for: { lists: [vip.txt] } }
  - { name: sales, for: { recipients: [sales.example.org, bob@example.org] } }
  - { name: house, for: { recipients: [Example.ORG] } }
  - { name: office, for: { networks: [192.0.2.0/24] } }
  - { name: mailings, for: { direction: outbound, users: [Mailer] } }
  - { name: submission, for: { direction: outbound, recipients: [example.org] } }
",
    )
    .unwrap();
    let chosen = |recipient: &str, client: &str, login: Option<&str>| {
        let mut envelope = mail_to(&[recipient]);
        envelope.client.addr = client.parse().ok();
        envelope.authenticated = login.map(str::to_owned);
        envelope.direction = policies.direction(&envelope);
        let policy = policies.select(&envelope, envelope.recipients.first());
        policy.name().to_string()
    };
    for (recipient, client, login, expected) in [
        ("<Boss@Example.org>", "", None, "vip"),
        ("<x@deep.sales.example.org>", "", None, "sales"),
        ("<BOB@example.org>", "", None, "sales"),
        ("<ann@example.org>", "", None, "house"),
        ("<ann@other.example.org>", "", None, "house"),
        ("<ann@badexample.org>", "", None, "default"),
        ("<ann@elsewhere.example>", "192.0.2.9", None, "office"),
        (
            "<ann@elsewhere.example>",
            "::ffff:192.0.2.9",
            None,
            "office",
        ),
        ("<ann@elsewhere.example>", "198.51.100.1", None, "default"),
        ("<postmaster>", "", None, "default"),
        ("<ann@example.org>", "", Some("mailer"), "mailings"),
        ("<ann@example.org>", "", Some("bob"), "submission"),
        ("<ann@elsewhere.example>", "", Some("bob"), "outbound"),
    ] {
        assert_eq!(
            chosen(recipient, client, login),
            expected,
            "{recipient} {client} {login:?}"
        );
    }
    let nobody = mail_to(&[]);
    assert_eq!(**policies.select(&nobody, None).name(), *"default");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("bad.txt"),
        "fine.example\n@bad.example\n",
    )
    .unwrap();
    for (yaml, parts) in [
        ("policies: [{}]", &["the key `name` is missing"][..]),
        (
            "policies: [{ name: a, fore: {} }]",
            &["unknown key `fore`", "mailweir.yaml:1:23"],
        ),
        (
            "policies: [{ name: A b }]",
            &["`A b` cannot be the name", "mailweir.yaml:1:20"],
        ),
        ("policies: [{ name: default }]", &["falls back to"]),
        ("policies: [{ name: outbound }]", &["falls back to"]),
        (
            "policies: [{ name: a, for: { recipients: [x.example] } }, { name: a }]",
            &["there is a policy `a` above", "mailweir.yaml:1:67"],
        ),
        (
            "policies: [{ name: a }, { name: b, for: { recipients: [x.example] } }]",
            &[
                "no mail comes to this policy: `a` above takes all of it",
                "mailweir.yaml:1:33",
            ],
        ),
        (
            "policies: [{ name: a, for: { recipients: [x.example] } }, \
             { name: b, for: { recipients: [y.example, ann@www.x.example] } }]",
            &[
                "`a` above takes this recipient before",
                "mailweir.yaml:1:101",
            ],
        ),
        (
            "policies: [{ name: a, for: { networks: [192.0.2.0/24] } }, \
             { name: b, for: { networks: [192.0.2.7], recipients: [x.example] } }]",
            &["no mail comes to this policy"],
        ),
        (
            "policies: [{ name: a, for: { lists: [ok.txt] } }, { name: b, for: { lists: [ok.txt] } }]",
            &["no mail comes to this policy"],
        ),
        (
            "policies: [{ name: a, for: { users: [bob] } }]",
            &["add `direction: outbound`", "mailweir.yaml:1:38"],
        ),
        (
            "policies: [{ name: a, for: { users: [''], direction: outbound } }]",
            &["a login has"],
        ),
        (
            "policies: [{ name: a, for: { recipients: ['@x.example'] } }]",
            &["without `@`"],
        ),
        (
            "policies: [{ name: a, for: { networks: [here] } }]",
            &["not a network"],
        ),
        (
            "policies: [{ name: a, for: { direction: both } }]",
            &["unknown value `both`"],
        ),
        (
            "policies: [{ name: a, thresholds: { tag: 9, quarantine: 4 } }]",
            &["thresholds must rise", "mailweir.yaml:1:35"],
        ),
        // The tag that is inherited is above what is written.
        (
            "policies: [{ name: a, thresholds: { quarantine: 4 } }]",
            &["thresholds must rise"],
        ),
        (
            "policies: [{ name: a, skip: [clamv] }]",
            &["did you mean `clamav`"],
        ),
        (
            "policies: [{ name: a, actions: { tag: discard } }]",
            &[
                "discard cannot stand for tag",
                "write deliver, quarantine, reject",
            ],
        ),
        (
            "policies: [{ name: a, actions: { reject: deliver } }]",
            &["deliver cannot stand for reject"],
        ),
        (
            "policies: [{ name: a, language: { expected: [] } }]",
            &["`expected` is empty"],
        ),
        (
            "policies: [{ name: a, language: { expected: [xx] } }]",
            &["`xx` is no language"],
        ),
        (
            "policies: [{ name: a, allow: [{}] }]",
            &["neither `senders` nor `list`", "mailweir.yaml:1:31"],
        ),
        (
            "allow: [{ list: gone.txt }]",
            &["gone.txt", "mailweir.yaml:1:17"],
        ),
        (
            "allow: [{ list: bad.txt }]",
            &["`@bad.example` is no address", "bad.txt:2:1"],
        ),
        (
            "deny: [{ senders: ['http://x'] }]",
            &["is no address", "mailweir.yaml:1:20"],
        ),
        (
            "deny: [{ senders: [x.example], action: score }]",
            &["needs a `score`"],
        ),
        (
            "deny: [{ senders: [x.example], score: 3 }]",
            &["goes with `action: score` only"],
        ),
        (
            "deny: [{ senders: [x.example], action: score, score: .inf }]",
            &["must be -1000 to 1000"],
        ),
        (
            "conflict: strictest\nconflict_fallback: mildest",
            &["for `conflict: split` only", "mailweir.yaml:2:20"],
        ),
        (
            "policies: [{ name: a, skip: [auth], allow: [{ senders: [x.example] }] }]",
            &["this policy skips the filter `auth`", "unsafe: true"],
        ),
    ] {
        std::fs::write(folder.path().join("ok.txt"), "z.example\n").unwrap();
        let problems = match read_in(folder.path(), yaml) {
            Ok(_) => panic!("taken: {yaml}"),
            Err(problems) => problems.to_string(),
        };
        for part in parts {
            assert!(problems.contains(part), "{part} in:\n{problems}");
        }
    }
    let source = Source::new("mailweir.yaml", "allow: [{ senders: [x.example] }]");
    let file: File = parse_yaml(&source).unwrap();
    let without_auth = [FilterName::Rules];
    let built = |file| {
        Policies::build(
            file,
            &source,
            folder.path(),
            &Thresholds::default(),
            &without_auth,
        )
    };
    let problems = built(&file).unwrap_err().to_string();
    assert!(
        problems.contains("the chain has no filter `auth`"),
        "{problems}"
    );
    let unproven: File = parse_yaml(&Source::new(
        "a",
        "allow: [{ senders: [x.example], unsafe: true }]",
    ))
    .unwrap();
    assert!(built(&unproven).is_ok());
}

#[test]
fn a_narrow_policy_above_a_wide_one_is_no_problem() {
    read(
        "policies:
  - { name: a, for: { recipients: [ann@x.example, .x.example] } }
  - { name: b, for: { recipients: [x.example] } }
  - { name: c, for: { recipients: [x.example, y.example], direction: outbound } }
  - { name: d, for: { networks: [192.0.2.0/24] } }
  - { name: e, for: { networks: [192.0.0.0/16], recipients: [z.example] } }
  - { name: f }
  - { name: g, for: { direction: outbound } }
",
    );
}

#[test]
fn the_files_that_are_watched_are_all_lists() {
    let source = Source::new(
        "mailweir.yaml",
        "allow: [{ list: a.txt, unsafe: true }]\ndeny: [{ list: /d.txt }]\npolicies:\n  \
         - { name: x, for: { lists: [r.txt] }, allow: [{ list: a.txt }], deny: [{ list: b.txt }] }\n",
    );
    let file: File = parse_yaml(&source).unwrap();
    let files = Policies::files(&file, Path::new("/etc"));
    let names: Vec<_> = files.iter().map(|f| f.to_str().unwrap()).collect();
    assert_eq!(names, ["/d.txt", "/etc/a.txt", "/etc/b.txt", "/etc/r.txt"]);
    assert!(Config::load(None, &Default::default()).is_ok());
}
