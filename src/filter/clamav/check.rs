//! The filter at work on one transaction: a stream to a server opens when the header is complete and
//! takes the body as it arrives; what fails is tried elsewhere from the first byte on. A dropped check
//! closes its stream.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::reply::Reply;
use super::scan::{Bounds, Deadline, Ended, Message, attempt, expired};
use super::server::{Pool, Server};
use super::settings::Settings;
use crate::filter::{Check, Hit, Outcome, Reason, Scan};
use crate::mail::{Envelope, Spool};

/// The rule of every signature.
const RULE: &str = "VIRUS";
/// Longest detail of a failure, bytes.
const DETAIL_BYTES: usize = 512;

/// What all checks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) pool: Pool,
}

pub(super) struct ClamavCheck {
    shared: Arc<Shared>,
    deadline: watch::Sender<Option<Instant>>,
    early: Option<AbortOnDropHandle<Early>>,
}

/// Where the message stands when its stream, opened early, has come to an end.
enum Early {
    /// There is an outcome.
    Done(Outcome),
    /// It must be sent once it is complete; these servers have failed so far.
    Later(Vec<Trouble>),
}

/// One server that failed.
struct Trouble {
    server: Arc<Server>,
    failure: Failure,
    at: Instant,
}

impl ClamavCheck {
    pub(super) fn new(shared: Arc<Shared>) -> ClamavCheck {
        ClamavCheck {
            shared,
            deadline: watch::Sender::new(None),
            early: None,
        }
    }
}

impl Check for ClamavCheck {
    fn headers(&mut self, _envelope: &Envelope, spool: &Arc<Spool>) {
        let shared = Arc::clone(&self.shared);
        let spool = Arc::clone(spool);
        let deadline = self.deadline.subscribe();
        let task = tokio::spawn(async move { shared.stream_early(spool, deadline).await });
        self.early = Some(AbortOnDropHandle::new(task));
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            let complete = Instant::now();
            self.deadline
                .send_replace(Some(complete + self.shared.settings.timeout));
            let troubles = match self.early {
                None => Vec::new(),
                Some(task) => match task.await {
                    Ok(Early::Done(outcome)) => return outcome,
                    Ok(Early::Later(troubles)) => troubles,
                    Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                    Err(_) => Vec::new(),
                },
            };
            // A server that failed while the sender was still sending has had time to come back.
            let troubles = troubles.into_iter().filter(|t| t.at >= complete).collect();
            let deadline = self.deadline.subscribe();
            self.shared
                .stream_whole(scan.mail.raw().clone(), troubles, deadline)
                .await
        }
        .boxed()
    }
}

impl Shared {
    /// Sends a message that is still on its way, as long as there is a server with a stream to spare.
    async fn stream_early(&self, spool: Arc<Spool>, deadline: Deadline) -> Early {
        let mut troubles = Vec::new();
        self.pool.probe();
        loop {
            let Some((server, stream)) = self.pool.choose_early(&names(&troubles)) else {
                return Early::Later(troubles);
            };
            let message = Message::Arriving(Arc::clone(&spool));
            let ended = self.attempt(&server, message, deadline.clone()).await;
            drop(stream);
            match ended {
                Ok(Ended::Idle | Ended::Aborted) => return Early::Later(troubles),
                Ok(ended) => return Early::Done(self.outcome(&server, ended)),
                Err(failure) => troubles.push(Trouble::new(server, failure)),
            }
        }
    }

    /// Sends a complete message to one server after the other, until one answers.
    async fn stream_whole(
        &self,
        message: bytes::Bytes,
        mut troubles: Vec<Trouble>,
        deadline: Deadline,
    ) -> Outcome {
        if let Some(most) = self.settings.max_bytes.filter(|most| message.len() > *most) {
            return too_large(most);
        }
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
            let whole = Message::Whole(message.clone());
            let ended = self.attempt(&server, whole, deadline.clone()).await;
            drop(stream);
            match ended {
                Ok(ended) => return self.outcome(&server, ended),
                Err(failure) => troubles.push(Trouble::new(server, failure)),
            }
        }
    }

    async fn attempt(
        &self,
        server: &Server,
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
            Ok(Ended::Answered(reply)) => {
                server.breaker.succeeded();
                server.count(match reply {
                    Reply::Clean => "clean",
                    Reply::Found(_) => "found",
                    Reply::TooLarge => "too_large",
                    Reply::Limit(_) => "limit",
                    Reply::Encrypted(_) => "encrypted",
                    Reply::Idle | Reply::Error(_) => "error",
                });
            }
            Ok(Ended::Idle) => server.count("idle"),
            Ok(Ended::TooLarge | Ended::Aborted) => {}
            Err(failure) => {
                tracing::debug!(server = server.name, %failure, "clamd failed");
                server.failed(failure);
            }
        }
        ended
    }

    fn outcome(&self, server: &Server, ended: Ended) -> Outcome {
        let at = &server.name;
        match ended {
            Ended::Answered(Reply::Clean) => Outcome::Checked(Vec::new()),
            Ended::Answered(Reply::Found(name)) => {
                // The name reaches the header of the message; which server found it is ours to know.
                tracing::info!(server = %at, signature = %name, "virus found");
                let hit = Hit::new(RULE, 0.0, name);
                Outcome::Checked(vec![hit.decisive(self.settings.virus_action)])
            }
            Ended::Answered(Reply::Limit(name)) => {
                Outcome::unscanned(Reason::Limit, format!("{at}: {name}"))
            }
            Ended::Answered(Reply::Encrypted(name)) => {
                Outcome::unscanned(Reason::Encrypted, format!("{at}: {name}"))
            }
            Ended::Answered(Reply::TooLarge) => Outcome::unscanned(
                Reason::TooLarge,
                format!("{at}: larger than the server takes (StreamMaxLength)"),
            ),
            Ended::TooLarge => too_large(self.settings.max_bytes.unwrap_or_default()),
            Ended::Answered(Reply::Idle | Reply::Error(_)) | Ended::Idle | Ended::Aborted => {
                Outcome::unscanned(Reason::Error, format!("{at}: no answer"))
            }
        }
    }
}

impl Trouble {
    fn new(server: Arc<Server>, failure: Failure) -> Trouble {
        Trouble {
            server,
            failure,
            at: Instant::now(),
        }
    }
}

fn names(troubles: &[Trouble]) -> Vec<&str> {
    troubles.iter().map(|t| t.server.name.as_str()).collect()
}

fn too_large(most: usize) -> Outcome {
    Outcome::unscanned(
        Reason::TooLarge,
        format!("larger than {most} bytes (max_bytes)"),
    )
}

/// What the failures of all servers come to: down only if each is, timeout if one hung.
fn unscanned(troubles: &[Trouble]) -> Outcome {
    if troubles.is_empty() {
        let detail = "every server is left alone after failures in a row";
        return Outcome::unscanned(Reason::Down, detail);
    }
    let reasons: Vec<Reason> = troubles.iter().map(|t| t.failure.reason()).collect();
    let reason = [Reason::Timeout, Reason::Error]
        .into_iter()
        .find(|r| reasons.contains(r))
        .unwrap_or(Reason::Down);
    let each: Vec<String> = troubles
        .iter()
        .map(|t| format!("{}: {}", t.server.name, t.failure))
        .collect();
    let mut detail = each.join("; ");
    // Names of servers, and what comes from servers, are printable ASCII.
    detail.truncate(DETAIL_BYTES);
    Outcome::unscanned(reason, detail)
}
