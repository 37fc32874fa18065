//! `mailweir check`: the configuration and everything that it names.

mod finding;
mod groups;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use futures_util::future::join3;

use finding::Finding;

use super::ConfigArgs;
use crate::config::{Config, FilterName, Problem, Problems, Severity};
use crate::dns::Dns;
use crate::filter::rules::{self, Written};
use crate::filter::{Probe, clamav, dnsbl};
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::server::Engine;
use crate::web;

/// Exit code with `--strict` when the file is in order and a service is not.
const SERVICE: u8 = 3;
/// Longest answer of a service that is shown, characters.
const ANSWER: usize = 200;

/// Check the configuration and everything that it names, and say what is wrong and where.
///
/// First the file, the rules and the model, every problem of every file in one go: errors, for which nothing
/// would start or be reloaded; warnings, for what is most likely not meant; notes, for what may be worth
/// knowing. Then, where there is no error and unless --offline is given, each ClamAV server and each DNS
/// list of the chain is asked whether it works, all at once: a server within clamav.connect_timeout for
/// PING and VERSION, with signatures younger than clamav.health.warn_after, a list within dnsbl.timeout for its test entries (RFC 5782); and the
/// provider of console.oidc within its timeout for its metadata and keys. A service that does not
/// answer is no error: the configuration can be in order while a service is down.
///
/// Exit codes: 0 the configuration is in order; 1 it is not, or there is something that --deny names; 2 the
/// command line is wrong; 3 with --strict, when a service does not answer as it should.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Leave the network alone: ask no ClamAV server, no DNS list and no provider of sign-ins.
    #[arg(long)]
    offline: bool,
    /// Exit with 3 when a service does not answer as it should.
    #[arg(long, conflicts_with = "offline")]
    strict: bool,
    /// Exit with 1 for warnings, or for warnings and notes.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// Show notes too.
    #[arg(long)]
    notes: bool,
    /// Print everything that was found as one JSON array, for editors and CI.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Deny {
    Warnings,
    Notes,
}

impl Deny {
    fn denies(self, severity: Severity) -> bool {
        match self {
            Deny::Warnings => severity >= Severity::Warning,
            Deny::Notes => severity >= Severity::Note,
        }
    }
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let metrics = Arc::new(Metrics::new()?);
    let (checked, asked) = runtime.block_on(async {
        let mut checked = Checked::new(&args.config, &metrics);
        let mut asked = Vec::new();
        if let Some(config) = checked
            .config
            .as_ref()
            .filter(|_| checked.count(Severity::Error) == 0)
            && !args.offline
        {
            match ask(config, &metrics).await {
                Ok(answers) => asked = answers,
                Err(problems) => checked.problems.extend(problems.0),
            }
        }
        (checked, asked)
    });
    let broken: Vec<&(&str, Probe)> = asked.iter().filter(|(_, p)| p.answer.is_err()).collect();
    match args.json {
        true => checked.print_json(&broken)?,
        false => checked.print(args, &asked, broken.len())?,
    }
    let denied = |p: &Problem| args.deny.is_some_and(|deny| deny.denies(p.severity));
    Ok(
        if checked.count(Severity::Error) > 0 || checked.problems.iter().any(denied) {
            ExitCode::FAILURE
        } else if args.strict && !broken.is_empty() {
            ExitCode::from(SERVICE)
        } else {
            ExitCode::SUCCESS
        },
    )
}

/// What was found in the files.
struct Checked {
    /// Where the file could be read.
    config: Option<Config>,
    /// Version of the engine, where it could be built.
    version: String,
    problems: Vec<Problem>,
    /// The rules, for telling which one a place belongs to.
    rules: Vec<Written>,
}

impl Checked {
    fn new(args: &ConfigArgs, metrics: &Arc<Metrics>) -> Checked {
        let mut checked = Checked {
            config: None,
            version: String::new(),
            problems: Vec::new(),
            rules: Vec::new(),
        };
        let config = match Config::examine(args.file(), &args.overrides()) {
            Ok((config, problems)) => {
                checked.problems.extend(problems.0);
                config
            }
            Err(problem) => {
                checked.problems.push(problem);
                return checked;
            }
        };
        checked.problems.extend(groups::absent(&config));
        let mut set = None;
        match Engine::build(&config, metrics) {
            Ok(engine) => {
                checked.version = engine.version().to_owned();
                set = engine.rules().cloned();
            }
            Err(problems) => checked.problems.extend(problems.0),
        }
        if let Some(console) = &config.console
            && let Err(why) = console.try_certificate()
        {
            let problem = Problem::without_place(format!("{why:#}"));
            checked.problems.push(problem);
        }
        if config.chain.contains(&FilterName::Rules) {
            let options = &config.file.rules;
            let files = options.read(&config.source, &config.base);
            checked.rules = rules::catalogue(&files.sources);
            checked
                .problems
                .extend(options.warnings(&config.source, &files));
            if let Some(set) = set {
                for (asked, filter, what, without) in [
                    (
                        set.asks_for_files(),
                        FilterName::Attachments,
                        "files",
                        "they see what is attached, and nothing that archives hold",
                    ),
                    (
                        set.asks_for_authentication(),
                        FilterName::Auth,
                        "results of sender authentication",
                        "they see none",
                    ),
                    (
                        set.asks_for_reputation(),
                        FilterName::Reputation,
                        "the reputation of senders",
                        "they see none",
                    ),
                ] {
                    if asked && !config.chain.contains(&filter) {
                        let name = filter.name();
                        let note = format!(
                            "rules ask for {what}, and the filter `{name}` is not in the chain"
                        );
                        let note = Problem::without_place(note).help(without);
                        checked.problems.push(note.severity(Severity::Note));
                    }
                }
                checked.problems.extend(rules::lint(&files.sources, &set));
            }
        }
        checked.config = Some(config);
        checked
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|p| p.severity == severity)
            .count()
    }

    fn print_json(&self, broken: &[&(&str, Probe)]) -> anyhow::Result<()> {
        let services = broken.iter().filter_map(|(filter, probe)| {
            let why = probe.answer.as_ref().err()?;
            let problem = Problem::without_place(format!("{filter}: {}: {why}", probe.service));
            Some(problem.severity(Severity::Warning))
        });
        let all: Vec<Finding> = self
            .problems
            .iter()
            .cloned()
            .chain(services)
            .map(|problem| Finding::new(&problem, &self.rules))
            .collect();
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        Ok(())
    }

    fn print(
        &self,
        args: &CheckArgs,
        asked: &[(&'static str, Probe)],
        broken: usize,
    ) -> anyhow::Result<()> {
        let [errors, warnings, notes] =
            [Severity::Error, Severity::Warning, Severity::Note].map(|s| self.count(s));
        let shown = |p: &&Problem| p.severity > Severity::Note || args.notes;
        for problem in self.problems.iter().filter(shown) {
            eprintln!("{problem}\n");
        }
        if errors > 0 {
            eprintln!("{errors} problems");
        }
        if warnings > 0 {
            eprintln!("{warnings} warnings");
        }
        if notes > 0 && !args.notes {
            eprintln!("{notes} notes, which --notes shows");
        }
        let Some(config) = self.config.as_ref().filter(|_| errors == 0) else {
            return Ok(());
        };
        let mut out = std::io::stdout().lock();
        let path = config.source.path().display();
        writeln!(out, "{path} is in order, version {}", self.version)?;
        if asked.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", table(asked))?;
        if broken > 0 {
            out.flush()?;
            eprintln!("warning: {broken} of {} services do not work", asked.len());
        }
        Ok(())
    }
}

/// Every service of the filters in the chain, with the name of the filter, and the console's provider of sign-ins.
async fn ask(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<Vec<(&'static str, Probe)>, Problems> {
    let has = |name| config.chain.contains(&name);
    let lists = async {
        match has(FilterName::Dnsbl) {
            true => {
                let dns = Dns::new(&config.file.dns, &config.source, metrics)?;
                let (file, source) = (&config.file.dnsbl, &config.source);
                dnsbl::health(file, &dns, source, &config.base, metrics).await
            }
            false => Ok(Vec::new()),
        }
    };
    let servers = async {
        match has(FilterName::Clamav) {
            true => clamav::health(&config.file.clamav).await,
            false => Vec::new(),
        }
    };
    let provider = async {
        match &config.console {
            Some(console) => web::provider_probe(console, metrics).await,
            None => None,
        }
    };
    let (lists, servers, provider) = join3(lists, servers, provider).await;
    let lists = lists?.into_iter().map(|probe| ("dnsbl", probe));
    let servers = servers.into_iter().map(|probe| ("clamav", probe));
    let provider = provider.map(|probe| ("console", probe));
    Ok(lists.chain(servers).chain(provider).collect())
}

fn table(asked: &[(&'static str, Probe)]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["Filter", "Service", "State", "Answer"]);
    for (filter, probe) in asked {
        let (state, answer) = match &probe.answer {
            Ok(answer) => ("works", answer.clone()),
            Err(why) => ("FAILS", why.to_string()),
        };
        table.add_row([
            Cell::new(filter),
            Cell::new(printable(&probe.service, ANSWER)),
            Cell::new(state),
            Cell::new(printable(&answer, ANSWER)),
        ]);
    }
    table
}
