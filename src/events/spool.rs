//! Events that a webhook is owed, on disk: whole lines in files of some megabytes, and how far they were sent.
//!
//! In: lines, in order. Out: batches of lines from where it was left, also after a crash: a line that was written whole is
//! there again, and one that was sent may be sent again. When all files together reach the bound, the oldest goes.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::options::Hook;
use crate::metrics::Metrics;

/// One file holds so much of the bound.
const PART: u64 = 8;
/// Most bytes of a batch; a line more than that goes alone.
const BATCH_BYTES: usize = 1 << 20;
/// The file that says what was sent.
const SENT: &str = "sent";

/// The spool.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    bound: u64,
    state: Mutex<State>,
    /// Told when there is more.
    grown: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// Files that are not sent as a whole: number and bytes, oldest first. The last one is written to.
    files: VecDeque<(u64, u64)>,
    /// The last file, once it is open.
    open: Option<fs::File>,
    /// Sent of the first file, bytes.
    sent: u64,
}

/// Lines, and up to where they go.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    /// Without their ends.
    pub(super) lines: Vec<Vec<u8>>,
    file: u64,
    end: u64,
}

impl Spool {
    /// Opens the folder, or makes it. What an earlier daemon has left is found.
    pub(super) fn open(hook: &Hook, metrics: Arc<Metrics>) -> io::Result<Spool> {
        let folder = hook.folder.clone();
        let named = |e: io::Error| {
            let shown = folder.display();
            io::Error::new(e.kind(), format!("cannot use {shown} for events: {e}"))
        };
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(named)?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&folder).map_err(named)? {
            let entry = entry.map_err(named)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".jsonl"));
            if let Some(number) = number.and_then(|n| n.parse::<u64>().ok()) {
                numbers.push((number, entry.metadata().map_err(named)?.len()));
            }
        }
        numbers.sort_unstable();
        let mut state = State {
            files: numbers.into(),
            ..State::default()
        };
        // What is not readable there is not known to be sent.
        let sent = fs::read_to_string(folder.join(SENT)).unwrap_or_default();
        let mut sent = sent.split_ascii_whitespace().map(|n| n.parse::<u64>().ok());
        if let (Some(Some(file)), Some(Some(bytes))) = (sent.next(), sent.next()) {
            while let Some((number, length)) = state.files.front().copied() {
                if number > file || number == file && bytes < length {
                    state.sent = if number == file { bytes } else { 0 };
                    break;
                }
                state.files.pop_front();
                remove(&folder, number);
            }
            // A new file must come behind what was sent.
            if state.files.is_empty() {
                state.files.push_back((file + 1, 0));
            }
        }
        let next = state.files.back().map_or(1, |(number, _)| number + 1);
        // A line may be torn at the end of what is there, so nothing is appended to it.
        if state.files.back().is_none_or(|(_, length)| *length > 0) {
            state.files.push_back((next, 0));
        }
        let bound = hook.spool_bytes;
        let limit = i64::try_from(bound).unwrap_or(i64::MAX);
        metrics.events_waiting_limit.set(limit);
        let spool = Spool {
            folder,
            bound,
            state: Mutex::new(state),
            grown: Notify::new(),
            metrics,
        };
        spool.show(&spool.lock());
        Ok(spool)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends whole lines.
    pub(super) fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let full = state
            .files
            .back()
            .is_some_and(|(_, bytes)| *bytes > 0 && bytes + lines.len() as u64 > self.bound / PART);
        if full {
            let next = state.files.back().map_or(1, |(number, _)| number + 1);
            if let Some(open) = state.open.take() {
                open.sync_data()?;
            }
            state.files.push_back((next, 0));
        }
        while state.bytes() + lines.len() as u64 > self.bound && state.files.len() > 1 {
            self.give_up_oldest(&mut state);
        }
        let appended = append(&self.folder, &mut state, lines);
        self.show(&state);
        drop(state);
        self.grown.notify_one();
        appended
    }

    fn give_up_oldest(&self, state: &mut State) {
        let Some((number, _)) = state.files.pop_front() else {
            return;
        };
        let path = path(&self.folder, number);
        let lost = lines_from(&path, state.sent).unwrap_or(0);
        state.sent = 0;
        remove(&self.folder, number);
        let dropped = &self.metrics.events_dropped;
        dropped.with_label_values(&["webhook"]).inc_by(lost);
        tracing::error!(
            lost,
            "events for the webhook are given up: the spool has reached its bound"
        );
    }

    /// The next lines, at most `most`; `None` where there are none.
    pub(super) fn next(&self, most: usize) -> io::Result<Option<Batch>> {
        loop {
            let (number, length, sent, last) = {
                let state = self.lock();
                let Some((number, length)) = state.files.front().copied() else {
                    return Ok(None);
                };
                (number, length, state.sent, state.files.len() == 1)
            };
            if sent < length
                && let Some(batch) = read(&self.folder, number, sent, length, most)?
            {
                return Ok(Some(batch));
            }
            if last {
                return Ok(None);
            }
            // All of it is sent, but perhaps half a line that a crash has left.
            let mut state = self.lock();
            if state
                .files
                .front()
                .is_some_and(|(first, _)| *first == number)
            {
                state.files.pop_front();
                state.sent = 0;
                remove(&self.folder, number);
                self.show(&state);
            }
        }
    }

    /// A batch was taken.
    pub(super) fn taken(&self, batch: &Batch) -> io::Result<()> {
        {
            let mut state = self.lock();
            // It may have been given up meanwhile.
            if state
                .files
                .front()
                .is_none_or(|(first, _)| *first != batch.file)
            {
                return Ok(());
            }
            state.sent = batch.end;
            self.show(&state);
        }
        let new = self.folder.join("sent.new");
        fs::write(&new, format!("{} {}\n", batch.file, batch.end))?;
        fs::rename(new, self.folder.join(SENT))
    }

    /// Puts what was written on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.lock().open {
            Some(open) => open.sync_data(),
            None => Ok(()),
        }
    }

    /// Waits until something was appended since the last time.
    pub(super) async fn grown(&self) {
        self.grown.notified().await;
    }

    fn show(&self, state: &State) {
        let waiting = state.bytes().saturating_sub(state.sent);
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.metrics.events_waiting.set(waiting);
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.jsonl"))
}

fn remove(folder: &Path, number: u64) {
    if let Err(error) = fs::remove_file(path(folder, number))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(%error, "a file of the spool for events cannot be removed");
    }
}

fn append(folder: &Path, state: &mut State, lines: &[u8]) -> io::Result<()> {
    let Some((number, bytes)) = state.files.back_mut() else {
        return Ok(());
    };
    let open = match &mut state.open {
        Some(open) => open,
        closed => closed.insert(
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path(folder, *number))?,
        ),
    };
    match open.write_all(lines) {
        Ok(()) => {
            *bytes += lines.len() as u64;
            Ok(())
        }
        Err(error) => {
            // Half a line must not stay in front of the next.
            let _ = open.set_len(*bytes);
            state.open = None;
            Err(error)
        }
    }
}

/// Whole lines between two places of a file.
fn read(folder: &Path, number: u64, from: u64, to: u64, most: usize) -> io::Result<Option<Batch>> {
    let mut file = fs::File::open(path(folder, number))?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(io::Read::take(file, to.saturating_sub(from)));
    let mut batch = Batch {
        lines: Vec::new(),
        file: number,
        end: from,
    };
    let mut bytes = 0;
    while batch.lines.len() < most && bytes < BATCH_BYTES {
        let mut line = Vec::new();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            break;
        }
        bytes += length;
        batch.end += length as u64;
        batch.lines.push(line);
    }
    Ok((!batch.lines.is_empty()).then_some(batch))
}

fn lines_from(path: &Path, from: u64) -> io::Result<u64> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut lines = 0;
    for line in BufReader::new(file).split(b'\n') {
        line?;
        lines += 1;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hidden;
    use crate::https::Target;
    use std::time::Duration;

    fn hook(folder: &Path, spool_bytes: u64) -> Hook {
        Hook {
            target: Target {
                tls: false,
                host: "localhost".into(),
                port: 1,
                authority: "localhost:1".into(),
                path: "/".into(),
            },
            secret: Hidden("x".into()),
            ca_file: None,
            timeout: Duration::from_secs(1),
            batch: 10,
            wait: Duration::from_secs(1),
            retry: Duration::from_secs(1),
            spool_bytes,
            folder: folder.to_owned(),
        }
    }

    fn open(folder: &Path, bytes: u64) -> (Spool, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        (
            Spool::open(&hook(folder, bytes), metrics.clone()).unwrap(),
            metrics,
        )
    }

    fn texts(batch: &Batch) -> Vec<String> {
        let lines = batch.lines.iter();
        lines
            .map(|l| String::from_utf8(l.clone()).unwrap())
            .collect()
    }

    #[test]
    fn lines_come_in_order_and_again_until_they_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, metrics) = open(folder.path(), 1 << 20);
        assert_eq!(spool.next(10).unwrap(), None);
        spool.append(b"a\nb\n").unwrap();
        spool.append(b"c\n").unwrap();
        let first = spool.next(2).unwrap().unwrap();
        assert_eq!(texts(&first), ["a", "b"]);
        assert_eq!(
            spool.next(2).unwrap(),
            Some(Batch {
                lines: first.lines.clone(),
                ..first
            })
        );
        let first = spool.next(2).unwrap().unwrap();
        spool.taken(&first).unwrap();
        assert_eq!(texts(&spool.next(2).unwrap().unwrap()), ["c"]);
        assert_eq!(metrics.events_waiting.get(), 2);
        // As after a crash, in the middle of a line.
        let file = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().path());
        let mut files = file.filter(|p| p.extension().is_some());
        let file = files.next().unwrap();
        let mut torn = OpenOptions::new().append(true).open(file).unwrap();
        torn.write_all(b"half").unwrap();
        drop(spool);
        let (spool, _) = open(folder.path(), 1 << 20);
        spool.append(b"d\n").unwrap();
        let mut all = Vec::new();
        while let Some(batch) = spool.next(10).unwrap() {
            all.extend(texts(&batch));
            spool.taken(&batch).unwrap();
        }
        assert_eq!(all, ["c", "d"]);
        drop(spool);
        let (spool, metrics) = open(folder.path(), 1 << 20);
        assert_eq!(
            spool.next(10).unwrap(),
            None,
            "nothing is sent twice after an orderly end"
        );
        assert_eq!(metrics.events_waiting.get(), 0);
        spool.append(b"e\n").unwrap();
        assert_eq!(texts(&spool.next(10).unwrap().unwrap()), ["e"]);
    }

    #[test]
    fn past_the_bound_the_oldest_go_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, metrics) = open(folder.path(), 800);
        for number in 0..100 {
            spool.append(format!("{number:09}\n").as_bytes()).unwrap();
            let size: u64 = fs::read_dir(folder.path())
                .unwrap()
                .map(|e| e.unwrap().metadata().unwrap().len())
                .sum();
            assert!(size <= 800, "{size}");
        }
        let mut kept = Vec::new();
        while let Some(batch) = spool.next(1000).unwrap() {
            kept.extend(texts(&batch));
            spool.taken(&batch).unwrap();
        }
        let dropped = metrics.events_dropped.with_label_values(&["webhook"]).get();
        assert_eq!(kept.len() as u64 + dropped, 100);
        assert_eq!(kept.last().map(String::as_str), Some("000000099"));
        assert!(kept.is_sorted() && kept.len() > 50, "{}", kept.len());
    }
}
