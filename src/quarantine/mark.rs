//! Marks: what lets a released message pass the filters.
//!
//! A released message goes to the MTA by SMTP and so comes back to us. It carries one more header field,
//! `X-Mailweir-Release: <id>.<token>`. The token is 128 bits of randomness; the index keeps its hash only,
//! with the [`Fingerprint`] of the message and an expiry. A mark lets pass:
//! - only the message it was made for, whoever may have read the mark on its way;
//! - only until it expires;
//! - once; and once more within [`REPEAT_MS`]. The second time is for a relay before us: when it lost our
//!   answer it must send the message again, and Postfix does so after 5 to 10 minutes by default. Worst
//!   case of that grace is a second copy of a message that a person has released.
//!
//! The use is counted durably before the message passes, together with what it means: its recipients have got
//! it. Whatever is refused is checked like any other message. The field is removed from the message when it is
//! delivered.
//!
//! Letters of our own (messages forwarded to an analyst, digests) bear marks too, because they speak of spam.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::SqliteConnection;
use ulid::Ulid;

use super::entry::checked_id;
use super::fingerprint::Fingerprint;
use super::{Quarantine, QuarantineError, blocking};

/// Marks of one message that are valid at one time; the oldest go. Each recipient may have a release of their own.
const MARKS: i64 = 64;
const USES: i64 = 2;
/// In the place of the number of uses: the message was sent once more since, with another mark.
const SUPERSEDED: i64 = 1_000;
/// After the first use, the second must come within this time: 15 minutes.
const REPEAT_MS: i64 = 15 * 60_000;
/// How far back the clock may go before a mark is not believed: 5 minutes.
const SLACK_MS: i64 = 5 * 60_000;

/// Why a mark is refused that is not in the index.
const UNKNOWN: &str = "the mark is unknown";

/// The secret value of the header field. Its `Debug` form does not show the token.
#[derive(Clone)]
pub struct Mark {
    id: String,
    token: String,
    pub(super) serial: i64,
}

impl Mark {
    /// The value for the header field.
    pub fn value(&self) -> String {
        format!("{}.{}", self.id, self.token)
    }

    /// The id of the message.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a mark of release is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// The message passes.
    Pass,
    /// It is a copy of ours whose answer did not come, and that was sent once more since: the newer copy passes, and
    /// this one must not be delivered.
    Superseded,
    /// The mark is not good: why, in a few fixed words.
    Refused(&'static str),
}

#[derive(sqlx::FromRow)]
struct Row {
    serial: i64,
    token: Vec<u8>,
    fields: i64,
    fingerprint: Vec<u8>,
    issued: i64,
    expires: i64,
    uses: i64,
    first_used: Option<i64>,
}

impl Row {
    /// Why the mark does not hold at that time, if it does not; nothing of one that is superseded.
    fn refusal(&self, now: i64) -> Option<&'static str> {
        if self.uses == SUPERSEDED {
            return None;
        }
        if now > self.expires {
            return Some("the mark has expired");
        }
        if now < self.issued - SLACK_MS {
            return Some("the clock stands before the release");
        }
        let spent = self.uses >= USES
            || self
                .first_used
                .is_some_and(|first| now.abs_diff(first) > REPEAT_MS.unsigned_abs());
        spent.then_some("the mark was used already")
    }
}

/// What a mark is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message for its recipients.
    Release,
    /// A message attached to one of ours, for an analyst.
    Forward,
    /// A digest; its id stands in the place of a message's.
    Digest,
}

impl Purpose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Purpose::Release => "release",
            Purpose::Forward => "forward",
            Purpose::Digest => "digest",
        }
    }
}

/// A mark that is made and not entered yet.
pub(super) struct Unentered {
    token: String,
    fingerprint: Fingerprint,
}

impl Quarantine {
    /// Makes a mark for exactly these bytes, which takes a look at all of them.
    pub(super) async fn make_mark(&self, raw: &Bytes) -> Result<Unentered, QuarantineError> {
        let raw = raw.clone();
        blocking(move || {
            random_token().map(|token| Unentered {
                token,
                fingerprint: Fingerprint::of(&raw),
            })
        })
        .await?
    }

    /// Enters a mark for the message or digest of that id.
    pub(super) async fn enter_mark(
        &self,
        tx: &mut SqliteConnection,
        id: &str,
        purpose: Purpose,
        made: Unentered,
    ) -> Result<Mark, QuarantineError> {
        let now = Timestamp::now().as_millisecond();
        let valid = self.options().release.mark_valid.value.0.as_millis();
        let expires = now.saturating_add(i64::try_from(valid).unwrap_or(i64::MAX));
        let Unentered { token, fingerprint } = made;
        let serial: i64 = sqlx::query_scalar(
            "INSERT INTO marks (message, purpose, token, fields, fingerprint, issued, expires, uses)
             VALUES (?, ?, ?, ?, ?, ?, ?, 0) RETURNING serial",
        )
        .bind(id)
        .bind(purpose.name())
        .bind(hash(&token).as_bytes().as_slice())
        .bind(i64::from(fingerprint.fields))
        .bind(fingerprint.hash.as_bytes().as_slice())
        .bind(now)
        .bind(expires)
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM marks WHERE message = ?1 AND serial NOT IN
                 (SELECT serial FROM marks WHERE message = ?1 ORDER BY serial DESC LIMIT ?2)",
        )
        .bind(id)
        .bind(MARKS)
        .execute(&mut *tx)
        .await?;
        Ok(Mark {
            id: id.to_owned(),
            token,
            serial,
        })
    }

    /// Takes the place of earlier marks that were not used: their copies must not pass beside the one to come.
    pub(super) async fn supersede(
        tx: &mut SqliteConnection,
        serial: i64,
    ) -> Result<(), QuarantineError> {
        sqlx::query("UPDATE marks SET uses = ? WHERE serial = ? AND uses = 0")
            .bind(SUPERSEDED)
            .bind(serial)
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Makes a mark void.
    pub(super) async fn void(&self, mark: &Mark) -> Result<(), QuarantineError> {
        let mut tx = self.index.begin().await?;
        sqlx::query("DELETE FROM marks WHERE serial = ?")
            .bind(mark.serial)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Whether the message with that mark has passed the filters.
    pub(super) async fn was_redeemed(&self, mark: &Mark) -> Result<bool, QuarantineError> {
        let uses: Option<i64> = sqlx::query_scalar("SELECT uses FROM marks WHERE serial = ?")
            .bind(mark.serial)
            .fetch_optional(self.index.readers())
            .await?;
        Ok(uses.is_some_and(|uses| (1..SUPERSEDED).contains(&uses)))
    }

    /// Checks the mark of a message that came in, and counts its use durably. `raw` is the whole message as
    /// it came, with the mark's field and whatever an MTA added.
    ///
    /// # Errors
    /// The index: then nothing is known of the mark, and the message must be checked like any other.
    pub async fn redeem(&self, mark: &str, raw: &Bytes) -> Result<Redeem, QuarantineError> {
        let now = Timestamp::now().as_millisecond();
        let result = self.redeem_at(mark, raw, now).await;
        if matches!(result, Ok(Redeem::Pass)) {
            self.count("redeemed", 1);
        }
        self.counted("redeem", result)
    }

    pub(super) async fn redeem_at(
        &self,
        mark: &str,
        raw: &Bytes,
        now: i64,
    ) -> Result<Redeem, QuarantineError> {
        let Some((id, token)) = parse(mark) else {
            return Ok(Redeem::Refused("not a mark of ours"));
        };
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT serial, token, fields, fingerprint, issued, expires, uses, first_used
             FROM marks WHERE message = ?",
        )
        .bind(id)
        .fetch_all(self.index.readers())
        .await?;
        // The comparison of hashes takes the same time wherever they differ.
        let token = hash(token);
        let Some(mut row) = rows.into_iter().find(|r| same(&token, &r.token)) else {
            return Ok(Redeem::Refused(UNKNOWN));
        };
        if let Some(why) = row.refusal(now) {
            return Ok(Redeem::Refused(why));
        }
        let fields = u8::try_from(row.fields).unwrap_or_default();
        let raw = raw.clone();
        let found = blocking(move || Fingerprint::with(&raw, fields)).await?;
        if found.fields != fields || !same(&found.hash, &row.fingerprint) {
            return Ok(Redeem::Refused("the mark is for another message"));
        }

        let mut tx = self.index.begin().await?;
        // Meanwhile it may have been used by another copy, or superseded by the next attempt.
        let used: Option<(i64, Option<i64>)> =
            sqlx::query_as("SELECT uses, first_used FROM marks WHERE serial = ?")
                .bind(row.serial)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(used) = used else {
            return Ok(Redeem::Refused(UNKNOWN));
        };
        (row.uses, row.first_used) = used;
        if let Some(why) = row.refusal(now) {
            return Ok(Redeem::Refused(why));
        }
        if row.uses == SUPERSEDED {
            return Ok(Redeem::Superseded);
        }
        sqlx::query(
            "UPDATE marks SET uses = uses + 1, first_used = coalesce(first_used, ?)
             WHERE serial = ?",
        )
        .bind(now)
        .bind(row.serial)
        .execute(&mut *tx)
        .await?;
        // Whatever becomes of the sender, this copy is on its way to its recipients.
        super::release::passed(&mut tx, id, row.serial, now).await?;
        super::digest::passed(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(Redeem::Pass)
    }
}

/// Id and token of a well-formed mark.
fn parse(mark: &str) -> Option<(&str, &str)> {
    let (id, token) = mark.split_once('.')?;
    checked_id(id).ok()?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (token.len() == 32 && token.bytes().all(hex)).then_some((id, token))
}

fn hash(token: &str) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key(
        "mailweir release token 1",
        token.as_bytes(),
    ))
}

fn same(hash: &blake3::Hash, stored: &[u8]) -> bool {
    <[u8; 32]>::try_from(stored).is_ok_and(|s| *hash == blake3::Hash::from_bytes(s))
}

/// 128 bits from the system, as 32 hex digits.
fn random_token() -> Result<String, QuarantineError> {
    let path = std::path::Path::new("/dev/urandom");
    let mut bytes = [0_u8; 16];
    std::fs::File::open(path)
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes))
        .map_err(QuarantineError::file("read", path))?;
    // The same 128 bits, in the digits of a Ulid's number.
    Ok(format!("{:032x}", Ulid::from_bytes(bytes).0))
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
