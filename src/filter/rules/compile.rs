//! From rule files as written to rules as they run, with every problem of every file.
//!
//! `effect` reads what a hit does, `matcher` what is asked of a place, `asks` what is asked of one element, `reference` what is said
//! of other rules, `bounds` what is said of numbers.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::chain::{self, References};
use super::condition::{Index, Leaf, Node};
use super::element::Element;
use super::gate::{Seeker, Sought};
use super::group::Group;
use super::list::{self, Kind, LISTED, List, Lists};
use super::number::Number;
use super::place::Place;
use super::relation::Relation;
use super::rule::Rule;
use super::suggestion::{nearest, unknown};
use super::written::{self, Clause, Listed, OneOrMany, When, listed};
use crate::config::{Problem, Source, span_of};
use crate::mail::Flag;

/// Most rules of a set.
pub(super) const RULES: usize = 20_000;
/// Most conditions in conditions, and most rules in a chain of references.
pub(super) const DEPTH: usize = 16;
/// Most conditions of all rules together.
const LEAVES: usize = 200_000;
/// Keys of conditions that are not places, elements or numbers.
pub(super) const CLAUSES: &[&str] = &[
    "all",
    "any",
    "not",
    "at_least",
    "rule",
    "formula",
    "flag",
    "relation",
    "client",
    "authenticated",
    "header",
    "headers",
    "sa_header",
    "sa_mime_header",
];

/// What compiling gives.
pub(super) struct Compiled {
    pub(super) rules: Vec<Rule>,
    pub(super) groups: Vec<Group>,
    pub(super) leaves: Vec<Leaf>,
    /// Where each leaf was written.
    pub(super) leaf_places: Vec<(Source, Range<usize>)>,
    pub(super) places: Vec<Place>,
    /// Literals of gated leaves, by place.
    pub(super) literals: Vec<Vec<(Seeker, Sought)>>,
    pub(super) lists: Lists,
    pub(super) problems: Vec<Problem>,
    pub(super) ids: HashMap<String, Index>,
    pub(super) references: Vec<References>,
    /// List files that the rule in hand looks into.
    pub(super) looked_into: Vec<Arc<str>>,
}

/// Compiles files in their order.
pub(super) fn compile(files: &[(Source, written::File)], lists: Lists) -> Compiled {
    let mut compiled = Compiled {
        rules: Vec::new(),
        groups: Vec::new(),
        leaves: Vec::new(),
        leaf_places: Vec::new(),
        places: Vec::new(),
        literals: Vec::new(),
        lists,
        problems: Vec::new(),
        ids: HashMap::new(),
        references: Vec::new(),
        looked_into: Vec::new(),
    };
    let mut places_of_ids: HashMap<&str, (&Source, Range<usize>)> = HashMap::new();
    let mut number = 0;
    for (source, file) in files {
        if file.version.value != 1 {
            compiled.problems.push(
                Problem::at(
                    source,
                    span_of(&file.version),
                    format!("unknown version {}", file.version.value),
                )
                .help("this version of mailweir reads `version: 1`"),
            );
        }
        for rule in &file.rules {
            let span = span_of(&rule.id);
            match places_of_ids.get(rule.id.value.as_str()) {
                Some((first, place)) => {
                    let (line, _) = first.line_column(place.start);
                    compiled.problems.push(
                        Problem::at(
                            source,
                            span,
                            format!("the rule id `{}` stands twice", rule.id.value),
                        )
                        .help(format!(
                            "it stands first in {}, line {line}",
                            first.path().display()
                        )),
                    );
                }
                None => {
                    places_of_ids.insert(&rule.id.value, (source, span));
                    compiled.ids.insert(rule.id.value.clone(), number);
                }
            }
            number += 1;
        }
    }
    if number > RULES {
        compiled.problems.push(Problem::without_place(format!(
            "{number} rules, more than {RULES}"
        )));
        return compiled;
    }
    for (source, file) in files {
        for group in &file.groups {
            compiled.group(source, group);
        }
    }
    for (source, file) in files {
        for rule in &file.rules {
            compiled.references.push(Vec::new());
            let rule = compiled.rule(source, rule);
            compiled.rules.push(rule);
        }
    }
    if compiled.leaves.len() > LEAVES {
        compiled.problem(Problem::without_place(format!(
            "{} conditions in all rules, more than {LEAVES}",
            compiled.leaves.len()
        )));
    }
    compiled
        .problems
        .extend(chain::problems(&compiled.references));
    compiled
}

impl Compiled {
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn when(&mut self, source: &Source, when: &Spanned<When>, depth: usize) -> Node {
        if depth >= DEPTH {
            self.problem(
                Problem::at(
                    source,
                    span_of(when),
                    format!("more than {DEPTH} conditions in conditions"),
                )
                .help("give the inner ones rules of their own and refer to them with `rule:`"),
            );
            return Node::Any(Vec::new());
        }
        if when.value.0.is_empty() {
            self.problem(
                Problem::at(source, span_of(when), "the condition is empty")
                    .help("an empty condition would hold for every message"),
            );
        }
        let mut nodes: Vec<Node> = when
            .value
            .0
            .iter()
            .map(|(key, clause)| self.clause(source, key, clause, depth))
            .collect();
        match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            Some(last) => {
                nodes.push(last);
                Node::All(nodes)
            }
            None => Node::Any(Vec::new()),
        }
    }

    fn list(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        list: &[Spanned<When>],
        depth: usize,
    ) -> Vec<Node> {
        if list.is_empty() {
            self.problem(
                Problem::at(
                    source,
                    span_of(key),
                    format!("`{}` has no conditions", key.value),
                )
                .label("empty"),
            );
        }
        list.iter()
            .map(|w| self.when(source, w, depth + 1))
            .collect()
    }

    fn clause(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        clause: &Clause,
        depth: usize,
    ) -> Node {
        let leaf = match clause {
            Clause::All(list) => return Node::All(self.list(source, key, list, depth)),
            Clause::Any(list) => return Node::Any(self.list(source, key, list, depth)),
            Clause::Not(inner) => return Node::Not(Box::new(self.when(source, inner, depth + 1))),
            Clause::AtLeast(at_least) => {
                let wanted = at_least.count.value;
                if wanted == 0 || wanted > at_least.of.len() {
                    self.problem(Problem::at(
                        source,
                        span_of(&at_least.count),
                        format!(
                            "`count` lies between 1 and the number of conditions, here {}",
                            at_least.of.len()
                        ),
                    ));
                }
                return Node::AtLeast(wanted, self.list(source, key, &at_least.of, depth));
            }
            Clause::Rule(id) => return self.reference(source, id),
            Clause::Unknown => {
                self.unknown_key(source, key);
                return Node::Any(Vec::new());
            }
            Clause::Flag(names) => Leaf::Flag(self.flags(source, names)),
            Clause::Relation(name) => match Relation::named(&name.value) {
                Some(relation) => Leaf::Relation(relation),
                None => {
                    let known = Relation::ALL.map(Relation::name);
                    self.problem(unknown(
                        source,
                        span_of(name),
                        "relation",
                        &name.value,
                        &known,
                    ));
                    return Node::Any(Vec::new());
                }
            },
            Clause::Client(networks) => match self.entries(source, networks, Kind::Networks) {
                Some(List::Networks(networks)) => Leaf::Client(networks),
                _ => return Node::Any(Vec::new()),
            },
            Clause::Authenticated(wanted) => Leaf::Authenticated(*wanted),
            Clause::Number(number, interval) => {
                Leaf::Number(*number, self.interval(source, interval, number.unit()))
            }
            Clause::Element(element, asks) => match self.element(source, key, *element, asks) {
                Some(leaf) => leaf,
                None => return Node::Any(Vec::new()),
            },
            Clause::Formula(text) => return self.formula(source, text),
            Clause::Place(matcher) => match self.texts(source, key, matcher) {
                Some(leaf) => leaf,
                None => return Node::Any(Vec::new()),
            },
        };
        let number = self.leaves.len();
        self.leaf_places.push((source.clone(), span_of(key)));
        self.leaves.push(leaf);
        Node::Leaf(number)
    }

    fn unknown_key(&mut self, source: &Source, key: &Spanned<String>) {
        let known: Vec<&str> = CLAUSES
            .iter()
            .copied()
            .chain(Place::names())
            .chain(Element::ALL.map(Element::name))
            .chain(Number::ALL.map(Number::name))
            .collect();
        self.problem(unknown(
            source,
            span_of(key),
            "place or condition",
            &key.value,
            &known,
        ));
    }

    fn flags(&mut self, source: &Source, names: &OneOrMany) -> Vec<String> {
        let known: Vec<&str> = Flag::ALL.iter().map(|f| f.name()).collect();
        let mut all = Vec::new();
        for (name, span) in listed(names) {
            if !known.contains(&name) {
                self.problem(unknown(source, span, "flag", name, &known));
            }
            all.push(name.to_owned());
        }
        self.check_list(source, names, all.len());
        all
    }

    /// The entries of a list, in the rule or in a file; `None` when there is no such list, which is told.
    pub(super) fn entries(
        &mut self,
        source: &Source,
        list: &OneOrMany,
        kind: Kind,
    ) -> Option<List> {
        if let Listed::File(name) = &list.value {
            match self.lists.open(&name.value, kind) {
                Ok((list, problems)) => {
                    self.problems.extend(problems);
                    self.looked_into.push(Arc::from(name.value.as_str()));
                    return Some(list);
                }
                Err((message, help)) => {
                    let mut problem = Problem::at(source, span_of(name), message);
                    problem.help = help;
                    let names = self.lists.names();
                    if let Some(near) = nearest(&name.value, names.iter().map(String::as_str)) {
                        problem = problem.label(format!("did you mean `{near}`?"));
                    }
                    self.problem(problem);
                    return None;
                }
            }
        }
        let mut problems = Vec::new();
        let entries = listed(list);
        self.check_list(source, list, entries.len());
        let made = list::made(kind, entries.into_iter(), |span, message, help| {
            let problem = Problem::at(source, span, message);
            problems.push(match help {
                "" => problem,
                help => problem.help(help),
            });
        });
        self.problems.extend(problems);
        Some(made)
    }

    pub(super) fn check_list(&mut self, source: &Source, list: &OneOrMany, len: usize) {
        if len == 0 {
            self.problem(Problem::at(source, span_of(list), "the list is empty"));
        } else if len > LISTED {
            self.problem(
                Problem::at(
                    source,
                    span_of(list),
                    format!("the list has {len} entries, more than {LISTED}"),
                )
                .help("write it to a file of its own: { list: name } takes lists/name.txt"),
            );
        }
    }
}

/// `file:line` of a value.
pub(super) fn origin(source: &Source, span: &Range<usize>) -> String {
    let (line, _) = source.line_column(span.start);
    format!("{}:{line}", source.path().display())
}
