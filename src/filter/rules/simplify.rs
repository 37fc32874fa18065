//! Patterns with characters beyond ASCII, brought into a form that a fast automaton can run.
//!
//! A Unicode `\b` makes the lazy automaton give up at the first byte beyond ASCII, and what is left is ten
//! times slower (measured on real mail: a quarter of all rule time). What a boundary says depends on the two
//! characters beside it, and the pattern mostly fixes one of them:
//!
//! - an ASCII letter, digit or `_`, or no letter at all: the ASCII `\b` says the same,
//! - a letter beyond ASCII: the ASCII `\B` says the same (neither side may be an ASCII letter),
//!
//! but for one case: where the other character is a letter beyond ASCII too, the boundary is taken to be
//! there. So `\bavis` is found in `préavis`. `docs/rules.md` says so.

use regex_syntax::hir::{
    Capture, Class, ClassBytes, ClassBytesRange, ClassUnicode, Hir, HirKind, Look, Repetition,
};

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
        HirKind::Class(Class::Unicode(class)) => Hir::class(narrowed(class)),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

/// Classes of thousands of characters as classes of bytes, which take a few states instead of hundreds:
/// what holds every character beyond ASCII (`.`, `[^x]`) holds each of their bytes, `\d` is 0 to 9, `\w` holds
/// ASCII letters, digits, `_` and everything beyond ASCII, `\W` the rest.
fn narrowed(class: ClassUnicode) -> Class {
    let beyond = ('\u{80}', char::MAX);
    let is = |pattern: &str| match regex_syntax::parse(pattern).map(Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(known))) => known == class,
        _ => false,
    };
    let everything = class
        .ranges()
        .last()
        .is_some_and(|r| r.start() <= beyond.0 && r.end() == beyond.1);
    let large = class.ranges().len() > 20;
    let bytes = if everything || large && is(r"\w") {
        Some(0x80..=0xff)
    } else {
        None
    };
    if bytes.is_none() && !(large && (is(r"\d") || is(r"\W"))) {
        return Class::Unicode(class);
    }
    let ascii = class.ranges().iter().filter_map(|r| {
        let start = u8::try_from(r.start()).ok().filter(u8::is_ascii)?;
        let end = u8::try_from(r.end()).map_or(0x7f, |end| end.min(0x7f));
        Some(ClassBytesRange::new(start, end))
    });
    let beyond = bytes.map(|b| ClassBytesRange::new(*b.start(), *b.end()));
    Class::Bytes(ClassBytes::new(ascii.chain(beyond)))
}

fn concat(parts: Vec<Hir>) -> Hir {
    let mut out: Vec<Hir> = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter().map(simplified).peekable();
    while let Some(part) = parts.next() {
        if !matches!(part.kind(), HirKind::Look(Look::WordUnicode)) {
            out.push(part);
            continue;
        }
        let after = parts.peek().and_then(|next| side(next, End::First));
        let before = || out.last().and_then(|previous| side(previous, End::Last));
        if let Some(look) = after.or_else(before) {
            out.push(Hir::look(look));
        } else if let Some(branches) = parts.peek().and_then(|n| sides(n, End::First)) {
            parts.next();
            let branches = branches.into_iter();
            let guarded = branches.map(|(look, b)| Hir::concat(vec![Hir::look(look), b]));
            out.push(Hir::alternation(guarded.collect()));
        } else if let Some(branches) = out.last().and_then(|p| sides(p, End::Last)) {
            out.pop();
            let branches = branches.into_iter();
            let guarded = branches.map(|(look, b)| Hir::concat(vec![b, Hir::look(look)]));
            out.push(Hir::alternation(guarded.collect()));
        } else {
            out.push(part);
        }
    }
    Hir::concat(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// The branches of an alternation, each with the boundary that belongs at its end; `None` when it is none
/// or a branch leaves the character open.
fn sides(hir: &Hir, end: End) -> Option<Vec<(Look, Hir)>> {
    let HirKind::Alternation(branches) = hir.kind() else {
        return None;
    };
    let with_side = |branch: &Hir| Some((side(branch, end)?, branch.clone()));
    branches.iter().map(with_side).collect()
}

/// The ASCII boundary that stands for a Unicode one beside this end of a pattern, when all its matches have
/// the same kind of character there.
fn side(hir: &Hir, end: End) -> Option<Look> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            let c = match end {
                End::First => text.chars().next(),
                End::Last => text.chars().next_back(),
            };
            c.map(beside)
        }
        HirKind::Class(Class::Unicode(class)) => {
            // Ignoring case, Unicode counts the long s and the Kelvin sign as s and k.
            let folds = |c: char| matches!(c, '\u{17f}' | '\u{212a}');
            if class.ranges().iter().any(|r| r.len() > CLASS) {
                return None;
            }
            let chars = class.ranges().iter().flat_map(|r| r.start()..=r.end());
            agreed(chars.filter(|c| !folds(*c)).map(|c| Some(beside(c))))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|r| r.start()..=r.end());
            agreed(bytes.map(|b| b.is_ascii().then(|| beside(char::from(b)))))
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => side(&repetition.sub, end),
        HirKind::Capture(capture) => side(&capture.sub, end),
        HirKind::Alternation(branches) => agreed(branches.iter().map(|b| side(b, end))),
        HirKind::Concat(parts) => match end {
            End::First => side(parts.first()?, end),
            End::Last => side(parts.last()?, end),
        },
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Look(_) => None,
    }
}

/// Longest range of a class that is looked through.
const CLASS: usize = 300;

fn beside(c: char) -> Look {
    match c.is_ascii() || !c.is_alphanumeric() {
        true => Look::WordAscii,
        false => Look::WordAsciiNegate,
    }
}

fn agreed(mut looks: impl Iterator<Item = Option<Look>>) -> Option<Look> {
    let first = looks.next()??;
    looks.all(|look| look == Some(first)).then_some(first)
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
            r"(?i)\b(?:konto|karte) ist\b",
            r"\ba{2,}é|b\b",
            r"x\b.*\by",
            r"(?i)\b(?:érection|erektion|\$|s)\b",
            r"\b(?:камера|kamera|監視)\b",
        ] {
            let (new, hir) = regex(pattern);
            assert!(!unicode_boundaries(&hir), "{pattern}");
            let old = Regex::new(pattern).unwrap();
            for text in [
                "ihr konto ist über",
                "kontoist",
                "Karte isto",
                "aaé b",
                "x y",
                "xy",
                "",
                "une érection",
                "Une Érection.",
                "xérection",
                "5$",
                "a$b",
                "s",
                "as",
                "на камера и",
                "kamerad",
                "die kamera",
                "камера7",
                "監視",
            ] {
                assert_eq!(old.is_match(text), new.is_match(text), "{pattern} {text}");
            }
        }
        // The one difference.
        assert!(regex(r"\bavis").0.is_match("préavis"));
    }

    #[test]
    fn wide_classes_become_classes_of_bytes() {
        let (new, hir) = regex(r"(?i)preis[^.]{0,12}€ ?\d+ \w+");
        let wide = |c: &str| matches!(regex(c).1.kind(), HirKind::Class(Class::Bytes(_)));
        assert!(wide(r"[^.]") && wide(r"\w") && wide(r"\d") && wide(r"\W") && wide("(?s)."));
        assert!(!wide("[а-я]") && !wide(r"\p{Greek}"));
        assert!(new.is_match("Der Preis für Sie: € 30 jährlich"));
        assert!(!new.is_match("Der Preis. Für Sie € 30 jährlich"));
        assert!(hir.properties().minimum_len().is_some());
    }

    #[test]
    fn where_the_character_is_open_the_boundary_stays() {
        for pattern in [r"\b[a-zäöü]+x", r"\b.", r"\b(?:é)?x"] {
            assert!(unicode_boundaries(&regex(pattern).1), "{pattern}");
        }
    }
}
