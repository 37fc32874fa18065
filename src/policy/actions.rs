//! What is done instead of tag, quarantine and reject.
//!
//! Only a score may be treated more mildly than by holding the message back: what a decisive hit (a virus, say) or a
//! failure asks for stays refused or held, whatever stands here.

use serde_saphyr::Spanned;

use super::options::ActionOptions;
use crate::config::Findings;
use crate::filter::Action;
use crate::verdict::DecidedBy;

/// `actions:` of a policy, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    tag: Action,
    quarantine: Action,
    reject: Action,
}

impl Default for Actions {
    fn default() -> Self {
        Actions {
            tag: Action::Tag,
            quarantine: Action::Quarantine,
            reject: Action::Reject,
        }
    }
}

impl Actions {
    /// Checks what is written.
    pub(super) fn check(options: &ActionOptions, findings: &mut Findings<'_>) -> Actions {
        use Action::{Deliver, Discard, Quarantine, Reject, Tag};
        let mut one = |written: &Option<Spanned<Action>>, own: Action, others: &[Action]| {
            let Some(written) = written else { return own };
            if written.value != own && !others.contains(&written.value) {
                let names: Vec<&str> = others.iter().map(|a| a.name()).collect();
                findings.wrong_with_help(
                    written,
                    format!("{} cannot stand for {own}", written.value),
                    format!("write {}", names.join(", ")),
                );
            }
            written.value
        };
        Actions {
            tag: one(&options.tag, Tag, &[Deliver, Quarantine, Reject]),
            quarantine: one(&options.quarantine, Quarantine, &[Tag, Reject, Discard]),
            reject: one(&options.reject, Reject, &[Tag, Quarantine, Discard]),
        }
    }

    /// What is done where a verdict asks for `action`.
    pub(super) fn instead_of(&self, action: Action, decided_by: &DecidedBy) -> Action {
        let instead = match action {
            Action::Tag => self.tag,
            Action::Quarantine => self.quarantine,
            Action::Reject => self.reject,
            Action::Deliver | Action::Tempfail | Action::Discard => action,
        };
        let by_score = matches!(decided_by, DecidedBy::Score(_));
        match instead <= Action::Tag && instead < action && !by_score {
            true => action,
            false => instead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_score_is_treated_more_mildly_than_held() {
        use Action::*;
        let mild = Actions {
            tag: Deliver,
            quarantine: Tag,
            reject: Tag,
        };
        let held = Actions {
            reject: Quarantine,
            ..Actions::default()
        };
        let score = DecidedBy::Score(8.0);
        let hit = DecidedBy::Hit {
            filter: "clamav",
            rule: "VIRUS".into(),
        };
        let failure = DecidedBy::Failure {
            filter: "clamav",
            reason: crate::filter::Reason::Down,
        };
        for (actions, asked, by, done) in [
            (&mild, Tag, &score, Deliver),
            (&mild, Quarantine, &score, Tag),
            (&mild, Reject, &score, Tag),
            (&mild, Reject, &hit, Reject),
            (&mild, Quarantine, &hit, Quarantine),
            (&mild, Quarantine, &failure, Quarantine),
            (&mild, Tempfail, &failure, Tempfail),
            (&mild, Discard, &hit, Discard),
            (&held, Reject, &hit, Quarantine),
            (&held, Reject, &score, Quarantine),
            (&held, Quarantine, &hit, Quarantine),
            (&held, Deliver, &DecidedBy::Nothing, Deliver),
        ] {
            assert_eq!(actions.instead_of(asked, by), done, "{asked} by {by:?}");
        }
    }
}
