//! The durable store of messages that were held back, and their way out of it.
//!
//! In: an [`Entry`] and the exact bytes of a message. Out: the same bytes, later, to whoever looks,
//! releases or deletes.
//!
//! Promises:
//! - When [`Quarantine::store`] returns `Ok`, message and index survive a crash of the machine: file
//!   written, fsync, rename, fsync of the folder, then the row of the index committed with full
//!   synchronisation. On `Err` nothing is left behind.
//! - After a crash [`Quarantine::open`] makes files and index agree again; the whole index can be built
//!   anew from the files.
//! - Messages with the same bytes share one file; removing one never takes it from another.
//! - Each recipient gets a released message once, also when the daemon or a command is killed meanwhile; each
//!   digest is sent once.
//! - A file name is our own id, never anything of a message. Files are 0600 in folders 0700, links are not
//!   followed, and a folder that others can write to is refused.
//! - A released message passes the filters by a secret mark that fits this message only, for a short time
//!   ([`mark`](Quarantine::redeem)).
//! - Bytes may be moved to an object store afterwards; whoever reads a message does not notice.
//! - The store is bounded by age, bytes and number; a clock that jumps removes nothing.
//!
//! One process stores (the daemon; a lock sees to it); others may list, read, release, delete and expire
//! beside it ([`Quarantine::attach`]). File work runs on the blocking pool, SQL on SQLite's own threads.

mod connection;
mod digest;
mod disk;
mod entry;
mod error;
mod file_format;
mod fingerprint;
mod folder;
mod forward;
mod index;
mod letter;
mod link;
mod mark;
mod objects;
mod options;
mod order;
pub mod preview;
mod record;
mod recovery;
mod release;
mod removal;
mod retention;
mod search;
mod searched;
mod sending;
mod store;
mod submission;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore};

pub use digest::{Day, DigestOptions, Digested, Untold};
pub use entry::{Entry, EntryPolicy};
pub use error::QuarantineError;
pub use forward::ForwardOptions;
pub use link::{LINK_PATH, LinkError, Offer};
pub use mark::{Mark, Redeem};
pub use objects::ObjectsOptions;
pub use options::{Options, ReleaseOptions, RetentionOptions, Tls};
pub use order::{Cursor, Order, Sort};
pub use record::{Delivery, Location, Record, State};
pub use recovery::Recovered;
pub use release::Released;
pub use retention::{Expired, Stats};
pub use search::{Filter, PAGE, Page};

use crate::config::Source;
use crate::metrics::Metrics;
use folder::Folder;
use index::Index;
use objects::Objects;

/// Messages being written at one time; more wait, and give up after ten seconds.
const STORES_AT_ONCE: usize = 32;

/// The store; shared by all sessions.
#[derive(Debug)]
pub struct Quarantine {
    folder: Arc<Folder>,
    index: Index,
    options: ArcSwap<Options>,
    data_dir: PathBuf,
    metrics: Arc<Metrics>,
    stores: Semaphore,
    /// One for each group of contents: copies of one message are stored one after the other.
    contents: [tokio::sync::Mutex<()>; 16],
    /// Told when a bound of size was passed.
    full: Notify,
    recovered: Recovered,
    objects: Objects,
}

impl Quarantine {
    /// Opens the quarantine for storing: creates it where it is missing, takes its lock, and repairs what a
    /// crash left ([`Quarantine::recovered`] says what). `options.path` is taken relative to `data_dir`,
    /// which must exist.
    ///
    /// # Errors
    /// Senseless options; a folder that is not safe or in use by another daemon; the file system; an index
    /// that cannot be opened.
    pub async fn open(
        options: &Options,
        data_dir: &Path,
        metrics: Arc<Metrics>,
    ) -> Result<Quarantine, QuarantineError> {
        let root = checked(options, data_dir)?;
        let folder = Arc::new(blocking(move || Folder::own(&root)).await??);
        let index = Index::open(&folder.index()).await?;
        let recovered = recovery::recover(&folder, &index).await?;
        let quarantine = Quarantine::new(folder, index, options, data_dir, metrics, recovered);
        quarantine.show_limits();
        quarantine.stats().await?;
        Ok(quarantine)
    }

    /// Opens an existing quarantine beside the daemon, for everything but storing. Also for root, whoever
    /// owns the folder.
    ///
    /// # Errors
    /// [`QuarantineError::Absent`] where there is none; otherwise as [`Quarantine::open`].
    pub async fn attach(
        options: &Options,
        data_dir: &Path,
        metrics: Arc<Metrics>,
    ) -> Result<Quarantine, QuarantineError> {
        let root = checked(options, data_dir)?;
        let folder = Arc::new(blocking(move || Folder::visit(&root)).await??);
        let index = Index::open(&folder.index()).await?;
        let recovered = Recovered::default();
        Ok(Quarantine::new(
            folder, index, options, data_dir, metrics, recovered,
        ))
    }

    fn new(
        folder: Arc<Folder>,
        index: Index,
        options: &Options,
        data_dir: &Path,
        metrics: Arc<Metrics>,
        recovered: Recovered,
    ) -> Quarantine {
        Quarantine {
            folder,
            index,
            options: ArcSwap::from_pointee(options.clone()),
            data_dir: data_dir.to_path_buf(),
            metrics,
            stores: Semaphore::new(STORES_AT_ONCE),
            contents: Default::default(),
            full: Notify::new(),
            recovered,
            objects: Objects::default(),
        }
    }

    /// What was repaired when the quarantine was opened.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The options in force.
    pub fn options(&self) -> Arc<Options> {
        self.options.load_full()
    }

    /// Takes other options, for whatever begins from now on; bounds that are passed by them are kept soon. The folder
    /// stays the one that was opened.
    pub fn reconfigure(&self, options: &Options) {
        self.options.store(Arc::new(Options {
            path: self.options().path.clone(),
            ..options.clone()
        }));
        self.show_limits();
        self.full.notify_one();
        self.objects.changed.notify_one();
    }

    fn show_limits(&self) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (options, metrics) = (self.options(), &self.metrics);
        let retention = &options.retention;
        metrics
            .quarantine_bytes_limit
            .set(gauge(retention.bytes.value.0));
        metrics
            .quarantine_messages_limit
            .set(gauge(retention.messages.value));
        let waiting = match options.objects.fills() {
            true => gauge(options.objects.waiting.value.0),
            false => 0,
        };
        metrics.quarantine_objects_waiting_bytes_limit.set(waiting);
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.root()
    }

    /// Waits for what is under way in the index and closes it. Afterwards every operation fails.
    pub async fn close(&self) {
        self.index.close().await;
    }

    fn count(&self, operation: &str, n: u64) {
        self.metrics
            .quarantine_operations
            .with_label_values(&[operation])
            .inc_by(n);
    }

    /// Counts a failure and hands the result on.
    fn counted<T>(
        &self,
        operation: &str,
        result: Result<T, QuarantineError>,
    ) -> Result<T, QuarantineError> {
        if result.is_err() {
            self.metrics
                .quarantine_failures
                .with_label_values(&[operation])
                .inc();
        }
        result
    }
}

fn checked(options: &Options, data_dir: &Path) -> Result<std::path::PathBuf, QuarantineError> {
    let problems = options.problems(&Source::new("", "")).0;
    if let Some(first) = problems.first() {
        return Err(QuarantineError::Options(first.message.clone()));
    }
    Ok(data_dir.join(&options.path))
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, QuarantineError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
