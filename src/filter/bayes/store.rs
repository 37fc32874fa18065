//! Rows of numbers that are read again and again: in memory as long as they are few, in a file after that.
//!
//! In: rows, one after the other, each known by its place in that order. Out: any of them, by any number of threads. A
//! row is kept ascending, as differences of seven bits a byte, which takes some two bytes a number. Past the bound
//! everything goes to a file without a name in the folder for temporary files (`TMPDIR`), which is gone with the process
//! however that ends. Rows that are gone through many times are unpacked once where they are few. Which of the three it is
//! changes nothing in what is read.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Bytes that are kept in memory.
pub(super) const MEMORY: usize = 256 << 20;
/// Numbers that are kept unpacked at most, 128 MiB.
const UNPACKED: usize = 32 << 20;

/// Rows of numbers.
#[derive(Debug)]
pub(super) struct Store {
    /// Most bytes in memory.
    bound: usize,
    /// What is not in the file yet.
    memory: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    /// Where each row ends.
    ends: Vec<u64>,
    /// Numbers of all rows.
    numbers: usize,
    unpacked: Option<Unpacked>,
    /// The first thing that went wrong.
    failed: OnceLock<io::Error>,
}

impl Store {
    /// An empty store that keeps so many bytes in memory.
    pub(super) fn new(bound: usize) -> Store {
        Store {
            bound,
            memory: Vec::new(),
            file: None,
            written: 0,
            ends: Vec::new(),
            numbers: 0,
            unpacked: None,
            failed: OnceLock::new(),
        }
    }

    /// Appends a row.
    pub(super) fn push(&mut self, row: &Packed) {
        self.memory.extend_from_slice(&row.bytes);
        self.numbers += row.numbers;
        self.ends.push(self.written + self.memory.len() as u64);
        if self.memory.len() >= self.bound {
            self.spill();
        }
    }

    /// Reads a row into `row`. A row that cannot be read is empty, and [`Store::check`] says why.
    pub(super) fn read<T>(&self, index: usize, row: &mut Row<T>)
    where
        T: TryFrom<u64> + Default,
    {
        row.numbers.clear();
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(index).copied().unwrap_or(start);
        if let Some(from) = start.checked_sub(self.written) {
            let to = end.saturating_sub(self.written) as usize;
            unpack(
                self.memory.get(from as usize..to).unwrap_or_default(),
                &mut row.numbers,
            );
            return;
        }
        row.bytes.resize((end - start) as usize, 0);
        let read = match &self.file {
            Some(file) => file.read_exact_at(&mut row.bytes, start),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match read {
            Ok(()) => unpack(&row.bytes, &mut row.numbers),
            Err(error) => {
                let _ = self.failed.set(error);
            }
        }
    }

    /// Unpacks the rows, whose numbers have 32 bits, if they are in memory and few enough. No row can be added after that.
    pub(super) fn unpack(&mut self) {
        if self.file.is_some() || self.numbers > UNPACKED {
            return;
        }
        let mut numbers = Vec::with_capacity(self.numbers);
        let mut ends = Vec::with_capacity(self.ends.len());
        let mut start = 0;
        for end in &self.ends {
            let end = *end as usize;
            unpack(
                self.memory.get(start..end).unwrap_or_default(),
                &mut numbers,
            );
            ends.push(numbers.len());
            start = end;
        }
        self.memory = Vec::new();
        self.unpacked = Some(Unpacked { numbers, ends });
    }

    /// A row, by way of `row` where it is not unpacked. As for [`Store::read`].
    pub(super) fn row<'a>(&'a self, index: usize, row: &'a mut Row<u32>) -> &'a [u32] {
        match &self.unpacked {
            Some(unpacked) => unpacked.row(index),
            None => {
                self.read(index, row);
                &row.numbers
            }
        }
    }

    /// Whether everything was written and read.
    ///
    /// # Errors
    /// The first thing that was not.
    pub(super) fn check(self) -> io::Result<()> {
        self.failed.into_inner().map_or(Ok(()), Err)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn spill(&mut self) {
        let write = |file: &mut Option<File>, bytes: &[u8]| {
            let file = match file {
                Some(file) => file,
                None => file.insert(tempfile::tempfile()?),
            };
            file.write_all(bytes)
        };
        match write(&mut self.file, &self.memory) {
            Ok(()) => self.written += self.memory.len() as u64,
            Err(error) => {
                let _ = self.failed.set(error);
            }
        }
        self.memory.clear();
        // From now on a little at a time.
        self.bound = self.bound.min(8 << 20);
        self.memory.shrink_to(self.bound);
    }
}

/// A row as it is kept.
#[derive(Debug)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    numbers: usize,
}

impl Packed {
    /// Of numbers, which are sorted for it; those that are there twice are kept once.
    pub(super) fn of<T: Copy + Ord + Into<u64>>(numbers: &mut Vec<T>) -> Packed {
        numbers.sort_unstable();
        numbers.dedup();
        let mut bytes = Vec::with_capacity(numbers.len() * 2);
        let mut before = 0;
        for number in numbers.iter() {
            let number: u64 = (*number).into();
            let mut rest = number - before;
            before = number;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        Packed {
            bytes,
            numbers: numbers.len(),
        }
    }
}

/// All rows, one after the other.
#[derive(Debug)]
struct Unpacked {
    numbers: Vec<u32>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl Unpacked {
    fn row(&self, index: usize) -> &[u32] {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let start = start.copied().unwrap_or_default();
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.numbers.get(start..end).unwrap_or_default()
    }
}

/// A row that was read, and room for the next one.
#[derive(Debug, Default)]
pub(super) struct Row<T> {
    /// The numbers, ascending.
    pub(super) numbers: Vec<T>,
    bytes: Vec<u8>,
}

fn unpack<T: TryFrom<u64> + Default>(bytes: &[u8], numbers: &mut Vec<T>) {
    let (mut number, mut difference, mut shift) = (0_u64, 0_u64, 0);
    for byte in bytes {
        difference |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 != 0 {
            shift += 7;
            continue;
        }
        number += difference;
        numbers.push(T::try_from(number).unwrap_or_default());
        (difference, shift) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::logistic::Random;

    #[test]
    fn rows_come_back_from_memory_and_from_the_file_alike() {
        for bound in [usize::MAX, 1_000, 1] {
            let mut random = Random(3);
            let mut store = Store::new(bound);
            let mut rows: Vec<Vec<u64>> = Vec::new();
            for length in 0..200 {
                let bits = random.next() % 64;
                let mut row: Vec<u64> = (0..length).map(|_| random.next() >> bits).collect();
                store.push(&Packed::of(&mut row));
                rows.push(row);
            }
            assert_eq!(store.len(), 200);
            assert_eq!(store.file.is_some(), bound < usize::MAX);
            let mut row = Row::<u64>::default();
            for (index, expected) in rows.iter().enumerate().rev() {
                store.read(index, &mut row);
                assert_eq!(&row.numbers, expected, "row {index}, bound {bound}");
            }
            store.read(200, &mut row);
            assert!(row.numbers.is_empty());
            store.check().unwrap();
        }
    }

    #[test]
    fn unpacked_rows_are_the_same() {
        for bound in [usize::MAX, 100] {
            let mut random = Random(5);
            let mut store = Store::new(bound);
            let mut rows: Vec<Vec<u32>> = Vec::new();
            for length in 0..100 {
                let mut row = (0..length).map(|_| random.next() as u32 >> 8).collect();
                store.push(&Packed::of(&mut row));
                rows.push(row);
            }
            store.unpack();
            assert_eq!(store.unpacked.is_some(), bound == usize::MAX);
            let mut room = Row::default();
            for (index, expected) in rows.iter().enumerate().rev() {
                assert_eq!(store.row(index, &mut room), expected.as_slice());
            }
            assert!(store.row(100, &mut room).is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut store = Store::new(1);
        store.push(&Packed::of(&mut vec![1_u32, 2, 3]));
        store.file.as_ref().unwrap().set_len(0).unwrap();
        let mut row = Row::<u32>::default();
        store.read(0, &mut row);
        assert!(row.numbers.is_empty());
        assert!(store.check().is_err());
    }
}
