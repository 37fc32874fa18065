//! Messages that come as a whole over another protocol than milter, and verdicts on them.
//!
//! In: an envelope, as far as the protocol tells it, and the bytes. Out: what the filters and the policies say, with
//! what would be written into the header. A message that comes this way passes the same engine as one that comes by
//! milter and is counted, logged and learned from like it. Two things differ: nobody here can drop single recipients, so
//! the policies of several are settled without a split; and the message stays with who asked, so nothing is held back
//! unless the inquiry says that a copy is to be kept.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;

use super::answered::{Answered, count_reports};
use super::budget::Share;
use super::conclusion;
use super::engine::{Engine, Left, Passed};
use super::services::Services;
use crate::filter::auth::FIELD;
use crate::filter::{Action, Scan};
use crate::heard::Heard;
use crate::mail::{Envelope, Spool, fields};
use crate::milter::{Modification, Reply};
use crate::policy::Ruling;
use crate::router::{self, Context};
use crate::verdict::Verdict;

/// A message to be judged.
#[derive(Debug)]
pub struct Inquiry {
    /// How it came, for the log: `spamd`, `rspamd`.
    pub protocol: &'static str,
    /// What is known of its way.
    pub envelope: Envelope,
    /// Its bytes, all of them.
    pub spool: Spool,
    /// Their share of the memory for messages, given back at the end.
    pub share: Share,
    /// Whether a copy is kept in the quarantine, durably, of a message whose verdict is quarantine or discard.
    pub keep: bool,
}

/// The answer.
#[derive(Debug)]
pub struct Inquired {
    /// Id of the message in log and quarantine, a ULID.
    pub id: String,
    /// What it was judged with.
    pub engine: Arc<Engine>,
    /// All that is known of it.
    pub scan: Arc<Scan>,
    /// How the verdict came about.
    pub ruling: Ruling,
    /// The verdict; tempfail where a copy was to be kept and could not.
    pub verdict: Verdict,
    /// Whether a copy is in the quarantine, durably.
    pub kept: bool,
    /// Changes to the header, as if it were delivered: marked as spam for whatever is stricter than that.
    pub modifications: Vec<Modification>,
    /// What a client is told who is refused, for good or for now: `5.7.1 Message refused as spam (id ...)`.
    pub refusal: Option<String>,
    /// From the last byte to the verdict.
    pub elapsed: std::time::Duration,
}

/// Judges a message. `None` when a panic kept it from a verdict, which is logged and counted: who asks is to be told to
/// try again.
pub async fn inquire(services: &Arc<Services>, inquiry: Inquiry) -> Option<Inquired> {
    match AssertUnwindSafe(judge(services, inquiry))
        .catch_unwind()
        .await
    {
        Ok(inquired) => Some(inquired),
        Err(_) => {
            services.metrics.panics.inc();
            tracing::error!("panic while a message was judged; it is to come again");
            None
        }
    }
}

async fn judge(services: &Arc<Services>, inquiry: Inquiry) -> Inquired {
    let started = Instant::now();
    let received = Timestamp::now();
    let id = ulid::Ulid::new().to_string();
    let metrics = &services.metrics;
    let engine = services.engine.load_full();
    let bytes = inquiry.spool.len();
    let heard = match services.history.keeps_answers() {
        true => Heard::keeping(),
        false => Heard::default(),
    };
    // Before the model learns from this message.
    let versions = engine.versions();
    metrics.message_bytes.observe(bytes as f64);
    let Passed {
        scan,
        selected,
        reports,
    } = engine
        .pass(inquiry.envelope, inquiry.spool, &heard, false, Left::NONE)
        .await;
    count_reports(metrics, &reports);
    let ruling = engine.rule(&selected, &scan, reports, false);
    let mut verdict = ruling.verdict.clone();
    let mut kept = false;
    if inquiry.keep && matches!(verdict.action, Action::Quarantine | Action::Discard) {
        let entry = conclusion::copy(&id, received, &scan, &ruling);
        kept = conclusion::keep(&services.quarantine, entry, scan.mail.raw().clone()).await;
        if !kept {
            verdict = verdict.not_kept();
        }
    }
    let elapsed = started.elapsed();
    metrics
        .end_of_message_seconds
        .observe(elapsed.as_secs_f64());
    let (modifications, reply) = written(&engine, &id, &scan, &ruling, &verdict, kept);
    let answered = Answered {
        protocol: inquiry.protocol,
        id: &id,
        received,
        engine: &engine,
        versions: &versions,
        scan: &scan,
        refused: &[],
        ruling: &ruling,
        verdict: &verdict,
        reply: &reply,
        held: kept,
        started,
    };
    answered.note(services, &heard).await;
    let refusal = match reply {
        Reply::Text(text) => Some(words(text.as_str())),
        _ => None,
    };
    drop(inquiry.share);
    Inquired {
        id,
        engine,
        scan,
        ruling,
        verdict,
        kept,
        modifications,
        refusal,
        elapsed,
    }
}

/// The changes to the header, and what a mail server would have been told.
fn written(
    engine: &Engine,
    id: &str,
    scan: &Scan,
    ruling: &Ruling,
    verdict: &Verdict,
    kept: bool,
) -> (Vec<Modification>, Reply) {
    let raw = scan.mail.raw();
    let mut field_names = Vec::new();
    let mut forged_results = Vec::new();
    let mut results_fields = 0;
    for field in fields(raw).0 {
        let name = raw.get(field.name).unwrap_or_default();
        if name.eq_ignore_ascii_case(FIELD.as_bytes()) {
            results_fields += 1;
            let value = raw.get(field.value).unwrap_or_default();
            let authserv = engine.authserv();
            if authserv.is_some_and(|a| a.is_forged(value, &scan.envelope)) {
                forged_results.push(results_fields);
            }
        }
        field_names.push(name.to_vec());
    }
    let results = engine.results(scan);
    let context = Context {
        id,
        scanner: engine.scanner(),
        required: ruling.required,
        version: engine.version(),
        hold: engine.hold,
        can_hold: false,
        dropped: &[],
        field_names: &field_names,
        forged_results: &forged_results,
        results: results.as_deref(),
    };
    let reply = match router::route(verdict, &context).reply {
        // Where no copy is kept, the message stays with who asks.
        Reply::Discard if !kept && verdict.action == Action::Quarantine => Reply::Continue,
        Reply::Discard if !kept => {
            let refused = Verdict {
                action: Action::Reject,
                ..verdict.clone()
            };
            router::route(&refused, &context).reply
        }
        reply => reply,
    };
    let passing = Verdict {
        action: verdict.action.min(Action::Tag),
        ..verdict.clone()
    };
    (router::route(&passing, &context).modifications, reply)
}

/// What stands behind the first code of an SMTP reply, as it is to be read.
fn words(reply: &str) -> String {
    let words = reply.split_once(' ').map_or(reply, |(_, words)| words);
    words.replace("%%", "%")
}
