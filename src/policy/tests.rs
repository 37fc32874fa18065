//! Policies as they are written, and the verdicts that they give.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::auth::dkim::{Dkim, DkimResult};
use crate::auth::dmarc::{Dmarc, DmarcResult};
use crate::auth::spf::{Identity, Spf, SpfResult};
use crate::config::{Config, File, FilterName, Problems, Source, parse_yaml};
use crate::filter::auth::Authenticated;
use crate::filter::{Action, FailureAction, Hit, Outcome, Reason, Report, Scan};
use crate::mail::{Address, Direction, Envelope, Limits, Mail};
use crate::verdict::{DecidedBy, Thresholds, Verdict};

const CHAIN: [FilterName; 5] = [
    FilterName::Dnsbl,
    FilterName::Auth,
    FilterName::Rules,
    FilterName::Bayes,
    FilterName::Clamav,
];

fn read_in(folder: &Path, yaml: &str) -> Result<Policies, Problems> {
    let source = Source::new("mailweir.yaml", yaml);
    let file: File = parse_yaml(&source)?;
    Policies::build(&file, &source, folder, &Thresholds::default(), &CHAIN)
}

fn read(yaml: &str) -> Policies {
    let folder = tempfile::tempdir().unwrap();
    read_in(folder.path(), yaml).unwrap_or_else(|problems| panic!("{problems}"))
}

fn mail_to(recipients: &[&str]) -> Envelope {
    Envelope {
        sender: Some(Address::new(b"<ann@sender.example>")),
        recipients: recipients
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    }
}

fn scan(envelope: Envelope, from: &str) -> Scan {
    let raw = format!("From: {from}\r\nSubject: x\r\n\r\nhello\r\n");
    Scan {
        envelope,
        mail: Mail::parse(raw.into(), &Limits::default()),
        ..Scan::default()
    }
}

fn report(filter: &'static str, hits: Vec<Hit>) -> Report {
    Report {
        filter,
        outcome: Outcome::Checked(hits),
        elapsed: Duration::ZERO,
    }
}

/// What the chain says: points of `rules` and `bayes`, and a virus or not.
fn chain(rules: f64, bayes: f64, virus: bool) -> Vec<Report> {
    let virus = virus.then(|| Hit::new("VIRUS", 0.0, "Eicar").decisive(Action::Reject));
    vec![
        report("dnsbl", Vec::new()),
        report("auth", Vec::new()),
        report("rules", vec![Hit::new("R", rules, "")]),
        report("bayes", vec![Hit::new("B", bayes, "")]),
        report("clamav", virus.into_iter().collect()),
    ]
}

fn rule(policies: &Policies, scan: &Scan, reports: Vec<Report>, can_drop: bool) -> Ruling {
    let envelope = &scan.envelope;
    let selected: Vec<_> = envelope
        .recipients
        .iter()
        .map(|r| policies.select(envelope, Some(r)))
        .collect();
    policies.rule(&selected, scan, reports, can_drop, |_, _| {
        FailureAction::Tempfail
    })
}

fn verdict(policies: &Policies, scan: &Scan, reports: Vec<Report>) -> Verdict {
    rule(policies, scan, reports, true).verdict
}

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

/// What each policy makes of the same outcomes.
#[test]
fn verdict_by_policy() {
    use Action::*;
    let policies = read(
        "thresholds: { tag: 5, quarantine: 8, reject: 15 }
policies:
  - { name: high, for: { recipients: [high.example] }, thresholds: { tag: 7, quarantine: 20, reject: null } }
  - { name: low, for: { recipients: [low.example] }, thresholds: { tag: 1, quarantine: 3, reject: 5 } }
  - { name: never, for: { recipients: [never.example] }, thresholds: { tag: null, quarantine: null, reject: null } }
  - { name: no_bayes, for: { recipients: [no-bayes.example] }, skip: [bayes] }
  - { name: no_scan, for: { recipients: [no-scan.example] }, skip: [clamav] }
  - { name: tags, for: { recipients: [tags.example] }, actions: { quarantine: tag, reject: quarantine } }
  - { name: mild, for: { recipients: [mild.example] }, actions: { tag: deliver, quarantine: tag, reject: tag } }
  - { name: hard, for: { recipients: [hard.example] }, actions: { tag: reject } }
",
    );
    for (to, rules, bayes, virus, action) in [
        ("x@other.example", 3.0, 1.0, false, Deliver),
        ("x@other.example", 3.0, 3.0, false, Tag),
        ("x@other.example", 6.0, 3.0, false, Quarantine),
        ("x@other.example", 12.0, 3.0, false, Reject),
        ("x@other.example", 0.0, 0.0, true, Reject),
        ("x@high.example", 6.0, 0.5, false, Deliver),
        ("x@high.example", 12.0, 5.0, false, Tag),
        ("x@high.example", 90.0, 5.0, false, Quarantine),
        ("x@low.example", 1.0, 0.0, false, Tag),
        ("x@low.example", 4.0, 2.0, false, Reject),
        ("x@never.example", 90.0, 9.0, false, Deliver),
        ("x@never.example", 90.0, 9.0, true, Reject),
        ("x@no-bayes.example", 4.0, 9.0, false, Deliver),
        ("x@no-scan.example", 0.0, 0.0, true, Deliver),
        ("x@tags.example", 9.0, 0.0, false, Tag),
        ("x@tags.example", 19.0, 0.0, false, Quarantine),
        // A virus is a matter of more than points.
        ("x@tags.example", 0.0, 0.0, true, Quarantine),
        ("x@mild.example", 5.0, 0.0, false, Deliver),
        ("x@mild.example", 50.0, 0.0, false, Tag),
        ("x@mild.example", 0.0, 0.0, true, Reject),
        ("x@hard.example", 5.0, 0.0, false, Reject),
        ("x@hard.example", 4.9, 0.0, false, Deliver),
    ] {
        let scan = scan(mail_to(&[to]), "ann@sender.example");
        let found = verdict(&policies, &scan, chain(rules, bayes, virus));
        assert_eq!(found.action, action, "{to} {rules} {bayes} {virus}");
        let name = &found.policy.as_ref().unwrap().policy;
        let host = to.split(['@', '.']).nth(1).unwrap().replace('-', "_");
        assert_eq!(
            **name,
            if host == "other" {
                "default".to_owned()
            } else {
                host
            }
        );
    }
    let scan = scan(mail_to(&["x@no-bayes.example"]), "ann@sender.example");
    let found = verdict(&policies, &scan, chain(4.0, 9.0, false));
    assert_eq!(found.score, 4.0, "what is skipped gives no points");
    assert_eq!(found.reports[3].outcome, Outcome::Skipped(SKIPPED));
}

/// Who proves what: results of the filter `auth` on a message.
fn authenticated(spf: &str, dkim: &str, dmarc: Option<(&str, DmarcResult)>) -> Authenticated {
    let of = |domain: &str, result| Spf {
        result,
        identity: Identity::MailFrom,
        domain: domain.to_owned(),
        reason: String::new(),
        failure: None,
    };
    Authenticated {
        spf: (!spf.is_empty()).then(|| of(spf, SpfResult::Pass)),
        dkim: (!dkim.is_empty())
            .then(|| Dkim {
                result: DkimResult::Pass,
                domain: dkim.to_owned(),
                selector: String::new(),
                algorithm: "",
                mark: String::new(),
                reason: String::new(),
                failure: None,
            })
            .into_iter()
            .collect(),
        dmarc: dmarc.map(|(domain, result)| Dmarc::told(domain, result)),
        ..Authenticated::default()
    }
}

/// The table of spoofed senders: only a proven one is allowed.
#[test]
fn an_allow_entry_counts_for_a_proven_sender_only() {
    use DmarcResult::{Fail, None as NoPolicy, Pass, TempError};
    let policies = read("allow: [{ senders: [friend.example, boss@big.example] }]\n");
    let friend = Some(("friend.example", Pass));
    for (mail_from, from, proof, allowed) in [
        // From, with DMARC.
        (
            "x@esp.example",
            "a@friend.example",
            authenticated("esp.example", "", friend),
            true,
        ),
        (
            "x@esp.example",
            "a@friend.example",
            authenticated("esp.example", "", Some(("friend.example", Fail))),
            false,
        ),
        (
            "x@esp.example",
            "a@friend.example",
            authenticated("", "friend.example", Some(("friend.example", TempError))),
            false,
        ),
        // From, of a domain without a policy: what DMARC asks for holds nevertheless.
        (
            "x@esp.example",
            "a@friend.example",
            authenticated("", "friend.example", Some(("friend.example", NoPolicy))),
            true,
        ),
        (
            "x@esp.example",
            "a@friend.example",
            authenticated(
                "esp.example",
                "esp.example",
                Some(("friend.example", NoPolicy)),
            ),
            false,
        ),
        (
            "x@esp.example",
            "a@friend.example",
            authenticated("", "", Some(("friend.example", NoPolicy))),
            false,
        ),
        // The results are those of another domain of From.
        (
            "x@esp.example",
            "a@friend.example, b@evil.example",
            authenticated("evil.example", "", Some(("evil.example", Pass))),
            false,
        ),
        // The envelope sender.
        (
            "x@friend.example",
            "a@other.example",
            authenticated("friend.example", "", None),
            true,
        ),
        (
            "x@friend.example",
            "a@other.example",
            authenticated("", "friend.example", None),
            true,
        ),
        (
            "x@friend.example",
            "a@other.example",
            authenticated("", "", None),
            false,
        ),
        (
            "x@friend.example",
            "a@other.example",
            authenticated("evil.example", "sub.friend.example", None),
            false,
        ),
        (
            "x@sub.friend.example",
            "a@other.example",
            authenticated("sub.friend.example", "", None),
            true,
        ),
        // One address of a domain.
        (
            "boss@big.example",
            "a@other.example",
            authenticated("big.example", "", None),
            true,
        ),
        (
            "clerk@big.example",
            "a@other.example",
            authenticated("big.example", "", None),
            false,
        ),
        // A name that only looks like it.
        (
            "x@notfriend.example",
            "a@notfriend.example",
            authenticated("notfriend.example", "", Some(("notfriend.example", Pass))),
            false,
        ),
        (
            "",
            "\"a@friend.example\" <x@evil.example>",
            authenticated("", "", Some(("evil.example", Pass))),
            false,
        ),
    ] {
        let mut envelope = mail_to(&["x@example.org"]);
        envelope.sender = Some(Address::new(format!("<{mail_from}>").as_bytes()));
        let scan = scan(envelope, from);
        scan.authentication.give(Arc::new(proof.clone()));
        let found = verdict(&policies, &scan, chain(20.0, 0.0, false));
        let expected = if allowed {
            Action::Deliver
        } else {
            Action::Reject
        };
        assert_eq!(found.action, expected, "{mail_from} {from} {proof:?}");
        assert_eq!(found.policy.unwrap().listed.is_some(), allowed);
        // A virus is refused whoever sends it.
        let virus = verdict(&policies, &scan, chain(0.0, 0.0, true));
        assert_eq!(virus.action, Action::Reject, "{mail_from} {from}");
        assert_eq!(
            virus.policy.unwrap().listed,
            None,
            "the list has not decided"
        );
    }
}

#[test]
fn an_entry_that_is_not_proven_is_said_and_unsafe_needs_no_proof() {
    let scan = scan(mail_to(&["x@example.org"]), "a@friend.example");
    let proven = read("allow: [{ senders: [friend.example] }]\n");
    let found = verdict(&proven, &scan, chain(6.0, 0.0, false));
    assert_eq!(found.action, Action::Tag);
    let (filter, hit) = found.hits().next().unwrap();
    assert_eq!(
        (filter, &*hit.rule, hit.score),
        ("policy", "POLICY_ALLOW_UNPROVEN", 0.0)
    );
    assert_eq!(
        hit.evidence,
        "mailweir.yaml:1 friend.example: From a@friend.example"
    );
    let anyway = read("allow: [{ senders: [friend.example], unsafe: true }]\n");
    let found = verdict(&anyway, &scan, chain(60.0, 0.0, false));
    assert_eq!(found.action, Action::Deliver);
    let listed = found.policy.unwrap().listed.unwrap();
    assert_eq!(listed.to_string(), "allow mailweir.yaml:1 (friend.example)");
}

#[test]
fn of_entries_the_most_specific_decides_and_deny_before_allow() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("spam.txt"),
        "# known\nbulk.example\n\nann@good.example\n",
    )
    .unwrap();
    let policies = read_in(
        folder.path(),
        "allow:
  - { senders: [one@bulk.example, good.example, both.example, deep.host.example], unsafe: true }
deny:
  - { list: spam.txt }
  - { senders: [held.example], action: quarantine }
  - { senders: [points.example], action: score, score: 6 }
  - { senders: [both.example, .host.example] }
policies:
  - name: own
    for: { recipients: [own.example] }
    allow: [{ senders: [bulk.example], unsafe: true }]
    deny: [{ senders: [good.example] }]
",
    )
    .unwrap();
    use Action::*;
    for (to, sender, action, place) in [
        ("x@a.example", "two@bulk.example", Reject, "spam.txt:2"),
        ("x@a.example", "x@sub.bulk.example", Reject, "spam.txt:2"),
        (
            "x@a.example",
            "one@bulk.example",
            Deliver,
            "mailweir.yaml:2",
        ),
        ("x@a.example", "ann@good.example", Reject, "spam.txt:4"),
        (
            "x@a.example",
            "bob@good.example",
            Deliver,
            "mailweir.yaml:2",
        ),
        ("x@a.example", "bob@both.example", Reject, "mailweir.yaml:7"),
        ("x@a.example", "bob@host.example", Deliver, ""),
        (
            "x@a.example",
            "bob@a.host.example",
            Reject,
            "mailweir.yaml:7",
        ),
        (
            "x@a.example",
            "bob@deep.host.example",
            Deliver,
            "mailweir.yaml:2",
        ),
        (
            "x@a.example",
            "bob@held.example",
            Quarantine,
            "mailweir.yaml:5",
        ),
        ("x@a.example", "bob@points.example", Tag, "mailweir.yaml:6"),
        // The lists of the policy come before those of all.
        (
            "x@own.example",
            "two@bulk.example",
            Deliver,
            "mailweir.yaml:11",
        ),
        (
            "x@own.example",
            "bob@good.example",
            Reject,
            "mailweir.yaml:12",
        ),
        (
            "x@own.example",
            "bob@held.example",
            Quarantine,
            "mailweir.yaml:5",
        ),
    ] {
        for by_from in [false, true] {
            let mut envelope = mail_to(&[to]);
            let (mail_from, from) = match by_from {
                true => ("x@elsewhere.example", sender),
                false => (sender, "x@elsewhere.example"),
            };
            envelope.sender = Some(Address::new(mail_from.as_bytes()));
            let scan = scan(envelope, from);
            let found = verdict(&policies, &scan, chain(0.0, 0.0, false));
            assert_eq!(found.action, action, "{to} {sender} {by_from}");
            let listed = found.policy.unwrap().listed;
            assert_eq!(
                listed.map_or(String::new(), |l| l.place),
                place,
                "{to} {sender}"
            );
        }
    }
    // Lists for all are for inbound mail.
    let mut outbound = mail_to(&["x@a.example"]);
    outbound.sender = Some(Address::new(b"two@bulk.example"));
    outbound.direction = Direction::Outbound;
    let scan = scan(outbound, "two@bulk.example");
    let found = verdict(&policies, &scan, chain(0.0, 0.0, false));
    assert_eq!(found.action, Action::Deliver);
    assert_eq!(*found.policy.unwrap().policy, *"outbound");
}

/// A sender is refused before the message comes only where nothing that is learned later could allow him.
#[test]
fn a_denied_sender_is_refused_early_where_that_is_certain() {
    let early = |yaml: &str, sender: &str| {
        let policies = read(yaml);
        let mut envelope = mail_to(&["x@example.org"]);
        envelope.sender = Some(Address::new(sender.as_bytes()));
        let policy = policies.select(&envelope, envelope.recipients.first());
        let found = policies.early(&policy, &envelope, None);
        assert!(found.is_none() || policies.may_decide_early());
        found.map(|v| (v.action, v.policy.unwrap().listed.unwrap().place))
    };
    let refused = |line: usize| Some((Action::Reject, format!("mailweir.yaml:{line}")));
    let deny = "deny: [{ senders: [bad.example, ann@bad.example] }]\n";
    assert_eq!(early(deny, "<x@bad.example>"), refused(1));
    assert_eq!(early(deny, "<>"), None);
    assert_eq!(early(deny, "<x@good.example>"), None);
    assert_eq!(
        early(
            "deny: [{ senders: [bad.example], action: quarantine }]\n",
            "<x@bad.example>"
        ),
        None
    );
    // From may be allowed by an entry that is more specific.
    let both = format!("{deny}allow: [{{ senders: [x.example] }}]\n");
    assert_eq!(early(&both, "<x@bad.example>"), None);
    assert_eq!(early(&both, "<ann@bad.example>"), refused(1));
    // Whatever the policy itself lists comes before.
    let own = |lists: &str| format!("{deny}policies: [{{ name: own, {lists} }}]\n");
    assert_eq!(
        early(
            &own("allow: [{ senders: [x.example] }]"),
            "<ann@bad.example>"
        ),
        None
    );
    assert_eq!(
        early(
            &own("deny: [{ senders: [ann@bad.example] }]"),
            "<ann@bad.example>"
        ),
        refused(2)
    );
    assert_eq!(
        early(
            &own("deny: [{ senders: [bad.example], action: score, score: 1 }]"),
            "<x@bad.example>"
        ),
        None
    );
    assert_eq!(
        early(&own("actions: { reject: quarantine }"), "<x@bad.example>")
            .unwrap()
            .0,
        Action::Quarantine
    );
}

/// The table of conflicts. Recipients: `pass` delivers, `tag` tags, `hold` quarantines, `refuse` rejects, `later`
/// answers tempfail, `drop` discards.
#[test]
fn verdicts_of_several_policies_are_settled() {
    use Action::*;
    use Settled as S;
    let yaml = |conflict: &str| {
        format!(
            "{conflict}
policies:
  - {{ name: pass, for: {{ recipients: [pass.example] }}, thresholds: {{ tag: null, quarantine: null, reject: null }} }}
  - {{ name: tag, for: {{ recipients: [tag.example] }}, thresholds: {{ tag: 1, quarantine: null, reject: null }} }}
  - {{ name: hold, for: {{ recipients: [hold.example] }}, thresholds: {{ tag: null, quarantine: 1, reject: null }} }}
  - {{ name: refuse, for: {{ recipients: [refuse.example] }}, thresholds: {{ tag: null, quarantine: null, reject: 1 }} }}
  - {{ name: drop, for: {{ recipients: [drop.example] }}, thresholds: {{ tag: null, quarantine: 1, reject: null }}, actions: {{ quarantine: discard }} }}
"
        )
    };
    let split = "conflict: split";
    for (conflict, recipients, can_drop, action, settled, held) in [
        (
            split,
            &["pass", "pass"][..],
            true,
            Deliver,
            S::Agreed,
            &[][..],
        ),
        (split, &["refuse", "refuse"], true, Reject, S::Agreed, &[]),
        (split, &["pass", "tag"], true, Tag, S::Agreed, &[]),
        (split, &["pass", "hold"], true, Deliver, S::Split, &["hold"]),
        (
            split,
            &["refuse", "pass", "hold", "tag"],
            true,
            Tag,
            S::Split,
            &["refuse", "hold"],
        ),
        (split, &["drop", "pass"], true, Deliver, S::Split, &["drop"]),
        (split, &["hold", "refuse"], true, Quarantine, S::Held, &[]),
        (split, &["drop", "refuse"], true, Discard, S::Held, &[]),
        (
            split,
            &["hold", "drop", "refuse"],
            false,
            Quarantine,
            S::Held,
            &[],
        ),
        (split, &["pass", "refuse"], false, Reject, S::Strictest, &[]),
        (
            "conflict_fallback: mildest",
            &["pass", "refuse"],
            false,
            Deliver,
            S::Mildest,
            &[],
        ),
        (
            "conflict: strictest",
            &["pass", "hold"],
            true,
            Quarantine,
            S::Strictest,
            &[],
        ),
        (
            "conflict: strictest",
            &["pass", "tag"],
            true,
            Tag,
            S::Agreed,
            &[],
        ),
        (
            "conflict: mildest",
            &["tag", "refuse"],
            true,
            Tag,
            S::Mildest,
            &[],
        ),
        (
            "conflict: mildest",
            &["pass", "tag"],
            true,
            Deliver,
            S::Agreed,
            &[],
        ),
    ] {
        let policies = read(&yaml(conflict));
        let to: Vec<String> = recipients
            .iter()
            .map(|r| format!("<x@{r}.example>"))
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let scan = scan(mail_to(&to), "ann@sender.example");
        let ruling = rule(&policies, &scan, chain(6.0, 0.0, false), can_drop);
        let case = format!("{conflict} {recipients:?} {can_drop}");
        assert_eq!(
            (ruling.verdict.action, ruling.settled),
            (action, settled),
            "{case}"
        );
        let wanted = !can_drop && ruling.settled != S::Held && conflict != "conflict: strictest";
        assert_eq!(ruling.not_granted, wanted, "{case}");
        let mut left: Vec<String> = Vec::new();
        if let Some(ruled) = &ruling.held {
            left.extend(ruled.recipients.iter().map(|r| r.text().to_owned()));
            assert!(ruled.verdict.action > Tag, "{case}");
        }
        let held: Vec<String> = held.iter().map(|r| format!("x@{r}.example")).collect();
        assert_eq!(left, held, "{case}");
    }
}

#[test]
fn more_than_points_is_no_matter_of_mildness_and_later_is_later_for_all() {
    let policies = |conflict: &str| {
        read(&format!(
            "conflict: {conflict}
policies:
  - {{ name: no_scan, for: {{ recipients: [no-scan.example] }}, skip: [clamav] }}
  - {{ name: refuses, for: {{ recipients: [refuses.example] }}, deny: [{{ senders: [sender.example] }}] }}
"
        ))
    };
    let ruled = |conflict: &str, to: &[&str], reports| {
        let scan = scan(mail_to(to), "ann@sender.example");
        let ruling = rule(&policies(conflict), &scan, reports, true);
        (ruling.verdict.action, ruling.settled)
    };
    let down = || {
        let mut reports = chain(0.0, 0.0, false);
        reports[4].outcome = Outcome::unscanned(Reason::Down, "");
        reports
    };
    let to = ["x@no-scan.example", "x@other.example"];
    use Action::*;
    assert_eq!(
        ruled("split", &to, chain(0.0, 0.0, true)),
        (Deliver, Settled::Split)
    );
    assert_eq!(ruled("split", &to, down()), (Tempfail, Settled::Tempfail));
    assert_eq!(
        ruled("mildest", &to, chain(0.0, 0.0, true)),
        (Reject, Settled::Mildest)
    );
    assert_eq!(ruled("mildest", &to, down()), (Tempfail, Settled::Mildest));
    let denied = ["x@refuses.example", "x@other.example"];
    assert_eq!(
        ruled("mildest", &denied, chain(0.0, 0.0, false)),
        (Deliver, Settled::Mildest)
    );
    assert_eq!(
        ruled("split", &denied, chain(0.0, 0.0, false)),
        (Deliver, Settled::Split)
    );
}

/// What a policy says depends on the message alone, not on who else gets it.
#[test]
fn a_verdict_is_the_same_whoever_else_gets_the_message() {
    let policies = read(
        "policies:
  - { name: a, for: { recipients: [a.example] }, skip: [dnsbl], thresholds: { tag: 2 } }
  - { name: b, for: { recipients: [b.example] }, deny: [{ senders: [sender.example] }] }
  - { name: c, for: { recipients: [c.example] }, skip: [clamav, bayes], language: { expected: [de] } }
",
    );
    let all = [
        "<x@a.example>",
        "<x@b.example>",
        "<x@c.example>",
        "<x@d.example>",
    ];
    let listed = || {
        let mut reports = chain(3.0, 4.0, true);
        let hit = Hit::new("ZONE", 0.0, "").decisive(Action::Quarantine);
        reports[0] = report("dnsbl", vec![hit]);
        reports
    };
    for reports in [chain(3.0, 4.0, false), chain(3.0, 4.0, true), listed()] {
        let together = scan(mail_to(&all), "ann@sender.example");
        let ruling = rule(&policies, &together, reports.clone(), true);
        assert_eq!(ruling.shares.len(), 4);
        for share in &ruling.shares {
            let to = share.recipients[0].raw();
            let alone = scan(
                mail_to(&[std::str::from_utf8(to).unwrap()]),
                "ann@sender.example",
            );
            let own = rule(&policies, &alone, reports.clone(), true);
            assert_eq!(own.verdict, share.verdict);
        }
    }
    // What stands behind a decisive hit was not looked at, though another policy has needed it.
    let together = scan(mail_to(&all), "ann@sender.example");
    let ruling = rule(&policies, &together, listed(), true);
    let of = |name: &str| {
        let found = ruling.shares.iter().find(|s| **s.policy.name() == *name);
        &found.unwrap().verdict
    };
    assert_eq!(
        (of("a").action, of("default").action),
        (Action::Reject, Action::Quarantine)
    );
    assert_eq!(
        of("default").reports[4].outcome,
        Outcome::Skipped(crate::filter::ENDED)
    );
    let DecidedBy::Hit { filter, .. } = &of("b").decided_by else {
        panic!("{:?}", of("b"))
    };
    assert_eq!(*filter, NAME);
}

#[test]
fn outbound_mail_passes_what_scans_and_nothing_that_judges_strangers() {
    let never = |yaml: &str, direction| read(yaml).never(direction).to_vec();
    let usual = ["dnsbl", "auth", "rules", "bayes"];
    assert_eq!(never("", Direction::Outbound), usual);
    assert!(never("", Direction::Inbound).is_empty());
    let some = "outbound: { skip: [dnsbl] }\n";
    assert_eq!(never(some, Direction::Outbound), ["dnsbl"]);
    // One policy wants the rules, so they begin, and say nothing to the others.
    let wanted =
        "policies: [{ name: a, for: { direction: outbound, users: [x] }, skip: [dnsbl, auth] }]\n";
    assert_eq!(never(wanted, Direction::Outbound), ["dnsbl", "auth"]);
    // A policy for outbound mail that says nothing of filters skips what outbound mail does.
    let quiet = "policies: [{ name: a, for: { direction: outbound, users: [x] } }]\n";
    assert_eq!(never(quiet, Direction::Outbound), usual);
}

#[test]
fn without_policies_nothing_is_shown_and_all_is_as_the_file_says() {
    let policies = read("");
    let scan = scan(
        mail_to(&["<x@a.example>", "<x@b.example>"]),
        "ann@sender.example",
    );
    let ruling = rule(&policies, &scan, chain(6.0, 0.0, false), false);
    assert_eq!(ruling.verdict.action, Action::Tag);
    assert_eq!(ruling.verdict.policy, None);
    assert_eq!(ruling.required, Some(5.0));
    assert_eq!(ruling.shares.len(), 1);
    assert_eq!(ruling.verdict.reports, chain(6.0, 0.0, false));
    assert!(!policies.may_decide_early());
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
