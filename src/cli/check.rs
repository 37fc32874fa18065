//! `mailweir check`: the configuration and everything that it names.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::ConfigArgs;
use crate::config::{Config, Problems};
use crate::metrics::Metrics;
use crate::server::Engine;

/// `mailweir check`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let metrics = Arc::new(Metrics::new()?);
    let checked = runtime.block_on(async { check(args, &metrics) });
    match checked {
        Ok(config) => {
            println!("{} is in order", config.source.path().display());
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            eprintln!("{problems}");
            eprintln!("\n{} problems", problems.0.len());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn check(args: &CheckArgs, metrics: &Arc<Metrics>) -> Result<Config, Problems> {
    let config = args.config.load()?;
    Engine::build(&config, metrics)?;
    Ok(config)
}
