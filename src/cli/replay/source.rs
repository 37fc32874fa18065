//! Where messages to be replayed come from, and what the history knows of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::cli::explain::past;
use crate::config::Config;
use crate::heard::Record;
use crate::history::{Entry, History, Query, digest};
use crate::mail::corpus::{Corpus, Sample};
use crate::mail::{Limits, Mail, push_with_crlf};
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::quarantine::Quarantine;

/// The field that carries the id of a message.
const ID_FIELD: &str = "X-Mailweir-Id";

/// A message to be replayed.
pub(super) struct Found {
    /// What became of it.
    pub(super) then: Entry,
    /// What filters heard.
    pub(super) record: Record,
    /// The message.
    pub(super) raw: Bytes,
    /// Whether it is the message that came, byte for byte.
    pub(super) exact: bool,
}

/// Where messages come from.
pub(super) struct Source<'a> {
    config: &'a Config,
    history: &'a History,
    message: Option<PathBuf>,
    metrics: Arc<Metrics>,
    quarantine: OnceCell<Quarantine>,
}

/// What one argument stands for, one after the other.
pub(super) enum Each<'a> {
    Id(&'a Source<'a>, Option<String>),
    Files(&'a Source<'a>, Box<Corpus>),
}

impl<'a> Source<'a> {
    pub(super) fn new(
        config: &'a Config,
        history: &'a History,
        message: Option<PathBuf>,
        metrics: Arc<Metrics>,
    ) -> Source<'a> {
        Source {
            config,
            history,
            message,
            metrics,
            quarantine: OnceCell::new(),
        }
    }

    pub(super) async fn close(&self) {
        if let Some(quarantine) = self.quarantine.get() {
            quarantine.close().await;
        }
    }

    /// The messages that an argument stands for.
    pub(super) fn find(&'a self, what: &Path) -> Each<'a> {
        match past::id(what) {
            Some(id) => Each::Id(self, Some(id)),
            None => Each::Files(self, Box::new(Corpus::new(what))),
        }
    }

    async fn of_id(&self, id: &str) -> anyhow::Result<Found> {
        let then = self.history.get(id).await?;
        let then = then.ok_or_else(|| anyhow!("there is no message {id} in the history"))?;
        let raw = match &self.message {
            Some(path) => read_one(path, &then)?,
            None => self.of_quarantine(&then).await?,
        };
        self.with(then, raw).await
    }

    async fn of_quarantine(&self, then: &Entry) -> anyhow::Result<Bytes> {
        let id = &then.id;
        let Some(held) = &then.quarantine else {
            bail!("no copy of {id} was kept: give the message with --message FILE");
        };
        let quarantine = self
            .quarantine
            .get_or_try_init(|| {
                let options = &self.config.file.quarantine;
                Quarantine::attach(options, &self.config.data_dir, self.metrics.clone())
            })
            .await
            .context("cannot open the quarantine")?;
        let raw = quarantine.read(held).await;
        raw.with_context(|| format!("{id}: no copy in the quarantine; give it with --message FILE"))
    }

    /// The entry of a message in a file: by its digest, or by the id that it was given.
    async fn of_sample(&self, sample: Sample) -> anyhow::Result<Found> {
        let name = crate::cli::examination::name(&sample);
        for raw in spellings(&sample.raw) {
            let query = Query {
                digest: Some(digest(&raw)),
                ..Query::default()
            };
            let page = self.history.search(&query, None, 1).await?;
            if let Some(then) = page.entries.into_iter().next() {
                return self.with(then, raw).await;
            }
        }
        let mail = Mail::parse(sample.raw.clone(), &Limits::default());
        if let Some(id) = mail.header(ID_FIELD)
            && let Some(then) = self.history.get(&id).await?
        {
            return self.with(then, sample.raw).await;
        }
        bail!("{name}: the history does not know this message, nor an id in its field {ID_FIELD}")
    }

    async fn with(&self, then: Entry, raw: Bytes) -> anyhow::Result<Found> {
        let Some(record) = self.history.heard(&then.id).await? else {
            bail!(
                "{}: what filters heard was not kept: history.answers was false, or it was answered before its end",
                then.id
            );
        };
        let exact = then.digest.as_deref() == Some(digest(&raw).as_str());
        Ok(Found {
            then,
            record,
            raw,
            exact,
        })
    }
}

impl Each<'_> {
    /// The next of them.
    pub(super) async fn next(&mut self) -> Option<anyhow::Result<Found>> {
        match self {
            Each::Id(source, id) => Some(source.of_id(&id.take()?).await),
            Each::Files(source, corpus) => Some(match corpus.next()? {
                Ok(sample) => source.of_sample(sample).await,
                Err(error) => Err(error.into()),
            }),
        }
    }
}

/// One message in a file, as it came if that can be told.
fn read_one(path: &Path, then: &Entry) -> anyhow::Result<Bytes> {
    let raw = std::fs::read(path).with_context(|| {
        let path = path.display().to_string();
        format!("cannot read {}", printable(&path, 300))
    })?;
    let raw = Bytes::from(raw);
    let exact = |raw: &Bytes| then.digest.as_deref() == Some(digest(raw).as_str());
    Ok(spellings(&raw).into_iter().find(exact).unwrap_or(raw))
}

/// As it is, and with the line ends that it has on its way.
fn spellings(raw: &Bytes) -> Vec<Bytes> {
    let mut with_crlf = Vec::with_capacity(raw.len() + raw.len() / 20);
    push_with_crlf(raw, &mut with_crlf);
    match with_crlf == raw[..] {
        true => vec![raw.clone()],
        false => vec![raw.clone(), with_crlf.into()],
    }
}
