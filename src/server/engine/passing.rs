//! How a message passes the filters of an engine: step by step, or one that is there as a whole.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::Engine;
use crate::filter::{Checks, Report, Scan, offload};
use crate::heard::{Heard, Record};
use crate::mail::{Direction, Envelope, Mail, Spool};
use crate::policy::{Policies, Policy, Ruling, SKIPPED};
use crate::verdict::Verdict;

/// A message behind the last filter.
pub(in crate::server) struct Passed {
    /// All that is known of it.
    pub(in crate::server) scan: Arc<Scan>,
    /// The policies of its recipients, in their order.
    pub(in crate::server) selected: Vec<Arc<Policy>>,
    /// What every filter said, whatever policies make of it.
    pub(in crate::server) reports: Vec<Report>,
}

/// Filters that do not see a message, for a reason that reports give.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// Their names.
    pub filters: &'a [&'static str],
    /// The reason.
    pub why: &'static str,
}

impl Left<'_> {
    /// All filters see it.
    pub const NONE: Left<'static> = Left {
        filters: &[],
        why: "",
    };
}

impl Engine {
    /// Begins the checks of one transaction, with what is known of its session. What they hear from outside goes through
    /// `heard`.
    pub fn begin(&self, envelope: &Envelope, heard: &Heard) -> Checks {
        self.begin_without(envelope, heard, Left::NONE)
    }

    fn begin_without(&self, envelope: &Envelope, heard: &Heard, left: Left<'_>) -> Checks {
        let mut checks = self.chain.begin();
        checks.leave(left.filters, left.why);
        checks.hears(heard);
        self.pass_by(envelope, &mut checks);
        checks.connect(envelope);
        if envelope.helo.is_some() {
            checks.helo(envelope);
        }
        checks
    }

    /// Leaves the filters that mail of this direction does not pass.
    pub fn pass_by(&self, envelope: &Envelope, checks: &mut Checks) {
        let never = self.policies.never(envelope.direction);
        let why = match envelope.direction {
            Direction::Inbound => "not for inbound mail",
            Direction::Outbound => "not for outbound mail",
        };
        checks.leave(never, why);
    }

    /// All recipients are known, with their policies: leaves the filters that none of them wants.
    pub fn prepare(selected: &[Arc<Policy>], checks: &mut Checks) {
        checks.leave(&Policies::unwanted(selected), SKIPPED);
        checks.optional(Policies::skipped_by_some(selected), |filter| {
            selected.iter().map(|p| !p.skips(filter)).collect()
        });
    }

    /// Examines a message that is there as a whole, as if it came by milter.
    pub async fn examine(&self, envelope: Envelope, raw: Bytes) -> (Arc<Scan>, Verdict) {
        let (scan, ruling) = self.examine_by_policy(envelope, raw).await;
        (scan, ruling.verdict)
    }

    /// The same, and gives what the policy of each recipient says.
    pub async fn examine_by_policy(&self, envelope: Envelope, raw: Bytes) -> (Arc<Scan>, Ruling) {
        self.hear(envelope, raw, &Heard::default(), true).await
    }

    /// The same, but for the filters of `left`: so that a trial leaves no trace in what filters remember.
    pub async fn examine_without(
        &self,
        envelope: Envelope,
        raw: Bytes,
        left: Left<'_>,
    ) -> (Arc<Scan>, Ruling) {
        self.whole(envelope, raw, &Heard::default(), true, left)
            .await
    }

    /// The same, from what was heard when the message came. Nobody is asked.
    pub async fn replay(
        &self,
        envelope: Envelope,
        raw: Bytes,
        record: Record,
    ) -> (Arc<Scan>, Ruling, Heard) {
        let can_drop = record.can_drop();
        let heard = Heard::telling(record);
        let (scan, ruling) = self.hear(envelope, raw, &heard, can_drop).await;
        (scan, ruling, heard)
    }

    /// As [`Engine::examine_by_policy`]; what filters hear from outside is kept in `heard`, or comes from it. `can_drop`: whether
    /// recipients can be dropped.
    pub async fn hear(
        &self,
        envelope: Envelope,
        raw: Bytes,
        heard: &Heard,
        can_drop: bool,
    ) -> (Arc<Scan>, Ruling) {
        self.whole(envelope, raw, heard, can_drop, Left::NONE).await
    }

    async fn whole(
        &self,
        envelope: Envelope,
        raw: Bytes,
        heard: &Heard,
        can_drop: bool,
        left: Left<'_>,
    ) -> (Arc<Scan>, Ruling) {
        let spool = Spool::new();
        spool.push(&raw);
        drop(raw);
        let Passed {
            scan,
            selected,
            reports,
        } = self.pass(envelope, spool, heard, can_drop, left).await;
        let ruling = self.rule(&selected, &scan, reports, can_drop);
        (scan, ruling)
    }

    /// Lets a message that is there as a whole pass every filter but those of `left`, as if it came by milter.
    pub(in crate::server) async fn pass(
        &self,
        mut envelope: Envelope,
        spool: Spool,
        heard: &Heard,
        can_drop: bool,
        left: Left<'_>,
    ) -> Passed {
        envelope.direction = self.policies.direction(&envelope);
        heard.can_drop(can_drop);
        let mut checks = self.begin_without(&envelope, heard, left);
        checks.mail(&envelope);
        let mut growing = envelope.clone();
        growing.recipients.clear();
        for recipient in &envelope.recipients {
            growing.recipients.push(recipient.clone());
            checks.rcpt(&growing);
        }
        let selected = self.select(&envelope);
        Engine::prepare(&selected, &mut checks);
        let spool = Arc::new(spool);
        checks.headers(&envelope, &spool);
        let raw = spool.complete();
        let limits = self.mail_limits.clone();
        let mail = offload(raw.len(), move || Mail::parse(raw, &limits)).await;
        let scan = Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        });
        let deadline = Instant::now() + self.deadline;
        let reports = checks.finish(scan.clone(), deadline).await;
        Passed {
            scan,
            selected,
            reports,
        }
    }
}
