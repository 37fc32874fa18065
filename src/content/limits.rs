//! Bounds of opening, and how much of them is used up.
//!
//! Nothing here is asked of a file: sizes, counts and depths are counted as they come out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::FileFlag;

/// Bounds of opening the files of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers in containers: 1 opens attached archives and not the archives in them; 0 opens nothing.
    pub depth: usize,
    /// Files.
    pub files: usize,
    /// Bytes of one unpacked file that are looked at.
    pub file_bytes: usize,
    /// Bytes of all unpacked files together; also the bound on those that wait to be opened themselves.
    pub bytes: usize,
    /// What a container may give out against its own size, from a mebibyte on.
    pub ratio: usize,
    /// Time for one message.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 8,
            files: 5000,
            file_bytes: 32 << 20,
            bytes: 128 << 20,
            ratio: 250,
            time: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Attachments are listed, and nothing is opened.
    pub fn closed() -> Limits {
        Limits {
            depth: 0,
            ..Limits::default()
        }
    }
}

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::files`]
    Files,
    /// [`Limits::file_bytes`]
    FileBytes,
    /// [`Limits::bytes`]
    Bytes,
    /// [`Limits::ratio`]
    Ratio,
    /// Within a document: objects and files of one, or documents in documents.
    Document,
    /// [`Limits::time`], or that nobody waits for the result any more.
    Time,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Limit; 7] = [
        Limit::Depth,
        Limit::Files,
        Limit::FileBytes,
        Limit::Bytes,
        Limit::Ratio,
        Limit::Document,
        Limit::Time,
    ];

    /// The word used in configuration, metrics and explanations.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Depth => "depth",
            Limit::Files => "files",
            Limit::FileBytes => "file_bytes",
            Limit::Bytes => "bytes",
            Limit::Ratio => "ratio",
            Limit::Document => "document",
            Limit::Time => "time",
        }
    }

    /// The flag of the file that it was reached at.
    pub(super) fn flag(self) -> FileFlag {
        match self {
            Limit::Depth => FileFlag::LimitDepth,
            Limit::Files => FileFlag::LimitFiles,
            Limit::FileBytes => FileFlag::LimitFileBytes,
            Limit::Bytes => FileFlag::LimitBytes,
            Limit::Ratio => FileFlag::LimitRatio,
            Limit::Document => FileFlag::LimitDocument,
            Limit::Time => FileFlag::LimitTime,
        }
    }
}

/// What a container may give out however small it is, bytes.
const RATIO_FROM: usize = 1 << 20;

/// Until when the opening may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time<'a> {
    deadline: Instant,
    cancelled: &'a AtomicBool,
}

impl Time<'_> {
    pub(super) fn is_over(self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

/// How much of the limits is used up.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub(super) limits: &'a Limits,
    pub(super) time: Time<'a>,
    unpacked: usize,
}

impl<'a> Budget<'a> {
    /// Nothing is used up yet; `cancelled` ends it at once.
    pub(super) fn new(limits: &'a Limits, cancelled: &'a AtomicBool) -> Budget<'a> {
        Budget {
            limits,
            time: Time {
                deadline: Instant::now() + limits.time,
                cancelled,
            },
            unpacked: 0,
        }
    }

    /// Bytes that may still be unpacked.
    pub(super) fn left(&self) -> usize {
        self.limits.bytes.saturating_sub(self.unpacked)
    }

    /// Whether the time is over.
    pub(super) fn check_time(&self) -> Result<(), Limit> {
        if self.time.is_over() {
            Err(Limit::Time)
        } else {
            Ok(())
        }
    }

    /// So many bytes more were unpacked from a container of `packed` bytes that had given `given` before.
    pub(super) fn unpack(
        &mut self,
        bytes: usize,
        packed: usize,
        given: usize,
    ) -> Result<(), Limit> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.limits.bytes {
            return Err(Limit::Bytes);
        }
        let most = packed.saturating_mul(self.limits.ratio).max(RATIO_FROM);
        if given.saturating_add(bytes) > most {
            return Err(Limit::Ratio);
        }
        self.check_time()
    }
}
