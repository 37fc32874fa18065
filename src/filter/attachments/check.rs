//! The check: opens the files of one message and says what of them was not seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Shared;
use crate::content::{self, Content, FileFlag, Limit};
use crate::filter::{Check, FailurePolicy, Outcome, Reason, Scan};
use crate::metrics::Metrics;

/// Why a message without files has no outcome.
const NO_FILES: &str = "no attachments";

/// A check of one message.
pub(super) struct AttachmentsCheck {
    shared: Arc<Shared>,
}

impl AttachmentsCheck {
    pub(super) fn new(shared: Arc<Shared>) -> AttachmentsCheck {
        AttachmentsCheck { shared }
    }
}

impl Check for AttachmentsCheck {
    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        if !content::has_files(&scan.mail) {
            scan.content.give(Arc::default());
            return std::future::ready(Outcome::Skipped(NO_FILES)).boxed();
        }
        finish(self.shared, scan).boxed()
    }
}

async fn finish(shared: Arc<Shared>, scan: Arc<Scan>) -> Outcome {
    let stop = Stop::default();
    let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else {
        return Outcome::unscanned(Reason::Error, "the filter is gone");
    };
    let (limits, message, cancelled) = (
        shared.limits.clone(),
        Arc::clone(&scan),
        Arc::clone(&stop.0),
    );
    let opened = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let started = Instant::now();
        let content = content::read(&message.mail, &limits, &cancelled);
        (content, started.elapsed())
    });
    let (content, took) = match opened.await {
        Ok(opened) => opened,
        // The panic belongs to the session, which answers tempfail and counts it.
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    };
    shared
        .metrics
        .attachments_seconds
        .observe(took.as_secs_f64());
    count(&content, &shared.metrics);
    let outcome = outcome(&content, &shared.on_failure);
    scan.content.give(Arc::new(content));
    outcome
}

/// Stops the work when nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn count(content: &Content, metrics: &Metrics) {
    metrics.attachments_files.inc_by(content.files.len() as u64);
    for (kind, count) in &content.opened {
        metrics
            .attachments_opened
            .with_label_values(&[kind.name()])
            .inc_by(*count);
    }
    for limit in &content.limits {
        metrics
            .attachments_limits
            .with_label_values(&[limit.name()])
            .inc();
    }
    let encrypted = content.files.iter().filter(|f| f.is_encrypted()).count();
    metrics.attachments_encrypted.inc_by(encrypted as u64);
}

/// What of the files was not seen. Where there are several reasons the one counts whose policy is the strictest, so
/// that none of them hides another.
fn outcome(content: &Content, policy: &FailurePolicy) -> Outcome {
    let mut reasons = Vec::new();
    for limit in &content.limits {
        let reason = match limit {
            Limit::Time => Reason::Timeout,
            _ => Reason::Limit,
        };
        let at = FileFlag::ALL
            .iter()
            .find(|flag| flag.limit() == Some(*limit))
            .and_then(|flag| content.flagged(*flag));
        let at = at.map_or(String::new(), |file| format!(" at {}", file.path));
        reasons.push((reason, format!("limit `{}` reached{at}", limit.name())));
    }
    if let Some(file) = content.files.iter().find(|f| f.is_encrypted()) {
        reasons.push((Reason::Encrypted, format!("{} is encrypted", file.path)));
    }
    // The first of the strictest.
    let strictest = reasons
        .into_iter()
        .rev()
        .max_by_key(|(reason, _)| policy.for_reason(*reason).action());
    match strictest {
        Some((reason, detail)) => Outcome::unscanned(reason, detail),
        None => Outcome::Checked(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{File, FileFlags};
    use crate::filter::{FailureAction, OnFailure};

    fn content() -> Content {
        Content {
            files: vec![
                File {
                    path: "a.zip".to_owned(),
                    flags: FileFlags::from_iter([FileFlag::LimitRatio]),
                    ..File::default()
                },
                File {
                    path: "b.zip/x".to_owned(),
                    flags: FileFlags::from_iter([FileFlag::Encrypted]),
                    ..File::default()
                },
            ],
            limits: [Limit::Ratio].into(),
            ..Content::default()
        }
    }

    #[test]
    fn no_reason_hides_a_stricter_one() {
        let deliver = OnFailure::default().over(FailureAction::Deliver);
        assert_eq!(
            outcome(&content(), &deliver),
            Outcome::unscanned(Reason::Limit, "limit `ratio` reached at a.zip")
        );
        let strict = OnFailure {
            encrypted: Some(FailureAction::Quarantine),
            ..OnFailure::default()
        };
        assert_eq!(
            outcome(&content(), &strict.over(FailureAction::Deliver)),
            Outcome::unscanned(Reason::Encrypted, "b.zip/x is encrypted")
        );
        assert_eq!(
            outcome(&Content::default(), &deliver),
            Outcome::Checked(Vec::new())
        );
    }
}
