//! The bytes of one message on their way to one server, always from the first one on: in chunks, until the message
//! ends, is too large or is given up, or the server wants no more. At its end it is known whether the server need
//! look at it at all: clamd scans what has an end, and a stream that breaks off costs it nothing more.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use blake3::{Hash, Hasher};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};

use super::memory::Memory;
use super::server::Server;
use super::transport::Course;
use crate::mail::Spool;

/// Bytes of the message in one chunk.
pub(super) const CHUNK: usize = 64 << 10;

/// Where the bytes of a message come from.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// It is still on its way; what is remembered of it shows at its end.
    Arriving(Arc<Spool>, Option<Arc<Memory>>),
    /// It is all here, with its digest where that is to be remembered.
    Whole(Bytes, Option<Hash>),
}

/// Sizes that stop a message.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Largest message, bytes: our own bound.
    most: Option<usize>,
    /// The least size that the server does not take, bytes.
    ceiling: Option<usize>,
}

/// Why a feed stopped before the end of the message was sent.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The message is larger than our own bound.
    TooLarge,
    /// It is larger than the server takes.
    Full,
    /// The transaction was given up.
    Aborted,
    /// This server has found it clean.
    Clean(Arc<Server>),
}

/// What has become of a feed.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// Bytes of the message given to the transport, at least what the server was sent.
    pub(super) bytes: AtomicUsize,
    pub(super) stop: OnceLock<Stop>,
    /// What the server is to look at, once the end of it is sent, where that is to be remembered.
    pub(super) looked_at: OnceLock<LookedAt>,
}

/// A message with the version of the server before it was scanned.
#[derive(Clone, Debug)]
pub(super) struct LookedAt {
    pub(super) digest: Hash,
    pub(super) version: String,
}

/// The message in chunks; larger than `most` bytes it is not sent to its end.
pub(super) fn feed(
    message: Message,
    server: Arc<Server>,
    most: Option<usize>,
    course: Arc<Course>,
    fed: Arc<Fed>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let hasher = match &message {
        Message::Arriving(_, Some(_)) => Some(Box::new(Hasher::new())),
        Message::Arriving(_, None) | Message::Whole(..) => None,
    };
    let ceiling = server.known.ceiling();
    let sizes = Sizes { most, ceiling };
    unfold((0, hasher), move |(offset, mut hasher)| {
        let (message, course, fed) = (message.clone(), Arc::clone(&course), Arc::clone(&fed));
        let server = Arc::clone(&server);
        async move {
            if course.over.load(Ordering::Relaxed) {
                return None;
            }
            let chunk = match &message {
                Message::Arriving(spool, _) => spool.read(offset, CHUNK).await,
                Message::Whole(bytes, _) => {
                    let end = bytes.len().min(offset + CHUNK);
                    Ok((offset < end).then(|| bytes.slice(offset..end)))
                }
            };
            let stop = match chunk {
                Ok(Some(chunk)) => match sizes.stop(offset + chunk.len()) {
                    None => {
                        if let Some(hasher) = &mut hasher {
                            hasher.update(&chunk);
                        }
                        let offset = offset + chunk.len();
                        fed.bytes.store(offset, Ordering::Relaxed);
                        return Some((Ok(chunk), (offset, hasher)));
                    }
                    Some(stop) => stop,
                },
                Ok(None) => Stop::Clean(known(&message, hasher.as_deref(), &server, &fed).await?),
                Err(_) => Stop::Aborted,
            };
            let _ = fed.stop.set(stop);
            // An error, so that the end of the stream is not taken for the end of the message.
            Some((Err(io::ErrorKind::Interrupted.into()), (offset, hasher)))
        }
    })
}

impl Sizes {
    /// What stops a message that has come to `bytes`.
    fn stop(self, bytes: usize) -> Option<Stop> {
        if self.most.is_some_and(|most| bytes > most) {
            Some(Stop::TooLarge)
        } else if self.ceiling.is_some_and(|ceiling| bytes >= ceiling) {
            Some(Stop::Full)
        } else {
            None
        }
    }
}

/// At the end of a message: who found it clean before. Otherwise it is noted what `server` will look at.
async fn known(
    message: &Message,
    hasher: Option<&Hasher>,
    server: &Server,
    fed: &Fed,
) -> Option<Arc<Server>> {
    let digest = match message {
        Message::Arriving(_, memory) => {
            let digest = hasher?.finalize();
            if let Some(server) = memory.as_ref()?.recall(&digest).await {
                return Some(server);
            }
            digest
        }
        Message::Whole(_, digest) => (*digest)?,
    };
    let version = server.known.version()?;
    let _ = fed.looked_at.set(LookedAt { digest, version });
    None
}
