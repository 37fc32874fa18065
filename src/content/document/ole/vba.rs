//! A VBA project ([MS-OVBA]): its modules, their source, and names that run by themselves.
//!
//! In: a compound file with a storage `VBA`. The stream `dir` says where in each module the source begins; where that
//! cannot be read, every stream is searched for a beginning of source. A module that has a compiled form and no source was
//! made so on purpose: Office runs the compiled one.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use super::super::code::{self, Language};
use super::super::examination::Examination;
use super::super::little_endian::{latin, size_at, u16_at, utf16};
use super::super::traits::Trait;
use super::compound::{Compound, Kind};
use super::compression::decompress;

/// Names that Office calls by itself, in lower case.
const AUTO_RUN: &[&str] = &[
    "autoexec",
    "autoopen",
    "autonew",
    "autoclose",
    "autoexit",
    "auto_open",
    "auto_close",
    "auto_activate",
    "auto_deactivate",
    "document_open",
    "document_new",
    "document_close",
    "document_beforeclose",
    "document_contentcontrolonenter",
    "documentopen",
    "workbook_open",
    "workbook_activate",
    "workbook_close",
    "workbook_beforeclose",
    "workbook_deactivate",
    "workbook_windowactivate",
    "worksheet_activate",
    "worksheet_calculate",
    "worksheet_change",
    "onslideshowpagechange",
    "onslideshowterminate",
    "application_startup",
    "application_itemsend",
    "application_newmail",
];

/// Events of controls that happen without the user, in lower case.
const CONTROL_EVENTS: &[&str] = &[
    "_painted",
    "_painting",
    "_layout",
    "_resize",
    "_statustextchange",
    "_documentcomplete",
    "_beforenavigate2",
    "_downloadbegin",
    "_progresschange",
    "_titlechange",
    "_mousemove",
    "_mouseenter",
    "_gotfocus",
];

/// The compiled form of an empty module is smaller than this, bytes.
const COMPILED_BYTES: usize = 4096;

/// Modules of one project that are kept.
const MODULES: usize = 16_384;
/// Longest name of a module's stream that is read, bytes: in a compound file it has 31 characters.
const NAME_BYTES: usize = 128;

/// How source begins, packed: the first flags, then eight characters.
const PACKED_SOURCE: &[u8] = b"\x00Attribut";

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(AUTO_RUN.iter().chain(CONTROL_EVENTS))
        .ok()
});

/// Examines every VBA project of a file.
pub(in super::super) fn examine(file: &Compound<'_>, examination: &mut Examination) {
    let folders = file
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Storage && entry.name.eq_ignore_ascii_case("vba"));
    // Each once: a hostile file may name one many times.
    let folders: BTreeSet<String> = folders
        .map(|f| format!("{}{}/", f.folder, f.name))
        .collect();
    for folder in folders
        .iter()
        .filter(|folder| file.find(folder, "dir").is_some())
    {
        examination.note(Trait::Macro);
        project(file, folder, examination);
    }
}

fn project(file: &Compound<'_>, folder: &str, examination: &mut Examination) {
    let packed = file
        .find(folder, "dir")
        .map(|dir| file.read(dir, examination));
    let directory = packed.and_then(|packed| decompress(&packed, examination));
    let modules = modules(&directory.unwrap_or_default());
    let mut missing = false;
    for entry in file
        .entries
        .iter()
        .filter(|e| e.kind == Kind::Stream && e.folder == folder)
    {
        let name = entry.name.to_lowercase();
        if name == "dir"
            || name.starts_with('_')
            || name.starts_with("__srp")
            || !examination.entry()
        {
            continue;
        }
        let content = file.read(entry, examination);
        let offset = modules.get(&name).copied();
        let source = source(&content, offset, examination);
        text(&source, examination);
        let compiled = offset.map_or(0, |offset| offset.min(content.len()));
        missing |= compiled >= COMPILED_BYTES && !has_statements(&source);
    }
    if missing {
        examination.note(Trait::MacroSourceMissing);
        // The names that the compiled form uses.
        if let Some(entry) = file.find(folder, "_VBA_PROJECT") {
            let names = file.read(entry, examination);
            compiled_names(&names, examination);
        }
    }
}

/// The source of one module, empty where there is none; `offset` is where `dir` says that it begins.
fn source(content: &[u8], offset: Option<usize>, examination: &mut Examination) -> Vec<u8> {
    let declared = offset.and_then(|offset| content.get(offset..));
    let declared = declared.and_then(|packed| decompress(packed, examination));
    if let Some(source) = declared.filter(|source| !source.is_empty()) {
        return source;
    }
    let found = memchr::memmem::find(content, PACKED_SOURCE);
    let packed = found.and_then(|at| content.get(at.checked_sub(3)?..));
    packed
        .and_then(|packed| decompress(packed, examination))
        .unwrap_or_default()
}

/// Source text: what it does and whether it runs by itself.
fn text(source: &[u8], examination: &mut Examination) {
    code::examine(source, Language::Basic, examination);
    examination.urls_in(&latin(source));
    for (start, end, control) in names_in(source) {
        let after = source.get(end);
        let ends = after.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
        if ends && is_procedure(source, start, control) {
            examination.note(Trait::MacroAutoRun);
            return;
        }
    }
}

/// Where names that run by themselves stand in a text: from, to, and whether it is the end of a control's event.
fn names_in(text: &[u8]) -> impl Iterator<Item = (usize, usize, bool)> {
    let found = AUTOMATON
        .iter()
        .flat_map(move |a| a.find_overlapping_iter(text));
    found.map(|found| {
        let control = found.pattern().as_usize() >= AUTO_RUN.len();
        (found.start(), found.end(), control)
    })
}

/// Whether `Sub` or `Function` stands before a name; of a control's event only the end is known.
fn is_procedure(source: &[u8], start: usize, control: bool) -> bool {
    let line = source
        .get(start.saturating_sub(128)..start)
        .unwrap_or_default();
    let line = line
        .rsplit(|b| matches!(b, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let end = match control {
        true => line
            .iter()
            .rposition(|b| !is_name(b))
            .map_or(0, |at| at + 1),
        false => line.len(),
    };
    let line = line.get(..end).unwrap_or_default().to_ascii_lowercase();
    let before = line.trim_ascii();
    let blank = line.ends_with(b" ") || line.ends_with(b"\t");
    blank
        && !before.starts_with(b"'")
        && (before.ends_with(b"sub") || before.ends_with(b"function"))
}

/// Whether source has anything but attributes, options, comments and blank lines.
fn has_statements(source: &[u8]) -> bool {
    source.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        let line = line.trim_ascii();
        let begins = |word: &[u8]| {
            line.get(..word.len())
                .is_some_and(|w| w.eq_ignore_ascii_case(word))
        };
        !line.is_empty()
            && !begins(b"attribute ")
            && !begins(b"option ")
            && !begins(b"'")
            && !begins(b"rem ")
    })
}

/// The table of names of a compiled project.
fn compiled_names(names: &[u8], examination: &mut Examination) {
    code::examine(names, Language::Basic, examination);
    if names_in(names).any(|(_, _, control)| !control) {
        examination.note(Trait::MacroAutoRun);
    }
}

/// The modules that `dir` lists ([MS-OVBA], section 2.3.4.2): the name of the stream of each in lower case, and where in it
/// the source begins. A stream that is named twice is what the first says.
fn modules(directory: &[u8]) -> HashMap<String, usize> {
    const VERSION: u16 = 0x0009;
    const STREAM: u16 = 0x001A;
    const STREAM_UNICODE: u16 = 0x0032;
    const OFFSET: u16 = 0x0031;
    const END: u16 = 0x002B;
    let mut modules = HashMap::new();
    let (mut stream, mut offset) = (String::new(), 0);
    let mut rest = directory;
    while let (Some(id), Some(size)) = (u16_at(rest, 0), size_at(rest, 2)) {
        // The one record whose size does not say how long it is.
        let size = if id == VERSION { 6 } else { size };
        let data = rest
            .get(6..)
            .and_then(|r| r.get(..size))
            .unwrap_or_default();
        let name = data.get(..NAME_BYTES).unwrap_or(data);
        match id {
            STREAM => stream = latin(name),
            STREAM_UNICODE if !data.is_empty() => stream = utf16(name),
            OFFSET => offset = size_at(data, 0).unwrap_or(0),
            END if !stream.is_empty() => {
                let name = std::mem::take(&mut stream).to_lowercase();
                modules.entry(name).or_insert(std::mem::take(&mut offset));
            }
            _ => {}
        }
        if modules.len() >= MODULES {
            break;
        }
        rest = rest
            .get(6..)
            .and_then(|r| r.get(size..))
            .unwrap_or_default();
    }
    modules
}

/// A file of a project whose macro runs by itself, as tests need it.
#[cfg(test)]
pub(in super::super) fn auto_running() -> Vec<u8> {
    use super::compression::compress;
    super::compound::write(&[
        ("/VBA/dir", compress(b"")),
        (
            "/VBA/M",
            compress(b"Attribute VB_Name = \"M\"\nSub AutoOpen()\n"),
        ),
    ])
}
