//! Objects of OLE 1 in RTF, once their digits are bytes.

use super::super::examination::Examination;
use super::super::little_endian::{latin, size_at, u32_at};
use super::super::ole;
use super::super::reference::is_remote;
use super::super::traits::Trait;

/// An object that is a link.
const LINKED: u32 = 1;

/// An object of OLE 1 ([MS-OLEDS], section 2.2).
pub(super) fn object(data: &[u8], examination: &mut Examination) {
    if let Some(object) = parts(data) {
        class(object.class, examination);
        if object.kind == LINKED {
            let path = latin(object.topic);
            if is_remote(&path) {
                examination.note(Trait::ExternalObject);
                examination.url(&path);
            }
        } else if object.class.eq_ignore_ascii_case(b"package\0")
            && ole::native::package(object.native, examination)
        {
            return;
        }
    }
    // Word finds the compound file whatever the lengths in front of it say.
    if let Some(at) = memchr::memmem::find(data, ole::compound::SIGNATURE) {
        ole::object_file(data.get(at..).unwrap_or_default(), examination);
    }
}

/// An object of OLE 1 in its parts.
struct Parts<'a> {
    kind: u32,
    class: &'a [u8],
    /// The path of what is linked.
    topic: &'a [u8],
    native: &'a [u8],
}

fn parts(data: &[u8]) -> Option<Parts<'_>> {
    let kind = u32_at(data, 4)?;
    let (class, rest) = sized(data.get(8..)?)?;
    let (topic, rest) = sized(rest)?;
    let (_, rest) = sized(rest)?;
    let native = rest.get(4..).unwrap_or_default();
    Some(Parts {
        kind,
        class,
        topic,
        native,
    })
}

/// A text behind its length, and what follows it.
fn sized(data: &[u8]) -> Option<(&[u8], &[u8])> {
    data.get(4..)?.split_at_checked(size_at(data, 0)?)
}

/// What the name of its class says of an object.
pub(super) fn class(name: &[u8], examination: &mut Examination) {
    let name = latin(name).to_ascii_lowercase();
    if name.contains("equation") {
        examination.note(Trait::EquationEditor);
    }
    if name.contains("htmlfile") || name.starts_with("script") {
        examination.note(Trait::ProtocolHandler);
    }
}
