//! The commands, one file each.
//!
//! Exit codes: 0 done; 1 something failed, as the message on standard error says; 2 the command line is
//! wrong. `send` adds 3 (refused for now) and 4 (refused for good), `check --strict` 3 (a service does not
//! work), `train` and `model promote` 3 (kept aside), `replay` 3 (another result), `learn` 75 (try again).

mod check;
pub mod corpus;
pub mod evaluate;
mod examination;
mod explain;
mod facts;
mod generate;
mod header_fields;
mod history;
pub mod learn;
mod logging;
pub mod model;
mod progress;
pub mod quarantine;
mod replay;
mod rules;
mod scan;
mod send;
mod serve;
mod tokens;
pub mod train;
mod user;
mod when;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides, Problems};

/// Inbound spam and virus filter for mail servers, spoken to over the milter protocol.
#[derive(Debug, Parser)]
#[command(name = "mailweir", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve mail servers until SIGTERM; SIGHUP reloads the configuration.
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
    /// Print the verdicts of the configured chain on messages in files.
    Scan(scan::ScanArgs),
    Explain(explain::ExplainArgs),
    Rules(rules::RulesArgs),
    /// Train the classifier on sorted mail, and say how good it is.
    Train {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: train::TrainArgs,
    },
    /// Say how good the classifier is on messages that it has not learned.
    Evaluate(evaluate::EvaluateArgs),
    /// Find what is wrong with sorted mail before anything is learned from it.
    Corpus(corpus::CorpusArgs),
    /// Tell the classifier what single messages are, after the training.
    Learn {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: learn::LearnArgs,
    },
    /// List models, compare them, put one into force, go back.
    Model {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: model::ModelArgs,
    },
    /// List, show, release, forward and delete what was held back; tell recipients of it.
    Quarantine {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: quarantine::QuarantineArgs,
    },
    History(history::HistoryArgs),
    Replay(replay::ReplayArgs),
    /// Show what greylisting, rates and reputation remember of senders, and have it forgotten.
    Facts {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: facts::FactsArgs,
    },
    /// List, add and remove the users of the console.
    User {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: user::UserArgs,
    },
    /// Send messages to a milter as a mail server would, and print the verdicts.
    Send(send::SendArgs),
    /// Write shell completions to standard output.
    Completions(generate::CompletionsArgs),
    /// Write man pages into a folder.
    Man(generate::ManArgs),
}

/// The configuration to use.
#[derive(Clone, Debug, Args)]
struct ConfigArgs {
    /// Configuration file; without it the built-in defaults hold.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Folder for the daemon's own files; wins over the configuration.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, Problems> {
        Config::load(self.config.as_deref(), &self.overrides())
    }

    /// Runs a command with the configuration. Where that has problems, they are shown, and the command has failed.
    fn with(
        &self,
        run: impl FnOnce(Config) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        match told(self.load()) {
            Some(config) => run(config),
            None => Ok(ExitCode::FAILURE),
        }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            ..Overrides::default()
        }
    }
}

/// Parses the command line, runs the command, gives the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Scan(args) => scan::run(args),
        Command::Explain(args) => args.config.with(|config| explain::run(&args, &config)),
        Command::Rules(args) => rules::run(args),
        Command::Train { config, args } => train::run(args, &config),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Corpus(args) => corpus::run(args),
        Command::Learn { config, args } => config.with(|config| learn::run(&args, &config)),
        Command::Model { config, args } => config.with(|config| model::run(args, &config)),
        Command::Quarantine { config, args } => config.with(|config| held(config, args)),
        Command::Facts { config, args } => {
            config.with(|config| runtime()?.block_on(facts::run(args, &config.data_dir)))
        }
        Command::History(args) => args.config.with(|config| history::run(&args, &config)),
        Command::Replay(args) => args.config.with(|config| replay::run(&args, &config)),
        Command::User { config, args } => {
            config.with(|config| runtime()?.block_on(user::run(args, &config)))
        }
        Command::Send(args) => send::run(args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
    };
    done.unwrap_or_else(|e| {
        if closed_pipe(&e) {
            return ExitCode::SUCCESS;
        }
        eprintln!("mailweir: {e:#}");
        ExitCode::FAILURE
    })
}

/// What was made of the configuration; where it has problems, they are shown.
fn told<T>(made: Result<T, Problems>) -> Option<T> {
    made.inspect_err(|problems| eprintln!("{problems}")).ok()
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The quarantine of that configuration.
fn held(config: Config, args: quarantine::QuarantineArgs) -> anyhow::Result<ExitCode> {
    let settings = quarantine::QuarantineSettings {
        model: config.file.bayes.model_path(&config.base, &config.data_dir),
        engine: config.file.bayes.engine,
        options: config.file.quarantine,
        data_dir: config.data_dir,
    };
    runtime()?.block_on(quarantine::run(args, &settings))
}

/// Who reads our output may stop when they have seen enough.
fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
