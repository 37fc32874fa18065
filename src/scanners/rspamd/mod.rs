//! The protocols of rspamd's workers: HTTP, as `rspamc`, OpenSMTPD's filter and Haraka's plugin speak it, and the line
//! protocol RSPAMC before it, which Exim speaks. One request a connection.
//!
//! `POST /checkv2` judges a message; `/learnspam` and `/learnham` teach the classifier, with the password; `/stat` and
//! `/ping` are there. Every failure to judge a message says `soft reject` in its body, because some clients look at
//! nothing but the action and would let the message pass.

mod answer;
mod envelope;
mod http;
mod line;
mod statistics;

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::door::Stream;
use super::options::Rspamd;
use crate::server::{Inquired, Inquiry, Services, inquire};
use envelope::Told;

/// Bytes that are looked at to tell the two protocols apart.
const FIRST_LINE: usize = 8 << 10;

/// What every connection shares.
#[derive(Clone, Debug)]
struct Desk {
    settings: Arc<Rspamd>,
    services: Arc<Services>,
    /// The start, for the statistics.
    since: Instant,
}

impl Desk {
    /// The verdict on a message; `None` after a panic, which was counted.
    async fn judge(&self, told: Told, body: Body) -> Option<Inquired> {
        let inquiry = Inquiry {
            protocol: "rspamd",
            envelope: told.envelope(),
            spool: body.spool,
            share: body.share,
            keep: self.settings.quarantine,
        };
        inquire(&self.services, inquiry).await
    }
}

/// Serves one connection.
pub(super) async fn serve<S: Stream>(
    mut socket: S,
    settings: Arc<Rspamd>,
    since: Instant,
    services: Arc<Services>,
    drain: CancellationToken,
) {
    let limit = settings.entrance.timeout;
    let mut input = BytesMut::new();
    let first = async {
        while memchr::memchr(b'\n', &input).is_none() && input.len() < FIRST_LINE {
            match socket.read_buf(&mut input).await {
                Ok(n) if n > 0 => {}
                _ => return false,
            }
        }
        true
    };
    let came = tokio::select! {
        biased;
        came = timeout(limit, first) => came.unwrap_or(false),
        () = drain.cancelled() => false,
    };
    if !came {
        return;
    }
    let desk = Desk {
        settings,
        services,
        since,
    };
    let end = memchr::memchr(b'\n', &input).unwrap_or(input.len());
    let line = input.get(..end).unwrap_or_default();
    if memchr::memmem::find(line, b" RSPAMC/").is_some() {
        line::serve(socket, input, desk).await;
    } else {
        http::serve(socket, input, desk).await;
    }
}
