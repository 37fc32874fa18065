//! Releasing messages: mark durable, message handed over by SMTP, end noted.
//!
//! A crash in between leaves the state `releasing`: the mail server may or may not have the message. The
//! release can be run again; then the recipients may get the message twice, and never not at all.

use jiff::Timestamp;

use super::entry::checked_id;
use super::mark::Mark;
use super::record::State;
use super::submission::{Letter, submit};
use super::{Quarantine, QuarantineError};
use crate::mail::Address;
use crate::router::RELEASE_HEADER;

/// A message was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The message.
    pub id: String,
    /// To how many recipients.
    pub recipients: usize,
}

impl Quarantine {
    /// Hands a message to the mail server of the options, from its sender to its recipients, or to those of
    /// `to` if it is not empty. A message that was released before is released again only with `again`.
    ///
    /// # Errors
    /// [`QuarantineError::NotSent`] and [`QuarantineError::Address`]: nothing was delivered, and the message
    /// is held as before. [`QuarantineError::Unsure`]: it stays `releasing`.
    /// [`QuarantineError::Released`], [`QuarantineError::NotFound`], [`QuarantineError::Lost`],
    /// [`QuarantineError::Damaged`]; the file system, the index.
    pub async fn release(
        &self,
        id: &str,
        to: &[Address],
        again: bool,
    ) -> Result<Released, QuarantineError> {
        checked_id(id)?;
        let record = self.get(id).await?;
        let id = record.entry.id.clone();
        if record.state == State::Released && !again {
            let when = record.released.unwrap_or_default();
            return Err(QuarantineError::Released { id, when });
        }
        let recipients = if to.is_empty() {
            record.entry.recipients.clone()
        } else {
            to.to_vec()
        };
        let result = self.release_to(&record.entry, &recipients).await;
        self.counted("release", result)?;
        self.count("released", 1);
        tracing::info!(id, recipients = recipients.len(), "message released");
        Ok(Released {
            id,
            recipients: recipients.len(),
        })
    }

    async fn release_to(
        &self,
        entry: &super::Entry,
        recipients: &[Address],
    ) -> Result<(), QuarantineError> {
        let raw = self.read(&entry.id).await?;
        let mark = self.begin_release(&entry.id, &raw).await?;
        let letter = Letter {
            sender: &entry.sender,
            utf8: entry
                .sender_args
                .iter()
                .any(|a| a.eq_ignore_ascii_case("SMTPUTF8")),
            recipients,
            field: format!("{RELEASE_HEADER}: {}", mark.value()),
            raw: &raw,
        };
        match submit(&self.options.release, &letter).await {
            Ok(()) => self.end_release(&entry.id).await,
            Err(e @ QuarantineError::Unsure(_)) => Err(e),
            Err(e) => {
                self.take_back_release(&mark).await?;
                Err(e)
            }
        }
    }

    async fn end_release(&self, id: &str) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query(
            "UPDATE messages SET state = 'released', released = ?
             WHERE id = ? AND state <> 'deleting'",
        )
        .bind(Timestamp::now().as_millisecond())
        .bind(id)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Nothing was sent: the mark is worth nothing any more, and the message is what it was before, unless
    /// another release of it is open.
    async fn take_back_release(&self, mark: &Mark) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("DELETE FROM marks WHERE serial = ?")
            .bind(mark.serial)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE messages
             SET state = CASE WHEN released IS NULL THEN 'held' ELSE 'released' END
             WHERE id = ?1 AND state = 'releasing'
               AND NOT EXISTS (SELECT 1 FROM marks WHERE message = ?1 AND uses = 0 AND expires > ?2)",
        )
        .bind(mark.id())
        .bind(Timestamp::now().as_millisecond())
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}
