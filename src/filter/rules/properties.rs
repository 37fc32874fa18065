//! What is known of a rule without a message: where it looks, what it depends on, what is odd about it.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::Date;

use super::condition::{Ask, Index, Leaf, Node, Operand};
use super::list::Lists;
use super::rule::Rule;
use super::ruleset::RuleSet;
use super::written::File;
use crate::config::{Problem, Source, span_of};

/// How long before it expires a rule is warned of, days.
const NOTICE: i64 = 30;

/// What a rule looks at and depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Places, elements (`link.host`), numbers and conditions, by their names in rule files; sorted.
    pub looks_at: Vec<String>,
    /// Ids of the rules that it refers to; sorted.
    pub refers_to: Vec<String>,
    /// Ids of the rules that refer to it; sorted.
    pub serves: Vec<String>,
    /// Names of list files; sorted.
    pub lists: Vec<String>,
}

impl RuleSet {
    /// What a rule looks at and depends on.
    pub fn properties(&self, rule: &Rule) -> Properties {
        let id = |number: Index| self.rules.get(number).map(|r| r.id.to_string());
        let mut looks_at = BTreeSet::new();
        leaves(&rule.condition, &mut |leaf| {
            self.looks_at(leaf, &mut looks_at);
        });
        let mut refers_to = BTreeSet::new();
        operands(&rule.condition, &mut |operand| match operand {
            Operand::Rule(number) => refers_to.extend(id(number)),
            Operand::Number(number) => {
                looks_at.insert(number.name().to_owned());
            }
        });
        let serves = self.rules.iter().filter(|other| {
            let mut refers = false;
            operands(&other.condition, &mut |operand| {
                refers |=
                    matches!(operand, Operand::Rule(n) if id(n).as_deref() == Some(rule.id()));
            });
            refers
        });
        let serves: BTreeSet<String> = serves.map(|other| other.id.to_string()).collect();
        Properties {
            looks_at: looks_at.into_iter().collect(),
            refers_to: refers_to.into_iter().collect(),
            serves: serves.into_iter().collect(),
            lists: rule.lists.iter().map(ToString::to_string).collect(),
        }
    }

    fn looks_at(&self, leaf: Index, into: &mut BTreeSet<String>) {
        match self.leaves.get(leaf) {
            Some(Leaf::Texts(leaf)) => {
                into.extend(self.labels.get(leaf.place).cloned());
            }
            Some(Leaf::Element(leaf)) => {
                into.insert(leaf.element.name().to_owned());
                aspects(leaf.element.name(), &leaf.asks, into);
            }
            Some(Leaf::Number(number, _)) => {
                into.insert(number.name().to_owned());
            }
            Some(Leaf::Flag(_)) => {
                into.insert("flag".to_owned());
            }
            Some(Leaf::Relation(relation)) => {
                into.insert(relation.name().to_owned());
            }
            Some(Leaf::Client(_)) => {
                into.insert("client".to_owned());
            }
            Some(Leaf::Authenticated(_)) => {
                into.insert("authenticated".to_owned());
            }
            None => {}
        }
    }
}

fn aspects(element: &str, asks: &[Ask], into: &mut BTreeSet<String>) {
    for ask in asks {
        match ask {
            Ask::Text { key, .. } => {
                into.insert(format!("{element}.{key}"));
            }
            Ask::Size(_) => {
                into.insert(format!("{element}.size"));
            }
            Ask::Not(asks) => aspects(element, asks, into),
        }
    }
}

/// Every leaf of a condition.
pub(super) fn leaves(node: &Node, each: &mut impl FnMut(Index)) {
    match node {
        Node::Leaf(number) => each(*number),
        Node::All(nodes) | Node::Any(nodes) | Node::AtLeast(_, nodes) => {
            nodes.iter().for_each(|n| leaves(n, each));
        }
        Node::Not(inner) => leaves(inner, each),
        Node::Rule(_) | Node::Formula(_) => {}
    }
}

/// Every rule that a condition refers to, and every number in its formulas.
fn operands(node: &Node, each: &mut impl FnMut(Operand)) {
    match node {
        Node::Leaf(_) => {}
        Node::All(nodes) | Node::Any(nodes) | Node::AtLeast(_, nodes) => {
            nodes.iter().for_each(|n| operands(n, each));
        }
        Node::Not(inner) => operands(inner, each),
        Node::Rule(number) => each(Operand::Rule(*number)),
        Node::Formula(formula) => formula.names(&mut |operand| each(*operand)),
    }
}

/// Groups and lists that nothing uses, and lists without an entry.
pub(super) fn warnings(files: &[(Source, File)], rules: &[Rule], lists: &Lists) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let mut number = 0;
    for (source, file) in files {
        for group in &file.groups {
            if !rules.iter().any(|r| r.group == Some(number)) {
                warnings.push(Problem::at(
                    source,
                    span_of(&group.name),
                    format!("no rule is in the group `{}`", group.name.value),
                ));
            }
            number += 1;
        }
    }
    let used: BTreeSet<&str> = rules
        .iter()
        .flat_map(|r| r.lists.iter().map(|l| &**l))
        .collect();
    for name in lists.names() {
        if !used.contains(name.as_str()) {
            warnings.push(Problem::without_place(format!(
                "no rule looks into the list `{name}`"
            )));
        }
    }
    for name in lists.empty() {
        warnings.push(Problem::without_place(format!(
            "the list `{name}` has no entries: nothing can be found in it"
        )));
    }
    warnings
}

/// Rules that expire, with the place of the date.
pub(super) fn expiring(
    files: &[(Source, File)],
    rules: &[Rule],
) -> Vec<(Source, Range<usize>, Index)> {
    let written = files
        .iter()
        .flat_map(|(source, file)| file.rules.iter().map(move |rule| (source, rule)));
    written
        .enumerate()
        .filter(|(number, _)| rules.get(*number).is_some_and(|r| r.expires.is_some()))
        .filter_map(|(number, (source, rule))| {
            Some((source.clone(), span_of(rule.expires.as_ref()?), number))
        })
        .collect()
}

/// What is to be said on a day of rules that expire.
pub(super) fn expiry_warnings(
    rules: &[Rule],
    expiring: &[(Source, Range<usize>, Index)],
    day: Date,
) -> Vec<Problem> {
    let of_rule = |(source, span, number): &(Source, Range<usize>, Index)| {
        let rule = rules.get(*number)?;
        let last = rule.expires?;
        let left = i64::from(day.until(last).ok()?.get_days());
        let message = if last < day {
            format!("the rule {} has expired and is off", rule.id)
        } else if left <= NOTICE {
            format!("the rule {} expires in {left} days", rule.id)
        } else {
            return None;
        };
        Some(
            Problem::at(source, span.clone(), message)
                .label("the last day on which it is on")
                .help("remove the rule, or set a later date"),
        )
    };
    expiring.iter().filter_map(of_rule).collect()
}
