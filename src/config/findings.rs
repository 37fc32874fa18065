//! What is wrong with the values of a section, collected as they are checked, so that all of it is shown at
//! once.

use std::fmt::Display;

use serde_saphyr::Spanned;

use super::{Problem, Problems, Source, span_of};
use crate::verdict::Thresholds;

/// Problems found so far in one file.
#[derive(Debug)]
pub struct Findings<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    /// None yet.
    pub fn new(source: &'a Source) -> Findings<'a> {
        Findings {
            source,
            problems: Vec::new(),
        }
    }

    /// Something is wrong with a value.
    pub fn wrong<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        let problem = Problem::at(self.source, span_of(at), message);
        self.problems.push(problem);
    }

    /// The same, with what to do about it.
    pub fn wrong_with_help<T>(
        &mut self,
        at: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::at(self.source, span_of(at), message).help(help);
        self.problems.push(problem);
    }

    /// A number must lie in `least..=most`; `unit` says of what.
    pub fn within<T: Copy + PartialOrd + Display>(
        &mut self,
        value: &Spanned<T>,
        least: T,
        most: T,
        unit: &str,
    ) {
        if value.value < least || value.value > most {
            self.wrong(value, format!("must be {least} to {most} {unit}"));
        }
    }

    /// Permission bits as people write them, octal.
    pub fn octal(&mut self, key: &str, value: &Spanned<String>) -> u32 {
        match u32::from_str_radix(&value.value, 8) {
            Ok(mode) if mode <= 0o777 => mode,
            _ => {
                self.wrong(
                    value,
                    format!("{key} must be octal permissions such as \"0660\""),
                );
                0o600
            }
        }
    }

    /// Thresholds must be finite and rise.
    pub fn thresholds<T>(&mut self, at: &Spanned<T>, thresholds: &Thresholds) {
        let all = [thresholds.tag, thresholds.quarantine, thresholds.reject];
        let ordered: Vec<f64> = all.into_iter().flatten().collect();
        if ordered.iter().any(|t| !t.is_finite()) {
            self.wrong(at, "thresholds must be finite numbers, or null for never");
        }
        if !ordered.is_sorted() {
            self.wrong(at, "thresholds must rise: tag, quarantine, reject");
        }
    }

    /// Problems that were found elsewhere.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// `checked`, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that was found.
    pub fn finish<T>(self, checked: T) -> Result<T, Problems> {
        match self.problems.is_empty() {
            true => Ok(checked),
            false => Err(Problems(self.problems)),
        }
    }
}
