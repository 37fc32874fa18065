//! The entries of a list: which lines of a file they are, and what a rule takes them for.

use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::digests::{self, Digests};
use super::super::networks::Networks;
use super::super::string_set::StringSet;
use super::super::words::{PHRASE_WORDS, Words, count};
use super::{ENTRY_BYTES, Kind, List, PROBLEMS};
use crate::config::{Problem, Source};

/// The entries of a list file with their places. A line that begins with `#` is a comment; behind an entry
/// that cannot hold one, ` #` begins a comment too.
pub(crate) fn lines(text: &str, kind: Kind) -> impl Iterator<Item = (&str, Range<usize>)> + Clone {
    let trailing = matches!(kind, Kind::Domains | Kind::Networks | Kind::Digests);
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let mut entry = line;
        if start == 0 {
            entry = entry.trim_start_matches('\u{feff}');
        }
        if trailing && let Some(comment) = comment(entry) {
            entry = entry.get(..comment)?;
        }
        let indented = entry.len() - entry.trim_start().len()
            + (line.len() - line.trim_start_matches('\u{feff}').len()) * usize::from(start == 0);
        let entry = entry.trim();
        let start = start + indented;
        (!entry.is_empty() && !entry.starts_with('#'))
            .then_some((entry, start..start + entry.len()))
    })
}

/// Where a comment begins behind an entry: at a `#` after white space.
fn comment(line: &str) -> Option<usize> {
    let mut signs = line.match_indices('#').map(|(at, _)| at);
    signs.find(|at| {
        line.get(..*at)
            .is_some_and(|l| l.ends_with(char::is_whitespace))
    })
}

/// A list of these entries, given with their places; `refuse` is told of the bad ones.
pub(in super::super) fn made<'a>(
    kind: Kind,
    entries: impl Iterator<Item = (&'a str, Range<usize>)>,
    mut refuse: impl FnMut(Range<usize>, String, &'static str),
) -> List {
    match kind {
        Kind::Texts { ignore_case } | Kind::Literals { ignore_case } => {
            let texts = entries.filter_map(|(text, span)| {
                if text.is_empty() || text.len() > ENTRY_BYTES || text.contains('\n') {
                    refuse(
                        span,
                        format!("a literal has 1 to {ENTRY_BYTES} bytes on one line"),
                        "",
                    );
                    return None;
                }
                Some(match ignore_case {
                    true => text.to_ascii_lowercase().into_bytes(),
                    false => text.as_bytes().to_vec(),
                })
            });
            match kind {
                Kind::Literals { .. } => List::Literals(Arc::new(texts.collect())),
                _ => List::Texts(Arc::new(StringSet::new(texts))),
            }
        }
        Kind::Words => List::Words(Arc::new(Words::new(entries.filter_map(|(text, span)| {
            let words = count(text, PHRASE_WORDS + 1);
            if words == 0 || words > PHRASE_WORDS || text.len() > ENTRY_BYTES {
                refuse(
                    span,
                    format!("an entry of `words` has 1 to {PHRASE_WORDS} words"),
                    "letters, digits and marks make words; use `contains` for other signs",
                );
                return None;
            }
            Some(text)
        })))),
        Kind::Domains => List::Domains(Arc::new(StringSet::new(entries.filter_map(
            |(text, span)| {
                let domain = domain(text);
                if domain.is_none() {
                    refuse(
                        span,
                        format!("`{text}` is not a domain"),
                        "write `example.com`; subdomains are included",
                    );
                }
                domain
            },
        )))),
        Kind::Networks => List::Networks(Arc::new(Networks::new(entries.filter_map(
            |(text, span)| {
                let network = text
                    .parse::<IpNet>()
                    .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
                if network.is_err() {
                    refuse(
                        span,
                        format!("`{text}` is not a network"),
                        "write `192.0.2.0/24`, `2001:db8::/32` or one address",
                    );
                }
                network.ok()
            },
        )))),
        Kind::Digests => List::Digests(Arc::new(Digests::new(entries.filter_map(
            |(text, span)| {
                let digest = digests::read(text.as_bytes());
                if digest.is_none() {
                    refuse(
                        span,
                        format!("`{text}` is not a SHA-256 digest"),
                        "write its 64 hexadecimal digits",
                    );
                }
                digest
            },
        )))),
    }
}

/// A domain as it is compared: lower case, without a final dot, internationalised names in their ASCII form
/// (RFC 5890).
pub(crate) fn domain(text: &str) -> Option<String> {
    let bare = text.trim_end_matches('.');
    let well_formed = !bare.is_empty()
        && bare.len() <= 253
        && bare.split('.').all(|l| {
            !l.is_empty()
                && !l.contains(|c: char| c.is_whitespace() || c.is_control() || "@/*:#".contains(c))
        });
    well_formed.then(|| ascii_domain(bare))
}

/// A domain in lower case, in its ASCII form where it has one.
pub(crate) fn ascii_domain(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
}

/// Problems of the entries of one list, up to a number that a person can read.
#[derive(Default)]
pub(crate) struct Strangers {
    found: Vec<Problem>,
    more: usize,
    last: Option<(Source, Range<usize>)>,
}

impl Strangers {
    /// An entry that is none.
    pub(crate) fn add(&mut self, source: &Source, span: Range<usize>, message: String, help: &str) {
        if self.found.len() == PROBLEMS {
            self.more += 1;
            self.last = Some((source.clone(), span));
            return;
        }
        let problem = Problem::at(source, span, message);
        self.found.push(match help {
            "" => problem,
            help => problem.help(help),
        });
    }

    /// All of them.
    pub(crate) fn done(mut self) -> Vec<Problem> {
        if let Some((source, span)) = self.last {
            self.found.push(Problem::at(
                &source,
                span,
                format!("and {} more entries like this", self.more),
            ));
        }
        self.found
    }
}
