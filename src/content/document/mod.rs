//! What a document is able to do, told from its structure alone; nothing in it is run, fetched or believed.
//!
//! In: the type that the content has, the name that it came with, and the bytes. Out: [`Findings`], traits for rules
//! to score, the files embedded in it and the references to elsewhere. Every reader here is written for hostile
//! input: declared lengths only ever narrow what is read, what is unpacked is counted against [`Bounds`], every
//! structure that may point in circles is walked at most as far as it is long, and time grows linearly with the
//! bytes. What cannot be read is passed over; nothing here fails.

mod active_mime;
mod calendar;
mod code;
mod examination;
mod field;
mod html;
mod little_endian;
mod ole;
mod one_note;
mod open_document;
mod open_xml;
mod package;
mod password;
mod pdf;
mod reference;
mod rtf;
mod shell_link;
mod signature;
mod traits;
mod windows_file;
mod word_text;
mod xml;

use std::collections::BTreeSet;

use code::Language;
use examination::Examination;
use package::Package;
pub use password::likely_passwords;
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
    examine_with_passwords(kind, name, bytes, &[], bounds)
}

/// Examines a document, and tries `passwords` where it is encrypted in a way that can be undone here (PDF): words that
/// stand in the message, as [`likely_passwords`] finds them. At most 64 are tried, each in some microseconds.
pub fn examine_with_passwords(
    kind: &str,
    name: &str,
    bytes: &[u8],
    passwords: &[String],
    bounds: &Bounds,
) -> Findings {
    let mut examination = Examination::with_passwords(bounds, passwords);
    let ending = ending(name);
    let ending = ending.as_str();
    by_content(kind, ending, bytes, &mut examination);
    if let Some(kind) = windows_file::kind_of(ending).filter(|_| is_text(bytes)) {
        windows_file::examine(kind, ending, bytes, &mut examination);
    }
    let macros = [Trait::Macro, Trait::Excel4];
    if macros.into_iter().any(|m| examination.has(m)) && !holds_macros(ending, bytes) {
        examination.note(Trait::MacroUnexpected);
    }
    examination.finish()
}

/// Examines what the content says that it is; the ending of the name decides where text may be anything.
fn by_content(kind: &str, ending: &str, bytes: &[u8], examination: &mut Examination) {
    match kind {
        "pdf" => pdf::examine(bytes, examination),
        "ole" | "doc" | "xls" | "ppt" | "msi" | "msg" => ole::examine(bytes, examination),
        "html" | "svg" => html::examine(bytes, examination),
        "rtf" => rtf::examine(bytes, examination),
        "one" => one_note::examine(bytes, examination),
        "lnk" => shell_link::examine(bytes, examination),
        "ics" | "vcf" => calendar::examine(bytes, examination),
        "script" | "wsf" => {
            examination.note(Trait::Script);
            code::examine(bytes, Language::Other, examination);
        }
        "url" => windows_file::examine(Trait::Shortcut, "url", bytes, examination),
        "chm" => examination.note(Trait::Help),
        "iso" | "img" | "vhd" | "vhdx" | "vmdk" | "dmg" | "qcow2" => {
            examination.note(Trait::DiskImage)
        }
        "deb" | "rpm" => examination.note(Trait::Installer),
        "exe" | "dll" | "elf" | "mach" | "class" | "dex" | "dey" | "wasm" | "jar" => {
            examination.note(Trait::Program)
        }
        _ if bytes.starts_with(ZIP) || is_moved_package(ending, bytes) => zip(bytes, examination),
        _ if active_mime::is_packed(bytes) => active_mime::examine(bytes, examination),
        // Viewers and Word look past what stands in front.
        _ if ending == "pdf" => pdf::examine(bytes, examination),
        _ if rtf::is_document(bytes) => rtf::examine(bytes, examination),
        "xml" => {
            xml_file(bytes, examination);
            active_mime::examine_archive(bytes, examination);
        }
        _ => text(ending, bytes, examination),
    }
}

/// XML of any name: a document of Word, or a page, which a browser shows as one when its elements say that they are.
fn xml_file(bytes: &[u8], examination: &mut Examination) {
    const PAGES: [&[u8]; 2] = [
        b"http://www.w3.org/1999/xhtml",
        b"http://www.w3.org/2000/svg",
    ];
    if PAGES
        .iter()
        .any(|page| memchr::memmem::find(bytes, page).is_some())
    {
        html::examine(bytes, examination);
    } else {
        active_mime::examine_xml(bytes, examination);
    }
}

/// Whether something stands in front of a package of Office, which opens all the same.
fn is_moved_package(ending: &str, bytes: &[u8]) -> bool {
    let package = [
        "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xlsb", "xltm", "pptx", "pptm", "ppsx",
        "ppsm",
    ];
    package.contains(&ending) && memchr::memmem::find(bytes, ZIP).is_some()
}

/// Text that is a document by its name.
fn text(ending: &str, bytes: &[u8], examination: &mut Examination) {
    match ending {
        "htm" | "html" | "xhtml" | "xht" | "shtml" | "svg" | "hta" => {
            html::examine(bytes, examination)
        }
        "ics" | "vcs" | "vcf" | "ifb" => calendar::examine(bytes, examination),
        "doc" | "dot" | "docx" | "docm" | "rtf" | "xls" | "mht" | "mhtml" | "xml" => {
            active_mime::examine_archive(bytes, examination);
            if bytes.trim_ascii_start().starts_with(b"<?xml") {
                xml_file(bytes, examination);
            }
        }
        _ => {}
    }
}

/// Whether a file may be text: programs and documents of any name are known by their content.
fn is_text(bytes: &[u8]) -> bool {
    let sample = bytes.get(..512).unwrap_or(bytes);
    let wide = sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff");
    wide || !sample.contains(&0) || sample.iter().skip(1).step_by(2).all(|b| *b == 0)
}

/// What a zip file begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// A zip file that is a document or a program; archives are not opened here.
fn zip(bytes: &[u8], examination: &mut Examination) {
    let package = Package::open(bytes, examination);
    const INSTALLERS: [&str; 3] = [
        "appxmanifest.xml",
        "appxmetadata/appxbundlemanifest.xml",
        "androidmanifest.xml",
    ];
    if INSTALLERS.iter().any(|name| package.find(name).is_some()) {
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
        "bin", "mht", "xml", "slk",
    ];
    new.contains(&ending) || (old.contains(&ending) && !bytes.starts_with(ZIP))
}

/// The ending of a file name, in lower case, as Windows takes it: without the blanks and dots after it.
fn ending(name: &str) -> String {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c == '\0');
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ending.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
