//! Compound files ([MS-CFB]): a small file system in a file, as old Office documents, messages of Outlook and installers
//! are.
//!
//! Read leniently, because Office does: sector tables may be cut off, entries may lie outside of the tree of names.
//! A chain is followed for at most as many sectors as the file has, so one that runs in a circle ends. What a stream gives is
//! counted.

use std::collections::HashMap;

use super::super::examination::Examination;
use super::super::little_endian::{size_at, u16_at, u32_at, utf16};

/// What every compound file begins with.
pub(in super::super) const SIGNATURE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// The highest number of a sector; what lies above ends a chain.
const LAST_SECTOR: u32 = 0xFFFF_FFFA;
/// Bytes of one entry of the directory.
const ENTRY_BYTES: usize = 128;
/// Longest path of names, bytes; longer ones are cut.
const PATH_BYTES: usize = 512;

/// What an entry of the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Storage,
    Stream,
    Root,
}

/// An entry of the directory.
#[derive(Clone, Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) kind: Kind,
    pub(in super::super) name: String,
    /// The names of the storages around it, each followed by a slash.
    pub(in super::super) folder: String,
    /// What program it belongs to, as it stands in the file.
    pub(in super::super) class: [u8; 16],
    start: u32,
    size: usize,
}

/// A compound file.
pub(in super::super) struct Compound<'a> {
    bytes: &'a [u8],
    sector: usize,
    mini_sector: usize,
    cutoff: usize,
    table: Vec<u32>,
    mini_table: Vec<u32>,
    mini: Vec<u8>,
    /// The entries, the root first.
    pub(in super::super) entries: Vec<Entry>,
    /// Where among them the first stream of a folder and a name in lower case stands.
    streams: HashMap<(String, String), usize>,
}

impl<'a> Compound<'a> {
    /// Opens a file; `None` where there is no directory to be found.
    pub(in super::super) fn open(
        bytes: &'a [u8],
        examination: &mut Examination,
    ) -> Option<Compound<'a>> {
        if !bytes.starts_with(SIGNATURE) {
            return None;
        }
        let shift = |at: usize, usual: u16, most: u16| {
            let shift = u16_at(bytes, at).filter(|s| (4..=most).contains(s));
            1_usize << shift.unwrap_or(usual)
        };
        let mut file = Compound {
            bytes,
            sector: shift(0x1E, 9, 12),
            mini_sector: shift(0x20, 6, 8),
            cutoff: size_at(bytes, 0x38)?,
            table: Vec::new(),
            mini_table: Vec::new(),
            mini: Vec::new(),
            entries: Vec::new(),
            streams: HashMap::new(),
        };
        file.read_table();
        let directory = file.chain(u32_at(bytes, 0x30)?, usize::MAX, examination);
        let mini_table = file.chain(u32_at(bytes, 0x3C)?, usize::MAX, examination);
        file.mini_table = numbers(&mini_table).collect();
        file.read_directory(&directory, examination);
        let root = file.entries.first().map(|root| (root.start, root.size));
        let (start, size) = root?;
        file.mini = file.chain(start, size, examination);
        Some(file)
    }

    fn sectors(&self) -> usize {
        self.bytes.len() / self.sector
    }

    fn sector_at(&self, number: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(number)
            .ok()?
            .checked_add(1)?
            .checked_mul(self.sector)?;
        let rest = self.bytes.get(start..)?;
        // The last sector may be cut off.
        Some(rest.get(..self.sector).unwrap_or(rest)).filter(|s| !s.is_empty())
    }

    /// The table that tells which sector follows which.
    fn read_table(&mut self) {
        let most = self.sectors();
        let mut places: Vec<u32> =
            numbers(self.bytes.get(0x4C..0x200).unwrap_or_default()).collect();
        let mut next = u32_at(self.bytes, 0x44).unwrap_or(u32::MAX);
        for _ in 0..most {
            let Some(sector) = self.sector_at(next).filter(|_| next < LAST_SECTOR) else {
                break;
            };
            let mut listed: Vec<u32> = numbers(sector).collect();
            next = listed.pop().unwrap_or(u32::MAX);
            places.append(&mut listed);
        }
        for place in places.into_iter().filter(|place| *place < LAST_SECTOR) {
            if self.table.len() >= most {
                break;
            }
            let sector = self.sector_at(place).unwrap_or_default();
            self.table.extend(numbers(sector));
        }
    }

    /// The content of a chain of sectors, at most `size` bytes.
    fn chain(&self, start: u32, size: usize, examination: &mut Examination) -> Vec<u8> {
        let size = examination.spend(size.min(self.bytes.len()));
        let mut content = Vec::new();
        let mut number = start;
        for _ in 0..self.sectors() {
            let Some(sector) = self.sector_at(number).filter(|_| content.len() < size) else {
                break;
            };
            content.extend_from_slice(sector);
            let next = usize::try_from(number).ok().and_then(|n| self.table.get(n));
            number = next.copied().unwrap_or(u32::MAX);
        }
        content.truncate(size);
        content
    }

    fn mini_chain(&self, start: u32, size: usize, examination: &mut Examination) -> Vec<u8> {
        let size = examination.spend(size.min(self.mini.len()));
        let mut content = Vec::new();
        let mut number = start;
        for _ in 0..=self.mini_table.len() {
            let at = usize::try_from(number)
                .ok()
                .and_then(|n| n.checked_mul(self.mini_sector));
            let sector = at
                .and_then(|at| self.mini.get(at..))
                .filter(|_| content.len() < size);
            let Some(sector) = sector.filter(|s| !s.is_empty()) else {
                break;
            };
            content.extend_from_slice(sector.get(..self.mini_sector).unwrap_or(sector));
            let next = usize::try_from(number)
                .ok()
                .and_then(|n| self.mini_table.get(n));
            number = next.copied().unwrap_or(u32::MAX);
        }
        content.truncate(size);
        content
    }

    /// Entries with the storages that they lie in.
    fn read_directory(&mut self, directory: &[u8], examination: &mut Examination) {
        let mut raw = Vec::new();
        for record in directory.chunks_exact(ENTRY_BYTES) {
            let used = record.get(66).is_some_and(|kind| *kind != 0);
            if used && !examination.entry() {
                break;
            }
            raw.push(record);
        }
        let mut folders: Vec<Option<String>> = vec![None; raw.len()];
        // The number of an entry and the folder that it is in; each is visited once.
        let mut waiting = vec![(0_u32, String::new())];
        while let Some((number, folder)) = waiting.pop() {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let (Some(record), Some(known)) = (raw.get(index), folders.get_mut(index)) else {
                continue;
            };
            if known.is_some() {
                continue;
            }
            let inner = match number {
                0 => String::new(),
                _ if folder.len() < PATH_BYTES => format!("{folder}{}/", name_of(record)),
                _ => folder.clone(),
            };
            let link = |at| u32_at(record, at).unwrap_or(u32::MAX);
            waiting.push((link(0x4C), inner));
            if number != 0 {
                waiting.push((link(0x44), folder.clone()));
                waiting.push((link(0x48), folder.clone()));
            }
            *known = Some(folder);
        }
        for (record, folder) in raw.iter().zip(folders) {
            let kind = match record.get(66) {
                Some(1) => Kind::Storage,
                Some(2) => Kind::Stream,
                Some(5) => Kind::Root,
                _ => continue,
            };
            let class = record
                .get(0x50..0x60)
                .and_then(|class| class.try_into().ok());
            let (name, folder) = (name_of(record), folder.unwrap_or_default());
            if kind == Kind::Stream {
                let key = (folder.clone(), name.to_lowercase());
                self.streams.entry(key).or_insert(self.entries.len());
            }
            self.entries.push(Entry {
                kind,
                name,
                folder,
                class: class.unwrap_or_default(),
                start: u32_at(record, 0x74).unwrap_or(u32::MAX),
                size: size_at(record, 0x78).unwrap_or(0),
            });
        }
    }

    /// The content of a stream; empty where it is no stream or cannot be read.
    pub(in super::super) fn read(&self, entry: &Entry, examination: &mut Examination) -> Vec<u8> {
        match entry.kind {
            Kind::Stream if entry.size < self.cutoff => {
                self.mini_chain(entry.start, entry.size, examination)
            }
            Kind::Stream => self.chain(entry.start, entry.size, examination),
            Kind::Storage | Kind::Root => Vec::new(),
        }
    }

    /// The stream of that name in a folder, in any case.
    pub(in super::super) fn find(&self, folder: &str, name: &str) -> Option<&Entry> {
        let key = (folder.to_owned(), name.to_lowercase());
        self.entries.get(*self.streams.get(&key)?)
    }
}

fn name_of(record: &[u8]) -> String {
    let length = u16_at(record, 64).map_or(0, |length| usize::from(length).min(64));
    utf16(record.get(..length).unwrap_or_default())
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|field| u32_at(field, 0))
}

/// A compound file with these streams, as tests need it; folders are made as needed.
#[cfg(test)]
pub(in super::super) fn write(streams: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    for (path, content) in streams {
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(f, _)| !f.is_empty()) {
            file.create_storage_all(folder).unwrap();
        }
        file.create_stream(path)
            .unwrap()
            .write_all(content)
            .unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;

    fn sample() -> Vec<u8> {
        let counting = |size: u32| (0..size).map(|i| (i % 251) as u8).collect();
        write(&[
            ("/small", counting(10)),
            ("/a/large", counting(100_000)),
            ("/a/b/middle", counting(5000)),
        ])
    }

    #[test]
    fn streams_of_every_size_are_read_with_their_folders() {
        let bytes = sample();
        let mut examination = Examination::new(&Bounds::default());
        let file = Compound::open(&bytes, &mut examination).unwrap();
        for (folder, name, size) in [
            ("", "SMALL", 10),
            ("a/", "large", 100_000),
            ("a/b/", "middle", 5000),
        ] {
            let entry = file.find(folder, name).unwrap();
            let content = file.read(entry, &mut examination);
            let expected: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
            assert!(content == expected, "{name}");
        }
    }

    #[test]
    fn damage_and_circles_end() {
        let bytes = sample();
        let started = std::time::Instant::now();
        let mut seed = 1_u32;
        for _ in 0..3000 {
            let mut damaged = bytes.clone();
            for _ in 0..8 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // The header, the tables and the directory are where it hurts.
                let at = match seed >> 30 {
                    0 => (seed >> 8) as usize % 512,
                    _ => (seed >> 8) as usize % damaged.len(),
                };
                damaged[at] = [0, 0xff, (seed >> 3) as u8][(seed >> 5) as usize % 3];
            }
            let mut examination = Examination::new(&Bounds::default());
            if let Some(file) = Compound::open(&damaged, &mut examination) {
                for entry in &file.entries {
                    assert!(file.read(entry, &mut examination).len() <= damaged.len());
                }
            }
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
