//! Senders who are allowed or denied.

use super::*;

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

/// A sender is refused before the message comes only where nothing that is learned later could allow it.
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
