//! One evaluation of a set of rules: lazily, in the order of the rules, the same result every time.
//!
//! First the gates look at the texts of their places; then only those rules are asked that what they saw has
//! woken, and their patterns run only where a literal was seen. All of that only saves time: the answers are
//! those of running everything, which a property test holds.

use std::cell::RefCell;

use super::branch::Scratch;
use super::condition::{Index, Leaf, Node};
use super::gate::{Gate, Seen, Sighting};
use super::ruleset::RuleSet;
use super::texts::{Subject, Texts};
use crate::filter::{EVIDENCE_BYTES, Hit};

/// Longest piece of one text in evidence, bytes.
const PIECE_BYTES: usize = 80;

/// The state of one evaluation.
pub(super) struct Evaluation<'a> {
    set: &'a RuleSet,
    subject: &'a Subject<'a>,
    texts: Texts<'a>,
    /// By place: what its gate saw. Empty when everything is to run.
    seen: Vec<Seen>,
    scratch: RefCell<Scratch>,
    known: Vec<Option<bool>>,
}

impl<'a> Evaluation<'a> {
    /// Begins an evaluation.
    pub(super) fn new(set: &'a RuleSet, subject: &'a Subject<'a>) -> Evaluation<'a> {
        let texts = Texts::new(subject, &set.places);
        let look = |(place, gate): (Index, &Option<Gate>)| match gate {
            Some(gate) => gate.look(texts.of(place)),
            None => Seen::default(),
        };
        Evaluation {
            seen: set.gates.iter().enumerate().map(look).collect(),
            set,
            subject,
            texts,
            scratch: RefCell::default(),
            known: vec![None; set.rules.len()],
        }
    }

    /// The same without gates: every pattern runs. For the proof that gates change nothing.
    #[cfg(test)]
    pub(super) fn without_gates(mut self) -> Evaluation<'a> {
        self.seen = Vec::new();
        self
    }

    /// The hits of all rules that report any, in the order of the rules.
    pub(super) fn hits(mut self) -> Vec<Hit> {
        let mut hits = Vec::new();
        for number in self.awake() {
            let Some(rule) = self.set.rules.get(number).filter(|r| !r.silent) else {
                continue;
            };
            let mut evidence = Vec::new();
            let holds = self.holds(&rule.condition, &mut evidence);
            if let Some(known) = self.known.get_mut(number) {
                *known = Some(holds);
            }
            if holds {
                let hit = Hit::new(rule.id.clone(), rule.score, joined(&evidence));
                hits.push(match rule.decisive {
                    Some(action) => hit.decisive(action),
                    None => hit,
                });
            }
        }
        hits
    }

    /// Rules that can hold, as far as the gates tell.
    fn awake(&self) -> Vec<Index> {
        if self.seen.is_empty() && !self.set.gates.is_empty() {
            return (0..self.set.rules.len()).collect();
        }
        let leaves = self.seen.iter().flat_map(|seen| {
            let told = seen.sightings.chunk_by(|a, b| a.leaf == b.leaf);
            let told = told.filter_map(|of_leaf| of_leaf.first().map(|s| s.leaf));
            told.chain(seen.beyond.iter().copied())
        });
        self.set.plan.awake(leaves.map(|leaf| leaf as usize))
    }

    /// Whether one rule hits.
    pub(super) fn rule(&mut self, number: Index) -> bool {
        if let Some(Some(known)) = self.known.get(number) {
            return *known;
        }
        let set = self.set;
        let holds = set
            .rules
            .get(number)
            .is_some_and(|rule| self.holds(&rule.condition, &mut Vec::new()));
        if let Some(known) = self.known.get_mut(number) {
            *known = Some(holds);
        }
        holds
    }

    /// Depth is bounded when the set is loaded: of conditions, and of rules that refer to rules.
    fn holds(&mut self, node: &Node, evidence: &mut Vec<String>) -> bool {
        match node {
            Node::Leaf(number) => self.leaf(*number, evidence),
            Node::All(nodes) => {
                let before = evidence.len();
                let all = nodes.iter().all(|n| self.holds(n, evidence));
                if !all {
                    evidence.truncate(before);
                }
                all
            }
            Node::Any(nodes) => nodes.iter().any(|n| self.holds(n, evidence)),
            Node::Not(inner) => !self.holds(inner, &mut Vec::new()),
            Node::AtLeast(wanted, nodes) => {
                let before = evidence.len();
                let mut found = 0;
                for (i, n) in nodes.iter().enumerate() {
                    if found + (nodes.len() - i) < *wanted {
                        break;
                    }
                    if self.holds(n, evidence) {
                        found += 1;
                        if found == *wanted {
                            return true;
                        }
                    }
                }
                evidence.truncate(before);
                false
            }
            Node::Rule(number) => {
                let holds = self.rule(*number);
                if holds && let Some(rule) = self.set.rules.get(*number) {
                    evidence.push(rule.id.to_string());
                }
                holds
            }
        }
    }

    fn leaf(&self, number: Index, evidence: &mut Vec<String>) -> bool {
        let Some(leaf) = self.set.leaves.get(number) else {
            return false;
        };
        let shown = match (leaf, self.subject) {
            (Leaf::Texts(_), _) => return self.texts_leaf(number, evidence),
            (Leaf::Flag(names), Subject::Transaction(_, mail)) => mail
                .flags()
                .iter()
                .find(|flag| names.iter().any(|n| n == flag.name()))
                .map(|flag| format!("flag {}", flag.name())),
            (Leaf::Relation(relation), Subject::Transaction(envelope, mail)) => relation
                .evidence(envelope, mail)
                .map(|shown| format!("{}: {shown}", relation.name())),
            (Leaf::Client(nets), Subject::Transaction(envelope, _)) => envelope
                .client
                .addr
                .map(|addr| addr.to_canonical())
                .filter(|addr| nets.iter().any(|net| net.contains(addr)))
                .map(|addr| format!("client {addr}")),
            (Leaf::Authenticated(wanted), Subject::Transaction(envelope, _)) => {
                (envelope.authenticated.is_some() == *wanted).then(|| {
                    let word = if *wanted {
                        "authenticated"
                    } else {
                        "not authenticated"
                    };
                    word.to_owned()
                })
            }
            (Leaf::Authenticated(wanted), Subject::Fragment(_)) => {
                (!wanted).then(|| "not authenticated".to_owned())
            }
            (Leaf::Size(bounds), subject) => {
                let size = match subject {
                    Subject::Transaction(_, mail) => mail.raw().len(),
                    Subject::Fragment(text) => text.len(),
                };
                bounds.contain(size).then(|| format!("size {size}"))
            }
            (_, Subject::Fragment(_)) => None,
        };
        let holds = shown.is_some();
        evidence.extend(shown);
        holds
    }

    fn texts_leaf(&self, number: Index, evidence: &mut Vec<String>) -> bool {
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
            evidence.push(match &answer.first {
                Some((text, range)) if !leaf.counts_only() => {
                    let matched = texts
                        .get(*text)
                        .and_then(|t| t.get(range.clone()))
                        .unwrap_or_default();
                    format!("{label}: \"{}\"", piece(matched))
                }
                Some(_) if leaf.length.is_some() => format!("{label} of that length"),
                Some(_) => format!("{label} found {} times", answer.count),
                None => format!("no such {label}"),
            });
        }
        answer.holds
    }

    /// The literals of a leaf that were seen; `None` when that is not known, so that it has to look for itself.
    fn sightings(&self, place: Index, leaf: Index) -> Option<&[Sighting]> {
        let seen = self.seen.get(place)?;
        self.set.gates.get(place)?.as_ref()?;
        let leaf = u32::try_from(leaf).ok()?;
        if seen.beyond.contains(&leaf) {
            return None;
        }
        let all = &seen.sightings;
        let (from, to) = (
            all.partition_point(|s| s.leaf < leaf),
            all.partition_point(|s| s.leaf <= leaf),
        );
        all.get(from..to)
    }
}

/// What matched, cut to its bound; bytes that are not UTF-8 are replaced.
fn piece(matched: &[u8]) -> String {
    match matched.get(..PIECE_BYTES) {
        Some(cut) if matched.len() > PIECE_BYTES => format!("{}...", String::from_utf8_lossy(cut)),
        _ => String::from_utf8_lossy(matched).into_owned(),
    }
}

fn joined(evidence: &[String]) -> String {
    let mut out = String::new();
    for shown in evidence {
        if out.len() >= EVIDENCE_BYTES {
            break;
        }
        if !out.is_empty() {
            out.push_str("; ");
        }
        out.push_str(shown);
    }
    out
}
