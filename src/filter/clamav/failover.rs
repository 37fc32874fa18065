//! One message, and servers until one answers: while it arrives, when it is complete, and a second one beside the
//! first that takes long.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::conclusion::{Trouble, names, outcome, too_large, unscanned};
use super::failure::Failure;
use super::feed::Message;
use super::memory::Memory;
use super::pool::Pool;
use super::reply::Reply;
use super::scan::{Bounds, Deadline, Ended, attempt, expired, full};
use super::server::Server;
use super::settings::Settings;
use crate::filter::{Outcome, offload};
use crate::mail::Spool;
use crate::metrics::Counters;

/// What all checks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) pool: Arc<Pool>,
    /// What was found clean, where that is remembered.
    pub(super) memory: Option<Arc<Memory>>,
    pub(super) hedges: Counters,
}

/// The server that has the message now.
pub(super) type Holder = watch::Sender<Option<Arc<Server>>>;

/// Where a message stands when its stream, opened before its end, has come to an end.
#[derive(Debug)]
pub(super) enum Early {
    /// There is an outcome.
    Done(Outcome),
    /// It must be sent once it is complete; these servers have failed so far.
    Later(Vec<Trouble>),
}

impl Shared {
    /// Sends a message that is still on its way, as long as there is a server with a stream to spare.
    pub(super) async fn arriving(
        &self,
        spool: Arc<Spool>,
        holder: Holder,
        deadline: Deadline,
    ) -> Early {
        let mut troubles = Vec::new();
        self.pool.probe();
        loop {
            let Some((server, stream)) = self.pool.choose_early(&names(&troubles)) else {
                return Early::Later(troubles);
            };
            let message = Message::Arriving(Arc::clone(&spool), self.memory.clone());
            holder.send_replace(Some(Arc::clone(&server)));
            let ended = self.attempt(&server, message, deadline.clone()).await;
            holder.send_replace(None);
            drop(stream);
            match ended {
                Ok(Ended::Idle | Ended::Aborted) => return Early::Later(troubles),
                Ok(ended) => return Early::Done(outcome(&self.settings, &server, ended)),
                Err(failure) => troubles.push(Trouble::new(server, failure)),
            }
        }
    }

    /// Sends a complete message to one server after the other, until one answers.
    pub(super) async fn complete(
        &self,
        message: Bytes,
        mut troubles: Vec<Trouble>,
        holder: &Holder,
        deadline: Deadline,
    ) -> Outcome {
        if let Some(most) = self.settings.max_bytes.filter(|most| message.len() > *most) {
            return too_large(most);
        }
        for server in &self.pool.servers {
            if server.known.ceiling().is_some_and(|c| message.len() >= c)
                && !names(&troubles).contains(&&*server.name)
            {
                troubles.push(Trouble::new(Arc::clone(server), full()));
            }
        }
        let digest = match &self.memory {
            Some(memory) => {
                let bytes = message.clone();
                let digest = offload(bytes.len(), move || blake3::hash(&bytes)).await;
                if memory.recall(&digest).await.is_some() {
                    return Outcome::Checked(Vec::new());
                }
                Some(digest)
            }
            None => None,
        };
        loop {
            self.pool.probe();
            let Some(server) = self.pool.choose(&names(&troubles)) else {
                let Some(server) = self.pool.probing(&names(&troubles)) else {
                    return unscanned(&troubles);
                };
                tokio::select! {
                    () = server.breaker.probed() => {}
                    () = expired(deadline.clone()) => return unscanned(&troubles),
                }
                continue;
            };
            let stream = tokio::select! {
                biased;
                stream = server.stream() => stream,
                () = expired(deadline.clone()) => None,
            };
            let Some(stream) = stream else {
                let busy = Failure::Late("every stream was taken, all of the time".to_owned());
                server.failed(&busy);
                troubles.push(Trouble::new(server, busy));
                return unscanned(&troubles);
            };
            let whole = Message::Whole(message.clone(), digest);
            holder.send_replace(Some(Arc::clone(&server)));
            let ended = self.attempt(&server, whole, deadline.clone()).await;
            holder.send_replace(None);
            drop(stream);
            match ended {
                Ok(ended) => return outcome(&self.settings, &server, ended),
                Err(failure) => troubles.push(Trouble::new(server, failure)),
            }
        }
    }

    /// After a while, sends a complete message to a second server, if another has it still and there is one with a
    /// stream to spare. Gives its answer, if that comes.
    pub(super) async fn hedge(
        &self,
        after: Duration,
        message: Bytes,
        holder: &Holder,
        deadline: Deadline,
    ) -> Option<Outcome> {
        tokio::time::sleep(after).await;
        let first = holder.borrow().clone()?;
        let (second, _stream) = self.pool.choose_second(&first.name)?;
        let count = |result| {
            let labels = [second.name.as_str(), result];
            self.hedges.with_label_values(&labels).inc();
        };
        if self
            .settings
            .max_bytes
            .is_some_and(|most| message.len() > most)
        {
            return None;
        }
        count("sent");
        let whole = Message::Whole(message, None);
        let ended = self.attempt(&second, whole, deadline).await.ok()?;
        count("won");
        tracing::debug!(
            first = first.name,
            second = second.name,
            "the second clamd answered first"
        );
        let slow = holder.borrow().clone();
        if slow.is_some_and(|slow| Arc::ptr_eq(&slow, &first)) {
            first.failed(&Failure::Overtaken);
        }
        Some(outcome(&self.settings, &second, ended))
    }

    async fn attempt(
        &self,
        server: &Arc<Server>,
        message: Message,
        deadline: Deadline,
    ) -> Result<Ended, Failure> {
        let bounds = Bounds {
            limits: self.settings.limits,
            max_bytes: self.settings.max_bytes,
            fair: self.settings.limits.io.min(self.settings.timeout / 2),
        };
        let ended = attempt(server, bounds, message, deadline).await;
        match &ended {
            Ok(Ended::Clean(looked_at)) => {
                server.breaker.succeeded();
                server.count("clean");
                server.introduce(self.settings.limits.connect).await;
                if let (Some(memory), Some(looked_at)) = (&self.memory, looked_at) {
                    memory.keep(looked_at.clone(), server).await;
                }
            }
            Ok(Ended::Answered(reply)) => {
                server.breaker.succeeded();
                server.count(match reply {
                    Reply::Limit(_) => "limit",
                    Reply::Encrypted(_) => "encrypted",
                    _ => "found",
                });
            }
            Ok(Ended::Idle) => server.count("idle"),
            Ok(Ended::Known(_) | Ended::TooLarge | Ended::Aborted) => {}
            Err(failure) => server.failed(failure),
        }
        ended
    }
}
