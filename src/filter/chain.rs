//! The chain: its members in the order of the configuration, and their checks on one transaction.
//!
//! The order decides which outcome is looked at first and may end the evaluation; it does not serialise
//! waiting: all checks are joined at once, under one deadline. What stands behind a decisive hit is
//! recorded as skipped even if it was ready, so that the verdict does not depend on speed. Checks that weigh what the
//! others say come after them, wherever they stand.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use serde::Serialize;
use tokio::time::Instant;

use super::{Check, Filter, Hit, Outcome, Reason, Scan};
use crate::heard::Heard;
use crate::mail::{Envelope, Spool};

/// Why the filters behind a decisive hit have no outcome.
pub const ENDED: &str = "a filter before it was decisive";

/// The members of the chain, in order.
#[derive(Clone, Default)]
pub struct Chain {
    members: Vec<Arc<dyn Filter>>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.members.iter().map(|m| m.name()))
            .finish()
    }
}

/// What one filter said of one message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The filter's name.
    pub filter: &'static str,
    /// Its outcome.
    pub outcome: Outcome,
    /// From end of message to the outcome.
    #[serde(skip)]
    pub elapsed: Duration,
}

impl Chain {
    /// A chain of these members.
    pub fn new(members: Vec<Arc<dyn Filter>>) -> Chain {
        Chain { members }
    }

    /// The members, in order.
    pub fn members(&self) -> &[Arc<dyn Filter>] {
        &self.members
    }

    /// Whether a filter begins before the message comes.
    pub fn begins_early(&self) -> bool {
        self.members.iter().any(|m| m.begins_early())
    }

    /// Whether a message may be decided before its end.
    pub fn may_decide_early(&self) -> bool {
        self.members.iter().any(|m| m.may_decide_early())
    }

    /// Begins the checks of one transaction.
    pub fn begin(&self) -> Checks {
        Checks {
            members: self.members.iter().map(|f| (f.name(), f.check())).collect(),
            left: Vec::new(),
            optional: Vec::new(),
            heard: Heard::default(),
        }
    }
}

/// The checks at work on one transaction. Dropping them cancels what is in flight.
pub struct Checks {
    members: Vec<(&'static str, Box<dyn Check>)>,
    /// Filters that the message does not pass.
    left: Vec<&'static str>,
    /// Filters that may say nothing to some of the recipients.
    optional: Vec<&'static str>,
    heard: Heard,
}

/// The check of a filter that a message does not pass.
struct Left(&'static str);

impl Check for Left {
    fn finish(self: Box<Self>, _scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        Box::pin(std::future::ready(Outcome::Skipped(self.0)))
    }
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.members.iter().map(|m| m.0))
            .finish()
    }
}

impl Checks {
    /// Comes before all stages: what checks hear from outside is kept in `heard`, or comes from it.
    pub fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
        self.each(|c| c.hears(heard));
    }

    /// The client is known.
    pub fn connect(&mut self, envelope: &Envelope) {
        self.each(|c| c.connect(envelope));
    }

    /// HELO was given.
    pub fn helo(&mut self, envelope: &Envelope) {
        self.each(|c| c.helo(envelope));
    }

    /// MAIL was given.
    pub fn mail(&mut self, envelope: &Envelope) {
        self.each(|c| c.mail(envelope));
    }

    /// RCPT was given.
    pub fn rcpt(&mut self, envelope: &Envelope) {
        self.each(|c| c.rcpt(envelope));
    }

    /// Why the recipient that was given last is refused for now, if a filter for which `counts` holds refuses it. Never
    /// waits.
    pub fn refuse_rcpt(&mut self, counts: impl Fn(&str) -> bool) -> Option<(&'static str, Hit)> {
        let mut refused = None;
        // Each is asked, so that none keeps what it would have said of this recipient.
        for (name, check) in &mut self.members {
            let hit = check.refuse_rcpt().filter(|_| counts(name));
            refused = refused.or(hit.map(|hit| (*name, hit)));
        }
        refused
    }

    /// The header is in the spool.
    pub fn headers(&mut self, envelope: &Envelope, spool: &Arc<Spool>) {
        self.each(|c| c.headers(envelope, spool));
    }

    /// The message does not pass these filters, because of `why`: what they have in flight is cancelled.
    pub fn leave(&mut self, filters: &[&'static str], why: &'static str) {
        for (name, check) in &mut self.members {
            if filters.contains(name) && !self.left.contains(name) {
                self.left.push(name);
                *check = Box::new(Left(why));
            }
        }
    }

    /// These filters say nothing to some of the recipients, so that a decisive hit of theirs does not end the
    /// evaluation for all. `wanted_by` tells which recipients use a filter, in their order.
    pub fn optional(&mut self, filters: Vec<&'static str>, wanted_by: impl Fn(&str) -> Vec<bool>) {
        for (name, check) in &mut self.members {
            if filters.contains(name) {
                check.wanted_by(wanted_by(name));
            }
        }
        self.optional = filters;
    }

    /// The first decisive hit, in the order of the chain, that is known by now, of the filters for which `counts`
    /// holds. Never waits.
    pub fn decisive(&mut self, counts: impl Fn(&str) -> bool) -> Option<(&'static str, Hit)> {
        self.members
            .iter_mut()
            .filter(|(name, _)| counts(name))
            .find_map(|(name, check)| Some((*name, check.decisive()?)))
    }

    /// Joins all checks, and then asks those that weigh what the others have said. After `deadline` whatever is missing
    /// is `Unscanned(Timeout)`.
    pub async fn finish(self, scan: Arc<Scan>, deadline: Instant) -> Vec<Report> {
        let started = Instant::now();
        let names: Vec<_> = self.members.iter().map(|m| m.0).collect();
        for name in &names {
            scan.expect(name);
        }
        let (weighing, members): (Vec<_>, Vec<_>) =
            self.members.into_iter().partition(|(_, c)| c.weighs());
        let mut joined: FuturesOrdered<_> = members
            .into_iter()
            .map(|(filter, check)| {
                let outcome = check.finish(scan.clone());
                let (scan, heard) = (scan.clone(), self.heard.clone());
                async move {
                    let outcome = heard
                        .timed(|| filter.to_owned(), deadline, outcome)
                        .await
                        .unwrap_or_else(|_| {
                            Outcome::unscanned(
                                Reason::Timeout,
                                "the deadline of the message passed",
                            )
                        });
                    scan.settle(filter);
                    Report {
                        filter,
                        outcome,
                        elapsed: started.elapsed(),
                    }
                }
            })
            .collect();
        let mut reports = Vec::with_capacity(names.len());
        let mut ended = false;
        while let Some(report) = joined.next().await {
            // A hit that only sets the score aside must not keep a virus from being found.
            ended = report.outcome.hits().iter().any(Hit::ends)
                && !self.optional.contains(&report.filter);
            reports.push(report);
            if ended {
                break;
            }
        }
        drop(joined);
        for (filter, check) in weighing {
            if ended {
                break;
            }
            let outcome = check.weigh(&scan, &reports);
            ended = outcome.hits().iter().any(Hit::ends) && !self.optional.contains(&filter);
            reports.push(Report {
                filter,
                outcome,
                elapsed: started.elapsed(),
            });
        }
        let mut in_order = Vec::with_capacity(names.len());
        for filter in names {
            let done = reports.iter().position(|r| r.filter == filter);
            in_order.push(match done {
                Some(place) => reports.swap_remove(place),
                None => Report {
                    filter,
                    outcome: Outcome::Skipped(ENDED),
                    elapsed: started.elapsed(),
                },
            });
        }
        in_order
    }

    fn each(&mut self, mut stage: impl FnMut(&mut dyn Check)) {
        for (_, check) in &mut self.members {
            stage(check.as_mut());
        }
    }
}
