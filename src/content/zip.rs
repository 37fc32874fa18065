//! ZIP archives (APPNOTE 6.3.10), read as different programs read them.
//!
//! The list of files at the end is what Windows shows; some programs go by the headers in front of each file instead. Both
//! are read, and where they differ it is flagged: other names, other sizes, files that the list leaves out. An archive
//! without its list is read by the headers alone. What stands before the archive (programs that unpack themselves,
//! pictures) shifts all its places; so do lists of archives that were put one behind the other, of which the last
//! counts.

use std::io::{self, Read};
use std::ops::ControlFlow;

use bzip2::read::BzDecoder;
use deflate64::Deflate64Decoder;
use flate2::read::DeflateDecoder;
use lzma_rust2::{LzmaReader, XzReader};

use super::archive::{Body, Container, DICTIONARY_KIB, Entry};
use super::bytes::{len16, slice, u8_at, u16_at, u32_at, u64_at, up_to};
use super::flag::{FileFlag, FileFlags};
use super::package::Package;
use super::single::{Broken, Frames};
use super::walk::flagged;
use super::{Kind, Limit, name};

/// The smallest archive: an end without files.
pub(super) const SMALLEST: usize = END;
/// The record at the end, without its comment.
const END: usize = 22;
/// How far from the end its record may stand.
const TAIL: usize = END + 0xffff;
/// Entries of the list that are read before the limits of the message count, for names that are compared.
const ENTRIES: usize = 100_000;
/// Headers that are looked at for files that the list leaves out.
const HEADERS: usize = 100_000;

const ENTRY: &[u8] = b"PK\x01\x02";
const HEADER: &[u8] = b"PK\x03\x04";
const END_MARK: &[u8] = b"PK\x05\x06";

/// The list of files: where it stands, and what stands before the archive.
#[derive(Debug)]
struct Directory {
    start: usize,
    size: usize,
    /// Bytes before the archive.
    before: usize,
    /// Where the archive ends, its comment included.
    end: usize,
    /// Whether it is one of several volumes.
    volume: bool,
}

impl Directory {
    /// The last that the bytes hold.
    fn find(bytes: &[u8]) -> Option<Directory> {
        let from = bytes.len().saturating_sub(TAIL);
        let tail = bytes.get(from..)?;
        // One whose comment ends with the file, or else the last that leads to a list.
        let mut best = None;
        for at in memchr::memmem::rfind_iter(tail, END_MARK).take(64) {
            let Some(found) = Directory::at(bytes, from + at) else {
                continue;
            };
            if found.end == bytes.len() {
                return Some(found);
            }
            best.get_or_insert(found);
        }
        best
    }

    fn at(bytes: &[u8], at: usize) -> Option<Directory> {
        let comment = len16(bytes, at + 20)?;
        let (mut size, mut place) = (
            u64::from(u32_at(bytes, at + 12)?),
            u64::from(u32_at(bytes, at + 16)?),
        );
        let mut end_of_list = at;
        if let Some((size64, place64, record)) = zip64(bytes, at) {
            (size, place, end_of_list) = (size64, place64, record);
        }
        let size = usize::try_from(size).ok()?;
        let start = end_of_list.checked_sub(size)?;
        if size > 0 && slice(bytes, start, 4)? != ENTRY {
            // A list that does not end at its record: believe the place that it gives.
            let start = usize::try_from(place).ok()?;
            return (slice(bytes, start, 4)? == ENTRY).then_some(Directory {
                start,
                size: end_of_list.saturating_sub(start),
                before: 0,
                end: (at + END + comment).min(bytes.len()),
                volume: false,
            });
        }
        let before = start.saturating_sub(usize::try_from(place).unwrap_or(start));
        Some(Directory {
            start,
            size,
            before,
            end: at + END + comment,
            volume: u16_at(bytes, at + 4)? != 0 && u16_at(bytes, at + 4)? != 0xffff,
        })
    }
}

/// The record of ZIP64 before the end: size and place of the list, and its own place.
fn zip64(bytes: &[u8], end: usize) -> Option<(u64, u64, usize)> {
    let locator = end.checked_sub(20)?;
    if slice(bytes, locator, 4)? != b"PK\x06\x07" {
        return None;
    }
    let written = usize::try_from(u64_at(bytes, locator + 8)?).ok();
    // Where something stands before the archive the place is wrong, and the record stands right here.
    let record = [written, locator.checked_sub(56)]
        .into_iter()
        .flatten()
        .find(|at| slice(bytes, *at, 4) == Some(b"PK\x06\x06"))?;
    Some((
        u64_at(bytes, record + 40)?,
        u64_at(bytes, record + 48)?,
        record,
    ))
}

/// Whether bytes that begin as something else end as an archive with files.
pub(super) fn ends_as_one(bytes: &[u8]) -> bool {
    Directory::find(bytes).is_some_and(|found| found.size > 0)
}

/// One file, as list or header describe it.
#[derive(Debug, Default)]
struct Description {
    method: u16,
    bits: u16,
    packed: u64,
    size: u64,
    name: Vec<u8>,
    /// The name in the field of Info-ZIP, which says that it is UTF-8.
    unicode_name: Option<Vec<u8>>,
    /// The method behind AES encryption.
    encrypted_method: bool,
    link: bool,
    /// Where its header stands, as written.
    header: u64,
    /// Length of the header.
    length: usize,
}

impl Description {
    /// An entry of the list, and where the next begins.
    fn listed(bytes: &[u8], at: usize) -> Option<(Description, usize)> {
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
            name: slice(bytes, at + 46, name)?.to_vec(),
            link: (u32_at(bytes, at + 38)? >> 16) & 0o170_000 == 0o120_000,
            header: u64::from(u32_at(bytes, at + 42)?),
            ..Description::default()
        };
        member.read_extra(up_to(bytes, at + 46 + name, extra));
        Some((member, at + 46 + name + extra + comment))
    }

    /// A header in front of a file, and where its bytes begin.
    fn headed(bytes: &[u8], at: usize) -> Option<(Description, usize)> {
        if slice(bytes, at, 4)? != HEADER {
            return None;
        }
        let (name, extra) = (len16(bytes, at + 26)?, len16(bytes, at + 28)?);
        let mut member = Description {
            method: u16_at(bytes, at + 8)?,
            bits: u16_at(bytes, at + 6)?,
            packed: u64::from(u32_at(bytes, at + 18)?),
            size: u64::from(u32_at(bytes, at + 22)?),
            name: slice(bytes, at + 30, name)?.to_vec(),
            header: at as u64,
            length: 30 + name + extra,
            ..Description::default()
        };
        member.read_extra(up_to(bytes, at + 30 + name, extra));
        Some((member, at + 30 + name + extra))
    }

    fn read_extra(&mut self, extra: &[u8]) {
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
                0x7075 => self.unicode_name = field.get(5..).map(<[u8]>::to_vec),
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
    fn is_encrypted(&self) -> bool {
        self.bits & 0x2041 != 0 || self.encrypted_method || self.method == 99
    }

    fn is_folder(&self) -> bool {
        self.name.ends_with(b"/") && self.size == 0
    }

    /// The name in its charset (APPNOTE, appendix D).
    fn text(&self, flags: &mut FileFlags) -> String {
        let (text, whole) = match (&self.unicode_name, self.bits & 0x800 != 0) {
            (Some(unicode), _) => name::utf8(unicode),
            (None, true) => name::utf8(&self.name),
            (None, false) => (name::unlabelled(&self.name), true),
        };
        flags.add_if(!whole, FileFlag::NameCharset);
        text
    }

    /// The bytes of the file, unpacked as they are read.
    fn body<'b>(&self, packed: &'b [u8]) -> Option<Body<'b>> {
        let reader: Box<dyn Read + 'b> = match self.method {
            0 => return Some(Body::Stored(packed)),
            8 => Box::new(DeflateDecoder::new(packed)),
            9 => Box::new(Deflate64Decoder::new(packed)),
            12 => Box::new(BzDecoder::new(packed)),
            14 => lzma(packed, self.size, self.bits & 2 != 0),
            93 | 20 => Box::new(Frames::new(packed)),
            95 => Box::new(XzReader::new_mem_limit(packed, true, DICTIONARY_KIB)),
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

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut spans = Spans::default();
    if let Some(directory) = Directory::find(bytes) {
        into.flag_if(directory.before > 0, FileFlag::PrefixedData);
        into.flag_if(directory.end < bytes.len(), FileFlag::TrailingData);
        into.flag_if(directory.volume, FileFlag::Volume);
        let members = listed(bytes, &directory, into);
        let package = Package::of(members.iter().map(|m| m.listed.name.as_slice()));
        if let (Some(package), Some(own)) = (package, into.own()) {
            own.real_type = package.refine(own.real_type);
            if package == Package::Document {
                own.opened = Some(Kind::Document);
            }
        }
        spans = Spans::of(&members, &directory);
        into.flag_if(spans.overlap(), FileFlag::Overlap);
        for member in &members {
            if member.give(package, into).is_break() {
                return;
            }
        }
        if package.is_some() {
            // Those are signed or checked by what opens them; what they leave out cannot be opened.
            return;
        }
    } else {
        into.flag(FileFlag::Truncated);
    }
    unlisted(bytes, &spans, into);
}

/// A file of the list with its own header.
struct Member<'b> {
    listed: Description,
    /// Its header and where that stands.
    headed: Option<(usize, Description)>,
    /// Its packed bytes, as many as there are.
    packed: Option<&'b [u8]>,
}

fn listed<'b>(
    bytes: &'b [u8],
    directory: &Directory,
    into: &mut Container<'_, '_>,
) -> Vec<Member<'b>> {
    let mut members = Vec::new();
    let mut at = directory.start;
    let end = directory.start.saturating_add(directory.size);
    while at < end && members.len() < ENTRIES {
        let Some((listed, next)) = Description::listed(bytes, at) else {
            into.flag(FileFlag::Damaged);
            break;
        };
        let header = usize::try_from(listed.header)
            .ok()
            .and_then(|h| h.checked_add(directory.before));
        let headed = header.and_then(|h| Some((h, Description::headed(bytes, h)?)));
        let length = usize::try_from(listed.packed).unwrap_or(usize::MAX);
        members.push(Member {
            packed: headed
                .as_ref()
                .map(|(_, (_, start))| up_to(bytes, *start, length)),
            headed: headed.map(|(header, (description, _))| (header, description)),
            listed,
        });
        at = next;
    }
    if members.len() == ENTRIES && at < end {
        into.limit(Limit::Files);
    }
    members
}

impl Member<'_> {
    /// Gives the file out.
    fn give(&self, package: Option<Package>, into: &mut Container<'_, '_>) -> ControlFlow<()> {
        let listed = &self.listed;
        let mut flags = FileFlags::default();
        let name = listed.text(&mut flags);
        if listed.is_folder() || package.is_some_and(|p| p.is_ordinary(&name)) {
            return into.goes_on();
        }
        flags.add_if(listed.link, FileFlag::Link);
        let mut other_name = None;
        match &self.headed {
            Some((_, header)) => {
                let local = header.text(&mut FileFlags::default());
                if header.name != listed.name && local != name {
                    flags.add(FileFlag::NameConflict);
                    other_name = Some(local);
                }
                // Without a place for sizes in the header they follow the file (bit 3).
                let sized = header.bits & 8 == 0;
                let differ = header.size != listed.size || header.packed != listed.packed;
                flags.add_if(sized && differ, FileFlag::SizeConflict);
            }
            None => flags.add(FileFlag::Damaged),
        }
        let encrypted = |d: &Description| d.is_encrypted();
        let body = match self.packed {
            _ if encrypted(listed) || self.headed.as_ref().is_some_and(|(_, h)| encrypted(h)) => {
                flags.add(FileFlag::Encrypted);
                Body::Unseen
            }
            Some(packed) => {
                flags.add_if((packed.len() as u64) < listed.packed, FileFlag::Truncated);
                listed.body(packed).unwrap_or_else(|| {
                    flags.add(FileFlag::Unopened);
                    Body::Unseen
                })
            }
            None => Body::Unseen,
        };
        let entry = Entry {
            name,
            other_name,
            size: Some(listed.size),
            flags,
        };
        into.add(entry, body)
    }
}

/// Takes files whose headers the list does not name.
fn unlisted(bytes: &[u8], spans: &Spans, into: &mut Container<'_, '_>) {
    let mut at = 0;
    for _ in 0..HEADERS {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr::memmem::find(rest, HEADER) else {
            return;
        };
        let header = at + found;
        at = header + HEADER.len();
        if let Some(end) = spans.around(header) {
            at = at.max(end);
            continue;
        }
        let Some((member, start)) = Description::headed(bytes, header) else {
            continue;
        };
        if member.name.is_empty() || member.name.len() > 1024 || member.is_folder() {
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let known = usize::try_from(member.packed).ok().filter(|p| *p > 0);
        let length = match known {
            Some(known) => known.min(rest.len()),
            None => memchr::memmem::find(rest, b"PK").unwrap_or(rest.len()),
        };
        // Packed files end by themselves; a `PK` may stand in them.
        let packed = match known {
            None if member.method != 0 => rest,
            _ => up_to(rest, 0, length),
        };
        let mut flags = flagged([FileFlag::Unlisted]);
        flags.add_if(known.is_some_and(|k| k > rest.len()), FileFlag::Truncated);
        let name = member.text(&mut flags);
        let body = match member.is_encrypted() {
            true => {
                flags.add(FileFlag::Encrypted);
                Body::Unseen
            }
            false => member.body(packed).unwrap_or(Body::Unseen),
        };
        let entry = Entry {
            name,
            size: known.map(|_| member.size),
            flags,
            ..Entry::default()
        };
        at = at.max(start + if known.is_some() { length } else { 0 });
        if into.add(entry, body).is_break() {
            return;
        }
    }
    into.limit(Limit::Files);
}

/// The bytes that the list accounts for, in order.
#[derive(Debug, Default)]
struct Spans(Vec<(usize, usize)>);

impl Spans {
    fn of(members: &[Member<'_>], directory: &Directory) -> Spans {
        let mut spans = vec![(directory.start, directory.end)];
        spans.extend(members.iter().filter_map(|member| {
            let (header, description) = member.headed.as_ref()?;
            Some((*header, header + description.length + member.packed?.len()))
        }));
        spans.sort_unstable();
        Spans(spans)
    }

    /// Whether files share bytes.
    fn overlap(&self) -> bool {
        let next = self.0.iter().skip(1);
        self.0.iter().zip(next).any(|(one, next)| next.0 < one.1)
    }

    /// Where what holds that place ends.
    fn around(&self, place: usize) -> Option<usize> {
        let after = self.0.partition_point(|(start, _)| *start <= place);
        let (_, end) = self.0.get(after.checked_sub(1)?)?;
        (place < *end).then_some(*end)
    }
}
