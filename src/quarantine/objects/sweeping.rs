//! Removing objects that no message uses.

use jiff::Timestamp;

use super::bucket::Bucket;
use crate::quarantine::{Quarantine, QuarantineError};

impl Quarantine {
    /// Removes objects that a message has left and no other uses. Whoever calls holds the turn to work on objects.
    pub(super) async fn remove_left(&self, bucket: &Bucket) -> Result<(), QuarantineError> {
        loop {
            let left = self.index.left().await?;
            if left.is_empty() {
                return Ok(());
            }
            for content in left {
                if let Ok(name) = content.as_slice().try_into()
                    && !self.index.uses(&content).await?
                {
                    bucket.delete(name).await?;
                }
                self.index.settle(&content).await?;
            }
        }
    }

    /// Removes objects of this quarantine that no message uses and that were written before a point in time, by the
    /// store's clock: what a crash has left. Gives how many.
    ///
    /// # Errors
    /// The store, or the index.
    pub async fn sweep_objects(&self, before: Timestamp) -> Result<usize, QuarantineError> {
        let _turn = self.objects.work.lock().await;
        let bucket = self.bucket().await?;
        let mut removed = 0;
        for shard in 0..=u8::MAX {
            for found in bucket.list(shard).await? {
                if found.written < before && !self.index.uses(&found.content).await? {
                    bucket.delete(&found.content).await?;
                    removed += 1;
                }
            }
        }
        if removed > 0 {
            tracing::info!(
                objects = removed,
                "objects that no message uses are removed"
            );
        }
        Ok(removed)
    }
}
