//! A set of rules, compiled and immutable: loaded whole or not at all.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::compile::{Compiled, compile};
use super::condition::{Index, Leaf};
use super::element::Element;
use super::evaluation::Evaluation;
use super::example;
use super::file;
use super::finding::Finding;
use super::gate::Gate;
use super::group::Group;
use super::inspect::Cost;
use super::known::Known;
use super::list::{ListInfo, Lists, Shelf};
use super::notice;
use super::outline;
use super::place::Place;
use super::plan::Plan;
use super::rule::Rule;
use super::texts::{RAW_BYTES, Subject};
use crate::config::{Problem, Problems, Source};
use crate::filter::Hit;
use crate::mail::{Envelope, Mail};

/// Largest rule file, bytes.
pub const FILE_BYTES: u64 = 4 << 20;
/// Most rule files in a folder.
pub const FILES: usize = 256;
/// Most problems that one load reports.
pub(super) const PROBLEMS: usize = 100;

/// A compiled set of rules. Shared between sessions; replaced as a whole.
pub struct RuleSet {
    pub(super) rules: Vec<Rule>,
    pub(super) groups: Vec<Group>,
    pub(super) leaves: Vec<Leaf>,
    /// Where each leaf was written.
    pub(super) leaf_places: Vec<(Source, Range<usize>)>,
    pub(super) places: Vec<Place>,
    pub(super) labels: Vec<String>,
    pub(super) gates: Vec<Option<Gate>>,
    pub(super) plan: Plan,
    version: String,
    lists: Vec<ListInfo>,
    warnings: Vec<Problem>,
    /// Where the days are written on which rules expire.
    expiring: Vec<(Source, Range<usize>, Index)>,
}

/// What rules say of a message.
#[derive(Debug)]
pub struct Evaluated {
    /// Hits in the order of the rules.
    pub hits: Vec<Hit>,
    /// The message asked for more work than one may: some rules were not looked for in all of it.
    pub exhausted: bool,
    /// On how many texts a pattern with extensions was given up for its bound on steps; each counts as no match.
    pub given_up: u64,
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
        let (sources, problems) = RuleSet::read(path);
        RuleSet::build(&sources, Shelf::beside(&sources), problems.0)
    }

    /// Reads the files that [`RuleSet::load`] takes, without looking into them. Beside those that could be
    /// read, what could not. Lists are read when rules that look into them are compiled.
    pub fn read(path: &Path) -> (Vec<Source>, Problems) {
        let mut problems = Vec::new();
        let mut sources = Vec::new();
        match files(path) {
            Ok(files) => {
                for file in files {
                    match file::read(&file, FILE_BYTES) {
                        Ok(source) => sources.push(source),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
        (sources, Problems(problems))
    }

    /// The rules that are compiled into the program.
    ///
    /// # Errors
    /// None in a program whose tests pass; the signature is that of every other load.
    pub fn shipped() -> Result<RuleSet, Problems> {
        RuleSet::from_sources(&RuleSet::shipped_sources())
    }

    /// The files that are compiled into the program.
    pub fn shipped_sources() -> Vec<Source> {
        super::shipped::FILES
            .iter()
            .map(|(name, text)| Source::new(format!("rules/{name}"), *text))
            .collect()
    }

    /// Rules of files that have been read already, in this order. Lists lie in the folder `lists` beside the
    /// first of them; those of the shipped rules are compiled in.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn from_sources(sources: &[Source]) -> Result<RuleSet, Problems> {
        RuleSet::build(sources, Shelf::beside(sources), Vec::new())
    }

    /// The same with lists that have been read already, each named by the stem of its path.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn with_lists(sources: &[Source], lists: &[Source]) -> Result<RuleSet, Problems> {
        RuleSet::build(sources, Shelf::Held(lists.to_vec()), Vec::new())
    }

    fn build(
        sources: &[Source],
        shelf: Shelf,
        mut problems: Vec<Problem>,
    ) -> Result<RuleSet, Problems> {
        let mut digest = blake3::Hasher::new();
        let mut parsed = Vec::new();
        for source in sources {
            digest.update(&(source.text().len() as u64).to_le_bytes());
            digest.update(source.text().as_bytes());
            if let Some(file) = outline::parse(source, &mut problems) {
                parsed.push((source.clone(), file));
            }
        }
        let Compiled {
            rules,
            groups,
            leaves,
            leaf_places,
            places,
            literals,
            lists,
            problems: found,
            ..
        } = compile(&parsed, Lists::new(shelf));
        problems.extend(found);
        for (name, text) in lists.texts() {
            for piece in [name, text] {
                digest.update(&(piece.len() as u64).to_le_bytes());
                digest.update(piece.as_bytes());
            }
        }
        let gate = |entries: &Vec<_>| (!entries.is_empty()).then(|| Gate::new(entries));
        let gates = literals.iter().map(gate).collect();
        let plan = match problems.is_empty() {
            true => Plan::new(&rules, &leaves, &places, &literals),
            false => Plan::default(),
        };
        let version = short(&digest.finalize());
        let set = RuleSet {
            labels: places.iter().map(Place::label).collect(),
            warnings: notice::warnings(&parsed, &rules, &lists),
            expiring: notice::expiring(&parsed),
            lists: lists.info(),
            rules,
            groups,
            leaves,
            leaf_places,
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

    /// The hits of a message, in the order of the rules. The same message on the same day gives the same
    /// hits; the day matters only to rules that expire.
    pub fn evaluate(&self, envelope: &Envelope, mail: &Mail) -> Vec<Hit> {
        self.evaluate_on(self.today(), envelope, mail, Known::default())
            .hits
    }

    /// The hits on a certain day; without one no rule has expired. With what other filters know of the
    /// message.
    pub fn evaluate_on(
        &self,
        day: Option<Date>,
        envelope: &Envelope,
        mail: &Mail,
        known: Known<'_>,
    ) -> Evaluated {
        let subject = Subject::Transaction(envelope, mail);
        let mut evaluation = Evaluation::on(self, &subject, known, day);
        Evaluated {
            hits: evaluation.hits(),
            exhausted: evaluation.is_exhausted(),
            given_up: evaluation.given_up(),
        }
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
        (!self.expiring.is_empty()).then(|| {
            jiff::Timestamp::now()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date()
        })
    }

    /// What is no mistake and still worth knowing: rules that have expired or will within 30 days of `day`,
    /// groups and lists that nothing uses, empty lists. Each with its place.
    pub fn warnings(&self, day: Date) -> Vec<Problem> {
        let mut all = self.warnings.clone();
        all.extend(notice::expiry(&self.rules, &self.expiring, day));
        all
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

    /// Whether a rule asks for the files of a message.
    pub fn asks_for_files(&self) -> bool {
        self.asks_for(Element::File)
    }

    /// Whether a rule asks for what the filter `auth` finds out.
    pub fn asks_for_authentication(&self) -> bool {
        let proof = |place: &Place| matches!(place, Place::Proof(_));
        self.places.iter().any(proof) || self.asks_for(Element::Signature)
    }

    /// Whether a rule asks for what the filter `reputation` says.
    pub fn asks_for_reputation(&self) -> bool {
        self.places.contains(&Place::Reputation)
    }

    fn asks_for(&self, element: Element) -> bool {
        let mut places = self.places.iter();
        let mut leaves = self.leaves.iter();
        places.any(|place| matches!(place, Place::Of(e, _) if *e == element))
            || leaves.any(|leaf| matches!(leaf, Leaf::Element(leaf) if leaf.element == element))
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

    /// Which rules these are: the first 12 hexadecimal digits of the BLAKE3 digest of their files, and of
    /// what configuration changes about them.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ids of rules with a pattern that has no literal of three bytes and therefore runs over a long
    /// place (`text`, `hidden_text`, `html`, `raw_body`, `raw`) of every message.
    pub fn always_running(&self) -> Vec<&str> {
        self.rules
            .iter()
            .filter(|rule| self.cost(&rule.id) == Some(Cost::Long))
            .map(|rule| &*rule.id)
            .collect()
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
        let adjusted = format!("{} {id} {change:?}", self.version);
        self.version = short(&blake3::hash(adjusted.as_bytes()));
        true
    }
}

/// The first 12 hexadecimal digits of a digest.
fn short(digest: &blake3::Hash) -> String {
    digest.to_hex().chars().take(12).collect()
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
        // What cannot be looked at, such as a link that leads nowhere, is reported when it is read.
        let readable = || fs::metadata(&file).map_or(true, |of| of.is_file());
        if !hidden && file.extension().is_some_and(|e| e == "yaml") && readable() {
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
