//! The commands that judge a message.

use std::fmt::Write as _;
use std::sync::Arc;

use super::super::body::Body;
use super::super::options::Spamd;
use super::super::rewriting::rewritten;
use super::super::shown::Scored;
use super::reply::{Code, Reply};
use super::request::{Command, Request};
use crate::filter::Action;
use crate::mail::{Address, Envelope, Hop, Spool, fields, return_path};
use crate::server::{Inquired, Inquiry, Services, inquire};

/// Longest line in front of a message that separates messages in mbox files, bytes.
const SEPARATOR_BYTES: usize = 1024;

/// Judges a message and says what was asked for.
pub(super) async fn judge(
    services: &Arc<Services>,
    settings: &Spamd,
    request: &Request,
    body: Body,
) -> Reply {
    let Body { spool, share, .. } = body;
    let (separator, spool) = separated(spool);
    let beginning = spool.beginning(spool.len());
    let envelope = envelope(settings, request, &beginning);
    drop(beginning);
    let inquiry = Inquiry {
        protocol: "spamd",
        envelope,
        spool,
        share,
        keep: false,
    };
    let Some(inquired) = inquire(services, inquiry).await else {
        return Reply::failed(Code::TempFail, "internal error");
    };
    if inquired.verdict.action == Action::Tempfail {
        let refusal = inquired.refusal.unwrap_or_default();
        return Reply::failed(Code::TempFail, refusal);
    }
    let scored = Scored::of(&inquired);
    let version = request.version;
    match request.command {
        Command::Symbols => Reply::scored(&scored, version, Some(symbols(&inquired))),
        Command::Report => Reply::scored(&scored, version, Some(report(&inquired, &scored))),
        Command::ReportIfSpam => {
            let report = match scored.spam {
                true => report(&inquired, &scored),
                false => String::new(),
            };
            Reply::scored(&scored, version, Some(report))
        }
        Command::Headers | Command::Process => {
            let raw = inquired.scan.mail.raw();
            let (header, body) = rewritten(raw, &inquired.modifications);
            let mut message = separator;
            message.extend_from_slice(&header);
            if request.command == Command::Process {
                message.extend_from_slice(raw.get(body..).unwrap_or_default());
            }
            Reply::message(&scored, version, message)
        }
        Command::Check | Command::Ping | Command::Tell | Command::Skip => {
            Reply::scored(&scored, version, None)
        }
    }
}

/// The line that delivery agents put in front of a message, taken off it.
pub(super) fn separated(spool: Spool) -> (Vec<u8>, Spool) {
    let beginning = spool.beginning(SEPARATOR_BYTES);
    let end = memchr::memchr(b'\n', &beginning).filter(|_| beginning.starts_with(b"From "));
    let Some(end) = end else {
        return (Vec::new(), spool);
    };
    let whole = spool.complete();
    let rest = Spool::new();
    rest.push(whole.get(end + 1..).unwrap_or_default());
    let separator = whole.get(..=end).unwrap_or_default();
    (separator.to_vec(), rest)
}

/// What is known of the way of a message: its sender from Return-Path, who is asked for as its recipient if that is an
/// address, the client from the field of Received that the configuration names.
fn envelope(settings: &Spamd, request: &Request, raw: &[u8]) -> Envelope {
    let user = request.user.as_ref().filter(|user| user.contains('@'));
    let mut envelope = Envelope {
        sender: return_path(raw),
        recipients: user
            .map(|u| Address::new(u.as_bytes()))
            .into_iter()
            .collect(),
        ..Envelope::default()
    };
    if let Some(above) = settings.received.checked_sub(1) {
        let (fields, _) = fields(raw);
        let mut received = fields.iter().filter(|field| {
            let name = raw.get(field.name.clone()).unwrap_or_default();
            name.eq_ignore_ascii_case(b"received")
        });
        if let Some(field) = received.nth(above) {
            let hop = Hop::parse(raw.get(field.value.clone()).unwrap_or_default());
            envelope.client.addr = hop.address;
            envelope.client.name = hop.name;
            envelope.helo = hop.helo;
            envelope.mta = hop.by;
            envelope.queue_id = hop.id;
        }
    }
    envelope
}

/// The rules that hit, and the filters that could not check the message.
fn symbols(inquired: &Inquired) -> String {
    let verdict = &inquired.verdict;
    let hits = verdict.hits().filter(|(_, hit)| hit.shadow.is_none());
    let mut names: Vec<String> = hits.map(|(_, hit)| hit.rule.to_string()).collect();
    let unscanned = verdict.unscanned();
    names.extend(unscanned.map(|(filter, _)| super::super::unscanned(filter)));
    names.dedup();
    names.join(",")
}

/// A report for people: nothing in it comes from the message.
fn report(inquired: &Inquired, scored: &Scored) -> String {
    let verdict = &inquired.verdict;
    let mut out = format!(
        "{}, {:.2} points of {:.2}, verdict {}, id {}\n\n points  rule\n",
        if scored.spam { "Spam" } else { "Not spam" },
        verdict.score,
        scored.required,
        verdict.action,
        inquired.id,
    );
    let rules = inquired.engine.rules();
    for (filter, hit) in verdict.hits().filter(|(_, hit)| hit.shadow.is_none()) {
        let described = rules.and_then(|set| set.rule(&hit.rule));
        let described = described.filter(|_| filter == "rules");
        let description = described.map_or(filter, |rule| rule.description());
        // Writing to a string does not fail.
        let _ = writeln!(out, "{:>7.2}  {:<24}  {description}", hit.score, hit.rule);
    }
    for (filter, reason) in verdict.unscanned() {
        let name = super::super::unscanned(filter);
        let _ = writeln!(out, "{:>7.2}  {name:<24}  {reason}", 0.0);
    }
    out
}
