//! Which rules can hold at all, told by the literals that a message holds.
//!
//! A rule that cannot hold while none of its gated leaves has seen a literal sleeps until one of them has.
//! So a message pays for the rules whose words it holds, and not for the number of rules.

use std::collections::HashMap;

use super::bounds::Interval;
use super::condition::{Index, Leaf, Node, Operand};
use super::place::Place;
use super::rule::Rule;

/// How much more there is to look at in a long place than in a short one.
const LONG: u32 = 8;

/// The plan of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Rules that have to be asked for every message.
    always: Vec<Index>,
    /// By leaf: the rules that it wakes.
    wakes: Vec<Vec<Index>>,
    /// By rule: what it costs to ask it, roughly, in the work of a short pattern that a literal shows.
    costs: Vec<u32>,
    /// By rule: whether its formula, if it is one, always has a value.
    total: Vec<bool>,
}

impl Plan {
    /// Plans rules that are already known to have no circle of references.
    pub(super) fn new(rules: &[Rule], leaves: &[Leaf], places: &[Place]) -> Plan {
        let mut sleep = Sleep {
            rules,
            leaves,
            known: vec![None; rules.len()],
        };
        let mut plan = Plan {
            always: Vec::new(),
            wakes: vec![Vec::new(); leaves.len()],
            costs: rules
                .iter()
                .map(|rule| cost(rule, leaves, places))
                .collect(),
            total: rules.iter().map(|r| is_total(&r.condition)).collect(),
        };
        for number in 0..rules.len() {
            let (rest, gated) = sleep.of_rule(number);
            if rest != Some(false) {
                plan.always.push(number);
                continue;
            }
            for leaf in gated {
                if let Some(woken) = plan.wakes.get_mut(leaf) {
                    woken.push(number);
                }
            }
        }
        plan
    }

    /// Whether a rule that is a formula always has a value.
    pub(super) fn is_total(&self, rule: Index) -> bool {
        self.total.get(rule).copied().unwrap_or(false)
    }

    /// What it costs to ask a rule, beside the rules that it refers to.
    pub(super) fn cost(&self, rule: Index) -> u32 {
        self.costs.get(rule).copied().unwrap_or(0)
    }

    /// The rules to ask when these leaves have seen a literal, in their order.
    pub(super) fn awake(&self, seen: impl Iterator<Item = Index>) -> Vec<Index> {
        let woken = seen.filter_map(|leaf| self.wakes.get(leaf));
        let mut all: Vec<Index> = self.always.iter().chain(woken.flatten()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn is_total(condition: &Node) -> bool {
    match condition {
        Node::Formula(formula) => formula.is_total(),
        _ => true,
    }
}

fn cost(rule: &Rule, leaves: &[Leaf], places: &[Place]) -> u32 {
    let mut cost: u32 = 0;
    rule.condition.leaves(&mut |number| {
        cost += match leaves.get(number) {
            Some(Leaf::Texts(leaf)) => {
                let long = places.get(leaf.place).is_some_and(Place::is_content);
                let length = if long { LONG } else { 1 };
                length * leaf.value.effort()
            }
            _ => 1,
        };
    });
    cost
}

/// What a condition comes to while no gated leaf has seen anything (nothing when the others decide), and
/// its gated leaves.
type AtRest = (Option<bool>, Vec<Index>);

struct Sleep<'a> {
    rules: &'a [Rule],
    leaves: &'a [Leaf],
    known: Vec<Option<AtRest>>,
}

impl Sleep<'_> {
    fn of_rule(&mut self, number: Index) -> AtRest {
        if let Some(Some(known)) = self.known.get(number) {
            return known.clone();
        }
        let rules = self.rules;
        let Some(rule) = rules.get(number) else {
            return (None, Vec::new());
        };
        let mut found = self.of(&rule.condition);
        found.1.sort_unstable();
        found.1.dedup();
        if let Some(known) = self.known.get_mut(number) {
            *known = Some(found.clone());
        }
        found
    }

    fn of(&mut self, node: &Node) -> AtRest {
        match node {
            Node::Leaf(number) => match self.leaves.get(*number) {
                Some(Leaf::Texts(leaf)) if leaf.gated => {
                    (Some(leaf.ask_nothing().holds), vec![*number])
                }
                _ => (None, Vec::new()),
            },
            Node::Rule(number) => self.of_rule(*number),
            Node::Formula(formula) => {
                let mut gated = Vec::new();
                let mut at_rest = HashMap::new();
                formula.names(&mut |operand| {
                    if let Operand::Rule(number) = operand {
                        let (rest, own) = self.of_rule(*number);
                        gated.extend(own);
                        at_rest.insert(*number, rest);
                    }
                });
                let value = formula.range(&mut |operand| match operand {
                    // Of a rule that holds at rest the value is not known: it may count.
                    Operand::Rule(number) => match at_rest.get(number) {
                        Some(Some(false)) => Interval::only(0.0),
                        _ => Interval::ANY,
                    },
                    Operand::Number(_) => Interval::ANY,
                });
                (value.truth().filter(|_| formula.is_total()), gated)
            }
            Node::Not(inner) => {
                let (rest, gated) = self.of(inner);
                (rest.map(|holds| !holds), gated)
            }
            Node::All(nodes) => self.at_least(nodes.len(), nodes),
            Node::Any(nodes) => self.at_least(1, nodes),
            Node::AtLeast(wanted, nodes) => self.at_least(*wanted, nodes),
        }
    }

    fn at_least(&mut self, wanted: usize, nodes: &[Node]) -> AtRest {
        let (mut certain, mut possible, mut gated) = (0, 0, Vec::new());
        for node in nodes {
            let (rest, own) = self.of(node);
            certain += usize::from(rest == Some(true));
            possible += usize::from(rest != Some(false));
            gated.extend(own);
        }
        let rest = match (certain >= wanted, possible >= wanted) {
            (true, _) => Some(true),
            (_, false) => Some(false),
            _ => None,
        };
        (rest, gated)
    }
}
