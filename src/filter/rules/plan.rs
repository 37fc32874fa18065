//! Which rules can hold at all, told by the literals that a message holds.
//!
//! A rule that cannot hold while none of its gated leaves has seen a literal sleeps until one of them has. Where
//! several conditions each keep it from holding, one is enough to let it sleep, and the one whose literals are the
//! rarest is watched. So a message pays for the rules whose words it holds, and not for the number of rules.

use std::collections::HashMap;

use super::bounds::Interval;
use super::condition::{Index, Leaf, Node, Operand};
use super::formula::Formula;
use super::gate::{Seeker, Sought};
use super::place::Place;
use super::rule::Rule;

/// How much more there is to look at in a long place than in a short one.
const LONG: u32 = 8;
/// Bytes in a short place, about.
const SHORT_BYTES: f64 = 256.0;

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
    /// Plans rules that are already known to have no circle of references. `sought` is what their gates look for, by
    /// place.
    pub(super) fn new(
        rules: &[Rule],
        leaves: &[Leaf],
        places: &[Place],
        sought: &[Vec<(Seeker, Sought)>],
    ) -> Plan {
        let mut sleep = Sleep {
            rules,
            leaves,
            sightings: sightings(leaves.len(), places, sought),
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

/// By leaf: how often it sees something in a message, about.
fn sightings(leaves: usize, places: &[Place], sought: &[Vec<(Seeker, Sought)>]) -> Vec<f64> {
    let mut sightings = vec![0.0; leaves];
    for (place, entries) in places.iter().zip(sought) {
        let bytes = match place.is_content() {
            true => f64::from(LONG) * SHORT_BYTES,
            false => SHORT_BYTES,
        };
        for (seeker, sought) in entries {
            if let Some(of_leaf) = sightings.get_mut(seeker.leaf as usize) {
                *of_leaf += bytes * sought.share();
            }
        }
    }
    sightings
}

/// What a condition comes to while no gated leaf that is watched has seen anything (nothing when others decide), and
/// those leaves.
type AtRest = (Option<bool>, Vec<Index>);

struct Sleep<'a> {
    rules: &'a [Rule],
    leaves: &'a [Leaf],
    sightings: Vec<f64>,
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
            Node::Formula(formula) => self.of_formula(formula),
            Node::Not(inner) => {
                let (rest, watched) = self.of(inner);
                (rest.map(|holds| !holds), watched)
            }
            Node::All(nodes) => self.at_least(nodes.len(), nodes),
            Node::Any(nodes) => self.at_least(1, nodes),
            Node::AtLeast(wanted, nodes) => self.at_least(*wanted, nodes),
        }
    }

    fn of_formula(&mut self, formula: &Formula<Operand>) -> AtRest {
        // Rules that do not hold at rest. Of one that does the value is not known: it may count.
        let mut asleep: HashMap<Index, Vec<Index>> = HashMap::new();
        formula.names(&mut |operand| {
            if let Operand::Rule(number) = operand
                && let (Some(false), watched) = self.of_rule(*number)
            {
                asleep.insert(*number, watched);
            }
        });
        let truth = |asleep: &HashMap<Index, Vec<Index>>| {
            let value = formula.range(&mut |operand| match operand {
                Operand::Rule(number) if asleep.contains_key(number) => Interval::only(0.0),
                Operand::Rule(_) | Operand::Number(_) => Interval::ANY,
            });
            value.truth().filter(|_| formula.is_total())
        };
        let Some(rest) = truth(&asleep) else {
            return (None, Vec::new());
        };
        // Those that see the most are given up first, as long as the others decide.
        let mut all: Vec<Index> = asleep.keys().copied().collect();
        all.sort_by(|a, b| {
            let often = |rule| self.often(asleep.get(rule).map_or(&[], Vec::as_slice));
            often(b).total_cmp(&often(a)).then(a.cmp(b))
        });
        for number in all {
            if let Some(watched) = asleep.remove(&number)
                && truth(&asleep) != Some(rest)
            {
                asleep.insert(number, watched);
            }
        }
        (Some(rest), asleep.into_values().flatten().collect())
    }

    fn at_least(&mut self, wanted: usize, nodes: &[Node]) -> AtRest {
        let (mut held, mut failed) = (Vec::new(), Vec::new());
        for node in nodes {
            match self.of(node) {
                (Some(true), watched) => held.push(watched),
                (Some(false), watched) => failed.push(watched),
                (None, _) => {}
            }
        }
        let (rest, enough, mut deciding) = match held.len() >= wanted {
            true => (true, wanted, held),
            // Where so many fail, too few are left.
            false => (false, (nodes.len() + 1).saturating_sub(wanted), failed),
        };
        if deciding.len() < enough {
            return (None, Vec::new());
        }
        deciding.sort_by(|a, b| self.often(a).total_cmp(&self.often(b)));
        deciding.truncate(enough);
        (Some(rest), deciding.concat())
    }

    /// How often any of these leaves sees something in a message, about.
    fn often(&self, leaves: &[Index]) -> f64 {
        let sightings = leaves.iter().filter_map(|leaf| self.sightings.get(*leaf));
        sightings.sum()
    }
}
