//! The message of a request, as it comes: bounded as one that comes by milter, within the same budget.

use std::io::Read;
use std::sync::Arc;

use crate::filter::offload;
use crate::mail::Spool;
use crate::server::{Services, Share};

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is longer than `limits.message`.
    TooLarge,
    /// There is no room in `limits.total` for it now.
    NoRoom,
    /// What was to be unpacked is damaged.
    Damaged,
}

/// A message on its way in.
pub(super) struct Body {
    pub(super) spool: Spool,
    pub(super) share: Share,
    refused: Option<Refused>,
    services: Arc<Services>,
}

impl Body {
    pub(super) fn new(services: &Arc<Services>) -> Body {
        Body {
            spool: Spool::new(),
            share: services.budget.share(),
            refused: None,
            services: services.clone(),
        }
    }

    /// Takes more bytes. Once it was refused they are dropped.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.refused.is_some() {
            return;
        }
        let settings = &self.services.settings;
        let over = &self.services.metrics.over_limit;
        if self.spool.len() + bytes.len() > settings.message_bytes {
            over.with_label_values(&["message"]).inc();
            self.refuse(Refused::TooLarge);
        } else if !self.share.grow(bytes.len()) {
            over.with_label_values(&["total"]).inc();
            self.refuse(Refused::NoRoom);
        } else {
            self.spool.push(bytes);
        }
    }

    fn refuse(&mut self, why: Refused) {
        self.refused = Some(why);
        self.spool.abort();
        self.share.release();
    }

    /// All has come.
    pub(super) fn end(self) -> Result<Body, Refused> {
        match self.refused {
            None => Ok(self),
            Some(why) => Err(why),
        }
    }

    /// The message that these bytes are in a packed form, which `unpack` reads. Bounded like any other.
    pub(super) async fn unpacked<F, R>(self, unpack: F) -> Result<Body, Refused>
    where
        F: FnOnce(std::io::Cursor<bytes::Bytes>) -> std::io::Result<R> + Send + 'static,
        R: Read,
    {
        let packed = self.spool.complete();
        let held = self.share;
        let mut body = Body::new(&self.services);
        let work = move || {
            let Ok(mut reader) = unpack(std::io::Cursor::new(packed)) else {
                return Err(Refused::Damaged);
            };
            let mut chunk = vec![0; 64 << 10];
            let unpacked = loop {
                match reader.read(&mut chunk) {
                    Ok(0) => break body.end(),
                    Ok(n) => body.push(chunk.get(..n).unwrap_or_default()),
                    Err(_) => break Err(Refused::Damaged),
                }
                if let Some(why) = body.refused {
                    break Err(why);
                }
            };
            drop(held);
            unpacked
        };
        // A packed message may be a thousand times longer than it looks.
        offload(usize::MAX, work).await
    }
}
