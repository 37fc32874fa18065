//! Moving bytes from the folder into the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::bucket::{Bucket, BucketError};
use super::keeping::Round;
use crate::quarantine::entry::checked_id;
use crate::quarantine::file_format::Away;
use crate::quarantine::folder::Kept;
use crate::quarantine::{Quarantine, QuarantineError, blocking};

impl Quarantine {
    /// Moves what is in the folder. Messages with the same bytes go together. What fails stays where it is; the first
    /// failure is the answer, and one that concerns the store as a whole ends the round.
    pub(super) async fn fill(
        &self,
        bucket: &Bucket,
        round: &mut Round,
        stop: &CancellationToken,
    ) -> Result<(), QuarantineError> {
        let parallel = self.options().objects.parallel.value;
        let (mut after, mut first) = (String::new(), None);
        while !stop.is_cancelled() {
            let rows = self.index.placed(false, &after).await?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            after.clone_from(last);
            let mut groups: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
            for (id, content) in rows {
                if !round.is_set_aside(&id) {
                    let key = content.unwrap_or_else(|| id.clone().into_bytes());
                    groups.entry(key).or_default().push(id);
                }
            }
            let moves = groups
                .into_values()
                .map(|ids| self.move_copies(bucket, ids, stop));
            let mut moves = stream::iter(moves).buffer_unordered(parallel);
            while let Some((unusable, result)) = moves.next().await {
                round.set_aside(unusable);
                first = first.or(result.err());
            }
            if first.is_some() {
                break;
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Moves messages with the same bytes. Gives those that cannot be moved because of what they are.
    async fn move_copies(
        &self,
        bucket: &Bucket,
        ids: Vec<String>,
        stop: &CancellationToken,
    ) -> (Vec<String>, Result<(), QuarantineError>) {
        let mut unusable = Vec::new();
        let mut there = None;
        for id in ids {
            let (away, raw) = match self.copy(&id).await {
                Ok(Copy::Here(away, raw)) => (away, raw),
                Ok(Copy::Gone) => continue,
                Ok(Copy::Damaged(why)) => {
                    tracing::error!(id, why, "a damaged message stays in the folder");
                    unusable.push(id);
                    continue;
                }
                Err(error) => return (unusable, Err(error)),
            };
            if there != Some(away.content) {
                let secured = tokio::select! {
                    // What was sent is sent again by the next daemon, or swept.
                    () = stop.cancelled() => return (unusable, Ok(())),
                    secured = self.secure(bucket, &away, raw) => secured,
                };
                if let Err(error) = secured {
                    return (unusable, Err(error));
                }
                there = Some(away.content);
            }
            if let Err(error) = self.leave(&id, &away).await {
                return (unusable, Err(error));
            }
        }
        (unusable, Ok(()))
    }

    async fn copy(&self, id: &str) -> Result<Copy, QuarantineError> {
        let ulid = checked_id(id)?;
        let folder = self.folder.clone();
        blocking(move || {
            let opened = match folder.get(ulid)? {
                None => return Ok(Copy::Gone),
                Some(Kept::Here(head, raw)) => Away::of(&head, raw),
                // The index comes from a backup that is older than the move.
                Some(Kept::Away(head)) => Away::open(&head).map(|away| (away, None)),
            };
            Ok(match opened {
                Ok((away, raw)) if away.entry.id == ulid.to_string() => {
                    Copy::Here(Box::new(away), raw)
                }
                Ok(_) => Copy::Damaged("it holds another message"),
                Err(why) => Copy::Damaged(why),
            })
        })
        .await?
    }

    /// Sees to it that the object is there, with these bytes.
    async fn secure(
        &self,
        bucket: &Bucket,
        away: &Away,
        raw: Option<Bytes>,
    ) -> Result<(), QuarantineError> {
        let known = raw.is_none() || self.index.uses(&away.content).await?;
        if known {
            match (bucket.get(&away.content, away.size).await, &raw) {
                (Ok(_), _) => return Ok(()),
                (Err(BucketError::Absent | BucketError::Wrong), Some(_)) => {}
                (Err(error), _) => return Err(error.into()),
            }
        }
        match raw {
            Some(raw) => Ok(bucket.put(&away.content, &raw).await?),
            None => Ok(()),
        }
    }

    /// The bytes are in the store: notes it in the index, then in the head, and removes the file.
    async fn leave(&self, id: &str, away: &Away) -> Result<(), QuarantineError> {
        let ulid = checked_id(id)?;
        if !self.index.set_away(id, &away.content).await? {
            return Ok(());
        }
        let (folder, head) = (self.folder.clone(), away.head());
        let left = blocking(move || {
            // Where there is no head any more, somebody has removed the message.
            let _ = folder.swap_head(ulid, &head)?;
            folder.remove_message(ulid)
        })
        .await;
        if let Err(error) | Ok(Err(error)) = left {
            // If this fails too, the next start sees what the head says.
            self.index.set_here(id).await?;
            return Err(error);
        }
        let size = i64::try_from(away.size).unwrap_or(i64::MAX);
        self.metrics.quarantine_objects.inc();
        self.metrics.quarantine_objects_waiting.dec();
        self.metrics.quarantine_objects_waiting_bytes.sub(size);
        self.count("moved", 1);
        Ok(())
    }
}

/// What is found of a message that is to be moved.
enum Copy {
    /// What its head says, and its bytes; without them they are in the store already.
    Here(Box<Away>, Option<Bytes>),
    /// It was removed meanwhile.
    Gone,
    /// It is not what was stored.
    Damaged(&'static str),
}
