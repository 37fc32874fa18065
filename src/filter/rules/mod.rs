//! The `rules` filter: rules in YAML files, matched against every part of a message.
//!
//! In: a folder of rule files, or the shipped rules. Out: a hit for each rule whose condition holds,
//! with what matched. Rules are data: nothing in them is run, matching is linear in time, and a set is
//! taken whole or not at all. `docs/rules.md` teaches the language.
//!
//! From file to hit: `written` (as serde reads it), `compile` (checked; `matcher`, `chain`,
//! `pattern`, `literal`), `gate`
//! (one pass tells which patterns can match), `place` and `texts` (where they look, taken out once),
//! `condition` and `evaluation` (the answer), `example` (tests in rules).

mod asks;
mod chain;
mod check;
mod compile;
mod condition;
mod cost;
mod digests;
mod effect;
mod element;
mod evaluation;
mod example;
mod file;
mod finding;
mod fold;
mod formula;
mod gate;
mod group;
mod list;
mod literal;
mod lookaround;
mod matcher;
mod networks;
mod number;
mod options;
mod pattern;
mod place;
pub(crate) mod probe;
mod properties;
mod relation;
mod rule;
mod ruleset;
mod shipped;
mod simplify;
mod spamassassin;
mod span;
mod string_set;
mod texts;
mod trace;
mod words;
mod written;

#[cfg(test)]
mod tests;

pub use check::RulesFilter;
pub use cost::Cost;
pub use file::RuleFile;
pub use finding::Finding;
pub use group::Group;
pub use list::ListInfo;
pub use options::{Options, build};
pub use properties::Properties;
pub use rule::{Origin, PerOccurrence, Rule};
pub use ruleset::{FILE_BYTES, FILES, RuleSet};
pub use trace::Step;
