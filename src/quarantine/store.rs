//! Storing and reading messages.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::entry::checked_id;
use super::file_format::Away;
use super::folder::Kept;
use super::index::Inserted;
use super::{Entry, Quarantine, QuarantineError, blocking, file_format};

/// Longest wait for a turn to write.
const TURN: Duration = Duration::from_secs(10);

impl Quarantine {
    /// Makes a message durable. `Ok` means that file and index survive a crash from now on; on `Err`
    /// nothing is kept. Storing the same id and message again is `Ok` and changes nothing.
    ///
    /// A retry (same bytes, sender and recipients as a message that is held and was received within a day)
    /// is counted on that message instead of being stored again; its id then leads to that message.
    ///
    /// Dropping the future may leave a file without a row, which the next [`Quarantine::open`] enters in
    /// the index: run it in a task of its own.
    ///
    /// # Errors
    /// The file system, the index, [`QuarantineError::Busy`] after ten seconds of waiting for other
    /// messages; an id that is no ULID; another message under the same id.
    pub async fn store(self: &Arc<Self>, entry: &Entry, raw: Bytes) -> Result<(), QuarantineError> {
        let result = self.store_uncounted(entry, raw).await;
        self.counted("store", result)
    }

    async fn store_uncounted(&self, entry: &Entry, raw: Bytes) -> Result<(), QuarantineError> {
        if !self.folder.owned() {
            return Err(QuarantineError::ReadOnly);
        }
        let id = checked_id(&entry.id)?;
        let _turn = match tokio::time::timeout(TURN, self.stores.acquire()).await {
            Ok(Ok(turn)) => turn,
            _ => return Err(QuarantineError::Busy),
        };

        let entry = Entry {
            size: raw.len() as u64,
            ..entry.clone()
        };
        let (likeness, content, entry) = {
            let raw = raw.clone();
            blocking(move || (entry.likeness(&raw), blake3::hash(&raw), entry)).await?
        };
        self.room_to_wait(entry.size).await?;
        match self.index.likeness(&entry.id).await? {
            None => {}
            Some(known) if known == likeness => return Ok(()),
            Some(_) => return Err(QuarantineError::Conflict(entry.id)),
        }
        if let Some(original) = self.index.retry(&entry, &likeness).await? {
            if self.is_whole(&original).await? {
                tracing::info!(id = %entry.id, %original, "retry of a message in the quarantine");
                return Ok(());
            }
            self.index.forget_sighting(&entry.id).await?;
        }

        // Of copies that come at one time the first is written and the others share it.
        let [first, ..] = *content.as_bytes();
        let turn = self.contents.get(usize::from(first) % self.contents.len());
        let _copies = match turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let twin = self.index.twin(content.as_bytes(), raw.len()).await?;
        let twin = twin.and_then(|twin| checked_id(&twin).ok());
        let folder = self.folder.clone();
        let (entry, shared) = blocking(move || {
            let head = file_format::head(&entry, &raw);
            let shared = folder.put(id, &head, &raw, twin)?;
            Ok::<_, QuarantineError>((entry, shared))
        })
        .await??;
        let inserted = self
            .index
            .insert(&entry, &likeness, content.as_bytes())
            .await;
        match inserted {
            Ok(Inserted::New) => {
                self.count("stored", 1);
                self.count("shared", u64::from(shared));
                self.metrics.quarantine_messages.inc();
                let size = i64::try_from(entry.size).unwrap_or(i64::MAX);
                self.metrics.quarantine_bytes.add(size);
                if self.options().objects.fills() {
                    self.metrics.quarantine_objects_waiting.inc();
                    self.metrics.quarantine_objects_waiting_bytes.add(size);
                    self.objects.arrived.notify_one();
                }
                self.ask_for_room();
                Ok(())
            }
            Ok(Inserted::Known) => Ok(()),
            Ok(Inserted::Retry(original)) => {
                // A twin came in between; its file holds the same bytes.
                self.take_back(id).await;
                tracing::info!(id = %entry.id, %original, "retry of a message in the quarantine");
                Ok(())
            }
            Ok(Inserted::Conflict) => Err(QuarantineError::Conflict(entry.id)),
            Err(e) => {
                // A commit may have taken effect although it failed. Only a file that the index surely does
                // not know is taken back; any other is left to the recovery.
                if let Ok(None) = self.index.likeness(&entry.id).await {
                    self.take_back(id).await;
                }
                Err(e)
            }
        }
    }

    /// Whether a message may wait for the object store too.
    async fn room_to_wait(&self, size: u64) -> Result<(), QuarantineError> {
        let options = self.options();
        let most = options.objects.waiting.value.0;
        let waiting = || {
            let waiting = self.metrics.quarantine_objects_waiting_bytes.get();
            u64::try_from(waiting).unwrap_or(0).saturating_add(size)
        };
        if !options.objects.fills() || waiting() <= most {
            return Ok(());
        }
        // Others may have removed messages since the gauge was set.
        self.stats().await?;
        match waiting() <= most {
            true => Ok(()),
            false => Err(QuarantineError::Full),
        }
    }

    async fn take_back(&self, id: ulid::Ulid) {
        let folder = self.folder.clone();
        let removed = blocking(move || folder.remove(&[id]).1).await;
        if let Ok(Some(error)) = removed {
            tracing::warn!(%id, %error, "a file without a row stays until the next start");
        }
    }

    /// Whether the file of an entered message is there. If it is not, the row is marked.
    async fn is_whole(&self, id: &str) -> Result<bool, QuarantineError> {
        let ulid = checked_id(id)?;
        let folder = self.folder.clone();
        if blocking(move || folder.has(ulid)).await? {
            return Ok(true);
        }
        self.mark_lost(id).await?;
        Ok(false)
    }

    async fn mark_lost(&self, id: &str) -> Result<(), QuarantineError> {
        tracing::error!(id, "message lost: its file is missing");
        let mut tx = self.index.begin().await?;
        sqlx::query("UPDATE messages SET state = 'lost' WHERE id = ? AND state <> 'deleting'")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The exact bytes of a message.
    ///
    /// # Errors
    /// [`QuarantineError::NotFound`]; [`QuarantineError::Lost`] when the file is missing;
    /// [`QuarantineError::Damaged`] when it is not what was written; [`QuarantineError::Objects`] when it is in the
    /// object store, which does not give it now.
    pub async fn read(&self, id: &str) -> Result<Bytes, QuarantineError> {
        let result = self.read_uncounted(id).await;
        match result {
            Err(QuarantineError::NotFound(_)) => result,
            _ => self.counted("read", result),
        }
    }

    async fn read_uncounted(&self, id: &str) -> Result<Bytes, QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let ulid = checked_id(&id)?;
        let damaged = |why| QuarantineError::Damaged {
            id: id.clone(),
            why,
        };
        // The bytes may be brought back while they are looked for in the store.
        for _ in 0..2 {
            let folder = self.folder.clone();
            let kept = blocking(move || folder.get(ulid)).await??;
            let (entry, raw) = match kept {
                None => {
                    self.mark_lost(&id).await?;
                    return Err(QuarantineError::Lost(id));
                }
                Some(Kept::Here(head, apart)) => {
                    let opened = blocking(move || file_format::open(head, apart)).await?;
                    opened.map_err(damaged)?
                }
                Some(Kept::Away(head)) => {
                    let away = Away::open(&head).map_err(damaged)?;
                    match self.fetch(&away).await? {
                        Some(raw) => (away.entry, raw),
                        None => continue,
                    }
                }
            };
            if entry.id != id {
                return Err(damaged("it holds another message"));
            }
            return Ok(raw);
        }
        let absent = format!("the object of message {id} is not there");
        Err(QuarantineError::Objects(absent))
    }
}
