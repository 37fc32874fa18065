//! The end of a message: join the checks, decide, route, make durable what must be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use super::answered::{Answered, count_reports};
use super::message_line::MILTER;
use super::transaction::Transaction;
use crate::events::Kind;
use crate::filter::{Action, Scan, offload};
use crate::mail::{Envelope, Mail};
use crate::milter::{Modification, Reply};
use crate::policy::Ruling;
use crate::quarantine::{Entry, Quarantine, Redeem};
use crate::router::{self, Context};
use crate::verdict::Verdict;

/// For the quarantine to become durable; the copy is abandoned and the MTA keeps the message.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the MTA lets us do to a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grants {
    /// Put it on hold.
    pub(super) hold: bool,
    /// Drop recipients.
    pub(super) drop: bool,
}

/// A message that was released has passed.
#[derive(serde::Serialize)]
struct Released<'a> {
    message: &'a str,
}

/// What goes to the MTA.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) modifications: Vec<Modification>,
    pub(super) reply: Reply,
}

impl Transaction {
    /// Concludes a complete message. Dropping the future cancels what is in flight, except a copy that is
    /// being written, which comes to its end and is recognised when the MTA tries again.
    pub(super) async fn conclude(self, grants: Grants) -> Conclusion {
        let started = Instant::now();
        if let Some(sealed) = self.sealed.clone() {
            return self.conclude_sealed(&sealed, started);
        }
        let raw = self.spool.complete();
        let bytes = raw.len();

        let Transaction {
            id,
            received,
            engine,
            envelope,
            selected,
            field_names,
            forged_results,
            release_mark,
            checks,
            services,
            share,
            refused,
            heard,
            ..
        } = self;

        services.metrics.message_bytes.observe(bytes as f64);
        let limits = engine.mail_limits.clone();
        let whole = raw.clone();
        let mail = offload(bytes, move || Mail::parse(whole, &limits)).await;

        let released = match &release_mark {
            Some(mark) => redeem(&services.quarantine, &id, mark, mail.raw()).await,
            None => None,
        };
        let scan = Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        });
        // Before the model learns from this message.
        let versions = engine.versions();
        let ruling = if let Some(verdict) = released {
            if verdict.action == Action::Deliver {
                let released = Released { message: &id };
                services.events.tell(Kind::Released, &released);
            }
            let required = selected.first().and_then(|p| p.thresholds().tag);
            Ruling::whole(verdict, required)
        } else {
            let deadline = started + engine.deadline;
            let reports = checks.finish(scan.clone(), deadline).await;
            count_reports(&services.metrics, &reports);
            engine.rule(&selected, &scan, reports, grants.drop)
        };
        if ruling.not_granted {
            tracing::warn!(
                %id,
                settled = ruling.settled.name(),
                "the mail server does not let recipients be dropped; one verdict holds for all of them"
            );
        }
        let dropped = ruling.held.as_ref().map_or(&[][..], |h| &h.recipients);
        let results = engine.results(&scan);
        let context = Context {
            id: &id,
            scanner: engine.scanner(),
            required: ruling.required,
            version: engine.version(),
            hold: engine.hold,
            can_hold: grants.hold,
            dropped,
            field_names: &field_names,
            forged_results: &forged_results,
            results: results.as_deref(),
        };
        let plan = router::route(&ruling.verdict, &context);
        let (mut reply, mut modifications) = (plan.reply, plan.modifications);
        let mut not_kept = None;
        if plan.store {
            let entry = copy(&id, received, &scan, &ruling);
            if !keep(&services.quarantine, entry, raw).await {
                reply = router::store_failed(&id);
                modifications.clear();
                not_kept = Some(ruling.verdict.clone().not_kept());
            }
        }
        heard.can_drop(grants.drop);
        let answered = Answered {
            protocol: MILTER,
            id: &id,
            received,
            engine: &engine,
            versions: &versions,
            scan: &scan,
            refused: refused.all(),
            ruling: &ruling,
            verdict: not_kept.as_ref().unwrap_or(&ruling.verdict),
            reply: &reply,
            held: plan.store && not_kept.is_none(),
            started,
        };
        answered.note(&services, &heard).await;
        drop(share);
        Conclusion {
            modifications,
            reply,
        }
    }
}

/// What is kept with the copy of a message; one that some recipients refuse is held for these.
pub(super) fn copy(id: &str, received: Timestamp, scan: &Scan, ruling: &Ruling) -> Entry {
    let (subject, bytes) = (scan.mail.subject(), scan.mail.raw().len());
    let whole = &scan.envelope;
    let entry = match &ruling.held {
        None => Entry::new(id, received, whole, &subject, &ruling.verdict, bytes),
        Some(held) => {
            let recipients = held.recipients.clone();
            let envelope = Envelope {
                recipients,
                ..whole.clone()
            };
            Entry::new(id, received, &envelope, &subject, &held.verdict, bytes)
        }
    };
    entry.ruled(ruling)
}

/// Makes a copy durable; gives whether it is, and logs why it is not.
pub(super) async fn keep(quarantine: &Arc<Quarantine>, entry: Entry, raw: Bytes) -> bool {
    let id = entry.id.clone();
    let quarantine = quarantine.clone();
    // A task of its own: when the MTA gives up meanwhile, the copy is finished, not torn.
    let stored = tokio::spawn(async move { quarantine.store(&entry, raw).await });
    let why = match tokio::time::timeout(STORE_TIMEOUT, stored).await {
        Ok(Ok(Ok(()))) => return true,
        Ok(Ok(Err(e))) => e.to_string(),
        Ok(Err(e)) => e.to_string(),
        Err(_) => "not durable in time".to_owned(),
    };
    tracing::error!(%id, why, "quarantine failed; the message is answered tempfail");
    false
}

/// What a mark of release decides about this message; `None` where it is not good, and the message is checked like
/// any other.
async fn redeem(
    quarantine: &Arc<Quarantine>,
    id: &str,
    mark: &[u8],
    raw: &Bytes,
) -> Option<Verdict> {
    match quarantine.redeem(&String::from_utf8_lossy(mark), raw).await {
        Ok(Redeem::Pass) => Some(Verdict::released()),
        Ok(Redeem::Superseded) => {
            tracing::warn!(
                id,
                "a released message was sent once more since; this copy is dropped"
            );
            Some(Verdict::superseded())
        }
        Ok(Redeem::Refused(why)) => {
            tracing::warn!(id, why = ?why, "mark of release refused");
            None
        }
        Err(e) => {
            tracing::error!(id, error = %e, "mark of release cannot be checked");
            None
        }
    }
}
