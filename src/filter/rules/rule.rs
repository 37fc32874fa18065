//! One rule of a set, and what a hit of it does.

use std::sync::Arc;

use jiff::civil::Date;

use super::condition::{Index, Node};
use super::list::ascii_domain;
use super::string_set::StringSet;
use crate::filter::Action;
use crate::mail::Envelope;

/// One rule of a set.
#[derive(Debug)]
pub struct Rule {
    pub(super) id: Arc<str>,
    pub(super) description: String,
    pub(super) score: f64,
    pub(super) per_occurrence: Option<PerOccurrence>,
    pub(super) group: Option<Index>,
    pub(super) silent: bool,
    pub(super) shadow: bool,
    pub(super) decisive: Option<Action>,
    pub(super) labels: Arc<[Arc<str>]>,
    pub(super) expires: Option<Date>,
    pub(super) scope: Option<Scope>,
    pub(super) origin: String,
    pub(super) condition: Node,
    /// List files that it looks into, sorted.
    pub(super) lists: Vec<Arc<str>>,
}

/// How a rule counts its occurrences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerOccurrence {
    /// Most points of all occurrences together, either way.
    pub cap: f64,
    /// Most occurrences that are counted.
    pub at_most: usize,
}

/// For whose mail a rule is on: recipient domains, each with its subdomains.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) only: Option<Arc<StringSet>>,
    pub(super) except: Option<Arc<StringSet>>,
    /// One such recipient is enough; otherwise every recipient has to be such.
    pub(super) any: bool,
}

impl Scope {
    /// Whether the rule is on for a message with these recipients. Without any recipient it is on unless
    /// it is on for some only.
    pub(super) fn holds(&self, envelope: &Envelope) -> bool {
        let such = |domain: Option<&str>| {
            let held = |set: &StringSet| domain.is_some_and(|d| holds(set, d));
            self.only.as_ref().is_none_or(|set| held(set))
                && !self.except.as_ref().is_some_and(|set| held(set))
        };
        let mut recipients = envelope.recipients.iter().map(|r| r.domain());
        match (envelope.recipients.is_empty(), self.any) {
            (true, _) => self.only.is_none(),
            (false, true) => recipients.any(such),
            (false, false) => recipients.all(such),
        }
    }
}

fn holds(set: &StringSet, domain: &str) -> bool {
    let domain = ascii_domain(domain.trim_end_matches('.'));
    let mut rest = domain.as_str();
    loop {
        if set.contains(rest.as_bytes()) {
            return true;
        }
        match rest.split_once('.') {
            Some((_, above)) => rest = above,
            None => return false,
        }
    }
}

impl Rule {
    /// The id, `[A-Z_][A-Z0-9_]*`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a hit means, one line for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Points of a hit, or of each occurrence.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// How it counts its occurrences; `None` for a rule that hits or does not.
    pub fn per_occurrence(&self) -> Option<PerOccurrence> {
        self.per_occurrence
    }

    /// Whether it reports no hit of its own and only serves other rules.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether its hits are shown and counted, and weigh nothing.
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// The action that a hit enforces, if any.
    pub fn decisive(&self) -> Option<Action> {
        self.decisive
    }

    /// The words that a hit puts on the message.
    pub fn labels(&self) -> &[Arc<str>] {
        &self.labels
    }

    /// The last day on which it is on, in UTC.
    pub fn expires(&self) -> Option<Date> {
        self.expires
    }

    /// Whether it is on for the mail of some recipients only.
    pub fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }

    /// Names of the list files that it looks into, sorted.
    pub fn lists(&self) -> &[Arc<str>] {
        &self.lists
    }

    /// Where it was written, `file:line`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The points of so many occurrences.
    pub(super) fn points(&self, occurrences: usize) -> f64 {
        match self.per_occurrence {
            Some(counted) => {
                (self.score * occurrences as f64).clamp(-counted.cap.abs(), counted.cap.abs())
            }
            None => self.score,
        }
    }

    /// Replaces the score; the cap of all occurrences grows with it.
    pub(super) fn rescore(&mut self, score: f64) {
        if let Some(counted) = &mut self.per_occurrence
            && self.score != 0.0
        {
            counted.cap *= (score / self.score).abs();
        }
        self.score = score;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Address;

    fn envelope(recipients: &[&str]) -> Envelope {
        Envelope {
            recipients: recipients
                .iter()
                .map(|r| Address::new(r.as_bytes()))
                .collect(),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_scope_says_for_whose_mail_a_rule_is_on() {
        let set = |domains: &[&str]| Some(Arc::new(StringSet::new(domains)));
        let scope = |only: &[&str], except: &[&str], any| Scope {
            only: set(only).filter(|s| s.len() > 0),
            except: set(except).filter(|s| s.len() > 0),
            any,
        };
        for (only, except, any, recipients, expected) in [
            (
                &["a.example"][..],
                &[][..],
                false,
                &["x@a.example", "y@Sub.A.example."][..],
                true,
            ),
            (
                &["a.example"],
                &[],
                false,
                &["x@a.example", "y@b.example"],
                false,
            ),
            (
                &["a.example"],
                &[],
                true,
                &["x@a.example", "y@b.example"],
                true,
            ),
            (&["a.example"], &[], false, &[], false),
            (&["a.example"], &[], true, &["postmaster"], false),
            (
                &[],
                &["b.example"],
                false,
                &["x@a.example", "y@b.example"],
                false,
            ),
            (
                &[],
                &["b.example"],
                true,
                &["x@a.example", "y@b.example"],
                true,
            ),
            (&[], &["b.example"], false, &["postmaster"], true),
            (&[], &["b.example"], false, &[], true),
            (
                &["a.example"],
                &["no.a.example"],
                false,
                &["x@no.a.example"],
                false,
            ),
        ] {
            let held = scope(only, except, any).holds(&envelope(recipients));
            assert_eq!(held, expected, "{only:?} {except:?} {any} {recipients:?}");
        }
    }
}
