//! `mailweir quarantine`: look at what was held back, release it, remove it.
//!
//! Works beside the running daemon. Whatever comes from a message is escaped before it reaches the
//! terminal. Exit code 0: all done; 1: something failed, or nothing was found under a given id.

mod display;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::cli::printable::printable;
use crate::cli::when;
use crate::mail::Address;
use crate::metrics::Metrics;
use crate::quarantine::{Filter, Options, Quarantine, QuarantineError, Record, State};

/// Where the quarantine is and how it works.
#[derive(Clone, Debug)]
pub struct QuarantineSettings {
    /// The `quarantine` section of the configuration.
    pub options: Options,
    /// Where the daemon keeps its own files.
    pub data_dir: PathBuf,
}

/// Arguments of `mailweir quarantine`.
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List messages, the newest first
    List {
        #[command(flatten)]
        search: Search,
        /// Leave out so many
        #[arg(long, default_value_t = 0)]
        offset: u32,
        /// At most so many; 0 for all
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show messages: envelope, verdict, every hit
    Show {
        /// Ids of messages
        #[arg(required = true)]
        ids: Vec<String>,
        /// The exact bytes of the message; on a terminal, escaped
        #[arg(long, conflicts_with_all = ["headers", "json"])]
        raw: bool,
        /// The header of the message, escaped
        #[arg(long, conflicts_with = "json")]
        headers: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Hand messages to the mail server, to be delivered without being checked again
    Release {
        #[command(flatten)]
        choice: Choice,
        /// To this address instead of the recipients of the message; may be repeated
        #[arg(long, value_name = "ADDRESS")]
        to: Vec<String>,
        /// Also messages that were released before
        #[arg(long)]
        again: bool,
    },
    /// Remove messages for good
    Delete {
        #[command(flatten)]
        choice: Choice,
    },
    /// Remove messages that are past the bounds of age, bytes and number
    Expire {
        /// Believe the clock although it jumped since the last time
        #[arg(long)]
        trust_clock: bool,
    },
}

/// Which messages, by what they are.
#[derive(Clone, Debug, Default, Args)]
struct Search {
    /// Received at or after: 2h, 7d (ago), 2026-11-05, 2026-11-05T08:00:00Z
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// Received before
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// Part of the sender's address
    #[arg(long, value_name = "TEXT")]
    from: Option<String>,
    /// Part of a recipient's address
    #[arg(long, value_name = "TEXT")]
    recipient: Option<String>,
    /// Part of the subject
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Id of a rule that hit
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// What has become of it
    #[arg(long)]
    state: Option<StateArg>,
}

/// Which messages: by id, or all that match.
#[derive(Clone, Debug, Args)]
struct Choice {
    /// Ids of messages
    #[arg(required_unless_present = "matching", conflicts_with = "matching")]
    ids: Vec<String>,
    /// All messages that match the options below, at least one of which must be given
    #[arg(long)]
    matching: bool,
    #[command(flatten)]
    search: Search,
    /// Only say which messages would be taken
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    Held,
    Releasing,
    Released,
    Deleting,
    Lost,
}

impl Search {
    fn filter(&self) -> Filter {
        Filter {
            since: self.since,
            until: self.until,
            sender: self.from.clone(),
            recipient: self.recipient.clone(),
            subject: self.subject.clone(),
            rule: self.rule.clone(),
            state: self.state.map(|s| match s {
                StateArg::Held => State::Held,
                StateArg::Releasing => State::Releasing,
                StateArg::Released => State::Released,
                StateArg::Deleting => State::Deleting,
                StateArg::Lost => State::Lost,
            }),
            limit: None,
            offset: 0,
        }
    }
}

/// Runs the command; writes to standard output, and what fails to standard error.
///
/// # Errors
/// When nothing could be done at all: no quarantine, an index that cannot be read, output that cannot be
/// written.
pub async fn run(args: QuarantineArgs, settings: &QuarantineSettings) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::new()?);
    let quarantine = Quarantine::attach(&settings.options, &settings.data_dir, metrics).await?;
    let result = command(args.command, &quarantine).await;
    quarantine.close().await;
    match result {
        // Whoever reads us has seen enough.
        Err(e) if is_closed_pipe(&e) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

async fn command(command: Command, quarantine: &Quarantine) -> anyhow::Result<ExitCode> {
    match command {
        Command::List {
            search,
            offset,
            limit,
            json,
        } => {
            let filter = Filter {
                offset,
                limit: Some(limit).filter(|l| *l > 0),
                ..search.filter()
            };
            list(quarantine, &filter, json).await
        }
        Command::Show {
            ids,
            raw,
            headers,
            json,
        } => {
            let mut failed = false;
            for id in &ids {
                let shown = show(quarantine, &canonical(id), raw, headers, json).await;
                failed |= !reported(id, shown)?;
            }
            Ok(code(failed))
        }
        Command::Release { choice, to, again } => {
            let to: Vec<Address> = to.iter().map(|a| Address::new(a.as_bytes())).collect();
            let work = async |id: &str| {
                let released = quarantine.release(id, &to, again).await?;
                Ok(format!("released to {} recipient(s)", released.recipients))
            };
            each(quarantine, &choice, "would be released", work).await
        }
        Command::Delete { choice } => {
            let work = async |id: &str| {
                quarantine.delete(id).await?;
                Ok("deleted".to_owned())
            };
            each(quarantine, &choice, "would be deleted", work).await
        }
        Command::Expire { trust_clock } => {
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
    }
}

async fn list(quarantine: &Quarantine, filter: &Filter, json: bool) -> anyhow::Result<ExitCode> {
    let records = quarantine.list(filter).await?;
    let mut out = std::io::stdout().lock();
    if json {
        for record in &records {
            writeln!(out, "{}", display::json(record))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if records.is_empty() {
        writeln!(out, "No messages.")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", display::table(&records))?;
    if filter.limit.is_some_and(|l| records.len() >= l as usize) {
        let next = u64::from(filter.offset) + records.len() as u64;
        writeln!(
            out,
            "There may be more: --offset {next}, or --limit 0 for all."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(
    quarantine: &Quarantine,
    id: &str,
    raw: bool,
    headers: bool,
    json: bool,
) -> anyhow::Result<()> {
    if raw || headers {
        let bytes = quarantine.read(id).await?;
        let mut out = std::io::stdout().lock();
        if raw && !std::io::stdout().is_terminal() {
            out.write_all(&bytes)?;
        } else {
            display::lines(&mut out, &bytes, headers)?;
        }
        return Ok(());
    }
    let record = quarantine.get(id).await?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", display::json(&record))?;
    } else {
        write!(out, "{}", display::details(&record))?;
    }
    Ok(())
}

/// Does `work` for each chosen message, one after the other, and goes on after failures.
async fn each(
    quarantine: &Quarantine,
    choice: &Choice,
    would: &str,
    work: impl AsyncFn(&str) -> Result<String, QuarantineError>,
) -> anyhow::Result<ExitCode> {
    let filter = choice.search.filter();
    if !choice.matching && filter != Filter::default() {
        anyhow::bail!("to choose by these options instead of ids, give --matching too");
    }
    let ids: Vec<String> = if choice.matching {
        if filter == Filter::default() {
            anyhow::bail!("--matching needs at least one option that says what to match");
        }
        let records: Vec<Record> = quarantine.list(&filter).await?;
        records.into_iter().map(|r| r.entry.id).collect()
    } else {
        choice.ids.iter().map(|id| canonical(id)).collect()
    };

    let progress = progress(ids.len());
    let mut failed = false;
    for id in &ids {
        let done = if choice.dry_run {
            quarantine.get(id).await.map(|_| would.to_owned())
        } else {
            work(id).await
        };
        progress.inc(1);
        let done = done.map_err(anyhow::Error::from);
        let told = progress.suspend(|| -> anyhow::Result<bool> {
            match done {
                Ok(text) => {
                    writeln!(std::io::stdout().lock(), "{}: {text}", printable(id, 64))?;
                    Ok(true)
                }
                Err(e) => reported(id, Err(e)),
            }
        })?;
        failed |= !told;
    }
    progress.finish_and_clear();
    if ids.is_empty() {
        writeln!(std::io::stdout().lock(), "No messages.")?;
    }
    Ok(code(failed))
}

/// For people who watch many messages being worked on; hidden where nobody watches.
fn progress(length: usize) -> ProgressBar {
    if length < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}");
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
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
