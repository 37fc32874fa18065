//! Looking into a set: what a rule costs, how its condition came out on a message, step by step.
//!
//! Nothing here runs on the way of a message; answers are those of [`RuleSet::evaluate`].

use std::time::Instant;

use serde::Serialize;

use super::condition::{Leaf, Node, Operand, Value};
use super::evaluation::Evaluation;
use super::gate::Sought;
use super::known::Known;
use super::pattern::Pattern;
use super::place::Place;
use super::ruleset::RuleSet;
use super::texts::Subject;
use crate::mail::{Envelope, Mail};

/// Most steps of one explanation.
const STEPS: usize = 500;
/// Longest line of a rule file that a step shows, characters.
const LINE_CHARS: usize = 160;
/// References that an explanation follows in a row; no set has longer ones.
const DEPTH: usize = 64;

/// How much of a message a rule always has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing, unless a literal of each of its patterns occurs.
    Gated,
    /// Short places of every message: subject, addresses, names.
    Short,
    /// A long place of every message: text, HTML, body.
    Long,
}

impl Cost {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Gated => "gated",
            Cost::Short => "short",
            Cost::Long => "long",
        }
    }
}

/// One condition of a rule, and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// How many conditions it stands in.
    pub depth: usize,
    /// What it is: `all of`, `any of`, `not`, `at least 2 of`, `rule X`, or the key of a question.
    pub what: String,
    /// Whether it holds.
    pub holds: bool,
    /// What matched, as found: to be escaped wherever it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// File and line of the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The line of the file, from the key of the question on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

/// What the rules of a set said of one message, and how long each took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Whether each rule hits, silent ones included.
    pub hits: Vec<bool>,
    /// Nanoseconds that each rule took beside what it shares with others.
    pub nanos: Vec<u64>,
    /// Nanoseconds for what rules share: taking out the texts, looking for literals.
    pub shared: u64,
}

impl RuleSet {
    /// How the condition of a rule came out on a message, from the outermost condition inwards; `None` when
    /// there is no such rule. Every condition is asked, also where the answer was known before it. At most
    /// 500 steps.
    pub fn explain(
        &self,
        envelope: &Envelope,
        mail: &Mail,
        known: Known<'_>,
        id: &str,
    ) -> Option<Vec<Step>> {
        let rule = self.rule(id)?;
        let subject = Subject::Transaction(envelope, mail);
        let mut explanation = Explanation {
            set: self,
            evaluation: Evaluation::on(self, &subject, known, self.today()),
            steps: Vec::new(),
        };
        explanation.node(&rule.condition, 0);
        Some(explanation.steps)
    }

    /// The hits of a message with the time that each rule took. Memory of rules that others refer to is
    /// shared, so the first of them pays.
    pub fn measure(&self, envelope: &Envelope, mail: &Mail) -> Measured {
        let subject = Subject::Transaction(envelope, mail);
        let once = || {
            let started = Instant::now();
            let mut evaluation = Evaluation::new(self, &subject, self.today());
            evaluation.prepare();
            let mut awake = vec![false; self.rules.len()];
            for number in evaluation.awake() {
                if let Some(awake) = awake.get_mut(number) {
                    *awake = true;
                }
            }
            let shared = nanos(started);
            let mut took = Vec::with_capacity(self.rules.len());
            let mut hits = Vec::with_capacity(self.rules.len());
            for (number, awake) in awake.into_iter().enumerate() {
                let started = Instant::now();
                hits.push(evaluation.rule(number));
                // A rule that nothing has woken is not asked on the way of a message.
                took.push(if awake { nanos(started) } else { 0 });
            }
            (shared, took, hits)
        };
        // Twice, and the shorter counts: one of them may have been interrupted, or the first to run.
        let (shared, mut took, hits) = once();
        let (again, second, _) = once();
        for (first, second) in took.iter_mut().zip(second) {
            *first = (*first).min(second);
        }
        Measured {
            hits,
            nanos: took,
            shared: shared.min(again),
        }
    }

    /// How much of a message the rule of that id always looks at.
    pub fn cost(&self, id: &str) -> Option<Cost> {
        let mut dearest = Cost::Gated;
        self.rule(id)?.condition.leaves(&mut |number| {
            let Some(Leaf::Texts(leaf)) = self.leaves.get(number) else {
                return;
            };
            let searches = match &leaf.value {
                Value::Pattern(pattern) => pattern.runs_always(),
                Value::Contains(_) | Value::Words(_) => !leaf.gated,
                _ => false,
            };
            if searches {
                let long = self.places.get(leaf.place).is_some_and(Place::is_long);
                dearest = dearest.max(if long { Cost::Long } else { Cost::Short });
            }
        });
        Some(dearest)
    }
}

/// Literals of which one occurs in every match of a pattern, but for alternatives that are found by their first
/// bytes; `None` when there are none, or no pattern.
pub fn literals(pattern: &str) -> Option<Vec<String>> {
    let mut pattern = Pattern::new(pattern).ok().filter(|p| !p.runs_always())?;
    let literals = pattern
        .take_sought()
        .into_iter()
        .filter_map(|(_, s)| match s {
            Sought::Literals(set) => Some(set),
            Sought::Start(_) => None,
        });
    let shown = |l: Vec<u8>| String::from_utf8_lossy(&l).into_owned();
    let shown: Vec<String> = literals.flatten().map(shown).collect();
    (!shown.is_empty()).then_some(shown)
}

fn nanos(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

struct Explanation<'a> {
    set: &'a RuleSet,
    evaluation: Evaluation<'a>,
    steps: Vec<Step>,
}

impl Explanation<'_> {
    fn node(&mut self, node: &Node, depth: usize) -> bool {
        let at = self.steps.len();
        if at >= STEPS || depth >= DEPTH {
            return self.evaluation.node(node);
        }
        self.steps.push(Step {
            depth,
            what: String::new(),
            holds: false,
            evidence: None,
            origin: None,
            line: None,
        });
        let mut inner = |nodes: &[Node]| nodes.iter().filter(|n| self.node(n, depth + 1)).count();
        let (what, holds) = match node {
            Node::All(nodes) => ("all of".to_owned(), inner(nodes) == nodes.len()),
            Node::Any(nodes) => ("any of".to_owned(), inner(nodes) > 0),
            Node::AtLeast(wanted, nodes) => {
                (format!("at least {wanted} of"), inner(nodes) >= *wanted)
            }
            Node::Not(node) => ("not".to_owned(), !self.node(node, depth + 1)),
            Node::Rule(number) => {
                let set = self.set;
                let Some(rule) = set.rules.get(*number) else {
                    return false;
                };
                self.node(&rule.condition, depth + 1);
                (format!("rule {}", rule.id), self.evaluation.rule(*number))
            }
            Node::Formula(formula) => {
                let mut rules = Vec::new();
                formula.names(&mut |operand| match operand {
                    Operand::Rule(number) if !rules.contains(number) => rules.push(*number),
                    _ => {}
                });
                for number in rules {
                    self.node(&Node::Rule(number), depth + 1);
                }
                ("formula".to_owned(), self.evaluation.node(node))
            }
            Node::Leaf(number) => return self.leaf(*number, at),
        };
        if let Some(step) = self.steps.get_mut(at) {
            step.what = what;
            step.holds = holds;
        }
        holds
    }

    fn leaf(&mut self, number: usize, at: usize) -> bool {
        let mut evidence = Vec::new();
        let holds = self.evaluation.leaf(number, &mut evidence);
        let Some(step) = self.steps.get_mut(at) else {
            return holds;
        };
        step.holds = holds;
        step.evidence = evidence.pop().map(|finding| finding.shown);
        let Some((source, span)) = self.set.leaf_places.get(number) else {
            return holds;
        };
        let text = source.text();
        step.what = text.get(span.clone()).unwrap_or_default().to_owned();
        let (line, _) = source.line_column(span.start);
        step.origin = Some(format!("{}:{line}", source.path().display()));
        let line = text.get(span.start..).and_then(|t| t.lines().next());
        let line = line.unwrap_or_default().trim_end();
        step.line = Some(line.chars().take(LINE_CHARS).collect());
        holds
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::Source;
    use crate::mail::Limits;

    const RULES: &str = "version: 1
rules:
  - id: NOTICE
    description: d
    score: 1
    when:
      all:
        - subject: '(?i)invoice'
        - { not: { rule: REPLY } }
        - any: [{ text: 'overdue' }, { text: 'unpaid' }]
  - id: REPLY
    description: d
    silent: true
    when: { subject: '^Re: ' }
  - { id: DEAR, description: d, score: 1, when: { text: '[a-z][a-z]' } }
";

    #[test]
    fn every_condition_says_how_it_came_out_and_where_it_stands() {
        let set = RuleSet::from_sources(&[Source::new("a.yaml", RULES)]).unwrap();
        let mail = Mail::parse(
            Bytes::from("Subject: Re: Invoice 7\r\n\r\nStill unpaid\r\n"),
            &Limits::default(),
        );
        let envelope = Envelope::default();
        let steps = set
            .explain(&envelope, &mail, Known::default(), "NOTICE")
            .unwrap();
        let told: Vec<_> = steps
            .iter()
            .map(|s| (s.depth, s.what.as_str(), s.holds))
            .collect();
        assert_eq!(
            told,
            [
                (0, "all of", false),
                (1, "subject", true),
                (1, "not", false),
                (2, "rule REPLY", true),
                (3, "subject", true),
                (1, "any of", true),
                (2, "text", false),
                (2, "text", true),
            ]
        );
        assert_eq!(steps[1].evidence.as_deref(), Some("subject: \"Invoice\""));
        assert_eq!(steps[1].origin.as_deref(), Some("a.yaml:8"));
        assert_eq!(steps[1].line.as_deref(), Some("subject: '(?i)invoice'"));
        assert!(
            set.explain(&envelope, &mail, Known::default(), "NONE")
                .is_none()
        );
        let measured = set.measure(&envelope, &mail);
        assert_eq!(measured.hits, [false, true, true]);
        assert_eq!(set.cost("NOTICE"), Some(Cost::Gated));
        assert_eq!(set.cost("DEAR"), Some(Cost::Long));
    }
}
