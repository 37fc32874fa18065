//! Whether a new model may take the place of the one in force.
//!
//! Both judge the same pinned messages. The rule, in this order:
//!
//! 1. The new model calls no more ham spam than the one in force. A single lost letter is one too many.
//! 2. It misses no more spam, or so little more that chance explains it: a one-sided sign test on the
//!    messages that only one of the two misses, at 5 % (McNemar 1947, exact).
//! 3. Its 1-ROCA is not higher beyond chance: the 95 % interval of the paired difference reaches 0.
//!
//! Before that, a model that has learned any of the pinned messages fails: it would be judged by what it knows by heart.
//!
//! A model that fails stays in the folder with the reason. Without a model in force there is nothing to do
//! worse than, and without pinned messages nothing to compare on: then only a person's word promotes.

mod rollback;
mod validation;

use std::path::PathBuf;

use crate::clock;
use crate::filter::bayes::{Engine, EngineKind};

use super::evaluation::{Comparison, Evaluation};
use super::figures::{Difference, Figures};
use super::reading::Watch;
use super::registry::{Changing, Registry, RegistryError, Trial, Why};

pub use rollback::{RolledBack, roll_back};
use validation::pinned_reading;
pub use validation::{judge_pinned, pin};

/// Messages of each class that a validation set needs.
pub const LEAST: usize = 20;
/// Chance below which a difference is believed.
const BELIEVED: f64 = 0.05;
/// Seed of the draws; always the same, so that a trial can be repeated.
const SEED: u64 = 1;

/// Why no model was promoted, when it was not a trial that kept it aside.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// The folder of models.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The daemon would refuse it.
    #[error(
        "this is a model of the engine {model}, and the configuration says `engine: {configured}`"
    )]
    OtherEngine {
        /// What it is.
        model: &'static str,
        /// What the configuration wants.
        configured: &'static str,
    },
    /// There is nothing to compare on.
    #[error(
        "no validation set is pinned, so nobody can say whether the new model does worse; `mailweir model pin --ham PATH --spam PATH` pins one, --force promotes without"
    )]
    NotPinned,
    /// The pinned messages are not those that were pinned.
    #[error("{}: the validation set was changed since it was pinned; restore it, or pin it again", .0.display())]
    Changed(PathBuf),
    /// Too few messages.
    #[error(
        "a validation set needs {LEAST} different messages of each class; there are {ham} ham and {spam} spam"
    )]
    TooFew {
        /// Ham found.
        ham: usize,
        /// Spam found.
        spam: usize,
    },
    /// A message under both labels.
    #[error("{0} lies under both labels; `mailweir corpus check` lists such messages")]
    BothLabels(String),
    /// There is a validation set already.
    #[error(
        "a validation set of {ham} ham and {spam} spam is pinned already; --replace takes its place, and figures before and after cannot be compared"
    )]
    AlreadyPinned {
        /// Its ham.
        ham: usize,
        /// Its spam.
        spam: usize,
    },
    /// A message cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// What a promotion came to.
#[derive(Debug)]
pub struct Outcome {
    /// The model.
    pub id: String,
    /// The model that was in force before.
    pub from: Option<String>,
    /// What the trial said.
    pub trial: Trial,
    /// Whether it is in force now.
    pub in_force: bool,
    /// The figures of the one in force and of the new one, if they were compared.
    pub comparison: Option<(Evaluation, Comparison)>,
    /// Pinned messages that the model before has learned: where there are any, no honest model can do better.
    pub known_before: usize,
    /// Models that were removed because the folder was full.
    pub removed: Vec<String>,
}

/// Tries a model against the one in force and puts it into force if it passes, or if it is forced. It is
/// taken into the folder first if it is a file from elsewhere. Of the folder's models only the newest stay, whatever comes of it.
///
/// # Errors
/// When there can be no trial and nothing is forced, or something cannot be read or written; the model in force is
/// then as before.
pub fn promote(
    registry: &Registry,
    candidate: &Candidate,
    how: How,
    watch: &mut dyn Watch,
) -> Result<Outcome, PromotionError> {
    let How {
        engine,
        force,
        keep,
    } = how;
    let mut changing = registry.change()?;
    let id = match candidate {
        Candidate::File(path) => changing.add(path)?,
        Candidate::Known(name) => registry.resolve(&changing.book, name)?,
    };
    let from = registry.live();
    let new = changing.load(&id)?;
    fit_for(engine, &new)?;
    let (trial, comparison, known_before) = trial(
        registry,
        &changing,
        from.as_deref(),
        (&id, new),
        force,
        watch,
    )?;
    let in_force = trial.passed || force;
    if let Some(entry) = changing.book.models.iter_mut().find(|m| m.id == id) {
        entry.trial = Some(trial.clone());
    }
    changing.write()?;
    if in_force && from.as_deref() != Some(&id) {
        let why = if trial.passed {
            Why::Promoted
        } else {
            Why::Forced
        };
        changing.put_in_force(&id, why)?;
    }
    // Also where it is kept aside: who trains each night and is refused each night must not fill the disk.
    let removed = changing.prune(keep, &id)?;
    Ok(Outcome {
        id,
        from,
        trial,
        in_force,
        comparison,
        known_before,
        removed,
    })
}

/// Whether the daemon would take the model.
fn fit_for(configured: EngineKind, model: &Engine) -> Result<(), PromotionError> {
    if model.kind() == configured {
        return Ok(());
    }
    Err(PromotionError::OtherEngine {
        model: model.kind().name(),
        configured: configured.name(),
    })
}

/// How to promote.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The engine that the daemon is configured for.
    pub engine: EngineKind,
    /// Whatever the trial says.
    pub force: bool,
    /// Models that stay in the folder.
    pub keep: usize,
}

/// A model to promote.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// A file, to be taken into the folder.
    File(PathBuf),
    /// One of the folder, by id or the beginning of it.
    Known(String),
}

/// The trial, what it was based on, and how many pinned messages the model before has learned.
type Tried = (Trial, Option<(Evaluation, Comparison)>, usize);

fn trial(
    registry: &Registry,
    changing: &Changing<'_>,
    live: Option<&str>,
    (id, new): (&str, Engine),
    force: bool,
    watch: &mut dyn Watch,
) -> Result<Tried, PromotionError> {
    let untried = |passed, reason: &str| Trial {
        at: clock::seconds(),
        against: live.map(str::to_owned),
        passed,
        reason: reason.to_owned(),
        validation: None,
        one_minus_roca: None,
        ham_lost: None,
        spam_missed: None,
    };
    let pinned = changing.book.pinned.as_ref();
    let Some(live) = live else {
        return Ok((untried(true, "no model was in force before"), None, 0));
    };
    if live == id {
        return Ok((untried(true, "it is in force already"), None, 0));
    }
    if pinned.is_none() && force {
        return Ok((
            untried(false, "there was no validation set to try it on"),
            None,
            0,
        ));
    }
    // A model in force that cannot be loaded serves nobody: whatever works is better.
    let Ok(old) = changing.load(live) else {
        return Ok((
            untried(true, "the model in force cannot be loaded"),
            None,
            0,
        ));
    };
    let models = [(live.to_owned(), old), (id.to_owned(), new)];
    let evaluation = judge_pinned(registry, pinned, &models, watch)?;
    let comparison = evaluation.compare();
    let learned = |engine: &Engine, watch: &mut dyn Watch| {
        let known = pinned_reading(registry).map("comparing", watch, |_, _, mail| {
            engine.learned(mail).is_some()
        });
        known.into_iter().filter(|k| *k).count()
    };
    let mut known_by = |i: usize| {
        models
            .get(i)
            .map_or(0, |(_, engine)| learned(engine, watch))
    };
    let (known_before, known) = (known_by(0), known_by(1));
    let verdict = match (
        comparison.runs.as_slice(),
        comparison.differences.as_slice(),
    ) {
        _ if known > 0 => Err(format!(
            "it has learned {known} of the pinned messages, so they cannot judge it"
        )),
        ([(_, old), (_, new)], [(_, difference)]) => rule(old, new, difference),
        _ => Err("there was nothing to compare".to_owned()),
    };
    let figures = comparison.runs.last().map(|r| &r.1);
    let trial = Trial {
        passed: verdict.is_ok(),
        reason: verdict.unwrap_or_else(|why| why),
        validation: pinned.and_then(|p| p.digest.get(..8)).map(str::to_owned),
        one_minus_roca: figures.and_then(|f| f.one_minus_roca),
        ham_lost: figures.map(|f| f.ham_misclassified.count),
        spam_missed: figures.map(|f| f.spam_misclassified.count),
        ..untried(false, "")
    };
    Ok((trial, Some((evaluation, comparison)), known_before))
}

/// The rule of the module's contract: why the new model may go live, or why not.
fn rule(old: &Figures, new: &Figures, difference: &Difference) -> Result<String, String> {
    let (lost, lost_before) = (new.ham_misclassified.count, old.ham_misclassified.count);
    if lost > lost_before {
        return Err(format!(
            "it loses {lost} of {} ham, the model in force {lost_before}",
            new.ham
        ));
    }
    let (missed, missed_before) = (new.spam_misclassified.count, old.spam_misclassified.count);
    let (only_old, only_new) = difference.spam_missed;
    let chance = sign_test(only_new, only_old);
    if missed > missed_before && chance < BELIEVED {
        return Err(format!(
            "it misses {missed} of {} spam, the model in force {missed_before}, and that is no chance ({:.1} %)",
            new.spam,
            100.0 * chance
        ));
    }
    if let (Some(interval), Some(by)) = (
        difference.one_minus_roca_interval,
        difference.one_minus_roca,
    ) && interval.low > 0.0
    {
        return Err(format!(
            "its 1-ROCA is higher by {by:.4} points ({:.4} to {:.4})",
            interval.low, interval.high
        ));
    }
    Ok(format!(
        "ham lost {lost} (before {lost_before}), spam missed {missed} (before {missed_before}), 1-ROCA {} % (before {} %)",
        shown(new.one_minus_roca),
        shown(old.one_minus_roca)
    ))
}

fn shown(roca: Option<f64>) -> String {
    roca.map_or("unknown".into(), |r| format!("{r:.3}"))
}

/// The chance that of so many messages that only one of two models misses the second misses `worse` or more, if
/// both are equally good.
fn sign_test(worse: usize, better: usize) -> f64 {
    let all = worse + better;
    // Logarithms of factorials, so that a thousand messages do not overflow.
    let factorial = |n: usize| (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
    let whole = factorial(all) - all as f64 * std::f64::consts::LN_2;
    (worse..=all)
        .map(|k| (whole - factorial(k) - factorial(all - k)).exp())
        .sum::<f64>()
        .min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::Class;
    use crate::workbench::Cut;
    use crate::workbench::bootstrap::Draws;
    use crate::workbench::{Answer, Score, ranked};

    #[test]
    fn the_sign_test_gives_known_chances() {
        assert!((sign_test(0, 0) - 1.0).abs() < 1e-9);
        assert!((sign_test(5, 0) - 1.0 / 32.0).abs() < 1e-9);
        assert!((sign_test(8, 2) - 56.0 / 1024.0).abs() < 1e-9);
        assert!(sign_test(600, 400) < 1e-9 && sign_test(400, 600) > 0.999);
    }

    /// 100 ham and 100 spam, all right but for the first `lost` and `missed`.
    fn answers(lost: usize, missed: usize) -> Vec<Answer> {
        (0..200)
            .map(|i| {
                let class = if i < 100 { Class::Ham } else { Class::Spam };
                let wrong = if i < 100 { i < lost } else { i - 100 < missed };
                let spam = (class == Class::Spam) != wrong;
                let odds = if spam { 3.0 } else { -3.0 } + i as f64 / 1000.0;
                let probability = 1.0 / (1.0 + (-odds).exp());
                Answer {
                    class,
                    score: Score { probability, odds },
                    unit: i,
                }
            })
            .collect()
    }

    fn judged(old: (usize, usize), new: (usize, usize)) -> Result<String, String> {
        let (old, new) = (answers(old.0, old.1), answers(new.0, new.1));
        let (r, s) = (ranked(&old), ranked(&new));
        let draws = Draws::new(&old, 200, 1);
        let cut = Cut::default();
        let difference = Difference::between((&old, &r), (&new, &s), cut, &draws);
        rule(
            &Figures::of(&old, &r, cut, &draws),
            &Figures::of(&new, &s, cut, &draws),
            &difference,
        )
    }

    #[test]
    fn one_more_lost_ham_is_one_too_many() {
        assert!(
            judged((1, 9), (2, 0))
                .unwrap_err()
                .starts_with("it loses 2 of 100 ham")
        );
        assert!(judged((2, 9), (2, 9)).is_ok());
        assert!(judged((2, 9), (1, 9)).is_ok());
    }

    #[test]
    fn a_little_more_missed_spam_may_be_chance_and_much_more_is_not() {
        assert!(judged((0, 5), (0, 7)).is_ok());
        let why = judged((0, 5), (0, 15)).unwrap_err();
        assert!(why.starts_with("it misses 15 of 100 spam"), "{why}");
    }
}
