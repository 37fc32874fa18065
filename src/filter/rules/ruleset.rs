//! A set of rules, compiled and immutable: loaded whole or not at all.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compile::{Compiled, compile};
use super::condition::{Leaf, Node, Value};
use super::evaluation::Evaluation;
use super::example;
use super::gate::Gate;
use super::place::Place;
use super::plan::Plan;
use super::texts::{RAW_BYTES, Subject};
use super::written;
use crate::config::{Problem, Problems, Source, parse_yaml};
use crate::filter::{Action, Hit};
use crate::mail::{Envelope, Mail};

/// Largest rule file, bytes.
pub const FILE_BYTES: u64 = 4 << 20;
/// Most rule files in a folder.
pub const FILES: usize = 256;
/// Most problems that one load reports.
const PROBLEMS: usize = 100;

/// One rule of a set.
#[derive(Debug)]
pub struct Rule {
    pub(super) id: Arc<str>,
    pub(super) description: String,
    pub(super) score: f64,
    pub(super) silent: bool,
    pub(super) decisive: Option<Action>,
    pub(super) origin: String,
    pub(super) condition: Node,
}

impl Rule {
    /// The id, `[A-Z][A-Z0-9_]*`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a hit means, one line for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Points of a hit.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// Whether it reports no hit of its own and only serves other rules.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The action that a hit enforces, if any.
    pub fn decisive(&self) -> Option<Action> {
        self.decisive
    }

    /// Where it was written, `file:line`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// A compiled set of rules. Shared between sessions; replaced as a whole.
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) places: Vec<Place>,
    pub(super) labels: Vec<String>,
    pub(super) gates: Vec<Option<Gate>>,
    pub(super) plan: Plan,
    version: String,
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet")
            .field("version", &self.version)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl RuleSet {
    /// Loads a rule file, or all files `*.yaml` of a folder in the order of their names. Hidden files
    /// and folders in it are left alone.
    ///
    /// # Errors
    /// Every problem of every file: what cannot be read, what is not a rule, tests that fail.
    pub fn load(path: &Path) -> Result<RuleSet, Problems> {
        let mut problems = Vec::new();
        let mut sources = Vec::new();
        for file in files(path)? {
            match read(&file) {
                Ok(source) => sources.push(source),
                Err(problem) => problems.push(problem),
            }
        }
        RuleSet::build(&sources, problems)
    }

    /// The rules that are compiled into the program.
    ///
    /// # Errors
    /// None in a program whose tests pass; the signature is that of every other load.
    pub fn shipped() -> Result<RuleSet, Problems> {
        let sources: Vec<Source> = super::shipped::FILES
            .iter()
            .map(|(name, text)| Source::new(format!("rules/{name}"), *text))
            .collect();
        RuleSet::build(&sources, Vec::new())
    }

    /// Rules of files that have been read already, in this order.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn from_sources(sources: &[Source]) -> Result<RuleSet, Problems> {
        RuleSet::build(sources, Vec::new())
    }

    fn build(sources: &[Source], mut problems: Vec<Problem>) -> Result<RuleSet, Problems> {
        let mut digest = blake3::Hasher::new();
        let mut parsed = Vec::new();
        for source in sources {
            digest.update(&(source.text().len() as u64).to_le_bytes());
            digest.update(source.text().as_bytes());
            match parse_yaml::<written::File>(source) {
                Ok(file) => parsed.push((source.clone(), file)),
                Err(problem) => problems.push(problem),
            }
        }
        let Compiled {
            rules,
            leaves,
            places,
            literals,
            problems: found,
            ..
        } = compile(&parsed);
        problems.extend(found);
        let gate = |entries: &Vec<_>| (!entries.is_empty()).then(|| Gate::new(entries));
        let gates = literals.iter().map(gate).collect();
        let plan = match problems.is_empty() {
            true => Plan::new(&rules, &leaves),
            false => Plan::default(),
        };
        let mut version = digest.finalize().to_hex().to_string();
        version.truncate(12);
        let set = RuleSet {
            labels: places.iter().map(Place::label).collect(),
            rules,
            leaves,
            places,
            gates,
            plan,
            version,
        };
        if problems.is_empty() {
            problems = example::run(&set, &parsed);
        }
        if problems.is_empty() {
            return Ok(set);
        }
        // In the order of the files, from top to bottom.
        problems.sort_by_key(|problem| {
            problem.place.as_ref().map(|(source, span)| {
                let file = sources.iter().position(|s| s.path() == source.path());
                (file, span.start)
            })
        });
        let more = problems.len().saturating_sub(PROBLEMS);
        if more > 0 {
            problems.truncate(PROBLEMS);
            problems.push(Problem::without_place(format!("and {more} more problems")));
        }
        Err(Problems(problems))
    }

    /// The hits of a message, in the order of the rules. The same message gives the same hits.
    pub fn evaluate(&self, envelope: &Envelope, mail: &Mail) -> Vec<Hit> {
        let subject = Subject::Transaction(envelope, mail);
        Evaluation::new(self, &subject).hits()
    }

    /// Whether the message is so long that a rule on `raw` or `raw_body` sees only its beginning.
    pub fn sees_only_beginning(&self, mail: &Mail) -> bool {
        self.places
            .iter()
            .any(|p| matches!(p, Place::Raw | Place::RawBody))
            && mail.raw().len() > RAW_BYTES
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| &*r.id == id)
    }

    /// Which rules these are: the first 12 hexadecimal digits of the BLAKE3 digest of their files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ids of rules with a pattern that has no literal of three bytes and therefore runs over a long
    /// place (`text`, `hidden_text`, `html`, `raw_body`, `raw`) of every message.
    pub fn always_running(&self) -> Vec<&str> {
        self.rules
            .iter()
            .filter(|rule| self.runs_always(&rule.condition))
            .map(|rule| &*rule.id)
            .collect()
    }

    fn runs_always(&self, node: &Node) -> bool {
        match node {
            Node::All(nodes) | Node::Any(nodes) | Node::AtLeast(_, nodes) => {
                nodes.iter().any(|n| self.runs_always(n))
            }
            Node::Not(inner) => self.runs_always(inner),
            Node::Rule(_) => false,
            Node::Leaf(number) => match self.leaves.get(*number) {
                Some(Leaf::Texts(leaf)) => {
                    let long = matches!(
                        self.places.get(leaf.place),
                        Some(
                            Place::Text
                                | Place::HiddenText
                                | Place::Html
                                | Place::RawBody
                                | Place::Raw
                        )
                    );
                    let always = matches!(&leaf.value, Value::Pattern(p) if p.runs_always());
                    long && always
                }
                _ => false,
            },
        }
    }

    /// Drops rules and changes scores, as configuration asks. Silent rules and references stay whole:
    /// a dropped rule reports nothing, and still serves rules that refer to it.
    pub(super) fn adjust(&mut self, id: &str, change: Adjustment) -> bool {
        let Some(rule) = self.rules.iter_mut().find(|r| &*r.id == id) else {
            return false;
        };
        match change {
            Adjustment::Disable => rule.silent = true,
            Adjustment::Score(score) => rule.score = score,
        }
        true
    }
}

/// A change of one rule by configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Adjustment {
    Disable,
    Score(f64),
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let failed = |e: std::io::Error| {
        Problem::without_place(format!("cannot read the folder {}: {e}", path.display()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let hidden = file
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && file.extension().is_some_and(|e| e == "yaml") && file.is_file() {
            found.push(file);
        }
    }
    if found.is_empty() {
        return Err(Problem::without_place(format!(
            "there are no rule files (*.yaml) in {}",
            path.display()
        )));
    }
    if found.len() > FILES {
        return Err(Problem::without_place(format!(
            "{} rule files in {}, more than {FILES}",
            found.len(),
            path.display()
        )));
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Source, Problem> {
    let failed =
        |why: String| Problem::without_place(format!("cannot read {}: {why}", path.display()));
    let file = fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| failed(e.to_string()))?;
    if text.len() as u64 > FILE_BYTES {
        return Err(failed(format!("it is larger than {FILE_BYTES} bytes")));
    }
    Ok(Source::new(path, text))
}
