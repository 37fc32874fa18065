//! A set of rules, compiled and immutable: loaded whole or not at all.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::compile::{Compiled, compile};
use super::condition::{Leaf, Node};
use super::cost::Cost;
use super::evaluation::Evaluation;
use super::example;
use super::file::RuleFile;
use super::finding::Finding;
use super::gate::Gate;
use super::group::Group;
use super::list::{self, ListInfo, Lists, Shelf};
use super::place::Place;
use super::properties;
use super::rule::{Origin, Rule};
use super::texts::{RAW_BYTES, Subject};
use super::written;
use crate::config::{Problem, Problems, Source, parse_yaml};
use crate::filter::Hit;
use crate::mail::{Envelope, Mail};

/// Largest rule file, bytes.
pub const FILE_BYTES: u64 = 4 << 20;
/// Most rule files in a folder.
pub const FILES: usize = 256;
/// Most problems that one load reports.
const PROBLEMS: usize = 100;

/// A compiled set of rules. Shared between sessions; replaced as a whole.
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) groups: Vec<Group>,
    pub(super) leaves: Vec<Leaf>,
    /// Where each leaf was written.
    pub(super) origins: Vec<Origin>,
    pub(super) places: Vec<Place>,
    pub(super) labels: Vec<String>,
    pub(super) gates: Vec<Option<Gate>>,
    version: String,
    lists: Vec<ListInfo>,
    files: Vec<RuleFile>,
    warnings: Vec<Problem>,
    /// The texts of the rule files, for problems that only time brings.
    expiring: Vec<(Source, std::ops::Range<usize>, usize)>,
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
        let (mut sources, mut known) = (Vec::new(), Vec::new());
        for file in files(path)? {
            match RuleFile::read(&file, FILE_BYTES) {
                Ok((source, file)) => {
                    sources.push(source);
                    known.push(file);
                }
                Err(problem) => problems.push(problem),
            }
        }
        let folder = match path.is_dir() {
            true => path,
            false => path.parent().unwrap_or(path),
        };
        let shelf = Shelf::Folder(folder.join(list::FOLDER));
        let mut set = RuleSet::build(&sources, Lists::new(shelf), problems)?;
        known.append(&mut set.files);
        set.files = known;
        Ok(set)
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
        let lists: Vec<Source> = super::shipped::LISTS
            .iter()
            .map(|(name, text)| Source::new(format!("rules/{}/{name}", list::FOLDER), *text))
            .collect();
        RuleSet::from_sources(&sources, &lists)
    }

    /// Rules and lists of files that have been read already; the rules in this order, each list named by the
    /// stem of its path.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn from_sources(sources: &[Source], lists: &[Source]) -> Result<RuleSet, Problems> {
        let lists = Lists::new(Shelf::Held(lists.to_vec()));
        RuleSet::build(sources, lists, Vec::new())
    }

    fn build(
        sources: &[Source],
        lists: Lists,
        mut problems: Vec<Problem>,
    ) -> Result<RuleSet, Problems> {
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
            groups,
            leaves,
            origins,
            places,
            literals,
            lists,
            problems: found,
            ..
        } = compile(&parsed, lists);
        problems.extend(found);
        for (name, text) in lists.texts() {
            for piece in [name, text] {
                digest.update(&(piece.len() as u64).to_le_bytes());
                digest.update(piece.as_bytes());
            }
        }
        let mut gates = Vec::new();
        for entries in &literals {
            gates.push(if entries.is_empty() {
                None
            } else {
                match Gate::new(entries) {
                    Ok(gate) => Some(gate),
                    Err(e) => {
                        problems.push(Problem::without_place(format!(
                            "the literals of the rules do not fit into one automaton: {e}"
                        )));
                        None
                    }
                }
            });
        }
        let mut version = digest.finalize().to_hex().to_string();
        version.truncate(12);
        let mut set = RuleSet {
            labels: places.iter().map(Place::label).collect(),
            warnings: properties::warnings(&parsed, &rules, &lists),
            expiring: properties::expiring(&parsed, &rules),
            lists: lists.info(),
            files: lists.files,
            rules,
            groups,
            leaves,
            origins,
            places,
            gates,
            version,
        };
        if problems.is_empty() {
            problems = example::run(&set, &parsed);
        }
        if problems.is_empty() {
            // The tests have run every rule once; messages run few of them.
            set.leaves.iter_mut().for_each(Leaf::renew);
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

    /// The hits of a message, in the order of the rules. The same message on the same day gives the same
    /// hits; the day matters only to rules that expire.
    pub fn evaluate(&self, envelope: &Envelope, mail: &Mail) -> Vec<Hit> {
        self.evaluate_on(self.today(), envelope, mail)
    }

    /// The hits on a certain day; without one no rule has expired.
    pub fn evaluate_on(&self, day: Option<Date>, envelope: &Envelope, mail: &Mail) -> Vec<Hit> {
        let subject = Subject::Transaction(envelope, mail);
        Evaluation::new(self, &subject, day).hits()
    }

    /// The same, with what each rule cost, by its number.
    pub fn evaluate_measured(&self, envelope: &Envelope, mail: &Mail) -> (Vec<Hit>, Vec<Cost>) {
        let subject = Subject::Transaction(envelope, mail);
        let mut evaluation = Evaluation::new(self, &subject, self.today()).measured();
        let hits = evaluation.hits();
        let by_leaf = evaluation.into_costs();
        let costs = self.rules.iter().map(|rule| {
            let mut cost = Cost::default();
            properties::leaves(&rule.condition, &mut |leaf| {
                cost.add(by_leaf.get(leaf).copied().unwrap_or_default());
            });
            cost
        });
        (hits, costs.collect())
    }

    /// What makes each rule hold, silent ones included: number of the rule and its findings.
    pub fn findings(&self, envelope: &Envelope, mail: &Mail) -> Vec<(usize, Vec<Finding>)> {
        let subject = Subject::Transaction(envelope, mail);
        let mut evaluation = Evaluation::new(self, &subject, self.today());
        (0..self.rules.len())
            .filter_map(|number| Some((number, evaluation.findings(number)?)))
            .collect()
    }

    /// Today in UTC, when a rule expires at all.
    pub(super) fn today(&self) -> Option<Date> {
        let expires = self.rules.iter().any(|r| r.expires.is_some());
        expires.then(|| {
            jiff::Timestamp::now()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date()
        })
    }

    /// What is no mistake and still worth knowing: rules that have expired or will within 30 days of `day`,
    /// groups and lists that nothing uses, empty lists. Each with its place.
    pub fn warnings(&self, day: Date) -> Vec<Problem> {
        let mut all = self.warnings.clone();
        all.extend(properties::expiry_warnings(
            &self.rules,
            &self.expiring,
            day,
        ));
        all
    }

    /// The files that it was read from: rule files, then lists. Empty for rules that are compiled in.
    pub fn files(&self) -> &[RuleFile] {
        &self.files
    }

    /// The lists that rules look into, by name and by what their entries are taken for.
    pub fn lists(&self) -> &[ListInfo] {
        &self.lists
    }

    /// The groups of all files, in their order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a rule.
    pub fn group_of(&self, rule: &Rule) -> Option<&Group> {
        self.groups.get(rule.group?)
    }

    /// The value of every rule that has one other than 0, silent rules included, in the order of the rules: how
    /// often it hit where it counts that, otherwise 1. For comparisons with other filters.
    pub fn values(&self, envelope: &Envelope, mail: &Mail) -> Vec<(&str, f64)> {
        let subject = Subject::Transaction(envelope, mail);
        let mut evaluation = Evaluation::new(self, &subject, None);
        let values = self.rules.iter().enumerate().map(|(number, rule)| {
            let value = evaluation.value(number);
            (&*rule.id, value)
        });
        values.filter(|(_, value)| *value != 0.0).collect()
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
            Node::Rule(_) | Node::Formula(_) => false,
            Node::Leaf(number) => match self.leaves.get(*number) {
                Some(Leaf::Texts(leaf)) => {
                    let long = self.places.get(leaf.place).is_some_and(Place::is_long);
                    long && !leaf.gated && !leaf.counts_only()
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
            Adjustment::Score(score) => rule.rescore(score),
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
