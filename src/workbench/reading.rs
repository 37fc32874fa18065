//! Messages of a corpus, a batch at a time: read on a thread of their own, worked on by all cores.
//!
//! Bounded: a batch has at most 512 messages and ends after 32 MiB, and three batches are in memory at most.
//! Results come in the order of reading, whatever the number of cores. What cannot be read is told once
//! and left out. Mail that is read several times must stay the same meanwhile, or messages would be taken for others:
//! [`Reading::unchanged`] says whether it did.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;

use crate::filter::bayes::Class;
use crate::mail::corpus::{Corpus, CorpusError, Sample};
use crate::mail::{Limits, Mail};

/// Messages of a batch at most.
const BATCH: usize = 512;
/// A batch ends with the message that brings it to so many bytes.
const BATCH_BYTES: usize = 32 << 20;

/// Hears how reading goes on.
pub trait Watch {
    /// A pass over files of so many bytes begins.
    fn begin(&mut self, what: &str, bytes: u64);
    /// So many bytes have been read in this pass, and so many more messages.
    fn read(&mut self, bytes: u64, messages: usize);
    /// Something could not be read.
    fn left_out(&mut self, error: &CorpusError);
}

/// A watch that does not care.
impl Watch for () {
    fn begin(&mut self, _: &str, _: u64) {}
    fn read(&mut self, _: u64, _: usize) {}
    fn left_out(&mut self, _: &CorpusError) {}
}

/// Mail that was not the same each time it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mail changed while it was being read again and again, so nothing can be said of it; copy it, and take the copy"
)]
pub struct Changed;

/// Paths with a mark each, usually the class, to be read once or more.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    paths: Vec<(T, PathBuf)>,
    bytes: u64,
    /// Whether it was read once.
    told: bool,
    /// Bytes of each message when it was read first.
    sizes: Vec<usize>,
    changed: bool,
    left_out: HashSet<[u8; 32]>,
    withheld: usize,
}

struct Batch<T> {
    samples: Vec<(T, Sample)>,
    errors: Vec<CorpusError>,
    bytes: u64,
}

impl<T> Batch<T> {
    fn new() -> Batch<T> {
        Batch {
            samples: Vec::new(),
            errors: Vec::new(),
            bytes: 0,
        }
    }
}

impl<T: Copy + Send + Sync> Reading<T> {
    /// The messages under `paths`, in this order. The size of the files is looked up now.
    pub fn new(paths: Vec<(T, PathBuf)>) -> Reading<T> {
        let bytes = paths.iter().map(|(_, p)| Corpus::bytes_under(p)).sum();
        Reading {
            paths,
            bytes,
            told: false,
            sizes: Vec::new(),
            changed: false,
            left_out: HashSet::new(),
            withheld: 0,
        }
    }

    /// From now on leaves out the messages with these digests (BLAKE3).
    pub fn leave_out(&mut self, digests: HashSet<[u8; 32]>) {
        self.left_out = digests;
    }

    /// Messages that the latest pass left out for that reason.
    pub fn withheld(&self) -> usize {
        self.withheld
    }

    /// Whether the mail was the same each time it was read so far, as far as number and sizes of the messages tell.
    ///
    /// # Errors
    /// [`Changed`] when it was not.
    pub fn unchanged(&self) -> Result<(), Changed> {
        if self.changed { Err(Changed) } else { Ok(()) }
    }

    /// Compares a message with the one that was at this place when the mail was read first, and says whether it is to be
    /// read.
    fn meet(&mut self, at: usize, sample: &Sample) -> bool {
        if self.told {
            self.changed |= self.sizes.get(at) != Some(&sample.raw.len());
        } else {
            self.sizes.push(sample.raw.len());
        }
        let withhold = !self.left_out.is_empty()
            && self.left_out.contains(blake3::hash(&sample.raw).as_bytes());
        self.withheld += usize::from(withhold);
        !withhold
    }

    /// The paths.
    pub fn paths(&self) -> &[(T, PathBuf)] {
        &self.paths
    }

    /// Reads everything and gives it to `take`, batch by batch.
    pub fn batches(
        &mut self,
        what: &str,
        watch: &mut dyn Watch,
        mut take: impl FnMut(Vec<(T, Sample)>),
    ) {
        watch.begin(what, self.bytes);
        self.withheld = 0;
        let mut met = 0;
        let paths = self.paths.clone();
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || {
                let mut before = 0;
                let mut batch = Batch::new();
                let mut size = 0;
                for (mark, path) in &paths {
                    let mut corpus = Corpus::new(path);
                    while let Some(read) = corpus.next() {
                        match read {
                            Ok(sample) => {
                                size += sample.raw.len();
                                batch.samples.push((*mark, sample));
                            }
                            Err(error) => batch.errors.push(error),
                        }
                        let full = batch.samples.len().max(batch.errors.len()) >= BATCH;
                        if full || size >= BATCH_BYTES {
                            batch.bytes = before + corpus.bytes_read();
                            size = 0;
                            // Nobody listens only when the taker has panicked.
                            if sender
                                .send(std::mem::replace(&mut batch, Batch::new()))
                                .is_err()
                            {
                                return;
                            }
                        }
                    }
                    before += corpus.bytes_read();
                }
                batch.bytes = before;
                let _ = sender.send(batch);
            });
            for mut batch in receiver {
                let messages = batch.samples.len();
                batch.samples.retain(|(_, sample)| {
                    met += 1;
                    self.meet(met - 1, sample)
                });
                if !self.told {
                    batch.errors.iter().for_each(|e| watch.left_out(e));
                }
                take(batch.samples);
                watch.read(batch.bytes, messages);
            }
        });
        self.changed |= met != self.sizes.len();
        self.told = true;
    }

    /// What `of` makes of each message, on all cores, in the order of reading.
    pub fn map<R: Send>(
        &mut self,
        what: &str,
        watch: &mut dyn Watch,
        of: impl Fn(T, &Sample, &Mail) -> R + Sync,
    ) -> Vec<R> {
        let mut results = Vec::new();
        self.batches(what, watch, |batch| {
            results.par_extend(batch.into_par_iter().map(|(mark, sample)| {
                let mail = Mail::parse(sample.raw.clone(), &Limits::default());
                of(mark, &sample, &mail)
            }));
        });
        results
    }
}

/// A batch by class.
pub fn by_class(batch: impl IntoIterator<Item = (Class, Sample)>) -> [(Class, Vec<Sample>); 2] {
    let (mut ham, mut spam) = (Vec::new(), Vec::new());
    for (class, sample) in batch {
        match class {
            Class::Ham => ham.push(sample),
            Class::Spam => spam.push(sample),
        }
    }
    [(Class::Ham, ham), (Class::Spam, spam)]
}

/// What `of` makes of each message of a batch, on all cores, in the same order.
pub fn each<T: Send, R: Send>(
    batch: Vec<(T, Sample)>,
    of: impl Fn(Mail) -> R + Sync,
) -> Vec<(T, R)> {
    batch
        .into_par_iter()
        .map(|(mark, sample)| (mark, of(Mail::parse(sample.raw, &Limits::default()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard {
        begun: u64,
        read: u64,
        messages: usize,
        left_out: usize,
    }

    impl Watch for Heard {
        fn begin(&mut self, _: &str, bytes: u64) {
            self.begun = bytes;
            self.messages = 0;
        }
        fn read(&mut self, bytes: u64, messages: usize) {
            assert!(bytes >= self.read || messages == 0 || self.messages == 0);
            self.read = bytes;
            self.messages += messages;
        }
        fn left_out(&mut self, _: &CorpusError) {
            self.left_out += 1;
        }
    }

    #[test]
    fn many_messages_come_in_order_and_what_is_missing_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (0..1500)
            .map(|i| format!("From a\nSubject: {i}\n\nbody\n\n"))
            .collect();
        std::fs::write(dir.path().join("box"), text).unwrap();
        let paths = vec![(1, dir.path().join("box")), (2, dir.path().join("none"))];
        let mut reading = Reading::new(paths);
        let mut heard = Heard::default();
        for _ in 0..2 {
            let subjects = reading.map("x", &mut heard, |mark, _, mail| (mark, mail.subject()));
            assert_eq!(subjects.len(), 1500);
            assert!(
                subjects
                    .iter()
                    .enumerate()
                    .all(|(i, s)| *s == (1, i.to_string()))
            );
            assert_eq!(
                (heard.read, heard.messages, heard.left_out),
                (heard.begun, 1500, 1)
            );
        }
    }

    /// Break it by leaving out the comparison of sizes, or of their number.
    #[test]
    fn mail_that_changes_while_it_is_read_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let read = |reading: &mut Reading<()>| reading.batches("x", &mut (), |_| {});
        for change in [("b.eml", "Subject: bb\n\n"), ("d.eml", "Subject: d\n\n")] {
            for name in ["a", "b", "c"] {
                write(&format!("{name}.eml"), &format!("Subject: {name}\n\n"));
            }
            let mut reading = Reading::new(vec![((), dir.path().to_owned())]);
            read(&mut reading);
            read(&mut reading);
            assert_eq!(reading.unchanged(), Ok(()));
            write(change.0, change.1);
            read(&mut reading);
            assert_eq!(reading.unchanged(), Err(Changed), "{change:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_given_and_is_counted_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(dir.path().join(name), format!("Subject: {name}\n\n")).unwrap();
        }
        let mut reading = Reading::new(vec![((), dir.path().to_owned())]);
        reading.leave_out(HashSet::from([*blake3::hash(b"Subject: b\n\n").as_bytes()]));
        for _ in 0..2 {
            let subjects = reading.map("x", &mut (), |(), _, mail| mail.subject());
            assert_eq!(subjects, ["a", "c"]);
            assert_eq!((reading.withheld(), reading.unchanged()), (1, Ok(())));
        }
    }

    #[test]
    fn a_batch_is_bounded_in_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let large = format!("Subject: x\n\n{}\n", "a".repeat(BATCH_BYTES / 3));
        for i in 0..7 {
            std::fs::write(dir.path().join(format!("{i}.eml")), &large).unwrap();
        }
        let mut reading = Reading::new(vec![((), dir.path().to_owned())]);
        let mut sizes = Vec::new();
        reading.batches("x", &mut (), |batch| sizes.push(batch.len()));
        assert_eq!(sizes, [3, 3, 1]);
    }
}
