//! Bringing bytes back from the store into the folder.

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;
use super::keeping::Round;
use crate::quarantine::entry::checked_id;
use crate::quarantine::file_format::Away;
use crate::quarantine::folder::Kept;
use crate::quarantine::{Quarantine, QuarantineError, blocking};

impl Quarantine {
    /// Brings back all that is in the store. What the store does not give stays there; the first failure is the answer.
    pub(super) async fn drain(
        &self,
        bucket: &Bucket,
        round: &mut Round,
        stop: &CancellationToken,
    ) -> Result<(), QuarantineError> {
        let parallel = self.options().objects.parallel.value;
        let (mut after, mut first) = (String::new(), None);
        loop {
            let rows = self.index.placed(true, &after).await?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            after.clone_from(last);
            let ids = rows.into_iter().map(|(id, _)| id);
            let ids: Vec<String> = ids.filter(|id| !round.is_set_aside(id)).collect();
            let back = ids.into_iter().map(|id| async move {
                tokio::select! {
                    () = stop.cancelled() => Ok(()),
                    back = self.bring_back(bucket, &id) => {
                        back.inspect_err(|error| tracing::error!(id, %error, "not brought back"))
                    }
                }
            });
            let mut back = stream::iter(back).buffer_unordered(parallel);
            while let Some(result) = back.next().await {
                first = first.or(result.err());
            }
            if stop.is_cancelled() {
                break;
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// File, head, index, in that order: the object is left when the message is whole without it.
    async fn bring_back(&self, bucket: &Bucket, id: &str) -> Result<(), QuarantineError> {
        let ulid = checked_id(id)?;
        let folder = self.folder.clone();
        let head = match blocking(move || folder.get(ulid)).await?? {
            Some(Kept::Away(head)) => head,
            // The last step of an earlier time is missing.
            Some(Kept::Here(..)) => return self.index.set_here(id).await,
            None => return Ok(()),
        };
        let away = Away::open(&head).map_err(|why| QuarantineError::Damaged {
            id: id.to_owned(),
            why,
        })?;
        let raw = bucket.get(&away.content, away.size).await?;
        let folder = self.folder.clone();
        blocking(move || {
            folder.put_message(ulid, &raw)?;
            match folder.swap_head(ulid, &away.head_beside(&raw))? {
                true => Ok(()),
                // Somebody has removed the message.
                false => folder.remove_message(ulid),
            }
        })
        .await??;
        self.index.set_here(id).await?;
        self.metrics.quarantine_objects.dec();
        self.count("brought_back", 1);
        Ok(())
    }
}
