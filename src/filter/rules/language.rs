//! The promises of the rule language beyond places and patterns: elements, numbers, lists, formulas, and
//! what a hit does.

use bytes::Bytes;
use jiff::civil::date;

use super::ruleset::RuleSet;
use crate::config::{Problems, Severity, Source};
use crate::filter::{Action, Hit};
use crate::mail::{Address, Client, Envelope, Limits, Mail};

const MAIL: &str = "Received: from relay.example.net (relay.example.net [192.0.2.20]) by mx.example.org (Postfix) with ESMTPS id 2; Tue, 01 Sep 2026 10:00:00 +0000\r\nReceived: from laptop (unknown [198.51.100.7]) by relay.example.net with ESMTPA id 1; Tue, 01 Sep 2026 09:59:00 +0000\r\nDate: Mon, 31 Aug 2026 10:00:00 +0000\r\nFrom: \"Ann Weir\" <Ann.W@mail.example.net>\r\nSender: office@other.example\r\nReply-To: ann@elsewhere.example\r\nResent-From: Bob <bob@resent.example.co.uk>\r\nTo: me@exarnplecorp.org, you@examplecorp.org\r\nSubject: WIN!!! a gift card\r\nMessage-ID: <1@third.example>\r\nX-Priority: 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Gift-Card!! card! https</p><a href=\"https://user:pw@login.evil.example.com:8443/a/b?id=7\">Sign in</a><a href=\"http://bit.ly/x\">here</a>\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"bill.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA//8AALgAAAA=\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n\r\nnot an image\r\n--b--\r\n";

fn mail() -> Mail {
    Mail::parse(Bytes::from_static(MAIL.as_bytes()), &Limits::default())
}

fn envelope() -> Envelope {
    Envelope {
        client: Client {
            addr: Some("192.0.2.20".parse().unwrap()),
            name: Some("relay.example.net".to_owned()),
            port: 25,
        },
        helo: Some("[192.0.2.99]".to_owned()),
        sender: Some(Address::new(b"<bounce+1@mail.example.co.uk>")),
        recipients: vec![Address::new(b"<me@examplecorp.org>")],
        ..Envelope::default()
    }
}

fn lists() -> Vec<Source> {
    vec![
        Source::new("lists/short.txt", "# shorteners\nbit.ly # why\n"),
        Source::new("lists/nets.txt", "192.0.2.0/24\n"),
        Source::new("lists/unused.txt", "x\n"),
        Source::new("lists/empty.txt", "# nothing\n"),
        Source::new("lists/broken.txt", "a.example\nhttp://b.example/\n"),
    ]
}

fn load(text: &str) -> Result<RuleSet, Problems> {
    RuleSet::with_lists(
        &[Source::new("test.yaml", format!("version: 1\n{text}"))],
        &lists(),
    )
}

fn loaded(text: &str) -> RuleSet {
    load(text).unwrap_or_else(|p| panic!("{p}"))
}

fn refused(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("taken:\n{text}"),
        Err(problems) => problems.to_string(),
    }
}

fn rule(when: &str) -> String {
    format!("rules:\n  - {{ id: A, description: x, score: 1, when: {when} }}\n")
}

fn hits(text: &str) -> Vec<Hit> {
    loaded(text).evaluate(&envelope(), &mail())
}

fn evidence(when: &str) -> Option<String> {
    hits(&rule(when)).pop().map(|hit| hit.evidence)
}

#[test]
fn every_new_place_and_question_sees_what_it_says() {
    for (when, shown) in [
        (
            "{ from_mailbox: '^Ann Weir <Ann' }",
            "from_mailbox: \"Ann Weir <Ann\"",
        ),
        (
            "{ from_local_part: { equals: ann.w } }",
            "from_local_part: \"Ann.W\"",
        ),
        (
            "{ from_registered_domain: '^example.net$' }",
            "from_registered_domain: \"example.net\"",
        ),
        (
            "{ mail_from_local_part: '^bounce\\+' }",
            "mail_from_local_part: \"bounce+\"",
        ),
        (
            "{ mail_from_registered_domain: '^example\\.co\\.uk$' }",
            "mail_from_registered_domain: \"example.co.uk\"",
        ),
        (
            "{ rcpt_to_local_part: { equals: me } }",
            "rcpt_to_local_part: \"me\"",
        ),
        (
            "{ client_address: { networks: { list: nets } } }",
            "client_address: \"192.0.2.20\"",
        ),
        (
            "{ client_registered_domain: { domains: example.net } }",
            "client_registered_domain: \"example.net\"",
        ),
        (
            "{ helo: { networks: 192.0.2.99 } }",
            "helo: \"[192.0.2.99]\"",
        ),
        (
            "{ plain_text: '^plain words$' }",
            "plain_text: \"plain words\"",
        ),
        ("{ html_text: '^Gift' }", "html_text: \"Gift\""),
        (
            "{ html_text: { count: { at_most: 1 } } }",
            "html_text found 1 times",
        ),
        ("{ url_scheme: '^https$' }", "url_scheme: \"https\""),
        ("{ url_userinfo: '^user:pw$' }", "url_userinfo: \"user:pw\""),
        (
            "{ url_registered_domain: { equals: example.com } }",
            "url_registered_domain: \"example.com\"",
        ),
        (
            "{ url_port: { number: { at_least: 1024 } } }",
            "url_port: \"8443\"",
        ),
        ("{ url_path: '^/a/b$' }", "url_path: \"/a/b\""),
        ("{ url_query: 'id=\\d' }", "url_query: \"id=7\""),
        (
            "{ url_host: { domains: { list: short } } }",
            "url_host: \"bit.ly\"",
        ),
        (
            "{ part_extension: { equals: [pdf] } }",
            "part_extension: \"pdf\"",
        ),
        (
            "{ attachment_real_type: '^exe$' }",
            "attachment_real_type: \"exe\"",
        ),
        (
            "{ received_address: { networks: 198.51.100.0/24 } }",
            "received_address: \"198.51.100.7\"",
        ),
        ("{ received_with: '^ESMTPA$' }", "received_with: \"ESMTPA\""),
        (
            "{ received_by: { domains: example.org } }",
            "received_by: \"mx.example.org\"",
        ),
        (
            "{ header: { name: Received, position: last, matches: 'laptop' } }",
            "header received: \"laptop\"",
        ),
        (
            "{ header: { name: Resent-From, as: registered_domain, matches: '^example\\.co\\.uk$' } }",
            "header resent-from: \"example.co.uk\"",
        ),
        (
            "{ header: { name: X-Priority, number: { at_most: 1 } } }",
            "header x-priority: \"1\"",
        ),
        (
            "{ subject: { words: ['gift card'] } }",
            "subject: \"gift card\"",
        ),
        (
            "{ html_text: { words: ['gift card'] } }",
            "html_text: \"Gift-Card\"",
        ),
        (
            "{ subject: { matches: '!', occurrences: { at_least: 3 } } }",
            "subject: \"!\"",
        ),
        (
            "{ html_text: { words: card, occurrences: { at_least: 2, at_most: 2 } } }",
            "html_text: \"Card\"",
        ),
        (
            "{ attachment: { name: 'pdf$', real_type: '^exe$' } }",
            "attachment: name \"pdf\", real_type \"exe\"",
        ),
        (
            "{ link: { host: { domains: example.com }, text: '^Sign in$', not: { port: '^443$' } } }",
            "link: host \"login.evil.example.com\", text \"Sign in\"",
        ),
        (
            "{ link: { host: { domains: bit.ly }, userinfo: { exists: false } } }",
            "link: host \"bit.ly\"",
        ),
        (
            "{ part: { type: '^text/', count: { at_least: 2 } } }",
            "part: type \"text/\"",
        ),
        (
            "{ attachment: { size: { at_most: 12 } } }",
            "attachment: size 12",
        ),
        (
            "{ received: { position: first, with: '^ESMTPS$' } }",
            "received: with \"ESMTPS\"",
        ),
        (
            "{ received: { position: -1, helo: '^laptop$', name: { exists: false } } }",
            "received: helo \"laptop\"",
        ),
        (
            "{ url_domain_count: { at_least: 2, at_most: 2 } }",
            "url_domain_count 2",
        ),
        (
            "{ attachment_count: { at_least: 2 } }",
            "attachment_count 2",
        ),
        (
            "{ date_age: { at_least: 3600, at_most: 100000 } }",
            "date_age 86400",
        ),
        (
            "{ formula: 'url_count + attachment_count > 3' }",
            "formula of ",
        ),
        ("{ client: { list: nets } }", "client 192.0.2.20"),
        (
            "{ relation: reply_to_is_not_from }",
            "reply_to_is_not_from: ann@elsewhere.example instead of Ann.W@mail.example.net",
        ),
        (
            "{ relation: sender_other_domain }",
            "sender_other_domain: other.example instead of mail.example.net",
        ),
        (
            "{ relation: helo_is_other_address }",
            "helo_is_other_address: 192.0.2.99 is 192.0.2.20",
        ),
        (
            "{ relation: message_id_other_domain }",
            "message_id_other_domain: third.example instead of mail.example.net",
        ),
        (
            "{ relation: attachment_type_other_than_content }",
            "attachment_type_other_than_content: application/pdf is exe",
        ),
        (
            "{ relation: attachment_name_other_than_content }",
            "attachment_name_other_than_content: .pdf is exe",
        ),
    ] {
        assert_eq!(evidence(when).as_deref(), Some(shown), "{when}");
        assert_eq!(evidence(&format!("{{ not: {when} }}")), None, "not {when}");
    }
    for when in [
        "{ attachment: { name: 'png$', real_type: '^exe$' } }",
        "{ received: { position: first, helo: laptop } }",
        "{ received: { position: 3, by: '.' } }",
        "{ link: { host: { domains: bit.ly }, port: { exists: true } } }",
        "{ url_path: '^/b' }",
        "{ subject: { words: win, occurrences: { at_least: 2 } } }",
        "{ html_text: { words: car } }",
        "{ header: { name: Received, position: 1, matches: laptop } }",
        "{ relation: helo_is_recipient_domain }",
        "{ relation: from_is_recipient_domain }",
        "{ hidden_ratio: { at_least: 0.1 } }",
        "{ formula: 'url_count / recipient_count / 0 > 0' }",
    ] {
        assert_eq!(evidence(when), None, "{when}");
    }
}

#[test]
fn digests_are_those_of_the_decoded_content() {
    let part = mail();
    let digest = part.attachments().next().unwrap().sha256();
    let written = super::digests::written(&digest);
    let when =
        format!("{{ attachment: {{ sha256: {{ sha256: {written} }}, extension: '^pdf$' }} }}");
    assert!(evidence(&when).is_some());
    let upper = written.to_uppercase();
    assert!(evidence(&format!("{{ part_sha256: {{ sha256: {upper} }} }}")).is_some());
}

#[test]
fn a_recipient_that_is_imitated_is_found() {
    let set = loaded(&rule("{ relation: from_resembles_recipient_domain }"));
    let raw = "From: boss@exarnplecorp.org\r\n\r\n";
    let mail = Mail::parse(Bytes::from_static(raw.as_bytes()), &Limits::default());
    let hits = set.evaluate(&envelope(), &mail);
    assert!(
        hits[0]
            .evidence
            .ends_with("exarnplecorp.org resembles examplecorp.org")
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_do() {
    for (when, told) in [
        (
            "{ subject: { networks: 10.0.0.0/8 } }",
            "holds no addresses",
        ),
        ("{ url_host: { sha256: ab } }", "holds no digests"),
        (
            "{ attachment_sha256: { sha256: ab } }",
            "64 hexadecimal digits",
        ),
        ("{ text: { words: '!!' } }", "has 1 to 16 words"),
        ("{ subject: { words: a, matches: b1c } }", "only one of"),
        (
            "{ subject: { equals: a, occurrences: { at_least: 2 } } }",
            "`occurrences` goes with",
        ),
        (
            "{ subject: { position: first, matches: abc } }",
            "takes no `position`",
        ),
        ("{ subject: { as: name, matches: abc } }", "takes no `as`"),
        (
            "{ header: { name: From, as: nme, exists: true } }",
            "did you mean `name`?",
        ),
        (
            "{ header: { name: From, as: name, raw: true, exists: true } }",
            "exclude each other",
        ),
        (
            "{ header: { name: From, position: 0, exists: true } }",
            "counted from the top",
        ),
        (
            "{ url_host: { domains: { list: shrt } } }",
            "did you mean `short`?",
        ),
        (
            "{ url_host: { domains: { list: ../x } } }",
            "cannot be the name of a list",
        ),
        (
            "{ url_host: { domains: { list: broken } } }",
            "lists/broken.txt:2:1",
        ),
        ("{ link: {} }", "`link` asks nothing"),
        ("{ link: { nme: abc } }", "unknown key of `link` `nme`"),
        (
            "{ link: { size: { at_least: 1 } } }",
            "`link` has no `size`",
        ),
        (
            "{ link: { host: { count: { at_least: 1 } } } }",
            "`count` cannot stand here",
        ),
        (
            "{ link: { host: abc, position: 1, count: { at_least: 2 } } }",
            "nothing to count",
        ),
        (
            "{ subject_upper_ratio: { at_least: 2 } }",
            "between 0 and 1",
        ),
        ("{ url_count: { at_least: -1 } }", "cannot be negative"),
        ("{ url_count: {} }", "give `at_least`"),
        (
            "{ url_cuont: { at_least: 1 } }",
            "did you mean `url_count`?",
        ),
        ("{ formula: 'B > 1' }", "there is no rule `B`"),
        ("{ formula: 'url_cuont > 1' }", "did you mean `url_count`?"),
        ("{ formula: '1 +' }", "this is not a formula"),
        ("{ formula: '1 + 1' }", "asks nothing"),
        ("{ formula: 'A' }", "in a circle"),
    ] {
        let shown = refused(&rule(when));
        assert!(shown.contains(told), "{when}: {told} is not in\n{shown}");
    }
    for (effect, told) in [
        ("score: 1, group: nobody", "there is no group `nobody`"),
        ("score: 1, mode: on", "unknown value"),
        ("score: 1, decisive: accept", "unknown value"),
        ("score: 1, labels: [Bulk]", "cannot be a label"),
        ("score: 1, labels: []", "1 to 8 labels"),
        ("score: 1, expires: 2027-1-31", "is not a date"),
        ("score: 1, expires: 2027-02-30", "is not a date"),
        ("score: 1, recipients: {}", "give `only`"),
        (
            "score: 1, recipients: { only: ['a@b.example'] }",
            "is not a domain",
        ),
        ("per_occurrence: { score: 1 }", "needs a `cap`"),
        ("per_occurrence: { cap: 1 }", "has no score"),
        (
            "score: 1, per_occurrence: { score: 1, cap: 2 }",
            "two scores",
        ),
        (
            "score: 1, per_occurrence: { cap: 2 }",
            "needs its own `score`",
        ),
        ("per_occurrence: { score: 1, cap: -2 }", "more than 0"),
        (
            "silent: true, per_occurrence: { cap: 2 }",
            "no points to cap",
        ),
        ("silent: true, labels: [a]", "has no labels"),
        ("silent: true, mode: shadow", "has no mode"),
    ] {
        let shown = refused(&format!(
            "rules:\n  - {{ id: A, description: x, {effect}, when: {{ subject: abc }} }}\n"
        ));
        assert!(shown.contains(told), "{effect}: {told} is not in\n{shown}");
    }
    let groups = "groups:\n  - { name: g, description: x, cap: 0 }\n  - { name: g, description: x, cap: 1 }\nrules: []\n";
    let shown = refused(groups);
    assert!(
        shown.contains("a cap is more than 0") && shown.contains("stands twice"),
        "{shown}"
    );
}

#[test]
fn carets_stand_inside_a_formula() {
    let text =
        "rules:\n  - { id: A, description: x, score: 1, when: { formula: 'size > 1 && NONE' } }\n";
    let problems = load(text).unwrap_err();
    let (_, line, column) = problems.0[0].position().unwrap();
    let written = text.lines().nth(1).unwrap();
    assert_eq!(
        (line, column),
        (3, written.find("NONE").unwrap() + 1),
        "{problems}"
    );
}

#[test]
fn occurrences_give_points_up_to_a_cap() {
    let points = |effect: &str, when: &str| {
        hits(&format!(
            "rules:\n  - {{ id: A, description: x, per_occurrence: {effect}, when: {when} }}\n"
        ))
        .pop()
        .map(|hit| (hit.score, hit.evidence))
    };
    for (effect, when, score) in [
        ("{ score: 0.5, cap: 9 }", "{ subject: '!' }", 1.5),
        ("{ score: 0.5, cap: 1 }", "{ subject: '!' }", 1.0),
        ("{ score: -0.5, cap: 1 }", "{ subject: '!' }", -1.0),
        (
            "{ score: 0.5, cap: 9, at_most: 2 }",
            "{ subject: '!' }",
            1.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ subject: '!', not: { subject: absent } }",
            3.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ any: [{ subject: '!' }, { html_text: '!' }] }",
            6.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ all: [{ subject: '!' }, { html_text: '!!' }] }",
            1.0,
        ),
        ("{ score: 1, cap: 9 }", "{ link: { url: '.' } }", 2.0),
        (
            "{ score: 1, cap: 9 }",
            "{ attachment_name: { length: { at_least: 1 } } }",
            2.0,
        ),
        (
            "{ score: 1, cap: 9 }",
            "{ relation: reply_to_is_not_from }",
            1.0,
        ),
    ] {
        let (found, _) = points(effect, when).unwrap();
        assert!((found - score).abs() < 1e-9, "{effect} {when}: {found}");
    }
    let (_, shown) = points("{ score: 1, cap: 9 }", "{ subject: '!' }").unwrap();
    assert_eq!(shown, "subject: \"!\" (3 times)");
    assert_eq!(points("{ score: 1, cap: 9 }", "{ subject: absent }"), None);
}

#[test]
fn formulas_add_up_hits_and_count_occurrences() {
    let formula = |formula: &str| {
        let text = format!(
            "rules:\n  - {{ id: F, description: x, score: 1, when: {{ formula: '{formula}' }} }}\n  - {{ id: MARKS, description: x, silent: true, per_occurrence: {{ at_most: 10 }}, when: {{ subject: '!' }} }}\n  - {{ id: ONE, description: x, silent: true, when: {{ subject: '!' }} }}\n  - {{ id: NO, description: x, silent: true, when: {{ subject: absent }} }}\n  - {{ id: SUM, description: x, silent: true, when: {{ formula: 'MARKS * 2' }} }}\n  - {{ id: BELOW, description: x, silent: true, when: {{ formula: '0 - MARKS' }} }}\n"
        );
        hits(&text).pop().map(|h| h.evidence)
    };
    for (text, expected) in [
        ("MARKS == 3", true),
        ("ONE == 1", true),
        ("MARKS + ONE > 3", true),
        ("NO", false),
        ("!NO && ONE", true),
        ("SUM == 6", true),
        ("BELOW == 1", true),
        ("(NO || MARKS) == 3", true),
        ("ONE / NO > 0", false),
        ("ONE && subject_length > 10", true),
    ] {
        assert_eq!(formula(text).is_some(), expected, "{text}");
    }
    assert_eq!(
        formula("MARKS + NO + ONE > 2").as_deref(),
        Some("formula of MARKS ONE")
    );
}

#[test]
fn a_formula_that_needs_no_hit_is_asked_for_every_message() {
    let set = loaded(
        "rules:\n  - { id: F, description: x, score: 1, when: { formula: '!(BANK || CARD)' } }\n  - { id: BANK, description: x, silent: true, when: { text: 'your bank' } }\n  - { id: CARD, description: x, silent: true, when: { text: 'your card' } }\n",
    );
    let hit = |text: &str| {
        let mail = Mail::parse(
            Bytes::from(format!("Subject: x\n\n{text}")),
            &Limits::default(),
        );
        !set.evaluate(&envelope(), &mail).is_empty()
    };
    assert!(hit("nothing") && !hit("your bank") && !hit("your card"));
}

#[test]
fn groups_are_capped_in_the_order_of_the_files() {
    let found = hits(
        "groups:\n  - { name: g, description: x, cap: 4 }\nrules:\n  - { id: A, description: x, score: 3, group: g, when: { subject: WIN } }\n  - { id: B, description: x, score: 3, group: g, when: { subject: gift } }\n  - { id: C, description: x, score: 3, when: { subject: card } }\n",
    );
    let shown: Vec<_> = found
        .iter()
        .map(|h| (&*h.rule, h.score, h.uncapped))
        .collect();
    assert_eq!(
        shown,
        [("A", 3.0, None), ("B", 1.0, Some(3.0)), ("C", 3.0, None)]
    );
}

#[test]
fn shadow_hits_weigh_nothing_and_serve_all_the_same() {
    let found = hits(
        "rules:\n  - { id: A, description: x, score: 7, mode: shadow, decisive: reject, labels: [bulk], when: { subject: WIN } }\n  - { id: B, description: x, score: 1, labels: [prize, win], when: { rule: A } }\n",
    );
    assert_eq!(
        (found[0].score, found[0].shadow, found[0].decisive),
        (0.0, Some(7.0), None)
    );
    assert!(found[0].labels.is_empty());
    let labels: Vec<&str> = found[1].labels.iter().map(|l| &**l).collect();
    assert_eq!((found[1].score, labels), (1.0, vec!["prize", "win"]));
}

#[test]
fn every_action_can_be_forced() {
    for action in [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Tempfail,
        Action::Discard,
        Action::Reject,
    ] {
        let found = hits(&format!(
            "rules:\n  - {{ id: A, description: x, score: 0, decisive: {action}, when: {{ subject: WIN }} }}\n"
        ));
        assert_eq!(found[0].decisive, Some(action));
        assert_eq!(found[0].ends(), action != Action::Deliver);
    }
}

#[test]
fn a_rule_is_on_until_its_last_day_and_warned_of() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, score: 1, expires: 2026-09-30, when: { subject: WIN }, tests: { hit: ['WIN'] } }\n  - { id: B, description: x, score: 1, when: { rule: A } }\n",
    );
    let on = |day| set.evaluate_on(Some(day), &envelope(), &mail()).hits.len();
    assert_eq!(on(date(2026, 9, 30)), 2);
    assert_eq!(on(date(2026, 10, 1)), 0);
    let of_rule = |day| {
        let warnings = set.warnings(day).into_iter();
        warnings.filter(|w| w.place.is_some()).collect::<Vec<_>>()
    };
    let warned = |day| of_rule(day).first().map(|w| w.message.clone());
    assert_eq!(warned(date(2026, 8, 30)), None);
    assert_eq!(
        warned(date(2026, 8, 31)).unwrap(),
        "the rule A expires in 30 days"
    );
    assert_eq!(
        warned(date(2026, 10, 1)).unwrap(),
        "the rule A has expired and is off"
    );
    let warning = &of_rule(date(2027, 1, 1))[0];
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!(warning.position().unwrap().1, 3);
}

#[test]
fn a_rule_can_be_on_for_some_recipients_only() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, score: 1, recipients: { only: examplecorp.org }, when: { subject: WIN } }\n  - { id: B, description: x, score: 1, recipients: { except: examplecorp.org }, when: { subject: WIN } }\n  - { id: C, description: x, score: 1, recipients: { only: examplecorp.org, of_several: any }, when: { subject: WIN } }\n",
    );
    let on = |recipients: &[&str]| {
        let recipients = recipients.iter().map(|r| Address::new(r.as_bytes()));
        let envelope = Envelope {
            recipients: recipients.collect(),
            ..envelope()
        };
        let hits = set.evaluate(&envelope, &mail());
        hits.iter().map(|h| h.rule.to_string()).collect::<String>()
    };
    assert_eq!(on(&["<a@sub.examplecorp.org>"]), "AC");
    assert_eq!(on(&["<a@examplecorp.org>", "<b@b.example>"]), "C");
    assert_eq!(on(&["<b@b.example>"]), "B");
    assert_eq!(on(&[]), "B");
}

#[test]
fn lists_and_groups_that_nothing_uses_are_warned_of() {
    let set = loaded(
        "groups:\n  - { name: idle, description: x, cap: 1 }\nrules:\n  - { id: A, description: x, score: 1, when: { url_host: { domains: { list: short } } } }\n  - { id: B, description: x, score: 1, when: { url_host: { domains: { list: empty } } } }\n",
    );
    let warnings = Problems(set.warnings(date(2026, 1, 1))).to_string();
    for told in [
        "no rule is in the group `idle`",
        "no rule looks into the list `unused`",
        "the list `empty` has no entries",
    ] {
        assert!(warnings.contains(told), "{told} is not in\n{warnings}");
    }
    assert!(!warnings.contains("`short`"), "{warnings}");
    let info = &set.lists()[1];
    assert_eq!(
        (info.name.as_str(), info.kind, info.entries),
        ("short", "domains", 1)
    );
    assert_eq!(&*set.rules()[0].lists()[0], "short");
}

#[test]
fn a_list_beside_the_files_belongs_to_the_version() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lists")).unwrap();
    let list = folder.path().join("lists/mine.txt");
    let rules = rule("{ url_host: { domains: { list: mine } } }");
    std::fs::write(folder.path().join("a.yaml"), format!("version: 1\n{rules}")).unwrap();
    let missing = RuleSet::load(folder.path()).unwrap_err().to_string();
    assert!(
        missing.contains("there is no list `mine`")
            && missing.contains("mine.txt, one entry a line"),
        "{missing}"
    );
    std::fs::write(&list, "bit.ly\n").unwrap();
    let set = RuleSet::load(folder.path()).unwrap();
    assert_eq!(set.evaluate(&envelope(), &mail()).len(), 1);
    std::fs::write(&list, "other.example\n").unwrap();
    let changed = RuleSet::load(folder.path()).unwrap();
    assert!(changed.evaluate(&envelope(), &mail()).is_empty());
    assert_ne!(set.version(), changed.version());
    // One file is loaded with the lists beside it, too.
    RuleSet::load(&folder.path().join("a.yaml")).unwrap();
}

#[test]
fn findings_tell_what_matched_and_where() {
    let set = loaded(
        "rules:\n  - { id: A, description: x, silent: true, when: { url_path: '/b' , subject: gift } }\n",
    );
    let found = set.findings(&envelope(), &mail());
    let (number, findings) = &found[0];
    assert_eq!(*number, 0);
    assert_eq!(findings[0].place, "url_path");
    assert_eq!(findings[0].matched.as_deref(), Some(&b"/b"[..]));
    assert_eq!(findings[0].at, Some((0, 2..4)));
}
