//! `mailweir rules tune`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::profile::threshold;
use super::sorted::{SortedArgs, Worth};
use super::{Book, table};
use crate::filter::bayes::Class;
use crate::filter::rules::scores_text;
use crate::printable::printable_path;
use crate::tuning::Rates;
use crate::tuning::fit::Knob;
use crate::tuning::profile::figures;
use crate::tuning::selection::{Selected, Selection};
use crate::workbench::interval::Share;

/// `mailweir rules tune`
#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    #[command(flatten)]
    mail: SortedArgs,
    /// Where the scores go, for `rules.scores_file`; without it they are only shown. A file that is there is
    /// not touched.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Share of wanted mail that may reach the threshold by rules: 0.1% or 0.001.
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = share)]
    max_ham_lost: f64,
    /// Score that counts as spam; without it the threshold `tag` of the configuration.
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// Largest score that a rule may get, either way; a rule that has more keeps at most what it has.
    #[arg(long, value_name = "SCORE", default_value_t = 5.0, value_parser = positive)]
    max_score: f64,
    /// Rules of fewer hits keep their scores.
    #[arg(long, value_name = "N", default_value_t = 5)]
    min_hits: usize,
    /// How strongly scores are held where they are.
    #[arg(long, value_name = "WEIGHT", default_value_t = 2.0, value_parser = positive)]
    pull: f64,
    /// Let rules change from speaking for a message to speaking against it, and fit rules of score 0.
    #[arg(long)]
    any_sign: bool,
    /// Parts of the cross-validation.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=50))]
    folds: u16,
    /// Seed of the parts; the same seed gives the same scores.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 0.01),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&(value * scale)) => Ok(value * scale),
        _ => Err("a share such as 0.1% or 0.001, 0 to 100%".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 100.0 => Ok(value),
        _ => Err("a number above 0, at most 100".to_owned()),
    }
}

#[derive(Serialize)]
struct JsonTuned<'a> {
    threshold: f64,
    max_ham_lost: f64,
    within_limit: bool,
    ham_weight: f64,
    folds: u16,
    seed: u64,
    old: JsonRates,
    new: JsonRates,
    scores: Vec<JsonScore<'a>>,
}

#[derive(Serialize)]
struct JsonRates {
    ham_lost: JsonShare,
    spam_caught: JsonShare,
}

#[derive(Serialize)]
struct JsonShare {
    part: usize,
    whole: usize,
    share: f64,
    /// 95 % interval.
    interval: (f64, f64),
}

#[derive(Serialize)]
struct JsonScore<'a> {
    rule: &'a str,
    old: f64,
    new: f64,
    spam: usize,
    ham: usize,
}

impl From<Share> for JsonShare {
    fn from(share: Share) -> Self {
        JsonShare {
            part: share.part,
            whole: share.whole,
            share: share.value(),
            interval: share.interval(),
        }
    }
}

impl From<Rates> for JsonRates {
    fn from(rates: Rates) -> Self {
        JsonRates {
            ham_lost: rates.lost.into(),
            spam_caught: rates.caught.into(),
        }
    }
}

pub(super) fn run(args: &TuneArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let threshold = threshold(args.threshold, book)?;
    if let Some(path) = &args.out {
        // Found out before the work, not after it.
        anyhow::ensure!(!path.exists(), "{} is there already", printable_path(path));
    }
    let sorted = args.mail.read(&book.set)?;
    let worth = Worth::of(&book.set);
    let found = figures(&sorted.messages, &worth.scale(), threshold);
    let rules = book.set.rules();
    let knobs: Vec<Knob> = rules
        .iter()
        .zip(&worth.scores)
        .zip(&found)
        .map(|((rule, old), figures)| {
            let stays = rule.is_silent()
                || rule.is_shadow()
                || rule.per_occurrence().is_some()
                // What `scores` says counts more than the file that is written.
                || book.config.file.rules.scores.contains_key(rule.id())
                || figures.spam + figures.ham < args.min_hits
                || (*old == 0.0 && !args.any_sign);
            knob(*old, stays, args)
        })
        .collect();
    let selected = Selection {
        threshold,
        max_lost: args.max_ham_lost,
        folds: usize::from(args.folds),
        seed: args.seed,
        pull: args.pull,
    }
    .select(&sorted.messages, &knobs, &worth.groups, &worth.caps);
    let mut changed: Vec<JsonScore<'_>> = rules
        .iter()
        .zip(&knobs)
        .zip(selected.scores.iter().zip(&found))
        .filter(|((_, knob), (new, _))| knob.old != **new)
        .map(|((rule, knob), (new, figures))| JsonScore {
            rule: rule.id(),
            old: knob.old,
            new: *new,
            spam: figures.spam,
            ham: figures.ham,
        })
        .collect();
    changed.sort_by(|a, b| (b.new - b.old).abs().total_cmp(&(a.new - a.old).abs()));
    let mut out = std::io::stdout().lock();
    if args.json {
        let told = JsonTuned {
            threshold,
            max_ham_lost: args.max_ham_lost,
            within_limit: selected.within_limit,
            ham_weight: selected.ham_weight,
            folds: args.folds,
            seed: args.seed,
            old: selected.old_rates.into(),
            new: selected.rates.into(),
            scores: changed,
        };
        serde_json::to_writer_pretty(&mut out, &told)?;
        writeln!(out)?;
        write_scores(args, book, &selected)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown_scores = table(&["Rule", "Old", "New", "Spam", "Ham"]);
    for score in &changed {
        shown_scores.add_row([
            score.rule.to_owned(),
            format!("{:.2}", score.old),
            format!("{:.2}", score.new),
            score.spam.to_string(),
            score.ham.to_string(),
        ]);
    }
    writeln!(out, "{shown_scores}")?;
    writeln!(
        out,
        "{} scores change, {} stay. Rules alone, at {threshold:.2} points:\n",
        changed.len(),
        rules.len() - changed.len()
    )?;
    rates(&mut out, &selected)?;
    if !selected.within_limit {
        writeln!(
            out,
            "\nNo scores within the bounds keep lost ham at {:.3} %: these lose the least.",
            100.0 * args.max_ham_lost
        )?;
    }
    let [ham, spam] = [Class::Ham, Class::Spam].map(|class| sorted.count(class));
    if ham.min(spam) < 200 {
        writeln!(
            out,
            "\nThis is little mail ({ham} ham, {spam} spam): mind the intervals."
        )?;
    }
    out.flush()?;
    write_scores(args, book, &selected)?;
    if let Some(path) = &args.out {
        writeln!(
            out,
            "\nWritten to {0}. To use it: rules: {{ scores_file: {0} }}",
            printable_path(path)
        )?;
        if book.config.file.rules.scores_file.is_some() {
            writeln!(
                out,
                "It takes the place of the file of scores in force, whose other scores are in it too."
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn knob(old: f64, stays: bool, args: &TuneArgs) -> Knob {
    let most = args.max_score.max(old.abs());
    let (least, most) = match (stays, args.any_sign) {
        (true, _) => (old, old),
        (false, true) => (-most, most),
        (false, false) if old > 0.0 => (0.0, most),
        (false, false) => (-most, 0.0),
    };
    Knob { old, least, most }
}

fn rates(out: &mut impl Write, selected: &Selected) -> std::io::Result<()> {
    let mut shown = table(&[
        "",
        "Ham lost",
        "95 % interval",
        "Spam caught",
        "95 % interval",
    ]);
    let (old, new) = (&selected.old_rates, &selected.rates);
    for (title, rates) in [("old scores", old), ("new scores, on mail kept aside", new)] {
        let [lost, caught] = [rates.lost, rates.caught].map(|share| {
            let (low, high) = share.interval();
            [
                format!(
                    "{} of {} = {:.2} %",
                    share.part,
                    share.whole,
                    100.0 * share.value()
                ),
                format!("{:.2} to {:.2} %", 100.0 * low, 100.0 * high),
            ]
        });
        let cells = std::iter::once(title.to_owned()).chain(lost).chain(caught);
        shown.add_row(cells.collect::<Vec<_>>());
    }
    writeln!(out, "{shown}")
}

/// Writes every score that is not the one in the rule file, those of a file of scores in force included: the
/// new file takes its place.
fn write_scores(args: &TuneArgs, book: &Book, selected: &Selected) -> anyhow::Result<()> {
    let Some(path) = &args.out else { return Ok(()) };
    let configured = &book.config.file.rules.scores;
    let mut sorted: Vec<(&str, f64)> = book
        .rules()
        .zip(&selected.scores)
        .filter(|((rule, _), _)| !rule.is_silent() && !configured.contains_key(rule.id()))
        .filter_map(|((rule, written), fitted)| {
            // Rules on trial count nothing in the fit and keep their score.
            let score = if rule.is_shadow() {
                rule.score()
            } else {
                *fitted
            };
            (written.score? != score).then_some((rule.id(), score))
        })
        .collect();
    sorted.sort_by_key(|(id, _)| *id);
    let about = format!(
        "Scores fitted by `mailweir rules tune` for the rules of version {}.\n\
         Ham lost {:.2} %, spam caught {:.2} % by rules alone, on mail kept aside.",
        book.set.version(),
        100.0 * selected.rates.lost.value(),
        100.0 * selected.rates.caught.value()
    );
    let text = scores_text(&about, sorted.into_iter());
    let cannot = || format!("cannot write {}", printable_path(path));
    // Never over a file that is there: it may be one that somebody edits.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)?;
    file.sync_all().with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_percent_and_plain() {
        assert_eq!(share("0.1%"), Ok(0.001));
        assert_eq!(share("0.02"), Ok(0.02));
        for wrong in ["101%", "-1%", "2", "x", "", "%", "nan"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
