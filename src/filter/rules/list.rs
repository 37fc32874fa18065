//! Lists: what a condition compares with, given in the rule or in a file beside the rules.
//!
//! A list `shorteners` lies in `lists/shorteners.txt` beside the rule files, one entry a line, `#` begins a
//! comment. It is read once, checked for each kind of entry that rules take it for, and kept compact: half a
//! million domains take some 17 MB. Every bad entry is a problem with file and line.
//!
//! Limits: [`LISTED`] entries in a rule, [`ENTRIES`] in a file, [`FILE_BYTES`] for a file, [`TOTAL_BYTES`]
//! and [`LISTS`] for all, [`LITERALS`] for a list of `contains`.

mod entries;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use entries::made;
pub(crate) use entries::{Strangers, ascii_domain, domain, lines};

use super::digests::Digests;
use super::file;
use super::networks::Networks;
use super::shipped;
use super::string_set::StringSet;
use super::words::Words;
use crate::config::{Problem, Source};

/// Most entries of a list that stands in a rule.
pub(super) const LISTED: usize = 10_000;
/// Most entries of a list in a file.
pub(crate) const ENTRIES: usize = 2_000_000;
/// Largest list file, bytes.
pub(crate) const FILE_BYTES: u64 = 64 << 20;
/// Largest sum of all list files of a set, bytes.
pub(super) const TOTAL_BYTES: usize = 256 << 20;
/// Most list files of a set.
pub(crate) const LISTS: usize = 256;
/// Most entries of one list of `contains`: they become one automaton.
pub(super) const LITERALS: usize = 100_000;
/// Longest entry, bytes.
pub(super) const ENTRY_BYTES: usize = 4 << 10;
/// Longest name of a list, bytes.
pub(super) const NAME_BYTES: usize = 64;
/// Most problems that are told of one list.
const PROBLEMS: usize = 10;
/// The folder of lists, beside the rule files.
pub(super) const FOLDER: &str = "lists";

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Whole texts; ASCII case ignored or not.
    Texts { ignore_case: bool },
    /// Pieces of texts; ASCII case ignored or not.
    Literals { ignore_case: bool },
    /// Words and phrases.
    Words,
    /// Domains, each with its subdomains.
    Domains,
    /// Networks and addresses.
    Networks,
    /// SHA-256 digests.
    Digests,
}

/// A list ready to run.
#[derive(Clone, Debug)]
pub(super) enum List {
    Texts(Arc<StringSet>),
    Literals(Arc<Vec<Vec<u8>>>),
    Words(Arc<Words>),
    Domains(Arc<StringSet>),
    Networks(Arc<Networks>),
    Digests(Arc<Digests>),
}

impl Kind {
    /// The key of rule files.
    fn name(self) -> &'static str {
        match self {
            Kind::Texts { .. } => "equals",
            Kind::Literals { .. } => "contains",
            Kind::Words => "words",
            Kind::Domains => "domains",
            Kind::Networks => "networks",
            Kind::Digests => "sha256",
        }
    }
}

impl List {
    /// Memory that it takes, bytes, about.
    fn memory(&self) -> usize {
        match self {
            List::Texts(set) | List::Domains(set) => set.memory(),
            // The automaton of which they are the source.
            List::Literals(all) => all.iter().map(|l| l.len() * 16).sum(),
            List::Words(words) => words.memory(),
            List::Networks(networks) => networks.memory(),
            List::Digests(digests) => digests.len() * 32,
        }
    }

    /// Number of different entries.
    pub(super) fn len(&self) -> usize {
        match self {
            List::Texts(set) | List::Domains(set) => set.len(),
            List::Literals(all) => all.len(),
            List::Words(words) => words.len(),
            List::Networks(networks) => networks.len(),
            List::Digests(digests) => digests.len(),
        }
    }
}

/// A list as a set of rules keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name.
    pub name: String,
    /// What its entries are taken for: `equals`, `contains`, `words`, `domains`, `networks` or `sha256`.
    pub kind: &'static str,
    /// Number of different entries.
    pub entries: usize,
    /// Memory that it takes, bytes, about.
    pub memory: usize,
}

/// Where list files come from.
#[derive(Debug)]
pub(super) enum Shelf {
    /// This folder, beside the rule files.
    Folder(PathBuf),
    /// These, which are compiled in or given by a caller; the name is the stem of the path.
    Held(Vec<Source>),
}

impl Shelf {
    /// The folder beside rule files; for those that are compiled in, the lists that are.
    pub(super) fn beside(sources: &[Source]) -> Shelf {
        let first = sources.first().map_or(Path::new(""), |s| s.path());
        let folder = first.parent().unwrap_or(Path::new(""));
        let shipped = |source: &Source| {
            shipped::FILES.iter().any(|(name, text)| {
                source.text() == *text && source.path() == Path::new("rules").join(name)
            })
        };
        if !sources.is_empty() && sources.iter().all(shipped) {
            let lists = shipped::LISTS
                .iter()
                .map(|(name, text)| Source::new(Path::new("rules").join(FOLDER).join(name), *text));
            return Shelf::Held(lists.collect());
        }
        Shelf::Folder(folder.join(FOLDER))
    }
}

/// The lists of one set of rules while it is compiled.
#[derive(Debug)]
pub(super) struct Lists {
    shelf: Shelf,
    sources: HashMap<String, Source>,
    made: HashMap<(String, Kind), List>,
    total: usize,
}

/// Why a list cannot be had: what is wrong, and what to do.
pub(super) type Absent = (String, Option<String>);

impl Lists {
    /// No list is read yet.
    pub(super) fn new(shelf: Shelf) -> Lists {
        Lists {
            shelf,
            sources: HashMap::new(),
            made: HashMap::new(),
            total: 0,
        }
    }

    /// Names of the lists that are there, whether they are used or not; sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.shelf {
            Shelf::Held(sources) => sources.iter().filter_map(stem).collect(),
            Shelf::Folder(folder) => std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
                .filter(|name| is_name(name))
                .collect(),
        };
        names.sort();
        names
    }

    /// The list of that name, its entries taken for that kind, and the problems of its entries.
    pub(super) fn open(&mut self, name: &str, kind: Kind) -> Result<(List, Vec<Problem>), Absent> {
        if let Some(list) = self.made.get(&(name.to_owned(), kind)) {
            return Ok((list.clone(), Vec::new()));
        }
        let source = self.source(name)?;
        let mut problems = Strangers::default();
        let entries = lines(source.text(), kind);
        let number = entries.clone().count();
        let most = match kind {
            Kind::Literals { .. } => LITERALS,
            _ => ENTRIES,
        };
        if number > most {
            return Err((
                format!("the list `{name}` has {number} entries, more than {most}"),
                None,
            ));
        }
        let list = made(kind, entries, |span, message, help| {
            problems.add(&source, span, message, help);
        });
        self.made.insert((name.to_owned(), kind), list.clone());
        Ok((list, problems.done()))
    }

    fn source(&mut self, name: &str) -> Result<Source, Absent> {
        if let Some(source) = self.sources.get(name) {
            return Ok(source.clone());
        }
        if !is_name(name) {
            return Err((
                format!("`{name}` cannot be the name of a list"),
                Some(format!(
                    "a name is a-z, 0-9, _ and -, at most {NAME_BYTES} characters"
                )),
            ));
        }
        if self.sources.len() == LISTS {
            return Err((format!("more than {LISTS} lists"), None));
        }
        let source = match &self.shelf {
            Shelf::Held(sources) => sources
                .iter()
                .find(|s| stem(s).as_deref() == Some(name))
                .cloned()
                .ok_or_else(|| (format!("there is no list `{name}`"), None))?,
            Shelf::Folder(folder) => {
                let path = folder.join(format!("{name}.txt"));
                if !path.exists() {
                    return Err((
                        format!("there is no list `{name}`"),
                        Some(format!("write it to {}, one entry a line", path.display())),
                    ));
                }
                file::read(&path, FILE_BYTES).map_err(|problem| (problem.message, None))?
            }
        };
        self.total += source.text().len();
        if self.total > TOTAL_BYTES {
            return Err((
                format!(
                    "all lists together have more than {} MiB",
                    TOTAL_BYTES >> 20
                ),
                None,
            ));
        }
        self.sources.insert(name.to_owned(), source.clone());
        Ok(source)
    }

    /// The lists that rules look into, by name and kind.
    pub(super) fn info(&self) -> Vec<ListInfo> {
        let mut all: Vec<ListInfo> = self
            .made
            .iter()
            .map(|((name, kind), list)| ListInfo {
                name: name.clone(),
                kind: kind.name(),
                entries: list.len(),
                memory: list.memory(),
            })
            .collect();
        all.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        all
    }

    /// Names of lists that were read and hold nothing, sorted.
    pub(super) fn empty(&self) -> Vec<&str> {
        let mut empty: Vec<&str> = self
            .made
            .iter()
            .filter(|(_, list)| list.len() == 0)
            .map(|((name, _), _)| name.as_str())
            .collect();
        empty.sort_unstable();
        empty.dedup();
        empty
    }

    /// The texts of the lists that were read, by name, for the version of the set.
    pub(super) fn texts(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self
            .sources
            .iter()
            .map(|(name, source)| (name.as_str(), source.text()))
            .collect();
        all.sort_unstable();
        all
    }
}

fn stem(source: &Source) -> Option<String> {
    Some(source.path().file_stem()?.to_str()?.to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> Lists {
        Lists::new(Shelf::Held(vec![Source::new("lists/some.txt", text)]))
    }

    fn domains(text: &str) -> Arc<StringSet> {
        match held(text).open("some", Kind::Domains) {
            Ok((List::Domains(set), problems)) if problems.is_empty() => set,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn comments_blanks_and_both_line_ends_are_read() {
        let set =
            domains("\u{feff}# a list\r\n\r\n  Example.COM  # why\nexample.net.\nmünchen.example");
        let held: Vec<&[u8]> = set.iter().collect();
        assert_eq!(
            held,
            [
                &b"example.com"[..],
                b"example.net",
                b"xn--mnchen-3ya.example"
            ]
        );
    }

    #[test]
    fn a_bad_entry_is_told_with_its_line() {
        let mut lists = held("a.example\n*.b.example\nhttp://c.example/\n");
        let (_, problems) = lists.open("some", Kind::Domains).unwrap();
        let places: Vec<_> = problems.iter().map(|p| p.position().unwrap()).collect();
        assert_eq!(
            places,
            [
                ("lists/some.txt".into(), 2, 1),
                ("lists/some.txt".into(), 3, 1)
            ]
        );
        let (_, problems) = held("a.example#b\n#c\nb.example #c\n")
            .open("some", Kind::Domains)
            .unwrap();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("`a.example#b`"));
        let many = "no domain\n".repeat(50);
        let (_, problems) = held(&many).open("some", Kind::Domains).unwrap();
        assert_eq!(problems.len(), PROBLEMS + 1);
        assert!(problems[PROBLEMS].message.contains("40 more"));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let mut lists = Lists::new(Shelf::Folder("/nowhere".into()));
        for name in ["", "../x", "a/b", "A", "a.b", &"a".repeat(65)] {
            let (message, _) = lists.open(name, Kind::Words).unwrap_err();
            assert!(message.contains("cannot be the name"), "{message}");
        }
        let (message, help) = lists.open("gone", Kind::Words).unwrap_err();
        assert_eq!(message, "there is no list `gone`");
        assert!(help.unwrap().contains("/nowhere/gone.txt"));
    }

    #[test]
    fn literals_may_hold_a_hash_sign_and_digests_and_networks_a_comment() {
        let mut lists = held("#1 in sales\nwe are #1 # really\n");
        let Ok((List::Literals(all), _)) = lists.open("some", Kind::Literals { ignore_case: true })
        else {
            panic!()
        };
        assert_eq!(*all, [b"we are #1 # really".to_vec()]);
        let (list, problems) = held("192.0.2.0/24 # doc\n::1\n")
            .open("some", Kind::Networks)
            .unwrap();
        assert!(problems.is_empty() && list.len() == 2);
    }

    /// Prints what it costs: `cargo test --lib rules::list -- --nocapture`.
    #[test]
    fn half_a_million_domains_load_in_seconds_and_a_few_megabytes() {
        let text: String = (0..500_000)
            .map(|i| format!("login-{i}.phish.example\n"))
            .collect();
        let mut lists = held(&text);
        let started = std::time::Instant::now();
        let (list, problems) = lists.open("some", Kind::Domains).unwrap();
        assert!(problems.is_empty() && list.len() == 500_000);
        let info = &lists.info()[0];
        println!(
            "500,000 domains, {} bytes of text: {} bytes of memory, {:?}",
            text.len(),
            info.memory,
            started.elapsed()
        );
        assert!(info.memory < 20 << 20, "{}", info.memory);
        assert!(started.elapsed().as_secs() < 60);
    }
}
