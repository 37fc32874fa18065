//! The resolver that every filter shares.
//!
//! In: names and record types. Out: the records of a name and how long they hold, or a [`Failure`] of one
//! of three kinds. Promises: equal questions on their way at one time are asked once; answers are kept for
//! their TTL, negative ones for that of the SOA record (RFC 2308), both within bounds, and failures never;
//! cache, questions in flight and the time of a question are bounded; who asks through a [`Share`] holds up
//! nobody else. UDP first, TCP where an answer is truncated; no DNSSEC, which is the resolver's work.
//! Nothing here logs a name: names come from messages and hold the keys of lists.

pub mod domain;
mod failure;
mod network;
mod options;
mod provider;
mod reverse;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;
pub use hickory_resolver::proto::rr::{RData, RecordType};
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::Semaphore;

pub use failure::{Failure, Kind};
pub use options::Options;
pub use reverse::{dotted_nibbles, reversed};

use crate::config::{Problem, Problems, Source};
use crate::metrics::Metrics;
use network::Network;
use settings::Settings;

/// Bytes of an answer that count as one entry of the cache.
const ENTRY_BYTES: usize = 512;

/// The shared resolver; clones are the same one.
#[derive(Clone)]
pub struct Dns(Arc<Shared>);

struct Shared {
    settings: Settings,
    /// Where there are no resolvers, that is a problem only for those who ask.
    network: Result<Network, Problem>,
    cache: Cache<Key, Kept>,
    permits: Semaphore,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: RecordType,
    name: Box<str>,
}

#[derive(Clone, Debug)]
struct Kept {
    records: Arc<[RData]>,
    exists: bool,
    ttl: Duration,
    until: Instant,
    took: Duration,
}

impl Kept {
    /// As it is told to one who asked; `fresh` where the question was on its way for them.
    fn found(self, fresh: bool) -> Found {
        Found {
            records: self.records,
            exists: self.exists,
            valid_until: self.until,
            took: fresh.then_some(self.took),
        }
    }
}

/// The records of a name.
#[derive(Clone, Debug)]
pub struct Found {
    /// Records of the type that was asked for; none when the name has none or does not exist.
    pub records: Arc<[RData]>,
    /// False where the name does not exist at all (NXDOMAIN).
    pub exists: bool,
    /// Until when the answer holds.
    pub valid_until: Instant,
    /// For how long a question was on its way for this caller, attempts included; `None` for an answer that
    /// was kept, or that was on its way for another.
    pub took: Option<Duration>,
}

/// A part of the questions in flight, for one who must not hold up the others: a dead list, say, whose
/// questions all wait for their timeout.
#[derive(Debug)]
pub struct Share(Semaphore);

/// An entry lives for its own TTL, also when it takes the place of one that is past its time.
struct OwnTtl;

impl Expiry<Key, Kept> for OwnTtl {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Dns {
    /// Checks `options` and makes the resolver. Where none is written, those of /etc/resolv.conf are used; that
    /// there are none either is said by [`Dns::usable`].
    ///
    /// # Errors
    /// Every problem in `options`, with its place in `source`.
    pub fn new(
        options: &Options,
        source: &Source,
        metrics: &Arc<Metrics>,
    ) -> Result<Dns, Problems> {
        let settings = Settings::check(options, source)?;
        Ok(Dns(Arc::new(Shared {
            network: Network::new(&settings),
            cache: Cache::builder()
                .max_capacity(settings.cache_entries)
                .weigher(weight)
                .expire_after(OwnTtl)
                .build(),
            permits: Semaphore::new(settings.queries_in_flight),
            settings,
            metrics: Arc::clone(metrics),
        })))
    }

    /// Whether it is what `options` ask for, so that it can be kept, with its answers, when they are read again.
    pub fn serves(&self, options: &Options, source: &Source) -> bool {
        Settings::check(options, source).is_ok_and(|settings| settings == self.0.settings)
    }

    /// It is in use from now on: shows its bounds in the metrics.
    pub fn in_force(&self) {
        let (settings, metrics) = (&self.0.settings, &self.0.metrics);
        let in_flight = i64::try_from(settings.queries_in_flight).unwrap_or(i64::MAX);
        metrics.dns_queries_limit.set(in_flight);
        let entries = i64::try_from(settings.cache_entries).unwrap_or(i64::MAX);
        metrics.dns_cache_limit.set(entries);
    }

    /// Whether it has resolvers to ask.
    ///
    /// # Errors
    /// None is written, and /etc/resolv.conf names none.
    pub fn usable(&self) -> Result<(), Problem> {
        match &self.0.network {
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.clone()),
        }
    }

    /// One of `parts` equal parts of the questions in flight, at least one question.
    pub fn share(&self, parts: usize) -> Share {
        let all = self.0.settings.queries_in_flight;
        Share(Semaphore::new((all / parts.max(1)).max(1)))
    }

    /// Longest time of one question, with all its attempts.
    pub fn timeout(&self) -> Duration {
        self.0.settings.timeout
    }

    /// The records of type `kind` of `name`, which is fully qualified, in lower case. Waits for a place in
    /// `share`, for one among all questions, and for the answer; the caller bounds the whole.
    ///
    /// # Errors
    /// No answer, or one that says nothing about the name.
    pub async fn lookup(
        &self,
        name: &str,
        kind: RecordType,
        share: &Share,
    ) -> Result<Found, Failure> {
        let key = Key {
            kind,
            name: name.into(),
        };
        if let Some(kept) = self.0.cache.get(&key).await {
            self.0.metrics.dns_cached.inc();
            return Ok(kept.found(false));
        }
        // A question on its way is large, and most find their answer in memory.
        Box::pin(self.ask_once(key, share)).await
    }

    /// Asks for what is not kept, or waits for the answer to an equal question that is on its way.
    async fn ask_once(&self, key: Key, share: &Share) -> Result<Found, Failure> {
        let metrics = &self.0.metrics;
        let name = key.name.clone();
        let ask = self.ask(&name, key.kind, share);
        let entry = self.0.cache.entry(key).or_try_insert_with(ask).await;
        let entry = entry.map_err(|failure: Arc<Failure>| Failure::clone(&failure))?;
        let fresh = entry.is_fresh();
        match fresh {
            true => {
                let entries = i64::try_from(self.0.cache.entry_count()).unwrap_or(i64::MAX);
                metrics.dns_cache_entries.set(entries);
            }
            false => metrics.dns_cached.inc(),
        }
        Ok(entry.into_value().found(fresh))
    }

    /// The same, asked anew whatever is kept; the answer takes the place of what is kept. For tests of those
    /// who answer.
    ///
    /// # Errors
    /// As [`Dns::lookup`].
    pub async fn refresh(
        &self,
        name: &str,
        kind: RecordType,
        share: &Share,
    ) -> Result<Found, Failure> {
        let kept = self.ask(name, kind, share).await?;
        let key = Key {
            kind,
            name: name.into(),
        };
        self.0.cache.insert(key, kept.clone()).await;
        Ok(kept.found(true))
    }

    async fn ask(&self, name: &str, kind: RecordType, share: &Share) -> Result<Kept, Failure> {
        let network = self.0.network.as_ref().map_err(|_| Failure {
            kind: Kind::Down,
            detail: "there is no resolver".to_owned(),
        })?;
        // Labels may hold any byte: names of SPF have colons and slashes, which the library's reader refuses.
        let labels = name.trim_end_matches('.').split('.').map(str::as_bytes);
        let name = Name::from_labels(labels)
            .map_err(|_| Failure::error("the name cannot be asked for"))?;
        // Semaphores of ours are never closed.
        let closed = |_| Failure::error("questions are no longer asked");
        let _part = share.0.acquire().await.map_err(closed)?;
        let _place = self.0.permits.acquire().await.map_err(closed)?;
        let metrics = &self.0.metrics;
        let _counted = InFlight::new(&metrics.dns_in_flight);
        let sent = Instant::now();
        let answer = network.records(name, kind).await;
        let took = sent.elapsed();
        metrics.dns_seconds.observe(took.as_secs_f64());
        let result = match &answer {
            Ok(answer) if answer.records.is_empty() => "no_records",
            Ok(_) => "answered",
            Err(failure) => failure.kind.name(),
        };
        metrics.dns_queries.with_label_values(&[result]).inc();
        let answer = answer?;
        let (least, most) = (self.0.settings.least_ttl, self.0.settings.most_ttl);
        let ttl = answer.ttl.unwrap_or_default().clamp(least, most.max(least));
        Ok(Kept {
            records: answer.records.into(),
            exists: answer.exists,
            ttl,
            until: Instant::now() + ttl,
            took,
        })
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dns").field(&self.0.settings).finish()
    }
}

/// How many entries of the cache an answer counts for, so that the bound on entries is one on memory.
fn weight(key: &Key, kept: &Kept) -> u32 {
    let records: usize = kept.records.iter().map(size).sum();
    u32::try_from(1 + (key.name.len() + records) / ENTRY_BYTES).unwrap_or(u32::MAX)
}

fn size(record: &RData) -> usize {
    let long = match record {
        RData::TXT(text) => text.txt_data.iter().map(|piece| piece.len()).sum(),
        _ => 0,
    };
    size_of::<RData>() + long
}

/// Counts one question for as long as it is on its way, however it ends.
struct InFlight<'a>(&'a crate::metrics::Gauge);

impl InFlight<'_> {
    fn new(gauge: &crate::metrics::Gauge) -> InFlight<'_> {
        gauge.inc();
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
