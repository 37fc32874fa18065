//! What became of every rule and setting, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rule::Place;

/// Why something was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An `eval:` function that mailweir lacks.
    Function(String),
    /// The score is 0: SpamAssassin does not run it either.
    ScoreZero,
    /// A rule for Bayes or the network, which the scores without them switch off.
    NotLocal,
    /// A formula over nothing but such rules, which therefore never hits.
    NeverHits,
    /// A formula that would hit wrongly without these rules, which were not taken over.
    Needs(Vec<String>),
    /// A pattern that neither engine takes.
    Pattern(String),
    /// It cannot be read; SpamAssassin refuses it too.
    Syntax(String),
    /// A kind of rule that is not known here.
    Kind(String),
    /// The file is for another version of SpamAssassin.
    Version,
    /// A setting that concerns no rule of mailweir.
    Setting,
    /// Formulas that refer to each other in a circle, or too long a chain of them.
    Circle,
}

impl Reason {
    /// The heading under which the report lists it.
    pub fn heading(&self) -> &'static str {
        match self {
            Reason::Function(_) => "Functions that mailweir lacks",
            Reason::ScoreZero => "Switched off: score 0",
            Reason::NotLocal => "Rules of the network and of Bayes",
            Reason::NeverHits => "Formulas over rules that are switched off",
            Reason::Needs(_) => "Formulas over rules that are missing",
            Reason::Pattern(_) => "Patterns that no engine takes",
            Reason::Syntax(_) => "Not readable",
            Reason::Kind(_) => "Other kinds of rules",
            Reason::Version => "Files for another version",
            Reason::Setting => "Settings",
            Reason::Circle => "Formulas in a circle",
        }
    }

    fn told(&self) -> String {
        match self {
            Reason::Needs(names) => format!("needs {}", shown(names)),
            Reason::Function(why)
            | Reason::Pattern(why)
            | Reason::Syntax(why)
            | Reason::Kind(why) => why.clone(),
            Reason::ScoreZero
            | Reason::NeverHits
            | Reason::NotLocal
            | Reason::Version
            | Reason::Setting
            | Reason::Circle => String::new(),
        }
    }
}

/// Names in a list, the first ten.
fn shown(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
    let more = names.len().saturating_sub(10);
    match more {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A line that was left out.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) place: Place,
    pub(super) reason: Reason,
}

/// A rule that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub rule: String,
    /// Where it is defined, `file:line`.
    pub origin: String,
    /// Why it was left out.
    pub reason: Reason,
}

/// A rule that was taken over and hits less often than the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowed {
    /// Its name.
    pub rule: String,
    /// Rules in it that were not taken over and count as not hitting.
    pub without: Vec<String>,
}

/// The whole account.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rules that were defined, sub-rules included.
    pub defined: usize,
    /// Names of rules that were taken over.
    pub imported: Vec<String>,
    /// How many of them need the backtracking engine.
    pub backtracking: usize,
    /// Those among them that hit less often.
    pub narrowed: Vec<Narrowed>,
    /// Rules whose name had to be changed: old and new.
    pub renamed: Vec<(String, String)>,
    /// Rules that were left out.
    pub dropped: Vec<Dropped>,
    /// Lines that are no rules and were left out: `file:line`, the line, the reason.
    pub lines: Vec<(String, String, Reason)>,
    /// Settings without a meaning here, by name, with how often they stand.
    pub settings: BTreeMap<String, usize>,
}

impl Report {
    /// One line for a terminal.
    pub fn summary(&self) -> String {
        format!(
            "{} of {} rules imported ({} with the backtracking engine, {} of them hit less often than in SpamAssassin), {} left out",
            self.imported.len(),
            self.defined,
            self.backtracking,
            self.narrowed.len(),
            self.dropped.len()
        )
    }

    /// How many rules were left out, by heading.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for dropped in &self.dropped {
            *counts.entry(dropped.reason.heading()).or_default() += 1;
        }
        counts
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Import from SpamAssassin\n\n");
        let _ = writeln!(out, "{}.\n", self.summary());
        let mut headings: BTreeMap<&str, Vec<&Dropped>> = BTreeMap::new();
        for dropped in &self.dropped {
            headings
                .entry(dropped.reason.heading())
                .or_default()
                .push(dropped);
        }
        for (heading, rules) in headings {
            let _ = writeln!(out, "## {heading} ({})\n", rules.len());
            for dropped in rules {
                let told = dropped.reason.told();
                let told = if told.is_empty() {
                    told
                } else {
                    format!(": {}", plain(&told))
                };
                let _ = writeln!(out, "- {} ({}){told}", dropped.rule, plain(&dropped.origin));
            }
            out.push('\n');
        }
        if !self.narrowed.is_empty() {
            let _ = writeln!(
                out,
                "## Taken over, but hit less often ({})\n\nThese formulas hold in more cases with rules that were left out.\n",
                self.narrowed.len()
            );
            for narrowed in &self.narrowed {
                let _ = writeln!(
                    out,
                    "- {}: without {}",
                    narrowed.rule,
                    shown(&narrowed.without)
                );
            }
            out.push('\n');
        }
        if !self.renamed.is_empty() {
            let _ = writeln!(out, "## Other names ({})\n", self.renamed.len());
            for (old, new) in &self.renamed {
                let _ = writeln!(out, "- {old} is {new}");
            }
            out.push('\n');
        }
        if !self.lines.is_empty() {
            let _ = writeln!(
                out,
                "## Lines that could not be read ({})\n",
                self.lines.len()
            );
            for (origin, line, reason) in &self.lines {
                let _ = writeln!(
                    out,
                    "- {}: `{}`: {}",
                    plain(origin),
                    plain(line),
                    plain(&reason.told())
                );
            }
            out.push('\n');
        }
        if !self.settings.is_empty() {
            let total: usize = self.settings.values().sum();
            let _ = writeln!(out, "## Settings that were left out ({total} lines)\n");
            for (name, count) in &self.settings {
                let _ = writeln!(out, "- {} ({count})", plain(name));
            }
        }
        out
    }
}

/// Text of a source file as one line of Markdown.
fn plain(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| match c {
            '`' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
