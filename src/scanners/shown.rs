//! A verdict in the words of the other filters: a table.
//!
//! | verdict | spamd | rspamd | rspamd, with a copy in the quarantine |
//! | --- | --- | --- | --- |
//! | deliver | `False` | `no action` | `no action` |
//! | tag | `True` | `add header` | `add header` |
//! | quarantine | `True` | `add header` | `discard` |
//! | discard | `True` | `reject` | `discard` |
//! | tempfail | `75 EX_TEMPFAIL` | `soft reject` | `soft reject` |
//! | reject | `True` | `reject` | `reject` |

use crate::filter::Action;
use crate::policy::Ruling;
use crate::server::Inquired;
use crate::verdict::Verdict;

/// The threshold that is shown where no policy has any.
const REQUIRED: f64 = 5.0;

/// The action in rspamd's words. `kept`: a copy is in the quarantine.
pub(super) fn action(verdict: &Verdict, kept: bool) -> &'static str {
    match verdict.action {
        Action::Deliver => "no action",
        Action::Quarantine | Action::Discard if kept => "discard",
        // It stays with who asked, so it is marked; nothing would hold it back.
        Action::Tag | Action::Quarantine => "add header",
        Action::Tempfail => "soft reject",
        Action::Discard | Action::Reject => "reject",
    }
}

/// Spam or not, as protocols say it that know a score and a threshold only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    /// Whether the verdict is at least that it be marked.
    pub(super) spam: bool,
    /// The score: at the threshold or above exactly where it is spam. Some clients compare the two and look at nothing
    /// else, so a virus without points must not stay below it, nor a message of an allowed sender above.
    pub(super) score: f64,
    /// The threshold.
    pub(super) required: f64,
}

impl Scored {
    pub(super) fn of(inquired: &Inquired) -> Scored {
        Scored::new(&inquired.verdict, required(&inquired.ruling))
    }

    fn new(verdict: &Verdict, required: f64) -> Scored {
        let spam = verdict.action >= Action::Tag;
        let score = match spam {
            true => verdict.score.max(required),
            false => verdict.score.min(required - 0.01),
        };
        Scored {
            spam,
            score,
            required,
        }
    }
}

/// The threshold of a mark, or the next that there is.
pub(super) fn required(ruling: &Ruling) -> f64 {
    let policy = ruling.shares.first().map(|share| share.policy.thresholds());
    let others = policy.and_then(|t| t.tag.or(t.quarantine).or(t.reject));
    ruling.required.or(others).unwrap_or(REQUIRED)
}

/// The threshold of a refusal, if there is one.
pub(super) fn reject(ruling: &Ruling) -> Option<f64> {
    let policy = ruling.shares.first().map(|share| share.policy.thresholds());
    policy.and_then(|t| t.reject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::DecidedBy;

    fn verdict(action: Action, score: f64) -> Verdict {
        Verdict {
            action,
            score,
            decided_by: DecidedBy::Nothing,
            policy: None,
            reports: Vec::new(),
        }
    }

    #[test]
    fn who_compares_score_and_threshold_comes_to_the_verdict() {
        for (action, score) in [
            (Action::Deliver, -3.0),
            (Action::Deliver, 4.99),
            (Action::Deliver, 5.0),
            (Action::Deliver, 900.0),
            (Action::Tag, 5.0),
            (Action::Tag, 0.0),
            (Action::Quarantine, 8.0),
            (Action::Discard, -1.0),
            (Action::Reject, 0.0),
            (Action::Reject, 20.0),
        ] {
            let scored = Scored::new(&verdict(action, score), 5.0);
            assert_eq!(scored.spam, action != Action::Deliver);
            // As it is printed.
            let printed = format!("{:.2}", scored.score);
            let read: f64 = printed.parse().unwrap();
            assert_eq!(read >= scored.required, scored.spam, "{action} {score}");
        }
    }

    #[test]
    fn the_table_holds() {
        let said = |a, kept| action(&verdict(a, 0.0), kept);
        for (of, plain, kept) in [
            (Action::Deliver, "no action", "no action"),
            (Action::Tag, "add header", "add header"),
            (Action::Quarantine, "add header", "discard"),
            (Action::Discard, "reject", "discard"),
            (Action::Tempfail, "soft reject", "soft reject"),
            (Action::Reject, "reject", "reject"),
        ] {
            assert_eq!((said(of, false), said(of, true)), (plain, kept), "{of}");
        }
    }
}
