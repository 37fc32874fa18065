//! Bytes of held messages in an object store.
//!
//! A message is held in the folder first, as ever, and the mail server is answered by that; the store is never waited
//! for. Afterwards a task moves the bytes: the object is written, read back and compared, the index notes that it is in
//! use, the head says that the bytes are elsewhere, and only then the file is removed. A crash between any two of these
//! leaves the message in one place at least, and at worst an object that nobody uses.
//!
//! Objects are named by the digest of what is in them and never changed, so messages with the same bytes share one. Who
//! removes a message notes the object in the same transaction (a trigger of the index); the task that moves is the
//! only one that removes objects, and asks the index before it does. So a message that is being moved to
//! an object cannot meet its removal.

mod bucket;
mod connector;
mod draining;
mod filling;
mod keeping;
mod options;
mod rows;
mod sweeping;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

pub use options::ObjectsOptions;

use super::file_format::Away;
use super::{Options, Quarantine, QuarantineError, blocking};
use bucket::{Bucket, BucketError};

/// What the quarantine needs to work with its store.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// The store, and the options for which it was opened.
    open: Mutex<Option<(Arc<Options>, Arc<Bucket>)>>,
    /// Held by whoever adds or removes objects.
    work: tokio::sync::Mutex<()>,
    /// Told when a message was stored.
    pub(super) arrived: Notify,
    /// Told when the options were changed.
    pub(super) changed: Notify,
}

impl Quarantine {
    /// The store that is configured. What is wrong with its options shows at each use, and is over as soon as it is mended.
    async fn bucket(&self) -> Result<Arc<Bucket>, QuarantineError> {
        let options = self.options();
        let place = &self.objects.open;
        if let Some((for_options, bucket)) = &*place.lock().unwrap_or_else(PoisonError::into_inner)
            && Arc::ptr_eq(for_options, &options)
        {
            return Ok(bucket.clone());
        }
        let Some(url) = options.objects.url.as_ref().map(|url| url.value.clone()) else {
            let unset = "quarantine.objects.url is not set: set it again, with `drain: true` to bring all \
                         messages back into the folder";
            return Err(QuarantineError::Objects(unset.to_owned()));
        };
        let away = self.messages_away().await? > 0;
        let (folder, metrics) = (self.folder.clone(), self.metrics.clone());
        let asked = options.clone();
        let bucket = blocking(move || {
            // A new name would lead to none of the objects that there are.
            let space = folder.space(!away)?.ok_or_else(|| {
                let file = folder.root().join(super::folder::OBJECTS);
                let file = file.display();
                QuarantineError::Objects(format!(
                    "{file} is missing, which says where the objects lie: put it back from a backup, or \
                     write into it the name of the folder of this quarantine in the store"
                ))
            })?;
            Bucket::open(&asked.objects, &url, space, metrics)
                .map_err(|e| QuarantineError::Objects(e.to_string()))
        });
        let bucket = Arc::new(bucket.await??);
        let kept = Some((options, bucket.clone()));
        *place.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(bucket)
    }

    /// The bytes of a message that are in the store; `None` when the object is not there.
    pub(super) async fn fetch(&self, away: &Away) -> Result<Option<Bytes>, QuarantineError> {
        let bucket = self.bucket().await?;
        match bucket.fetch(&away.content, away.size).await {
            Ok(raw) => Ok(Some(raw)),
            Err(BucketError::Absent) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<BucketError> for QuarantineError {
    fn from(error: BucketError) -> QuarantineError {
        QuarantineError::Objects(error.to_string())
    }
}
