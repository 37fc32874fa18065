//! The report of an evaluation for programs.

use serde::Serialize;

use crate::filter::bayes::Class;
use crate::workbench::evaluation::{Comparison, Design, Evaluation, Learnt};
use crate::workbench::figures::{Difference, Figures};

/// The figures as JSON has them.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    design: &'a Design,
    seed: u64,
    ham_below: f64,
    spam_from: f64,
    ham: usize,
    spam: usize,
    near_copies: usize,
    runs: Vec<JsonRun<'a>>,
    differences: Vec<JsonDifference<'a>>,
}

#[derive(Serialize)]
struct JsonRun<'a> {
    title: &'a str,
    figures: &'a Figures,
    messages_learned: Option<usize>,
    training_seconds: Option<f64>,
    judging_seconds: f64,
    learning_curve: &'a [Learnt],
}

#[derive(Serialize)]
struct JsonDifference<'a> {
    first: &'a str,
    second: &'a str,
    difference: &'a Difference,
}

impl<'a> Json<'a> {
    /// All figures.
    pub(super) fn of(evaluation: &'a Evaluation, comparison: &'a Comparison) -> Json<'a> {
        let first = comparison.runs.first().map_or("", |r| &r.0);
        Json {
            design: &evaluation.design,
            seed: evaluation.seed,
            ham_below: evaluation.cut.ham_below,
            spam_from: evaluation.cut.spam_from,
            ham: evaluation.count(Class::Ham),
            spam: evaluation.count(Class::Spam),
            near_copies: evaluation.near_copies(),
            runs: evaluation
                .runs
                .iter()
                .zip(&comparison.runs)
                .map(|(run, (title, figures))| JsonRun {
                    title,
                    figures,
                    messages_learned: run.training.map(|t| t.0),
                    training_seconds: run.training.map(|t| t.1.as_secs_f64()),
                    judging_seconds: run.judging.as_secs_f64(),
                    learning_curve: &run.learning,
                })
                .collect(),
            differences: comparison
                .differences
                .iter()
                .map(|(second, difference)| JsonDifference {
                    first,
                    second,
                    difference,
                })
                .collect(),
        }
    }
}
