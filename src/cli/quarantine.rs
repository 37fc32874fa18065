//! `mailweir quarantine`: look at what was held back, release it, remove it.
//!
//! Works beside the running daemon. Whatever comes from a message is escaped before it reaches the
//! terminal. Exit code 0: all done; 1: something failed, or nothing was found under a given id.

mod arguments;
mod chosen;
mod display;
mod listing;
mod look;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

pub use arguments::QuarantineArgs;

use crate::filter::bayes::{Class, EngineKind, Teacher};
use crate::mail::Address;
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::quarantine::{Filter, Options, Order, Quarantine, Released};
use arguments::Command;
use chosen::each;
use listing::{list, list_from, show, show_html};

/// Where the quarantine is and how it works, and where lessons go.
#[derive(Clone, Debug)]
pub struct QuarantineSettings {
    /// The `quarantine` section of the configuration.
    pub options: Options,
    /// Where the daemon keeps its own files.
    pub data_dir: PathBuf,
    /// The model that lessons are for.
    pub model: PathBuf,
    /// Its engine.
    pub engine: EngineKind,
}

/// Runs the command; writes to standard output, and what fails to standard error.
///
/// # Errors
/// When nothing could be done at all: no quarantine, an index that cannot be read, output that cannot be
/// written.
pub async fn run(args: QuarantineArgs, settings: &QuarantineSettings) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::new()?);
    let quarantine = Quarantine::attach(&settings.options, &settings.data_dir, metrics).await?;
    let result = command(args.command, &quarantine, settings).await;
    quarantine.close().await;
    match result {
        // Whoever reads us has seen enough.
        Err(e) if is_closed_pipe(&e) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

async fn command(
    command: Command,
    quarantine: &Quarantine,
    settings: &QuarantineSettings,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::List {
            search,
            count: true,
            ..
        } => {
            let found = quarantine.matching(&search.filter()).await?;
            writeln!(std::io::stdout().lock(), "{found}")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::List {
            search,
            sort,
            reverse,
            after,
            offset,
            limit,
            json,
            ..
        } => {
            let filter = Filter {
                offset,
                limit: Some(limit).filter(|l| *l > 0),
                ..search.filter()
            };
            match offset {
                0 => {
                    list(
                        quarantine,
                        &filter,
                        Order::natural(sort, reverse),
                        after,
                        json,
                    )
                    .await
                }
                _ => list_from(quarantine, &filter, json).await,
            }
        }
        Command::Show {
            ids,
            raw,
            headers,
            html,
            json,
        } => {
            let mut failed = false;
            for id in &ids {
                let id = canonical(id);
                let shown = match html {
                    true => show_html(quarantine, &id).await,
                    false => show(quarantine, &id, raw, headers, json).await,
                };
                failed |= !reported(&id, shown)?;
            }
            Ok(code(failed))
        }
        Command::Release {
            choice,
            to,
            again,
            learn,
        } => {
            let to: Vec<Address> = to.iter().map(|a| Address::new(a.as_bytes())).collect();
            let teacher = teacher(learn && !choice.dry_run, settings)?;
            let work = async |id: &str| {
                let done = released(&quarantine.release(id, &to, again).await?);
                learned(quarantine, teacher.as_ref(), id, Class::Ham, done).await
            };
            each(quarantine, &choice, "would be released", work).await
        }
        Command::Delete { choice, learn } => {
            let teacher = teacher(learn && !choice.dry_run, settings)?;
            let work = async |id: &str| {
                // Afterwards there would be nothing to learn from.
                let done = "deleted".to_owned();
                let done = learned(quarantine, teacher.as_ref(), id, Class::Spam, done).await?;
                quarantine.delete(id).await?;
                Ok(done)
            };
            each(quarantine, &choice, "would be deleted", work).await
        }
        Command::Forward { choice, to, note } => {
            let to = to.map(|to| Address::new(to.as_bytes()));
            let work = async |id: &str| {
                let to = quarantine.forward(id, to.as_ref(), &note).await?;
                Ok(format!("forwarded to {}", printable(&to, 300)))
            };
            each(quarantine, &choice, "would be forwarded", work).await
        }
        Command::Link { id, address } => {
            let link = link(quarantine, &canonical(&id), &address).await;
            Ok(code(!reported(&id, link)?))
        }
        Command::Digest { dry_run, preview } => digest(quarantine, dry_run, preview).await,
        Command::Expire { trust_clock } => expire(quarantine, trust_clock).await,
    }
}

async fn link(quarantine: &Quarantine, id: &str, address: &str) -> anyhow::Result<()> {
    let record = quarantine.get(id).await?;
    let named = address.to_lowercase();
    let mut recipients = record.entry.recipients.iter();
    let Some(recipient) = recipients.find(|r| r.text().to_lowercase() == named) else {
        anyhow::bail!("the message has no recipient {}", printable(address, 300));
    };
    match quarantine.link(&record.entry.id, recipient).await? {
        Some(link) => writeln!(std::io::stdout().lock(), "{link}")?,
        None => anyhow::bail!("set quarantine.digest.base_url, with which links begin"),
    }
    Ok(())
}

async fn expire(quarantine: &Quarantine, trust_clock: bool) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let expired = if trust_clock {
        quarantine.expire_trusting_clock(now).await?
    } else {
        quarantine.expire(now).await?
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} message(s) removed", expired.messages)?;
    if expired.clock_jumped {
        writeln!(
            out,
            "The clock jumped since the last time, so nothing was removed for its age. If it is \
             right now, use --trust-clock."
        )?;
    }
    Ok(code(expired.clock_jumped))
}

async fn digest(
    quarantine: &Quarantine,
    dry_run: bool,
    preview: Option<String>,
) -> anyhow::Result<ExitCode> {
    if let Some(recipient) = preview {
        let letter = quarantine.preview_digest(&recipient).await?;
        // Our own letter: what stands in it of messages is encoded.
        std::io::stdout().lock().write_all(&letter)?;
        return Ok(ExitCode::SUCCESS);
    }
    if dry_run {
        let mut out = std::io::stdout().lock();
        for untold in quarantine.untold().await? {
            let recipient = printable(&untold.recipient, 300);
            writeln!(out, "{recipient}: {} message(s)", untold.messages)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let done = quarantine.send_digests().await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} digest(s) sent", done.sent)?;
    if done.waiting > 0 {
        writeln!(
            out,
            "{} digest(s) wait: the mail server did not take them",
            done.waiting
        )?;
    }
    Ok(code(done.waiting > 0))
}

/// Who takes lessons, where there are to be some: asked before anything is done.
fn teacher(learn: bool, settings: &QuarantineSettings) -> anyhow::Result<Option<Teacher>> {
    if !learn {
        return Ok(None);
    }
    Ok(Some(Teacher::of_file(&settings.model, settings.engine)?))
}

/// Learns what a message is, if that is wanted; says what was `done` and that.
async fn learned(
    quarantine: &Quarantine,
    teacher: Option<&Teacher>,
    id: &str,
    class: Class,
    done: String,
) -> anyhow::Result<String> {
    let Some(teacher) = teacher else {
        return Ok(done);
    };
    let raw: Bytes = quarantine.read(id).await?;
    let teacher = teacher.clone();
    let learned = tokio::task::spawn_blocking(move || teacher.learn(raw, class)).await?;
    let what = match class {
        Class::Ham => "ham",
        Class::Spam => "spam",
    };
    match learned {
        Ok(()) => Ok(format!("{done}, learned as {what}")),
        Err(e) => anyhow::bail!("not learned as {what}: {e}"),
    }
}

fn released(released: &Released) -> String {
    let done = format!("released to {} recipient(s)", released.recipients);
    match released.before {
        0 => done,
        before => format!("{done}; {before} had got it before"),
    }
}

/// Tells what failed and whether it went well. A closed output is handed on.
fn reported(id: &str, result: anyhow::Result<()>) -> anyhow::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if is_closed_pipe(&e) => Err(e),
        Err(e) => {
            let text = printable(&e.to_string(), 1_000);
            writeln!(std::io::stderr().lock(), "{}: {text}", printable(id, 64))?;
            Ok(false)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Ids are printed in capitals and read in any case.
fn canonical(id: &str) -> String {
    id.trim().to_ascii_uppercase()
}

fn code(failed: bool) -> ExitCode {
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
