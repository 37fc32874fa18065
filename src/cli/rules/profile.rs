//! `mailweir rules profile`

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::sorted::{SortedArgs, Worth};
use super::{Book, Mode, table};
use crate::filter::bayes::Class;
use crate::filter::rules::{Rule, Written};
use crate::printable::printable_path;
use crate::tuning::profile::{Figures, Overlap, figures, overlaps};
use crate::tuning::report::{Pair, Profile, Profiled};

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
    /// Keep all of it in the data folder too, where the console shows it beside the rules.
    #[arg(long)]
    keep: bool,
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

pub(super) fn run(args: &ProfileArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let threshold = threshold(args.threshold, book)?;
    let sorted = args.mail.read(&book.set)?;
    let (spam, ham) = (sorted.count(Class::Spam), sorted.count(Class::Ham));
    let reports: Vec<bool> = book.set.rules().iter().map(|r| !r.is_silent()).collect();
    let found = figures(&sorted.messages, &Worth::of(&book.set).scale(), threshold);
    let same = overlaps(&sorted.messages, &reports, SAME);
    let id = |number: usize| book.set.rules().get(number).map_or("", |r| r.id());
    let us = |nanos: u64| nanos as f64 / 1000.0 / sorted.messages.len().max(1) as f64;
    let rule =
        |(((rule, written), figures), nanos): (((&Rule, &Written), &Figures), &u64)| Profiled {
            rule: rule.id().to_owned(),
            mode: book.mode(rule, written).name().into(),
            score: rule.score(),
            spam: figures.spam,
            ham: figures.ham,
            so: figures.spam_over_all(spam, ham),
            decides_spam: figures.decides_spam,
            decides_ham: figures.decides_ham,
            us: us(*nanos),
            cost: book.cost(rule).name().into(),
        };
    let rules: Vec<Profiled> = book
        .rules()
        .zip(&found)
        .zip(&sorted.nanos)
        .map(rule)
        .collect();
    let was_to_hit = [Mode::Scored, Mode::Decisive, Mode::Shadow].map(Mode::name);
    let never_hit = rules
        .iter()
        .filter(|r| r.spam + r.ham == 0 && was_to_hit.contains(&r.mode.as_ref()))
        .map(|r| r.rule.clone());
    let mut profile = Profile {
        at: Timestamp::now().as_second(),
        version: book.set.version().to_owned(),
        threshold,
        ham,
        spam,
        left_out: sorted.left_out,
        shared_us: us(sorted.shared),
        rules_us: us(sorted.nanos.iter().sum()),
        overlaps: same.iter().map(|o| pair(o, &id)).collect(),
        never_hit: never_hit.collect(),
        rules,
    };
    if args.keep {
        let path = profile.keep(&book.config.data_dir)?;
        eprintln!("kept in {}", printable_path(&path));
    }
    order(&mut profile.rules, args.order);
    if args.top > 0 {
        profile.rules.truncate(args.top);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &profile)?;
        writeln!(out)?;
    } else {
        show(&mut out, &profile)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn order(rules: &mut [Profiled], by: Order) {
    match by {
        Order::Hits => rules.sort_by_key(|r| std::cmp::Reverse(r.spam + r.ham)),
        Order::Cost => rules.sort_by(|a, b| b.us.total_cmp(&a.us)),
        Order::So => {
            let so = |r: &Profiled| r.so.unwrap_or(f64::INFINITY);
            rules.sort_by(|a, b| so(a).total_cmp(&so(b)));
        }
        Order::Decides => {
            rules.sort_by_key(|r| std::cmp::Reverse(r.decides_spam + r.decides_ham));
        }
        Order::File => {}
    }
}

/// The threshold of the command line, or `tag` of the configuration.
pub(super) fn threshold(given: Option<f64>, book: &Book) -> anyhow::Result<f64> {
    let threshold = given.or(book.config.thresholds.tag).ok_or_else(|| {
        anyhow::anyhow!("the configuration has no threshold `tag`: give one with --threshold")
    })?;
    anyhow::ensure!(threshold.is_finite(), "the threshold must be a number");
    Ok(threshold)
}

fn pair<'a>(overlap: &Overlap, id: &impl Fn(usize) -> &'a str) -> Pair {
    Pair {
        first: id(overlap.first).to_owned(),
        second: id(overlap.second).to_owned(),
        both: overlap.both,
        jaccard: (overlap.jaccard * 1e4).round() / 1e4,
    }
}

fn show(out: &mut impl Write, profile: &Profile) -> anyhow::Result<()> {
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
        let weighs = [Mode::Scored, Mode::Decisive].map(Mode::name);
        let score = match weighs.contains(&rule.mode.as_ref()) {
            true => format!("{:.2}", rule.score),
            false => rule.mode.to_string(),
        };
        shown.add_row([
            rule.rule.clone(),
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
            rule.cost.to_string(),
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
        profile.left_out,
        profile.threshold,
        profile.rules_us + profile.shared_us,
        profile.shared_us,
        profile.version
    )?;
    Ok(())
}
