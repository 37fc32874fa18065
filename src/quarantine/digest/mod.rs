//! Digests: letters to recipients about what is held for them.
//!
//! In: the index, a schedule, templates. Out: one letter for each recipient for whom something was held since
//! the last one, with a link for each message that releases it to them.
//!
//! Promises:
//! - A message is told of once. Which digest tells of it is durable before anything is sent, and so is
//!   whether the digest was sent: one that a crash has cut off is sent at the next start, and its mark says
//!   whether the mail server had taken it already.
//! - What the virus scanner named is left out, unless configured otherwise.
//! - Nothing of a message can become part of the letter's markup or header.

mod options;
mod schedule;
mod template;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

pub use options::{Day, DigestOptions};

use super::entry::{Entry, checked_id};
use super::mark::{Mark, Purpose};
use super::searched::{domain_of, recipient_key};
use super::submission::sendable;
use super::{Quarantine, QuarantineError};
use crate::mail::Address;
use schedule::Schedule;

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(20);
/// A digest that cannot be sent for so long is given up; the next one tells of its messages. Two days.
const GIVE_UP_MS: i64 = 2 * 86_400_000;
/// Between two attempts to send a digest: five minutes.
const RETRY_MS: i64 = 5 * 60_000;
/// How long sent digests are remembered: 90 days.
const REMEMBER_MS: i64 = 90 * 86_400_000;

/// Recipients and messages that wait for a digest, and what stands in one row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The recipient's address, in lower case.
    pub recipient: String,
    /// Messages held for them that no digest told of.
    pub messages: u64,
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digested {
    /// Digests that the mail server has taken.
    pub sent: usize,
    /// Digests that wait for another attempt.
    pub waiting: usize,
}

impl Quarantine {
    /// Who would get a digest now, and of how many messages.
    ///
    /// # Errors
    /// The index.
    pub async fn untold(&self) -> Result<Vec<Untold>, QuarantineError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT recipient, count(*) FROM recipients JOIN messages ON id = message
             WHERE digest IS NULL AND recipients.state = 'held' AND other = 0
               AND messages.state NOT IN ('deleting', 'lost') AND (virus = 0 OR ?)
             GROUP BY recipient ORDER BY recipient",
        )
        .bind(self.options().digest.viruses)
        .fetch_all(self.index.readers())
        .await?;
        let options = self.options();
        let told = |row: &(String, i64)| {
            let address = Address::new(row.0.as_bytes());
            options.digest.tells(domain_of(&row.0)) && sendable(&address).is_ok()
        };
        let rows = rows.into_iter().filter(told);
        Ok(rows
            .map(|(recipient, messages)| Untold {
                recipient,
                messages: messages.unsigned_abs(),
            })
            .collect())
    }

    /// Makes digests of everything that was not told of, and sends them, those of earlier runs included.
    ///
    /// # Errors
    /// The index, a template, the key of links. A mail server that does not take a digest is no error: the
    /// digest waits.
    pub async fn send_digests(&self) -> Result<Digested, QuarantineError> {
        for Untold { recipient, .. } in self.untold().await? {
            self.make_digest(&recipient).await?;
        }
        self.send_waiting(Timestamp::now(), true).await
    }

    /// The letter that a recipient would get now, without its links: for people who write templates.
    ///
    /// # Errors
    /// As [`Quarantine::send_digests`].
    pub async fn preview_digest(&self, recipient: &str) -> Result<Bytes, QuarantineError> {
        let recipient = recipient_key(&Address::new(recipient.as_bytes()));
        let entries = self.told_by(None, &recipient).await?;
        self.write_digest(&recipient, &entries, false).await
    }

    /// Gives each message to a digest, durably. A message that another process has given away meanwhile is left
    /// out.
    async fn make_digest(&self, recipient: &str) -> Result<(), QuarantineError> {
        let id = Ulid::new().to_string();
        let mut tx = self.index.begin().await?;
        let given = sqlx::query(
            "UPDATE recipients SET digest = ?1
             WHERE recipient = ?2 AND digest IS NULL AND state = 'held' AND other = 0
               AND message IN (SELECT id FROM messages
                               WHERE state NOT IN ('deleting', 'lost') AND (virus = 0 OR ?3))",
        )
        .bind(&id)
        .bind(recipient)
        .bind(self.options().digest.viruses)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if given == 0 {
            return Ok(());
        }
        sqlx::query("INSERT INTO digests (id, recipient, address, state, made) VALUES (?, ?, ?, 'sending', ?)")
            .bind(&id)
            .bind(recipient)
            .bind(recipient)
            .bind(Timestamp::now().as_millisecond())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sends digests that are made and not sent. `all`: also those whose next attempt is not due.
    async fn send_waiting(&self, now: Timestamp, all: bool) -> Result<Digested, QuarantineError> {
        let now = now.as_millisecond();
        let waiting: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT id, recipient, made, attempts FROM digests WHERE state = 'sending' ORDER BY id",
        )
        .fetch_all(self.index.readers())
        .await?;
        let mut done = Digested::default();
        for (id, recipient, made, attempts) in waiting {
            if !all && now < made.saturating_add(attempts.saturating_mul(RETRY_MS)) {
                done.waiting += 1;
                continue;
            }
            match self.send_digest(&id, &recipient).await {
                Ok(true) => done.sent += 1,
                Ok(false) => {}
                Err(error @ (QuarantineError::NotSent(_) | QuarantineError::Unsure(_))) => {
                    tracing::warn!(digest = id, recipient = ?recipient, %error, "digest not sent");
                    self.count_digest("failed");
                    if now.saturating_sub(made) > GIVE_UP_MS {
                        self.give_up(&id).await?;
                    } else {
                        done.waiting += 1;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let gauge = i64::try_from(done.waiting).unwrap_or(i64::MAX);
        self.metrics.quarantine_digests_waiting.set(gauge);
        Ok(done)
    }

    /// Sends one digest; `false` where there is nothing to tell any more, or somebody else was faster.
    async fn send_digest(&self, id: &str, recipient: &str) -> Result<bool, QuarantineError> {
        let _alone = self.sending(checked_id(id)?).await?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM digests WHERE id = ?")
            .bind(id)
            .fetch_optional(self.index.readers())
            .await?;
        if state.as_deref() != Some("sending") {
            return Ok(false);
        }
        let entries = self.told_by(Some(id), recipient).await?;
        if entries.is_empty() {
            // All of it was released or removed since.
            self.set_digest(id, "dropped", None).await?;
            return Ok(false);
        }
        let letter = self.write_digest(recipient, &entries, true).await?;
        let Some(mark) = self.begin_digest(id, &letter).await? else {
            return Ok(false);
        };
        let to = Address::new(recipient.as_bytes());
        match self.submit_own(&to, &mark, &letter).await {
            Ok(()) => {
                let now = Timestamp::now().as_millisecond();
                self.set_digest(id, "sent", Some(now)).await?;
                self.count_digest("sent");
                tracing::info!(digest = id, recipient = ?recipient, messages = entries.len(), "digest sent");
                Ok(true)
            }
            Err(e) => {
                // Also where it passed the filters: the server has refused it afterwards.
                if !matches!(e, QuarantineError::Unsure(_)) {
                    self.set_digest(id, "sending", None).await?;
                }
                Err(e)
            }
        }
    }

    /// Counts the attempt and makes its mark, which takes the place of that of an earlier attempt.
    /// `None` where the earlier one has come by at this very moment.
    async fn begin_digest(
        &self,
        id: &str,
        letter: &Bytes,
    ) -> Result<Option<Mark>, QuarantineError> {
        let made = self.make_mark(letter).await?;
        let mut tx = self.index.begin().await?;
        let state: String = sqlx::query_scalar("SELECT state FROM digests WHERE id = ?")
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        if state != "sending" {
            return Ok(None);
        }
        let open: Vec<i64> = sqlx::query_scalar("SELECT serial FROM marks WHERE message = ?")
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
        for serial in open {
            Quarantine::supersede(&mut tx, serial).await?;
        }
        let mark = self.enter_mark(&mut tx, id, Purpose::Digest, made).await?;
        sqlx::query("UPDATE digests SET attempts = attempts + 1 WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(mark))
    }

    async fn set_digest(
        &self,
        id: &str,
        state: &str,
        sent: Option<i64>,
    ) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("UPDATE digests SET state = ?, sent = ? WHERE id = ?")
            .bind(state)
            .bind(sent)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Leaves its messages to the next digest.
    async fn give_up(&self, id: &str) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("UPDATE recipients SET digest = NULL WHERE digest = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE digests SET state = 'failed' WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The entries that a digest tells of, or with `None` one would that is made now; the newest first.
    async fn told_by(
        &self,
        digest: Option<&str>,
        recipient: &str,
    ) -> Result<Vec<Entry>, QuarantineError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT entry FROM recipients JOIN messages ON id = recipients.message
                 JOIN entries ON entries.message = id
             WHERE recipient = ? AND digest IS ? AND recipients.state = 'held' AND other = 0
               AND messages.state NOT IN ('deleting', 'lost') AND (virus = 0 OR ?)
             ORDER BY received DESC, id DESC",
        )
        .bind(recipient)
        .bind(digest)
        .bind(self.options().digest.viruses)
        .fetch_all(self.index.readers())
        .await?;
        Ok(rows
            .iter()
            .filter_map(|entry| serde_json::from_str(entry).ok())
            .collect())
    }

    /// Sends digests at their times until `stop`, and what a crash has cut off. Failures are logged and counted.
    pub async fn keep_digests(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let schedule = Schedule::of(&self.options().digest, TimeZone::system());
            if let Err(error) = self.digests_if_due(schedule.as_ref()).await {
                tracing::error!(%error, "digests failed");
                self.count_digest("failed");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn digests_if_due(&self, schedule: Option<&Schedule>) -> Result<(), QuarantineError> {
        let now = Timestamp::now();
        let Some(schedule) = schedule else {
            // What was begun by hand is brought to its end.
            return self.send_waiting(now, false).await.map(drop);
        };
        let last = self.last_digests(now).await?;
        if schedule.is_due(last, now) {
            for Untold { recipient, .. } in self.untold().await? {
                self.make_digest(&recipient).await?;
            }
            // Only now: a crash before it means that the rest is made at the next start.
            let mut tx = self.index.begin().await?;
            sqlx::query("UPDATE digest_clock SET last_run = ?")
                .bind(now.as_millisecond())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        self.send_waiting(now, false).await.map(drop)
    }

    /// When digests were made last; the first time that there is a schedule, now.
    async fn last_digests(&self, now: Timestamp) -> Result<Timestamp, QuarantineError> {
        const LAST: &str = "SELECT last_run FROM digest_clock";
        let last: Option<i64> = sqlx::query_scalar(LAST)
            .fetch_optional(self.index.readers())
            .await?;
        if let Some(last) = last {
            return Ok(super::record::instant(last));
        }
        let mut tx = self.index.begin().await?;
        sqlx::query("INSERT OR IGNORE INTO digest_clock (only, last_run) VALUES (1, ?)")
            .bind(now.as_millisecond())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Forgets digests that were sent long ago.
    pub(super) async fn forget_digests(&self, now: i64) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("DELETE FROM digests WHERE state <> 'sending' AND made < ?")
            .bind(now.saturating_sub(REMEMBER_MS))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    fn count_digest(&self, result: &str) {
        self.metrics
            .quarantine_digests
            .with_label_values(&[result])
            .inc();
    }
}

/// A digest has passed the filters: the mail server has it.
pub(super) async fn passed(
    tx: &mut SqliteConnection,
    id: &str,
    now: i64,
) -> Result<(), QuarantineError> {
    sqlx::query("UPDATE digests SET state = 'sent', sent = ? WHERE id = ? AND state = 'sending'")
        .bind(now)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}
