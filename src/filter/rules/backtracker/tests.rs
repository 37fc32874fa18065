use super::*;
use crate::filter::rules::visited::{GENERATIONS, MOST};
use proptest::prelude::*;
use regex_automata::nfa::thompson::NFA;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::{Anchored, Input};

use crate::filter::rules::extension::{Extended, extended};
use crate::filter::rules::repeats;

fn program(pattern: &str) -> Program {
    let Extended {
        hir,
        mut extensions,
    } = extended(pattern, 1 << 20, true).unwrap();
    let hir = repeats::marked(hir, true, &mut extensions);
    Program::new(Machine::new(&hir, 1 << 20).unwrap(), extensions.into())
}

/// The first match, by attempts at every place.
fn first(pattern: &str, text: &str) -> Option<(usize, usize)> {
    let (program, mut backtracker) = (program(pattern), Backtracker::default());
    backtracker.forget(u64::MAX, true);
    (0..=text.len()).find_map(|start| {
        let end = backtracker
            .attempt(&program, text.as_bytes(), start)
            .unwrap();
        end.map(|end| (start, end))
    })
}

#[test]
fn memory_is_bounded() {
    let program = program(r"(?:ac?)*b");
    let mut backtracker = Backtracker::default();
    let text = "a".repeat(MOST);
    let end = backtracker.attempt(&program, text.as_bytes(), 0);
    assert_eq!(end, Err(Exceeded));
    assert!(backtracker.visited.size() <= MOST);
    backtracker.forget(u64::MAX, false);
    assert_eq!(backtracker.attempt(&program, b"aaab", 0), Ok(Some(4)));
    backtracker.forget(u64::MAX, true);
    assert_eq!(backtracker.attempt(&program, text.as_bytes(), 0), Ok(None));
    backtracker.forget(100, true);
    assert_eq!(
        backtracker.attempt(&program, text.as_bytes(), 0),
        Err(Exceeded)
    );
}

/// Break it by looking for the end of a run beyond its bound, or by forgetting where it was seen last, or from where it
/// was tried to go on.
#[test]
fn runs_are_looked_at_once() {
    let text = "a".repeat(20_000);
    for pattern in [
        r"a{0,60}b{0,9}c",
        r"a{0,60}ba*c",
        r"(?:a{0,60}x?)a[^b]*b",
        r"a[^b]*a[^b]*?[ab]c",
        r"x?[^b]*a(?:[^b]{9,}c|[^b]*d)",
    ] {
        let program = program(pattern);
        let mut backtracker = Backtracker::default();
        backtracker.forget(u64::MAX, true);
        for start in 0..text.len() {
            let end = backtracker.attempt(&program, text.as_bytes(), start);
            assert_eq!(end, Ok(None));
        }
        let each = backtracker.steps() / 20_000;
        assert!(each < 200, "{pattern}: {each} steps a byte");
    }
}

#[test]
fn generations_come_round() {
    let program = program(r"(?:a|b)*c");
    let mut backtracker = Backtracker::default();
    for _ in 0..=GENERATIONS {
        backtracker.forget(u64::MAX, false);
    }
    assert_eq!(backtracker.attempt(&program, b"ababc", 0), Ok(Some(5)));
}

proptest! {
    /// Break it by pushing the alternatives in their order.
    #[test]
    fn it_agrees_with_the_reference(
        pattern in "(?:[ab]|a\\*|\\[ab\\]\\{1,9\\}|\\(a\\|b\\?\\)\\*\\?|\\(\\?:ab\\|a\\)\\+|\\.\\{0,2\\}|\\\\b){1,6}",
        text in "[ab ]{0,12}",
    ) {
        let Ok(nfa) = NFA::compiler().build(&format!("(?-u){pattern}")) else {
            return Ok(());
        };
        let reference = PikeVM::new_from_nfa(nfa.clone()).unwrap();
        let mut cache = reference.create_cache();
        let (program, mut backtracker) = (program(&pattern), Backtracker::default());
        for start in 0..=text.len() {
            let input = Input::new(&text).range(start..).anchored(Anchored::Yes);
            let expected = reference.find_iter(&mut cache, input).next().map(|m| m.end());
            let found = backtracker.attempt(&program, text.as_bytes(), start).unwrap();
            prop_assert_eq!(found, expected, "{} at {}", pattern, start);
            if found.is_some() {
                break;
            }
        }
    }

    /// Perl's meaning of extensions, as an engine of the usual kind has it. Break it by remembering what failed on
    /// the way to a success. Lazy loops stand in the test above: the reference here takes more of them than Perl does
    /// (`(a|b)*?(a|b)*?(ab|a)a*(a|b)*?a*` in `aab` is `aa`).
    #[test]
    fn extensions_agree_with_the_reference(
        pattern in "(?:[ab]|a\\*|\\[ab\\]\\{1,9\\}|\\(a\\|b\\)\\*|\\(ab\\|a\\)|\\\\1|\\(\\?>a\\*b\\?\\)|\\(\\?[=!]a\\*\\(\\?:b\\|\\(\\?!b\\)\\)\\)|\\(\\?<[=!][ab]\\)|\\.\\{0,2\\}|\\\\b){1,7}",
        text in "[ab ]{0,12}",
    ) {
        let Ok(reference) = fancy_regex::Regex::new(&pattern) else {
            return Ok(());
        };
        let expected = reference.find(&text).unwrap().map(|m| (m.start(), m.end()));
        prop_assert_eq!(first(&pattern, &text), expected, "{} in {:?}", pattern, text);
    }
}

#[test]
fn look_around_is_linear() {
    let steps = |length: usize| {
        let program = program("(?=a*b)(?!a*c)a+d|(?<!a{3})e");
        let mut backtracker = Backtracker::default();
        backtracker.forget(u64::MAX, true);
        let text = "a".repeat(length);
        for start in 0..length {
            assert_eq!(
                backtracker.attempt(&program, text.as_bytes(), start),
                Ok(None)
            );
        }
        backtracker.steps()
    };
    assert!(steps(4000) < 5 * steps(1000));
}

#[test]
fn references_back_end_in_time() {
    let program = program(r"(?:(a|aa)(?!x))+(\d)\2");
    let mut backtracker = Backtracker::default();
    backtracker.forget(100_000, true);
    let text = format!("{}12", "a".repeat(400));
    let found = backtracker.attempt(&program, text.as_bytes(), 0);
    assert!(
        found != Ok(Some(0)) && backtracker.steps() < 200_000,
        "{found:?}"
    );
    backtracker.forget(100_000, true);
    assert_eq!(backtracker.attempt(&program, b"aa11", 0), Ok(Some(4)));
}
