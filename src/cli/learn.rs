//! `mailweir learn`: what people say of single messages, after the training.
//!
//! Each message becomes a lesson in the journal beside the model, durable before this command ends. The daemon
//! need not run; several of these commands may run at once. A person's word outranks what the filter learned by
//! itself, and the last word of a person holds.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::Bytes;

use super::progress::Progress;
use crate::config::Config;
use crate::filter::bayes::{Class, Lesson, TeachError, Teacher, Teaching};
use crate::mail::corpus::{MESSAGE_BYTES, Sample};
use crate::mail::{Limits, Mail};
use crate::printable::printable_path;
use crate::workbench::reading::{Reading, each};

/// Arguments of `mailweir learn`.
#[derive(Clone, Debug, clap::Args)]
pub struct LearnArgs {
    /// What the messages are; `forget` makes it as if they had never been learned
    #[arg(value_enum)]
    what: What,
    /// Messages, folders of them, Maildirs or mboxes, packed by gzip or not
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Ham,
    Spam,
    Forget,
}

/// `EX_TEMPFAIL` of sysexits.h: who gave the message keeps it and tries again.
const TRY_AGAIN: u8 = 75;

/// Learns, and says how much.
///
/// # Errors
/// What cannot be read or written.
pub(super) fn run(args: &LearnArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let bayes = &config.file.bayes;
    let path = bayes.model_path(&config.base, &config.data_dir);
    let standard_input = matches!(args.paths.as_slice(), []) || args.paths == [Path::new("-")];
    let teacher = Teacher::of_file(&path, bayes.engine).map_err(anyhow::Error::from);
    let done = teacher.and_then(|teacher| {
        let what = args.what;
        let lessons = Lessons { teacher, what };
        if standard_input {
            lessons.learn_input().map(|()| ExitCode::SUCCESS)
        } else {
            lessons.learn_paths(&args.paths)
        }
    });
    match done {
        Err(error) if standard_input => {
            eprintln!("mailweir: {error:#}");
            Ok(ExitCode::from(TRY_AGAIN))
        }
        done => done,
    }
}

struct Lessons {
    teacher: Teacher,
    what: What,
}

impl Lessons {
    fn lesson(&self, mail: &Mail) -> Result<Lesson, TeachError> {
        let teaching = match self.what {
            What::Ham => Teaching::Learn(Class::Ham),
            What::Spam => Teaching::Learn(Class::Spam),
            What::Forget => Teaching::Forget,
        };
        self.teacher.lesson(mail, teaching)
    }

    fn learn_input(&self) -> anyhow::Result<()> {
        let mut raw = Vec::new();
        io::stdin()
            .lock()
            .take(MESSAGE_BYTES as u64 + 1)
            .read_to_end(&mut raw)
            .context("cannot read standard input")?;
        if raw.len() > MESSAGE_BYTES {
            bail!("the message is longer than {} MiB", MESSAGE_BYTES >> 20);
        }
        if raw.iter().all(u8::is_ascii_whitespace) {
            bail!("there is no message on standard input");
        }
        let mut raw = Bytes::from(raw);
        // The separator that a pipe transport may put in front.
        if raw.starts_with(b"From ") {
            let end = memchr::memchr(b'\n', &raw).map_or(raw.len(), |i| i + 1);
            raw = raw.slice(end..);
        }
        let mail = Mail::parse(raw, &Limits::default());
        Ok(self.teacher.keep(&[self.lesson(&mail)?])?)
    }

    fn learn_paths(&self, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
        for path in paths {
            std::fs::metadata(path)
                .with_context(|| format!("cannot read {}", printable_path(path)))?;
        }
        let mut progress = Progress::new();
        let mut learned = 0;
        let mut failed = None;
        let mut reading = Reading::new(paths.iter().map(|p| ((), p.clone())).collect());
        reading.batches("learning", &mut progress, |batch: Vec<((), Sample)>| {
            if failed.is_some() {
                return;
            }
            let lessons = each(batch, |mail| self.lesson(&mail));
            let lessons: Result<Vec<Lesson>, TeachError> =
                lessons.into_iter().map(|(_, lesson)| lesson).collect();
            match lessons.and_then(|lessons| self.teacher.keep(&lessons).map(|()| lessons.len())) {
                Ok(count) => learned += count,
                Err(error) => failed = Some(error),
            }
        });
        progress.end();
        let mut out = io::stdout().lock();
        let what = match self.what {
            What::Ham => "learned as ham",
            What::Spam => "learned as spam",
            What::Forget => "to be forgotten",
        };
        writeln!(out, "{learned} messages {what}")?;
        match failed {
            Some(error) => Err(error.into()),
            None if progress.left_out > 0 => Ok(ExitCode::FAILURE),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
