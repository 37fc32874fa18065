//! Requests in the line protocol RSPAMC, which Exim speaks with `variant=rspamd`: a line, fields, a message.
//!
//! A verdict that is to be tried again later is answered with a code of failure, and not with an action: Exim then
//! defers the message by itself, whatever its configuration makes of actions.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::body::{Body, Refused};
use super::super::door::{Outcome, Protocol, Stream, count};
use super::super::shown::{self, Scored};
use super::Desk;
use super::envelope::Told;
use crate::filter::Action;
use crate::server::Inquired;

/// Longest request line with its fields, bytes.
const HEAD_BYTES: usize = 512 << 10;
/// Room for reading.
const READ_BYTES: usize = 16 << 10;

/// Serves one request, of which `input` was read already.
pub(super) async fn serve<S: Stream>(mut socket: S, mut input: BytesMut, desk: Desk) {
    let limit = desk.settings.entrance.timeout;
    let until = Instant::now() + limit;
    let (command, (outcome, answer)) = answer(&mut socket, &mut input, &desk, until).await;
    count(&desk.services.metrics, Protocol::Rspamd, command, outcome);
    let Some(answer) = answer else {
        return;
    };
    let sent = timeout(limit, async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await
    });
    if matches!(sent.await, Ok(Ok(()))) {
        let mut waste = vec![0; READ_BYTES];
        let rest = async { while socket.read(&mut waste).await.is_ok_and(|n| n > 0) {} };
        let _ = timeout(limit.min(Duration::from_secs(5)), rest).await;
    }
}

type Answered = (Outcome, Option<String>);

fn failed(code: u8, name: &str, why: &str) -> Option<String> {
    tracing::warn!(
        why,
        code = name,
        "request of rspamd's protocol not answered"
    );
    Some(format!("RSPAMD/1.3 {code} {name}: {why}\r\n\r\n"))
}

fn bad(why: &str) -> Answered {
    (Outcome::Bad, failed(76, "EX_PROTOCOL", why))
}

async fn answer<S: Stream>(
    socket: &mut S,
    input: &mut BytesMut,
    desk: &Desk,
    until: Instant,
) -> (&'static str, Answered) {
    // Up to the empty line.
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    loop {
        match memchr::memchr(b'\n', input.get(at..).unwrap_or_default()) {
            Some(n) => {
                let line = input
                    .get(at..at + n)
                    .unwrap_or_default()
                    .trim_ascii()
                    .to_vec();
                at += n + 1;
                if line.is_empty() {
                    break;
                }
                lines.push(line);
                // Nothing need follow it.
                if lines.first().is_some_and(|l| l.starts_with(b"PING ")) {
                    let pong = "RSPAMD/1.3 0 PONG\r\n\r\n".to_owned();
                    return ("ping", (Outcome::Answered, Some(pong)));
                }
            }
            None if input.len() > HEAD_BYTES => {
                return ("unknown", bad("the header of the request is too long"));
            }
            None => {
                if read(socket, input, until).await.is_none_or(|n| n == 0) {
                    return ("unknown", (Outcome::Incomplete, None));
                }
            }
        }
    }
    let _ = input.split_to(at);
    let Some((first, fields)) = lines.split_first() else {
        return ("unknown", bad("there is no request"));
    };
    let word = first.split(|b| *b == b' ').next().unwrap_or_default();
    if !matches!(word, b"CHECK" | b"SYMBOLS" | b"REPORT" | b"REPORT_IFSPAM") {
        return ("unknown", bad("there is no such command"));
    }
    let mut told = Told::default();
    let mut length: Option<u64> = None;
    for line in fields {
        let Some(colon) = memchr::memchr(b':', line) else {
            return ("check", bad("a line of the request's header is no field"));
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        if name.eq_ignore_ascii_case("content-length") {
            let number = str::from_utf8(value.trim_ascii()).ok();
            length = number.and_then(|n| n.parse().ok());
            if length.is_none() {
                return ("check", bad("Content-length is no number"));
            }
        } else if let Err(why) = told.field(&name, value) {
            return ("check", bad(why));
        }
    }
    (
        "check",
        check(socket, input, desk, until, told, length).await,
    )
}

async fn read<S: Stream>(socket: &mut S, input: &mut BytesMut, until: Instant) -> Option<usize> {
    input.reserve(READ_BYTES);
    let read = timeout_at(until, socket.read_buf(input)).await;
    read.ok()?.ok()
}

async fn check<S: Stream>(
    socket: &mut S,
    input: &mut BytesMut,
    desk: &Desk,
    until: Instant,
    told: Told,
    length: Option<u64>,
) -> Answered {
    // Exim keeps its side open, so without a length nobody knows the end.
    let Some(length) = length else {
        return bad("Content-length is missing");
    };
    let mut body = Body::new(&desk.services);
    let mut rest = length;
    while rest > 0 {
        if input.is_empty() && read(socket, input, until).await.is_none_or(|n| n == 0) {
            return (Outcome::Incomplete, None);
        }
        let take = usize::try_from(rest).map_or(input.len(), |rest| rest.min(input.len()));
        body.push(&input.split_to(take));
        rest -= take as u64;
    }
    let body = match body.end() {
        Ok(body) => body,
        Err(Refused::NoRoom) => {
            return (
                Outcome::Failed,
                failed(75, "EX_TEMPFAIL", "no room for the message now"),
            );
        }
        Err(_) => {
            return (
                Outcome::Bad,
                failed(
                    65,
                    "EX_DATAERR",
                    "the message is longer than limits.message",
                ),
            );
        }
    };
    match desk.judge(told, body).await {
        None => (Outcome::Failed, failed(75, "EX_TEMPFAIL", "internal error")),
        Some(inquired) if inquired.verdict.action == Action::Tempfail => {
            let why = inquired.refusal.unwrap_or_default();
            (Outcome::Failed, failed(75, "EX_TEMPFAIL", &why))
        }
        Some(inquired) => (Outcome::Answered, Some(judged(&inquired))),
    }
}

/// A verdict: the line that Exim reads, the action, the symbols.
fn judged(inquired: &Inquired) -> String {
    let Scored {
        spam,
        score,
        required,
    } = Scored::of(inquired);
    let reject = shown::reject(&inquired.ruling).unwrap_or(required);
    let word = if spam { "True" } else { "False" };
    let action = shown::action(&inquired.verdict, inquired.kept);
    let mut out = format!(
        "RSPAMD/1.3 0 EX_OK\r\nMetric: default; {word}; {score:.2} / {required:.2} / {reject:.2}\r\nAction: {action}\r\n"
    );
    for (_, hit) in inquired.verdict.hits().filter(|(_, h)| h.shadow.is_none()) {
        out.push_str(&format!("Symbol: {}({:.2})\r\n", hit.rule, hit.score));
    }
    for (filter, reason) in inquired.verdict.unscanned() {
        let name = super::super::unscanned(filter);
        out.push_str(&format!("Symbol: {name}(0.00); {reason}\r\n"));
    }
    out.push_str(&format!("Mailweir-Id: {}\r\n\r\n", inquired.id));
    out
}
