//! `mailweir rules`: what can be done with rules.

mod import;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Work on rules.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take over the rules of another filter as rule files.
    Import(import::ImportArgs),
}

pub(super) fn run(args: RulesArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Import(import) => import::run(&import),
    }
}
