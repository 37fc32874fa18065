//! From rule files as written to rules as they run, with every problem of every file.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::condition::{Bounds, Index, Leaf, Node, TextsLeaf, Value};
use super::pattern::{PATTERN_BYTES, Pattern};
use super::place::Place;
use super::relation::Relation;
use super::ruleset::Rule;
use super::written::{self, Clause, Decisive, Keys, Matcher, OneOrMany, When, listed};
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
/// Shortest literal that a gate looks for.
const GATED_BYTES: usize = 3;
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
    references: Vec<Vec<(Index, Source, Range<usize>)>>,
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
    compiled.check_references();
    compiled
}

impl Compiled {
    fn problem(&mut self, problem: Problem) {
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

    /// Finds circles and overlong chains. Iterative: it must not fall over what it has to refuse.
    fn check_references(&mut self) {
        let count = self.references.len();
        let mut height: Vec<Option<usize>> = vec![None; count];
        let mut problems = Vec::new();
        for start in 0..count {
            let mut stack: Vec<(Index, usize)> = vec![(start, 0)];
            let mut on_path: HashSet<Index> = HashSet::from([start]);
            while let Some((rule, next)) = stack.last_mut() {
                let rule = *rule;
                if height.get(rule).copied().flatten().is_some() {
                    on_path.remove(&rule);
                    stack.pop();
                    continue;
                }
                let Some((target, source, span)) =
                    self.references.get(rule).and_then(|r| r.get(*next))
                else {
                    let tallest = self
                        .references
                        .get(rule)
                        .into_iter()
                        .flatten()
                        .filter_map(|(t, ..)| height.get(*t).copied().flatten())
                        .max();
                    let own = tallest.map_or(0, |t| t + 1);
                    if own == DEPTH
                        && let Some((_, source, span)) =
                            self.references.get(rule).and_then(|r| r.first())
                    {
                        problems.push(Problem::at(
                            source,
                            span.clone(),
                            format!("a chain of more than {DEPTH} rules that refer to each other"),
                        ));
                    }
                    if let Some(h) = height.get_mut(rule) {
                        *h = Some(own);
                    }
                    on_path.remove(&rule);
                    stack.pop();
                    continue;
                };
                *next += 1;
                if on_path.contains(target) {
                    problems.push(
                        Problem::at(
                            source,
                            span.clone(),
                            "the rules refer to each other in a circle",
                        )
                        .label("leads back to where it started"),
                    );
                } else if height.get(*target).copied().flatten().is_none() {
                    on_path.insert(*target);
                    stack.push((*target, 0));
                }
            }
        }
        self.problems.extend(problems);
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

    fn check_list(&mut self, source: &Source, list: &OneOrMany, len: usize) {
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

    fn bounds(&mut self, source: &Source, bounds: &Spanned<written::Bounds>) -> Bounds {
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

    fn texts(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        matcher: &Spanned<Matcher>,
    ) -> Option<Leaf> {
        let keys = match &matcher.value {
            Matcher::Keys(keys) => Some(keys.as_ref()),
            Matcher::Pattern(_) => None,
        };
        let place = self.place(source, key, keys)?;
        let (value, literals) = match &matcher.value {
            Matcher::Pattern(pattern) => self.pattern(source, pattern, span_of(matcher))?,
            Matcher::Keys(keys) => self.value(source, &place, keys)?,
        };
        let (mut length, mut count) = (None, Bounds::SOME);
        if let Some(keys) = keys {
            let bare = matches!(value, Value::Anything);
            length = keys.length.as_ref().map(|l| self.bounds(source, l));
            if let Some(wanted) = &keys.count {
                count = self.bounds(source, wanted);
            }
            if let Some(exists) = &keys.exists {
                if !bare || keys.length.is_some() || keys.count.is_some() {
                    self.problem(
                        Problem::at(source, span_of(exists), "`exists` stands alone").help(
                            "to negate a test write `not: { ... }`, or `count: { at_most: 0 }`",
                        ),
                    );
                }
                count = if exists.value {
                    Bounds::SOME
                } else {
                    Bounds::NONE
                };
            } else if bare && keys.length.is_none() && keys.count.is_none() {
                self.problem(
                    Problem::at(source, span_of(matcher), "the condition asks nothing").help(
                        "give one of matches, contains, equals, domains, length, exists, count",
                    ),
                );
            }
        }
        let place = self.intern(place);
        let leaf = self.leaves.len();
        let gated = literals.is_some();
        if let (Some(set), Some(of_place)) = (literals, self.literals.get_mut(place)) {
            of_place.push((leaf, set));
        }
        Some(Leaf::Texts(TextsLeaf {
            place,
            value,
            length,
            count,
            gated,
        }))
    }

    fn intern(&mut self, place: Place) -> Index {
        match self.places.iter().position(|p| *p == place) {
            Some(number) => number,
            None => {
                self.places.push(place);
                self.literals.push(Vec::new());
                self.places.len() - 1
            }
        }
    }

    fn place(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        keys: Option<&Keys>,
    ) -> Option<Place> {
        let raw = keys.and_then(|k| k.raw.as_ref());
        let name = keys.and_then(|k| k.name.as_ref());
        match (key.value.as_str(), name) {
            ("header", Some(name)) => {
                let well_formed = !name.value.is_empty()
                    && name
                        .value
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b':');
                if !well_formed {
                    self.problem(Problem::at(
                        source,
                        span_of(name),
                        format!("`{}` cannot be the name of a header field", name.value),
                    ));
                    return None;
                }
                return Some(Place::Header {
                    name: name.value.to_ascii_lowercase(),
                    raw: raw.is_some_and(|r| r.value),
                });
            }
            ("header", None) => {
                self.problem(
                    Problem::at(source, span_of(key), "`header` needs the name of a field")
                        .help("write `header: { name: X-Mailer, matches: '...' }`; `headers` looks at all fields"),
                );
                return None;
            }
            (other, Some(name)) => self.problem(
                Problem::at(source, span_of(name), format!("`{other}` takes no `name`"))
                    .help("only `header` is told by name"),
            ),
            _ => {}
        }
        if key.value == "headers" {
            return Some(Place::Headers {
                raw: raw.is_some_and(|r| r.value),
            });
        }
        if let Some(raw) = raw {
            self.problem(
                Problem::at(
                    source,
                    span_of(raw),
                    format!("`{}` takes no `raw`", key.value),
                )
                .help("only `header` and `headers` can be read undecoded"),
            );
        }
        Place::named(&key.value)
    }

    fn pattern(
        &mut self,
        source: &Source,
        pattern: &str,
        span: Range<usize>,
    ) -> Option<(Value, Option<Vec<Vec<u8>>>)> {
        match Pattern::new(pattern) {
            Ok(pattern) => Some((Value::Pattern(pattern.regex), pattern.literals)),
            Err(refused) => {
                let place = refused
                    .span
                    .and_then(|inner| within(source, span.clone(), pattern, inner))
                    .unwrap_or(span);
                let mut problem = Problem::at(source, place, refused.message);
                problem.help = refused.help.map(str::to_owned);
                self.problem(problem);
                None
            }
        }
    }

    fn value(
        &mut self,
        source: &Source,
        place: &Place,
        keys: &Keys,
    ) -> Option<(Value, Option<Vec<Vec<u8>>>)> {
        let given = [
            keys.matches.as_ref().map(span_of),
            keys.contains.as_ref().map(span_of),
            keys.equals.as_ref().map(span_of),
            keys.domains.as_ref().map(span_of),
        ];
        if let Some(second) = given.iter().flatten().nth(1) {
            self.problem(
                Problem::at(
                    source,
                    second.clone(),
                    "only one of matches, contains, equals and domains may stand here",
                )
                .help("combine conditions with `all` or `any`"),
            );
        }
        if let Some(case) = &keys.ignore_case
            && keys.contains.is_none()
            && keys.equals.is_none()
        {
            self.problem(
                Problem::at(
                    source,
                    span_of(case),
                    "`ignore_case` goes with `contains` and `equals`",
                )
                .help("a pattern ignores case when it begins with (?i)"),
            );
        }
        let ignore_case = keys.ignore_case.as_ref().is_none_or(|c| c.value);
        if let Some(pattern) = &keys.matches {
            return self.pattern(source, &pattern.value, span_of(pattern));
        }
        if let Some(list) = &keys.contains {
            let literals = self.literals(source, list);
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(ignore_case)
                .build(&literals);
            let Ok(automaton) = automaton else {
                self.problem(Problem::at(source, span_of(list), "the list is too large"));
                return None;
            };
            let gate: Vec<_> = literals.iter().map(|l| l.to_ascii_lowercase()).collect();
            let gate = gate.iter().all(|l| l.len() >= GATED_BYTES).then_some(gate);
            return Some((Value::Contains(automaton), gate));
        }
        if let Some(list) = &keys.equals {
            let mut set: HashSet<Vec<u8>> = self.literals(source, list).into_iter().collect();
            if ignore_case {
                set = set.into_iter().map(|l| l.to_ascii_lowercase()).collect();
            }
            return Some((Value::Equals { set, ignore_case }, None));
        }
        if let Some(list) = &keys.domains {
            if !place.holds_domains() {
                self.problem(
                    Problem::at(
                        source,
                        span_of(list),
                        format!("`{}` holds no domains", place.label()),
                    )
                    .help("`domains` goes with addresses, domains, url_host, helo and client_name"),
                );
            }
            return Some((Value::Domains(self.domains(source, list)), None));
        }
        Some((Value::Anything, None))
    }

    fn literals(&mut self, source: &Source, list: &OneOrMany) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for (text, span) in listed(list) {
            if text.is_empty() || text.len() > PATTERN_BYTES {
                self.problem(Problem::at(
                    source,
                    span,
                    format!("a literal has 1 to {PATTERN_BYTES} bytes"),
                ));
            } else {
                all.push(text.as_bytes().to_vec());
            }
        }
        self.check_list(source, list, listed(list).len());
        all
    }

    fn domains(&mut self, source: &Source, list: &OneOrMany) -> HashSet<Vec<u8>> {
        let mut all = HashSet::new();
        for (text, span) in listed(list) {
            let domain = text.trim_end_matches('.').to_ascii_lowercase();
            let well_formed = !domain.is_empty()
                && domain.split('.').all(|l| {
                    !l.is_empty() && !l.contains(|c: char| c.is_whitespace() || "@/*:".contains(c))
                });
            if well_formed {
                all.insert(domain.into_bytes());
            } else {
                self.problem(
                    Problem::at(source, span, format!("`{text}` is not a domain"))
                        .help("write `example.com`; subdomains are included"),
                );
            }
        }
        self.check_list(source, list, listed(list).len());
        all
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

/// The bytes in the file of a range within a scalar; `None` when escapes stand between the two.
fn within(
    source: &Source,
    scalar: Range<usize>,
    value: &str,
    inner: Range<usize>,
) -> Option<Range<usize>> {
    let written = source.text().get(scalar.start..)?;
    let quote = written.bytes().next().filter(|b| matches!(b, b'\'' | b'"'));
    let (start, body) = match quote {
        Some(_) => (scalar.start + 1, written.get(1..)?),
        None => (scalar.start, written),
    };
    if body.starts_with(value) {
        return Some(start + inner.start..start + inner.end);
    }
    if quote == Some(b'\'') {
        // A quote is written twice between single quotes.
        let doubled = |end: usize| value.get(..end).map(|v| v.matches('\'').count() + end);
        let escaped = value.replace('\'', "''");
        if body.starts_with(&escaped) {
            return Some(start + doubled(inner.start)?..start + doubled(inner.end)?);
        }
    }
    None
}
