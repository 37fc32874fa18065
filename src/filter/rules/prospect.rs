//! What rules can still come to, as far as it is known: so that most formulas are refuted by what costs little, and
//! their patterns never run.
//!
//! A formula such as `A && !B && C` is 0 as soon as one of its rules is, and `A + B + C > 2` as soon as too few are
//! left that can hit. Gates tell of most rules that they cannot. Of the others those are asked first that cost the
//! least, until the answer is known. What is found is what would be found in any order.

use super::bounds::Interval;
use super::condition::{Index, Leaf, Node, Operand};
use super::evaluation::Evaluation;
use super::rule::Rule;

/// A share of the rules that a formula waits for, asked before it is looked at again.
const SHARE: usize = 3;
/// What a rule may cost that is asked without further thought.
const CHEAP: u32 = 2;

impl Evaluation<'_> {
    /// Whether a rule is known not to hold. Rules that it depends on are asked, the cheapest first, until that is known or
    /// it has to be evaluated itself.
    pub(super) fn is_refuted(&mut self, number: Index) -> bool {
        let plan = &self.set.plan;
        loop {
            let mut open = Vec::new();
            match self.prospect(number, &mut open).truth() {
                Some(false) => return true,
                Some(true) => return false,
                None => {}
            }
            open.retain(|rule| *rule != number);
            if open.is_empty() {
                return false;
            }
            open.sort_unstable_by_key(|rule| (plan.cost(*rule), *rule));
            open.dedup();
            // What costs next to nothing is asked at once.
            let cheap = open.partition_point(|rule| plan.cost(*rule) <= CHEAP);
            for rule in open.iter().take(cheap.max(open.len().div_ceil(SHARE))) {
                self.value(*rule);
            }
        }
    }

    /// What the value of a rule can be. Rules on which that depends, and that have to be evaluated to know it, are added to
    /// `open`.
    fn prospect(&mut self, number: Index, open: &mut Vec<Index>) -> Interval {
        if let Some(known) = self.known(number) {
            return Interval::only(known);
        }
        let set = self.set;
        let Some(rule) = set.rules.get(number) else {
            return Interval::only(0.0);
        };
        let waiting = open.len();
        let prospect = match self.is_on(rule) {
            true if !self.set.plan.is_total(number) => {
                self.of_rule(rule, open);
                Interval::ANY
            }
            true => self.of_rule(rule, open),
            false => Interval::only(0.0),
        };
        if prospect.at_least == prospect.at_most {
            open.truncate(waiting);
            self.note(number, prospect.at_least);
        } else if open.len() == waiting {
            open.push(number);
        }
        prospect
    }

    fn of_rule(&mut self, rule: &Rule, open: &mut Vec<Index>) -> Interval {
        match (&rule.per_occurrence, &rule.condition) {
            (None, Node::Formula(formula)) => {
                let range = formula.range(&mut |operand| match operand {
                    Operand::Rule(number) => self.prospect(*number, open),
                    Operand::Number(number) => {
                        Interval::only(self.texts.number(*number).unwrap_or(0.0))
                    }
                });
                match range {
                    // What is negative counts as 1.
                    below if below.at_most < 0.0 => Interval::only(1.0),
                    partly if partly.at_least < 0.0 => Interval::new(0.0, partly.at_most.max(1.0)),
                    range => range,
                }
            }
            (counted, condition) => match (self.truth(condition, open), counted) {
                (Some(false), _) => Interval::only(0.0),
                (Some(true), None) => Interval::only(1.0),
                (None, None) => Interval::TRUTH,
                (held, Some(counted)) => {
                    let least = if held == Some(true) { 1.0 } else { 0.0 };
                    Interval::new(least, counted.at_most as f64)
                }
            },
        }
    }

    /// Whether a condition holds, where that is known.
    fn truth(&mut self, node: &Node, open: &mut Vec<Index>) -> Option<bool> {
        match node {
            Node::Leaf(number) => match self.set.leaves.get(*number) {
                Some(Leaf::Texts(leaf)) if leaf.gated => {
                    let seen = self.sightings(leaf.place, *number)?;
                    seen.is_empty().then(|| leaf.ask_nothing().holds)
                }
                _ => None,
            },
            Node::All(nodes) => self.at_least(nodes.len(), nodes, open),
            Node::Any(nodes) => self.at_least(1, nodes, open),
            Node::AtLeast(wanted, nodes) => self.at_least(*wanted, nodes, open),
            Node::Not(inner) => self.truth(inner, open).map(|held| !held),
            Node::Rule(number) => self.prospect(*number, open).truth(),
            Node::Formula(_) => None,
        }
    }

    fn at_least(&mut self, wanted: usize, nodes: &[Node], open: &mut Vec<Index>) -> Option<bool> {
        let (mut certain, mut possible) = (0, 0);
        for node in nodes {
            let held = self.truth(node, open);
            certain += usize::from(held == Some(true));
            possible += usize::from(held != Some(false));
        }
        match (certain >= wanted, possible >= wanted) {
            (true, _) => Some(true),
            (_, false) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::ruleset::RuleSet;
    use super::super::texts::Subject;
    use super::*;
    use crate::config::Source;
    use crate::mail::{Envelope, Limits, Mail};

    const RULES: &str = "version: 1
rules:
  - { id: A, description: d, silent: true, when: { text: 'alpha' } }
  - { id: B, description: d, silent: true, per_occurrence: { at_most: 3 }, when: { text: 'beta' } }
  - { id: C, description: d, silent: true, when: { not: { subject: '[g]amma' } } }
  - { id: D, description: d, silent: true, when: { all: [{ rule: A }, { any: [{ text: '[bx][ex]' }, { rule: C }] }] } }
  - { id: E, description: d, silent: true, when: { formula: 'A + B - 2 * C' } }
";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Break it by taking a rule for refuted that counts its occurrences, or a negative value for 0.
        #[test]
        fn what_is_refuted_does_not_hold(
            formula in r"!?[A-E](?: (?:&&|\|\||\+|-|\*|>|<=|==|/) (?:!?[A-E]|[0-2]|\([A-E] (?:&&|\|\||\+) !?[A-E]\))){1,5}",
            subject in "(?:gamma|x){0,1}",
            text in "(?:alpha|beta|gamma| ){0,6}",
        ) {
            let rules = format!(
                "{RULES}  - {{ id: F, description: d, score: 1, when: {{ formula: '{formula}' }} }}\n  - {{ id: G, description: d, score: 1, when: {{ formula: '!F + A > 1' }} }}\n"
            );
            let set = RuleSet::from_sources(&[Source::new("a.yaml", rules)]).unwrap();
            let raw = format!("Subject: {subject}\r\n\r\n{text}\r\n");
            let mail = Mail::parse(Bytes::from(raw), &Limits::default());
            let envelope = Envelope::default();
            let subject = Subject::Transaction(&envelope, &mail);
            let hits = Evaluation::new(&set, &subject, None).hits();
            let naive = Evaluation::new(&set, &subject, None).without_gates().hits();
            prop_assert_eq!(hits, naive, "{}", formula);
        }
    }
}
