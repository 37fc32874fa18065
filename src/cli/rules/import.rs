//! `mailweir rules import`: rules of other filters, as rule files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::cli::told;
use crate::filter::rules::RuleSet;
use crate::import::spamassassin;

/// The report beside the rule files.
const REPORT: &str = "REPORT.md";

/// Take over rules of another filter.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Rules of SpamAssassin 4: files *.cf and *.pre, or folders of them, in the order in which SpamAssassin
    /// reads them.
    ///
    /// Writes one rule file for each source file and REPORT.md, which lists everything that was left out, with
    /// the reason. The written rules are loaded once as a trial. Example:
    ///
    /// mailweir rules import spamassassin /usr/share/spamassassin /etc/spamassassin --out sa-rules
    #[command(verbatim_doc_comment)]
    Spamassassin(SpamassassinArgs),
}

#[derive(Debug, Args)]
struct SpamassassinArgs {
    /// Files and folders of SpamAssassin.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the rule files; it is made when it is not there, and must be empty unless --replace is given.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the files of an earlier import in that folder.
    #[arg(long)]
    replace: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let From::Spamassassin(args) = &args.from;
    let Some(import) = told(spamassassin::import(&args.paths)) else {
        return Ok(ExitCode::FAILURE);
    };
    if import.files.is_empty() {
        bail!("there is no rule in the files that can be imported");
    }
    clear(&args.out, args.replace)?;
    for file in &import.files {
        write(&args.out.join(&file.name), &file.text)?;
    }
    let report = args.out.join(REPORT);
    write(&report, &import.report.markdown())?;
    println!("{}", import.report.summary());
    for (heading, count) in import.report.counts() {
        println!("  {count:>5}  {heading}");
    }
    println!("see {}", report.display());
    // What was written has to be what mailweir reads.
    match told(RuleSet::load(&args.out)) {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::FAILURE),
    }
}

/// Makes the folder ready. Only files of an earlier import are ever removed.
fn clear(folder: &Path, replace: bool) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let ours = path.file_name().is_some_and(|n| n == REPORT)
            || path.extension().is_some_and(|e| e == "yaml")
                && fs::read_to_string(&path).is_ok_and(|t| t.starts_with("# Imported from "));
        if !ours {
            bail!(
                "{} is not of an import: give a folder of its own with --out",
                path.display()
            );
        }
        if !replace {
            bail!(
                "{} holds an earlier import; --replace puts the new one in its place",
                folder.display()
            );
        }
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
