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

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides, Problems};
use crate::printable::visible;

/// What somebody needs who sees the program for the first time.
const FIRST_STEPS: &str = "First steps:
  mailweir serve --data-dir data   try it: it says where it listens and how a mail server is told
  mailweir send FILE...            plays the mail server, in a second shell
  mailweir check                   what is wrong with the configuration, and where
  mailweir train --help            how the classifier gets its first model
  mailweir history                 what became of messages; `mailweir explain ID` says why
  mailweir quarantine list         what was held back
  mailweir user add NAME           who may use the console in a browser

Files: the configuration is that of --config FILE, or of $MAILWEIR_CONFIG, or else
/etc/mailweir/mailweir.yaml; data_dir in it says where everything else lies. The documentation is
in /usr/share/doc/mailweir, or below /usr/local, and begins with README.md.

Exit codes: 0 done; 1 something failed, as standard error says; 2 the command line is wrong. The
help of a command says where it has more.";

/// Inbound spam and virus filter for mail servers, spoken to over the milter protocol.
#[derive(Debug, Parser)]
#[command(name = "mailweir", version, about, max_term_width = 100, after_help = FIRST_STEPS)]
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
    ///
    /// A PATH is a message, an mbox, a Maildir, or a folder with any of these, packed by gzip or not. Exit codes: 0 the
    /// model was written; 1 it was not; 2 wrong arguments; 3 --promote kept it aside.
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
    ///
    /// Without PATH, or with `-`, one message is read from standard input, as Dovecot's IMAPSieve and pipe transports
    /// give it. Exit codes: 0 every message is learned, durably; 1 something could not be read or written; 2 wrong
    /// arguments; 75 the message on standard input could not be learned now, and should be given again.
    Learn {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: learn::LearnArgs,
    },
    /// List models, compare them, put one into force, go back.
    ///
    /// Models lie in the folder `models` beside the one in force (`bayes.model` of the configuration). A running daemon
    /// takes another one by itself. Run it as the daemon's user or as root.
    Model {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: model::ModelArgs,
    },
    /// List, show, release, forward and delete what was held back; tell recipients of it.
    ///
    /// Works beside the running daemon. Run it as the daemon's user or as root. Ids are taken in any case. Exit codes: 0
    /// all done; 1 something failed, and the rest is done nevertheless; 2 the command line is wrong.
    Quarantine {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: quarantine::QuarantineArgs,
    },
    History(history::HistoryArgs),
    Replay(replay::ReplayArgs),
    /// Show what greylisting, rates and reputation remember of senders, and have it forgotten.
    ///
    /// Works beside the running daemon, which writes what has changed each second and forgets within a second what it is
    /// told to.
    Facts {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: facts::FactsArgs,
    },
    /// List, add and remove the users of the console and the HTTP API.
    ///
    /// Works beside the running daemon, which sees each change at once. A user without a password sets one by the link
    /// that `add` and `password` print; it works once, for 24 hours. Roles: a viewer looks, an analyst works on mail, an
    /// admin changes lists, models and users and sees configuration and log.
    User {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: user::UserArgs,
    },
    /// Send messages to a milter as a mail server would, and print the verdicts.
    ///
    /// Exit codes: 0 all were accepted; 1 there was no answer, or none that makes sense; 2 the command line is wrong; 3 one
    /// was refused for now; 4 one was refused for good.
    Send(send::SendArgs),
    /// Write shell completions to standard output.
    Completions(generate::CompletionsArgs),
    /// Write man pages into a folder.
    Man(generate::ManArgs),
}

/// The configuration of the service.
const INSTALLED: &str = "/etc/mailweir/mailweir.yaml";
/// The variable of the environment that names another; empty for none.
const VARIABLE: &str = "MAILWEIR_CONFIG";

/// What holds where the command line names no file; found out once, so that a reload takes the same.
static UNNAMED: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    // One that cannot be looked at is said to be there: who may not read it is told so.
    let installed = || {
        let file = PathBuf::from(INSTALLED);
        file.try_exists().unwrap_or(true).then_some(file)
    };
    match std::env::var_os(VARIABLE) {
        Some(file) => Some(PathBuf::from(file)).filter(|file| !file.as_os_str().is_empty()),
        None => installed(),
    }
});

/// The configuration to use.
#[derive(Clone, Debug, Args)]
struct ConfigArgs {
    /// Configuration file; without it $MAILWEIR_CONFIG, or /etc/mailweir/mailweir.yaml where there is one, or
    /// else the built-in defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Folder for the daemon's own files; wins over the configuration.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file; none where the built-in defaults hold.
    fn file(&self) -> Option<&Path> {
        self.config.as_deref().or(UNNAMED.as_deref())
    }

    fn load(&self) -> Result<Config, Problems> {
        Config::load(self.file(), &self.overrides())
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
        // It may quote names of files, and what stands in them.
        for line in format!("mailweir: {e:#}").lines() {
            eprintln!("{}", visible(line, 10_000));
        }
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
        let io = cause.downcast_ref::<std::io::Error>().map(|e| e.kind());
        let json = || cause.downcast_ref::<serde_json::Error>()?.io_error_kind();
        io.or_else(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
