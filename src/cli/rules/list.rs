//! `mailweir rules list`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Book, Mode, table};
use crate::filter::Action;
use crate::filter::rules::{Cost, Rule, Written};
use crate::printable::printable;

/// `mailweir rules list`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only rules that ask this place or key: subject, text, url, "header list-id".
    #[arg(long, value_name = "PLACE")]
    place: Option<String>,
    /// Only rules of files with this in their path.
    #[arg(long, value_name = "TEXT")]
    file: Option<String>,
    /// Only rules that do this.
    #[arg(long)]
    mode: Option<Mode>,
    /// Only rules of which something always looks at so much of a message.
    #[arg(long, value_parser = cost, value_name = "COST")]
    cost: Option<Cost>,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

fn cost(text: &str) -> Result<Cost, String> {
    [Cost::Gated, Cost::Short, Cost::Long]
        .into_iter()
        .find(|c| c.name() == text)
        .ok_or_else(|| "gated, short or long".to_owned())
}

/// A rule as JSON; `show` adds to it.
#[derive(Serialize)]
pub(super) struct JsonRule<'a> {
    id: &'a str,
    description: &'a str,
    mode: Mode,
    score: f64,
    /// What the file says; differs where configuration changes it.
    written_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisive: Option<Action>,
    file: String,
    line: usize,
    asks: &'a [String],
    refers_to: &'a [String],
    lists: Vec<&'a str>,
    group: Option<&'a str>,
    labels: Vec<&'a str>,
    expires: Option<String>,
    /// Whether it is on for the mail of some recipients only.
    scoped: bool,
    cost: Cost,
    tests_hit: usize,
    tests_miss: usize,
}

impl<'a> JsonRule<'a> {
    pub(super) fn new(book: &'a Book, rule: &'a Rule, written: &'a Written) -> JsonRule<'a> {
        JsonRule {
            id: rule.id(),
            description: rule.description(),
            mode: book.mode(rule, written),
            score: rule.score(),
            written_score: written.score,
            decisive: rule.decisive(),
            file: written.source.path().display().to_string(),
            line: written.line(),
            asks: &written.asks,
            refers_to: &written.refers_to,
            lists: rule.lists().iter().map(AsRef::as_ref).collect(),
            group: book.set.group_of(rule).map(|g| g.name()),
            labels: rule.labels().iter().map(AsRef::as_ref).collect(),
            expires: rule.expires().map(|day| day.to_string()),
            scoped: rule.is_scoped(),
            cost: book.cost(rule),
            tests_hit: written.tests.0,
            tests_miss: written.tests.1,
        }
    }
}

pub(super) fn run(args: &ListArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let wanted = |(rule, written): &(&Rule, &Written)| {
        let place = |p: &String| written.asks.iter().any(|a| a.eq_ignore_ascii_case(p));
        let file = |f: &String| written.source.path().to_string_lossy().contains(f.as_str());
        args.place.as_ref().is_none_or(place)
            && args.file.as_ref().is_none_or(file)
            && args
                .mode
                .is_none_or(|mode| mode == book.mode(rule, written))
            && args.cost.is_none_or(|cost| cost == book.cost(rule))
    };
    let chosen: Vec<(&Rule, &Written)> = book.rules().filter(wanted).collect();
    let mut out = std::io::stdout().lock();
    if args.json {
        let all = chosen
            .iter()
            .map(|(rule, written)| JsonRule::new(book, rule, written));
        serde_json::to_writer_pretty(&mut out, &all.collect::<Vec<_>>())?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["Rule", "Score", "Does", "Asks", "Cost", "Tests", "Where"]);
    for (rule, written) in &chosen {
        let mode = book.mode(rule, written);
        let mut asks = written.asks.join(", ");
        if !written.refers_to.is_empty() {
            let others = if asks.is_empty() { "rules" } else { ", rules" };
            asks.push_str(others);
        }
        shown.add_row([
            rule.id().to_owned(),
            match mode {
                Mode::Silent | Mode::Disabled => String::new(),
                Mode::Scored | Mode::Decisive | Mode::Shadow => format!("{:.2}", rule.score()),
            },
            mode.name().to_owned(),
            printable(&asks, 60),
            book.cost(rule).name().to_owned(),
            format!("{}+{}", written.tests.0, written.tests.1),
            printable(rule.origin(), 200),
        ]);
    }
    writeln!(out, "{shown}")?;
    writeln!(
        out,
        "{} of {} rules, version {}",
        chosen.len(),
        book.set.rules().len(),
        book.set.version()
    )?;
    Ok(ExitCode::SUCCESS)
}
