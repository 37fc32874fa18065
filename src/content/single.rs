//! Streams that hold one packed file: gzip, bzip2, xz, LZMA, lzip, Zstandard.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bzip2::read::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::{LzipReader, LzmaReader, XzReader};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::Kind;
use super::archive::{Body, Container, DICTIONARY_KIB, Entry};
use super::bytes::{len16, until_nul};
use super::flag::FileFlag;
use super::name;
use super::timed::Timed;

/// Opens a stream of that kind.
pub(super) fn open(kind: Kind, bytes: &[u8], into: &mut Container<'_, '_>) {
    let own = into.own().map(|f| f.name.clone()).unwrap_or_default();
    let derived = inner_name(&own);
    let written = match kind {
        Kind::Gzip => gzip_name(bytes),
        _ => None,
    };
    let other_name = written.filter(|w| !same(w, &derived));
    let trailing = Rc::new(Cell::new(false));
    let timed = Timed::new(bytes, into.time());
    let reader: Box<dyn Read + '_> = match kind {
        Kind::Gzip => Box::new(Members {
            rest: bytes,
            member: None,
            trailing: Rc::clone(&trailing),
        }),
        Kind::Bzip2 => Box::new(MultiBzDecoder::new(timed)),
        Kind::Xz => Box::new(XzReader::new_mem_limit(timed, true, DICTIONARY_KIB)),
        Kind::Lzip => Box::new(LzipReader::new(timed)),
        Kind::Zstd => Box::new(Frames::new(bytes)),
        _ => match LzmaReader::new_mem_limit(bytes, DICTIONARY_KIB, None) {
            Ok(reader) => Box::new(reader),
            Err(error) => Box::new(Broken(error.kind())),
        },
    };
    let entry = Entry {
        name: derived,
        other_name,
        ..Entry::default()
    };
    let _ = into.add(entry, Body::Packed(reader));
    if trailing.get() {
        into.flag(FileFlag::TrailingData);
    }
}

/// A reader that could not be made.
pub(super) struct Broken(pub(super) io::ErrorKind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

/// The name that unpacking programs give: `a.tgz` becomes `a.tar`, `a.txt.gz` becomes `a.txt`.
fn inner_name(name: &str) -> String {
    let Some((stem, last)) = name.rsplit_once('.') else {
        return name.to_owned();
    };
    match last.to_ascii_lowercase().as_str() {
        "tgz" | "tbz" | "tbz2" | "txz" | "tlz" | "tzst" | "taz" => format!("{stem}.tar"),
        "svgz" => format!("{stem}.svg"),
        "gz" | "bz2" | "xz" | "lzma" | "lz" | "zst" | "z" | "bz" => stem.to_owned(),
        _ => name.to_owned(),
    }
}

fn same(written: &str, derived: &str) -> bool {
    let base = written.rsplit(['/', '\\']).next().unwrap_or(written);
    base.is_empty() || base == derived
}

/// The name in the header of a gzip stream (RFC 1952, section 2.3): Latin-1, ended by NUL.
fn gzip_name(bytes: &[u8]) -> Option<String> {
    let bits = *bytes.get(3)?;
    if bits & 8 == 0 {
        return None;
    }
    let mut at = 10;
    if bits & 4 != 0 {
        at += 2 + len16(bytes, at)?;
    }
    let name = until_nul(bytes.get(at..(at + 1024).min(bytes.len()))?);
    Some(name::unlabelled(name))
}

/// Members of a gzip file one after the other; what follows and is none ends it (RFC 1952, section 2.2).
struct Members<'b> {
    rest: &'b [u8],
    member: Option<Box<GzDecoder<&'b [u8]>>>,
    /// Whether something else than padding follows.
    trailing: Rc<Cell<bool>>,
}

impl Read for Members<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else {
                self.member = Some(Box::new(GzDecoder::new(self.rest)));
                continue;
            };
            let count = member.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            let rest: &[u8] = member.get_ref();
            if !rest.starts_with(b"\x1f\x8b") {
                self.trailing.set(rest.iter().any(|b| *b != 0));
                return Ok(0);
            }
            self.rest = rest;
            self.member = None;
            // Millions of empty members fit into a message: the time is looked at in between.
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
}

/// Zstandard frames one after the other, skippable ones left out (RFC 8878, section 3.1.2).
pub(super) struct Frames<'b> {
    rest: &'b [u8],
    frame: Option<Box<StreamingDecoder<&'b [u8], FrameDecoder>>>,
}

impl<'b> Frames<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Frames<'b> {
        Frames {
            rest: bytes,
            frame: None,
        }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(into)?;
                if count > 0 {
                    return Ok(count);
                }
                self.rest = frame.get_ref();
                self.frame = None;
                // As between the members of gzip.
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            let most = u64::from(DICTIONARY_KIB) << 10;
            match StreamingDecoder::new_with_max_window_size(self.rest, most) {
                Ok(frame) => self.frame = Some(Box::new(frame)),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    // Eight bytes of header: flag and length.
                    let skipped = usize::try_from(length).unwrap_or(usize::MAX);
                    let skipped = skipped.saturating_add(8).min(self.rest.len());
                    self.rest = self.rest.get(skipped..).unwrap_or_default();
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_inside_is_the_one_that_unpacking_gives() {
        for (name, inner) in [
            ("a.tar.gz", "a.tar"),
            ("a.TGZ", "a.tar"),
            ("a.svgz", "a.svg"),
            ("a.exe.bz2", "a.exe"),
            ("a.dat", "a.dat"),
            ("a", "a"),
        ] {
            assert_eq!(inner_name(name), inner);
        }
    }

    #[test]
    fn the_name_of_a_gzip_header_is_read() {
        assert_eq!(
            gzip_name(b"\x1f\x8b\x08\x08\0\0\0\0\0\0a.exe\0rest").as_deref(),
            Some("a.exe")
        );
        assert_eq!(gzip_name(b"\x1f\x8b\x08\0\0\0\0\0\0\0"), None);
        assert_eq!(gzip_name(b"\x1f\x8b\x08\x0c\0\0\0\0\0\0\xff"), None);
    }

    #[test]
    fn between_empty_members_the_time_can_be_looked_at() {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let gzip = gzip.finish().unwrap().repeat(3);
        let fastest = ruzstd::encoding::CompressionLevel::Fastest;
        let zstd = ruzstd::encoding::compress_to_vec(&b""[..], fastest).repeat(3);
        let members = Members {
            rest: &gzip,
            member: None,
            trailing: Rc::default(),
        };
        let readers: [Box<dyn Read>; 2] = [Box::new(members), Box::new(Frames::new(&zstd))];
        for mut reader in readers {
            let mut bytes = [0; 16];
            for _ in 0..2 {
                let paused = reader.read(&mut bytes).unwrap_err();
                assert_eq!(paused.kind(), io::ErrorKind::Interrupted);
            }
            let mut rest = Vec::new();
            assert_eq!(reader.read_to_end(&mut rest).unwrap(), 0);
        }
    }
}
