//! One regular expression of a rule: checked, and compiled branch by branch.
//!
//! Patterns work on bytes and in linear time. ASCII patterns run without Unicode, which is about nine
//! times faster: `.` and `\w` are then single bytes, and case is ignored for ASCII letters only. A
//! pattern that holds a character beyond ASCII, or a class that needs Unicode (`\p{Cyrillic}`,
//! `[а-я]`, `\u{20AC}`), runs with Unicode and means characters throughout. `(?u)` asks for it.
//!
//! Alternatives at the top of a pattern are branches of their own (`branch`): each has its own literals,
//! so that of a pattern with forty phrases only that one is run whose words stand in the text.
//!
//! Look-around and atomic groups are extensions (`extension`), which stay linear. References back are not, and
//! have to be asked for: [`Pattern::backtracking`].
//!
//! Limits: [`PATTERN_BYTES`] as written, 512 KiB for each branch compiled, 64 levels of nesting.

use std::ops::Range;
use std::sync::Arc;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

use super::branch::{Branch, Scratch};
use super::extension::{self, Extended, Extension};
use super::gate::{Sighting, Sought};
use super::{literal, repeats, simplify};

/// Longest pattern, bytes as written.
pub(super) const PATTERN_BYTES: usize = 4 << 10;
/// Longest pattern that asks for the backtracking engine: imported ones are long.
const BACKTRACKING_BYTES: usize = 4 * PATTERN_BYTES;
/// Largest compiled branch, bytes of memory; of a pattern that asks for the backtracking engine.
const COMPILED_BYTES: usize = 512 << 10;
const BACKTRACKING_COMPILED_BYTES: usize = 32 << 20;
const NESTING: u32 = 64;
/// Most branches of one pattern; one with more alternatives stays whole.
const BRANCHES: usize = 256;

/// A pattern ready to run.
#[derive(Debug)]
pub(super) struct Pattern {
    /// In the order of the alternatives: of two that match at one place, the first counts.
    branches: Vec<Branch>,
    /// Of each branch: what shows where it can match. Taken out by the gate.
    sought: Vec<Option<Sought>>,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) message: String,
    /// The bytes of the pattern that are at fault; `None` for the whole of it.
    pub(super) span: Option<Range<usize>>,
    pub(super) help: Option<&'static str>,
    /// It holds what is no regular expression, but may be an extended one.
    extended: bool,
}

impl Refused {
    /// The whole pattern is at fault.
    pub(super) fn whole(message: impl Into<String>) -> Refused {
        Refused {
            message: message.into(),
            span: None,
            help: None,
            extended: false,
        }
    }

    /// The same with what to do.
    pub(super) fn help(mut self, help: &'static str) -> Refused {
        self.help = Some(help);
        self
    }
}

/// What to do about a reference back.
pub(super) const REFER_BACK: &str =
    "write `engine: backtracking` beside `matches` to have references back, within bounds";

fn long(pattern: &str, most: usize) -> Result<(), Refused> {
    let length = pattern.len();
    if length <= most {
        return Ok(());
    }
    Err(
        Refused::whole(format!("the pattern has {length} bytes, more than {most}"))
            .help("split it with `any`, or list literals with `contains`"),
    )
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str) -> Result<Pattern, Refused> {
        long(pattern, PATTERN_BYTES)?;
        let written = match parse(pattern, pattern.is_ascii()) {
            Ok(hir) => Extended {
                hir,
                extensions: Vec::new(),
            },
            Err(refused) if !refused.extended => return Err(refused),
            Err(_) => extension::extended(pattern, COMPILED_BYTES, false)?,
        };
        Pattern::compiled(written, COMPILED_BYTES)
    }

    /// Compiles a pattern that may hold references back, and be longer. What it takes to match it may grow faster
    /// than the text; a text on which it takes too much counts as no match.
    pub(super) fn backtracking(pattern: &str) -> Result<Pattern, Refused> {
        long(pattern, BACKTRACKING_BYTES)?;
        let written = extension::extended(pattern, BACKTRACKING_COMPILED_BYTES, true)?;
        Pattern::compiled(written, BACKTRACKING_COMPILED_BYTES)
    }

    fn compiled(written: Extended, limit: usize) -> Result<Pattern, Refused> {
        let Extended {
            hir,
            mut extensions,
        } = written;
        if extensions.is_empty() && always_matches(&hir) {
            return Err(
                Refused::whole("the pattern matches every text, also an empty one")
                    .help("use `exists: true` to ask only whether the place is there"),
            );
        }
        let hir = repeats::marked(hir, true, &mut extensions);
        let extensions: Arc<[Extension]> = extensions.into();
        let mut alternatives = Vec::new();
        split(&hir, &mut alternatives);
        if alternatives.len() > BRANCHES {
            alternatives = vec![hir];
        }
        let mut made = Pattern {
            branches: Vec::with_capacity(alternatives.len()),
            sought: Vec::with_capacity(alternatives.len()),
        };
        for alternative in &alternatives {
            let required = literal::required(alternative);
            let branch = Branch::new(alternative, required, &extensions, limit);
            let (branch, sought) = branch.map_err(|_| {
                let most = limit >> 10;
                Refused::whole(format!(
                    "the pattern needs more than {most} KiB when compiled"
                ))
                .help("shorten counted repeats; characters beyond ASCII make them larger")
            })?;
            made.branches.push(branch);
            made.sought.push(sought);
        }
        Ok(made)
    }

    /// Takes out that by which a gate finds the places where the branches can match, with the number of the
    /// branch.
    pub(super) fn take_sought(&mut self) -> Vec<(usize, Sought)> {
        let all = std::mem::take(&mut self.sought).into_iter().enumerate();
        all.filter_map(|(branch, set)| Some((branch, set?)))
            .collect()
    }

    /// Whether a branch searches all of every text.
    pub(super) fn runs_always(&self) -> bool {
        self.branches.iter().any(Branch::runs_always)
    }

    /// The work that it takes to find it, roughly, in that of a branch that a literal shows.
    pub(super) fn effort(&self) -> u32 {
        self.branches.iter().map(Branch::effort).sum()
    }

    /// Whether a gate sees every place where it can match.
    pub(super) fn is_gated(&self) -> bool {
        self.branches.iter().all(Branch::is_gated)
    }

    /// The leftmost match that begins at `from` or later. `seen` are the literals of its branches that a gate
    /// saw in this text, sorted by branch and place; without them every branch runs over all of the text.
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        let mut leftmost: Option<Range<usize>> = None;
        for (branch, own) in self
            .branches(seen)
            .filter(|(branch, own)| may_match(branch, *own))
        {
            if let Some(found) = branch.find(text, from, own, scratch)
                && leftmost.as_ref().is_none_or(|l| found.start < l.start)
            {
                leftmost = Some(found);
            }
        }
        leftmost
    }

    /// The branches, each with what of `seen` is its own.
    fn branches<'a>(
        &'a self,
        mut seen: Option<&'a [Sighting]>,
    ) -> impl Iterator<Item = (&'a Branch, Option<&'a [Sighting]>)> {
        (0..).zip(&self.branches).map(move |(number, branch)| {
            let own = seen.map(|all| {
                let (own, others) = all.split_at(all.partition_point(|s| s.branch <= number));
                seen = Some(others);
                own
            });
            (branch, own)
        })
    }

    /// How often the pattern matches, from left to right, no match inside of another, at most `most` times;
    /// `seen` as for [`Pattern::find`]. Linear: a branch is searched on only when its match has been passed.
    pub(super) fn occurrences(
        &self,
        text: &[u8],
        most: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> usize {
        let branches = self.branches(seen);
        let branches: Vec<_> = branches
            .filter(|(branch, own)| may_match(branch, *own))
            .collect();
        let (mut found, mut from) = (0, 0);
        let mut next: Vec<Option<Range<usize>>> = vec![Some(0..0); branches.len()];
        let mut fresh = true;
        while found < most && from <= text.len() {
            let mut leftmost: Option<Range<usize>> = None;
            for ((branch, own), next) in branches.iter().zip(&mut next) {
                if next.as_ref().is_some_and(|n| fresh || n.start < from) {
                    // A match begins at or before its literal: what was seen before `from` has had its turn.
                    let ahead = own.map(|seen| {
                        let passed = seen.partition_point(|s| (s.at as usize) < from);
                        seen.get(passed..).unwrap_or_default()
                    });
                    *next = branch.find(text, from, ahead, scratch);
                }
                if let Some(n) = next
                    && leftmost.as_ref().is_none_or(|l| n.start < l.start)
                {
                    leftmost = Some(n.clone());
                }
            }
            fresh = false;
            let Some(at) = leftmost else {
                break;
            };
            found += 1;
            from = at.end.max(at.start + 1);
        }
        found
    }
}

/// Whether a branch can match a text in which a gate saw this of it.
fn may_match(branch: &Branch, own: Option<&[Sighting]>) -> bool {
    !(branch.is_gated() && own.is_some_and(<[Sighting]>::is_empty))
}

/// The alternatives of a pattern. What stands before and after an alternation and takes no bytes, such as
/// `\b`, belongs to each of them.
fn split(hir: &Hir, into: &mut Vec<Hir>) {
    match hir.kind() {
        HirKind::Alternation(alternatives) => {
            alternatives.iter().for_each(|a| split(a, into));
        }
        HirKind::Capture(capture) if extension::marked(capture.name.as_deref()).is_none() => {
            split(&capture.sub, into);
        }
        HirKind::Concat(items) => {
            let look = |item: &&Hir| {
                matches!(item.kind(), HirKind::Look(_)) || extension::is_empty_mark(item)
            };
            let inner: Vec<&Hir> = items.iter().filter(|i| !look(i)).collect();
            let [only] = inner.as_slice() else {
                into.push(hir.clone());
                return;
            };
            let mut alternatives = Vec::new();
            split(only, &mut alternatives);
            for alternative in alternatives {
                let mut alternative = Some(alternative);
                let items = items.iter().map(|item| match look(&item) {
                    true => item.clone(),
                    false => alternative.take().unwrap_or_else(Hir::empty),
                });
                into.push(Hir::concat(items.collect()));
            }
        }
        _ => into.push(hir.clone()),
    }
}

/// Parses a regular expression, as bytes if `ascii` and nothing in it needs characters.
pub(super) fn parse(pattern: &str, ascii: bool) -> Result<Hir, Refused> {
    let parse_as = |unicode: bool| {
        ParserBuilder::new()
            .unicode(unicode)
            .utf8(false)
            .nest_limit(NESTING)
            .build()
            .parse(pattern)
            .map_err(Box::new)
    };
    if ascii {
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
    let mut extended = false;
    let (message, span, help) = match error {
        regex_syntax::Error::Parse(e) => (
            e.kind().to_string(),
            Some(e.span()),
            match e.kind() {
                // `(?>`, which begins an atomic group, is read as a flag.
                ErrorKind::UnsupportedLookAround | ErrorKind::FlagUnrecognized => {
                    extended = true;
                    None
                }
                ErrorKind::UnsupportedBackreference => Some(REFER_BACK),
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
        extended,
    }
}

/// Whether the pattern matches the empty string at any place of any text.
pub(super) fn always_matches(hir: &Hir) -> bool {
    hir.properties().minimum_len() == Some(0) && hir.properties().look_set().is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(pattern: &Pattern, text: &[u8]) -> Option<Range<usize>> {
        pattern.find(text, 0, None, &mut Scratch::default())
    }

    fn matches(pattern: &str, text: &str) -> bool {
        found(&Pattern::new(pattern).unwrap(), text.as_bytes()).is_some()
    }

    #[test]
    fn matches_are_counted_from_left_to_right_over_all_branches() {
        let count = |pattern: &str, text: &str, most| {
            let pattern = Pattern::new(pattern).unwrap();
            pattern.occurrences(text.as_bytes(), most, None, &mut Scratch::default())
        };
        assert_eq!(count("!", "a!b!!", 9), 3);
        assert_eq!(count("!", "a!b!!", 2), 2);
        assert_eq!(count("abc|bcd|cab", "abcdcabcd", 9), 2);
        assert_eq!(count("aa", "aaaaa", 9), 2);
        assert_eq!(count("^$|x", "", 9), 1);
        assert_eq!(count("zzz", "abc", 9), 0);
        // A branch that matches everywhere beside one that never does: no square of the length.
        let started = std::time::Instant::now();
        assert_eq!(count("ab|xyz", &"ab".repeat(100_000), 10_000), 10_000);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    proptest! {
        /// Runs, first bytes and branches change no answer. Break it by forgetting the fewest bytes of a run, by
        /// letting a run that may end anywhere end in one place only, or by looking for the beginning of a line no further than
        /// the end of the last one.
        #[test]
        fn patterns_find_what_the_reference_finds(
            pattern in r"(?:[ab]|a\{0,9\}|\[ab\]\{2,12\}\??|\.\{3,20\}|\(\?:a\|b\{1,8\}\)\{0,2\}|\||b\*|a\+\??|\(\?:b\{2,\}a\?\)\*|\\b|\(\?m:\^\)){1,7}",
            text in "[ab \n]{0,40}",
        ) {
            let Ok(ours) = Pattern::new(&pattern) else {
                return Ok(());
            };
            let reference = regex::bytes::RegexBuilder::new(&pattern).unicode(false).build().unwrap();
            let expected = reference.find(text.as_bytes()).map(|m| m.range());
            prop_assert_eq!(found(&ours, text.as_bytes()), expected, "{} in {:?}", pattern, text);
        }
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
        assert!(found(&Pattern::new(r"\xE9").unwrap(), b"\xE9").is_some());
    }

    #[test]
    fn patterns_look_around() {
        let at = |pattern: &str, text: &[u8]| found(&Pattern::new(pattern).unwrap(), text);
        assert_eq!(
            at(r"(?i)(?<!un)subscribe(?= now)", b"\xffSUBSCRIBE now"),
            Some(1..10)
        );
        assert_eq!(at(r"(?<!un)subscribe", b"unsubscribe"), None);
        assert_eq!(at(r"(?>a+)ab", b"aaab"), None);
        assert_eq!(at(r"\xE9(?!x)", b"\xe9x\xe9"), Some(2..3));
        assert_eq!(
            at(r"(?i)(?!x)[\xD0\xE0-\xE4][\xB5]", b"\xf0\xb5\xe2\xb5"),
            Some(2..4)
        );
        assert_eq!(at(r"(?!credit)(?:c|k)redit", b"credit kredit"), Some(7..13));
        assert_eq!(
            at("(?<!für )Käse", "für Käse, Käse".as_bytes()),
            Some(12..17)
        );
        let back = Pattern::new(r"(?=x)(\w)\1").unwrap_err();
        assert!(back.help.unwrap().contains("engine"), "{back:?}");
        let back = Pattern::backtracking(r"(\w)\1{2}").unwrap();
        assert_eq!(found(&back, b"a bbb"), Some(2..5));
        assert!(Pattern::new("(?<=a+)b").is_err());
    }

    /// Break it by leaving out what an atomic group holds.
    #[test]
    fn extensions_have_literals() {
        for pattern in [
            r"(?<!no )dear (?!mr)friend(?:ly)?",
            r"(?>\s{0,50})friend",
            r"(?>friend\w{0,9})x",
        ] {
            let mut pattern = Pattern::new(pattern).unwrap();
            assert!(!pattern.take_sought().is_empty() && pattern.is_gated());
        }
    }

    #[test]
    fn errors_tell_the_place_in_the_pattern() {
        assert_eq!(Pattern::new("ab(cd").unwrap_err().span, Some(2..3));
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
