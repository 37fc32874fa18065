//! The way through the files of a message: what is still to be opened stands on a list, the last found first.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};

use super::archive::Container;
use super::flag::{FileFlag, FileFlags};
use super::limits::Budget;
use super::{
    Content, File, Kind, Limit, Limits, cab, claim, fat, iso, message, name, rar, sevenzip, single,
    tar, tnef, zip,
};
use crate::mail::{Mail, Part, PartKind, real_type, uuencoded};

/// How much of a program is searched for an archive that unpacks itself, bytes.
const PROGRAM_BYTES: usize = 2 << 20;

/// The files of a message, opened within `limits`. Ends soon after `cancelled` is set; CPU work, in proportion to what
/// is unpacked.
pub fn read(mail: &Mail, limits: &Limits, cancelled: &AtomicBool) -> Content {
    let mut walk = Walk {
        content: Content::default(),
        budget: Budget::new(limits, cancelled),
        waiting: Vec::new(),
        chunk: Vec::new(),
    };
    walk.attachments(mail);
    while let Some(waiting) = walk.waiting.pop() {
        walk.open(waiting);
    }
    walk.content
}

/// Whether a message has files at all: a look at its parts.
pub fn has_files(mail: &Mail) -> bool {
    mail.parts().iter().any(|part| {
        part.is_file() || matches!(&part.kind, PartKind::Text(text) if may_hold_uuencoded(text))
    })
}

fn may_hold_uuencoded(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"begin ").is_some()
}

/// The attachments of a message, nothing opened.
pub fn list(mail: &Mail) -> Content {
    let limits = Limits::closed();
    let mut content = read(mail, &limits, &AtomicBool::new(false));
    // Nobody asked for more.
    content.limits.remove(&Limit::Depth);
    content
}

/// A file that is still to be opened.
#[derive(Debug)]
struct Waiting<'m> {
    file: usize,
    kind: Kind,
    /// Where the archive starts in it.
    start: usize,
    bytes: Cow<'m, [u8]>,
}

/// The files found so far.
#[derive(Debug)]
pub(super) struct Walk<'m> {
    pub(super) content: Content,
    pub(super) budget: Budget<'m>,
    waiting: Vec<Waiting<'m>>,
    /// Memory for unpacking, used again.
    pub(super) chunk: Vec<u8>,
}

impl<'m> Walk<'m> {
    /// Takes the attachments of a message.
    fn attachments(&mut self, mail: &'m Mail) {
        // Attached messages around a part, with their names.
        let mut around: Vec<(usize, String)> = Vec::new();
        let first = self.waiting.len();
        for part in mail.parts() {
            around.retain(|(depth, _)| *depth < part.depth);
            if part.kind == PartKind::Message {
                let name = part.name.as_deref().unwrap_or("message");
                around.push((part.depth, name::read(name).0));
                continue;
            }
            if self.content.files.len() >= self.budget.limits.files {
                self.content.limits.insert(Limit::Files);
                break;
            }
            if part.is_file() {
                self.attachment(mail, part, &around);
            } else if let PartKind::Text(text) = &part.kind
                && may_hold_uuencoded(text)
            {
                for found in uuencoded(text.as_bytes()) {
                    let mut file = named(&found.name, &around);
                    file.flags.add_if(!found.whole, FileFlag::Damaged);
                    self.take(file, found.bytes.into(), found.whole);
                }
            }
        }
        // The last found is opened first; attachments are to come in their order.
        if let Some(found) = self.waiting.get_mut(first..) {
            found.reverse();
        }
    }

    fn attachment(&mut self, mail: &'m Mail, part: &'m Part, around: &[(usize, String)]) {
        let raw: &'m [u8] = mail.raw();
        let mut file = named(part.name.as_deref().unwrap_or_default(), around);
        file.declared_type = Some(part.content_type.clone());
        if let Some(other) = &part.other_name {
            let (other, _, flags) = name::read(other);
            file.flags.merge(flags);
            file.flags.add(FileFlag::NameConflict);
            file.other_name = Some(other);
        }
        if let Some(other) = part.other_file(raw) {
            file.flags.add(FileFlag::EncodingConflict);
            let other_file = file.clone();
            self.take(other_file, other, true);
        }
        self.take(file, part.file(raw), true);
    }

    /// Takes a file with its bytes, of which `whole` says whether they are all; what can be opened waits for it.
    pub(super) fn take(&mut self, mut file: File, bytes: Cow<'m, [u8]>, whole: bool) {
        let number = self.content.files.len();
        if file.depth == 0 {
            file.size = bytes.len() as u64;
        }
        file.real_type = real_type(&bytes);
        if whole {
            file.sha256 = Some(Sha256::digest(&bytes).into());
        }
        judge(&mut file);
        let found = match Kind::of(file.real_type, &file.name) {
            Some(kind) => Some((kind, 0)),
            None => hidden_archive(&bytes, &mut file),
        };
        if let Some((kind, start)) = found {
            if file.depth < self.budget.limits.depth {
                self.waiting.push(Waiting {
                    file: number,
                    kind,
                    start,
                    bytes,
                });
            } else {
                file.flags.add(FileFlag::LimitDepth);
                self.content.limits.insert(Limit::Depth);
            }
        }
        self.content.files.push(file);
    }

    fn open(&mut self, waiting: Waiting<'m>) {
        if let Some(file) = self.content.files.get_mut(waiting.file) {
            file.opened = Some(waiting.kind);
        }
        *self.content.opened.entry(waiting.kind).or_default() += 1;
        let bytes = waiting.bytes.get(waiting.start..).unwrap_or_default();
        let mut into = Container::new(self, waiting.file, waiting.bytes.len());
        // Readers of lists are other people's in part: a panic in one costs the container and not the message.
        let opened = catch_unwind(AssertUnwindSafe(|| match waiting.kind {
            Kind::Zip => zip::open(bytes, &mut into),
            Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Lzma | Kind::Lzip | Kind::Zstd => {
                single::open(waiting.kind, bytes, &mut into)
            }
            Kind::Tar => tar::open(bytes, &mut into),
            Kind::SevenZip => sevenzip::open(bytes, &mut into),
            Kind::Rar => rar::open(bytes, &mut into),
            Kind::Iso => iso::open(bytes, &mut into),
            Kind::Fat => fat::open(bytes, &mut into),
            Kind::Cab => cab::open(bytes, &mut into),
            Kind::Tnef => tnef::open(bytes, &mut into),
            Kind::Message => message::open(bytes, &mut into),
            Kind::Document => {}
        }));
        if opened.is_err() {
            into.flag(FileFlag::Damaged);
        }
    }
}

/// A file at the top of the message.
fn named(written: &str, around: &[(usize, String)]) -> File {
    let (name, folders, flags) = name::read(written);
    let above = around.iter().map(|(_, name)| name.as_str());
    let pieces: Vec<&str> = above
        .chain([folders.as_str(), name.as_str()])
        .filter(|p| !p.is_empty())
        .collect();
    File {
        path: pieces.join("/"),
        name,
        flags,
        ..File::default()
    }
}

/// Whether the declared type and the name keep their promises.
fn judge(file: &mut File) {
    let Some(real) = file.real_type else {
        return;
    };
    let declared = file.declared_type.as_deref().and_then(claim::of_type);
    let named = file.extension().and_then(|e| claim::of_extension(&e));
    file.flags.add_if(
        declared.is_some_and(|c| c.excludes(real)),
        FileFlag::TypeOtherThanContent,
    );
    file.flags.add_if(
        named.is_some_and(|c| c.excludes(real)),
        FileFlag::NameOtherThanContent,
    );
}

/// An archive in a file that is something else: behind a program that unpacks it, or hidden in a picture.
fn hidden_archive(bytes: &[u8], file: &mut File) -> Option<(Kind, usize)> {
    if bytes.len() < zip::SMALLEST {
        return None;
    }
    let program = matches!(file.real_type, Some("exe" | "dll" | "elf" | "mach"));
    let flag = match program {
        true => FileFlag::PrefixedData,
        false => FileFlag::Polyglot,
    };
    if zip::ends_as_one(bytes) {
        file.flags.add(flag);
        return Some((Kind::Zip, 0));
    }
    if !program {
        return None;
    }
    let beginning = bytes.get(..PROGRAM_BYTES).unwrap_or(bytes);
    for (signature, kind) in [
        (&b"7z\xBC\xAF\x27\x1C"[..], Kind::SevenZip),
        (b"Rar!\x1A\x07", Kind::Rar),
    ] {
        // The program itself holds the signature too, to look for it: an archive goes on with a plausible version.
        for at in memchr::memmem::find_iter(beginning, signature).take(16) {
            let next = bytes.get(at + signature.len()..at + signature.len() + 2);
            let plausible = match kind {
                Kind::SevenZip => matches!(next, Some([0, 0..=9])),
                _ => matches!(next, Some([0, _] | [1, 0])),
            };
            if plausible {
                file.flags.add(flag);
                return Some((kind, at));
            }
        }
    }
    None
}

/// FileFlags of an entry whose content cannot be had.
pub(super) fn flagged(flags: impl IntoIterator<Item = FileFlag>) -> FileFlags {
    flags.into_iter().collect()
}
