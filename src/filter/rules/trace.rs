//! Why a rule holds or does not: each of its conditions with its answer, none left out for speed.

use super::condition::{Index, Leaf, Node, Operand, Value};
use super::evaluation::Evaluation;
use super::rule::{Origin, Rule};
use super::ruleset::RuleSet;
use super::texts::Subject;
use crate::mail::{Envelope, Mail};

/// One condition of a rule and how it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it asks, in the words of rule files: `all`, `not`, `subject matches`, `rule OTHER`.
    pub asks: String,
    /// Whether it holds.
    pub holds: bool,
    /// What shows that it holds; to be escaped wherever it is shown.
    pub evidence: Option<String>,
    /// Where it was written; absent for `all`, `any`, `not` and their like.
    pub origin: Option<Origin>,
    /// The conditions that it consists of.
    pub steps: Vec<Step>,
}

impl RuleSet {
    /// Follows a rule through its conditions, and the rules that it refers to one level deep. `None` when
    /// there is no rule of that id. A rule that is off is followed as if it were on; see
    /// [`Rule::expires`] and [`Rule::is_scoped`].
    pub fn trace(&self, id: &str, envelope: &Envelope, mail: &Mail) -> Option<Step> {
        let rule = self.rule(id)?;
        let subject = Subject::Transaction(envelope, mail);
        let mut evaluation = Evaluation::new(self, &subject, self.today());
        Some(self.step(&mut evaluation, &rule.condition, true))
    }

    fn step(&self, evaluation: &mut Evaluation<'_>, node: &Node, deep: bool) -> Step {
        let mut found = Vec::new();
        let holds = evaluation.holds(node, &mut found);
        let shown: Vec<String> = found.into_iter().map(|f| f.shown).collect();
        let mut step = Step {
            asks: String::new(),
            holds,
            evidence: holds.then(|| shown.join("; ")).filter(|s| !s.is_empty()),
            origin: None,
            steps: Vec::new(),
        };
        let inner = match node {
            Node::Leaf(number) => {
                step.asks = self.asks(*number);
                step.origin = self.origins.get(*number).cloned();
                return step;
            }
            Node::All(nodes) => {
                step.asks = "all".to_owned();
                nodes.as_slice()
            }
            Node::Any(nodes) => {
                step.asks = "any".to_owned();
                nodes.as_slice()
            }
            Node::AtLeast(wanted, nodes) => {
                step.asks = format!("at least {wanted} of");
                nodes.as_slice()
            }
            Node::Not(inner) => {
                step.asks = "not".to_owned();
                std::slice::from_ref(inner.as_ref())
            }
            Node::Rule(number) => {
                if let Some(rule) = self.rules.get(*number) {
                    step.asks = format!("rule {}", rule.id);
                    step.origin = Some(rule.origin.clone());
                    if deep {
                        step.steps = vec![self.step(evaluation, &rule.condition, false)];
                    }
                }
                return step;
            }
            Node::Formula(formula) => {
                step.asks = "formula".to_owned();
                let mut seen: Vec<Index> = Vec::new();
                formula.names(&mut |operand| match operand {
                    Operand::Rule(number) if !seen.contains(number) => {
                        seen.push(*number);
                        if let Some(rule) = self.rules.get(*number) {
                            step.steps.push(value_of(rule, evaluation.value(*number)));
                        }
                    }
                    _ => {}
                });
                return step;
            }
        };
        step.steps = inner
            .iter()
            .map(|n| self.step(evaluation, n, deep))
            .collect();
        step
    }

    /// What a leaf asks, in words.
    fn asks(&self, number: Index) -> String {
        match self.leaves.get(number) {
            Some(Leaf::Texts(leaf)) => {
                let place = self.labels.get(leaf.place).map_or("", String::as_str);
                let what = match &leaf.value {
                    Value::Anything if leaf.length.is_some() => "length",
                    Value::Anything => "count",
                    Value::Pattern(_) | Value::Backtracking(_) => "matches",
                    Value::Contains(_) => "contains",
                    Value::Equals { .. } => "equals",
                    Value::Words(_) => "words",
                    Value::Domains(_) => "domains",
                    Value::Networks(_) => "networks",
                    Value::Digests(_) => "sha256",
                    Value::Number(_) => "number",
                };
                format!("{place} {what}")
            }
            Some(Leaf::Element(leaf)) => leaf.element.name().to_owned(),
            Some(Leaf::Number(number, _)) => number.name().to_owned(),
            Some(Leaf::Flag(names)) => format!("flag {}", names.join(", ")),
            Some(Leaf::Relation(relation)) => format!("relation {}", relation.name()),
            Some(Leaf::Client(_)) => "client".to_owned(),
            Some(Leaf::Authenticated(wanted)) => format!("authenticated {wanted}"),
            None => String::new(),
        }
    }
}

/// A rule in a formula, with its value.
fn value_of(rule: &Rule, value: f64) -> Step {
    Step {
        asks: format!("rule {}", rule.id),
        holds: value != 0.0,
        evidence: (value != 0.0).then(|| format!("value {value}")),
        origin: Some(rule.origin.clone()),
        steps: Vec::new(),
    }
}
