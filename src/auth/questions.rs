//! The questions of one message to the shared resolver, with a bound on their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::names::{Answer, Failure, Names, RecordType};
use crate::dns::domain;
use crate::dns::{Dns, Share};
use crate::heard::Heard;

/// Asks the shared resolver on behalf of one message.
#[derive(Debug)]
pub struct Questions {
    dns: Dns,
    share: Arc<Share>,
    heard: Heard,
    left: AtomicUsize,
    exhausted: AtomicBool,
}

impl Questions {
    /// At most `most` questions through `dns`, those that are answered from memory not counted, of which those on their way stay within `share`.
    /// What is answered goes through `heard`.
    pub fn new(dns: Dns, share: Arc<Share>, most: usize, heard: Heard) -> Questions {
        Questions {
            dns,
            share,
            heard,
            left: AtomicUsize::new(most),
            exhausted: AtomicBool::new(false),
        }
    }

    /// Whether more was asked for than the bound allows.
    pub fn exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }
}

impl Questions {
    /// The questions of one part of the work, `by` its name.
    pub fn by(self: &Arc<Questions>, by: &'static str) -> Asker {
        Asker {
            questions: Arc::clone(self),
            by,
        }
    }

    fn ask_by<'a>(
        &'a self,
        by: &'static str,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            if domain::labels(name).is_none() {
                // Too long, or empty somewhere: no such name can exist, so nobody need be asked.
                return Ok(Answer {
                    records: Arc::new([]),
                    exists: false,
                });
            }
            let one_less = |left: usize| left.checked_sub(1);
            let full_name = format!("{name}.");
            // Who is told what was asked then may ask as much as was answered.
            let refused = match self.heard.is_telling() {
                true => self.heard.was_refused(by, &full_name, kind),
                false => self
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                    .is_err(),
            };
            if refused {
                self.exhausted.store(true, Ordering::Relaxed);
                self.heard.refused(by, &full_name, kind);
                return Err(Failure::error("the message asks for too many look-ups"));
            }
            let asked = self.dns.lookup(&full_name, kind, &self.share);
            let found = self.heard.dns(by, &full_name, kind, asked).await?;
            if found.took.is_none() {
                // It was kept, or on its way already: nobody was asked.
                self.left.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Answer {
                records: found.records,
                exists: found.exists,
            })
        }
        .boxed()
    }
}

/// One part of the work on a message, that asks questions of its own.
#[derive(Clone, Debug)]
pub struct Asker {
    questions: Arc<Questions>,
    by: &'static str,
}

impl Names for Asker {
    fn ask<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.questions.ask_by(self.by, name, kind)
    }
}

impl Names for Questions {
    fn ask<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.ask_by("", name, kind)
    }
}
