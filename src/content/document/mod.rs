//! What a document is able to do, told from its structure alone; nothing in it is run, fetched or believed.
//!
//! In: the type that the content has, the name that it came with, and the bytes. Out: [`Findings`], traits for rules
//! to score, the files embedded in it and the references to elsewhere. Every reader here is written for hostile
//! input: declared lengths only ever narrow what is read, what is unpacked is counted against [`Bounds`], every
//! structure that may point in circles is walked at most as far as it is long, and time grows linearly with the
//! bytes. What cannot be read is passed over; nothing here fails.

mod code;
mod examination;
mod field;
mod html;
mod little_endian;
mod ole;
mod open_document;
mod open_xml;
mod package;
mod pdf;
mod reference;
mod signature;
mod traits;
mod word_text;
mod xml;

use std::collections::BTreeSet;

use examination::Examination;
use package::Package;
pub use traits::Trait;

/// What one examination may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes unpacked, decoded or copied out in total.
    pub bytes: usize,
    /// Entries of tables and directories, objects and records kept in total.
    pub entries: usize,
    /// Files handed out.
    pub files: usize,
    /// References handed out.
    pub urls: usize,
    /// Documents within documents that are read here, not handed out (a page that a script writes, an object of an
    /// Office document).
    pub depth: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            bytes: 64 << 20,
            entries: 16_384,
            files: 64,
            urls: 500,
            depth: 4,
        }
    }
}

/// A file within a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// The name that the document gives it; empty where it gives none. As hostile as the rest.
    pub name: String,
    /// The content, unpacked; never empty.
    pub bytes: Vec<u8>,
}

/// What was found in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What it is able to do, or hides.
    pub traits: BTreeSet<Trait>,
    /// Files within it, in the order in which they were found.
    pub files: Vec<Embedded>,
    /// References to elsewhere, each once: mostly URLs, also paths of servers and `mailto:`. Without control characters.
    pub urls: Vec<String>,
    /// Whether there were more references than [`Bounds::urls`].
    pub urls_cut: bool,
    /// Whether another of the [`Bounds`] cut something off, so that not everything was seen.
    pub limit: bool,
    /// Bytes that were unpacked, decoded or copied out.
    pub used: usize,
}

/// Examines a document.
///
/// `kind` is the word for the type of the content, as [`Part::real_type`](crate::mail::Part::real_type) tells it, or
/// empty; `name` the file name, whose ending decides where the content tells nothing (scripts are plain text).
pub fn examine(kind: &str, name: &str, bytes: &[u8], bounds: &Bounds) -> Findings {
    let mut examination = Examination::new(bounds);
    let ending = ending(name);
    let ending = ending.as_str();
    match kind {
        "pdf" => pdf::examine(bytes, &mut examination),
        "ole" | "doc" | "xls" | "ppt" | "msi" | "msg" => ole::examine(bytes, &mut examination),
        "html" | "svg" => html::examine(bytes, &mut examination),
        _ if bytes.starts_with(ZIP) => zip(bytes, &mut examination),
        _ => match ending {
            "htm" | "html" | "xhtml" | "shtml" | "svg" => html::examine(bytes, &mut examination),
            _ => {}
        },
    }
    let macros = [Trait::Macro, Trait::Excel4];
    if macros.into_iter().any(|m| examination.has(m)) && !holds_macros(ending, bytes) {
        examination.note(Trait::MacroUnexpected);
    }
    examination.finish()
}

/// What a zip file begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// A zip file that is a document or a program; archives are not opened here.
fn zip(bytes: &[u8], examination: &mut Examination) {
    let package = Package::open(bytes, examination);
    if package.find("appxmanifest.xml").is_some()
        || package
            .find("appxmetadata/appxbundlemanifest.xml")
            .is_some()
    {
        examination.note(Trait::Installer);
    } else if open_xml::is_document(&package) {
        open_xml::examine(&package, examination);
    } else if open_document::is_document(&package) {
        open_document::examine(&package, examination);
    } else if package.find("meta-inf/manifest.mf").is_some() {
        examination.note(Trait::Program);
    }
}

/// Whether files of that ending may hold macros by what they are.
fn holds_macros(ending: &str, bytes: &[u8]) -> bool {
    let old = [
        "doc", "dot", "wbk", "xls", "xlt", "xla", "xlm", "xlc", "xlw", "ppt", "pot", "pps", "ppa",
        "vsd", "vss", "vst", "pub", "mpp", "mpt",
    ];
    let new = [
        "", "docm", "dotm", "xlsm", "xltm", "xlam", "xlsb", "pptm", "potm", "ppsm", "ppam", "sldm",
        "vsdm", "vssm", "vstm", "odt", "ott", "ods", "ots", "odp", "otp", "odg", "odb", "odf",
        "bin", "mht", "xml",
    ];
    new.contains(&ending) || (old.contains(&ending) && !bytes.starts_with(ZIP))
}

/// The ending of a file name, in lower case, as Windows takes it: without the blanks and dots after it.
fn ending(name: &str) -> String {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c == '\0');
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ending.to_ascii_lowercase()
}
