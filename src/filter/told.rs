//! Outcomes that rest on what nobody can be asked again: what a virus scanner said of the message, what was remembered of
//! its sender. They are kept with the message, and told again where it is replayed.

use serde::{Deserialize, Serialize};

use super::{Hit, Outcome, Reason};
use crate::heard::{Heard, Unknown};

/// Why a filter has no outcome in a replay.
const UNKNOWN: &str = "it was not asked when the message came";

/// An outcome, but for one that skips: why a filter skips a message, it finds out anew.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unscanned: Option<(Reason, String)>,
    hits: Vec<Hit>,
}

impl Told {
    fn of(outcome: &Outcome) -> Option<Told> {
        let unscanned = match outcome {
            Outcome::Skipped(_) => return None,
            Outcome::Checked(_) => None,
            Outcome::Unscanned { reason, detail, .. } => Some((*reason, detail.clone())),
        };
        Some(Told {
            unscanned,
            hits: outcome.hits().to_vec(),
        })
    }

    fn outcome(self) -> Outcome {
        let hits = self.hits;
        match self.unscanned {
            None => Outcome::Checked(hits),
            Some((reason, detail)) => Outcome::Unscanned {
                reason,
                detail,
                hits,
            },
        }
    }
}

/// Keeps the outcome of a filter, where what is heard is kept.
pub(super) fn keep(heard: &Heard, filter: &str, outcome: Outcome) -> Outcome {
    heard.keep(filter, || Told::of(&outcome));
    outcome
}

/// The outcome of a filter when the message came; `None` where nothing is told, and the filter has to find out.
pub(super) fn told(heard: &Heard, filter: &str) -> Option<Outcome> {
    Some(match heard.told::<Told>(filter)? {
        Ok(told) => told.outcome(),
        Err(Unknown) => Outcome::Skipped(UNKNOWN),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::filter::Action;

    #[test]
    fn outcomes_are_told_as_they_were() {
        let mut hit = Hit::new("A", 1.5, "x\u{0}\u{202e}").deferring(Duration::from_millis(1500));
        hit.labels = vec!["label".into()].into();
        hit.uncapped = Some(2.0);
        let outcomes = [
            Outcome::Checked(Vec::new()),
            Outcome::Checked(vec![
                hit.clone(),
                Hit::new("B", 0.0, "").decisive(Action::Reject),
            ]),
            Outcome::Unscanned {
                reason: Reason::TooLarge,
                detail: "d".into(),
                hits: vec![hit],
            },
        ];
        for outcome in outcomes {
            let heard = Heard::keeping();
            let kept = keep(&heard, "clamav", outcome.clone());
            let record = heard.take().unwrap();
            let json = serde_json::to_string(&record).unwrap();
            let telling = Heard::telling(serde_json::from_str(&json).unwrap());
            assert_eq!(told(&telling, "clamav"), Some(kept));
            assert_eq!(told(&telling, "rates"), Some(Outcome::Skipped(UNKNOWN)));
            assert_eq!(telling.missing(), ["rates"]);
        }
        assert_eq!(told(&Heard::default(), "clamav"), None);
    }
}
