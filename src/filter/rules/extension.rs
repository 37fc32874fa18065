//! What patterns may hold beyond regular expressions: look-around, atomic groups, references back. And long counted
//! repeats of one byte (`.{0,200}`), which are regular, but take an automaton hundreds of states.
//!
//! In: a pattern as written. Out: the same as a regular expression in which a named group marks the place of
//! each extension, with the list of what the groups stand for. The group of a look-around is empty; that of an
//! atomic group holds what the group holds, and that of a reference anything: so the expression matches
//! wherever the pattern does, which is all that its literals need, and the automaton that runs stops at the
//! marks (`machine`).
//!
//! The pattern is parsed by `fancy_regex`; nothing of it runs. A look-behind must have a longest match, of
//! [`BEHIND`] bytes, as in Perl.

use std::fmt::Write as _;

use fancy_regex::{Assertion, Expr, LookAround};
use regex_syntax::hir::{Capture, Hir, HirKind};

use super::machine::{Bytes, Machine};
use super::pattern::{REFER_BACK, Refused, parse};
use super::{repeats, runs::Run};

/// Most bytes that a look-behind may look at.
const BEHIND: usize = 255;
/// Deepest nesting of expressions that is followed.
const NESTING: usize = 60;
/// Most extensions of one pattern.
pub(super) const MOST: usize = 1000;
/// Repeats of one byte that a weaker expression asks for, where the pattern asks for as many.
const LEAST_BYTES: u32 = 12;

/// What a mark in an automaton asks for.
#[derive(Debug)]
pub(super) enum Extension {
    /// What follows, or stands before, must match, or must not.
    Look {
        machine: Machine,
        behind: Option<(usize, usize)>,
        wanted: bool,
    },
    /// The preferred match of this and no other.
    Atomic(Machine),
    /// Bytes of a set.
    Run(Run),
    /// A group that is referred to begins.
    Open(usize),
    /// It ends.
    Close(usize),
    /// The text of a group once more.
    Same { group: usize, ignore_case: bool },
}

/// A pattern with its extensions.
pub(super) struct Extended {
    pub(super) hir: Hir,
    pub(super) extensions: Vec<Extension>,
}

/// An expression that matches wherever this one does, with hardly any counts, so that an automaton over it is small.
pub(super) fn loosened(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| -> Vec<Hir> { parts.iter().map(loosened).collect() };
    match hir.kind() {
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
        HirKind::Capture(capture) => loosened(&capture.sub),
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            repetition.sub = Box::new(loosened(&repetition.sub));
            if repetition.max.is_none_or(|most| most > 2) {
                // Many bytes of one set, or two of what is longer than a byte, seldom stand together by chance.
                let least = match Bytes::of(&repetition.sub) {
                    Some(_) => LEAST_BYTES,
                    None => 2,
                };
                (repetition.min, repetition.max) = (repetition.min.min(least), None);
            }
            Hir::repetition(repetition)
        }
        _ => hir.clone(),
    }
}

/// Reads a pattern; `limit` bounds the compiled size of each extension, bytes. References back are refused
/// unless `back` allows them: alone of all they cannot be matched in linear time.
pub(super) fn extended(pattern: &str, limit: usize, back: bool) -> Result<Extended, Refused> {
    let tree = Expr::parse_tree(pattern)
        .map_err(|e| Refused::whole(format!("this is not a regular expression: {e}")))?;
    let mut writer = Writer {
        ascii: pattern.is_ascii(),
        limit,
        back,
        referred: tree.backrefs.iter().collect(),
        groups: 0,
        extensions: Vec::new(),
    };
    let mut out = String::new();
    writer.write(&tree.expr, &mut out, 0)?;
    let hir = writer.hir(&out)?;
    Ok(Extended {
        hir,
        extensions: writer.extensions,
    })
}

/// The name of the group that marks an extension.
pub(super) fn mark(number: usize) -> String {
    format!("x{number}")
}

/// The number of the extension that a group of this name marks.
pub(super) fn marked(name: Option<&str>) -> Option<usize> {
    name?.strip_prefix('x')?.parse().ok()
}

/// Whether the part is a mark that takes no bytes.
pub(super) fn is_empty_mark(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => {
            marked(capture.name.as_deref()).is_some()
                && capture.sub.properties().maximum_len() == Some(0)
        }
        _ => false,
    }
}

/// The expression as an automaton runs it, with nothing in its marks; one byte stands where they may take any, because
/// what takes none is not repeated.
///
/// The groups are numbered as they come; `marks` gets the extension of each.
pub(super) fn with_bare_marks(hir: &Hir, marks: &mut Vec<Option<u32>>) -> Hir {
    match hir.kind() {
        HirKind::Capture(capture) => match marked(capture.name.as_deref()) {
            Some(number) => {
                let bare = match is_empty_mark(hir) {
                    true => Hir::empty(),
                    false => Hir::literal(*b"\0"),
                };
                let index = u32::try_from(marks.len()).unwrap_or(u32::MAX);
                marks.push(u32::try_from(number).ok());
                Hir::capture(Capture {
                    index,
                    name: None,
                    sub: Box::new(bare),
                })
            }
            None => with_bare_marks(&capture.sub, marks),
        },
        HirKind::Concat(parts) => {
            Hir::concat(parts.iter().map(|p| with_bare_marks(p, marks)).collect())
        }
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|p| with_bare_marks(p, marks)).collect())
        }
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            repetition.sub = Box::new(with_bare_marks(&repetition.sub, marks));
            Hir::repetition(repetition)
        }
        _ => hir.clone(),
    }
}

struct Writer {
    ascii: bool,
    limit: usize,
    back: bool,
    /// Groups that are referred to.
    referred: Vec<usize>,
    /// Groups that have begun so far.
    groups: usize,
    extensions: Vec<Extension>,
}

impl Writer {
    /// Places in what was written are not those of the pattern, so only the message of an error is kept.
    fn hir(&self, pattern: &str) -> Result<Hir, Refused> {
        parse(pattern, self.ascii).map_err(|refused| Refused::whole(refused.message))
    }

    /// Notes an extension and writes its mark around `inner`.
    fn mark(&mut self, extension: Extension, inner: &str, out: &mut String) -> Result<(), Refused> {
        let number = self.extensions.len();
        if number >= MOST {
            return Err(Refused::whole(format!(
                "the pattern holds more than {MOST} assertions and references"
            )));
        }
        self.extensions.push(extension);
        let _ = write!(out, "(?P<{}>{inner})", mark(number));
        Ok(())
    }

    /// The automaton of a part, its expression, and what was written of it.
    fn machine(&mut self, part: &Expr, depth: usize) -> Result<(Machine, Hir, String), Refused> {
        let mut written = String::new();
        self.write(part, &mut written, depth)?;
        let hir = repeats::marked(self.hir(&written)?, false, &mut self.extensions);
        let machine = Machine::new(&hir, self.limit)
            .ok_or_else(|| Refused::whole("a part of the pattern is too large"))?;
        Ok((machine, hir, written))
    }

    /// A character of the pattern. In a pattern of ASCII what lies beyond was written as the escape of a byte.
    fn character(&self, c: char, escaped: bool, out: &mut String) {
        match u8::try_from(u32::from(c)) {
            Ok(byte) if self.ascii && !c.is_ascii() => {
                let _ = write!(out, "\\x{byte:02X}");
            }
            _ => {
                if escaped {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }

    fn write(&mut self, expr: &Expr, out: &mut String, depth: usize) -> Result<(), Refused> {
        if depth > NESTING {
            return Err(Refused::whole(format!(
                "the pattern is nested deeper than {NESTING} levels"
            )));
        }
        match expr {
            Expr::Empty => out.push_str("(?:)"),
            Expr::Any { newline: true, .. } => out.push_str("(?s:.)"),
            Expr::Any { crlf: true, .. } => out.push_str("(?R:.)"),
            Expr::Any { .. } => out.push('.'),
            Expr::Assertion(assertion) => out.push_str(written(assertion)),
            Expr::GeneralNewline { .. } => out.push_str(r"(?:\r\n|[\n-\r])"),
            Expr::Literal { val, casei } => {
                out.push_str(if *casei { "(?i:" } else { "(?:" });
                for c in val.chars() {
                    self.character(c, regex_syntax::is_meta_character(c), out);
                }
                out.push(')');
            }
            Expr::LiteralBytes { bytes } => {
                for byte in bytes {
                    let _ = write!(out, "\\x{byte:02X}");
                }
            }
            Expr::Delegate { inner, casei } => {
                out.push_str(if *casei { "(?i:" } else { "(?:" });
                for c in inner.chars() {
                    self.character(c, false, out);
                }
                out.push(')');
            }
            Expr::Concat(parts) => {
                for part in parts {
                    self.write(part, out, depth + 1)?;
                }
            }
            Expr::Alt(branches) => {
                for (number, branch) in branches.iter().enumerate() {
                    out.push_str(if number == 0 { "(?:" } else { "|" });
                    self.write(branch, out, depth + 1)?;
                }
                out.push(')');
            }
            Expr::Group(inner) => {
                self.groups += 1;
                let group = self.groups;
                let referred = self.referred.contains(&group);
                out.push_str("(?:");
                if referred {
                    self.mark(Extension::Open(group), "", out)?;
                }
                self.write(inner, out, depth + 1)?;
                if referred {
                    self.mark(Extension::Close(group), "", out)?;
                }
                out.push(')');
            }
            Expr::Repeat {
                child,
                lo,
                hi,
                greedy,
            } => {
                out.push_str("(?:");
                self.write(child, out, depth + 1)?;
                let _ = match *hi {
                    usize::MAX => write!(out, "){{{lo},}}"),
                    hi => write!(out, "){{{lo},{hi}}}"),
                };
                out.push_str(if *greedy { "" } else { "?" });
            }
            Expr::LookAround(inner, look) => {
                let (machine, hir, _) = self.machine(inner, depth + 1)?;
                let behind = match look {
                    LookAround::LookAhead | LookAround::LookAheadNeg => None,
                    LookAround::LookBehind | LookAround::LookBehindNeg => {
                        let properties = hir.properties();
                        let longest = properties.maximum_len().filter(|most| *most <= BEHIND);
                        let longest = longest.ok_or_else(|| {
                            Refused::whole(format!(
                                "a look-behind must have a longest match, of at most {BEHIND} bytes"
                            ))
                        })?;
                        Some((properties.minimum_len().unwrap_or(0), longest))
                    }
                };
                let wanted = matches!(look, LookAround::LookAhead | LookAround::LookBehind);
                let look = Extension::Look {
                    machine,
                    behind,
                    wanted,
                };
                self.mark(look, "", out)?;
            }
            Expr::AtomicGroup(inner) => {
                let (machine, _, written) = self.machine(inner, depth + 1)?;
                self.mark(Extension::Atomic(machine), &written, out)?;
            }
            Expr::Backref { group, casei } if self.back => {
                let same = Extension::Same {
                    group: *group,
                    ignore_case: *casei,
                };
                self.mark(same, "(?s-u:.)*", out)?;
            }
            Expr::Backref { .. } => {
                let message = "a reference back cannot be matched in linear time";
                return Err(Refused::whole(message).help(REFER_BACK));
            }
            _ => {
                return Err(Refused::whole(
                    "the pattern holds what is not supported: conditions, calls, `\\K`, `\\G` or verbs",
                ));
            }
        }
        Ok(())
    }
}

fn written(assertion: &Assertion) -> &'static str {
    match assertion {
        Assertion::StartText => r"\A",
        Assertion::EndText => r"\z",
        // Nothing but line ends may follow: as a part of the match, which nobody can tell.
        Assertion::EndTextIgnoreTrailingNewlines { .. } => r"(?:\n*\z)",
        Assertion::StartLine { crlf: false } | Assertion::StartLineOniguruma { crlf: false } => {
            "(?m:^)"
        }
        Assertion::StartLine { .. } | Assertion::StartLineOniguruma { .. } => "(?Rm:^)",
        Assertion::EndLine { crlf: false } => "(?m:$)",
        Assertion::EndLine { .. } => "(?Rm:$)",
        Assertion::LeftWordBoundary => r"\b{start}",
        Assertion::LeftWordHalfBoundary => r"\b{start-half}",
        Assertion::RightWordBoundary => r"\b{end}",
        Assertion::RightWordHalfBoundary => r"\b{end-half}",
        Assertion::WordBoundary => r"\b",
        Assertion::NotWordBoundary => r"\B",
    }
}
