//! Whether lists work: a circuit breaker for each, and tests by the entries that RFC 5782, section 5, keeps
//! for this question. A working list has 127.0.0.2 or the name `test` and has neither 127.0.0.1 nor
//! `invalid`.
//!
//! A list that fails several times in a row, or fails its test, is taken out of use: it is not asked about
//! messages, log and metric say why, and tests find out when it is back.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout};

use super::Shared;
use super::answer::Answer;
use super::lookups::{List, Lookups};
use super::settings::Guarding;
use super::subject::Value;
use crate::dns::{Failure, Kind};
use crate::filter::breaker::Breaker;
use crate::metrics::{Counters, Metrics, Series};

/// Why a list is not fit for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It does not serve us.
    Refused,
    /// It answers what no list does.
    Bogus,
    /// It lists what none may list.
    Everything,
    /// It does not list its test entry.
    Gone,
    /// It does not answer in time.
    Timeout,
    /// It answers late.
    Slow,
    /// Its servers, or the resolver, give errors.
    Error,
    /// No resolver can be reached.
    Down,
}

impl Cause {
    /// The word used in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Bogus => "bogus",
            Cause::Everything => "everything",
            Cause::Gone => "gone",
            Cause::Timeout => "timeout",
            Cause::Slow => "slow",
            Cause::Error => "error",
            Cause::Down => "down",
        }
    }

    /// Whether it is seen at once that the list must not be used.
    fn is_certain(self) -> bool {
        matches!(
            self,
            Cause::Refused | Cause::Bogus | Cause::Everything | Cause::Gone
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Refused => "it refuses to answer",
            Cause::Bogus => "it answers what no list does",
            Cause::Everything => "it lists everything",
            Cause::Gone => "it does not list its test entry",
            Cause::Timeout => "it does not answer in time",
            Cause::Slow => "it answers late",
            Cause::Error => "it gives errors",
            Cause::Down => "no resolver can be reached",
        })
    }
}

/// What is known of the health of one list.
#[derive(Debug)]
pub(super) struct Watch {
    breaker: Arc<Breaker>,
    last: Mutex<Cause>,
    trips: Counters,
    _series: Series,
}

impl Watch {
    pub(super) fn new(name: &str, guarding: &Guarding, metrics: &Arc<Metrics>) -> Watch {
        let series = Series::of_dns_list(name, metrics);
        let up = metrics.dnsbl_up.with_label_values(&[name]);
        let breaker = Breaker::new(guarding.patience, up);
        if series.is_new() {
            breaker.show();
        }
        Watch {
            breaker: Arc::new(breaker),
            last: Mutex::new(Cause::Error),
            trips: metrics.dnsbl_trips.clone(),
            _series: series,
        }
    }

    /// The filter is in force: the metrics show whether the list is in use.
    pub(super) fn in_force(&self) {
        self.breaker.show();
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Cause> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the list is out of use; `None` while it is in use.
    pub(super) fn out_of_use(&self) -> Option<Cause> {
        (!self.breaker.is_closed()).then(|| *self.last())
    }

    /// The list has answered as a list does.
    pub(super) fn answered(&self) {
        self.breaker.succeeded();
    }

    /// The list has failed on a question.
    pub(super) fn failed(&self, name: &str, cause: Cause) {
        *self.last() = cause;
        if self.breaker.failed(Instant::now()) {
            self.tell(name, cause);
        }
    }

    fn tripped(&self, name: &str, cause: Cause) {
        *self.last() = cause;
        if self.breaker.tripped(Instant::now()) {
            self.tell(name, cause);
        }
    }

    fn tell(&self, name: &str, cause: Cause) {
        self.trips.with_label_values(&[name, cause.name()]).inc();
        tracing::warn!(list = name, why = %cause, "DNS list taken out of use");
    }
}

/// Keeps testing the lists of a filter for as long as it is in use.
pub(super) async fn keep(shared: Weak<Shared>) {
    let mut due: Vec<Instant> = Vec::new();
    loop {
        let pause = {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let guarding = shared.settings.guard;
            due.resize(shared.lists.len(), Instant::now());
            // A list that answers its test late would be late for messages too.
            let limit = guarding.slow.min(shared.settings.timeout);
            join_all(shared.lists.iter().zip(&mut due).map(|(list, due)| {
                let lookups = &shared.lookups;
                async move {
                    let now = Instant::now();
                    if !list.watch.breaker.is_closed() {
                        recover(list, lookups, limit).await;
                    } else if *due <= now {
                        *due = now + guarding.interval;
                        examine(list, lookups, limit).await;
                    }
                }
            }))
            .await;
            guarding.interval.min(guarding.patience.retry_after) / 2
        };
        tokio::time::sleep(pause).await;
    }
}

/// Tests a list that is in use.
async fn examine(list: &List, lookups: &Lookups, limit: Duration) {
    match test(list, lookups, limit).await {
        Ok(_) => list.watch.answered(),
        Err(fault) if fault.cause.is_certain() => list.watch.tripped(&list.zone.name, fault.cause),
        Err(fault) => list.watch.failed(&list.zone.name, fault.cause),
    }
}

/// Tests a list that is out of use, when it is time for it.
async fn recover(list: &List, lookups: &Lookups, limit: Duration) {
    let Some(probe) = list.watch.breaker.begin_probe(Instant::now()) else {
        return;
    };
    match test(list, lookups, limit).await {
        Ok(_) => {
            probe.succeeded();
            tracing::info!(list = list.zone.name, "DNS list is back in use");
        }
        Err(fault) => {
            *list.watch.last() = fault.cause;
            probe.failed(Instant::now());
        }
    }
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) cause: Cause,
    /// For people; printable, without the key.
    pub(super) detail: String,
}

impl Fault {
    fn new(cause: Cause, detail: impl Into<String>) -> Fault {
        let detail = detail.into();
        Fault { cause, detail }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        let cause = match failure.kind {
            Kind::Down => Cause::Down,
            Kind::Timeout => Cause::Timeout,
            Kind::Error => Cause::Error,
        };
        Fault::new(cause, failure.detail)
    }
}

/// Asks a list for all its test entries within `limit`. Gives what to say of it.
pub(super) async fn test(list: &List, lookups: &Lookups, limit: Duration) -> Result<String, Fault> {
    let tests = list.zone.tests();
    let asked = join_all(tests.iter().map(|test| {
        join(
            entry(list, lookups, test.listed.as_ref()),
            entry(list, lookups, test.unlisted.as_ref()),
        )
    }));
    let Ok(answers) = timeout(limit, asked).await else {
        let detail = format!("no answer within {limit:?}");
        return Err(Fault::new(Cause::Timeout, detail));
    };
    let mut said = Vec::new();
    for (test, (listed, unlisted)) in tests.iter().zip(answers) {
        if let (Some(value), Some(Ok(Answer::Listed(_)))) = (&test.unlisted, &unlisted) {
            let detail = format!("lists {} and so everything", shown(value));
            return Err(Fault::new(Cause::Everything, detail));
        }
        // What matters of an entry that need not be there is only what it says.
        let answer = match (listed, unlisted) {
            (Some(answer), _) => answer,
            (None, Some(answer)) => answer,
            (None, None) => continue,
        };
        match (answer, &test.listed) {
            (Ok(Answer::Listed(codes)), Some(value)) => {
                said.push(format!("lists {} as {}", shown(value), joined(&codes)));
            }
            (Ok(Answer::NotListed), Some(value)) if test.needed => {
                let detail = format!("does not list {}: it may be gone", shown(value));
                return Err(Fault::new(Cause::Gone, detail));
            }
            (Ok(Answer::NotListed), Some(value)) => {
                said.push(format!("does not list {}", shown(value)));
            }
            (Ok(Answer::NotListed | Answer::Listed(_)), None) => said.push("answers".to_owned()),
            (Ok(Answer::Refused(code)), _) => {
                let detail = format!("refuses to answer us ({code})");
                return Err(Fault::new(Cause::Refused, detail));
            }
            (Ok(Answer::Bogus(address)), _) => {
                let detail = format!("answers {address}, as no list does");
                return Err(Fault::new(Cause::Bogus, detail));
            }
            (Err(failure), _) if test.needed || said.is_empty() => return Err(failure.into()),
            (Err(_), _) => {}
        }
    }
    if said.is_empty() {
        said.push("has no test entries".to_owned());
    }
    Ok(said.join("; "))
}

async fn entry(
    list: &List,
    lookups: &Lookups,
    value: Option<&Value>,
) -> Option<Result<Answer, Failure>> {
    let name = list.zone.question(value?)?;
    Some(lookups.anew(list, &name).await)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Address(address) => address.to_string(),
        Value::Name(text) | Value::Text(text) => text.clone(),
    }
}

fn joined(codes: &[Ipv4Addr]) -> String {
    let codes: Vec<String> = codes.iter().map(Ipv4Addr::to_string).collect();
    codes.join(", ")
}
