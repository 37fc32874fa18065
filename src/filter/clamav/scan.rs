//! One message at one server. In: the message, as it arrives or whole. Out: a reply of clamd, or why
//! there is none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;
use tokio::time::Instant;

use super::failure::Failure;
use super::reply::{NoReply, Reply, parse};
use super::server::Server;
use super::transport::{Course, Limits, Route};
use crate::mail::Spool;

/// Bytes of the message in one chunk.
const CHUNK: usize = 64 << 10;

/// Where the bytes of a message come from; always from the first one on.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// It is still on its way.
    Arriving(Arc<Spool>),
    /// It is all here.
    Whole(Bytes),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a reply about this message; never [`Reply::Idle`] or [`Reply::Error`].
    Answered(Reply),
    /// The server was tired of waiting for the sender; nobody is to blame.
    Idle,
    /// The message grew larger than our own bound.
    TooLarge,
    /// The transaction was given up.
    Aborted,
}

/// When the outcome must be there; known only once the message is complete.
pub(super) type Deadline = watch::Receiver<Option<Instant>>;

/// Waits until the deadline is known and has come.
pub(super) async fn expired(mut deadline: Deadline) {
    let at = deadline
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|at| *at);
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        // Nobody will set it any more: the check is gone, and this task with it.
        None => std::future::pending().await,
    }
}

/// Bounds of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) limits: Limits,
    /// Largest message, bytes.
    pub(super) max_bytes: Option<usize>,
    /// A server that had less time than this before the deadline is not to blame.
    pub(super) fair: Duration,
}

/// Sends `message` to `server` and reads the reply.
pub(super) async fn attempt(
    server: &Server,
    bounds: Bounds,
    message: Message,
    deadline: Deadline,
) -> Result<Ended, Failure> {
    let Bounds {
        limits,
        max_bytes,
        fair,
    } = bounds;
    let arriving = matches!(message, Message::Arriving(_));
    let course = Arc::new(Course::default());
    let fed = Arc::new(Fed::default());
    let route = Route {
        address: &server.address,
        limits,
        course: Arc::clone(&course),
    };
    let feed = feed(message, max_bytes, Arc::clone(&course), Arc::clone(&fed));
    let began = Instant::now();
    let bytes = tokio::select! {
        biased;
        scanned = clamav_client::tokio::scan_stream(feed, route, Some(CHUNK)) => scanned,
        () = expired(deadline) => {
            let why = "no reply in the time left".to_owned();
            return Err(if began.elapsed() < fair {
                Failure::Late(why)
            } else {
                Failure::Timeout(why)
            });
        }
    };
    if fed.too_large.load(Ordering::Relaxed) {
        return Ok(Ended::TooLarge);
    }
    if fed.aborted.load(Ordering::Relaxed) {
        return Ok(Ended::Aborted);
    }
    let bytes = bytes?;
    let ended = match parse(&bytes) {
        Err(NoReply::Closed) if arriving && course.paused.load(Ordering::Relaxed) => Ended::Idle,
        Err(NoReply::Closed) => return Err(Failure::Closed),
        Err(NoReply::Garbled(text)) => return Err(Failure::Garbled(text)),
        Ok(Reply::Idle) if arriving => Ended::Idle,
        Ok(Reply::Idle) => return Err(Failure::Timeout("it waited for the message".to_owned())),
        Ok(Reply::Error(text)) => return Err(Failure::Error(text)),
        // It cannot know yet, so it speaks of something else.
        Ok(Reply::Clean) if !course.ended.load(Ordering::Relaxed) => {
            return Err(Failure::Garbled(
                "clean before the end of the message".to_owned(),
            ));
        }
        Ok(reply) => Ended::Answered(reply),
    };
    server.seconds.observe(began.elapsed().as_secs_f64());
    Ok(ended)
}

/// How the feeding of the message ended.
#[derive(Debug, Default)]
struct Fed {
    too_large: AtomicBool,
    aborted: AtomicBool,
}

/// The message in chunks, until it ends or the server wants no more of it.
fn feed(
    message: Message,
    max_bytes: Option<usize>,
    course: Arc<Course>,
    fed: Arc<Fed>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(0, move |offset| {
        let (message, course, fed) = (message.clone(), Arc::clone(&course), Arc::clone(&fed));
        async move {
            if course.over.load(Ordering::Relaxed) {
                return None;
            }
            let chunk = match message {
                Message::Arriving(spool) => spool.read(offset, CHUNK).await,
                Message::Whole(bytes) => {
                    let end = bytes.len().min(offset + CHUNK);
                    Ok((offset < end).then(|| bytes.slice(offset..end)))
                }
            };
            let stop = match chunk {
                Ok(Some(chunk)) if max_bytes.is_none_or(|most| offset + chunk.len() <= most) => {
                    let offset = offset + chunk.len();
                    return Some((Ok(chunk), offset));
                }
                Ok(Some(_)) => &fed.too_large,
                Err(_) => &fed.aborted,
                Ok(None) => return None,
            };
            stop.store(true, Ordering::Relaxed);
            // An error, so that the end of the stream is not taken for the end of the message.
            Some((Err(io::ErrorKind::Interrupted.into()), offset))
        }
    })
}
