//! The questions of one stage on their way, and their answers. A dropped round cancels what is still on its
//! way. Answers are kept in the order of the questions, so what is made of them does not depend on which
//! came first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::plan::Question;
use super::resolving;
use super::subject::Value;
use super::zone::Finding;
use crate::dns::Failure;
use crate::heard::Heard;

/// What came of one question: what the list has, or why it could not be asked.
pub(super) type Said = Result<Vec<Finding>, Failure>;

/// Questions of one stage.
pub(super) struct Round {
    pub(super) questions: Arc<Vec<Question>>,
    /// One place for each question; empty until it is answered.
    said: Arc<Mutex<Vec<Option<Said>>>>,
    /// `None` where all answers were there at once.
    task: Option<AbortOnDropHandle<()>>,
}

impl Round {
    /// Sends all of them, each until `deadline`. Answers that the resolver remembers are known when this returns.
    pub(super) fn start(
        shared: &Arc<Shared>,
        questions: Vec<Question>,
        deadline: Instant,
        heard: &Heard,
    ) -> Round {
        let questions = Arc::new(questions);
        let said = Arc::new(Mutex::new(vec![None; questions.len()]));
        let mut asking = Box::pin(ask_all(
            Arc::clone(shared),
            Arc::clone(&questions),
            Arc::clone(&said),
            deadline,
            heard.clone(),
        ));
        // Not by a task of its own from the start: who is refused at RCPT must not depend on when it has its turn.
        let task = match asking.as_mut().now_or_never() {
            Some(()) => None,
            None => Some(AbortOnDropHandle::new(tokio::spawn(asking))),
        };
        Round {
            questions,
            said,
            task,
        }
    }

    /// What is known by now, in the order of the questions.
    pub(super) fn said(&self) -> MutexGuard<'_, Vec<Option<Said>>> {
        lock(&self.said)
    }

    /// Waits for the last answer. A panic of the task is one of the caller.
    pub(super) async fn join(&mut self) {
        if let Some(task) = &mut self.task
            && let Err(e) = task.await
            && e.is_panic()
        {
            std::panic::resume_unwind(e.into_panic());
        }
    }
}

fn lock(said: &Mutex<Vec<Option<Said>>>) -> MutexGuard<'_, Vec<Option<Said>>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask_all(
    shared: Arc<Shared>,
    questions: Arc<Vec<Question>>,
    said: Arc<Mutex<Vec<Option<Said>>>>,
    deadline: Instant,
    heard: Heard,
) {
    let mut asked: FuturesUnordered<_> = questions
        .iter()
        .enumerate()
        .map(|(place, question)| {
            let (shared, heard) = (&shared, &heard);
            async move { (place, ask(shared, question, deadline, heard).await) }
        })
        .collect();
    while let Some((place, answer)) = asked.next().await {
        if let Some(empty) = lock(&said).get_mut(place) {
            *empty = Some(answer);
        }
    }
}

async fn ask(shared: &Shared, question: &Question, deadline: Instant, heard: &Heard) -> Said {
    let Some(list) = shared.lists.get(question.list) else {
        return Ok(Vec::new());
    };
    let host = match &question.value {
        Value::Name(host) if question.subject.resolves() => Some(host.clone()),
        _ => None,
    };
    let values = match &host {
        Some(host) => {
            let values = resolving::values(shared, list, question.subject, host, deadline, heard);
            // Seldom, and large.
            Box::pin(values).await
        }
        None => vec![question.value.clone()],
    };
    let asker = match &question.value {
        Value::Name(text) | Value::Text(text) => format!("{} {text}", question.subject.name()),
        Value::Address(address) => format!("{} {address}", question.subject.name()),
    };
    let mut findings = Vec::new();
    let mut asked: Vec<_> = Vec::with_capacity(values.len());
    for value in &values {
        asked.push(shared.lookups.ask(list, value, &asker, deadline, heard));
    }
    let answers = futures_util::future::join_all(asked).await;
    for (value, answer) in values.into_iter().zip(answers) {
        if let Some(listing) = answer? {
            findings.push(Finding {
                subject: question.subject,
                value,
                of: host.clone(),
                codes: listing.codes,
                reason: listing.reason,
            });
        }
    }
    Ok(findings)
}
