//! `winmail.dat`: what Outlook makes of attachments for those whom it believes to read it (MS-OXTNEF).

use std::ops::ControlFlow;

use super::archive::{Body, Container, Entry};
use super::bytes::{len32, slice, u16_at, u32_at, until_nul, utf16};
use super::flag::{FileFlag, FileFlags};
use super::name;

/// Attributes that are read.
const ATTRIBUTES: usize = 10_000;
/// Properties of one attachment that are read.
const PROPERTIES: usize = 1000;

/// An attachment as far as it was read.
#[derive(Default)]
struct Attachment<'b> {
    name: Option<String>,
    long_name: Option<String>,
    data: Option<&'b [u8]>,
}

impl Attachment<'_> {
    fn give(self, into: &mut Container<'_, '_>) -> ControlFlow<()> {
        let Some(data) = self.data else {
            return into.goes_on();
        };
        // The short name is that of DOS and rarely says anything else.
        let name = self.long_name.or(self.name).unwrap_or_default();
        let entry = Entry {
            name,
            size: Some(data.len() as u64),
            flags: FileFlags::default(),
            ..Entry::default()
        };
        into.add(entry, Body::Stored(data))
    }
}

/// Opens a file.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut at = 6;
    let mut current = Attachment::default();
    for _ in 0..ATTRIBUTES {
        if at >= bytes.len() {
            break;
        }
        let read = || {
            let (id, length) = (u32_at(bytes, at + 1)?, len32(bytes, at + 5)?);
            Some((id, slice(bytes, at + 9, length)?))
        };
        let Some((id, data)) = read() else {
            into.flag(FileFlag::Truncated);
            break;
        };
        at += 9 + data.len() + 2;
        // The lower half names the attribute, the upper one its type.
        match id & 0xffff {
            // attAttachRenddata begins an attachment.
            0x9002 => match std::mem::take(&mut current).give(into) {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(()) => {}
            },
            // attAttachTitle
            0x8010 => current.name = Some(name::unlabelled(until_nul(data))),
            // attAttachData
            0x800f => current.data = Some(data),
            // attAttachment
            0x9005 => properties(data, &mut current),
            _ => {}
        }
    }
    let _ = current.give(into);
}

/// The properties of an attachment (MS-OXTNEF, section 2.1.3.4): its long name, and its content where it stands there.
fn properties<'b>(data: &'b [u8], into: &mut Attachment<'b>) {
    let mut at = 4;
    for _ in 0..PROPERTIES {
        let Some((next, property)) = property(data, at) else {
            return;
        };
        at = next;
        match property {
            // PidTagAttachLongFilename
            (0x3707, 0x1e, value) => into.long_name = Some(name::unlabelled(until_nul(value))),
            (0x3707, 0x1f, value) => into.long_name = Some(utf16(value)),
            // PidTagAttachDataBinary
            (0x3701, 0x102, value) => {
                into.data.get_or_insert(value);
            }
            _ => {}
        }
    }
}

/// Id, type and first value.
type Property<'b> = (u16, u16, &'b [u8]);

/// A property, and where the next begins.
fn property(data: &[u8], at: usize) -> Option<(usize, Property<'_>)> {
    let (kind, id) = (u16_at(data, at)?, u16_at(data, at + 2)?);
    let mut at = at + 4;
    if id >= 0x8000 {
        // A named one: a GUID, and a number or a name.
        at += 20;
        at += match u32_at(data, at - 4)? {
            0 => 4,
            _ => 4 + padded(len32(data, at)?),
        };
    }
    let several = kind & 0x1000 != 0;
    let plain = kind & 0xfff;
    let fixed = match plain {
        0x02 | 0x03 | 0x04 | 0x0a | 0x0b => Some(4),
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => Some(8),
        0x48 => Some(16),
        _ => None,
    };
    let variable = matches!(plain, 0x0d | 0x1e | 0x1f | 0x102);
    let count = match several || variable {
        true => {
            at += 4;
            len32(data, at - 4)?
        }
        false => 1,
    };
    let mut first: Option<&[u8]> = None;
    for _ in 0..count.min(PROPERTIES) {
        let length = match fixed {
            Some(length) => length,
            None if variable => {
                at += 4;
                len32(data, at - 4)?
            }
            None => return None,
        };
        let value = slice(data, at, length)?;
        first.get_or_insert(value);
        at += padded(length);
    }
    Some((at, (id, plain, first.unwrap_or_default())))
}

/// Values fill words of four bytes.
fn padded(length: usize) -> usize {
    length.div_ceil(4).saturating_mul(4)
}
