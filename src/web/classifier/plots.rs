//! Pictures of how well a model did when it was trained.

use crate::workbench::curves::{self, Curves};
use crate::workbench::registry::{Book, Evaluated, Registry};

/// Models before the one in force among which the last that is known is looked for.
const BEFORE: usize = 20;

/// What the training of a model came to, with its pictures.
#[derive(Debug)]
pub(super) struct Plots {
    pub(super) id: String,
    pub(super) evaluated: Evaluated,
    pub(super) roc: String,
    pub(super) calibration: String,
    /// Empty where training on parts was not asked for.
    pub(super) learning: String,
}

impl Plots {
    fn new(id: &str, mut evaluated: Evaluated) -> Plots {
        // There is one contender, so its name needs no place in the pictures but what is read out.
        evaluated.curves.title = id.to_owned();
        let curves: &[Curves] = std::slice::from_ref(&evaluated.curves);
        Plots {
            roc: curves::roc(curves, (evaluated.ham, evaluated.spam)),
            calibration: curves::calibration(curves),
            learning: match evaluated.curves.learning.len() {
                0 | 1 => String::new(),
                _ => curves::learning(curves),
            },
            id: id.to_owned(),
            evaluated,
        }
    }

    /// Of the model that is wanted, or of the one in force; where lessons were folded into that one since, of the last
    /// before it whose training is known.
    pub(super) fn of(
        models: &Registry,
        book: &Book,
        live: Option<&str>,
        wanted: &str,
    ) -> Option<Plots> {
        let before = book
            .history
            .iter()
            .rev()
            .take(BEFORE)
            .map(|c| c.to.as_str());
        let chosen: Vec<&str> = match wanted {
            "" => live.into_iter().chain(before).collect(),
            wanted => book
                .entry(wanted)
                .map(|e| e.id.as_str())
                .into_iter()
                .collect(),
        };
        chosen
            .into_iter()
            .find_map(|id| match models.evaluated(id) {
                Ok(found) => found.map(|evaluated| Plots::new(id, evaluated)),
                Err(error) => {
                    tracing::warn!(%error, "console: an evaluation cannot be shown");
                    None
                }
            })
    }
}
