//! Repeats of one byte in a pattern: which of them are runs, of which the automaton has one mark instead of states.

use regex_syntax::hir::{Capture, Hir, HirKind};

use super::extension::{Extension, MOST, mark};
use super::machine::Bytes;
use super::runs::{Order, Run};

/// Repeats up to this often stay states.
const RUN: u32 = 8;

/// Marks the repeats of one byte in a regular expression that are counted and long, those that can end in one place
/// only, and in a `whole` branch those without a bound that every path through it comes by once.
pub(super) fn marked(hir: Hir, whole: bool, extensions: &mut Vec<Extension>) -> Hir {
    before(hir, None, whole, extensions)
}

/// The same before what begins with one of the bytes of `follows`; `None` where that is not known. `once`: paths come by
/// no more than once.
fn before(hir: Hir, follows: Option<Bytes>, once: bool, extensions: &mut Vec<Extension>) -> Hir {
    match hir.into_kind() {
        HirKind::Concat(parts) => {
            let mut follows = follows;
            let mut marked: Vec<Hir> = Vec::with_capacity(parts.len());
            for part in parts.into_iter().rev() {
                let first = First::of(&part).before(follows);
                marked.push(before(part, follows, once, extensions));
                follows = first;
            }
            marked.reverse();
            Hir::concat(marked)
        }
        HirKind::Alternation(parts) => {
            let parts = parts.into_iter();
            Hir::alternation(
                parts
                    .map(|p| before(p, follows, once, extensions))
                    .collect(),
            )
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(before(*capture.sub, follows, once, extensions));
            Hir::capture(capture)
        }
        HirKind::Repetition(mut repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let set = Bytes::of(&repetition.sub).filter(|_| extensions.len() < MOST && most > 1);
            let ends_there = |set: &Bytes| follows.is_some_and(|f| !f.meets(set));
            let order = match set {
                Some(set) if ends_there(&set) => Some((set, Order::LongestOnly)),
                // What was tried of one without a bound is remembered for all that paths come by once.
                Some(set) if most >= RUN && (once || repetition.max.is_some()) => {
                    match repetition.greedy {
                        true => Some((set, Order::LongestFirst)),
                        false => Some((set, Order::ShortestFirst)),
                    }
                }
                _ => None,
            };
            let Some((set, order)) = order else {
                let follows = match most {
                    0..=1 => follows,
                    _ => First::of(&repetition.sub)
                        .before(follows)
                        .zip(follows)
                        .map(|(again, after)| again.union(&after)),
                };
                let once = once && most <= 1;
                repetition.sub = Box::new(before(*repetition.sub, follows, once, extensions));
                return Hir::repetition(repetition);
            };
            let name = mark(extensions.len());
            let least = repetition.min as usize;
            let most = repetition.max.map_or(usize::MAX, |most| most as usize);
            extensions.push(Extension::Run(Run::new(set, least, most, order)));
            Hir::capture(Capture {
                index: 1,
                name: Some(name.into()),
                sub: Box::new(Hir::repetition(repetition)),
            })
        }
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

/// What a part of a pattern begins with.
struct First {
    /// `None`: it may be any byte.
    set: Option<Bytes>,
    /// It may take no byte, and what follows counts.
    empty: bool,
}

impl First {
    /// Assertions take nothing: whether they hold at the end of a run does not matter where it can end nowhere else.
    fn of(hir: &Hir) -> First {
        let first = |set, empty| First { set, empty };
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => first(Some(Bytes::default()), true),
            HirKind::Literal(literal) => {
                let byte = literal.0.first().map(|byte| Hir::literal([*byte]));
                first(byte.and_then(|byte| Bytes::of(&byte)), false)
            }
            HirKind::Class(_) => first(Bytes::of(hir), false),
            HirKind::Repetition(repetition) => {
                let inner = First::of(&repetition.sub);
                first(inner.set, inner.empty || repetition.min == 0)
            }
            HirKind::Capture(capture) => First::of(&capture.sub),
            HirKind::Concat(parts) => {
                let mut all = first(Some(Bytes::default()), true);
                for part in parts {
                    if !all.empty {
                        break;
                    }
                    let next = First::of(part);
                    all.set = all.set.zip(next.set).map(|(a, b)| a.union(&b));
                    all.empty = next.empty;
                }
                all
            }
            HirKind::Alternation(parts) => {
                let mut all = first(Some(Bytes::default()), false);
                for part in parts {
                    let next = First::of(part);
                    all.set = all.set.zip(next.set).map(|(a, b)| a.union(&b));
                    all.empty |= next.empty;
                }
                all
            }
        }
    }

    /// The bytes with which this and what follows begin.
    fn before(&self, follows: Option<Bytes>) -> Option<Bytes> {
        match self.empty {
            true => self.set.zip(follows).map(|(a, b)| a.union(&b)),
            false => self.set,
        }
    }
}
