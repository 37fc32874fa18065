//! One regular expression of a rule: checked, compiled, with the literals that its matches must hold.
//!
//! Patterns work on bytes and in linear time. ASCII patterns run without Unicode, which is about nine
//! times faster: `.` and `\w` are then single bytes, and case is ignored for ASCII letters only. A
//! pattern that holds a character beyond ASCII, or a class that needs Unicode (`\p{Cyrillic}`,
//! `[а-я]`, `\u{20AC}`), runs with Unicode and means characters throughout. `(?u)` asks for it.
//!
//! Limits: [`PATTERN_BYTES`] as written, [`COMPILED_BYTES`] compiled, 64 levels of nesting.

use std::ops::Range;

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::{literal, simplify};

/// Longest pattern, bytes as written.
pub(super) const PATTERN_BYTES: usize = 4 << 10;
/// Largest compiled pattern, bytes of memory.
const COMPILED_BYTES: usize = 512 << 10;
/// Cache of the lazy automaton of one pattern in one thread, bytes.
const CACHE_BYTES: usize = 512 << 10;
const NESTING: u32 = 64;

/// A pattern ready to run.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// One of these occurs in every match; `None` when the pattern has to run on every text.
    pub(super) literals: Option<Vec<Vec<u8>>>,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) message: String,
    /// The bytes of the pattern that are at fault; `None` for the whole of it.
    pub(super) span: Option<Range<usize>>,
    pub(super) help: Option<&'static str>,
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str) -> Result<Pattern, Refused> {
        if pattern.len() > PATTERN_BYTES {
            return Err(Refused {
                message: format!(
                    "the pattern has {} bytes, more than {PATTERN_BYTES}",
                    pattern.len()
                ),
                span: None,
                help: Some("split it with `any`, or list literals with `contains`"),
            });
        }
        let hir = parse(pattern)?;
        if always_matches(&hir) {
            return Err(Refused {
                message: "the pattern matches every text, also an empty one".to_owned(),
                span: None,
                help: Some("use `exists: true` to ask only whether the place is there"),
            });
        }
        // Only where a match lies is ever asked, so no groups are compiled; and with hundreds of patterns of
        // which a message runs few, automata built ahead of need cost more memory than they save time.
        let config = Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::Implicit)
            .onepass(false)
            .dfa(false)
            .backtrack(false)
            .nfa_size_limit(Some(COMPILED_BYTES))
            .hybrid_cache_capacity(CACHE_BYTES);
        let regex = Regex::builder()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| Refused {
                message: format!(
                    "the pattern needs more than {} KiB when compiled",
                    COMPILED_BYTES >> 10
                ),
                span: None,
                help: Some("shorten counted repeats; characters beyond ASCII make them larger"),
            })?;
        Ok(Pattern {
            literals: literal::required(&hir),
            regex,
        })
    }
}

fn parse(pattern: &str) -> Result<Hir, Refused> {
    let parse_as = |unicode: bool| {
        ParserBuilder::new()
            .unicode(unicode)
            .utf8(false)
            .nest_limit(NESTING)
            .build()
            .parse(pattern)
            .map_err(Box::new)
    };
    if pattern.is_ascii() {
        match parse_as(false) {
            Ok(hir) => return Ok(hir),
            Err(error) if matches!(*error, regex_syntax::Error::Translate(_)) => {}
            Err(error) => return Err(refused(&error)),
        }
    }
    parse_as(true)
        .map(simplify::simplified)
        .map_err(|error| refused(&error))
}

fn refused(error: &regex_syntax::Error) -> Refused {
    use regex_syntax::ast::ErrorKind;
    let (message, span, help) = match error {
        regex_syntax::Error::Parse(e) => (
            e.kind().to_string(),
            Some(e.span()),
            match e.kind() {
                ErrorKind::UnsupportedLookAround => Some(
                    "matching is linear in time, so there is no look-around; combine two conditions with `all` and `not`",
                ),
                ErrorKind::UnsupportedBackreference => {
                    Some("matching is linear in time, so there are no backreferences")
                }
                ErrorKind::RepetitionMissing => {
                    Some("write `\\?`, `\\*` or `\\+` for the character itself")
                }
                _ => None,
            },
        ),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), Some(e.span()), None),
        other => (other.to_string(), None, None),
    };
    Refused {
        message: format!("this is not a regular expression: {message}"),
        span: span.map(|s| s.start.offset..s.end.offset),
        help,
    }
}

/// Whether the pattern matches the empty string at any place of any text.
fn always_matches(hir: &Hir) -> bool {
    hir.properties().minimum_len() == Some(0) && hir.properties().look_set().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern)
            .unwrap()
            .regex
            .is_match(text.as_bytes())
    }

    #[test]
    fn characters_beyond_ascii_work_as_written() {
        assert!(matches(
            "(?i)ZAHLUNGSBESTÄTIGUNG",
            "Ihre Zahlungsbestätigung"
        ));
        assert!(matches("[а-я]{5}", "привет"));
        assert!(matches(r"\p{Cyrillic}", "привет"));
        assert!(matches(r"\u{20AC} ?\d", "€ 5"));
        assert!(matches("^.€.$", "a€b"));
        assert!(!matches("^.€.$", "a€€b"));
    }

    #[test]
    fn ascii_patterns_see_bytes() {
        assert!(matches("^.{2}$", "ü"));
        assert!(matches(r"(?u)^.$", "ü"));
        assert!(Pattern::new(r"\xE9").unwrap().regex.is_match(b"\xE9"));
    }

    #[test]
    fn errors_tell_the_place_in_the_pattern() {
        assert_eq!(Pattern::new("ab(cd").unwrap_err().span, Some(2..3));
        let look = Pattern::new("foo(?=bar)").unwrap_err();
        assert_eq!(look.span.clone().map(|s| s.start), Some(3));
        assert!(look.help.unwrap().contains("`all`"), "{look:?}");
        assert!(Pattern::new(r"(a)\1").unwrap_err().help.is_some());
        assert!(Pattern::new(r"\p{Nothing}").unwrap_err().span.is_some());
    }

    #[test]
    fn limits_hold() {
        assert!(Pattern::new(&"a".repeat(PATTERN_BYTES + 1)).is_err());
        assert!(
            Pattern::new(r"(?u)\w{2000}")
                .unwrap_err()
                .message
                .contains("KiB")
        );
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(200), ")".repeat(200))).is_err());
        assert!(
            Pattern::new("a*")
                .unwrap_err()
                .message
                .contains("every text")
        );
        assert!(Pattern::new("^$").is_ok());
    }
}
