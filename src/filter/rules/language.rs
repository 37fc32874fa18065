//! The promises of the rule language beyond places and patterns: elements, numbers, lists, formulas, and
//! what a hit does.

mod effects;

use bytes::Bytes;

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
            "{ attachment: { all: [{ name: '^bill' }, { name: 'pdf$', real_type: '^exe$' }] } }",
            "attachment: name \"bill\", name \"pdf\", real_type \"exe\"",
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
        "{ attachment: { all: [{ name: 'png' }, { name: 'pdf' }] } }",
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
            "{ subject: { matches: abc, occurrences: { at_least: 10001 } } }",
            "no more than 10000 occurrences",
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
        ("{ file: { all: [] } }", "`all` asks nothing"),
        (
            "{ file: { all: [{}] } }",
            "this entry of `all` asks nothing",
        ),
        (
            "{ file: { all: [{ count: { at_least: 2 } }] } }",
            "cannot stand in `not` or `all`",
        ),
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
fn the_first_200_received_fields_are_read() {
    let set = loaded(&rule("{ received_by: '^last\\.example$' }"));
    for (before, found) in [(199, 1), (200, 0)] {
        let raw = "Received: from a.example by b.example; Tue, 01 Sep 2026 10:00:00 +0000\r\n"
            .repeat(before)
            + "Received: from a.example by last.example; Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n";
        let mail = Mail::parse(Bytes::from(raw), &Limits::default());
        assert_eq!(set.evaluate(&envelope(), &mail).len(), found, "{before}");
    }
}

#[test]
fn relations_see_through_disguises() {
    let set = |relation: &str| loaded(&rule(&format!("{{ relation: {relation} }}")));
    let hit = |relation: &str, raw: &str| {
        let mail = Mail::parse(Bytes::from(raw.to_owned()), &Limits::default());
        !set(relation).evaluate(&envelope(), &mail).is_empty()
    };
    for (relation, raw, expected) in [
        // An address of the sender's own before the one that deceives.
        (
            "from_name_holds_other_address",
            "From: \"info@evil.com ceo@bank.com\" <x@evil.com>\n\n",
            true,
        ),
        (
            "from_name_holds_other_address",
            "From: =?utf-8?q?ceo=EF=BC=A0bank=2Ecom?= <x@evil.com>\n\n",
            true,
        ),
        (
            "reply_to_other_domain",
            "From: a@xn--mnchen-3ya.de\nReply-To: a@m\u{fc}nchen.de\n\n",
            false,
        ),
        // A comment of a server behind the identifier is no part of it.
        (
            "message_id_other_domain",
            "From: a@bank.com\nMessage-ID: <1@bank.com> (added by postmaster@other.com)\n\n",
            false,
        ),
        (
            "message_id_other_domain",
            "From: a@bank.com\nMessage-ID: 1@other.com\n\n",
            true,
        ),
        (
            "link_shows_other_host",
            "Content-Type: text/html\n\n<a href='http://evil.com/'>HTTPS://Www.Bank.com/</a>",
            true,
        ),
    ] {
        assert_eq!(hit(relation, raw), expected, "{relation}: {raw}");
    }
}

#[test]
fn a_name_of_three_letters_says_nothing_of_a_recipient() {
    let set = loaded(&rule("{ relation: from_name_holds_recipient_domain }"));
    for (domain, found) in [("abc.org", 0), ("abcd.org", 1)] {
        let to = Envelope {
            recipients: vec![Address::new(format!("<me@{domain}>").as_bytes())],
            ..envelope()
        };
        let raw = "From: ABC ABCD <x@evil.com>\n\n";
        let mail = Mail::parse(Bytes::from_static(raw.as_bytes()), &Limits::default());
        assert_eq!(set.evaluate(&to, &mail).len(), found, "{domain}");
    }
}

#[test]
fn names_are_folded_and_the_start_of_a_part_is_its_first_1024_bytes() {
    let found = |when: &str, raw: &str| {
        let mail = Mail::parse(Bytes::from(raw.to_owned()), &Limits::default());
        !loaded(&rule(when)).evaluate(&envelope(), &mail).is_empty()
    };
    let disguised = "From: =?utf-8?q?Pay=E2=80=8BPal?= <x@evil.com>\n\n";
    assert!(found("{ from_name: '^PayPal$' }", disguised));
    for (before, expected) in [(1023, true), (1024, false)] {
        let raw = format!("Subject: x\n\n{}z", "a".repeat(before));
        assert_eq!(found("{ part_start: 'az' }", &raw), expected, "{before}");
    }
}

#[test]
fn not_of_an_element_wants_that_not_all_hold_and_lengths_are_bytes() {
    assert!(evidence("{ link: { text: Sign, not: { path: '^/a', host: 'bit' } } }").is_some());
    assert!(evidence("{ link: { text: Sign, not: { path: '^/a', host: 'evil' } } }").is_none());
    let set = loaded(&rule(
        "{ subject: { length: { at_least: 4, at_most: 4 } } }",
    ));
    let raw = "Subject: \u{fc}\u{fc}\n\n";
    let mail = Mail::parse(Bytes::from_static(raw.as_bytes()), &Limits::default());
    assert_eq!(set.evaluate(&envelope(), &mail).len(), 1);
}
