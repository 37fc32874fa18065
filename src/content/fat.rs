//! Images of FAT volumes (12, 16 and 32 bits, long names), alone or as a partition of a disk. Windows mounts them as it
//! does ISO images. NTFS and exFAT are recognised and not read.

use std::collections::HashSet;

use super::archive::{Body, Container, Entry};
use super::bytes::{len16, len32, slice, u8_at, u16_at, u32_at};
use super::flag::{FileFlag, FileFlags};
use super::name;

/// Folders that are read.
const FOLDERS: usize = 10_000;
/// Bytes of one folder that are read.
const FOLDER_BYTES: usize = 4 << 20;

/// A volume.
struct Volume<'b> {
    bytes: &'b [u8],
    table: usize,
    bits: u8,
    cluster: usize,
    clusters: usize,
    data: usize,
    /// The root folder of 12 and 16 bits.
    root: Option<(usize, usize)>,
    root_cluster: usize,
}

impl<'b> Volume<'b> {
    fn read(bytes: &'b [u8]) -> Option<Volume<'b>> {
        let sector = len16(bytes, 11).filter(|s| matches!(s, 512 | 1024 | 2048 | 4096))?;
        let per_cluster = usize::from(u8_at(bytes, 13)?);
        if !per_cluster.is_power_of_two() {
            return None;
        }
        let reserved = len16(bytes, 14)?;
        let tables = usize::from(u8_at(bytes, 16)?);
        let roots = len16(bytes, 17)?;
        let sectors = len16(bytes, 19).filter(|s| *s > 0).or(len32(bytes, 32))?;
        let table_sectors = len16(bytes, 22).filter(|s| *s > 0).or(len32(bytes, 36))?;
        if reserved == 0 || tables == 0 || table_sectors == 0 {
            return None;
        }
        let root_at = reserved.checked_add(tables.checked_mul(table_sectors)?)?;
        let root_sectors = (roots * 32).div_ceil(sector);
        let first = root_at.checked_add(root_sectors)?;
        let clusters = sectors.checked_sub(first)? / per_cluster;
        let bits = match clusters {
            0..4085 => 12,
            4085..65525 => 16,
            _ => 32,
        };
        Some(Volume {
            bytes,
            table: reserved.checked_mul(sector)?,
            bits,
            cluster: per_cluster * sector,
            clusters,
            data: first.checked_mul(sector)?,
            root: (roots > 0).then_some((root_at.checked_mul(sector)?, roots * 32)),
            root_cluster: len32(bytes, 44)?,
        })
    }

    /// The cluster that follows; `None` at the end of a file.
    fn next(&self, cluster: usize) -> Option<usize> {
        let next = match self.bits {
            12 => {
                let pair = u16_at(self.bytes, self.table + cluster + cluster / 2)?;
                usize::from(if cluster % 2 == 1 {
                    pair >> 4
                } else {
                    pair & 0xfff
                })
            }
            16 => len16(self.bytes, self.table + cluster * 2)?,
            _ => {
                usize::try_from(u32_at(self.bytes, self.table + cluster * 4)? & 0x0fff_ffff).ok()?
            }
        };
        (2..self.clusters + 2).contains(&next).then_some(next)
    }

    /// The bytes of a file or folder that starts at a cluster, up to `most`, and whether all of them are there.
    fn content(&self, start: usize, most: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut cluster = (2..self.clusters + 2).contains(&start).then_some(start);
        // A chain that runs in a circle ends here too: no file is larger than its volume.
        for _ in 0..self.clusters.min(self.bytes.len() / self.cluster) {
            let Some(at) = cluster.filter(|_| out.len() < most) else {
                break;
            };
            let place = (at - 2)
                .checked_mul(self.cluster)
                .and_then(|p| p.checked_add(self.data));
            let Some(bytes) = place.and_then(|p| slice(self.bytes, p, self.cluster)) else {
                break;
            };
            out.extend_from_slice(bytes);
            cluster = self.next(at);
        }
        let whole = out.len() >= most;
        out.truncate(most);
        (out, whole)
    }
}

/// Opens an image.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let volume = Volume::read(bytes).or_else(|| {
        // A table of partitions: the first that is a FAT volume.
        (0..4).find_map(|number| {
            let start = len32(bytes, 446 + 16 * number + 8)?.checked_mul(512)?;
            Volume::read(bytes.get(start..)?).filter(|_| start > 0)
        })
    });
    let Some(volume) = volume else {
        into.flag(FileFlag::Unopened);
        return;
    };
    let mut seen = HashSet::new();
    let mut folders = vec![(String::new(), None)];
    while let Some((path, cluster)) = folders.pop() {
        let records = match (cluster, volume.root) {
            (None, Some((place, length))) => {
                super::bytes::up_to(volume.bytes, place, length).to_vec()
            }
            (None, None) => volume.content(volume.root_cluster, FOLDER_BYTES).0,
            (Some(cluster), _) => volume.content(cluster, FOLDER_BYTES).0,
        };
        let mut long = LongName::default();
        for record in records.chunks_exact(32) {
            if into.goes_on().is_break() {
                return;
            }
            let attributes = u8_at(record, 11).unwrap_or_default();
            match record.first() {
                None | Some(0) => break,
                Some(0xe5) => {
                    long = LongName::default();
                    continue;
                }
                _ if attributes & 0x3f == 0x0f => {
                    long.add(record);
                    continue;
                }
                _ => {}
            }
            let long = std::mem::take(&mut long).text();
            if attributes & 8 != 0 || record.starts_with(b".") {
                continue;
            }
            let short = short_name(record);
            let own = long.unwrap_or(short);
            let name = match path.is_empty() {
                true => own,
                false => format!("{path}/{own}"),
            };
            let high = if volume.bits == 32 {
                len16(record, 20)
            } else {
                Some(0)
            };
            let start = len16(record, 26).unwrap_or_default() | high.unwrap_or_default() << 16;
            if attributes & 0x10 != 0 {
                if seen.len() < FOLDERS && seen.insert(start) && name.len() < 4096 {
                    folders.push((name, Some(start)));
                }
                continue;
            }
            let size = len32(record, 28).unwrap_or_default();
            let (content, whole) = volume.content(start, size);
            let mut flags = FileFlags::default();
            flags.add_if(!whole, FileFlag::Truncated);
            let entry = Entry {
                name,
                size: Some(size as u64),
                flags,
                ..Entry::default()
            };
            if into.add(entry, Body::Owned(content)).is_break() {
                return;
            }
        }
    }
}

/// `NAME    EXE` as it is shown.
fn short_name(record: &[u8]) -> String {
    let field = |from: usize, to: usize| {
        name::unlabelled(record.get(from..to).unwrap_or_default())
            .trim_end()
            .to_owned()
    };
    let (stem, extension) = (field(0, 8), field(8, 11));
    match extension.is_empty() {
        true => stem,
        false => format!("{stem}.{extension}"),
    }
}

/// A long name, which stands before the short one in pieces, the last first.
#[derive(Default)]
struct LongName(Vec<Vec<u16>>);

impl LongName {
    fn add(&mut self, record: &[u8]) {
        let fields = [1..11, 14..26, 28..32];
        let units = fields.into_iter().flat_map(|field| {
            let bytes = record.get(field).unwrap_or_default();
            bytes.chunks_exact(2).map(|pair| match pair {
                [low, high] => u16::from_le_bytes([*low, *high]),
                _ => 0,
            })
        });
        if self.0.len() < 20 {
            self.0
                .push(units.take_while(|u| !matches!(u, 0 | 0xffff)).collect());
        }
    }

    fn text(self) -> Option<String> {
        let units: Vec<u16> = self.0.into_iter().rev().flatten().collect();
        (!units.is_empty()).then(|| String::from_utf16_lossy(&units))
    }
}
