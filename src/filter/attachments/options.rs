//! The `attachments` section of the configuration.

use std::num::NonZero;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{ByteSize, Findings, Problems, Seconds, Source, unwritten};
use crate::content::Limits;
use crate::filter::{FailureAction, FailurePolicy, OnFailure};

/// Options of the filter; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Containers in containers that are opened, 1 to 32. Default 8.
    pub depth: Spanned<usize>,
    /// Files of one message, 1 to 100000. Default 5000.
    pub files: Spanned<usize>,
    /// Bytes of one unpacked file that are looked at, 64KiB to 1GiB. Default 32MiB.
    pub file_bytes: Spanned<ByteSize>,
    /// Bytes of all unpacked files of a message together, 64KiB to 4GiB. Default 128MiB.
    pub bytes: Spanned<ByteSize>,
    /// What a container may give out against its own size, 2 to 100000, from 1MiB on. Default 250.
    pub ratio: Spanned<usize>,
    /// Time for one message, 100ms to 120s. Default 5s.
    pub time: Spanned<Seconds>,
    /// Messages that are opened at one time, 1 to 1024. Default: one for each processor.
    pub concurrent: Option<Spanned<usize>>,
    /// What becomes of a message of which not everything was seen. Default: deliver, for every reason.
    pub on_failure: OnFailure,
}

impl Default for Options {
    fn default() -> Self {
        let limits = Limits::default();
        Options {
            depth: unwritten(limits.depth),
            files: unwritten(limits.files),
            file_bytes: unwritten(ByteSize(limits.file_bytes as u64)),
            bytes: unwritten(ByteSize(limits.bytes as u64)),
            ratio: unwritten(limits.ratio),
            time: unwritten(Seconds(limits.time)),
            concurrent: None,
            on_failure: OnFailure::default(),
        }
    }
}

impl Options {
    /// Limits, messages at one time, and what becomes of those that were not seen as a whole.
    pub(super) fn check(
        &self,
        source: &Source,
    ) -> Result<(Limits, usize, FailurePolicy), Problems> {
        let mut findings = Findings::new(source);
        findings.within(&self.depth, 1, 32, "containers in containers");
        findings.within(&self.files, 1, 100_000, "files");
        let least = ByteSize(64 << 10);
        findings.within(&self.file_bytes, least, ByteSize::mib(1 << 10), "");
        findings.within(&self.bytes, least, ByteSize::mib(4 << 10), "");
        findings.within(&self.ratio, 2, 100_000, "times its size");
        findings.within(&self.time, Seconds::millis(100), Seconds::new(120), "");
        if self.bytes.value < self.file_bytes.value {
            findings.wrong_with_help(
                &self.bytes,
                "`bytes` is smaller than `file_bytes`, so no file could be that large",
                "lower `file_bytes` too",
            );
        }
        if let Some(concurrent) = &self.concurrent {
            findings.within(concurrent, 1, 1024, "messages");
        }
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let concurrent = self.concurrent.as_ref().map_or(processors, |c| c.value);
        let limits = Limits {
            depth: self.depth.value,
            files: self.files.value,
            file_bytes: self.file_bytes.value.bytes(),
            bytes: self.bytes.value.bytes(),
            ratio: self.ratio.value,
            time: self.time.value.0,
        };
        findings.finish((
            limits,
            concurrent,
            self.on_failure.over(FailureAction::Deliver),
        ))
    }
}
