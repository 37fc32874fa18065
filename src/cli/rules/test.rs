//! `mailweir rules test`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Book, Mode, table};
use crate::cli::examination::{EnvelopeArgs, name};
use crate::filter::Hit;
use crate::mail::Mail;
use crate::mail::corpus::Corpus;
use crate::printable::printable;
use crate::verdict::rounded;

/// `mailweir rules test`
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    envelope: EnvelopeArgs,
    /// Print one JSON object for the tests, and one a message.
    #[arg(long)]
    json: bool,
    /// Messages to try the rules on: files, folders, Maildirs or mboxes.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct JsonTests<'a> {
    rules: usize,
    tests: usize,
    without_tests: Vec<&'a str>,
    version: &'a str,
}

#[derive(Serialize)]
struct JsonMessage<'a> {
    path: &'a str,
    score: f64,
    hits: &'a [Hit],
}

/// The set is loaded, so its tests have passed: a test that fails refuses the set and is shown instead.
pub(super) fn run(args: &TestArgs, book: &Book) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let tests: usize = book.written.iter().map(|w| w.tests.0 + w.tests.1).sum();
    let without: Vec<&str> = book
        .rules()
        .filter(|(rule, w)| w.tests == (0, 0) && book.mode(rule, w) != Mode::Silent)
        .map(|(rule, _)| rule.id())
        .collect();
    if args.json {
        let told = JsonTests {
            rules: book.written.len(),
            tests,
            without_tests: without,
            version: book.set.version(),
        };
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        writeln!(
            out,
            "{tests} tests of {} rules passed; {} rules have none; version {}",
            book.written.len(),
            without.len(),
            book.set.version()
        )?;
    }
    let mut failed = false;
    for sample in args.files.iter().flat_map(Corpus::new) {
        let sample = match sample {
            Ok(sample) => sample,
            Err(e) => {
                failed = true;
                eprintln!("mailweir: {}", printable(&e.to_string(), 400));
                continue;
            }
        };
        let path = name(&sample);
        let envelope = args.envelope.of(&sample.raw);
        let mail = Mail::parse(sample.raw, &book.config.mail_limits);
        let hits = book.set.evaluate(&envelope, &mail);
        let score = rounded(hits.iter().map(|h| h.score).sum());
        if args.json {
            let told = JsonMessage {
                path: &path,
                score,
                hits: &hits,
            };
            writeln!(out, "{}", serde_json::to_string(&told)?)?;
            continue;
        }
        writeln!(
            out,
            "\n{}: {score:.2} points by rules",
            printable(&path, 300)
        )?;
        if hits.is_empty() {
            continue;
        }
        let mut shown = table(&["Rule", "Score", "What matched", "Where"]);
        for hit in &hits {
            let origin = book.set.rule(&hit.rule).map_or("", |r| r.origin());
            shown.add_row([
                hit.rule.to_string(),
                format!("{:.2}", hit.score),
                printable(&hit.evidence, 200),
                printable(origin, 200),
            ]);
        }
        writeln!(out, "{shown}")?;
    }
    Ok(match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}
