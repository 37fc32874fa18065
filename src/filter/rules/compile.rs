//! From rule files as written to rules as they run, with every problem of every file.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::chain::{self, References};
use super::condition::{Bounds, Index, Leaf, Node};
use super::place::Place;
use super::relation::Relation;
use super::ruleset::Rule;
use super::written::{self, Clause, Decisive, OneOrMany, When, listed};
use crate::config::{Problem, Source, span_of};
use crate::filter::Action;
use crate::mail::Flag;

/// Most rules of a set.
pub(super) const RULES: usize = 20_000;
/// Most conditions in conditions, and most rules in a chain of references.
pub(super) const DEPTH: usize = 16;
/// Longest rule id, bytes: it becomes a header word and a metric label.
const ID_BYTES: usize = 64;
/// Longest description, bytes.
const DESCRIPTION_BYTES: usize = 200;
/// Largest score, either way.
const SCORE: f64 = 100.0;
/// Most entries of one list of literals, domains or networks.
const LIST: usize = 10_000;
/// Keys of conditions that are not places.
const CLAUSES: &[&str] = &[
    "all",
    "any",
    "not",
    "at_least",
    "rule",
    "flag",
    "relation",
    "client",
    "authenticated",
    "size",
    "header",
    "headers",
    "sa_header",
    "sa_mime_header",
];

/// What compiling gives.
#[derive(Default)]
pub(super) struct Compiled {
    pub(super) rules: Vec<Rule>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) places: Vec<Place>,
    /// Literals of gated leaves, by place.
    pub(super) literals: Vec<Vec<(Index, Vec<Vec<u8>>)>>,
    pub(super) problems: Vec<Problem>,
    ids: HashMap<String, Index>,
    references: Vec<References>,
}

/// Compiles files in their order.
pub(super) fn compile(files: &[(Source, written::File)]) -> Compiled {
    let mut compiled = Compiled::default();
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
        for rule in &file.rules {
            let rule = compiled.rule(source, rule);
            compiled.rules.push(rule);
        }
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

    fn rule(&mut self, source: &Source, rule: &written::Rule) -> Rule {
        self.check_words(source, rule);
        let silent = rule.silent.as_ref().is_some_and(|s| s.value);
        let score = match (&rule.score, silent) {
            (Some(score), true) => {
                self.problem(
                    Problem::at(source, span_of(score), "a silent rule has no score")
                        .help("a silent rule only serves others through `rule:`; drop `score` or `silent`"),
                );
                0.0
            }
            (None, true) => 0.0,
            (Some(score), false) => {
                if !score.value.is_finite() || score.value.abs() > SCORE {
                    self.problem(Problem::at(
                        source,
                        span_of(score),
                        format!("a score lies between -{SCORE} and {SCORE}"),
                    ));
                }
                score.value
            }
            (None, false) => {
                self.problem(
                    Problem::at(source, span_of(&rule.id), "the rule has no score")
                        .help("add `score: 1.0`, or `silent: true` if it only serves other rules"),
                );
                0.0
            }
        };
        if silent && rule.decisive.is_some() {
            self.problem(Problem::at(
                source,
                span_of(&rule.id),
                "a silent rule cannot be decisive: it reports no hit",
            ));
        }
        self.references.push(Vec::new());
        let condition = self.when(source, &rule.when, 0);
        let (line, _) = source.line_column(span_of(&rule.id).start);
        Rule {
            id: Arc::from(rule.id.value.as_str()),
            description: rule.description.value.clone(),
            score,
            silent,
            decisive: rule.decisive.map(|d| match d {
                Decisive::Reject => Action::Reject,
                Decisive::Quarantine => Action::Quarantine,
            }),
            origin: format!("{}:{line}", source.path().display()),
            condition,
        }
    }

    fn check_words(&mut self, source: &Source, rule: &written::Rule) {
        let id = &rule.id.value;
        let well_formed = id.len() <= ID_BYTES
            && id.starts_with(|c: char| c.is_ascii_uppercase())
            && id
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            self.problem(
                Problem::at(source, span_of(&rule.id), format!("`{id}` cannot be a rule id"))
                    .help(format!("an id is A-Z, 0-9 and _, begins with a letter and has at most {ID_BYTES} characters")),
            );
        }
        let description = rule.description.value.trim();
        if description.is_empty()
            || description.len() > DESCRIPTION_BYTES
            || description.contains(char::is_control)
        {
            self.problem(Problem::at(
                source,
                span_of(&rule.description),
                format!("a description is one line of 1 to {DESCRIPTION_BYTES} bytes"),
            ));
        }
    }

    fn when(&mut self, source: &Source, when: &Spanned<When>, depth: usize) -> Node {
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
            Clause::Client(nets) => Leaf::Client(self.nets(source, nets)),
            Clause::Authenticated(wanted) => Leaf::Authenticated(*wanted),
            Clause::Size(bounds) => Leaf::Size(self.bounds(source, bounds)),
            Clause::Place(matcher) => match self.texts(source, key, matcher) {
                Some(leaf) => leaf,
                None => return Node::Any(Vec::new()),
            },
        };
        self.leaves.push(leaf);
        Node::Leaf(self.leaves.len() - 1)
    }

    fn unknown_key(&mut self, source: &Source, key: &Spanned<String>) {
        let known: Vec<&str> = CLAUSES.iter().copied().chain(Place::names()).collect();
        self.problem(unknown(
            source,
            span_of(key),
            "place or condition",
            &key.value,
            &known,
        ));
    }

    fn reference(&mut self, source: &Source, id: &Spanned<String>) -> Node {
        let Some(number) = self.ids.get(&id.value).copied() else {
            let known: Vec<String> = self.ids.keys().cloned().collect();
            let near = nearest(&id.value, known.iter().map(String::as_str));
            let mut problem = Problem::at(
                source,
                span_of(id),
                format!("there is no rule `{}`", id.value),
            );
            if let Some(near) = near {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            self.problem(problem);
            return Node::Any(Vec::new());
        };
        if let Some(references) = self.references.last_mut() {
            references.push((number, source.clone(), span_of(id)));
        }
        Node::Rule(number)
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

    fn nets(&mut self, source: &Source, nets: &OneOrMany) -> Vec<IpNet> {
        let mut all = Vec::new();
        for (text, span) in listed(nets) {
            let net = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
            match net {
                Ok(net) => all.push(net),
                Err(_) => self.problem(
                    Problem::at(source, span, format!("`{text}` is not a network"))
                        .help("write `192.0.2.0/24`, `2001:db8::/32` or one address"),
                ),
            }
        }
        self.check_list(source, nets, listed(nets).len());
        all
    }

    pub(super) fn check_list(&mut self, source: &Source, list: &OneOrMany, len: usize) {
        if len == 0 {
            self.problem(Problem::at(source, span_of(list), "the list is empty"));
        } else if len > LIST {
            self.problem(Problem::at(
                source,
                span_of(list),
                format!("the list has {len} entries, more than {LIST}"),
            ));
        }
    }

    pub(super) fn bounds(&mut self, source: &Source, bounds: &Spanned<written::Bounds>) -> Bounds {
        let given = bounds.value;
        let made = Bounds {
            at_least: given.at_least.map_or(0, |b| b.0),
            at_most: given.at_most.map_or(u64::MAX, |b| b.0),
        };
        if given.at_least.is_none() && given.at_most.is_none() {
            self.problem(Problem::at(
                source,
                span_of(bounds),
                "give `at_least`, `at_most` or both",
            ));
        } else if made.at_least > made.at_most {
            self.problem(Problem::at(
                source,
                span_of(bounds),
                "`at_least` is larger than `at_most`: nothing can satisfy this",
            ));
        }
        made
    }
}

fn unknown(
    source: &Source,
    span: Range<usize>,
    what: &str,
    given: &str,
    known: &[&str],
) -> Problem {
    let mut problem = Problem::at(source, span, format!("unknown {what} `{given}`"))
        .help(format!("known here: {}", known.join(", ")));
    if let Some(near) = nearest(given, known.iter().copied()) {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    problem
}

fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::damerau_levenshtein(given, k), k))
        .filter(|(distance, k)| *distance <= (k.len().max(given.len()) / 3).max(1))
        .min()
        .map(|(_, k)| k)
}
