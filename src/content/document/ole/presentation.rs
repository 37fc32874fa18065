//! Presentations of PowerPoint 97 to 2003 ([MS-PPT]): embedded objects, among them the macros, and links.
//!
//! In: the stream `PowerPoint Document`. Records lie in records; all are read in one pass, because a container is nothing
//! but a header in front of what it holds.

use super::super::examination::{Examination, Wrapper};
use super::super::little_endian::{size_at, u16_at, utf16};
use super::super::traits::Trait;

/// An object in a compound file of its own.
const OBJECT: u16 = 0x1011;
/// Text, here of a link when it stands in one.
const TEXT: u16 = 0x0FBA;
/// A control.
const CONTROL: u16 = 0x0FEE;

/// Examines a presentation; every compound file in it is handed to `inner`.
pub(super) fn examine(
    stream: &[u8],
    examination: &mut Examination,
    inner: &mut dyn FnMut(&[u8], &mut Examination),
) {
    let mut rest = stream;
    while let (Some(head), Some(kind), Some(size)) =
        (u16_at(rest, 0), u16_at(rest, 2), size_at(rest, 4))
    {
        let body = rest.get(8..).unwrap_or_default();
        if head & 0x0F == 0x0F {
            if kind == CONTROL {
                examination.note(Trait::ActiveX);
            }
            rest = body;
            continue;
        }
        let (data, after) = body.split_at_checked(size).unwrap_or((body, &[]));
        rest = after;
        match kind {
            OBJECT if examination.entry() => {
                let object = match head >> 4 {
                    0 => examination.copy(data),
                    // Packed, behind its size.
                    _ => examination.inflate(Wrapper::Zlib, data.get(4..).unwrap_or_default()),
                };
                inner(&object, examination);
            }
            TEXT => {
                let text = utf16(data.get(..4096).unwrap_or(data));
                examination.urls_in(&text);
            }
            _ => {}
        }
    }
}
