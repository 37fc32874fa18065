//! The protocol of SpamAssassin's spamd, version 1.5, as `spamc` and others speak it: one request a connection.
//!
//! CHECK, SYMBOLS, REPORT, REPORT_IFSPAM, HEADERS and PROCESS judge a message; PING tells that the daemon lives; TELL
//! teaches the classifier, where that is allowed; SKIP asks for nothing. What goes wrong is answered with a code of
//! sysexits.h: 75 for what may go better later, and for a verdict that says so.

mod judging;
mod reply;
mod request;
mod teaching;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::body::{Body, Refused};
use super::door::{Outcome, Protocol, Stream, count};
use super::options::Spamd;
use crate::server::Services;
use reply::{Code, Reply};
use request::{Command, Request};

/// Longest request line with its header fields, bytes. It is read anew whenever more of it has come, so that a client that
/// sends single bytes costs the square of it.
const HEAD_BYTES: usize = 8 << 10;
/// Room for reading.
const READ_BYTES: usize = 16 << 10;

/// Serves one connection.
pub(super) async fn serve<S: Stream>(
    mut socket: S,
    settings: &Arc<Spamd>,
    services: Arc<Services>,
    drain: CancellationToken,
) {
    let limit = settings.entrance.timeout;
    let mut connection = Connection {
        settings,
        services: &services,
        input: BytesMut::new(),
        until: Instant::now() + limit,
    };
    let (command, answer) = connection.answer(&mut socket, &drain).await;
    let outcome = match &answer {
        Ok(reply) => reply.outcome(),
        Err(End::Incomplete) => Outcome::Incomplete,
        Err(End::Nothing) => return,
    };
    count(&services.metrics, Protocol::Spamd, command, outcome);
    let Ok(reply) = answer else {
        tracing::debug!(
            command,
            "a request of spamd's protocol did not come to its end"
        );
        return;
    };
    if reply.code != Code::Ok {
        tracing::warn!(command, code = reply.code.name(), why = %reply.text, "request of spamd's protocol not answered");
    }
    let (head, body) = reply.encode();
    let sent = timeout(limit, async {
        socket.write_all(&head).await?;
        socket.write_all(&body).await?;
        socket.shutdown().await
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        tracing::debug!(
            command,
            "the client of spamd's protocol did not take its answer"
        );
        return;
    }
    // What the client still sends is read, or closing would tear the answer out of its hands.
    linger(&mut socket, limit).await;
}

async fn linger<S: Stream>(socket: &mut S, limit: Duration) {
    let mut waste = vec![0; READ_BYTES];
    let limit = limit.min(Duration::from_secs(5));
    let _ = timeout(limit, async {
        while socket.read(&mut waste).await.is_ok_and(|n| n > 0) {}
    })
    .await;
}

/// Why there is no answer.
enum End {
    /// The client went away, or took too long.
    Incomplete,
    /// There was no request.
    Nothing,
}

struct Connection<'a> {
    settings: &'a Spamd,
    services: &'a Arc<Services>,
    input: BytesMut,
    /// The end of the time for the request.
    until: Instant,
}

impl Connection<'_> {
    /// The command, for the metrics, and its answer.
    async fn answer<S: Stream>(
        &mut self,
        socket: &mut S,
        drain: &CancellationToken,
    ) -> (&'static str, Result<Reply, End>) {
        let request = tokio::select! {
            biased;
            request = self.head(socket) => request,
            () = drain.cancelled() => return ("none", Err(End::Nothing)),
        };
        let request = match request {
            Ok(Ok(request)) => request,
            Ok(Err(reply)) => return ("unknown", Ok(reply)),
            Err(end) => return ("none", Err(end)),
        };
        let command = request.command.name();
        let answer = match request.command {
            Command::Ping => Ok(Reply::pong()),
            Command::Skip => Err(End::Nothing),
            Command::Tell if !self.settings.learning => {
                let why = "TELL is not allowed here: scanners.spamd.learning is false";
                Ok(Reply::failed(Code::Unavailable, why))
            }
            _ => self.with_message(socket, &request).await,
        };
        (command, answer)
    }

    /// Reads up to the empty line, or the line of a command that has nothing behind it.
    async fn head<S: Stream>(&mut self, socket: &mut S) -> Result<Result<Request, Reply>, End> {
        loop {
            if let Some(request) = Request::take(&mut self.input) {
                return Ok(request);
            }
            if self.input.len() > HEAD_BYTES {
                let why = "the header of the request is too long";
                return Ok(Err(Reply::failed(Code::Protocol, why)));
            }
            match self.read(socket).await {
                Some(0) if self.input.is_empty() => return Err(End::Nothing),
                Some(0) | None => return Err(End::Incomplete),
                Some(_) => {}
            }
        }
    }

    /// Reads more; `None` when that takes too long or cannot be.
    async fn read<S: Stream>(&mut self, socket: &mut S) -> Option<usize> {
        self.input.reserve(READ_BYTES);
        let read = timeout_at(self.until, socket.read_buf(&mut self.input));
        read.await.ok()?.ok()
    }

    async fn with_message<S: Stream>(
        &mut self,
        socket: &mut S,
        request: &Request,
    ) -> Result<Reply, End> {
        let mut body = Body::new(self.services);
        let mut came: u64 = 0;
        loop {
            let rest = request.content_length.map(|length| length - came);
            if rest == Some(0) {
                break;
            }
            if self.input.is_empty() {
                match self.read(socket).await {
                    Some(0) => break,
                    Some(_) => {}
                    None => return Err(End::Incomplete),
                }
            }
            let here = self.input.len();
            let take = rest.map_or(here, |rest| {
                usize::try_from(rest).map_or(here, |r| r.min(here))
            });
            body.push(&self.input.split_to(take));
            came += take as u64;
        }
        if let Some(length) = request.content_length
            && (came != length || !self.input.is_empty())
        {
            let more = match came == length {
                true => "more".to_owned(),
                false => came.to_string(),
            };
            let why = format!("Content-length is {length}, and {more} bytes came");
            return Ok(Reply::failed(Code::Data, why));
        }
        let mut taken = body.end();
        if request.compressed {
            taken = match taken {
                Ok(body) => {
                    let unpack = |packed| Ok(flate2::read::ZlibDecoder::new(packed));
                    body.unpacked(unpack).await
                }
                refused => refused,
            };
        }
        let body = match taken {
            Ok(body) => body,
            Err(why) => return Ok(refused(why)),
        };
        Ok(match request.command {
            Command::Tell => teaching::tell(self.services, request, body).await,
            _ => judging::judge(self.services, self.settings, request, body).await,
        })
    }
}

fn refused(why: Refused) -> Reply {
    match why {
        Refused::TooLarge => Reply::failed(Code::Data, "the message is longer than limits.message"),
        Refused::NoRoom => Reply::failed(Code::TempFail, "no room for the message now"),
        Refused::Damaged => Reply::failed(Code::Data, "the message is not what zlib packs"),
    }
}
