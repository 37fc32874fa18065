//! The store as the quarantine needs it: objects named by what is in them, written, read, removed, listed. Each
//! request has an end in time; nothing is believed that was not compared.
//!
//! An object lies at `PREFIX/SPACE/ab/abcd...`: SPACE is an id that only this quarantine has, the rest the BLAKE3 of
//! the bytes in hexadecimal. So several quarantines may share bucket and prefix, and none ever removes the objects of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::sync::Semaphore;
use ulid::Ulid;

use super::connector::Connector;
use super::options::{ObjectsOptions, Place};
use crate::config::secret_line;
use crate::https::Client;
use crate::metrics::Metrics;
use crate::quarantine::error::words;

/// Characters that are kept of what the store said.
const WORDS: usize = 300;
/// Attempts for each request; folders of a WebDAV server, for one, are made by several at one time.
const ATTEMPTS: u32 = 3;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Why the store did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::quarantine) enum BucketError {
    /// There is no such object.
    #[error("the object is not there")]
    Absent,
    /// It gave other bytes than it was given.
    #[error("the object has other bytes than were stored")]
    Wrong,
    /// It could not be reached, refused, or took too long. What a server said is escaped.
    #[error("{0}")]
    Failed(String),
}

/// The digest of a message, by which its object is named.
pub(in crate::quarantine) type Content = [u8; 32];

/// An object that was found in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) content: Content,
    /// When it was written last, by the store's clock.
    pub(super) written: Timestamp,
}

/// A store with the place of this quarantine in it.
#[derive(Debug)]
pub(in crate::quarantine) struct Bucket {
    store: Arc<dyn ObjectStore>,
    root: Path,
    timeout: Duration,
    /// Readers at one time. Who moves messages has a bound of its own, and never keeps readers waiting.
    readers: Semaphore,
    metrics: Arc<Metrics>,
}

impl Bucket {
    /// The store that the options name; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with options or the files they name.
    pub(in crate::quarantine) fn open(
        options: &ObjectsOptions,
        url: &str,
        space: Ulid,
        metrics: Arc<Metrics>,
    ) -> Result<Bucket, BucketError> {
        let (store, prefix) = connect(options, url).map_err(BucketError::Failed)?;
        let prefix = Path::parse(&prefix).map_err(|e| BucketError::Failed(e.to_string()))?;
        Ok(Bucket {
            store,
            root: prefix.join(space.to_string()),
            timeout: options.timeout.value.0,
            readers: Semaphore::new(options.parallel.value),
            metrics,
        })
    }

    fn path(&self, content: &Content) -> Path {
        let name = blake3::Hash::from(*content).to_hex();
        let shard = name.get(..2).unwrap_or_default();
        self.root.clone().join(shard).join(name.as_str())
    }

    /// Writes an object and reads it again: on `Ok` the store has given back the very bytes.
    pub(super) async fn put(&self, content: &Content, raw: &Bytes) -> Result<(), BucketError> {
        let path = self.path(content);
        self.timed("put", || self.store.put(&path, raw.clone().into()).boxed())
            .await?;
        self.get(content, raw.len()).await.map(|_| ())
    }

    /// Reads an object for somebody who looks, when it is their turn.
    pub(in crate::quarantine) async fn fetch(
        &self,
        content: &Content,
        size: usize,
    ) -> Result<Bytes, BucketError> {
        let turn = tokio::time::timeout(self.timeout, self.readers.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let busy = "too many messages are being fetched";
            return Err(BucketError::Failed(busy.to_owned()));
        };
        self.get(content, size).await
    }

    /// Reads an object of so many bytes, and no more, and compares.
    pub(super) async fn get(&self, content: &Content, size: usize) -> Result<Bytes, BucketError> {
        let path = self.path(content);
        let raw = self
            .timed("get", || {
                let fetched = async {
                    let found = self.store.get(&path).await?;
                    if found.meta.size != size as u64 {
                        return Ok(None);
                    }
                    let mut raw = Vec::with_capacity(size);
                    let mut stream = found.into_stream();
                    while let Some(part) = stream.next().await {
                        let part = part?;
                        if raw.len() + part.len() > size {
                            return Ok(None);
                        }
                        raw.extend_from_slice(&part);
                    }
                    Ok(Some(Bytes::from(raw)))
                };
                fetched.boxed()
            })
            .await?;
        let raw = raw.filter(|raw| blake3::hash(raw).as_bytes() == content);
        if raw.is_none() {
            self.count("get", "wrong");
        }
        raw.ok_or(BucketError::Wrong)
    }

    /// Removes an object; one that is not there counts as removed.
    pub(super) async fn delete(&self, content: &Content) -> Result<(), BucketError> {
        let path = self.path(content);
        let gone = self.timed("delete", || self.store.delete(&path).boxed());
        match gone.await {
            Err(BucketError::Absent) => Ok(()),
            other => other,
        }
    }

    /// The objects whose names begin with a byte.
    pub(super) async fn list(&self, shard: u8) -> Result<Vec<Found>, BucketError> {
        let folder = self.root.clone().join(format!("{shard:02x}"));
        let listed = self.timed("list", || self.store.list_with_delimiter(Some(&folder)));
        let objects = match listed.await {
            Err(BucketError::Absent) => return Ok(Vec::new()),
            other => other?.objects,
        };
        let found = objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?;
            let content = blake3::Hash::from_hex(name).ok()?;
            Some(Found {
                content: *content.as_bytes(),
                written: Timestamp::from_second(object.last_modified.timestamp()).ok()?,
            })
        });
        Ok(found.collect())
    }

    /// Does a request within the time it has, and again where it failed.
    async fn timed<'a, T>(
        &self,
        operation: &'static str,
        request: impl Fn() -> BoxFuture<'a, object_store::Result<T>>,
    ) -> Result<T, BucketError> {
        let started = Instant::now();
        let mut attempt = 1;
        let result = loop {
            let left = self.timeout.saturating_sub(started.elapsed());
            match tokio::time::timeout(left, request()).await {
                Ok(Ok(done)) => break Ok(done),
                Ok(Err(object_store::Error::NotFound { .. })) => break Err(BucketError::Absent),
                Ok(Err(_)) if attempt < ATTEMPTS => attempt += 1,
                Ok(Err(e)) => break Err(BucketError::Failed(words(&e, WORDS))),
                Err(_) => {
                    let late = format!("no answer within {:?}", self.timeout);
                    break Err(BucketError::Failed(late));
                }
            }
            tokio::time::sleep(PAUSE).await;
        };
        let seconds = started.elapsed().as_secs_f64();
        let histogram = &self.metrics.quarantine_object_seconds;
        histogram.with_label_values(&[operation]).observe(seconds);
        let word = match &result {
            Ok(_) => "ok",
            Err(BucketError::Absent) => "absent",
            Err(_) => "failed",
        };
        self.count(operation, word);
        result
    }

    fn count(&self, operation: &str, result: &str) {
        let requests = &self.metrics.quarantine_object_requests;
        requests.with_label_values(&[operation, result]).inc();
    }
}

/// The store that a URL names, and the prefix in it.
fn connect(options: &ObjectsOptions, url: &str) -> Result<(Arc<dyn ObjectStore>, String), String> {
    let client = Client::new(options.ca_file.as_ref().map(|file| file.value.as_path()));
    let client = client.map_err(|e| e.to_string())?;
    let login = match (&options.user, &options.password_file) {
        (Some(user), Some(file)) => {
            Some((user.value.as_str(), secret_line(&file.value, "password")?))
        }
        _ => None,
    };
    // Attempts are counted here, where each is bound in time too.
    let retry = RetryConfig {
        max_retries: 0,
        retry_timeout: options.timeout.value.0,
        ..RetryConfig::default()
    };
    match Place::parse(url).map_err(str::to_owned)? {
        Place::WebDav(server, folder) => {
            let login = login.as_ref();
            let login = login.map(|(user, password)| (*user, password.as_str()));
            let store = HttpBuilder::new()
                .with_url(server)
                .with_retry(retry)
                .with_http_connector(Connector::new(client, login))
                .build()
                .map_err(|e| words(&e, WORDS))?;
            Ok((Arc::new(store), folder))
        }
        Place::S3(bucket, prefix) => {
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(bucket)
                .with_region(&options.region.value)
                .with_retry(retry)
                .with_disable_bulk_delete(true)
                .with_http_connector(Connector::new(client, None));
            if let Some(endpoint) = &options.endpoint {
                builder = builder
                    .with_endpoint(endpoint.value.trim_end_matches('/'))
                    .with_allow_http(true);
            }
            builder = match login {
                Some((user, password)) => builder
                    .with_access_key_id(user)
                    .with_secret_access_key(password),
                None => of_environment(builder),
            };
            let store = builder.build().map_err(|e| words(&e, WORDS))?;
            Ok((Arc::new(store), prefix))
        }
    }
}

/// The key that the environment holds, as other programs for S3 take it.
fn of_environment(builder: AmazonS3Builder) -> AmazonS3Builder {
    [
        ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
        ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
        ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ]
    .into_iter()
    .fold(builder, |builder, (name, key)| match std::env::var(name) {
        Ok(value) if !value.is_empty() => builder.with_config(key, value),
        _ => builder,
    })
}
