//! Releasing messages: mark and recipients durable, message handed over by SMTP, end noted.
//!
//! What has become of a message is kept for each recipient. A release takes those who have not got it yet;
//! nobody gets it twice unless that is asked for. A crash, or an answer that does not come, leaves recipients
//! `releasing`: the mail server may or may not have the message. When it brings the message by, the mark says
//! so, and they are `released`. When the release is run again first, its mark takes the place of the earlier one,
//! whose copy is dropped when it comes by: of both one is delivered at most.

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::entry::checked_id;
use super::mark::{Mark, Purpose};
use super::record::{State, instant};
use super::searched::recipient_key;
use super::submission::{Letter, submit};
use super::{Entry, Quarantine, QuarantineError};
use crate::mail::Address;
use crate::router::RELEASE_HEADER;

/// A message was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The message.
    pub id: String,
    /// To how many recipients.
    pub recipients: usize,
    /// How many of those who were asked for had got it before, and were left out.
    pub before: usize,
}

impl Quarantine {
    /// Hands a message to the mail server of the options, from its sender to its recipients, or to those of
    /// `to` if it is not empty; who is none of them is given a copy on top. Each gets it once; who has got it
    /// before gets it again only with `again`.
    ///
    /// # Errors
    /// [`QuarantineError::NotSent`] and [`QuarantineError::Address`]: nothing was delivered, and the message
    /// is held as before. [`QuarantineError::Unsure`]: recipients stay `releasing`.
    /// [`QuarantineError::Released`] when all have got it; [`QuarantineError::InProgress`],
    /// [`QuarantineError::NotFound`], [`QuarantineError::Lost`], [`QuarantineError::Damaged`]; the file
    /// system, the index.
    pub async fn release(
        &self,
        id: &str,
        to: &[Address],
        again: bool,
    ) -> Result<Released, QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let _alone = self.sending(checked_id(&id)?).await?;
        let record = self.get(&id).await?;
        let wanted = match to {
            [] => record.entry.recipients.clone(),
            to => to.to_vec(),
        };
        let result = self.release_to(&record.entry, &wanted, again).await;
        let recipients = match result {
            Err(e @ QuarantineError::Released { .. }) => return Err(e),
            result => self.counted("release", result)?,
        };
        self.count("released", 1);
        tracing::info!(id, recipients, "message released");
        Ok(Released {
            id,
            recipients,
            before: wanted.len() - recipients,
        })
    }

    /// Gives the number of recipients to whom it went.
    async fn release_to(
        &self,
        entry: &Entry,
        wanted: &[Address],
        again: bool,
    ) -> Result<usize, QuarantineError> {
        let raw = self.read(&entry.id).await?;
        let (mark, recipients) = self.begin_release(&entry.id, wanted, again, &raw).await?;
        let letter = Letter {
            sender: &entry.sender,
            utf8: entry
                .sender_args
                .iter()
                .any(|a| a.eq_ignore_ascii_case("SMTPUTF8")),
            recipients: &recipients,
            field: format!("{RELEASE_HEADER}: {}", mark.value()),
            raw: &raw,
        };
        match submit(&self.options().release, &letter).await {
            Ok(()) => self.end_release(&mark).await?,
            // The server has brought it by, so it has it.
            Err(QuarantineError::Unsure(_)) if self.was_redeemed(&mark).await? => {
                self.end_release(&mark).await?;
            }
            Err(e @ QuarantineError::Unsure(_)) => return Err(e),
            Err(e) => {
                self.take_back_release(&mark).await?;
                return Err(e);
            }
        }
        Ok(recipients.len())
    }

    /// Notes durably who is about to get the message, and makes the mark for it. Who has got it is told in the
    /// same transaction: a copy of an earlier attempt may come by at this very moment.
    async fn begin_release(
        &self,
        id: &str,
        wanted: &[Address],
        again: bool,
        raw: &Bytes,
    ) -> Result<(Mark, Vec<Address>), QuarantineError> {
        let made = self.make_mark(raw).await?;
        let mut tx = self.index.begin().await?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM messages WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        match state.as_deref().and_then(State::parse) {
            None | Some(State::Deleting) => return Err(QuarantineError::NotFound(id.to_owned())),
            Some(State::Lost) => return Err(QuarantineError::Lost(id.to_owned())),
            Some(_) => {}
        }
        let mut recipients = Vec::with_capacity(wanted.len());
        let mut when = None;
        for recipient in wanted {
            let known: Option<(String, Option<i64>, Option<i64>)> = sqlx::query_as(
                "SELECT state, released, mark FROM recipients WHERE message = ? AND recipient = ?",
            )
            .bind(id)
            .bind(recipient_key(recipient))
            .fetch_optional(&mut *tx)
            .await?;
            match known {
                Some((state, released, _)) if state == State::Released.name() && !again => {
                    when = when.max(released);
                    continue;
                }
                Some((state, _, Some(mark))) if state == State::Releasing.name() => {
                    Quarantine::supersede(&mut tx, mark).await?;
                }
                _ => {}
            }
            recipients.push(recipient.clone());
        }
        if recipients.is_empty() && !wanted.is_empty() {
            return Err(QuarantineError::Released {
                id: id.to_owned(),
                when: instant(when.unwrap_or_default()),
            });
        }
        let mark = self.enter_mark(&mut tx, id, Purpose::Release, made).await?;
        for recipient in &recipients {
            sqlx::query(
                "INSERT INTO recipients (message, recipient, other, state, mark, digest)
                 VALUES (?1, ?2, 1, 'releasing', ?3, '')
                 ON CONFLICT (message, recipient)
                 DO UPDATE SET before = released, state = 'releasing', mark = ?3",
            )
            .bind(id)
            .bind(recipient_key(recipient))
            .bind(mark.serial)
            .execute(&mut *tx)
            .await?;
        }
        refresh(&mut tx, id).await?;
        tx.commit().await?;
        Ok((mark, recipients))
    }

    async fn end_release(&self, mark: &Mark) -> Result<(), QuarantineError> {
        let now = Timestamp::now().as_millisecond();
        let mut tx = self.index.begin().await?;
        passed(&mut tx, mark.id(), mark.serial, now).await?;
        Ok(tx.commit().await?)
    }

    /// Nothing was sent: the mark is worth nothing any more, and recipients are what they were before.
    async fn take_back_release(&self, mark: &Mark) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("DELETE FROM marks WHERE serial = ?")
            .bind(mark.serial)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM recipients WHERE mark = ? AND other = 1 AND before IS NULL")
            .bind(mark.serial)
            .execute(&mut *tx)
            .await?;
        // Also those that the filters let pass already: the server has refused it afterwards.
        sqlx::query(
            "UPDATE recipients
             SET state = CASE WHEN before IS NULL THEN 'held' ELSE 'released' END,
                 released = before, mark = NULL
             WHERE mark = ?",
        )
        .bind(mark.serial)
        .execute(&mut *tx)
        .await?;
        refresh(&mut tx, mark.id()).await?;
        Ok(tx.commit().await?)
    }
}

/// The recipients of a mark have got their copy.
pub(super) async fn passed(
    tx: &mut SqliteConnection,
    id: &str,
    serial: i64,
    now: i64,
) -> Result<(), QuarantineError> {
    sqlx::query("UPDATE recipients SET state = 'released', released = ? WHERE mark = ?")
        .bind(now)
        .bind(serial)
        .execute(&mut *tx)
        .await?;
    refresh(tx, id).await
}

/// Makes the state of a message what those of its recipients say.
pub(super) async fn refresh(tx: &mut SqliteConnection, id: &str) -> Result<(), QuarantineError> {
    sqlx::query(
        "UPDATE messages SET
             released = (SELECT max(released) FROM recipients WHERE message = ?1),
             state = CASE
                 WHEN EXISTS (SELECT 1 FROM recipients WHERE message = ?1 AND state = 'releasing')
                     THEN 'releasing'
                 WHEN NOT EXISTS (SELECT 1 FROM recipients WHERE message = ?1 AND state = 'released')
                     THEN 'held'
                 WHEN NOT EXISTS
                         (SELECT 1 FROM recipients WHERE message = ?1 AND state = 'held' AND other = 0)
                     THEN 'released'
                 WHEN EXISTS
                         (SELECT 1 FROM recipients
                          WHERE message = ?1 AND state = 'released' AND other = 0)
                     THEN 'partly'
                 ELSE 'held' END
         WHERE id = ?1 AND state NOT IN ('deleting', 'lost')",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
