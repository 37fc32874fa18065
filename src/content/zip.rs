//! ZIP archives (APPNOTE 6.3.10), read as different programs read them.
//!
//! The list of files at the end is what Windows shows; some programs go by the headers in front of each file instead. Both
//! are read, and where they differ it is flagged: other names, other sizes, files that the list leaves out. An archive
//! without its list is read by the headers alone. What stands before the archive (programs that unpack themselves,
//! pictures) shifts all its places; so do lists of archives that were put one behind the other, of which the last
//! counts.

mod description;
mod directory;

use std::ops::ControlFlow;

use super::archive::{Body, Container, Entry};
use super::bytes::up_to;
use super::flag::{FileFlag, FileFlags};
use super::package::Package;
use super::walk::flagged;
use super::{Kind, Limit};
use description::{Description, HEADER};
use directory::{Directory, END};

/// The smallest archive: an end without files.
pub(super) const SMALLEST: usize = END;
/// Entries of the list that are read before the limits of the message count, for names that are compared.
const ENTRIES: usize = 100_000;
/// Headers that are looked at for files that the list leaves out.
const HEADERS: usize = 100_000;

/// Whether bytes that begin as something else end as an archive with files.
pub(super) fn ends_as_one(bytes: &[u8]) -> bool {
    Directory::find(bytes).is_some_and(|found| found.size > 0)
}

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut spans = Spans::default();
    if let Some(directory) = Directory::find(bytes) {
        into.flag_if(directory.before > 0, FileFlag::PrefixedData);
        into.flag_if(directory.end < bytes.len(), FileFlag::TrailingData);
        into.flag_if(directory.volume, FileFlag::Volume);
        let members = listed(bytes, &directory, into);
        let package = Package::of(members.iter().map(|m| m.listed.name));
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
    listed: Description<'b>,
    /// Its header and where that stands.
    headed: Option<(usize, Description<'b>)>,
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
        let encrypted = |d: &Description<'_>| d.is_encrypted();
        let body = match self.packed {
            _ if encrypted(listed) || self.headed.as_ref().is_some_and(|(_, h)| encrypted(h)) => {
                flags.add(FileFlag::Encrypted);
                Body::Unseen
            }
            Some(packed) => {
                flags.add_if((packed.len() as u64) < listed.packed, FileFlag::Truncated);
                listed.body(packed, into.time()).unwrap_or_else(|| {
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
            false => member.body(packed, into.time()).unwrap_or(Body::Unseen),
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
