//! Questions about single patterns and fields, for who writes rule files.

use regex_syntax::ParserBuilder;

use super::branch::Scratch;
use super::formula;
use super::pattern::{Pattern, Refused, always_matches};
use super::spamassassin::FieldView;

/// What a pattern will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It matches every text.
    Always,
    /// It matches some.
    Sometimes,
    /// It cannot be a pattern, and why.
    Refused(String),
}

/// Tries a pattern on the engine it is for.
pub(crate) fn probe(pattern: &str, backtracking: bool) -> Fate {
    if !backtracking && is_always(pattern) {
        return Fate::Always;
    }
    match compiled(pattern, backtracking) {
        Ok(_) => Fate::Sometimes,
        Err(refused) => Fate::Refused(refused.message),
    }
}

fn is_always(pattern: &str) -> bool {
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern);
    parsed.is_ok_and(|hir| always_matches(&hir))
}

fn compiled(pattern: &str, backtracking: bool) -> Result<Pattern, Refused> {
    match backtracking {
        true => Pattern::backtracking(pattern),
        false => Pattern::new(pattern),
    }
}

/// Whether a pattern that [`probe`] takes matches a text.
pub(crate) fn matches(pattern: &str, backtracking: bool, text: &str) -> bool {
    let found = |pattern: Pattern| {
        let mut scratch = Scratch::default();
        pattern
            .find(text.as_bytes(), 0, None, &mut scratch)
            .is_some()
    };
    !backtracking && is_always(pattern) || compiled(pattern, backtracking).is_ok_and(found)
}

/// Whether a text can be a formula; why not.
pub(crate) fn formula(text: &str) -> Result<(), String> {
    formula::parse(text)
        .map(|_| ())
        .map_err(|refused| refused.message)
}

/// Whether a formula without names holds.
pub(crate) fn holds_always(formula: &str) -> bool {
    formula::parse(formula)
        .ok()
        .and_then(|f| f.value(&mut |_| 0.0))
        .is_some_and(|value| value != 0.0)
}

/// Whether `sa_header` knows a field of that name, modifiers included.
pub(crate) fn is_field(name: &str) -> bool {
    FieldView::parse(name).is_some()
}
