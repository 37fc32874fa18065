//! What is done to each of the messages that were chosen, by id or because they match.

use std::io::Write;
use std::process::ExitCode;

use super::arguments::Choice;
use super::{canonical, code, reported};
use crate::cli::progress::counted;
use crate::printable::printable;
use crate::quarantine::{Quarantine, QuarantineError};

/// Does `work` for each chosen message, one after the other, and goes on after failures.
pub(super) async fn each(
    quarantine: &Quarantine,
    choice: &Choice,
    would: &str,
    work: impl AsyncFn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let filter = choice.search.filter();
    if !choice.matching && filter.restricts() {
        anyhow::bail!("to choose by these options instead of ids, give --matching too");
    }
    let ids: Vec<String> = if choice.matching {
        if !filter.restricts() {
            anyhow::bail!("--matching needs at least one option that says what to match");
        }
        match quarantine.choose(&filter, choice.at_most).await {
            Err(QuarantineError::TooMany { found, .. }) if choice.dry_run => {
                let most = choice.at_most;
                writeln!(
                    std::io::stdout().lock(),
                    "{found} messages match; --at-most {most} would refuse them"
                )?;
                return Ok(ExitCode::FAILURE);
            }
            Err(e @ QuarantineError::TooMany { .. }) => {
                anyhow::bail!("{e}; nothing was done. Look with --dry-run, then raise --at-most");
            }
            chosen => chosen?,
        }
    } else {
        choice.ids.iter().map(|id| canonical(id)).collect()
    };

    let progress = counted(ids.len());
    let mut failed = false;
    for id in &ids {
        let done = if choice.dry_run {
            let found = quarantine.get(id).await;
            found.map(|_| would.to_owned()).map_err(anyhow::Error::from)
        } else {
            work(id).await
        };
        progress.inc(1);
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
    let mut out = std::io::stdout().lock();
    if ids.is_empty() {
        writeln!(out, "No messages.")?;
    } else if choice.matching && choice.dry_run {
        writeln!(out, "{} message(s) {would}", ids.len())?;
    }
    Ok(code(failed))
}
