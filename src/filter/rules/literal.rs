//! Literals that every match of a pattern must hold, and how far before them the match can begin.
//!
//! In: the high-level form of a pattern. Out: a set of byte strings, ASCII letters in lower case, of
//! which at least one occurs (ASCII case ignored) in every match, with the bytes of the match before it;
//! or nothing, when no useful set exists and the pattern has to run always. Literals may come
//! from anywhere in the pattern, not only from its ends. Sound by construction: what is not understood
//! contributes nothing.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::rarity::{self, rarity};

/// Shortest literal worth looking for: shorter ones occur in almost every text.
pub(super) const SHORTEST: usize = 3;
/// Longer literals are cut, which keeps the gate small and loses next to no selectivity.
const LONGEST: usize = 24;
/// A literal of this length is rare enough: choices after it are not multiplied out.
const ENOUGH: usize = 6;
/// Most literals for one pattern.
const MOST: usize = 400;
/// Most strings of an exact set while it grows through a concatenation.
const MOST_CROSSED: usize = 64;
/// Largest character class that is written out.
const MOST_OF_CLASS: usize = 16;

/// Literals of which one stands in every match, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) literals: Vec<Vec<u8>>,
    /// Fewest and most bytes from the start of a match to the start of the literal; no upper bound is `None`.
    pub(super) before: (usize, Option<usize>),
}

impl Required {
    /// How seldom it is expected to occur, in bits. It costs the more the more places before it a match can begin at.
    pub(super) fn worth(&self) -> f64 {
        let expected: f64 = self.literals.iter().map(|l| (-rarity(l)).exp2()).sum();
        let places = self.before.1.map_or(rarity::UNBOUNDED, |most| {
            let places = u32::try_from(most - self.before.0).unwrap_or(u32::MAX);
            f64::from(places / 8 + 1).log2().min(rarity::UNBOUNDED)
        });
        -expected.log2() - places
    }

    /// The same within a larger pattern, with that many bytes before it.
    fn within(mut self, before: (usize, Option<usize>)) -> Required {
        self.before = (self.before.0 + before.0, sum(self.before.1, before.1));
        self
    }
}

fn sum(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a?.checked_add(b?)
}

/// Fewest and most bytes that match.
fn extent(hir: &Hir) -> (usize, Option<usize>) {
    let properties = hir.properties();
    (
        properties.minimum_len().unwrap_or(0),
        properties.maximum_len(),
    )
}

/// What a part of a pattern tells.
#[derive(Default)]
struct Found {
    /// All strings that it matches, when they are few.
    exact: Option<Vec<Vec<u8>>>,
    /// The best set of which one must occur.
    best: Option<Required>,
}

/// The set for a whole pattern; `None` when the pattern has to run on every text.
pub(super) fn required(hir: &Hir) -> Option<Required> {
    best(walk(hir))
}

/// The best of what was found for a part: the strings that it is, or some within it.
fn best(found: Found) -> Option<Required> {
    better(found.exact.and_then(leading), found.best)
}

fn walk(hir: &Hir) -> Found {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exactly(vec![Vec::new()]),
        HirKind::Literal(literal) => exactly(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => Found {
            exact: members(class),
            best: None,
        },
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(items) => concat(items),
        HirKind::Alternation(items) => alternation(items),
    }
}

fn exactly(set: Vec<Vec<u8>>) -> Found {
    Found {
        exact: Some(set),
        best: None,
    }
}

fn repeated(repetition: &Repetition) -> Found {
    let inner = walk(&repetition.sub);
    let (min, max) = (repetition.min, repetition.max);
    match (min, max) {
        (0, Some(1)) => {
            return Found {
                exact: inner.exact.map(|mut set| {
                    set.push(Vec::new());
                    distinct(set)
                }),
                best: None,
            };
        }
        (0, _) => return Found::default(),
        (1, Some(1)) => return inner,
        _ => {}
    }
    let several = inner.exact.as_ref().and_then(|set| {
        let mut all = set.clone();
        for _ in 1..min.min(8) {
            all = crossed(&all, set)?;
        }
        Some(all)
    });
    // Literals of the first copy.
    let fixed = min <= 8 && max == Some(min);
    let once = inner.exact.and_then(leading);
    let best = better(better(several.clone().and_then(leading), once), inner.best);
    Found {
        exact: several.filter(|_| fixed),
        best,
    }
}

fn concat(items: &[Hir]) -> Found {
    let mut before = Vec::with_capacity(items.len());
    let mut bytes = (0, Some(0));
    for item in items {
        before.push(bytes);
        let (least, most) = extent(item);
        bytes = (bytes.0 + least, sum(bytes.1, most));
    }
    let before = |n: usize| before.get(n).copied().unwrap_or((0, None));
    let mut whole = true;
    let mut best = None;
    let mut run = vec![Vec::new()];
    let mut start = 0;
    for (number, item) in items.iter().enumerate() {
        let found = walk(item);
        let enough = run.iter().all(|l| l.len() >= ENOUGH);
        let longer = found
            .exact
            .as_ref()
            .filter(|set| set.len() == 1 || !enough)
            .and_then(|set| crossed(&run, set));
        match longer {
            Some(longer) => run = longer,
            None => {
                whole = false;
                best = better(best, usable(run, before(start)));
                let within = found.best.map(|f| f.within(before(number)));
                best = better(best, within);
                run = found.exact.unwrap_or_else(|| vec![Vec::new()]);
                start = number;
                if run.iter().all(Vec::is_empty) {
                    start = number + 1;
                }
            }
        }
    }
    if whole {
        return Found {
            exact: Some(run),
            best,
        };
    }
    Found {
        exact: None,
        best: better(best, usable(run, before(start))),
    }
}

fn alternation(items: &[Hir]) -> Found {
    let mut exact = Some(Vec::new());
    let mut all: Option<Required> = None;
    let mut every = true;
    for item in items {
        let found = walk(item);
        exact = match (exact, &found.exact) {
            (Some(mut all), Some(set)) if all.len() + set.len() <= MOST_CROSSED => {
                all.extend(set.iter().cloned());
                Some(all)
            }
            _ => None,
        };
        match best(found) {
            Some(set) if every => {
                all = Some(match all {
                    None => set,
                    Some(mut all) => {
                        all.literals.extend(set.literals);
                        all.before.0 = all.before.0.min(set.before.0);
                        all.before.1 = larger(all.before.1, set.before.1);
                        all
                    }
                });
            }
            _ => every = false,
        }
    }
    let fits = |r: &Required| every && r.literals.len() <= MOST;
    Found {
        exact: exact.map(distinct),
        best: all.filter(fits).map(|mut r| {
            r.literals = distinct(r.literals);
            r
        }),
    }
}

/// The larger of two bounds; no bound is larger than any.
fn larger(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    Some(a?.max(b?))
}

/// Every string of `left` followed by every one of `right`, unless they become too many.
fn crossed(left: &[Vec<u8>], right: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if left.len() * right.len() > MOST_CROSSED {
        return None;
    }
    let mut all = Vec::with_capacity(left.len() * right.len());
    for l in left {
        for r in right {
            let mut both = l.clone();
            both.extend_from_slice(r);
            all.push(both);
        }
    }
    Some(distinct(all))
}

/// The members of a small class, as they are encoded, ASCII letters in lower case.
fn members(class: &Class) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    match class {
        Class::Bytes(bytes) => {
            for range in bytes.ranges() {
                for byte in range.start()..=range.end() {
                    all.push(vec![byte.to_ascii_lowercase()]);
                    if all.len() > 4 * MOST_OF_CLASS {
                        return None;
                    }
                }
            }
        }
        Class::Unicode(chars) => {
            for range in chars.ranges() {
                for c in range.start()..=range.end() {
                    let mut buffer = [0; 4];
                    let text = c.to_ascii_lowercase().encode_utf8(&mut buffer).as_bytes();
                    all.push(text.to_vec());
                    if all.len() > 4 * MOST_OF_CLASS {
                        return None;
                    }
                }
            }
        }
    }
    let all = distinct(all);
    (!all.is_empty() && all.len() <= MOST_OF_CLASS).then_some(all)
}

fn distinct(mut set: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    set.sort();
    set.dedup();
    set
}

/// The set cut to its useful length, or nothing when it is too large or a member too short.
fn usable(mut set: Vec<Vec<u8>>, before: (usize, Option<usize>)) -> Option<Required> {
    for literal in &mut set {
        literal.truncate(LONGEST);
    }
    let literals = distinct(set);
    let fits = !literals.is_empty()
        && literals.len() <= MOST
        && literals.iter().all(|l| l.len() >= SHORTEST);
    fits.then_some(Required { literals, before })
}

/// A usable set of strings that a match begins with.
fn leading(set: Vec<Vec<u8>>) -> Option<Required> {
    usable(set, (0, Some(0)))
}

fn better(a: Option<Required>, b: Option<Required>) -> Option<Required> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.worth() > a.worth() { b } else { a }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(pattern: &str) -> Option<Vec<String>> {
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(!pattern.is_ascii())
            .utf8(false)
            .build()
            .parse(pattern)
            .unwrap();
        required(&hir).map(|set| {
            set.literals
                .into_iter()
                .map(|l| String::from_utf8(l).unwrap())
                .collect()
        })
    }

    #[test]
    fn literals_come_from_anywhere_in_the_pattern() {
        assert_eq!(of("next of kin").unwrap(), ["next of kin"]);
        assert_eq!(of(r"(?i)\bNext\s+of\s+kin\b").unwrap(), ["next"]);
        assert_eq!(of(r"^.*\d{3} dollars?$").unwrap(), [" dollar"]);
        assert_eq!(
            of(r"(?i)verif(?:y|ied|ication) \w+").unwrap(),
            ["verification ", "verified ", "verify "]
        );
        assert_eq!(
            of(r"[a-z]+(?:foobar|bazqux)[0-9]*").unwrap(),
            ["bazqux", "foobar"]
        );
        assert_eq!(
            of("(?i)bestätigung").unwrap(),
            of("(?i)bestätigung").unwrap()
        );
        assert!(of("(?i)bestätigung").is_some());
    }

    #[test]
    fn patterns_without_a_required_literal_say_so() {
        for pattern in [
            "ab",
            "[a-z]{9}",
            "(?:invoice|)",
            "(?:invoice|x)",
            r"\d+",
            "(?:abc)?",
            "(?:abc)*",
        ] {
            assert_eq!(of(pattern), None, "{pattern}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Break it by returning the set of one branch of an alternation only.
        #[test]
        fn a_match_always_holds_one_of_the_literals(pattern in pattern(), text in "[abcK ]{0,30}") {
            let regex = regex::bytes::RegexBuilder::new(&pattern).unicode(false).build().unwrap();
            if let Some(set) = of(&pattern) {
                for m in regex.find_iter(text.as_bytes()) {
                    let lower = m.as_bytes().to_ascii_lowercase();
                    let held = set.iter().any(|l| memchr::memmem::find(&lower, l.as_bytes()).is_some());
                    prop_assert!(held, "{pattern} matched {lower:?} without any of {set:?}");
                }
            }
        }
    }

    /// Patterns over a tiny alphabet, so that matches are frequent.
    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[abcK]{1,4}",
            Just("[ab]".to_owned()),
            Just("(?i:k)".to_owned()),
            Just(".".to_owned()),
            Just(r"\b".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|v| v.concat()),
                proptest::collection::vec(inner.clone(), 1..4)
                    .prop_map(|v| format!("(?:{})", v.join("|"))),
                inner.clone().prop_map(|p| format!("(?:{p})?")),
                inner.clone().prop_map(|p| format!("(?:{p})+")),
                inner.clone().prop_map(|p| format!("(?:{p}){{2}}")),
                inner.prop_map(|p| format!("(?:{p}){{0,2}}")),
            ]
        })
    }
}
