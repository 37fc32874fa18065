//! The filter at work on one transaction: a stream to a server opens when the header is complete and
//! takes the body as it arrives; what fails is tried elsewhere from the first byte on. A dropped check
//! closes its streams.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::NAME;
use super::conclusion::{Trouble, again};
use super::failover::{Early, Holder, Shared};
use crate::filter::{Check, Outcome, Scan, told};
use crate::heard::Heard;
use crate::mail::{Envelope, Spool};

pub(super) struct ClamavCheck {
    shared: Arc<Shared>,
    heard: Heard,
    deadline: watch::Sender<Option<Instant>>,
    holder: Holder,
    early: Option<AbortOnDropHandle<Early>>,
}

impl ClamavCheck {
    pub(super) fn new(shared: Arc<Shared>) -> ClamavCheck {
        ClamavCheck {
            shared,
            heard: Heard::default(),
            deadline: watch::Sender::new(None),
            holder: watch::Sender::new(None),
            early: None,
        }
    }
}

impl Check for ClamavCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn headers(&mut self, _envelope: &Envelope, spool: &Arc<Spool>) {
        if self.heard.is_telling() {
            return;
        }
        let (shared, spool) = (Arc::clone(&self.shared), Arc::clone(spool));
        let (holder, deadline) = (self.holder.clone(), self.deadline.subscribe());
        let task = tokio::spawn(async move { shared.arriving(spool, holder, deadline).await });
        self.early = Some(AbortOnDropHandle::new(task));
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        let this = *self;
        if let Some(outcome) = told::told(&this.heard, NAME) {
            return std::future::ready(again(&this.shared.settings, outcome)).boxed();
        }
        let heard = this.heard.clone();
        let outcome = async move {
            let complete = Instant::now();
            let settings = &this.shared.settings;
            this.deadline
                .send_replace(Some(complete + settings.timeout));
            let message = scan.mail.raw();
            let answer = async {
                let troubles = match this.early {
                    None => Vec::new(),
                    Some(task) => match task.await {
                        Ok(Early::Done(outcome)) => return outcome,
                        Ok(Early::Later(troubles)) => troubles,
                        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                        Err(_) => Vec::new(),
                    },
                };
                // A server that failed while the sender was still sending has had time to come back; what is too
                // large for it has not become smaller.
                let lasting = |t: &Trouble| t.at >= complete || t.failure.is_of_the_message();
                let troubles = troubles.into_iter().filter(lasting).collect();
                let deadline = this.deadline.subscribe();
                let shared = &this.shared;
                shared
                    .complete(message.clone(), troubles, &this.holder, deadline)
                    .await
            };
            let Some(after) = settings.hedge_after else {
                return answer.await;
            };
            let (message, deadline) = (message.clone(), this.deadline.subscribe());
            tokio::select! {
                biased;
                outcome = answer => outcome,
                Some(outcome) = this.shared.hedge(after, message, &this.holder, deadline) => outcome,
            }
        };
        async move { told::keep(&heard, NAME, outcome.await) }.boxed()
    }
}
