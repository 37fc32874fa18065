//! One message at one server. In: the message, as it arrives or whole. Out: a reply of clamd, or why
//! there is none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::failure::Failure;
use super::feed::{CHUNK, Fed, LookedAt, Message, Stop, feed};
use super::reply::{NoReply, Reply, parse};
use super::server::Server;
use super::transport::{Course, Limits, Route};

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// The server, which was sent all of it, found nothing; with what is to be remembered of it.
    Clean(Option<LookedAt>),
    /// With a reply about this message; never that it is clean or too large, nor [`Reply::Idle`] or
    /// [`Reply::Error`].
    Answered(Reply),
    /// That server has found it clean before.
    Known(Arc<Server>),
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
    server: &Arc<Server>,
    bounds: Bounds,
    message: Message,
    deadline: Deadline,
) -> Result<Ended, Failure> {
    let arriving = matches!(message, Message::Arriving(..));
    let course = Arc::new(Course::default());
    let fed = Arc::new(Fed::default());
    let route = Route {
        address: &server.address,
        limits: bounds.limits,
        course: Arc::clone(&course),
    };
    let feed = feed(
        message,
        Arc::clone(server),
        bounds.max_bytes,
        Arc::clone(&course),
        Arc::clone(&fed),
    );
    let began = Instant::now();
    let bytes = tokio::select! {
        biased;
        scanned = clamav_client::tokio::scan_stream(feed, route, Some(CHUNK)) => scanned,
        () = expired(deadline) => {
            let why = "no reply in the time left".to_owned();
            return Err(if began.elapsed() < bounds.fair {
                Failure::Late(why)
            } else {
                Failure::Timeout(why)
            });
        }
    };
    match fed.stop.get() {
        None => {}
        Some(Stop::TooLarge) => return Ok(Ended::TooLarge),
        Some(Stop::Aborted) => return Ok(Ended::Aborted),
        Some(Stop::Clean(server)) => return Ok(Ended::Known(Arc::clone(server))),
        Some(Stop::Full) => return Err(full()),
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
        Ok(Reply::Clean) => Ended::Clean(fed.looked_at.get().cloned()),
        Ok(Reply::TooLarge) => {
            server.known.is_full_at(fed.bytes.load(Ordering::Relaxed));
            return Err(full());
        }
        Ok(reply) => Ended::Answered(reply),
    };
    server.took(began.elapsed());
    Ok(ended)
}

/// The message is larger than the server takes.
pub(super) fn full() -> Failure {
    Failure::TooLarge("larger than the server takes (StreamMaxLength)".to_owned())
}
