//! Policies by recipient, direction and sender, over a milter connection of our own.

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon, HELD, REFUSED, TAGGED, program};
use super::dns_server::Reply;
use super::message::message;
use super::milter::{Milter, inserted};
use super::names::Names;
use super::place::{free_port, wait_for};
use super::zone::Zone;

/// A session past MAIL.
fn session(daemon: &Daemon, sender: &str) -> Milter {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    assert_eq!(milter.mail(sender, None), MtaReply::Continue);
    milter
}

fn refusal(reply: &MtaReply) -> &str {
    match reply {
        MtaReply::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_recipient_has_the_thresholds_filters_and_actions_of_the_first_policy_that_takes_him() {
    let daemon = Daemon::start(&Config {
        sections: "policies:
  - { name: strict, for: { recipients: [strict.example.org] }, thresholds: { tag: 1, quarantine: null, reject: 5 } }
  - { name: tags, for: { recipients: [example.org] }, actions: { quarantine: tag } }
  - { name: blind, for: { recipients: [blind@example.net] }, skip: [rules] }
"
        .to_owned(),
        ..Config::default()
    });
    for (to, word, flag, policy) in [
        ("x@elsewhere.example", TAGGED, Some("YES"), "default"),
        ("x@strict.example.org", "nothing", Some("NO"), "strict"),
        ("x@strict.example.org", TAGGED, None, ""),
        ("x@example.org", HELD, Some("YES"), "tags"),
        ("x@example.org", REFUSED, None, ""),
        ("Blind@Example.NET", REFUSED, Some("NO"), "blind"),
    ] {
        let mut milter = session(&daemon, "sender@example.net");
        assert_eq!(milter.rcpt(to), MtaReply::Continue);
        let replies = milter.message(&message("one", word));
        let case = format!("{to} {word} {replies:?}");
        assert_eq!(inserted(&replies, "X-Spam-Flag").as_deref(), flag, "{case}");
        match flag {
            Some(_) => {
                let shown = inserted(&replies, "X-Mailweir-Policy");
                assert_eq!(shown.as_deref(), Some(policy), "{case}");
            }
            None => assert!(refusal(replies.last().unwrap()).starts_with("550 5.7.1 ")),
        }
        // What the header calls required is the threshold of that policy.
        let required = match policy {
            "strict" => "required=1.00",
            _ => "required=5.00",
        };
        let status = inserted(&replies, "X-Spam-Status").unwrap_or_else(|| required.to_owned());
        assert!(status.contains(required), "{case}");
    }
    let counted = |policy: &str, verdict: &str| {
        daemon.metric(&format!(
            "mailweir_policy_recipients_total{{policy=\"{policy}\",verdict=\"{verdict}\"}}"
        ))
    };
    assert_eq!(counted("strict", "deliver"), 1.0);
    assert_eq!(counted("strict", "reject"), 1.0);
    assert_eq!(counted("tags", "tag"), 1.0);
    assert_eq!(counted("default", "tag"), 1.0);
}

#[test]
fn a_field_of_the_policy_that_a_message_brings_along_is_removed() {
    let daemon = Daemon::start(&Config::default());
    let mut milter = session(&daemon, "sender@example.net");
    milter.rcpt("x@example.org");
    let forged = [b"X-Mailweir-Policy: vip\r\n", &message("forged", "x")[..]].concat();
    let replies = milter.message(&forged);
    let removed = MtaReply::ChangeHeader(1, "X-Mailweir-Policy".to_owned(), String::new());
    assert!(replies.contains(&removed), "{replies:?}");
    // Where there are no policies, none is named.
    assert_eq!(inserted(&replies, "X-Mailweir-Policy"), None);
}

#[test]
fn a_sender_is_refused_at_rcpt_by_those_who_deny_him_and_the_others_get_the_message() {
    let daemon = Daemon::start(&Config {
        sections: "deny: [{ senders: [spammer@bulk.example] }]
policies:
  - name: quiet
    for: { recipients: [quiet@example.org] }
    deny: [{ senders: [bulk.example] }]
"
        .to_owned(),
        ..Config::default()
    });
    let mut milter = session(&daemon, "news@bulk.example");
    let refused = milter.rcpt("quiet@example.org");
    let text = refusal(&refused);
    assert!(
        text.starts_with("550 5.7.1 Message refused: the recipient does not take mail"),
        "{text}"
    );
    assert_eq!(milter.rcpt("ann@example.org"), MtaReply::Continue);
    let replies = milter.message(&message("news", "x"));
    assert_eq!(replies.last(), Some(&MtaReply::Continue));
    let dropped = replies
        .iter()
        .any(|r| matches!(r, MtaReply::DeleteRecipient(_)));
    assert!(
        !dropped,
        "who was refused at RCPT is no recipient: {replies:?}"
    );
    assert!(daemon.quarantined().is_empty());
    let refused = "mailweir_policy_recipients_total{policy=\"quiet\",verdict=\"reject\"}";
    assert_eq!(daemon.metric(refused), 1.0);
    assert!(
        daemon.log().contains("deny mailweir.yaml:"),
        "{}",
        daemon.log()
    );

    let mut milter = session(&daemon, "Spammer@BULK.example");
    for to in ["ann@example.org", "quiet@example.org"] {
        refusal(&milter.rcpt(to));
    }
    assert_eq!(
        daemon.metric("mailweir_early_answers_total{stage=\"rcpt\",verdict=\"reject\"}"),
        2.0
    );
}

/// A daemon that asks a zone of this kind, on which the client 192.0.2.1 is; all recipients but the postmaster use it.
fn where_a_client_is_listed(zone: &str) -> (Names, Daemon) {
    let names = Names::start(|question| match question.name.as_str() {
        "1.2.0.192.bl.test" | "2.0.0.127.bl.test" => Reply::A(vec![[127, 0, 0, 2]], 60),
        _ => Reply::NxDomain(Some(60)),
    });
    let daemon = Daemon::start(&Config {
        chain: "[dnsbl, rules]",
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}
dnsbl:
  zones:
    - {{ zone: bl.test, {zone}, test: {{ listed: null, unlisted: null }} }}
policies:
  - {{ name: open, for: {{ recipients: [postmaster@example.org] }}, skip: [dnsbl] }}
",
            names.address()
        ),
        ..Config::default()
    });
    (names, daemon)
}

/// A zone that refuses clients refuses them for those only who use it.
#[test]
fn a_listed_client_is_refused_at_rcpt_but_not_by_those_who_skip_the_filter() {
    let (_names, daemon) =
        where_a_client_is_listed("subjects: [client], score: 3, decisive: reject");
    let listed = "mailweir_dnsbl_lookups_total{result=\"listed\",zone=\"bl.test\"}";
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    daemon.wait_for_metric(listed, 1.0);
    // The answer is counted a moment before the check holds it; a client that tries again finds it there.
    let refused = wait_for("the refusal of a recipient", || {
        milter.abort();
        milter.mail("sender@example.net", None);
        let reply = milter.rcpt("ann@example.org");
        (reply != MtaReply::Continue).then_some(reply)
    });
    refusal(&refused);
    assert_eq!(milter.rcpt("postmaster@example.org"), MtaReply::Continue);
    refusal(&milter.rcpt("bob@example.org"));
    let replies = milter.message(&message("complaint", TAGGED));
    assert_eq!(replies.last(), Some(&MtaReply::Continue), "{replies:?}");
    let status = inserted(&replies, "X-Spam-Status").unwrap();
    assert!(
        status.contains("score=6.00") && status.contains("tests=TEST_SIX"),
        "{status}"
    );
}

/// A hit that decides for one does not keep the other filters from looking for those to whom it says nothing.
#[test]
fn a_decisive_hit_ends_the_evaluation_for_those_only_who_use_the_filter() {
    let (_names, daemon) = where_a_client_is_listed("score: 0, decisive: quarantine");
    let mut milter = session(&daemon, "sender@example.net");
    milter.rcpt("ann@example.org");
    milter.rcpt("postmaster@example.org");
    let replies = milter.message(&message("complaint", TAGGED));
    let dropped = MtaReply::DeleteRecipient("<ann@example.org>".to_owned());
    assert!(replies.contains(&dropped), "{replies:?}");
    let status = inserted(&replies, "X-Spam-Status").unwrap();
    assert!(status.contains("tests=TEST_SIX"), "{status}");
    assert_eq!(daemon.quarantined().len(), 1);
}

#[test]
fn outbound_mail_is_not_held_against_lists_and_rules() {
    let names = Names::start(|_| Reply::NxDomain(Some(60)));
    let port = free_port();
    let config = |more: &str| {
        Config {
        chain: "[dnsbl, rules]",
        listen: format!(", {{ address: \"127.0.0.1:{port}\", profile: outbound }}"),
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}
dnsbl: {{ zones: [{{ zone: bl.test, subjects: [client, sender], score: 3, test: {{ listed: null, unlisted: null }} }}] }}
{more}",
            names.address()
        ),
        ..Config::default()
    }
    };
    let daemon = Daemon::start(&config("outbound: { networks: [198.51.100.0/24] }\n"));
    let outbound = |milter: &mut Milter, case: &str| {
        milter.rcpt("x@elsewhere.example");
        let replies = milter.message(&message("outbound", REFUSED));
        assert_eq!(
            replies.last(),
            Some(&MtaReply::Continue),
            "{case}: {replies:?}"
        );
        let policy = inserted(&replies, "X-Mailweir-Policy");
        assert_eq!(policy.as_deref(), Some("outbound"), "{case}");
        let status = inserted(&replies, "X-Spam-Status").unwrap();
        assert!(status.contains("tests=none"), "{case}: {status}");
    };
    let mut network = Milter::open(daemon.milter);
    network.connect("198.51.100.7");
    network.mail("ann@example.org", None);
    outbound(&mut network, "network");
    let mut listener = Milter::open(port);
    listener.connect("192.0.2.99");
    listener.mail("ann@example.org", None);
    outbound(&mut listener, "listener");
    assert_eq!(names.asked(), Vec::<String>::new());
    let mut login = Milter::open(daemon.milter);
    login.connect("203.0.113.5");
    login.mail("ann@example.org", Some("ann"));
    outbound(&mut login, "login");
    // The next message of the same session is nobody's of ours.
    login.mail("ann@example.org", None);
    login.rcpt("x@elsewhere.example");
    let replies = login.message(&message("inbound", REFUSED));
    refusal(replies.last().unwrap());
    let skipped = "mailweir_filter_outcomes_total{filter=\"rules\",outcome=\"skipped\"}";
    assert_eq!(daemon.metric(skipped), 3.0);
    assert!(
        daemon.log().contains("direction=\"outbound\""),
        "{}",
        daemon.log()
    );

    // Content is looked at where that is wanted.
    drop(daemon);
    let _daemon = Daemon::start(&config("outbound: { skip: [dnsbl] }\n"));
    let mut listener = Milter::open(port);
    listener.connect("192.0.2.99");
    listener.mail("ann@example.org", None);
    listener.rcpt("x@elsewhere.example");
    refusal(
        listener
            .message(&message("outbound", REFUSED))
            .last()
            .unwrap(),
    );
}

#[test]
fn a_list_that_changes_comes_into_force_by_itself_and_a_broken_one_does_not() {
    let daemon = Daemon::start(&Config {
        watch: "50ms",
        sections: "deny: [{ list: spammers.txt }]\n".to_owned(),
        files: vec![("spammers.txt", "# nobody yet\n")],
        ..Config::default()
    });
    let list = daemon.path().join("spammers.txt");
    let taken = |sender: &str| {
        let mut milter = session(&daemon, sender);
        milter.rcpt("x@example.org")
    };
    assert_eq!(taken("x@bulk.example"), MtaReply::Continue);
    std::fs::write(&list, "# now\n\nbulk.example\n").unwrap();
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);
    refusal(&taken("x@bulk.example"));
    assert!(
        daemon.log().contains("deny spammers.txt:3 (bulk.example)"),
        "{}",
        daemon.log()
    );
    std::fs::write(&list, "http://bulk.example/\n").unwrap();
    daemon.wait_for_metric("mailweir_reloads_total{result=\"failed\"}", 1.0);
    refusal(&taken("x@bulk.example"));
    assert!(
        daemon.log().contains("spammers.txt:1:1"),
        "{}",
        daemon.log()
    );
}

/// The envelope sender and From can be written by anybody; what counts is who sends.
#[test]
fn an_allowed_sender_is_allowed_when_spf_or_dkim_proves_it() {
    let zone = Zone::default()
        .txt("partner.example", "v=spf1 ip4:192.0.2.1 -all")
        .txt("_dmarc.partner.example", "v=DMARC1; p=none")
        .txt("elsewhere.example", "v=spf1 +all")
        .ptr("1.2.0.192.in-addr.arpa", "mail.partner.example")
        .a("mail.partner.example", "192.0.2.1");
    let names = Names::start(move |question| zone.answer(question));
    let daemon = Daemon::start(&Config {
        chain: "[auth, rules]",
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}\nallow: [{{ list: partners.txt }}]\n",
            names.address()
        ),
        files: vec![("partners.txt", "partner.example\n")],
        ..Config::default()
    });
    for (client, sender, from, allowed) in [
        (
            "192.0.2.1",
            "ann@partner.example",
            "ann@partner.example",
            true,
        ),
        // Forged: the client may not send for the domain.
        (
            "198.51.100.1",
            "ann@partner.example",
            "ann@partner.example",
            false,
        ),
        // SPF passes, for another domain than that of From.
        (
            "198.51.100.1",
            "x@elsewhere.example",
            "ann@partner.example",
            false,
        ),
    ] {
        let mut milter = Milter::open(daemon.milter);
        milter.connect(client);
        milter.mail(sender, None);
        milter.rcpt("x@example.org");
        let sent = format!("From: <{from}>\r\nSubject: x\r\n\r\n{REFUSED}\r\n");
        let replies = milter.message(sent.as_bytes());
        let case = format!("{client} {sender} {from} {replies:?}");
        match allowed {
            true => {
                assert_eq!(replies.last(), Some(&MtaReply::Continue), "{case}");
                let shown = inserted(&replies, "X-Mailweir-Policy");
                let line = "default; allow partners.txt:1 (partner.example)";
                assert_eq!(shown.as_deref(), Some(line), "{case}");
                let flag = inserted(&replies, "X-Spam-Flag");
                assert_eq!(flag.as_deref(), Some("NO"), "{case}");
            }
            false => assert!(
                refusal(replies.last().unwrap()).starts_with("550 "),
                "{case}"
            ),
        }
    }
    let counted =
        |list: &str| daemon.metric(&format!("mailweir_policy_senders_total{{list=\"{list}\"}}"));
    assert_eq!((counted("allow"), counted("unproven")), (1.0, 2.0));
}

#[test]
fn explain_names_the_policy_and_the_line_that_decided() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(
        path.join("friends.txt"),
        "# our partners\npartner.example\n",
    )
    .unwrap();
    std::fs::write(
        path.join("mailweir.yaml"),
        "chain: []
allow: [{ list: friends.txt, unsafe: true }]
policies:
  - { name: strict, for: { recipients: [strict@example.org] }, deny: [{ senders: [ann@partner.example] }] }
  - { name: mailings, for: { direction: outbound, users: [mailer] } }
",
    )
    .unwrap();
    let mail = path.join("a.eml");
    std::fs::write(&mail, message("x", "x")).unwrap();
    let explain = |args: &[&str]| {
        let mut command = program();
        command
            .arg("explain")
            .arg("--config")
            .arg(path.join("mailweir.yaml"));
        let out = command.args(args).arg(&mail).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let from = ["--from", "ann@partner.example"];
    let one = explain(&[&from[..], &["--rcpt", "x@example.org"]].concat());
    assert!(
        one.contains("policy default, allow friends.txt:2 (partner.example)"),
        "{one}"
    );
    let both = ["--rcpt", "strict@example.org", "--rcpt", "x@example.org"];
    let both = explain(&[&from[..], &both].concat());
    for part in [
        ": deliver, score 0.00",
        "strict for strict@example.org: reject",
        "deny mailweir.yaml:4 (ann@partner.example)",
        "default for x@example.org: deliver",
        "split: ",
        "dropped: strict@example.org",
    ] {
        assert!(both.contains(part), "{part} in:\n{both}");
    }
    let login = explain(&["--authenticated", "mailer", "--rcpt", "x@example.org"]);
    assert!(login.contains("policy mailings"), "{login}");
    let json = explain(
        &[
            &from[..],
            &["--json", "--outbound", "--rcpt", "x@example.org"],
        ]
        .concat(),
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["policy"]["policy"], "outbound");
    assert_eq!(json["direction"], "outbound");
}
