//! Bounds of the quarantine: age, bytes, number. The oldest messages go first.
//!
//! Age is told by the wall clock, and a wall clock can be wrong: a machine that wakes up in 2038 must not
//! empty the quarantine. So when the clock is more than [`STEP_MS`] away from the last run, messages are
//! not removed for their age in this run; only when the clock has gone on from there for [`CONFIRM_MS`]
//! is it believed. The bounds of bytes and number need no clock and hold all the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};
use tokio_util::sync::CancellationToken;

use super::removal::BATCH;
use super::searched::folded;
use super::{Quarantine, QuarantineError};
use crate::config::Seconds;

/// A clock further than this from the last run is not believed at once: three days, longer than a weekend
/// switched off.
const STEP_MS: i64 = 3 * 86_400_000;
/// For so long it must go on before it is believed: a day.
const CONFIRM_MS: i64 = 86_400_000;
/// Between two runs while the daemon works.
const INTERVAL: Duration = Duration::from_secs(600);
/// Least time between two runs, whatever is asked for.
const PAUSE: Duration = Duration::from_secs(5);

/// What a run removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Messages removed.
    pub messages: usize,
    /// The clock was not believed, and nothing was removed for its age.
    pub clock_jumped: bool,
}

/// How much the quarantine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages that are kept. One whose file cannot be removed is none: were it counted, the bounds would take all
    /// others for it.
    pub messages: u64,
    /// Their size, bytes.
    pub bytes: u64,
}

impl Quarantine {
    /// Removes what is past the bounds. `now` is the wall clock.
    ///
    /// # Errors
    /// The file system or the index; the next run goes on from there.
    pub async fn expire(&self, now: Timestamp) -> Result<Expired, QuarantineError> {
        let result = self.expire_uncounted(now, false).await;
        self.counted("expire", result)
    }

    /// As [`Quarantine::expire`], for a person who has looked at the clock: it is believed.
    ///
    /// # Errors
    /// As [`Quarantine::expire`].
    pub async fn expire_trusting_clock(&self, now: Timestamp) -> Result<Expired, QuarantineError> {
        let result = self.expire_uncounted(now, true).await;
        self.counted("expire", result)
    }

    async fn expire_uncounted(
        &self,
        now: Timestamp,
        trusted: bool,
    ) -> Result<Expired, QuarantineError> {
        let now = now.as_millisecond();
        let believed = self.believe(now, trusted).await?;
        if !believed {
            tracing::warn!(
                "the clock jumped by more than three days: nothing is removed for its age until the clock \
                 has gone on for a day"
            );
        }

        let mut tx = self.index.begin().await?;
        sqlx::query("DELETE FROM marks WHERE expires < ?")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.forget_digests(now).await?;

        // Removals that were cut off in another process.
        let mut ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM messages WHERE state = 'deleting'")
                .fetch_all(self.index.readers())
                .await?;
        if believed {
            ids.extend(self.outlived(now).await?);
        }
        let (mut removed, mut error) = self.remove(ids).await?;
        let (more, another) = self.make_room().await?;
        removed += more;
        error = error.or(another);
        if removed > 0 {
            tracing::info!(messages = removed, "quarantine: old messages removed");
        }
        self.count("expired", removed as u64);
        self.stats().await?;
        match error {
            Some(error) => Err(error),
            None => Ok(Expired {
                messages: removed,
                clock_jumped: !believed,
            }),
        }
    }

    /// Messages that are older than each of their recipients' domains asks for, the oldest first.
    async fn outlived(&self, now: i64) -> Result<Vec<String>, QuarantineError> {
        let before = |age: &Seconds| {
            now.saturating_sub(i64::try_from(age.0.as_millis()).unwrap_or(i64::MAX))
        };
        let options = self.options();
        let retention = &options.retention;
        let all = before(&retention.age.value);
        let ages = retention.domains.values().map(|age| before(&age.value));
        // A message on its way out is needed until its mark has expired.
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id FROM messages
             WHERE state <> 'deleting'
               AND NOT EXISTS (SELECT 1 FROM marks WHERE message = messages.id AND uses = 0)
               AND last_seen < ",
        );
        query.push_bind(ages.chain([all]).max().unwrap_or(all));
        if !retention.domains.is_empty() {
            query.push(" AND last_seen < coalesce((SELECT min(CASE domain");
            for (domain, age) in &retention.domains {
                query.push(" WHEN ").push_bind(folded(domain));
                query.push(" THEN ").push_bind(before(&age.value));
            }
            query.push(" ELSE ").push_bind(all);
            query.push(" END) FROM recipients WHERE message = messages.id AND other = 0), ");
            query.push_bind(all).push(")");
        }
        query.push(" ORDER BY last_seen, id");
        let ids = query.build_query_scalar();
        Ok(ids.fetch_all(self.index.readers()).await?)
    }

    /// Whether the clock is believed; notes it for the next run.
    async fn believe(&self, now: i64, trusted: bool) -> Result<bool, QuarantineError> {
        let mut tx = self.index.begin().await?;
        let (last, suspect): (i64, Option<i64>) =
            sqlx::query_as("SELECT last_expiry, suspect_since FROM clock")
                .fetch_one(&mut *tx)
                .await?;
        let steady = now.saturating_sub(last).abs() <= STEP_MS;
        let (believed, suspect) = match suspect {
            _ if trusted => (true, None),
            None if steady => (true, None),
            Some(since) if steady && now.saturating_sub(since) >= CONFIRM_MS => (true, None),
            // Back where it was before the jump, or still being watched.
            Some(since) if steady => (false, Some(since)),
            _ => (false, Some(now)),
        };
        sqlx::query("UPDATE clock SET last_expiry = ?, suspect_since = ?")
            .bind(now)
            .bind(suspect)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(believed)
    }

    /// Removes the oldest until bytes and number are within their bounds.
    async fn make_room(&self) -> Result<(usize, Option<QuarantineError>), QuarantineError> {
        let options = self.options();
        let retention = &options.retention;
        let mut removed = 0;
        let mut first = None;
        loop {
            let held = self.stats().await?;
            let mut surplus = held.messages.saturating_sub(retention.messages.value);
            let mut bytes = held.bytes.saturating_sub(retention.bytes.value.0);
            if surplus == 0 && bytes == 0 {
                return Ok((removed, first));
            }
            let oldest: Vec<(String, i64)> = sqlx::query_as(
                "SELECT id, size FROM messages WHERE state NOT IN ('lost', 'deleting')
                 ORDER BY last_seen, id LIMIT ?",
            )
            .bind(BATCH as i64)
            .fetch_all(self.index.readers())
            .await?;
            let ids: Vec<String> = oldest
                .into_iter()
                .map_while(|(id, size)| {
                    let needed = surplus > 0 || bytes > 0;
                    surplus = surplus.saturating_sub(1);
                    bytes = bytes.saturating_sub(size.unsigned_abs());
                    needed.then_some(id)
                })
                .collect();
            // Each turn marks some rows, which are not looked at again, so this comes to an end.
            if ids.is_empty() {
                return Ok((removed, first));
            }
            let (gone, error) = self.remove(ids).await?;
            removed += gone;
            first = first.or(error);
        }
    }

    /// How much there is, and sets the gauges to it.
    ///
    /// # Errors
    /// The index.
    pub async fn stats(&self) -> Result<Stats, QuarantineError> {
        let (messages, bytes, away, away_bytes): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(elsewhere), 0),
                 coalesce(sum(size * elsewhere), 0)
             FROM messages WHERE state NOT IN ('lost', 'deleting')",
        )
        .fetch_one(self.index.readers())
        .await?;
        self.metrics.quarantine_messages.set(messages);
        self.metrics.quarantine_bytes.set(bytes);
        self.metrics.quarantine_objects.set(away);
        let waiting = match self.options().objects.fills() {
            true => (messages - away, bytes - away_bytes),
            false => (0, 0),
        };
        self.metrics.quarantine_objects_waiting.set(waiting.0);
        self.metrics.quarantine_objects_waiting_bytes.set(waiting.1);
        Ok(Stats {
            messages: messages.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        })
    }

    /// Wakes the housekeeping when a bound of size is passed, by what the gauges say.
    pub(super) fn ask_for_room(&self) {
        let options = self.options();
        let retention = &options.retention;
        let messages = self.metrics.quarantine_messages.get().unsigned_abs();
        let bytes = self.metrics.quarantine_bytes.get().unsigned_abs();
        if messages > retention.messages.value || bytes > retention.bytes.value.0 {
            self.full.notify_one();
        }
    }

    /// Keeps the bounds, every ten minutes and soon after a bound of size was passed, and moves bytes to the object
    /// store where there is one, until `stop`. Failures are logged and counted.
    pub async fn keep_house(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(self.keep_bounds(&stop), self.keep_objects(stop.clone()));
    }

    async fn keep_bounds(&self, stop: &CancellationToken) {
        loop {
            if let Err(error) = self.expire(Timestamp::now()).await {
                tracing::error!(%error, "quarantine: removing old messages failed");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.full.notified() => {}
                () = tokio::time::sleep(INTERVAL.saturating_sub(PAUSE)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Envelope;
    use crate::metrics::Metrics;
    use crate::quarantine::{Entry, Options};
    use crate::verdict::Verdict;

    #[tokio::test]
    async fn passing_a_bound_wakes_the_housekeeping_and_everything_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut options = Options::default();
        options.retention.messages.value = 1;
        let quarantine = Quarantine::open(&options, dir.path(), metrics.clone());
        let quarantine = Arc::new(quarantine.await.unwrap());
        let now = Timestamp::now();
        let store = async |id: &str, text: &'static str| {
            let (envelope, verdict) = (Envelope::default(), Verdict::released());
            let entry = Entry::new(id, now, &envelope, text, &verdict, 0);
            quarantine.store(&entry, text.into()).await
        };
        let woken = async || {
            let at_once = Duration::ZERO;
            tokio::time::timeout(at_once, quarantine.full.notified())
                .await
                .is_ok()
        };
        store(&ulid::Ulid::new().to_string(), "one").await.unwrap();
        assert!(!woken().await);
        store(&ulid::Ulid::new().to_string(), "four").await.unwrap();
        assert!(woken().await);
        store("no id", "x").await.unwrap_err();

        assert_eq!(metrics.quarantine_messages.get(), 2);
        assert_eq!(metrics.quarantine_bytes.get(), 7);
        quarantine.expire(now).await.unwrap();
        assert_eq!(metrics.quarantine_messages.get(), 1);
        let count = |operation| {
            let operations = &metrics.quarantine_operations;
            operations.with_label_values(&[operation]).get()
        };
        assert_eq!((count("stored"), count("expired")), (2, 1));
        let failures = &metrics.quarantine_failures;
        assert_eq!(failures.with_label_values(&["store"]).get(), 1);
    }
}
