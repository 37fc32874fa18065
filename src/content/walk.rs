//! The way through the files of a message: what is still to be opened stands on a list, the last found first.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};

use super::archive::{Body, Container, Entry};
use super::document::{self, Bounds, Embedded, Trait};
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
        mail,
        passwords: None,
        content: Content::default(),
        budget: Budget::new(limits, cancelled),
        waiting: Vec::new(),
        chunk: Vec::new(),
    };
    walk.attachments(mail);
    while let Some(waiting) = walk.waiting.pop() {
        walk.next(waiting);
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
    read(mail, &Limits::closed(), &AtomicBool::new(false))
}

/// What is still to be done.
#[derive(Debug)]
enum Waiting<'m> {
    /// A file that is to be opened.
    Container {
        file: usize,
        kind: Kind,
        /// Where the archive starts in it.
        start: usize,
        bytes: Cow<'m, [u8]>,
    },
    /// Files that the document of that number, of so many bytes, holds.
    Embedded {
        file: usize,
        packed: usize,
        files: Vec<Embedded>,
    },
}

impl Waiting<'_> {
    /// The file that it is about.
    fn file(&self) -> usize {
        match self {
            Waiting::Container { file, .. } | Waiting::Embedded { file, .. } => *file,
        }
    }
}

/// The files found so far.
#[derive(Debug)]
pub(super) struct Walk<'m> {
    mail: &'m Mail,
    /// Words of the message that may open what is encrypted, once that is asked.
    passwords: Option<Vec<String>>,
    pub(super) content: Content,
    pub(super) budget: Budget<'m>,
    waiting: Vec<Waiting<'m>>,
    /// Memory for unpacking, used again.
    pub(super) chunk: Vec<u8>,
}

impl<'m> Walk<'m> {
    /// Takes the attachments of a message.
    fn attachments(&mut self, mail: &'m Mail) {
        // Attached messages around a part: how deep they lie, and their numbers among the files.
        let mut around: Vec<(usize, usize)> = Vec::new();
        let first = self.waiting.len();
        for part in mail.parts() {
            around.retain(|(depth, _)| *depth < part.depth);
            if self.content.files.len() >= self.budget.limits.files {
                self.content.limits.insert(Limit::Files);
                break;
            }
            let parent = around.last().map(|(_, number)| *number);
            if part.is_file() {
                let number = self.content.files.len();
                self.attachment(mail, part, parent);
                if part.kind == PartKind::Message {
                    around.push((part.depth, number));
                }
            } else if let PartKind::Text(text) = &part.kind
                && may_hold_uuencoded(text)
            {
                for found in uuencoded(text.as_bytes()) {
                    let mut file = self.named(&found.name, parent);
                    file.size = found.bytes.len() as u64;
                    file.flags.add_if(!found.whole, FileFlag::Damaged);
                    self.take(file, found.bytes.into(), found.whole);
                }
            }
        }
        // The last found is opened first; attachments are to come in their order.
        if let Some(found) = self.waiting.get_mut(first..) {
            found.sort_by_key(|w| std::cmp::Reverse(w.file()));
        }
    }

    /// A file of the message itself, or of a message attached to it.
    fn named(&self, written: &str, parent: Option<usize>) -> File {
        let (name, folders, flags) = name::read(written);
        let parent_file = parent.and_then(|number| self.content.files.get(number));
        let above = parent_file.map(|file| match file.path.is_empty() {
            true => "message",
            false => file.path.as_str(),
        });
        let pieces: Vec<&str> = above
            .into_iter()
            .chain([folders.as_str(), name.as_str()])
            .filter(|p| !p.is_empty())
            .collect();
        File {
            path: pieces.join("/"),
            name,
            flags,
            depth: parent_file.map_or(0, |file| file.depth + 1),
            parent,
            ..File::default()
        }
    }

    fn attachment(&mut self, mail: &'m Mail, part: &'m Part, parent: Option<usize>) {
        let raw: &'m [u8] = mail.raw();
        let mut file = self.named(part.name.as_deref().unwrap_or_default(), parent);
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
        if part.kind == PartKind::Message {
            // What it holds are parts of this message and come as such.
            file.opened = Some(Kind::Message);
        }
        self.take(
            file,
            part.file(raw),
            part.kind != PartKind::Message || part.body.is_some(),
        );
    }

    /// Takes a file with its bytes, of which `whole` says whether they are all; what can be opened waits for it.
    pub(super) fn take(&mut self, mut file: File, bytes: Cow<'m, [u8]>, whole: bool) {
        let number = self.content.files.len();
        if file.declared_type.is_some() || file.parent.is_none() {
            file.size = bytes.len() as u64;
        }
        file.real_type = match file.opened {
            Some(Kind::Message) => Some("eml"),
            _ => real_type(&bytes),
        };
        if whole {
            file.sha256 = Some(Sha256::digest(&bytes).into());
        }
        judge(&mut file);
        if file.opened.is_none() {
            self.examine(number, &mut file, &bytes);
        }
        let found = match Kind::of(file.real_type, &file.name) {
            _ if file.opened == Some(Kind::Message) => None,
            Some(kind) => Some((kind, 0)),
            None => hidden_archive(&bytes, &mut file),
        };
        if let Some((kind, start)) = found {
            if file.depth < self.budget.limits.depth {
                self.waiting.push(Waiting::Container {
                    file: number,
                    kind,
                    start,
                    bytes,
                });
            } else if self.budget.limits.depth > 0 {
                file.flags.add(FileFlag::LimitDepth);
                self.content.limits.insert(Limit::Depth);
            }
        }
        self.content.files.push(file);
    }

    /// Looks into a document: what it is able to do, where it leads, what it holds.
    fn examine(&mut self, number: usize, file: &mut File, bytes: &[u8]) {
        if self.budget.limits.depth == 0 || self.budget.check_time().is_err() {
            return;
        }
        let bounds = Bounds {
            bytes: self.budget.left().min(Bounds::default().bytes),
            ..Bounds::default()
        };
        let kind = file.real_type.unwrap_or_default();
        let examine = |passwords: &[String]| {
            catch_unwind(AssertUnwindSafe(|| {
                document::examine_with_passwords(kind, &file.name, bytes, passwords, &bounds)
            }))
        };
        let mut examined = examine(&[]);
        if let Ok(found) = &examined
            && found.traits.contains(&Trait::Encrypted)
        {
            let passwords = self.passwords.get_or_insert_with(|| {
                let text = format!("{}\n{}", self.mail.subject(), self.mail.text());
                document::likely_passwords(&text)
            });
            if !passwords.is_empty() {
                examined = examine(passwords);
            }
        }
        let Ok(found) = examined else {
            file.flags.add(FileFlag::Damaged);
            return;
        };
        let counted = self.budget.unpack(found.used, bytes.len(), 0);
        // An archive that is no document is opened as an archive.
        let document = kind != "zip" || !found.traits.is_empty();
        let limit = counted
            .err()
            .or((found.limit && document).then_some(Limit::Document));
        if let Some(limit) = limit {
            file.flags.add(limit.flag());
            self.content.limits.insert(limit);
        }
        file.traits = found.traits.into_iter().collect();
        file.urls = found.urls;
        if found.files.is_empty() {
            return;
        }
        if file.depth >= self.budget.limits.depth {
            file.flags.add(FileFlag::LimitDepth);
            self.content.limits.insert(Limit::Depth);
            return;
        }
        file.opened = Some(Kind::Document);
        *self.content.opened.entry(Kind::Document).or_default() += 1;
        self.waiting.push(Waiting::Embedded {
            file: number,
            packed: bytes.len(),
            files: found.files,
        });
    }

    fn next(&mut self, waiting: Waiting<'m>) {
        match waiting {
            Waiting::Container {
                file,
                kind,
                start,
                bytes,
            } => self.open(file, kind, start, &bytes),
            Waiting::Embedded {
                file,
                packed,
                files,
            } => {
                // What the package holds as it is was listed from there.
                let children = self.content.files.iter().filter(|f| f.parent == Some(file));
                let known: Vec<_> = children.filter_map(|f| f.sha256).collect();
                let is_known = |bytes: &[u8]| {
                    !known.is_empty() && known.contains(&Sha256::digest(bytes).into())
                };
                let mut into = Container::new(self, file, packed);
                for embedded in files {
                    if is_known(&embedded.bytes) {
                        continue;
                    }
                    let entry = Entry {
                        name: embedded.name,
                        ..Entry::default()
                    };
                    if into.add(entry, Body::Counted(embedded.bytes)).is_break() {
                        return;
                    }
                }
            }
        }
    }

    fn open(&mut self, file: usize, kind: Kind, start: usize, bytes: &[u8]) {
        if let Some(file) = self.content.files.get_mut(file) {
            file.opened = Some(kind);
        }
        *self.content.opened.entry(kind).or_default() += 1;
        let packed = bytes.len();
        let bytes = bytes.get(start..).unwrap_or_default();
        let mut into = Container::new(self, file, packed);
        // Readers of lists are other people's in part: a panic in one costs the container and not the message.
        let opened = catch_unwind(AssertUnwindSafe(|| match kind {
            Kind::Zip => zip::open(bytes, &mut into),
            Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Lzma | Kind::Lzip | Kind::Zstd => {
                single::open(kind, bytes, &mut into)
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

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::time::Duration;

    use super::*;

    /// Never done, and never anything to show for it.
    struct Idle;

    impl Read for Idle {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::Interrupted.into())
        }
    }

    #[test]
    fn work_that_gives_nothing_out_ends_with_the_time() {
        let (mail, cancelled) = (Mail::default(), AtomicBool::new(false));
        let limits = Limits {
            time: Duration::from_millis(50),
            ..Limits::default()
        };
        let mut walk = Walk {
            mail: &mail,
            passwords: None,
            content: Content {
                files: vec![File::default()],
                ..Content::default()
            },
            budget: Budget::new(&limits, &cancelled),
            waiting: Vec::new(),
            chunk: Vec::new(),
        };
        let mut into = Container::new(&mut walk, 0, 0);
        let added = into.add(Entry::default(), Body::Packed(Box::new(Idle)));
        assert!(added.is_break());
        assert_eq!(walk.content.limits, [Limit::Time].into());
    }
}
