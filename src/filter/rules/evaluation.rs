//! One evaluation of a set of rules: lazily, in the order of the rules, the same result every time.
//!
//! A leaf whose literals do not occur in its place is answered without running its pattern. Gating only
//! saves time: the answers are those of running everything, which a property test holds.
//!
//! A rule has a value: 0 when it does not hold or is off (expired, not for these recipients), the number of
//! its occurrences when it counts them, what its formula gives when it is one, otherwise 1.

use std::cell::RefCell;

use jiff::civil::Date;

use super::branch::Scratch;
use super::condition::{ElementLeaf, Index, Leaf, Node, Operand};
use super::finding::Finding;
use super::gate::{Gate, Sighting};
use super::group;
use super::known::Known;
use super::rule::Rule;
use super::ruleset::RuleSet;
use super::sparse::Sparse;
use super::texts::{Subject, Texts};
use crate::filter::{EVIDENCE_BYTES, Hit};

/// Most rules that the evidence of a formula names.
const NAMED: usize = 8;

/// The state of one evaluation.
pub(super) struct Evaluation<'a> {
    pub(super) set: &'a RuleSet,
    subject: &'a Subject<'a>,
    pub(super) texts: Texts<'a>,
    seen: Option<Seen>,
    scratch: RefCell<Scratch>,
    known: Sparse<Option<f64>>,
    today: Option<Date>,
}

/// What the gates saw.
struct Seen {
    /// By place.
    sightings: Vec<Vec<Sighting>>,
    /// By leaf: where its own are among those of its place.
    own: Sparse<(u32, u32)>,
    /// The leaves that have any.
    leaves: Vec<Index>,
}

impl Seen {
    fn new(set: &RuleSet, texts: &Texts<'_>) -> Seen {
        let look = |(place, gate): (Index, &Option<Gate>)| match gate {
            Some(gate) => gate.look(texts.of(place)),
            None => Vec::new(),
        };
        let mut seen = Seen {
            sightings: set.gates.iter().enumerate().map(look).collect(),
            own: Sparse::new(set.leaves.len()),
            leaves: Vec::new(),
        };
        for of_place in &seen.sightings {
            let mut from = 0;
            for of_leaf in of_place.chunk_by(|a, b| a.leaf == b.leaf) {
                let to = from + of_leaf.len() as u32;
                let leaf = of_leaf.first().map_or(0, |s| s.leaf as usize);
                if let Some(own) = seen.own.entry(leaf) {
                    *own = (from, to);
                }
                seen.leaves.push(leaf);
                from = to;
            }
        }
        seen
    }

    fn of(&self, place: Index, leaf: Index) -> &[Sighting] {
        let (from, to) = self.own.get(leaf);
        let of_place = self.sightings.get(place);
        let own = of_place.and_then(|all| all.get(from as usize..to as usize));
        own.unwrap_or_default()
    }
}

impl<'a> Evaluation<'a> {
    /// Begins an evaluation on a day; without one no rule has expired.
    pub(super) fn new(
        set: &'a RuleSet,
        subject: &'a Subject<'a>,
        today: Option<Date>,
    ) -> Evaluation<'a> {
        Evaluation::on(set, subject, Known::default(), today)
    }

    /// The same with what other filters know.
    pub(super) fn on(
        set: &'a RuleSet,
        subject: &'a Subject<'a>,
        known: Known<'a>,
        today: Option<Date>,
    ) -> Evaluation<'a> {
        let texts = Texts::new(subject, &set.places, known);
        Evaluation {
            seen: Some(Seen::new(set, &texts)),
            set,
            subject,
            texts,
            scratch: RefCell::default(),
            known: Sparse::new(set.rules.len()),
            today,
        }
    }

    /// The same without gates: every pattern runs, and nothing is refuted. For the proof that this changes nothing.
    #[cfg(test)]
    pub(super) fn without_gates(mut self) -> Evaluation<'a> {
        self.seen = None;
        self
    }

    /// The hits of all rules that report any, in the order of the rules.
    pub(super) fn hits(&mut self) -> Vec<Hit> {
        let mut hits = Vec::new();
        let set = self.set;
        for number in self.awake() {
            let Some(rule) = set.rules.get(number).filter(|r| !r.silent) else {
                continue;
            };
            if self.seen.is_some() && self.is_refuted(number) {
                continue;
            }
            let mut found = Vec::new();
            let value = self.value_of(rule, &mut found);
            self.note(number, value);
            if value != 0.0 {
                hits.push((rule.group, hit(rule, value, &found)));
            }
        }
        group::cap(&mut hits, &set.groups);
        hits.into_iter().map(|(_, hit)| hit).collect()
    }

    /// Whether the message asked for more work than one may: rules may have been missed.
    pub(super) fn is_exhausted(&self) -> bool {
        self.scratch.borrow().is_exhausted()
    }

    /// On how many texts a pattern was given up for its own bound.
    pub(super) fn given_up(&self) -> u64 {
        self.scratch.borrow().given_up()
    }

    /// The findings of one rule; `None` when it does not hold.
    pub(super) fn findings(&mut self, number: Index) -> Option<Vec<Finding>> {
        let mut found = Vec::new();
        let rule = self.set.rules.get(number)?;
        (self.value_of(rule, &mut found) != 0.0).then_some(found)
    }

    /// Rules that can hold, as far as the gates tell.
    pub(super) fn awake(&self) -> Vec<Index> {
        match &self.seen {
            Some(seen) => self.set.plan.awake(seen.leaves.iter().copied()),
            None => (0..self.set.rules.len()).collect(),
        }
    }

    /// Takes out the texts of all places, which rules share.
    pub(super) fn prepare(&self) {
        for place in 0..self.set.places.len() {
            self.texts.of(place);
        }
    }

    /// Whether a condition holds.
    pub(super) fn node(&mut self, node: &Node) -> bool {
        self.holds(node, &mut Vec::new())
    }

    /// Whether one rule holds.
    pub(super) fn rule(&mut self, number: Index) -> bool {
        self.value(number) != 0.0
    }

    /// The value of a rule.
    pub(super) fn value(&mut self, number: Index) -> f64 {
        if let Some(known) = self.known.get(number) {
            return known;
        }
        let set = self.set;
        let value = match set.rules.get(number) {
            Some(rule) => self.value_of(rule, &mut Vec::new()),
            None => 0.0,
        };
        self.note(number, value);
        value
    }

    /// What is known of the value of a rule.
    pub(super) fn known(&self, number: Index) -> Option<f64> {
        self.known.get(number)
    }

    /// Takes down the value of a rule.
    pub(super) fn note(&mut self, number: Index, value: f64) {
        if let Some(known) = self.known.entry(number) {
            *known = Some(value);
        }
    }

    fn value_of(&mut self, rule: &Rule, found: &mut Vec<Finding>) -> f64 {
        if !self.is_on(rule) {
            return 0.0;
        }
        match (&rule.per_occurrence, &rule.condition) {
            (Some(counted), condition) => {
                if !self.holds(condition, found) {
                    return 0.0;
                }
                let occurrences = self.occurrences(condition, counted.at_most).0;
                occurrences.clamp(1, counted.at_most) as f64
            }
            (None, Node::Formula(_)) => match self.formula(&rule.condition, found) {
                0.0 => 0.0,
                // A rule that holds adds to sums, as in SpamAssassin.
                value if value < 0.0 => 1.0,
                value => value,
            },
            (None, condition) => f64::from(u8::from(self.holds(condition, found))),
        }
    }

    pub(super) fn is_on(&self, rule: &Rule) -> bool {
        let expired = match (rule.expires, self.today) {
            (Some(last), Some(today)) => today > last,
            _ => false,
        };
        let scoped = match (&rule.scope, self.subject) {
            (Some(scope), Subject::Transaction(envelope, _)) => scope.holds(envelope),
            _ => true,
        };
        !expired && scoped
    }

    /// Depth is bounded when the set is loaded: of conditions, of formulas, and of rules that refer to rules.
    fn holds(&mut self, node: &Node, found: &mut Vec<Finding>) -> bool {
        match node {
            Node::Leaf(number) => self.leaf(*number, found),
            Node::All(nodes) => {
                let before = found.len();
                let all = nodes.iter().all(|n| self.holds(n, found));
                if !all {
                    found.truncate(before);
                }
                all
            }
            Node::Any(nodes) => nodes.iter().any(|n| self.holds(n, found)),
            Node::Not(inner) => !self.holds(inner, &mut Vec::new()),
            Node::AtLeast(wanted, nodes) => {
                let before = found.len();
                let mut held = 0;
                for (i, n) in nodes.iter().enumerate() {
                    if held + (nodes.len() - i) < *wanted {
                        break;
                    }
                    if self.holds(n, found) {
                        held += 1;
                        if held == *wanted {
                            return true;
                        }
                    }
                }
                found.truncate(before);
                false
            }
            Node::Rule(number) => {
                let holds = self.rule(*number);
                if holds && let Some(rule) = self.set.rules.get(*number) {
                    found.push(Finding::of("rule", rule.id.to_string()));
                }
                holds
            }
            Node::Formula(_) => self.formula(node, found) != 0.0,
        }
    }

    /// The value of a formula; what cannot be computed is 0.
    fn formula(&mut self, node: &Node, found: &mut Vec<Finding>) -> f64 {
        let Node::Formula(formula) = node else {
            return 0.0;
        };
        let set = self.set;
        let mut named = Vec::new();
        let value = formula
            .value(&mut |operand| match operand {
                Operand::Rule(number) => {
                    let value = self.value(*number);
                    if value != 0.0
                        && let Some(rule) = set.rules.get(*number)
                        && named.len() < NAMED
                        && !named.contains(&&*rule.id)
                    {
                        named.push(&*rule.id);
                    }
                    value
                }
                Operand::Number(number) => self.texts.number(*number).unwrap_or(0.0),
            })
            .unwrap_or(0.0);
        if value != 0.0 {
            found.push(Finding::of(
                "formula",
                format!("formula of {}", named.join(" ")),
            ));
        }
        value
    }

    /// How often a condition that holds occurs, and whether it is one that can occur several times. What
    /// cannot only has to hold: it does not limit what stands beside it.
    fn occurrences(&mut self, node: &Node, most: usize) -> (usize, bool) {
        let set = self.set;
        match node {
            Node::Leaf(number) => match set.leaves.get(*number) {
                Some(Leaf::Texts(leaf)) if leaf.count.contain(0) => (1, false),
                Some(Leaf::Texts(leaf)) => (
                    leaf.occurrences(
                        self.texts.of(leaf.place),
                        most,
                        self.sightings(leaf.place, *number),
                        &mut self.scratch.borrow_mut(),
                    ),
                    true,
                ),
                Some(Leaf::Element(leaf)) => (self.elements(leaf, most).0, true),
                _ => (1, false),
            },
            Node::All(nodes) => {
                let mut least: Option<usize> = None;
                for node in nodes {
                    let (n, counted) = self.occurrences(node, most);
                    if counted {
                        least = Some(least.map_or(n, |l| l.min(n)));
                    }
                }
                (least.unwrap_or(1), least.is_some())
            }
            Node::Any(nodes) | Node::AtLeast(_, nodes) => {
                let mut sum = 0;
                for node in nodes {
                    if sum < most && self.holds(node, &mut Vec::new()) {
                        sum += self.occurrences(node, most - sum).0;
                    }
                }
                (sum, true)
            }
            Node::Rule(number) => {
                let counts = set
                    .rules
                    .get(*number)
                    .is_some_and(|r| r.per_occurrence.is_some());
                (self.value(*number) as usize, counts)
            }
            Node::Not(_) | Node::Formula(_) => (1, false),
        }
    }

    fn elements(&self, leaf: &ElementLeaf, most: usize) -> (usize, Option<(usize, String)>) {
        let mut scratch = self.scratch.borrow_mut();
        leaf.ask(&self.texts.elements(leaf.element), most, &mut scratch)
    }

    pub(super) fn leaf(&self, number: Index, found: &mut Vec<Finding>) -> bool {
        let Some(leaf) = self.set.leaves.get(number) else {
            return false;
        };
        let finding = match (leaf, self.subject) {
            (Leaf::Texts(_), _) => return self.texts_leaf(number, found),
            (Leaf::Element(leaf), _) => {
                let (count, first) = self.elements(leaf, leaf.enough());
                let name = leaf.element.name();
                leaf.count.contain(count).then(|| match first {
                    Some((_, shown)) => Finding::of(name, format!("{name}: {shown}")),
                    None => Finding::of(name, format!("no such {name}")),
                })
            }
            (Leaf::Number(number, interval), _) => self
                .texts
                .number(*number)
                .filter(|n| interval.contain(*n))
                .map(|n| {
                    let rounded = (n * 1000.0).round() / 1000.0;
                    Finding::of(number.name(), format!("{} {rounded}", number.name()))
                }),
            (Leaf::Flag(names), Subject::Transaction(_, mail)) => mail
                .flags()
                .iter()
                .find(|flag| names.iter().any(|n| n == flag.name()))
                .map(|flag| Finding::of("flag", format!("flag {}", flag.name()))),
            (Leaf::Relation(relation), Subject::Transaction(envelope, mail)) => relation
                .evidence(envelope, mail)
                .map(|shown| Finding::of("relation", format!("{}: {shown}", relation.name()))),
            (Leaf::Client(networks), Subject::Transaction(envelope, _)) => envelope
                .client
                .addr
                .map(|addr| addr.to_canonical())
                .filter(|addr| networks.contains(*addr))
                .map(|addr| Finding::of("client", format!("client {addr}"))),
            (Leaf::Authenticated(wanted), subject) => {
                let authenticated = match subject {
                    Subject::Transaction(envelope, _) => envelope.authenticated.is_some(),
                    Subject::Fragment(_) => false,
                };
                (authenticated == *wanted).then(|| {
                    let shown = match authenticated {
                        true => "authenticated",
                        false => "not authenticated",
                    };
                    Finding::of("authenticated", shown.to_owned())
                })
            }
            (_, Subject::Fragment(_)) => None,
        };
        let holds = finding.is_some();
        found.extend(finding);
        holds
    }

    fn texts_leaf(&self, number: Index, found: &mut Vec<Finding>) -> bool {
        let Some(Leaf::Texts(leaf)) = self.set.leaves.get(number) else {
            return false;
        };
        let texts = self.texts.of(leaf.place);
        let seen = self.sightings(leaf.place, number);
        let answer = match seen {
            Some([]) if leaf.gated => leaf.ask_nothing(),
            _ => leaf.ask(texts, seen, &mut self.scratch.borrow_mut()),
        };
        if answer.holds {
            let label = self.set.labels.get(leaf.place).map_or("", String::as_str);
            found.push(match answer.first {
                Some((text, range)) if !leaf.counts_only() => {
                    let matched = texts
                        .get(text)
                        .and_then(|t| t.get(range.clone()))
                        .unwrap_or_default();
                    Finding::matched(label, text, range, matched)
                }
                Some(_) if leaf.length.is_some() => {
                    Finding::of(label, format!("{label} of that length"))
                }
                Some(_) => Finding::of(label, format!("{label} found {} times", answer.count)),
                None => Finding::of(label, format!("no such {label}")),
            });
        }
        answer.holds
    }

    /// The literals of a leaf that were seen; `None` when that is not known, so that it has to look for itself.
    pub(super) fn sightings(&self, place: Index, leaf: Index) -> Option<&[Sighting]> {
        self.set.gates.get(place)?.as_ref()?;
        Some(self.seen.as_ref()?.of(place, leaf))
    }
}

/// The hit of a rule of that value.
fn hit(rule: &Rule, value: f64, found: &[Finding]) -> Hit {
    let occurrences = match rule.per_occurrence {
        Some(_) => value as usize,
        None => 1,
    };
    let points = rule.points(occurrences);
    let mut evidence = joined(found);
    if occurrences > 1 {
        evidence.push_str(&format!(" ({occurrences} times)"));
    }
    if rule.shadow {
        let mut hit = Hit::new(rule.id.clone(), 0.0, evidence);
        hit.shadow = Some(points);
        return hit;
    }
    let mut hit = Hit::new(rule.id.clone(), points, evidence);
    hit.labels = rule.labels.clone();
    match rule.decisive {
        Some(action) => hit.decisive(action),
        None => hit,
    }
}

fn joined(found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        if out.len() >= EVIDENCE_BYTES {
            break;
        }
        if !out.is_empty() {
            out.push_str("; ");
        }
        out.push_str(&finding.shown);
    }
    out
}
