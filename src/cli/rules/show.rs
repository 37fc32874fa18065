//! `mailweir rules show`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::list::JsonRule;
use super::{Book, Mode};
use crate::filter::rules::{Rule, Written, literals};
use crate::printable::{printable, visible};

/// Longest line of a rule that is shown, characters.
const LINE: usize = 4096;
/// Literals of a pattern that are shown.
const LITERALS: usize = 12;

/// `mailweir rules show`
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Ids of rules.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonShown<'a> {
    #[serde(flatten)]
    rule: JsonRule<'a>,
    referred_to_by: Vec<&'a str>,
    patterns: Vec<JsonPattern<'a>>,
    text: &'a str,
}

#[derive(Serialize)]
struct JsonPattern<'a> {
    place: &'a str,
    pattern: &'a str,
    /// One of these occurs in every match; absent for a pattern that runs on every text.
    literals: Option<Vec<String>>,
}

pub(super) fn run(args: &ShowArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let mut chosen: Vec<(&Rule, &Written)> = Vec::new();
    let mut missing = 0;
    for id in &args.ids {
        match book.rules().find(|(rule, _)| rule.id() == id) {
            Some(found) => chosen.push(found),
            None => {
                missing += 1;
                eprintln!("mailweir: there is no rule {}", printable(id, 100));
            }
        }
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let shown: Vec<JsonShown<'_>> = chosen
            .iter()
            .map(|(rule, written)| JsonShown {
                rule: JsonRule::new(book, rule, written),
                referred_to_by: referred_by(book, rule.id()),
                patterns: patterns(written),
                text: written.text(),
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        for (number, (rule, written)) in chosen.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            show(&mut out, book, rule, written)?;
        }
    }
    Ok(match missing {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn show(out: &mut impl Write, book: &Book, rule: &Rule, written: &Written) -> std::io::Result<()> {
    writeln!(out, "{}: {}", rule.id(), printable(rule.description(), 400))?;
    let does = match book.mode(rule, written) {
        Mode::Scored => format!("{:.2} points a hit", rule.score()),
        Mode::Decisive => {
            let action = rule.decisive().map_or("", |a| a.name());
            format!("{:.2} points a hit, which decides: {action}", rule.score())
        }
        Mode::Shadow => format!(
            "shown and counted only; {:.2} points once it is live",
            rule.score()
        ),
        Mode::Silent => "reports nothing, serves other rules".to_owned(),
        Mode::Disabled => "disabled by configuration".to_owned(),
    };
    writeln!(out, "does         {does}")?;
    if let Some(own) = written.score.filter(|own| *own != rule.score()) {
        writeln!(
            out,
            "             {own:.2} in its file; changed by configuration"
        )?;
    }
    writeln!(out, "where        {}", printable(rule.origin(), 300))?;
    writeln!(out, "cost         {}", book.cost(rule).name())?;
    writeln!(
        out,
        "tests        {} must hit, {} must not",
        written.tests.0, written.tests.1
    )?;
    let group = book.set.group_of(rule);
    let group = group.map(|g| format!("{}, at most {:.2} points", g.name(), g.cap()));
    let lists = (!rule.lists().is_empty()).then(|| rule.lists().join(", "));
    let labels = (!rule.labels().is_empty()).then(|| rule.labels().join(", "));
    let expires = rule.expires().map(|day| day.to_string());
    let scoped = rule
        .is_scoped()
        .then(|| "the mail of some recipients only".to_owned());
    for (title, told) in [
        ("group", group),
        ("lists", lists),
        ("labels", labels),
        ("expires", expires),
        ("on for", scoped),
    ] {
        if let Some(told) = told {
            writeln!(out, "{title:<12} {}", printable(&told, 600))?;
        }
    }
    for (title, ids) in [
        (
            "refers to",
            written.refers_to.iter().map(String::as_str).collect(),
        ),
        ("referred by", referred_by(book, rule.id())),
    ] {
        if !ids.is_empty() {
            writeln!(out, "{title:<12} {}", printable(&ids.join(", "), 1000))?;
        }
    }
    for pattern in patterns(written) {
        let told = match &pattern.literals {
            None => "runs on every text: no literal occurs in every match".to_owned(),
            Some(literals) => {
                let quoted = literals.iter().take(LITERALS).map(|l| format!("{l:?}"));
                let more = literals.len().saturating_sub(LITERALS);
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(
                    "runs where one of these occurs: {}{more}",
                    quoted.collect::<Vec<_>>().join(", ")
                )
            }
        };
        writeln!(
            out,
            "{:<12} {}",
            printable(pattern.place, 40),
            printable(&told, 600)
        )?;
    }
    writeln!(out)?;
    // The first line begins at the rule's `-`; the others come as far to the left as it.
    let (_, column) = written.source.line_column(written.span.start);
    for line in written.text().lines() {
        let blank = line.len() - line.trim_start_matches(' ').len();
        let line = line.get(blank.min(column - 1)..).unwrap_or(line);
        writeln!(out, "    {}", visible(line, LINE))?;
    }
    Ok(())
}

fn referred_by<'a>(book: &'a Book, id: &str) -> Vec<&'a str> {
    book.rules()
        .filter(|(_, written)| written.refers_to.iter().any(|r| r == id))
        .map(|(rule, _)| rule.id())
        .collect()
}

fn patterns(written: &Written) -> Vec<JsonPattern<'_>> {
    written
        .patterns
        .iter()
        .map(|(place, pattern)| JsonPattern {
            place,
            pattern,
            literals: literals(pattern),
        })
        .collect()
}
