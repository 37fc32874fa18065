//! Conditions as they run: a tree whose leaves look at one place each.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::bounds::{Bounds, Interval};
use super::branch::Scratch;
use super::element::{Aspect, Element, Elements, Position};
use super::formula::Formula;
use super::gate::Sighting;
use super::networks::Networks;
use super::number::Number;
use super::relation::Relation;
pub(super) use super::value::Value;

/// Number of a leaf, a place or a rule within its set.
pub(super) type Index = usize;

/// Most occurrences that are counted in one text.
pub(super) const OCCURRENCES: usize = 10_000;

/// A condition.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Index),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    AtLeast(usize, Vec<Node>),
    Rule(Index),
    Formula(Box<Formula<Operand>>),
}

/// What a name in a formula stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Rule(Index),
    Number(Number),
}

impl Node {
    /// The number of each leaf below, references not followed.
    pub(super) fn leaves(&self, each: &mut dyn FnMut(Index)) {
        match self {
            Node::Leaf(number) => each(*number),
            Node::All(nodes) | Node::Any(nodes) | Node::AtLeast(_, nodes) => {
                nodes.iter().for_each(|n| n.leaves(each));
            }
            Node::Not(inner) => inner.leaves(each),
            Node::Rule(_) | Node::Formula(_) => {}
        }
    }
}

/// What a leaf asks.
#[derive(Debug)]
pub(super) enum Leaf {
    Texts(TextsLeaf),
    Element(ElementLeaf),
    Number(Number, Interval),
    Flag(Vec<String>),
    Relation(Relation),
    Client(Arc<Networks>),
    Authenticated(bool),
}

/// A question about the texts of one place: how many of them satisfy it.
#[derive(Debug)]
pub(super) struct TextsLeaf {
    pub(super) place: Index,
    pub(super) value: Value,
    pub(super) length: Option<Bounds>,
    /// How often the value occurs in all texts together.
    pub(super) occurrences: Option<Bounds>,
    /// How many texts satisfy the rest.
    pub(super) count: Bounds,
    /// Whether the place's gate knows the literals of this leaf.
    pub(super) gated: bool,
}

/// A question about elements: how many of them satisfy all of it.
#[derive(Debug)]
pub(super) struct ElementLeaf {
    pub(super) element: Element,
    pub(super) position: Option<Position>,
    pub(super) asks: Vec<Ask>,
    pub(super) count: Bounds,
}

/// What one element must be.
#[derive(Debug)]
pub(super) enum Ask {
    Text {
        key: &'static str,
        aspect: Aspect,
        value: Value,
        length: Option<Bounds>,
        /// `false`: there must be no such aspect at all.
        exists: bool,
    },
    Size(Bounds),
    /// Not all of these may hold.
    Not(Vec<Ask>),
}

/// How a leaf about texts came out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) holds: bool,
    /// How many texts satisfied it, as far as it was counted.
    pub(super) count: usize,
    /// The first of them: its number, and the bytes that matched.
    pub(super) first: Option<(usize, Range<usize>)>,
}

impl TextsLeaf {
    /// Asks the texts of its place. `seen` are its literals in them, by text; without them it looks for itself.
    pub(super) fn ask(
        &self,
        texts: &[Cow<'_, [u8]>],
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> Answer {
        let mut count = 0;
        let mut first = None;
        for (number, text, own) in self.fitting(texts, seen) {
            if let Some(range) = self.value.find(text, own, scratch) {
                count += 1;
                first.get_or_insert((number, range));
                if self.count.settled(count) {
                    break;
                }
            }
        }
        let occurs = |bounds: Bounds, scratch: &mut Scratch| {
            bounds.contain(self.occurrences(texts, bounds.enough(), seen, scratch))
        };
        Answer {
            holds: self.count.contain(count)
                && self
                    .occurrences
                    .is_none_or(|bounds| occurs(bounds, scratch)),
            count,
            first,
        }
    }

    /// How often the value occurs in all texts together, at most `most` times.
    pub(super) fn occurrences(
        &self,
        texts: &[Cow<'_, [u8]>],
        most: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> usize {
        let most = most.min(OCCURRENCES);
        let mut found = 0;
        for (_, text, own) in self.fitting(texts, seen) {
            found += self.value.occurrences(text, most - found, own, scratch);
            if found >= most {
                break;
            }
        }
        found
    }

    /// Texts of a fitting length, with their numbers and what was seen in each. Of a gated leaf only those in which
    /// something was seen: it cannot match in others.
    fn fitting<'t>(
        &self,
        texts: &'t [Cow<'_, [u8]>],
        seen: Option<&'t [Sighting]>,
    ) -> impl Iterator<Item = (usize, &'t [u8], Option<&'t [Sighting]>)> {
        let mut rest = seen;
        let mut next = 0;
        let each = std::iter::from_fn(move || {
            let number = match rest.filter(|_| self.gated) {
                Some(seen) => seen.first()?.text as usize,
                None => next,
            };
            let text = texts.get(number)?;
            next = number + 1;
            let own = rest.map(|seen| {
                let (own, others) =
                    seen.split_at(seen.partition_point(|s| s.text as usize <= number));
                rest = Some(others);
                own
            });
            Some((number, text.as_ref(), own))
        });
        each.filter(|(_, text, _)| self.length.is_none_or(|l| l.contain(text.len())))
    }

    /// The answer when no text can satisfy it.
    pub(super) fn ask_nothing(&self) -> Answer {
        Answer {
            holds: self.count.contain(0) && self.occurrences.is_none_or(|bounds| bounds.contain(0)),
            count: 0,
            first: None,
        }
    }

    /// Whether it only asks how many texts there are.
    pub(super) fn counts_only(&self) -> bool {
        matches!(self.value, Value::Anything)
    }
}

impl ElementLeaf {
    /// How many elements satisfy it, at most `most`, and the first with what shows it.
    pub(super) fn ask(
        &self,
        elements: &Elements<'_>,
        most: usize,
        scratch: &mut Scratch,
    ) -> (usize, Option<(usize, String)>) {
        let chosen = match self.position {
            Some(position) => position.of(elements.len()).map_or(0..0, |i| i..i + 1),
            None => 0..elements.len(),
        };
        let (mut count, mut first) = (0, None);
        for number in chosen {
            let title = elements.title(number);
            let mut shown: Vec<String> = title
                .map(|title| format!("\"{}\"", super::finding::piece(title.as_bytes())))
                .into_iter()
                .collect();
            if all(&self.asks, elements, number, &mut shown, scratch) {
                count += 1;
                first.get_or_insert_with(|| (number, shown.join(", ")));
                if count >= most {
                    break;
                }
            }
        }
        (count, first)
    }

    /// How many elements settle the answer.
    pub(super) fn enough(&self) -> usize {
        self.count.enough()
    }
}

fn all(
    asks: &[Ask],
    elements: &Elements<'_>,
    number: usize,
    shown: &mut Vec<String>,
    scratch: &mut Scratch,
) -> bool {
    asks.iter().all(|ask| match ask {
        Ask::Text {
            key,
            aspect,
            value,
            length,
            exists,
        } => {
            let mut texts = elements.texts(number, *aspect).peekable();
            if texts.peek().is_none() {
                return !exists;
            }
            *exists
                && texts.any(|text| {
                    let fits = length.is_none_or(|l| l.contain(text.len()));
                    let found = value.find(&text, None, scratch).filter(|_| fits);
                    let matched = found.map(|range| text.get(range).unwrap_or_default());
                    shown
                        .extend(matched.map(|m| format!("{key} \"{}\"", super::finding::piece(m))));
                    matched.is_some()
                })
        }
        Ask::Size(bounds) => match elements.size(number) {
            Some(size) => {
                shown.push(format!("size {size}"));
                bounds.contain(size)
            }
            None => false,
        },
        Ask::Not(asks) => !all(asks, elements, number, &mut Vec::new(), scratch),
    })
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::super::string_set::StringSet;
    use super::super::words::Words;
    use super::*;

    fn domains(list: &[&str]) -> Value {
        Value::Domains(Arc::new(StringSet::new(list)))
    }

    #[test]
    fn a_domain_stands_for_its_subdomains_only() {
        let value = domains(&["example.com"]);
        for hit in ["example.com", "a.b.EXAMPLE.com.", "user@mail.example.com"] {
            assert!(
                value
                    .find(hit.as_bytes(), None, &mut Scratch::default())
                    .is_some(),
                "{hit}"
            );
        }
        for miss in [
            "badexample.com",
            "example.com.evil.net",
            "example.com@evil.net",
            "com",
            "",
        ] {
            assert!(
                value
                    .find(miss.as_bytes(), None, &mut Scratch::default())
                    .is_none(),
                "{miss}"
            );
        }
    }

    #[test]
    fn counting_stops_when_the_answer_is_settled() {
        let leaf = |count| TextsLeaf {
            place: 0,
            value: Value::Pattern(Pattern::new("a").unwrap()),
            length: None,
            occurrences: None,
            count,
            gated: false,
        };
        let texts: Vec<Cow<'_, [u8]>> = ["a", "b", "a", "a"]
            .iter()
            .map(|t| Cow::Borrowed(t.as_bytes()))
            .collect();
        let two = leaf(Bounds {
            at_least: 2,
            at_most: u64::MAX,
        })
        .ask(&texts, None, &mut Scratch::default());
        assert!(two.holds && two.count == 2);
        assert!(
            !leaf(Bounds::NONE)
                .ask(&texts, None, &mut Scratch::default())
                .holds
        );
        let three = Bounds {
            at_least: 3,
            at_most: 3,
        };
        assert!(leaf(three).ask(&texts, None, &mut Scratch::default()).holds);
        assert!(!leaf(three).ask_nothing().holds);
        assert!(leaf(Bounds::NONE).ask_nothing().holds);
    }

    #[test]
    fn occurrences_are_counted_over_all_texts() {
        let texts: Vec<Cow<'_, [u8]>> = [&b"!! a"[..], b"", b"!"].map(Cow::Borrowed).to_vec();
        let leaf = |at_least| TextsLeaf {
            place: 0,
            value: Value::Pattern(Pattern::new("!").unwrap()),
            length: None,
            occurrences: Some(Bounds {
                at_least,
                at_most: u64::MAX,
            }),
            count: Bounds::SOME,
            gated: false,
        };
        assert!(
            leaf(3).ask(&texts, None, &mut Scratch::default()).holds
                && !leaf(4).ask(&texts, None, &mut Scratch::default()).holds
        );
        assert_eq!(
            leaf(1).occurrences(&texts, 2, None, &mut Scratch::default()),
            2
        );
    }

    #[test]
    fn networks_numbers_and_words_look_at_whole_texts() {
        let networks = Value::Networks(Arc::new(Networks::new(["192.0.2.0/24".parse().unwrap()])));
        assert!(
            networks
                .find(b"[192.0.2.9]", None, &mut Scratch::default())
                .is_some()
                && networks
                    .find(b"192.0.3.1", None, &mut Scratch::default())
                    .is_none()
        );
        assert!(
            networks
                .find(b"at 192.0.2.9", None, &mut Scratch::default())
                .is_none()
        );
        let number = Value::Number(Interval {
            at_least: 1.5,
            at_most: f64::INFINITY,
        });
        assert!(
            number.find(b" 2 ", None, &mut Scratch::default()).is_some()
                && number.find(b"1", None, &mut Scratch::default()).is_none()
        );
        for none in ["two", "inf", "1e999", "nan", "2 of 3", "(2)", "2 (two", ""] {
            let found = number.find(none.as_bytes(), None, &mut Scratch::default());
            assert!(found.is_none(), "{none}");
        }
        let commented = number.find(b"2 (Normal)", None, &mut Scratch::default());
        assert!(commented.is_some());
        let words = Value::Words(Arc::new(Words::new(["card"])));
        assert_eq!(
            words.find(b"\xff\xff card", None, &mut Scratch::default()),
            Some(3..7)
        );
    }
}
