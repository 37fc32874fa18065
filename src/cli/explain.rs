//! `mailweir explain`: why a message got its verdict, down to the line of the rule file.

pub(super) mod entry_lines;
mod files;
pub(super) mod past;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::examination::{EnvelopeArgs, Examined, JsonResult};
use super::{ConfigArgs, logging, tokens, told};
use crate::config::{Config, FilterName};
use crate::filter::rules::{Held, RuleSet, Step};
use crate::filter::{attachments, bayes};
use crate::history::State;
use crate::mail::corpus::Corpus;
use crate::metrics::Metrics;
use crate::printable::{printable, visible};
use crate::server::Engine;
use crate::workbench::tokens::Tokens;

/// Say why messages get their verdicts: filters, hits, what matched, where, by which line of which file.
///
/// Messages in files: the configured chain runs as it does for `scan`. Ids, as log and header have them: what the history
/// keeps of the message, is shown; nothing runs again. With --rule, the conditions of one rule are shown with how
/// each came out, which also tells why it did not hit. Exit codes: 0 done; 1 a message could not be read, the
/// configuration has problems, or there is no such rule; 2 the command line is wrong.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    envelope: EnvelopeArgs,
    /// Show every condition of this rule, and how it came out; may be repeated.
    #[arg(long, value_name = "ID")]
    rule: Vec<String>,
    /// Features of each side that the classifier shows; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(..=1000))]
    tokens: u16,
    /// Print one JSON object a message.
    #[arg(long)]
    json: bool,
    /// Messages, folders of them, Maildirs or mboxes; or ids of messages in the history.
    #[arg(required = true, value_name = "FILE|ID")]
    files: Vec<PathBuf>,
}

/// Longest text from a message in a line, characters.
const SHOWN: usize = 160;

pub(super) fn run(args: &ExplainArgs, config: &Config) -> anyhow::Result<ExitCode> {
    logging::start(config.log());
    super::runtime()?.block_on(async {
        let metrics = Arc::new(Metrics::new()?);
        let Some(engine) = told(Engine::build(config, &metrics)) else {
            return Ok(ExitCode::FAILURE);
        };
        let classifier = classifier(args, config)?;
        for id in &args.rule {
            if engine.rules().and_then(|set| set.rule(id)).is_none() {
                bail!("there is no rule {} in the chain", printable(id, SHOWN));
            }
        }
        for path in &args.files {
            if let Some(id) = past::id(path) {
                anyhow::ensure!(
                    args.rule.is_empty(),
                    "the conditions of a rule are looked at in a message, so --rule needs a file"
                );
                let set = engine.rules().map(Arc::as_ref);
                past::explain(config, args.json, set, &id).await?;
                continue;
            }
            for sample in Corpus::new(path) {
                let sample = sample.context("cannot read a message")?;
                let examined = Examined::new(&engine, &args.envelope, sample).await;
                let tokens = classifier
                    .as_ref()
                    .map(|c| Tokens::of(c, &examined.scan.mail, usize::from(args.tokens)));
                explain(args, engine.rules().map(Arc::as_ref), &examined, tokens)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The model in use, where it is asked and its features are wanted.
fn classifier(args: &ExplainArgs, config: &Config) -> anyhow::Result<Option<bayes::Engine>> {
    let wanted = args.tokens > 0 && args.rule.is_empty();
    if !wanted || !config.chain.contains(&FilterName::Bayes) {
        return Ok(None);
    }
    let options = &config.file.bayes;
    let path = options.model_path(&config.base, &config.data_dir);
    Ok(bayes::current(&path, options.engine)?)
}

#[derive(Serialize)]
struct JsonExplained<'a> {
    #[serde(flatten)]
    result: JsonResult<'a>,
    /// For each hit of a rule: where it stands, what it means, what matched.
    rules: Vec<JsonRule<'a>>,
    /// The files of the message, the first 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<files::JsonFile<'a>>,
    /// What spoke most to the classifier for either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    /// For each rule that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asked: Vec<JsonAsked<'a>>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    rule: &'a str,
    description: &'a str,
    origin: &'a str,
    matches: Vec<Step>,
}

#[derive(Serialize)]
struct JsonAsked<'a> {
    rule: &'a str,
    hits: bool,
    steps: Vec<Step>,
}

fn explain(
    args: &ExplainArgs,
    set: Option<&RuleSet>,
    examined: &Examined,
    tokens: Option<Tokens>,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let content = examined.scan.content.get();
    let held = Held::of(&examined.scan);
    let asked = |id| {
        let scan = &examined.scan;
        set.and_then(|set| set.explain(&scan.envelope, &scan.mail, held.known(), id))
            .unwrap_or_default()
    };
    if args.json {
        let of_rules = examined
            .verdict
            .hits()
            .filter(|(filter, _)| *filter == "rules");
        let rules = of_rules
            .filter_map(|(_, hit)| set?.rule(&hit.rule))
            .map(|rule| JsonRule {
                rule: rule.id(),
                description: rule.description(),
                origin: rule.origin(),
                matches: matches(asked(rule.id())),
            });
        let json = JsonExplained {
            result: examined.json(),
            rules: rules.collect(),
            files: content.as_deref().map(files::json).unwrap_or_default(),
            tokens,
            asked: args
                .rule
                .iter()
                .map(|id| {
                    let steps = asked(id);
                    JsonAsked {
                        rule: id,
                        hits: steps.first().is_some_and(|s| s.holds),
                        steps,
                    }
                })
                .collect(),
        };
        writeln!(out, "{}", serde_json::to_string(&json)?)?;
        return Ok(());
    }
    if !args.rule.is_empty() {
        writeln!(out, "{}", printable(&examined.path, SHOWN))?;
        for id in &args.rule {
            tree(&mut out, id, &asked(id))?;
        }
        return Ok(());
    }
    let entry = examined.entry();
    entry_lines::verdict(&mut out, &examined.path, &entry)?;
    entry_lines::policies(&mut out, &entry)?;
    for report in &entry.outcomes {
        entry_lines::outcome(&mut out, report)?;
        for hit in &report.hits {
            let rule = set.and_then(|set| set.rule(&hit.rule));
            let rule = rule.filter(|_| report.filter == "rules");
            entry_lines::hit(&mut out, hit, rule.map(|r| r.description()))?;
            match rule {
                Some(rule) => {
                    writeln!(out, "             {}", printable(rule.origin(), SHOWN))?;
                    for step in matches(asked(rule.id())) {
                        matched(&mut out, &step)?;
                    }
                }
                None => entry_lines::evidence(&mut out, hit)?,
            }
        }
        if report.filter == attachments::NAME
            && let Some(content) = &content
        {
            files::lines(&mut out, content)?;
        }
        let checked = report.outcome == State::Checked;
        if let Some(tokens) = tokens
            .as_ref()
            .filter(|_| checked && report.filter == "bayes")
        {
            writeln!(out, "             {}", tokens::said(tokens))?;
            tokens::sides(&mut out, tokens, "             ")?;
        }
    }
    writeln!(out)?;
    Ok(())
}

fn matched(out: &mut impl Write, step: &Step) -> std::io::Result<()> {
    let origin = step.origin.as_deref().unwrap_or_default();
    // The file is that of the rule, or of one that it refers to; the line tells them apart.
    let evidence = step.evidence.as_deref().unwrap_or_default();
    writeln!(
        out,
        "               {}  ({})",
        printable(evidence, SHOWN),
        printable(origin, SHOWN)
    )
}

/// The questions that hold and show something, conditions below a `not` left out.
fn matches(steps: Vec<Step>) -> Vec<Step> {
    let mut negated: Option<usize> = None;
    let mut found: Vec<Step> = Vec::new();
    for step in steps {
        if negated.is_some_and(|depth| step.depth > depth) {
            continue;
        }
        negated = (step.what == "not" && step.evidence.is_none()).then_some(step.depth);
        if step.holds && step.evidence.is_some() && step.origin.is_some() {
            found.push(step);
        }
    }
    found
}

/// The conditions of a rule as a tree.
fn tree(out: &mut impl Write, id: &str, steps: &[Step]) -> std::io::Result<()> {
    let hits = steps.first().is_some_and(|s| s.holds);
    writeln!(out, "  {id} {}", if hits { "hits" } else { "does not hit" })?;
    for step in steps {
        let mark = if step.holds { "yes" } else { "no" };
        write!(
            out,
            "    {mark:<3}  {:indent$}",
            "",
            indent = step.depth * 2
        )?;
        match (&step.line, &step.evidence) {
            (Some(line), evidence) => {
                write!(out, "{}", visible(line, SHOWN))?;
                if let Some(evidence) = evidence {
                    write!(out, "  -> {}", printable(evidence, SHOWN))?;
                }
                let origin = step.origin.as_deref().unwrap_or_default();
                writeln!(out, "  ({})", printable(origin, SHOWN))?;
            }
            (None, _) => writeln!(out, "{}", step.what)?,
        }
    }
    Ok(())
}
