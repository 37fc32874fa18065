//! The `rules` filter: rules in YAML files, matched against every part of a message.
//!
//! In: a folder of rule files, or the shipped rules. Out: a hit for each rule whose condition holds,
//! with what matched. Rules are data: nothing in them is run, matching is linear in time, and a set is
//! taken whole or not at all. `docs/rules.md` teaches the language.
//!
//! From file to hit: `written` (as serde reads it), `compile` (checked; `effect`, `matcher`, `asks`, `list`, `formula`, `chain`, `pattern` and its
//! `branch`es, `literal`), `gate` (one pass tells which patterns can match, and where), `place` and `texts`
//! (where they look, taken out once; `element`, `number`), `plan` (which rules can hold at all),
//! `condition` and `evaluation` (the answer), `example` (tests in rules).

mod asks;
mod backtracker;
mod bounds;
mod branch;
mod captures;
mod catalogue;
mod chain;
mod check;
mod compile;
mod condition;
mod digests;
mod effect;
mod element;
mod evaluation;
mod example;
mod extension;
mod file;
mod finding;
mod fold;
mod follow;
mod formula;
mod gate;
mod grams;
mod group;
mod identity;
mod inspect;
mod known;
mod lead;
mod lint;
mod list;
mod literal;
mod logic;
mod lookalike;
mod machine;
mod matcher;
mod needles;
mod networks;
mod notice;
mod number;
mod options;
mod outline;
mod pairs;
mod pattern;
mod place;
mod plan;
pub(crate) mod probe;
mod prospect;
mod rarity;
mod reference;
mod relation;
mod repeats;
mod rescoring;
mod rule;
mod ruleset;
mod runs;
mod schema;
mod scores_file;
mod seen;
mod shipped;
mod simplify;
mod spamassassin;
mod span;
mod sparse;
mod starts;
mod starts_maker;
mod string_set;
mod suggestion;
mod texts;
mod value;
mod visited;
mod words;
mod written;

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod language;
#[cfg(test)]
mod tests;

pub(crate) use file::read as read_file;
pub(crate) use list::{ENTRIES, FILE_BYTES as LIST_BYTES, LISTS, Strangers, ascii_domain, domain};
pub(crate) use list::{Kind as ListKind, lines};
pub(crate) use string_set::StringSet;

pub use catalogue::{Written, catalogue};
pub use check::RulesFilter;
pub use finding::Finding;
pub use group::Group;
pub use inspect::{Cost, Measured, Step, literals};
pub use known::{Held, Known};
pub use lint::lint;
pub use list::ListInfo;
pub use options::{Options, RuleFiles, build, filter};
pub use rule::{PerOccurrence, Rule};
pub use ruleset::{Evaluated, FILE_BYTES, FILES, RuleSet};
pub use schema::rules_schema;
pub use scores_file::scores_text;
