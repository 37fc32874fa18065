//! The tests that rules carry: run at each load, so that a rule which does not do what it says never
//! comes into force.

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::evaluation::Evaluation;
use super::known::Known;
use super::ruleset::RuleSet;
use super::texts::Subject;
use super::written::{Example, File, Message};
use crate::auth::dmarc::DmarcResult;
use crate::auth::iprev::{Iprev, IprevResult};
use crate::auth::results;
use crate::config::{Problem, Source, span_of};
use crate::filter::auth::{Authenticated, Disposition};
use crate::filter::{Hit, reputation};
use crate::mail::{Address, Client, Envelope, Limits, Mail};

/// How often the `headers` and `attachments` of a test may be repeated.
pub(super) const REPEATS: usize = 20_000;
/// Longest part of a test that is repeated, all repetitions together, bytes.
const REPEATED_BYTES: usize = 1 << 20;

/// Runs the tests of all rules of a set; `files` are those that it was compiled from.
pub(super) fn run(set: &RuleSet, files: &[(Source, File)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rules = files
        .iter()
        .flat_map(|(source, file)| file.rules.iter().map(move |rule| (source, rule)));
    for (number, (source, rule)) in rules.enumerate() {
        let Some(tests) = &rule.tests else { continue };
        let wanted = [(true, &tests.hit), (false, &tests.miss)];
        for (wanted, examples) in wanted {
            for example in examples {
                if let Example::Message(written) = &example.value
                    && let Some(problem) = unfit(source, written)
                {
                    problems.push(problem);
                    continue;
                }
                if hits(set, number, &example.value) == wanted {
                    continue;
                }
                let id = &rule.id.value;
                problems.push(
                    Problem::at(
                        source,
                        span_of(example),
                        if wanted {
                            format!("the rule {id} misses its own test")
                        } else {
                            format!("the rule {id} hits where its test says that it must not")
                        },
                    )
                    .label(if wanted { "must hit" } else { "must not hit" }),
                );
            }
        }
    }
    problems
}

/// What of the attachments and repetitions of a test cannot be.
fn unfit(source: &Source, written: &Message) -> Option<Problem> {
    if let Some(repeat) = &written.repeat {
        let headers = written.headers.iter().map(String::len);
        let attachments = written.attachments.iter().map(|a| {
            let base64 = a.base64.as_ref().map_or(0, |b| b.value.len());
            a.content.len() + base64
        });
        let once: usize = headers.chain(attachments).sum();
        let at = |why: String| Some(Problem::at(source, span_of(repeat), why));
        if !(1..=REPEATS).contains(&repeat.value) {
            return at(format!("`repeat` is 1 to {REPEATS}"));
        }
        if once.saturating_mul(repeat.value) > REPEATED_BYTES {
            return at(format!(
                "what is repeated comes to more than {REPEATED_BYTES} bytes"
            ));
        }
    }
    if let Some(auth) = &written.auth {
        let found = authenticated(&auth.value);
        if found.spf.is_none()
            && found.dkim.is_empty()
            && found.dmarc.is_none()
            && found.arc.is_none()
            && found.iprev.is_none()
        {
            let nothing = Problem::at(
                source,
                span_of(auth),
                "no result of authentication is read here",
            );
            return Some(nothing.help("write it as Authentication-Results does: 'spf=pass smtp.mailfrom=example.org; dkim=fail header.d=example.org'"));
        }
        if failed_dmarc(&found) && found.disposition.is_none() {
            let unknown = Problem::at(
                source,
                span_of(auth),
                "there is no such thing to become of a policy",
            );
            let words = Disposition::NAMES.join(", ");
            return Some(unknown.help(format!("`policy.dmarc` is one of {words}")));
        }
    }
    if let Some(unknown) = written
        .reputation
        .iter()
        .find(|hit| !reputation::words().contains(&hit.value.as_str()))
    {
        let problem = Problem::at(
            source,
            span_of(unknown),
            "the filter `reputation` has no such hit",
        );
        return Some(problem.help(format!("known here: {}", reputation::words().join(", "))));
    }
    written.attachments.iter().find_map(|attachment| {
        let base64 = attachment.base64.as_ref()?;
        if !attachment.content.is_empty() {
            return Some(Problem::at(
                source,
                span_of(base64),
                "an attachment has `content` or `base64`, not both",
            ));
        }
        let digits = base64.value.trim_end_matches('=');
        let well_formed = digits
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/ \r\n".contains(&b));
        (!well_formed).then(|| Problem::at(source, span_of(base64), "this is not base64"))
    })
}

fn hits(set: &RuleSet, number: usize, example: &Example) -> bool {
    match example {
        Example::Fragment(text) => {
            let subject = Subject::Fragment(text);
            Evaluation::new(set, &subject, None).rule(number)
        }
        Example::Message(written) => {
            let mail = Mail::parse(Bytes::from(composed(written)), &Limits::default());
            let envelope = envelope(written);
            let subject = Subject::Transaction(&envelope, &mail);
            let authentication = written.auth.as_ref().map(|auth| authenticated(&auth.value));
            let reputation = written.reputation.iter();
            let reputation: Vec<Hit> = reputation
                .map(|hit| Hit::new(hit.value.clone(), 0.0, ""))
                .collect();
            let known = Known {
                authentication: authentication.as_ref(),
                reputation: &reputation,
                ..Known::default()
            };
            Evaluation::on(set, &subject, known, None).rule(number)
        }
    }
}

/// What a test says that the filter `auth` has found out. In a test, unlike in the fields of others, the name of the client
/// and what became of a policy are taken as they are told.
fn authenticated(results: &str) -> Authenticated {
    let field = format!("test; {results}");
    let client = Ipv4Addr::UNSPECIFIED.into();
    let mut found = Authenticated::of_fields(client, std::iter::once(field.as_bytes()));
    let results = results::results(field.as_bytes());
    let of = |method: &str| results.iter().find(|result| result.method == method);
    let iprev = |word: &str| IprevResult::ALL.into_iter().find(|r| r.name() == word);
    found.iprev = of("iprev").and_then(|told| {
        Some(Iprev {
            result: iprev(&told.result)?,
            name: None,
            failure: None,
        })
    });
    if failed_dmarc(&found) {
        let policy = of("dmarc").and_then(|told| told.property("policy.dmarc"));
        found.disposition = Disposition::named(policy.unwrap_or("none"));
    }
    found
}

fn failed_dmarc(found: &Authenticated) -> bool {
    let dmarc = found.dmarc.as_ref();
    dmarc.is_some_and(|dmarc| dmarc.result == DmarcResult::Fail)
}

fn envelope(written: &Message) -> Envelope {
    let recipients: Vec<&str> = match written.rcpt_to.as_slice() {
        [] => vec!["recipient@example.org"],
        given => given.iter().map(String::as_str).collect(),
    };
    Envelope {
        client: Client {
            addr: written.client,
            name: written.client_name.clone(),
            port: 0,
        },
        helo: written.helo.clone(),
        authenticated: written.authenticated.clone(),
        tls: written.tls.clone(),
        sender: Some(Address::new(
            written
                .mail_from
                .as_deref()
                .unwrap_or("sender@example.com")
                .as_bytes(),
        )),
        recipients: recipients
            .into_iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    }
}

/// The bytes of the message of a test: an ordinary one, but for what the test says.
fn composed(written: &Message) -> Vec<u8> {
    if let Some(whole) = &written.message {
        return crlf(whole);
    }
    let mut out = String::new();
    for received in &written.received {
        out.push_str(&format!("Received: {}\n", received.trim_end()));
    }
    let fields = [
        ("Date", Some("Tue, 01 Sep 2026 09:30:00 +0000")),
        (
            "From",
            Some(
                written
                    .from
                    .as_deref()
                    .unwrap_or("Sender <sender@example.com>"),
            ),
        ),
        (
            "To",
            Some(written.to.as_deref().unwrap_or("recipient@example.org")),
        ),
        ("Cc", written.cc.as_deref()),
        ("Reply-To", written.reply_to.as_deref()),
        ("Sender", written.sender.as_deref()),
        (
            "Subject",
            Some(written.subject.as_deref().unwrap_or("A message")),
        ),
        ("Message-ID", Some("<20260901093000.1@example.com>")),
        ("MIME-Version", Some("1.0")),
    ];
    for (name, value) in fields {
        if let Some(value) = value
            && !written.without.iter().any(|w| w.eq_ignore_ascii_case(name))
        {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    let repeat = written.repeat.as_ref().map_or(1, |r| r.value);
    for _ in 0..repeat {
        for field in &written.headers {
            out.push_str(field.trim_end());
            out.push('\n');
        }
    }
    let text = written.text.as_deref();
    let html = written.html.as_deref();
    let body = match (text, html) {
        (Some(text), Some(html)) => format!(
            "Content-Type: multipart/alternative; boundary=\"=_alternative\"\n\n--=_alternative\n{}\n--=_alternative\n{}\n--=_alternative--\n",
            leaf("text/plain", text),
            leaf("text/html", html)
        ),
        (None, Some(html)) => leaf("text/html", html),
        (text, None) => leaf("text/plain", text.unwrap_or("Hello.")),
    };
    if written.attachments.is_empty() {
        out.push_str(&body);
        return crlf(&out);
    }
    out.push_str("Content-Type: multipart/mixed; boundary=\"=_mixed\"\n\n");
    out.push_str(&format!("--=_mixed\n{body}\n"));
    let attachments = std::iter::repeat_n(&written.attachments, repeat).flatten();
    for attachment in attachments {
        let content_type = attachment
            .content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        let (encoding, content) = match &attachment.base64 {
            Some(base64) => ("base64", base64.value.as_str()),
            None => ("8bit", attachment.content.as_str()),
        };
        out.push_str(&format!(
            "--=_mixed\nContent-Type: {content_type}\nContent-Transfer-Encoding: {encoding}\nContent-Disposition: attachment{}\n\n{content}\n",
            attachment.name.as_deref().map(file_name).unwrap_or_default(),
        ));
    }
    out.push_str("--=_mixed--\n");
    crlf(&out)
}

fn leaf(content_type: &str, content: &str) -> String {
    format!(
        "Content-Type: {content_type}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{content}\n"
    )
}

/// A file name as RFC 2231 writes it, so that a test can hold any name.
fn file_name(name: &str) -> String {
    let mut out = String::from("; filename*=utf-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(condition: &str, hit: &str, miss: &str) -> String {
        let text = format!(
            "version: 1\nrules:\n  - id: A\n    description: x\n    score: 1\n    when: {{ {condition} }}\n    tests:\n      \
             hit: [{{ auth: '{hit}' }}]\n      miss: [{{ auth: '{miss}' }}, {{ subject: plain }}]\n"
        );
        let set = RuleSet::from_sources(&[Source::new("a.yaml", text.as_str())]);
        set.err()
            .map_or(String::new(), |problems| problems.to_string())
    }

    #[test]
    fn tests_tell_every_result_of_authentication() {
        let fails = "dmarc=fail header.from=example.com policy.dmarc=";
        for word in Disposition::NAMES {
            let condition = format!("auth_disposition: {{ equals: {word} }}");
            let other = if word == "reject" { "spared" } else { "reject" };
            let (hit, miss) = (format!("{fails}{word}"), format!("{fails}{other}"));
            assert_eq!(problems(&condition, &hit, &miss), "", "{word}");
            assert!(problems(&condition, &miss, &hit).contains("misses its own test"));
            let passes = "dmarc=pass header.from=example.com policy.dmarc=reject";
            assert_eq!(problems(&condition, &hit, passes), "", "{word}");
        }
        let none = "auth_disposition: { equals: none }";
        assert_eq!(
            problems(none, "dmarc=fail header.from=example.com", "spf=pass"),
            ""
        );
        for result in IprevResult::ALL {
            let condition = format!("auth_iprev: {{ equals: {} }}", result.name());
            let other = if result == IprevResult::Pass {
                "fail"
            } else {
                "pass"
            };
            let (hit, miss) = (format!("iprev={}", result.name()), format!("iprev={other}"));
            assert_eq!(problems(&condition, &hit, &miss), "", "{result:?}");
        }
    }

    #[test]
    fn results_that_cannot_be_are_shown_where_they_stand() {
        for (auth, words) in [
            (
                "dmarc=fail policy.dmarc=ignored",
                "`policy.dmarc` is one of none, quarantine",
            ),
            ("iprev=perhaps", "no result of authentication is read here"),
        ] {
            let told = problems("subject: plain", auth, "spf=pass");
            assert!(told.contains(words) && told.contains("a.yaml:8:"), "{told}");
        }
    }
}
