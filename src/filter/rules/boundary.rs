//! Word boundaries that a fast automaton can see.
//!
//! A Unicode `\b` makes the lazy automaton give up at the first byte beyond ASCII, and what is left is ten
//! times slower (measured on real mail: a quarter of all rule time). Next to an ASCII letter or digit
//! the ASCII boundary says the same, with one exception: it also holds between a letter beyond ASCII and
//! that letter, so `\bavis` is found in `préavis`. Rules that must tell these apart say so with `(?:^|\PL)`.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

/// The same pattern, with ASCII boundaries wherever one side is an ASCII word character for certain.
pub(super) fn simplified(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(branches) => {
            Hir::alternation(branches.into_iter().map(simplified).collect())
        }
        HirKind::Capture(capture) => Hir::capture(Capture {
            sub: Box::new(simplified(*capture.sub)),
            ..capture
        }),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(simplified(*repetition.sub)),
            ..repetition
        }),
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

fn concat(parts: Vec<Hir>) -> Hir {
    let certain: Vec<(bool, bool)> = parts
        .iter()
        .map(|part| (is_word_at(part, End::First), is_word_at(part, End::Last)))
        .collect();
    let beside = |i: usize| {
        let before = i.checked_sub(1).and_then(|i| certain.get(i));
        let after = certain.get(i + 1);
        before.is_some_and(|(_, last)| *last) || after.is_some_and(|(first, _)| *first)
    };
    Hir::concat(
        parts
            .into_iter()
            .enumerate()
            .map(|(i, part)| match part.kind() {
                HirKind::Look(Look::WordUnicode) if beside(i) => Hir::look(Look::WordAscii),
                _ => simplified(part),
            })
            .collect(),
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// Whether every match begins, or ends, with an ASCII letter, digit or `_`.
fn is_word_at(hir: &Hir, end: End) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let byte = match end {
                End::First => literal.0.first(),
                End::Last => literal.0.last(),
            };
            byte.is_some_and(|b| is_word(*b))
        }
        HirKind::Class(Class::Unicode(class)) => {
            // Ignoring case, Unicode counts the long s and the Kelvin sign as s and k.
            let folds = |c: char| matches!(c, '\u{17f}' | '\u{212a}');
            let word = |c: char| c.is_ascii() && u8::try_from(c).is_ok_and(is_word) || folds(c);
            let mut ranges = class.ranges().iter().peekable();
            ranges.peek().is_some() && ranges.all(|r| (r.start()..=r.end()).take(129).all(word))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut ranges = class.ranges().iter().peekable();
            ranges.peek().is_some() && ranges.all(|r| (r.start()..=r.end()).all(is_word))
        }
        HirKind::Repetition(repetition) => repetition.min > 0 && is_word_at(&repetition.sub, end),
        HirKind::Capture(capture) => is_word_at(&capture.sub, end),
        HirKind::Alternation(branches) => branches.iter().all(|b| is_word_at(b, end)),
        HirKind::Concat(parts) => {
            let part = match end {
                End::First => parts.first(),
                End::Last => parts.last(),
            };
            part.is_some_and(|p| is_word_at(p, end))
        }
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_automata::meta::Regex;

    fn regex(pattern: &str) -> (Regex, Hir) {
        let hir = simplified(regex_syntax::parse(pattern).unwrap());
        (Regex::builder().build_from_hir(&hir).unwrap(), hir)
    }

    fn unicode_boundaries(hir: &Hir) -> bool {
        hir.properties().look_set().contains(Look::WordUnicode)
    }

    #[test]
    fn beside_ascii_words_the_boundary_becomes_ascii_and_finds_the_same() {
        for pattern in [
            r"(?-i)\b(?:konto|karte) ist\b",
            r"\ba{2,}é|b\b",
            r"x\b.*\by",
        ] {
            let (new, hir) = regex(pattern);
            assert!(!unicode_boundaries(&hir), "{pattern}");
            let old = Regex::new(pattern).unwrap();
            for text in [
                "ihr konto ist über",
                "kontoist",
                "karte isto",
                "aaé b",
                "x y",
                "xy",
                "",
            ] {
                assert_eq!(old.is_match(text), new.is_match(text), "{pattern} {text}");
            }
        }
        // The one difference.
        assert!(regex(r"\bavis").0.is_match("préavis"));
    }

    #[test]
    fn beside_other_letters_the_boundary_stays() {
        let (regex, hir) = regex(r"\bкамер");
        assert!(unicode_boundaries(&hir));
        assert!(regex.is_match("на камеру"));
        assert!(!regex.is_match("подкамера"));
    }
}
