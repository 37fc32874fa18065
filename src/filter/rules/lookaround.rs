//! Patterns with look-around, backreferences and atomic groups: `engine: backtracking`.
//!
//! Such patterns cannot be matched in linear time, so two things bound them. Before the backtracking engine starts,
//! the linear one runs a weaker pattern, the same without all that looks around: where it does not match,
//! nothing can, and its literals gate the rule like any other. And the engine gives up after [`STEPS`] steps; the
//! text counts as no match, and a counter tells. The bound is on steps, not on time, so that the same message
//! always gets the same answer.

use std::cell::Cell;
use std::ops::Range;

use fancy_regex::{Assertion, BytesMode, Expr, RegexBuilder};
use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;

use super::branch::Scratch;
use super::gate::Sighting;
use super::pattern::{PATTERN_BYTES, Pattern, Refused};

/// Steps back after which the engine gives a text up.
const STEPS: usize = 50_000;
/// Largest compiled piece, bytes.
const COMPILED_BYTES: usize = 8 << 20;
/// Longest pattern, bytes as written.
const LONGEST: usize = 4 * PATTERN_BYTES;

thread_local! {
    static GIVEN_UP: Cell<u64> = const { Cell::new(0) };
}

/// How many texts this thread has given up since it was last asked.
pub(super) fn given_up() -> u64 {
    GIVEN_UP.take()
}

/// A pattern of the linear engine that matches wherever the other does.
#[derive(Debug)]
enum Weaker {
    Gated(Pattern),
    /// Past the limits of patterns, so that no gate knows it: imported ones may be.
    Large(Box<Regex>),
    /// There is none that can fail.
    None,
}

impl Weaker {
    fn new(pattern: &str) -> Weaker {
        if let Ok(pattern) = Pattern::new(pattern) {
            return Weaker::Gated(pattern);
        }
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let config = Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::Implicit)
            .onepass(false)
            .dfa(false)
            .backtrack(false)
            .nfa_size_limit(Some(COMPILED_BYTES));
        match Regex::builder()
            .configure(config)
            .syntax(syntax)
            .build(pattern)
        {
            // One that matches the empty text can never fail.
            Ok(regex) if !regex.is_match(b"") => Weaker::Large(Box::new(regex)),
            _ => Weaker::None,
        }
    }
}

/// A pattern for the backtracking engine.
#[derive(Debug)]
pub(super) struct LookAround {
    regex: fancy_regex::Regex,
    weaker: Weaker,
}

impl LookAround {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str) -> Result<LookAround, Refused> {
        let refused = |message: String| Refused {
            message,
            span: None,
            help: None,
        };
        if pattern.len() > LONGEST {
            return Err(refused(format!(
                "the pattern has {} bytes, more than {LONGEST}",
                pattern.len()
            )));
        }
        let regex = RegexBuilder::new(pattern)
            .bytes_mode(BytesMode::Ascii)
            .backtrack_limit(STEPS)
            .delegate_size_limit(COMPILED_BYTES)
            .delegate_dfa_size_limit(COMPILED_BYTES)
            .build()
            .map_err(|e| refused(format!("this is not a regular expression: {e}")))?;
        // In a pattern of ASCII all beyond it is a byte, written as an escape; characters are read in another way
        // by the linear engine, which therefore cannot stand in.
        let weaker = Some(pattern)
            .filter(|pattern| pattern.is_ascii())
            .and_then(|pattern| Expr::parse_tree(pattern).ok())
            .and_then(|tree| {
                let mut out = String::new();
                weaken(&tree.expr, &mut out, 0).then_some(out)
            })
            .map_or(Weaker::None, |pattern| Weaker::new(&pattern));
        Ok(LookAround { regex, weaker })
    }

    /// Takes out the literals of the weaker pattern, for the gate: as of [`Pattern`].
    pub(super) fn take_literals(&mut self) -> Vec<(usize, Vec<Vec<u8>>)> {
        match &mut self.weaker {
            Weaker::Gated(pattern) => pattern.take_literals(),
            Weaker::Large(_) | Weaker::None => Vec::new(),
        }
    }

    /// Whether every match holds a literal that a gate can see.
    pub(super) fn is_gated(&self) -> bool {
        matches!(&self.weaker, Weaker::Gated(pattern) if pattern.is_gated())
    }

    /// The first match that begins at `from` or later; `seen` as for [`Pattern::find`].
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        // No match begins before the first one of the weaker pattern.
        let start = match &self.weaker {
            Weaker::Gated(weaker) => weaker.find(text, from, seen, scratch)?.start,
            Weaker::Large(weaker) => {
                weaker.search_half(&Input::new(text).span(from..text.len()))?;
                from
            }
            Weaker::None => from,
        };
        match self.regex.find_from_pos(text, start) {
            Ok(found) => found.map(|m| m.range()),
            Err(_) => {
                GIVEN_UP.set(GIVEN_UP.get() + 1);
                None
            }
        }
    }

    /// How many matches there are, none inside of another, at most `most`.
    pub(super) fn occurrences(
        &self,
        text: &[u8],
        most: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> usize {
        let (mut found, mut at) = (0, 0);
        while found < most
            && at <= text.len()
            && let Some(range) = self.find(text, at, seen, scratch)
        {
            found += 1;
            at = range.end.max(range.start + 1);
        }
        found
    }
}

/// Most expressions within expressions that are followed.
const NESTING: usize = 60;

/// Writes a pattern of the linear engine that matches wherever `expr` does; `false` when there is none.
fn weaken(expr: &Expr, out: &mut String, depth: usize) -> bool {
    if depth > NESTING {
        return false;
    }
    let mut grouped = |opening: &str, inner: &Expr| {
        out.push_str(opening);
        let done = weaken(inner, out, depth + 1);
        out.push(')');
        done
    };
    match expr {
        Expr::Empty | Expr::LookAround(..) | Expr::KeepOut => true,
        Expr::Assertion(assertion) => {
            match assertion {
                Assertion::StartText => out.push_str(r"\A"),
                Assertion::EndText => out.push_str(r"\z"),
                _ => {}
            }
            true
        }
        Expr::Any { newline, .. } => {
            out.push_str(if *newline { "(?s:.)" } else { "." });
            true
        }
        Expr::GeneralNewline { .. } => {
            out.push_str(r"(?:\r\n|[\n-\r\x85])");
            true
        }
        Expr::Literal { val, casei } => {
            out.push_str(if *casei { "(?i:" } else { "(?:" });
            for c in val.chars() {
                if c.is_ascii() {
                    out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
                } else if let Ok(byte) = u8::try_from(u32::from(c)) {
                    out.push_str(&format!("\\x{byte:02X}"));
                }
            }
            out.push(')');
            true
        }
        Expr::LiteralBytes { bytes } => {
            for byte in bytes {
                out.push_str(&format!("\\x{byte:02X}"));
            }
            true
        }
        Expr::Delegate { inner, casei } => {
            out.push_str(if *casei { "(?i:" } else { "(?:" });
            out.push_str(inner);
            out.push(')');
            true
        }
        Expr::Concat(parts) => parts.iter().all(|p| weaken(p, out, depth + 1)),
        Expr::Alt(branches) => {
            out.push_str("(?:");
            for (number, branch) in branches.iter().enumerate() {
                if number > 0 {
                    out.push('|');
                }
                if !weaken(branch, out, depth + 1) {
                    return false;
                }
            }
            out.push(')');
            true
        }
        Expr::Group(inner) => grouped("(?:", inner),
        Expr::AtomicGroup(inner) => grouped("(?:", inner),
        Expr::Repeat { child, lo, hi, .. } => {
            if !grouped("(?:", child) {
                return false;
            }
            match *hi {
                usize::MAX => out.push_str(&format!("{{{lo},}}")),
                hi => out.push_str(&format!("{{{lo},{hi}}}")),
            }
            true
        }
        Expr::Backref { .. } => {
            out.push_str("(?s:.)*");
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(pattern: &str, text: &[u8]) -> Option<Range<usize>> {
        LookAround::new(pattern)
            .unwrap()
            .find(text, 0, None, &mut Scratch::default())
    }

    #[test]
    fn looks_around_on_any_bytes() {
        assert_eq!(
            range(r"(?i)(?<!un)subscribe(?= now)", b"\xffSUBSCRIBE now"),
            Some(1..10)
        );
        assert_eq!(range(r"(?<!un)subscribe", b"unsubscribe"), None);
        assert_eq!(range(r"(\w)\1{2}", b"a bbb"), Some(2..5));
        assert_eq!(range(r"(?>a+)ab", b"aaab"), None);
        assert_eq!(range(r"\xE9(?!x)", b"\xe9x\xe9"), Some(2..3));
        assert!(LookAround::new("(?<a").is_err());
    }

    #[test]
    fn the_weaker_pattern_gives_literals() {
        let mut pattern = LookAround::new(r"(?<!no )dear (?!mr)friend(?:ly)?").unwrap();
        let literals = pattern.take_literals();
        assert!(!literals.is_empty() && pattern.is_gated(), "{literals:?}");
    }

    /// Break it by taking the bound away: the test does not come to an end.
    #[test]
    fn it_gives_up_after_its_steps_and_tells() {
        let slow = LookAround::new(r"(?:(?:a|aa)(?!x))+(\d)\1").unwrap();
        let mut scratch = Scratch::default();
        given_up();
        // The weaker pattern matches, so the engine has to try.
        let text = format!("{}12", "a".repeat(200));
        assert_eq!(slow.find(text.as_bytes(), 0, None, &mut scratch), None);
        assert_eq!(given_up(), 1);
        assert_eq!(slow.find(b"aa11", 0, None, &mut scratch), Some(0..4));
        assert_eq!(given_up(), 0);
    }

    #[test]
    fn occurrences_are_counted_one_after_the_other() {
        let pattern = LookAround::new(r"a(?!b)").unwrap();
        assert_eq!(
            pattern.occurrences(b"aabaca", 10, None, &mut Scratch::default()),
            3
        );
        assert_eq!(
            pattern.occurrences(b"aabaca", 2, None, &mut Scratch::default()),
            2
        );
    }
}
