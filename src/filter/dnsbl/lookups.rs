//! Look-ups with memory. In: a question. Out: an [`Answer`], from the cache, from an equal question on
//! its way, or from the resolver. Bounds: entries of the cache, queries in flight for each list, and
//! the deadline of the one who asks. Failures are never kept.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use moka::Expiry;
use moka::future::Cache;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Failure};
use super::question::{never_listed, question};
use super::resolver::Resolve;
use super::zone::Zone;
use crate::filter::Reason;
use crate::metrics::Metrics;

/// Look-ups shared by all sessions.
pub(super) struct Lookups {
    resolver: Box<dyn Resolve>,
    cache: Cache<String, Kept>,
    ttl: RangeInclusive<Duration>,
    verify_lists: bool,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug)]
struct Kept {
    answer: Arc<Answer>,
    ttl: Duration,
}

/// An entry lives for its own TTL, also when it takes the place of one that is past its time.
struct OwnTtl;

impl Expiry<String, Kept> for OwnTtl {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: StdInstant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        kept: &Kept,
        _: StdInstant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Lookups {
    pub(super) fn new(
        resolver: Box<dyn Resolve>,
        entries: u64,
        ttl: RangeInclusive<Duration>,
        verify_lists: bool,
        metrics: Arc<Metrics>,
    ) -> Lookups {
        Lookups {
            resolver,
            cache: Cache::builder()
                .max_capacity(entries)
                .expire_after(OwnTtl)
                .build(),
            ttl,
            verify_lists,
            metrics,
        }
    }

    /// What `zone` says about `client`, counted once in the metrics.
    pub(super) async fn ask(
        &self,
        zone: &Zone,
        client: IpAddr,
        deadline: Instant,
    ) -> Result<Arc<Answer>, Failure> {
        let late = Failure::new(Reason::Timeout, "no answer in time");
        let outcome = match timeout_at(deadline, self.verified(zone, client)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late),
        };
        let result = match &outcome {
            Ok((_, true)) => "cached",
            Ok((answer, false)) => match **answer {
                Answer::NotListed => "not_listed",
                Answer::Listed(_) => "listed",
                Answer::Refused(_) => "refused",
                Answer::Bogus(_) => "bogus",
            },
            Err(failure) if failure.reason == Reason::Timeout => "timeout",
            Err(_) => "error",
        };
        self.metrics
            .dnsbl_lookups
            .with_label_values(&[zone.name.as_str(), result])
            .inc();
        outcome.map(|(answer, _)| answer)
    }

    /// A listing counts only while the list does not know the address that none may know: one that
    /// does has been switched off or taken over, and lists the whole world.
    async fn verified(&self, zone: &Zone, client: IpAddr) -> Result<(Arc<Answer>, bool), Failure> {
        let (answer, cached) = self.kept_or_asked(zone, client).await?;
        if !self.verify_lists {
            return Ok((answer, cached));
        }
        let Answer::Listed(codes) = &*answer else {
            return Ok((answer, cached));
        };
        match self.kept_or_asked(zone, never_listed(client)).await {
            Ok((test, _)) if matches!(*test, Answer::Listed(_)) => {
                let code = codes
                    .first()
                    .copied()
                    .unwrap_or(std::net::Ipv4Addr::LOCALHOST);
                Ok((Arc::new(Answer::Bogus(code)), false))
            }
            // A list that fails on this question alone has still answered the one that matters.
            _ => Ok((answer, cached)),
        }
    }

    /// The answer, and whether it was there already (kept, or on its way for another).
    async fn kept_or_asked(
        &self,
        zone: &Zone,
        client: IpAddr,
    ) -> Result<(Arc<Answer>, bool), Failure> {
        let name = question(client, &zone.zone);
        let entry = self
            .cache
            .entry_by_ref(name.as_str())
            .or_try_insert_with(self.asked(zone, name.clone()))
            .await
            .map_err(|failure| Failure::clone(&failure))?;
        let fresh = entry.is_fresh();
        if fresh {
            let entries = i64::try_from(self.cache.entry_count()).unwrap_or(i64::MAX);
            self.metrics.dnsbl_cache_entries.set(entries);
        }
        Ok((entry.into_value().answer, !fresh))
    }

    async fn asked(&self, zone: &Zone, name: String) -> Result<Kept, Failure> {
        let permit = zone.permits.acquire().await;
        if permit.is_err() {
            return Err(Failure::new(Reason::Error, "the list is no longer asked"));
        }
        let timer = self
            .metrics
            .dnsbl_seconds
            .with_label_values(&[zone.name.as_str()])
            .start_timer();
        let records = self.resolver.addresses(name).await;
        timer.observe_duration();
        let records = records?;
        let (least, most) = (*self.ttl.start(), *self.ttl.end());
        Ok(Kept {
            answer: Arc::new(Answer::read(records.addresses)),
            ttl: records
                .ttl
                .unwrap_or_default()
                .clamp(least, most.max(least)),
        })
    }
}
