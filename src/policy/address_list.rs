//! A list of addresses and domains that knows on which line each entry stands. It may hold hundreds of thousands.
//!
//! An entry is an address (`ann@example.org`), a domain with all below it (`example.org`), or only what lies below a
//! domain (`.example.org`). Case does not matter, nor whether a domain is written in A-labels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::Spanned;

use crate::config::{Findings, Problem, Problems, Source, span_of, unwritten};
use crate::filter::rules::{
    ENTRIES, LIST_BYTES, ListKind, Strangers, StringSet, ascii_domain, domain, lines, read_file,
};

/// Longest entry, bytes: RFC 5321, section 4.5.3.1, gives 64 and 255 with the `@` between.
const ENTRY_BYTES: usize = 320;
/// Labels of a domain from its end that entries are looked for at, beside the whole of it.
const LEVELS: usize = 16;

/// Entries with their places.
#[derive(Debug, Default)]
pub(super) struct AddressList {
    /// The file as the configuration names it.
    file: String,
    entries: StringSet,
    /// The line of each entry, from 1.
    lines: Vec<u32>,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The entry, in its compared form.
    pub(super) text: String,
    /// The file, as the configuration names it, and the line: `lists/partners.txt:12`.
    pub(super) place: String,
}

/// What entries an address may be found by, from the most specific one: the address, its domain, then what holds all
/// below each domain above.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<String>);

impl Keys {
    /// Those of `local@domain`; none where there is no domain.
    pub(super) fn of(address: &str) -> Keys {
        let Some((local, written)) = address.rsplit_once('@') else {
            return Keys::default();
        };
        let domain = ascii_domain(written.trim_end_matches('.'));
        if domain.is_empty() || address.len() > 4 * ENTRY_BYTES {
            return Keys::default();
        }
        let mut keys = vec![
            format!("{}@{domain}", local.to_lowercase()),
            domain.to_string(),
        ];
        let labels: Vec<&str> = domain.split('.').collect();
        let first = labels.len().saturating_sub(LEVELS).max(1);
        for from in first..labels.len() {
            let parent = labels.get(from..).unwrap_or_default().join(".");
            keys.push(format!(".{parent}"));
            keys.push(parent);
        }
        Keys(keys)
    }

    /// From the most specific one.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// An entry as it is compared.
fn normal(text: &str) -> Result<String, &'static str> {
    if text.len() > ENTRY_BYTES {
        return Err("longer than an address may be");
    }
    match text.rsplit_once('@') {
        Some(("" | "*", _)) => Err("write the domain without `@`; all below it is meant too"),
        Some((local, host)) => match domain(host) {
            Some(host) if !local.contains(char::is_whitespace) => {
                Ok(format!("{}@{host}", local.to_lowercase()))
            }
            _ => Err("write `ann@example.org`, `example.org` or `.example.org`"),
        },
        None => match text.strip_prefix('.') {
            Some(above) => domain(above).map(|d| format!(".{d}")),
            None => domain(text),
        }
        .ok_or("write `ann@example.org`, `example.org` or `.example.org`"),
    }
}

impl AddressList {
    /// The list that stands in the configuration itself.
    pub(super) fn written(
        entries: &[Spanned<String>],
        source: &Source,
        findings: &mut Findings<'_>,
    ) -> AddressList {
        let name = source.path().file_name().map(|n| n.to_string_lossy());
        let mut places = Vec::new();
        let mut normals = Vec::new();
        for entry in entries {
            match normal(entry.value.trim()) {
                Ok(text) => {
                    places.push(line(source, span_of(entry).start));
                    normals.push(text);
                }
                Err(help) => findings.wrong_with_help(
                    entry,
                    format!("`{}` is no address and no domain", entry.value),
                    help,
                ),
            }
        }
        AddressList {
            file: name.unwrap_or_default().into_owned(),
            entries: StringSet::new(&normals),
            lines: places,
        }
    }

    /// The list in a file, which the configuration calls `path`.
    fn read(path: &Spanned<PathBuf>, source: &Source, findings: &mut Findings<'_>) -> AddressList {
        let mut strangers = Strangers::default();
        let mut places = Vec::new();
        let mut normals = Vec::new();
        for (text, span) in lines(source.text(), ListKind::Domains) {
            match normal(text) {
                Ok(text) => {
                    places.push(line(source, span.start));
                    normals.push(text);
                }
                Err(help) => {
                    let message = format!("`{text}` is no address and no domain");
                    strangers.add(source, span, message, help);
                }
            }
        }
        findings.extend(strangers.done());
        if normals.len() > ENTRIES {
            let number = normals.len();
            findings.wrong(path, format!("{number} entries, more than {ENTRIES}"));
        }
        AddressList {
            file: path.value.display().to_string(),
            entries: StringSet::new(&normals),
            lines: places,
        }
    }

    /// The entry of exactly that form.
    pub(super) fn find(&self, key: &str) -> Option<Entry> {
        let position = self.entries.position(key.as_bytes())?;
        let line = self.lines.get(position).copied().unwrap_or(0);
        Some(Entry {
            text: key.to_owned(),
            place: format!("{}:{line}", self.file),
        })
    }

    /// Whether an address is meant by an entry.
    pub(super) fn holds(&self, keys: &Keys) -> bool {
        keys.iter().any(|key| self.entries.contains(key.as_bytes()))
    }
}

/// Checks the text of a list file as it is checked when it is read for a configuration, and gives how many entries
/// it has.
///
/// # Errors
/// What is wrong, with line and column.
pub fn check_list(source: &Source) -> Result<usize, Problems> {
    let mut findings = Findings::new(source);
    if source.text().len() as u64 > LIST_BYTES {
        let problem = Problem::without_place(format!("longer than {LIST_BYTES} bytes"));
        findings.extend([problem]);
        return findings.finish(0);
    }
    let path = unwritten(source.path().to_owned());
    let list = AddressList::read(&path, source, &mut findings);
    findings.finish(list.lines.len())
}

/// The entry of this list that takes the whole of `entry` (as it is written), if there is one.
pub(super) fn covering(list: &AddressList, entry: &str) -> Option<Entry> {
    let entry = normal(entry.trim()).ok()?;
    let below = entry.strip_prefix('.');
    let address = match (below, entry.contains('@')) {
        // What lies below a domain is taken by whatever takes an unheard-of name there.
        (Some(parent), _) => format!("@unheard-of.{parent}"),
        (None, false) => format!("@{entry}"),
        (None, true) => entry.clone(),
    };
    let keys = Keys::of(&address);
    // A domain is meant with all below it; only the same entry or a domain above takes all of that.
    keys.iter().find_map(|key| list.find(key))
}

fn line(source: &Source, at: usize) -> u32 {
    u32::try_from(source.line_column(at).0).unwrap_or(u32::MAX)
}

/// The lists of one configuration while it is read: each file is read once.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    base: &'a Path,
    read: Vec<(PathBuf, Arc<AddressList>)>,
    digest: blake3::Hasher,
}

impl<'a> Shelf<'a> {
    /// Relative paths are relative to `base`.
    pub(super) fn new(base: &'a Path) -> Shelf<'a> {
        Shelf {
            base,
            read: Vec::new(),
            digest: blake3::Hasher::new(),
        }
    }

    /// The list in that file.
    pub(super) fn open(
        &mut self,
        path: &Spanned<PathBuf>,
        findings: &mut Findings<'_>,
    ) -> Arc<AddressList> {
        if let Some((_, list)) = self.read.iter().find(|(known, _)| *known == path.value) {
            return list.clone();
        }
        let source = match read_file(&self.base.join(&path.value), LIST_BYTES) {
            Ok(source) => source,
            Err(problem) => {
                findings.wrong(path, problem.message);
                return Arc::default();
            }
        };
        self.digest
            .update(path.value.as_os_str().as_encoded_bytes());
        self.digest
            .update(blake3::hash(source.text().as_bytes()).as_bytes());
        let list = Arc::new(AddressList::read(path, &source, findings));
        self.read.push((path.value.clone(), list.clone()));
        list
    }

    /// A digest of all files that were read.
    pub(super) fn version(&self) -> String {
        self.digest.finalize().to_hex().to_string()
    }

    /// How many files were read.
    pub(super) fn files(&self) -> usize {
        self.read.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Result<AddressList, Problems> {
        let source = Source::new("l.txt", text);
        let mut findings = Findings::new(&source);
        let path = unwritten(PathBuf::from("l.txt"));
        let list = AddressList::read(&path, &source, &mut findings);
        findings.finish(list)
    }

    fn found(list: &AddressList, address: &str) -> Option<String> {
        let keys = Keys::of(address);
        keys.iter().find_map(|k| list.find(k)).map(|e| e.place)
    }

    #[test]
    fn the_most_specific_entry_is_found_with_its_line() {
        let list = listed(
            "# ours\nExample.ORG\n\nann@example.org # she\n.parent.example\nmünchen.example\r\ntop\n",
        )
        .unwrap();
        for (address, place) in [
            ("Ann@EXAMPLE.org", Some("l.txt:4")),
            ("bob@example.org", Some("l.txt:2")),
            ("bob@a.b.example.org.", Some("l.txt:2")),
            ("ann@a.example.org", Some("l.txt:2")),
            ("x@badexample.org", None),
            ("x@parent.example", None),
            ("x@sub.parent.example", Some("l.txt:5")),
            ("x@xn--mnchen-3ya.example", Some("l.txt:6")),
            ("x@MÜNCHEN.example", Some("l.txt:6")),
            ("x@anything.top", Some("l.txt:7")),
            ("ann", None),
            ("", None),
            ("@", None),
        ] {
            assert_eq!(found(&list, address).as_deref(), place, "{address}");
            assert_eq!(list.holds(&Keys::of(address)), place.is_some());
        }
        let deep = format!("x@{}example.org", "a.".repeat(100));
        assert_eq!(found(&list, &deep).as_deref(), Some("l.txt:2"));
        assert!(Keys::of(&deep).0.len() <= 2 + 2 * LEVELS);
    }

    #[test]
    fn what_is_no_entry_is_told_with_its_line() {
        let problems = listed("good.example\n@a.example\n*@b.example\nx y@c.example\nhttp://d/\n");
        let problems = problems.unwrap_err();
        let lines: Vec<_> = problems.0.iter().map(|p| p.position().unwrap().1).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert!(problems.to_string().contains("without `@`"), "{problems}");
    }

    #[test]
    fn an_entry_is_covered_by_the_same_or_a_wider_one() {
        let list = listed("example.org\n.below.example\nann@x.example\n").unwrap();
        for (entry, covered) in [
            ("example.org", true),
            ("a.example.org", true),
            (".example.org", true),
            ("ann@a.example.org", true),
            ("below.example", false),
            (".below.example", true),
            ("a.below.example", true),
            ("x.example", false),
            ("ann@x.example", true),
            ("bob@x.example", false),
            ("org", false),
        ] {
            assert_eq!(covering(&list, entry).is_some(), covered, "{entry}");
        }
    }

    /// Prints what it costs: `cargo test --lib policy::address_list -- --nocapture`.
    #[test]
    fn half_a_million_entries_are_read_and_searched() {
        let text: String = (0..500_000)
            .map(|i| format!("user{i}@host{}.example\n", i % 1000))
            .collect();
        let started = std::time::Instant::now();
        let list = listed(&text).unwrap();
        let read = started.elapsed();
        assert_eq!(list.entries.len(), 500_000);
        let started = std::time::Instant::now();
        assert_eq!(
            found(&list, "user499999@host999.example").as_deref(),
            Some("l.txt:500000")
        );
        let hit = started.elapsed();
        let started = std::time::Instant::now();
        for i in 0..1000 {
            assert_eq!(found(&list, &format!("nobody{i}@a.b.c.example")), None);
        }
        let memory = list.entries.memory() + list.lines.len() * 4;
        println!(
            "read {read:?}, {memory} bytes, a hit {hit:?}, 1,000 misses {:?}",
            started.elapsed()
        );
        assert!(memory < 32 << 20, "{memory}");
    }
}
