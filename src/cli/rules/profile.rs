//! `mailweir rules profile`

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::sorted::{Sorted, SortedArgs, Worth};
use super::{Book, Mode, table};
use crate::filter::bayes::Class;
use crate::filter::rules::Cost;
use crate::tuning::profile::{Overlap, figures, overlaps};

/// Jaccard index above which two rules are said to hit the same messages.
const SAME: f64 = 0.9;

/// `mailweir rules profile`
#[derive(Debug, Args)]
pub(super) struct ProfileArgs {
    #[command(flatten)]
    mail: SortedArgs,
    /// Score from which on a rule can decide; without it the threshold `tag` of the configuration.
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// What the table is ordered by.
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    /// Show only so many rules; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    top: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Order {
    /// Hits, most first.
    #[default]
    Hits,
    /// Time, most first.
    Cost,
    /// Share of spam among hits, least first.
    So,
    /// Messages that it decides, most first.
    Decides,
    /// The order of the files.
    File,
}

#[derive(Serialize)]
struct JsonProfile<'a> {
    version: &'a str,
    threshold: f64,
    ham: usize,
    spam: usize,
    left_out: usize,
    /// Microseconds a message for what rules share.
    shared_us: f64,
    /// Microseconds a message for all rules together, beside that.
    rules_us: f64,
    rules: Vec<JsonRule<'a>>,
    overlaps: Vec<JsonOverlap<'a>>,
    never_hit: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    rule: &'a str,
    mode: Mode,
    score: f64,
    spam: usize,
    ham: usize,
    so: Option<f64>,
    decides_spam: usize,
    decides_ham: usize,
    us: f64,
    cost: Cost,
}

#[derive(Serialize)]
struct JsonOverlap<'a> {
    first: &'a str,
    second: &'a str,
    both: usize,
    jaccard: f64,
}

pub(super) fn run(args: &ProfileArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let threshold = threshold(args.threshold, book)?;
    let sorted = args.mail.read(&book.set)?;
    let (spam, ham) = (sorted.count(Class::Spam), sorted.count(Class::Ham));
    let reports: Vec<bool> = book.set.rules().iter().map(|r| !r.is_silent()).collect();
    let found = figures(&sorted.messages, &Worth::of(&book.set).scale(), threshold);
    let same = overlaps(&sorted.messages, &reports, SAME);
    let id = |number: usize| book.set.rules().get(number).map_or("", |r| r.id());
    let us = |nanos: u64| nanos as f64 / 1000.0 / sorted.messages.len().max(1) as f64;
    let mut rules: Vec<JsonRule<'_>> = book
        .rules()
        .zip(&found)
        .zip(&sorted.nanos)
        .map(|(((rule, written), figures), nanos)| JsonRule {
            rule: rule.id(),
            mode: book.mode(rule, written),
            score: rule.score(),
            spam: figures.spam,
            ham: figures.ham,
            so: figures.spam_over_all(spam, ham),
            decides_spam: figures.decides_spam,
            decides_ham: figures.decides_ham,
            us: us(*nanos),
            cost: book.cost(rule),
        })
        .collect();
    let never_hit: Vec<&str> = rules
        .iter()
        .filter(|r| {
            r.spam + r.ham == 0 && matches!(r.mode, Mode::Scored | Mode::Decisive | Mode::Shadow)
        })
        .map(|r| r.rule)
        .collect();
    match args.order {
        Order::Hits => rules.sort_by_key(|r| std::cmp::Reverse(r.spam + r.ham)),
        Order::Cost => rules.sort_by(|a, b| b.us.total_cmp(&a.us)),
        Order::So => {
            let so = |r: &JsonRule<'_>| r.so.unwrap_or(f64::INFINITY);
            rules.sort_by(|a, b| so(a).total_cmp(&so(b)));
        }
        Order::Decides => {
            rules.sort_by_key(|r| std::cmp::Reverse(r.decides_spam + r.decides_ham));
        }
        Order::File => {}
    }
    if args.top > 0 {
        rules.truncate(args.top);
    }
    let profile = JsonProfile {
        version: book.set.version(),
        threshold,
        ham,
        spam,
        left_out: sorted.left_out,
        shared_us: us(sorted.shared),
        rules_us: us(sorted.nanos.iter().sum()),
        rules,
        overlaps: same.iter().map(|o| overlap(o, &id)).collect(),
        never_hit,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &profile)?;
        writeln!(out)?;
    } else {
        show(&mut out, &profile, &sorted)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The threshold of the command line, or `tag` of the configuration.
pub(super) fn threshold(given: Option<f64>, book: &Book) -> anyhow::Result<f64> {
    let threshold = given.or(book.config.thresholds.tag).ok_or_else(|| {
        anyhow::anyhow!("the configuration has no threshold `tag`: give one with --threshold")
    })?;
    anyhow::ensure!(threshold.is_finite(), "the threshold must be a number");
    Ok(threshold)
}

fn overlap<'a>(overlap: &Overlap, id: &impl Fn(usize) -> &'a str) -> JsonOverlap<'a> {
    JsonOverlap {
        first: id(overlap.first),
        second: id(overlap.second),
        both: overlap.both,
        jaccard: (overlap.jaccard * 1e4).round() / 1e4,
    }
}

fn show(out: &mut impl Write, profile: &JsonProfile<'_>, sorted: &Sorted) -> anyhow::Result<()> {
    let header = [
        "Rule",
        "Score",
        "Spam",
        "Ham",
        "S/O",
        "Decides spam, ham",
        "us a message",
        "Cost",
    ];
    let mut shown = table(&header);
    for rule in &profile.rules {
        let score = match rule.mode {
            Mode::Scored | Mode::Decisive => format!("{:.2}", rule.score),
            other => other.name().to_owned(),
        };
        shown.add_row([
            rule.rule.to_owned(),
            score,
            format!(
                "{} ({})",
                rule.spam,
                super::percent(rule.spam, profile.spam)
            ),
            format!("{} ({})", rule.ham, super::percent(rule.ham, profile.ham)),
            rule.so.map_or("-".to_owned(), |so| format!("{so:.3}")),
            format!("{}, {}", rule.decides_spam, rule.decides_ham),
            format!("{:.2}", rule.us),
            rule.cost.name().to_owned(),
        ]);
    }
    writeln!(out, "{shown}")?;
    if !profile.overlaps.is_empty() {
        writeln!(out, "\nRules that hit the same messages:")?;
        for pair in &profile.overlaps {
            writeln!(
                out,
                "  {} and {}: {} messages in common, Jaccard {:.2}",
                pair.first, pair.second, pair.both, pair.jaccard
            )?;
        }
    }
    if !profile.never_hit.is_empty() {
        writeln!(out, "\nHit nothing here: {}", profile.never_hit.join(", "))?;
    }
    writeln!(
        out,
        "\n{} ham, {} spam, {} not readable; deciding at {:.2}; rules {:.0} us a message, of which {:.0} shared; \
         version {}",
        profile.ham,
        profile.spam,
        sorted.left_out,
        profile.threshold,
        profile.rules_us + profile.shared_us,
        profile.shared_us,
        profile.version
    )?;
    Ok(())
}
