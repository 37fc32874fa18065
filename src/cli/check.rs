//! `mailweir check`: the configuration and everything that it names.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use futures_util::future::join;

use super::ConfigArgs;
use super::printable::printable;
use crate::config::{Config, FilterName, Problems};
use crate::filter::{Probe, clamav, dnsbl};
use crate::metrics::Metrics;
use crate::server::Engine;

/// Exit code with `--strict` when the file is in order and a service is not.
const SERVICE: u8 = 3;
/// Longest answer of a service that is shown, characters.
const ANSWER: usize = 200;

/// Check the configuration and everything that it names, and say what is wrong and where.
///
/// First the file, the rules and the model; then, unless --offline is given, each ClamAV server and each DNS
/// list of the chain is asked whether it works, all at once: a server within clamav.connect_timeout for
/// PING and VERSION, a list within dnsbl.timeout for its test entries (RFC 5782). A service that does not
/// answer is a warning: the configuration can be in order while a service is down.
///
/// Exit codes: 0 the configuration is in order; 1 it is not; 2 the command line is wrong; 3 with --strict, when
/// a service does not answer as it should.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Leave the network alone: ask no ClamAV server and no DNS list.
    #[arg(long)]
    offline: bool,
    /// Exit with 3 when a service does not answer as it should.
    #[arg(long, conflicts_with = "offline")]
    strict: bool,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let metrics = Arc::new(Metrics::new()?);
    let checked = runtime.block_on(async {
        let config = check(args, &metrics)?;
        let asked = match args.offline {
            true => Vec::new(),
            false => ask(&config).await?,
        };
        Ok::<_, Problems>((config, asked))
    });
    let (config, asked) = match checked {
        Ok(checked) => checked,
        Err(problems) => {
            eprintln!("{problems}");
            eprintln!("\n{} problems", problems.0.len());
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} is in order", config.source.path().display())?;
    if asked.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "\n{}", table(&asked))?;
    let failed = asked.iter().filter(|(_, p)| p.answer.is_err()).count();
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    out.flush()?;
    eprintln!("warning: {failed} of {} services do not work", asked.len());
    Ok(match args.strict {
        true => ExitCode::from(SERVICE),
        false => ExitCode::SUCCESS,
    })
}

fn check(args: &CheckArgs, metrics: &Arc<Metrics>) -> Result<Config, Problems> {
    let config = args.config.load()?;
    Engine::build(&config, metrics)?;
    Ok(config)
}

/// Every service of the filters in the chain, with the name of the filter.
async fn ask(config: &Config) -> Result<Vec<(&'static str, Probe)>, Problems> {
    let has = |name| config.chain.contains(&name);
    let lists = async {
        match has(FilterName::Dnsbl) {
            true => dnsbl::health(&config.file.dnsbl, &config.source).await,
            false => Ok(Vec::new()),
        }
    };
    let servers = async {
        match has(FilterName::Clamav) {
            true => clamav::health(&config.file.clamav).await,
            false => Vec::new(),
        }
    };
    let (lists, servers) = join(lists, servers).await;
    let lists = lists?.into_iter().map(|probe| ("dnsbl", probe));
    let servers = servers.into_iter().map(|probe| ("clamav", probe));
    Ok(lists.chain(servers).collect())
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
