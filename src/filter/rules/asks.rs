//! What a condition asks of one element (a link, a part, an attachment, a Received field): from keys as
//! written to a leaf.

use serde_saphyr::Spanned;

use super::bounds::Bounds;
use super::compile::{Compiled, DEPTH};
use super::condition::{Ask, ElementLeaf, Leaf, Value};
use super::element::{Aspect, Element};
use super::matcher::Nature;
use super::suggestion::unknown;
use super::written::{self, Asks, Keys, Matcher};
use crate::config::{Problem, Source, span_of};

impl Compiled {
    pub(super) fn element(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        element: Element,
        written: &Spanned<Asks>,
    ) -> Option<Leaf> {
        let (mut position, mut count) = (None, Bounds::SOME);
        for (name, ask) in &written.value.0 {
            match ask {
                written::Ask::Position(of) => position = Some(of.value.0),
                written::Ask::Count(bounds) => count = self.bounds(source, bounds),
                _ => continue,
            }
            if position.is_some() && count != Bounds::SOME {
                self.problem(Problem::at(
                    source,
                    span_of(name),
                    "`position` chooses one: there is nothing to count",
                ));
            }
        }
        let counts_only = written
            .value
            .0
            .iter()
            .any(|(_, ask)| matches!(ask, written::Ask::Count(_)));
        let asks = self.asks(source, element, written, 0)?;
        if asks.is_empty() && !counts_only {
            self.problem(
                Problem::at(
                    source,
                    span_of(key),
                    format!("`{}` asks nothing", key.value),
                )
                .help(known(element)),
            );
        }
        Some(Leaf::Element(ElementLeaf {
            element,
            position,
            asks,
            count,
        }))
    }

    fn asks(
        &mut self,
        source: &Source,
        element: Element,
        written: &Spanned<Asks>,
        depth: usize,
    ) -> Option<Vec<Ask>> {
        let mut asks = Vec::new();
        for (key, ask) in &written.value.0 {
            if depth >= DEPTH && matches!(ask, written::Ask::Not(_) | written::Ask::All(_)) {
                self.problem(Problem::at(
                    source,
                    span_of(key),
                    format!("more than {DEPTH} conditions in conditions"),
                ));
                return None;
            }
            match ask {
                written::Ask::Text(matcher) => {
                    asks.push(self.ask(source, element, key, matcher)?);
                }
                written::Ask::Size(bounds) => {
                    if !element.has_size() {
                        self.problem(
                            Problem::at(
                                source,
                                span_of(key),
                                format!("`{}` has no `size`", element.name()),
                            )
                            .help(known(element)),
                        );
                    }
                    asks.push(Ask::Size(self.bounds(source, bounds)));
                }
                written::Ask::Not(inner) => {
                    let inner_asks = self.asks(source, element, inner, depth + 1)?;
                    if inner_asks.is_empty() {
                        self.problem(Problem::at(source, span_of(key), "`not` asks nothing"));
                    }
                    asks.push(Ask::Not(inner_asks));
                }
                // All that is asked of an element has to hold anyway; the list is there to ask one aspect twice.
                written::Ask::All(list) => {
                    if list.is_empty() {
                        self.problem(Problem::at(source, span_of(key), "`all` asks nothing"));
                    }
                    for inner in list {
                        let inner_asks = self.asks(source, element, inner, depth + 1)?;
                        if inner_asks.is_empty() {
                            let nothing = "this entry of `all` asks nothing";
                            self.problem(Problem::at(source, span_of(inner), nothing));
                        }
                        asks.extend(inner_asks);
                    }
                }
                written::Ask::Position(_) | written::Ask::Count(_) if depth > 0 => {
                    self.problem(Problem::at(
                        source,
                        span_of(key),
                        format!("`{}` cannot stand in `not` or `all`", key.value),
                    ));
                }
                written::Ask::Position(_) | written::Ask::Count(_) => {}
            }
        }
        Some(asks)
    }

    fn ask(
        &mut self,
        source: &Source,
        element: Element,
        key: &Spanned<String>,
        matcher: &Spanned<Matcher>,
    ) -> Option<Ask> {
        let aspects = element.aspects();
        let Some((name, aspect)) = aspects.iter().find(|(name, _)| *name == key.value) else {
            let names: Vec<&str> = aspects.iter().map(|(name, _)| *name).chain(KEYS).collect();
            self.problem(unknown(
                source,
                span_of(key),
                &format!("key of `{}`", element.name()),
                &key.value,
                &names,
            ));
            return None;
        };
        let (value, _) = match &matcher.value {
            Matcher::Pattern(pattern) => self.pattern(source, pattern, span_of(matcher))?,
            Matcher::Keys(keys) => {
                self.only_of_texts(source, keys);
                let nature = Nature {
                    label: name,
                    domains: aspect.holds_domains(),
                    addresses: aspect.holds_addresses(),
                    digests: *aspect == Aspect::Sha256,
                    words: aspect.words(),
                };
                self.value(source, nature, keys)?
            }
        };
        let (mut length, mut exists) = (None, true);
        if let Matcher::Keys(keys) = &matcher.value {
            length = keys.length.as_ref().map(|l| self.bounds(source, l));
            let bare = matches!(value, Value::Anything) && length.is_none();
            match &keys.exists {
                Some(wanted) => {
                    exists = wanted.value;
                    if !bare {
                        self.problem(Problem::at(
                            source,
                            span_of(wanted),
                            "`exists` stands alone",
                        ));
                    }
                }
                None if bare => self.problem(
                    Problem::at(source, span_of(matcher), "the condition asks nothing")
                        .help("give a pattern, or one of matches, contains, equals, words, domains, networks, sha256, number, length, exists"),
                ),
                None => {}
            }
        }
        Some(Ask::Text {
            key: name,
            aspect: *aspect,
            value,
            length,
            exists,
        })
    }

    /// Keys that ask something of several texts have no sense for one element.
    fn only_of_texts(&mut self, source: &Source, keys: &Keys) {
        let refused = [
            (keys.name.as_ref().map(span_of), "name"),
            (keys.raw.as_ref().map(span_of), "raw"),
            (keys.position.as_ref().map(span_of), "position"),
            (keys.side.as_ref().map(span_of), "as"),
            (keys.count.as_ref().map(span_of), "count"),
            (keys.occurrences.as_ref().map(span_of), "occurrences"),
        ];
        for (span, what) in refused {
            if let Some(span) = span {
                self.problem(
                    Problem::at(source, span, format!("`{what}` cannot stand here"))
                        .help("`count` and `position` stand beside the aspects of an element"),
                );
            }
        }
    }
}

/// Keys that stand beside the aspects of an element.
pub(super) const KEYS: [&str; 5] = ["size", "position", "count", "not", "all"];

fn known(element: Element) -> String {
    let names: Vec<&str> = element.aspects().iter().map(|(name, _)| *name).collect();
    format!("it can be asked for {}", names.join(", "))
}
