//! What a condition asks of a place: from keys as written to a leaf.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use serde_saphyr::Spanned;

use super::bounds::Bounds;
use super::compile::Compiled;
use super::condition::{Index, Leaf, OCCURRENCES, TextsLeaf, Value};
use super::gate::{Seeker, Sought};
use super::list::{Kind, List};
use super::literal;
use super::number::Unit;
use super::pattern::{Pattern, Refused};
use super::place::{Place, Side};
use super::spamassassin::{FieldView, View};
use super::span::within;
use super::suggestion::unknown;
use super::written::{self, Engine, Keys, Matcher, OneOrMany};
use crate::config::{Problem, Source, span_of};

/// Most literals of one condition that go into a gate: it is one automaton for all.
const GATED_LITERALS: usize = 10_000;

/// What is asked of a text, with what a gate looks for, by branch of the pattern.
type Asked = (Value, Vec<(usize, Sought)>);

/// What a text is taken from, for checks of what can be asked of it.
#[derive(Clone)]
pub(super) struct Nature<'a> {
    pub(super) label: &'a str,
    pub(super) domains: bool,
    pub(super) addresses: bool,
    pub(super) digests: bool,
    /// The only words that it can be.
    pub(super) words: Option<Vec<&'static str>>,
}

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
            Matcher::Keys(keys) => {
                let label = place.label();
                let nature = Nature {
                    label: &label,
                    domains: place.holds_domains(),
                    addresses: place.holds_addresses(),
                    digests: place.holds_digests(),
                    words: place.words(),
                };
                self.value(source, nature, keys)?
            }
        };
        let (mut length, mut count, mut occurrences) = (None, Bounds::SOME, None);
        if let Some(keys) = keys {
            let bare = matches!(value, Value::Anything);
            length = keys.length.as_ref().map(|l| self.bounds(source, l));
            if let Some(wanted) = &keys.occurrences {
                occurrences = Some(self.bounds(source, wanted));
                let given = [wanted.value.at_least, wanted.value.at_most];
                let counted = OCCURRENCES as u64;
                if given.iter().flatten().any(|bound| bound.0 > counted) {
                    self.problem(Problem::at(
                        source,
                        span_of(wanted),
                        format!("no more than {OCCURRENCES} occurrences are counted"),
                    ));
                }
                if !matches!(
                    value,
                    Value::Pattern(_) | Value::Contains(_) | Value::Words(_)
                ) {
                    self.problem(
                        Problem::at(
                            source,
                            span_of(wanted),
                            "`occurrences` goes with matches, contains and words",
                        )
                        .help("`count` counts the texts of the place"),
                    );
                }
                if keys.count.is_some() {
                    self.problem(Problem::at(
                        source,
                        span_of(wanted),
                        "only one of `occurrences` and `count` may stand here",
                    ));
                }
                // None at all can be asked for.
                if occurrences.is_some_and(|bounds| bounds.contain(0)) {
                    count = Bounds {
                        at_least: 0,
                        at_most: u64::MAX,
                    };
                }
            }
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
                        "give one of matches, contains, equals, words, domains, networks, sha256, number, length, exists, count",
                    ),
                );
            }
        }
        let place = self.intern(place);
        let leaf = self.leaves.len();
        let gated = match &value {
            Value::Pattern(pattern) => pattern.is_gated(),
            _ => !literals.is_empty(),
        };
        if let Some(of_place) = self.literals.get_mut(place) {
            let seekers = literals.into_iter();
            of_place.extend(seekers.map(|(branch, set)| (Seeker::new(leaf, branch), set)));
        }
        Some(Leaf::Texts(TextsLeaf {
            place,
            value,
            length,
            occurrences,
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
        let of_headers = matches!(key.value.as_str(), "header" | "headers");
        if key.value == "header" {
            return self.header(source, key, keys);
        }
        if matches!(key.value.as_str(), "sa_header" | "sa_mime_header") {
            return self.field_view(source, key, name);
        }
        let alone = [
            (name.map(span_of), "name", "only `header` is told by name"),
            (
                raw.map(span_of).filter(|_| !of_headers),
                "raw",
                "only `header` and `headers` can be read undecoded",
            ),
            (
                keys.and_then(|k| k.position.as_ref()).map(span_of),
                "position",
                "only `header` and elements such as `received` have one",
            ),
            (
                keys.and_then(|k| k.side.as_ref()).map(span_of),
                "as",
                "only `header` takes it; address fields have places such as `from_name`",
            ),
        ];
        for (span, what, help) in alone {
            if let Some(span) = span {
                self.problem(
                    Problem::at(source, span, format!("`{}` takes no `{what}`", key.value))
                        .help(help),
                );
            }
        }
        if of_headers {
            return Some(Place::Headers {
                raw: raw.is_some_and(|r| r.value),
            });
        }
        Place::named(&key.value)
    }

    fn header(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        keys: Option<&Keys>,
    ) -> Option<Place> {
        let Some((keys, name)) = keys.and_then(|k| Some((k, k.name.as_ref()?))) else {
            self.problem(
                Problem::at(source, span_of(key), "`header` needs the name of a field")
                    .help("write `header: { name: X-Mailer, matches: '...' }`; `headers` looks at all fields"),
            );
            return None;
        };
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
        let raw = keys.raw.as_ref().is_some_and(|r| r.value);
        let mut side = None;
        if let Some(written) = &keys.side {
            side = Side::NAMED
                .iter()
                .find(|(name, _)| *name == written.value)
                .map(|(_, side)| *side);
            if side.is_none() {
                let known: Vec<&str> = Side::NAMED.iter().map(|(name, _)| *name).collect();
                self.problem(unknown(
                    source,
                    span_of(written),
                    "side of an address",
                    &written.value,
                    &known,
                ));
            }
            if raw {
                self.problem(Problem::at(
                    source,
                    span_of(written),
                    "`as` and `raw` exclude each other",
                ));
            }
        }
        Some(Place::Header {
            name: name.value.to_ascii_lowercase(),
            raw,
            position: keys.position.as_ref().map(|p| p.value.0),
            side,
        })
    }

    pub(super) fn pattern(
        &mut self,
        source: &Source,
        pattern: &str,
        span: Range<usize>,
    ) -> Option<Asked> {
        self.compiled(source, pattern, span, Pattern::new(pattern))
    }

    /// A pattern, or what is wrong with it.
    fn compiled(
        &mut self,
        source: &Source,
        written: &str,
        span: Range<usize>,
        made: Result<Pattern, Refused>,
    ) -> Option<Asked> {
        match made {
            Ok(mut pattern) => {
                let sought = pattern.take_sought();
                Some((Value::Pattern(pattern), sought))
            }
            Err(refused) => {
                let place = refused
                    .span
                    .and_then(|inner| within(source, span.clone(), written, inner))
                    .unwrap_or(span);
                let mut problem = Problem::at(source, place, refused.message);
                problem.help = refused.help.map(str::to_owned);
                self.problem(problem);
                None
            }
        }
    }

    /// The place of `sa_header` and `sa_mime_header`.
    fn field_view(
        &mut self,
        source: &Source,
        key: &Spanned<String>,
        name: Option<&Spanned<String>>,
    ) -> Option<Place> {
        let Some(name) = name else {
            self.problem(
                Problem::at(
                    source,
                    span_of(key),
                    format!("`{}` needs the name of a field", key.value),
                )
                .help("write `sa_header: { name: 'From:addr', matches: '...' }`"),
            );
            return None;
        };
        let Some(field) = FieldView::parse(&name.value) else {
            self.problem(
                Problem::at(
                    source,
                    span_of(name),
                    format!("`{}` cannot be the name of a field", name.value),
                )
                .help("a name, then any of :raw :addr :name :host :domain :ip :revip :first :last"),
            );
            return None;
        };
        Some(Place::SpamAssassin(match key.value.as_str() {
            "sa_header" => View::Header(field),
            _ => View::MimeHeader(field),
        }))
    }

    /// A word that the place can never hold is a mistake.
    fn only_words(&mut self, source: &Source, label: &str, written: &OneOrMany, known: &[&str]) {
        for (text, span) in written::listed(written) {
            if !known.iter().any(|word| word.eq_ignore_ascii_case(text)) {
                let what = format!("word of `{label}`");
                self.problem(unknown(source, span, &what, text, known));
            }
        }
    }

    pub(super) fn value(
        &mut self,
        source: &Source,
        nature: Nature<'_>,
        keys: &Keys,
    ) -> Option<Asked> {
        let given = [
            keys.matches.as_ref().map(span_of),
            keys.contains.as_ref().map(span_of),
            keys.equals.as_ref().map(span_of),
            keys.words.as_ref().map(span_of),
            keys.domains.as_ref().map(span_of),
            keys.networks.as_ref().map(span_of),
            keys.sha256.as_ref().map(span_of),
            keys.number.as_ref().map(span_of),
        ];
        if let Some(second) = given.iter().flatten().nth(1) {
            self.problem(
                Problem::at(
                    source,
                    second.clone(),
                    "only one of matches, contains, equals, words, domains, networks, sha256 and number may stand here",
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
        if let (Some(known), Some(written)) = (&nature.words, &keys.equals) {
            self.only_words(source, nature.label, written, known);
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
            if keys
                .engine
                .as_ref()
                .is_some_and(|e| e.value == Engine::Backtracking)
            {
                let made = Pattern::backtracking(&pattern.value);
                return self.compiled(source, &pattern.value, span_of(pattern), made);
            }
            return self.pattern(source, &pattern.value, span_of(pattern));
        }
        if let Some(list) = &keys.contains {
            let List::Literals(literals) =
                self.entries(source, list, Kind::Literals { ignore_case })?
            else {
                return None;
            };
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(ignore_case)
                .build(literals.iter());
            let Ok(automaton) = automaton else {
                self.problem(Problem::at(source, span_of(list), "the list is too large"));
                return None;
            };
            let gate: Vec<_> = literals.iter().map(|l| l.to_ascii_lowercase()).collect();
            let gated =
                gate.len() <= GATED_LITERALS && gate.iter().all(|l| l.len() >= literal::SHORTEST);
            let sought = match gated {
                true => vec![(0, Sought::Literals(gate))],
                false => Vec::new(),
            };
            return Some((Value::Contains(automaton), sought));
        }
        let (list, kind) = match keys {
            Keys {
                equals: Some(list), ..
            } => (list, Kind::Texts { ignore_case }),
            Keys {
                words: Some(list), ..
            } => (list, Kind::Words),
            Keys {
                domains: Some(list),
                ..
            } => (list, Kind::Domains),
            Keys {
                networks: Some(list),
                ..
            } => (list, Kind::Networks),
            Keys {
                sha256: Some(list), ..
            } => (list, Kind::Digests),
            Keys {
                number: Some(interval),
                ..
            } => {
                let interval = self.interval(source, interval, Unit::Seconds);
                return Some((Value::Number(interval), Vec::new()));
            }
            _ => return Some((Value::Anything, Vec::new())),
        };
        let unfit = match kind {
            Kind::Domains if !nature.domains => Some((
                "domains",
                "`domains` goes with addresses, domains, hosts, helo and client_name",
            )),
            Kind::Networks if !nature.addresses => Some((
                "addresses of hosts",
                "`networks` goes with client_address, helo, url_host, received_address and header",
            )),
            Kind::Digests if !nature.digests => Some((
                "digests",
                "`sha256` goes with file_sha256, part_sha256 and attachment_sha256",
            )),
            _ => None,
        };
        if let Some((what, help)) = unfit {
            self.problem(
                Problem::at(
                    source,
                    span_of(list),
                    format!("`{}` holds no {what}", nature.label),
                )
                .help(help),
            );
        }
        Some(match self.entries(source, list, kind)? {
            List::Texts(set) => (Value::Equals { set, ignore_case }, Vec::new()),
            List::Words(words) => (Value::Words(words), Vec::new()),
            List::Domains(set) => (Value::Domains(set), Vec::new()),
            List::Networks(networks) => (Value::Networks(networks), Vec::new()),
            List::Digests(digests) => (Value::Digests(digests), Vec::new()),
            List::Literals(_) => return None,
        })
    }
}
