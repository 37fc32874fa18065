//! What an archive says of one file, in its list or in the header before the file.

use std::io::{self, Read};

use bzip2::read::BzDecoder;
use deflate64::Deflate64Decoder;
use flate2::read::DeflateDecoder;
use lzma_rust2::{LzmaReader, XzReader};

use super::super::archive::{Body, DICTIONARY_KIB};
use super::super::bytes::{len16, slice, u8_at, u16_at, u32_at, u64_at, up_to};
use super::super::flag::{FileFlag, FileFlags};
use super::super::limits::Time;
use super::super::name;
use super::super::single::{Broken, Frames};
use super::super::timed::Timed;

/// The mark of an entry of the list.
pub(super) const ENTRY: &[u8] = b"PK\x01\x02";
/// The mark of a header.
pub(super) const HEADER: &[u8] = b"PK\x03\x04";

/// One file, as list or header describe it.
#[derive(Debug, Default)]
pub(super) struct Description<'b> {
    pub(super) method: u16,
    pub(super) bits: u16,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Where it stands: entries of a list may share one header, and its name must not be kept once for each.
    pub(super) name: &'b [u8],
    /// The name in the field of Info-ZIP, which says that it is UTF-8.
    unicode_name: Option<&'b [u8]>,
    /// The method behind AES encryption.
    encrypted_method: bool,
    pub(super) link: bool,
    /// Where its header stands, as written.
    pub(super) header: u64,
    /// Length of the header.
    pub(super) length: usize,
}

impl<'b> Description<'b> {
    /// An entry of the list, and where the next begins.
    pub(super) fn listed(bytes: &'b [u8], at: usize) -> Option<(Description<'b>, usize)> {
        if slice(bytes, at, 4)? != ENTRY {
            return None;
        }
        let (name, extra) = (len16(bytes, at + 28)?, len16(bytes, at + 30)?);
        let comment = len16(bytes, at + 32)?;
        let mut member = Description {
            method: u16_at(bytes, at + 10)?,
            bits: u16_at(bytes, at + 8)?,
            packed: u64::from(u32_at(bytes, at + 20)?),
            size: u64::from(u32_at(bytes, at + 24)?),
            name: slice(bytes, at + 46, name)?,
            link: (u32_at(bytes, at + 38)? >> 16) & 0o170_000 == 0o120_000,
            header: u64::from(u32_at(bytes, at + 42)?),
            ..Description::default()
        };
        member.read_extra(up_to(bytes, at + 46 + name, extra));
        Some((member, at + 46 + name + extra + comment))
    }

    /// A header in front of a file, and where its bytes begin.
    pub(super) fn headed(bytes: &'b [u8], at: usize) -> Option<(Description<'b>, usize)> {
        if slice(bytes, at, 4)? != HEADER {
            return None;
        }
        let (name, extra) = (len16(bytes, at + 26)?, len16(bytes, at + 28)?);
        let mut member = Description {
            method: u16_at(bytes, at + 8)?,
            bits: u16_at(bytes, at + 6)?,
            packed: u64::from(u32_at(bytes, at + 18)?),
            size: u64::from(u32_at(bytes, at + 22)?),
            name: slice(bytes, at + 30, name)?,
            header: at as u64,
            length: 30 + name + extra,
            ..Description::default()
        };
        member.read_extra(up_to(bytes, at + 30 + name, extra));
        Some((member, at + 30 + name + extra))
    }

    fn read_extra(&mut self, extra: &'b [u8]) {
        let mut at = 0;
        while let (Some(id), Some(length)) = (u16_at(extra, at), len16(extra, at + 2)) {
            let Some(field) = slice(extra, at + 4, length) else {
                break;
            };
            match id {
                // Only what does not fit into the entry stands here, in this order.
                1 => {
                    let mut next = 0;
                    for value in [&mut self.size, &mut self.packed, &mut self.header] {
                        if *value == u64::from(u32::MAX)
                            && let Some(long) = u64_at(field, next)
                        {
                            *value = long;
                            next += 8;
                        }
                    }
                }
                0x7075 => self.unicode_name = field.get(5..),
                0x9901 => {
                    self.encrypted_method = true;
                    self.method = u16_at(field, 5).unwrap_or(self.method);
                }
                _ => {}
            }
            at += 4 + length;
        }
    }

    /// Traditional or strong encryption, AES, or a masked header.
    pub(super) fn is_encrypted(&self) -> bool {
        self.bits & 0x2041 != 0 || self.encrypted_method || self.method == 99
    }

    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with(b"/") && self.size == 0
    }

    /// The name in its charset (APPNOTE, appendix D).
    pub(super) fn text(&self, flags: &mut FileFlags) -> String {
        let (text, whole) = match (self.unicode_name, self.bits & 0x800 != 0) {
            (Some(unicode), _) => name::utf8(unicode),
            (None, true) => name::utf8(self.name),
            (None, false) => (name::unlabelled(self.name), true),
        };
        flags.add_if(!whole, FileFlag::NameCharset);
        text
    }

    /// The bytes of the file, unpacked as they are read, until the time is over.
    pub(super) fn body<'p>(&self, packed: &'p [u8], time: Time<'p>) -> Option<Body<'p>> {
        let reader: Box<dyn Read + 'p> = match self.method {
            0 => return Some(Body::Stored(packed)),
            8 => Box::new(DeflateDecoder::new(packed)),
            9 => Box::new(Deflate64Decoder::new(packed)),
            12 => Box::new(BzDecoder::new(packed)),
            14 => lzma(packed, self.size, self.bits & 2 != 0),
            93 | 20 => Box::new(Frames::new(packed)),
            95 => Box::new(XzReader::new_mem_limit(
                Timed::new(packed, time),
                true,
                DICTIONARY_KIB,
            )),
            _ => return None,
        };
        Some(Body::Packed(reader))
    }
}

/// LZMA as ZIP holds it (APPNOTE, section 5.8.8): version, length of the properties, properties.
fn lzma(packed: &[u8], size: u64, marker: bool) -> Box<dyn Read + '_> {
    let read = || {
        let properties = u8_at(packed, 4)?;
        let dictionary = u32_at(packed, 5)?;
        let size = if marker { u64::MAX } else { size };
        Some((properties, dictionary, packed.get(9..)?, size))
    };
    let Some((properties, dictionary, data, size)) = read() else {
        return Box::new(Broken(io::ErrorKind::UnexpectedEof));
    };
    if dictionary > DICTIONARY_KIB << 10 {
        return Box::new(Broken(io::ErrorKind::OutOfMemory));
    }
    match LzmaReader::new_with_props(data, size, properties, dictionary, None) {
        Ok(reader) => Box::new(reader),
        Err(error) => Box::new(Broken(error.kind())),
    }
}
