//! `mailweir rules`: look at a set of rules, try it, measure it, fit it.

mod import;
mod list;
mod profile;
mod show;
mod sorted;
mod test;
mod tune;
mod whatif;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{ConfigArgs, told};
use crate::config::{Config, Problems, unwritten};
use crate::filter::rules::{self, Cost, RuleFiles, RuleSet, Written};

/// Look at rules, test them, measure them on sorted mail, fit their scores.
///
/// The rules are those of the configuration, or those of --rules. Exit codes: 0 done; 1 something failed, as
/// the message on standard error says; 2 the command line is wrong.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Rules of this folder or file instead of the configured ones.
    #[arg(long, value_name = "DIR", global = true)]
    rules: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take over the rules of another filter as rule files.
    Import(import::ImportArgs),
    /// List the rules, in order.
    List(list::ListArgs),
    /// Show rules: text, place, references, literals, cost, tests.
    Show(show::ShowArgs),
    /// Run the tests in the rules, and show which rules hit messages.
    Test(test::TestArgs),
    /// Say of each rule what it hits in ham and spam, what it decides and what it costs.
    Profile(profile::ProfileArgs),
    /// Fit scores to sorted mail under a limit on lost ham, and write them into a file of their own.
    Tune(tune::TuneArgs),
    /// Print the JSON Schema of rule files, for completion in editors.
    Schema,
    /// Say which messages would get another verdict under other rules.
    Whatif(whatif::WhatifArgs),
}

pub(super) fn run(args: RulesArgs) -> anyhow::Result<ExitCode> {
    if let Command::Schema = args.command {
        println!("{:#}", rules::rules_schema());
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Import(import) = &args.command {
        return import::run(import);
    }
    let Some(config) = told(args.config.load()) else {
        return Ok(ExitCode::FAILURE);
    };
    if let Command::Whatif(whatif) = args.command {
        return whatif::run(&whatif, config, args.rules);
    }
    let Some(book) = told(Book::open(config, args.rules)) else {
        return Ok(ExitCode::FAILURE);
    };
    match args.command {
        Command::List(list) => list::run(&list, &book),
        Command::Show(show) => show::run(&show, &book),
        Command::Test(test) => test::run(&test, &book),
        Command::Profile(profile) => profile::run(&profile, &book),
        Command::Tune(tune) => tune::run(&tune, &book),
        Command::Whatif(_) | Command::Schema | Command::Import(_) => Ok(ExitCode::SUCCESS),
    }
}

/// A set of rules with what its files say of them.
struct Book {
    config: Config,
    set: RuleSet,
    /// One for each rule of the set, in the same order.
    written: Vec<Written>,
}

impl Book {
    /// The rules of the configuration, or those of `chosen` as they stand in their files.
    fn open(mut config: Config, chosen: Option<PathBuf>) -> Result<Book, Problems> {
        if let Some(path) = chosen {
            config.file.rules = rules::Options {
                // Relative to where the command was given.
                path: Some(unwritten(std::path::absolute(&path).unwrap_or(path))),
                ..rules::Options::default()
            };
        }
        let options = &config.file.rules;
        let files: RuleFiles = options.read(&config.source, &config.base);
        let set = options.compile(&files, &config.source)?;
        Ok(Book {
            written: rules::catalogue(&files.sources),
            set,
            config,
        })
    }

    /// Each rule with its text, in order.
    fn rules(&self) -> impl Iterator<Item = (&rules::Rule, &Written)> {
        self.set.rules().iter().zip(&self.written)
    }

    /// What a rule does, in a word: `scored`, `decisive`, `shadow`, `silent`, or `disabled` by configuration.
    fn mode(&self, rule: &rules::Rule, written: &Written) -> Mode {
        if rule.is_silent() {
            match written.score {
                Some(_) => Mode::Disabled,
                None => Mode::Silent,
            }
        } else if rule.is_shadow() {
            Mode::Shadow
        } else if rule.decisive().is_some() {
            Mode::Decisive
        } else {
            Mode::Scored
        }
    }

    fn cost(&self, rule: &rules::Rule) -> Cost {
        self.set.cost(rule.id()).unwrap_or(Cost::Gated)
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// A hit gives its points.
    Scored,
    /// A hit decides by itself.
    Decisive,
    /// A hit is shown and counted, and weighs nothing.
    Shadow,
    /// It reports nothing and serves other rules.
    Silent,
    /// Configuration has switched it off.
    Disabled,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Scored => "scored",
            Mode::Decisive => "decisive",
            Mode::Shadow => "shadow",
            Mode::Silent => "silent",
            Mode::Disabled => "disabled",
        }
    }
}

/// A table for a terminal.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    table
}

/// A part of a whole in percent, without more digits than mean something.
fn percent(part: usize, whole: usize) -> String {
    format!("{:.2} %", 100.0 * part as f64 / whole.max(1) as f64)
}
