//! What a condition asks of a place: from keys as written to a leaf.

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use serde_saphyr::Spanned;

use super::compile::Compiled;
use super::condition::{Bounds, Index, Leaf, TextsLeaf, Value};
use super::lookaround::LookAround;
use super::pattern::{PATTERN_BYTES, Pattern};
use super::place::Place;
use super::spamassassin::{FieldView, View};
use super::written::{Engine, Keys, Matcher, OneOrMany, listed};
use crate::config::{Problem, Source, span_of};

/// Shortest literal that a gate looks for.
const GATED_BYTES: usize = 3;

impl Compiled {
    pub(super) fn texts(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        matcher: &Spanned<Matcher>,
    ) -> Option<Leaf> {
        let keys = match &matcher.value {
            Matcher::Keys(keys) => Some(keys.as_ref()),
            Matcher::Pattern(_) => None,
        };
        let place = self.place(source, key, keys)?;
        let (value, literals) = match &matcher.value {
            Matcher::Pattern(pattern) => self.pattern(source, pattern, span_of(matcher))?,
            Matcher::Keys(keys) => self.value(source, &place, keys)?,
        };
        let (mut length, mut count) = (None, Bounds::SOME);
        if let Some(keys) = keys {
            let bare = matches!(value, Value::Anything);
            length = keys.length.as_ref().map(|l| self.bounds(source, l));
            if let Some(wanted) = &keys.count {
                count = self.bounds(source, wanted);
            }
            if let Some(exists) = &keys.exists {
                if !bare || keys.length.is_some() || keys.count.is_some() {
                    self.problem(
                        Problem::at(source, span_of(exists), "`exists` stands alone").help(
                            "to negate a test write `not: { ... }`, or `count: { at_most: 0 }`",
                        ),
                    );
                }
                count = if exists.value {
                    Bounds::SOME
                } else {
                    Bounds::NONE
                };
            } else if bare && keys.length.is_none() && keys.count.is_none() {
                self.problem(
                    Problem::at(source, span_of(matcher), "the condition asks nothing").help(
                        "give one of matches, contains, equals, domains, length, exists, count",
                    ),
                );
            }
        }
        let place = self.intern(place);
        let leaf = self.leaves.len();
        let gated = literals.is_some();
        if let (Some(set), Some(of_place)) = (literals, self.literals.get_mut(place)) {
            of_place.push((leaf, set));
        }
        Some(Leaf::Texts(TextsLeaf {
            place,
            value,
            length,
            count,
            gated,
        }))
    }

    fn intern(&mut self, place: Place) -> Index {
        match self.places.iter().position(|p| *p == place) {
            Some(number) => number,
            None => {
                self.places.push(place);
                self.literals.push(Vec::new());
                self.places.len() - 1
            }
        }
    }

    fn place(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        keys: Option<&Keys>,
    ) -> Option<Place> {
        let raw = keys.and_then(|k| k.raw.as_ref());
        let name = keys.and_then(|k| k.name.as_ref());
        match (key.value.as_str(), name) {
            ("header", Some(name)) => {
                let well_formed = !name.value.is_empty()
                    && name
                        .value
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b':');
                if !well_formed {
                    self.problem(Problem::at(
                        source,
                        span_of(name),
                        format!("`{}` cannot be the name of a header field", name.value),
                    ));
                    return None;
                }
                return Some(Place::Header {
                    name: name.value.to_ascii_lowercase(),
                    raw: raw.is_some_and(|r| r.value),
                });
            }
            ("sa_header" | "sa_mime_header", Some(name)) => {
                let Some(field) = FieldView::parse(&name.value) else {
                    self.problem(
                        Problem::at(
                            source,
                            span_of(name),
                            format!("`{}` cannot be the name of a field in SpamAssassin", name.value),
                        )
                        .help("a name, then any of :raw :addr :name :host :domain :ip :revip :first :last"),
                    );
                    return None;
                };
                return Some(Place::SpamAssassin(match key.value.as_str() {
                    "sa_header" => View::Header(field),
                    _ => View::MimeHeader(field),
                }));
            }
            ("header" | "sa_header" | "sa_mime_header", None) => {
                self.problem(
                    Problem::at(source, span_of(key), format!("`{}` needs the name of a field", key.value))
                        .help("write `header: { name: X-Mailer, matches: '...' }`; `headers` looks at all fields"),
                );
                return None;
            }
            (other, Some(name)) => self.problem(
                Problem::at(source, span_of(name), format!("`{other}` takes no `name`"))
                    .help("only `header`, `sa_header` and `sa_mime_header` are told by name"),
            ),
            _ => {}
        }
        if key.value == "headers" {
            return Some(Place::Headers {
                raw: raw.is_some_and(|r| r.value),
            });
        }
        if let Some(raw) = raw {
            self.problem(
                Problem::at(
                    source,
                    span_of(raw),
                    format!("`{}` takes no `raw`", key.value),
                )
                .help("only `header` and `headers` can be read undecoded"),
            );
        }
        Place::named(&key.value)
    }

    fn pattern(
        &mut self,
        source: &Source,
        pattern: &str,
        span: Range<usize>,
    ) -> Option<(Value, Option<Vec<Vec<u8>>>)> {
        match Pattern::new(pattern) {
            Ok(pattern) => Some((Value::Pattern(pattern.regex), pattern.literals)),
            Err(refused) => {
                let place = refused
                    .span
                    .and_then(|inner| within(source, span.clone(), pattern, inner))
                    .unwrap_or(span);
                let mut problem = Problem::at(source, place, refused.message);
                problem.help = refused.help.map(str::to_owned);
                self.problem(problem);
                None
            }
        }
    }

    fn backtracking(
        &mut self,
        source: &Source,
        pattern: &str,
        span: Range<usize>,
    ) -> Option<(Value, Option<Vec<Vec<u8>>>)> {
        match LookAround::new(pattern) {
            Ok(pattern) => {
                let literals = pattern.literals.clone();
                Some((Value::Backtracking(Box::new(pattern)), literals))
            }
            Err(refused) => {
                self.problem(Problem::at(source, span, refused.message));
                None
            }
        }
    }

    fn value(
        &mut self,
        source: &Source,
        place: &Place,
        keys: &Keys,
    ) -> Option<(Value, Option<Vec<Vec<u8>>>)> {
        let given = [
            keys.matches.as_ref().map(span_of),
            keys.contains.as_ref().map(span_of),
            keys.equals.as_ref().map(span_of),
            keys.domains.as_ref().map(span_of),
        ];
        if let Some(second) = given.iter().flatten().nth(1) {
            self.problem(
                Problem::at(
                    source,
                    second.clone(),
                    "only one of matches, contains, equals and domains may stand here",
                )
                .help("combine conditions with `all` or `any`"),
            );
        }
        if let Some(case) = &keys.ignore_case
            && keys.contains.is_none()
            && keys.equals.is_none()
        {
            self.problem(
                Problem::at(
                    source,
                    span_of(case),
                    "`ignore_case` goes with `contains` and `equals`",
                )
                .help("a pattern ignores case when it begins with (?i)"),
            );
        }
        let ignore_case = keys.ignore_case.as_ref().is_none_or(|c| c.value);
        if let Some(engine) = &keys.engine
            && keys.matches.is_none()
        {
            self.problem(
                Problem::at(source, span_of(engine), "`engine` goes with `matches`")
                    .help("write `matches: '...'` beside it"),
            );
        }
        if let Some(pattern) = &keys.matches {
            if keys.engine.as_ref().is_some_and(|e| e.value == Engine::Backtracking) {
                return self.backtracking(source, &pattern.value, span_of(pattern));
            }
            return self.pattern(source, &pattern.value, span_of(pattern));
        }
        if let Some(list) = &keys.contains {
            let literals = self.literals(source, list);
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(ignore_case)
                .build(&literals);
            let Ok(automaton) = automaton else {
                self.problem(Problem::at(source, span_of(list), "the list is too large"));
                return None;
            };
            let gate: Vec<_> = literals.iter().map(|l| l.to_ascii_lowercase()).collect();
            let gate = gate.iter().all(|l| l.len() >= GATED_BYTES).then_some(gate);
            return Some((Value::Contains(automaton), gate));
        }
        if let Some(list) = &keys.equals {
            let mut set: HashSet<Vec<u8>> = self.literals(source, list).into_iter().collect();
            if ignore_case {
                set = set.into_iter().map(|l| l.to_ascii_lowercase()).collect();
            }
            return Some((Value::Equals { set, ignore_case }, None));
        }
        if let Some(list) = &keys.domains {
            if !place.holds_domains() {
                self.problem(
                    Problem::at(
                        source,
                        span_of(list),
                        format!("`{}` holds no domains", place.label()),
                    )
                    .help("`domains` goes with addresses, domains, url_host, helo and client_name"),
                );
            }
            return Some((Value::Domains(self.domains(source, list)), None));
        }
        Some((Value::Anything, None))
    }

    fn literals(&mut self, source: &Source, list: &OneOrMany) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for (text, span) in listed(list) {
            if text.is_empty() || text.len() > PATTERN_BYTES {
                self.problem(Problem::at(
                    source,
                    span,
                    format!("a literal has 1 to {PATTERN_BYTES} bytes"),
                ));
            } else {
                all.push(text.as_bytes().to_vec());
            }
        }
        self.check_list(source, list, listed(list).len());
        all
    }

    fn domains(&mut self, source: &Source, list: &OneOrMany) -> HashSet<Vec<u8>> {
        let mut all = HashSet::new();
        for (text, span) in listed(list) {
            let domain = text.trim_end_matches('.').to_ascii_lowercase();
            let well_formed = !domain.is_empty()
                && domain.split('.').all(|l| {
                    !l.is_empty() && !l.contains(|c: char| c.is_whitespace() || "@/*:".contains(c))
                });
            if well_formed {
                all.insert(domain.into_bytes());
            } else {
                self.problem(
                    Problem::at(source, span, format!("`{text}` is not a domain"))
                        .help("write `example.com`; subdomains are included"),
                );
            }
        }
        self.check_list(source, list, listed(list).len());
        all
    }
}

/// The bytes in the file of a range within a scalar; `None` when escapes stand between the two.
fn within(
    source: &Source,
    scalar: Range<usize>,
    value: &str,
    inner: Range<usize>,
) -> Option<Range<usize>> {
    let written = source.text().get(scalar.start..)?;
    let quote = written.bytes().next().filter(|b| matches!(b, b'\'' | b'"'));
    let (start, body) = match quote {
        Some(_) => (scalar.start + 1, written.get(1..)?),
        None => (scalar.start, written),
    };
    if body.starts_with(value) {
        return Some(start + inner.start..start + inner.end);
    }
    if quote == Some(b'\'') {
        // A quote is written twice between single quotes.
        let doubled = |end: usize| value.get(..end).map(|v| v.matches('\'').count() + end);
        let escaped = value.replace('\'', "''");
        if body.starts_with(&escaped) {
            return Some(start + doubled(inner.start)?..start + doubled(inner.end)?);
        }
    }
    None
}
