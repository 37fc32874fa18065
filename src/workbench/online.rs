//! Evaluation in the order in which mail came: each message is judged, then learned, as in the TREC spam track
//! with immediate feedback (Cormack and Lynam 2005).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::filter::bayes::{
    BaselineLearner, Class, EngineKind, Judgement, Learner, Receiving, Sketch,
};
use crate::mail::Mail;

use super::evaluation::{Design, Evaluation, Learnt, Run, join, member};
use super::reading::{Reading, Watch, each};
use super::{Cut, Score, ranked};

/// Points of the learning curve.
const POINTS: usize = 20;

/// The messages of an evaluation, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Class and file, resolved against the folder of the list.
    pub messages: Vec<(Class, PathBuf)>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The list.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line that says something else.
    #[error("{}:{line}: expected a path, a tab, and `ham` or `spam`; found {found:?}", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What stands there, at most 80 characters of it.
        found: String,
    },
    /// A message of the list that is not there.
    #[error("{}:{line}: {}: {error}", path.display(), message.display())]
    Missing {
        /// The list.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// The message.
        message: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No line at all.
    #[error("{}: the list is empty", .0.display())]
    Empty(PathBuf),
}

impl List {
    /// Reads a list: one message a line, path and label separated by a tab. The path may hold tabs itself: the
    /// last one counts. Empty lines are passed over. A file may be an mbox; its messages come in its order.
    ///
    /// # Errors
    /// What cannot be read, or the first line that is not of this form or names a file that is not there.
    pub fn read(path: &Path) -> Result<List, ListError> {
        let text = std::fs::read_to_string(path).map_err(|error| ListError::Io {
            path: path.to_owned(),
            error,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut messages = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
            let parsed = line.rsplit_once('\t').and_then(|(file, label)| {
                let class = match label {
                    "ham" => Class::Ham,
                    "spam" => Class::Spam,
                    _ => return None,
                };
                (!file.is_empty()).then(|| (class, folder.join(file)))
            });
            let (class, message) = parsed.ok_or_else(|| ListError::Line {
                path: path.to_owned(),
                line: number + 1,
                found: line.chars().take(80).collect(),
            })?;
            // A message that is left out would change everything after it.
            std::fs::metadata(&message).map_err(|error| ListError::Missing {
                path: path.to_owned(),
                line: number + 1,
                message: message.clone(),
                error,
            })?;
            messages.push((class, message));
        }
        if messages.is_empty() {
            return Err(ListError::Empty(path.to_owned()));
        }
        Ok(List { messages })
    }
}

/// An engine that learns while it is asked.
enum Pupil {
    Osb(Box<Learner>),
    Bayespam(BaselineLearner),
}

impl Pupil {
    fn new(kind: EngineKind, receiving: &Receiving) -> Pupil {
        match kind {
            EngineKind::Osb => Pupil::Osb(Box::new(Learner::empty().ignoring(receiving.clone()))),
            EngineKind::Bayespam => Pupil::Bayespam(BaselineLearner::empty()),
        }
    }

    fn classify_then_learn(&mut self, mail: &Mail, class: Class) -> Judgement {
        match self {
            Pupil::Osb(learner) => learner.classify_then_learn(mail, class),
            Pupil::Bayespam(learner) => learner.classify_then_learn(mail, class),
        }
    }
}

/// Judges, then learns, each message of the list in its order, by every kind of engine; header fields of `receiving`
/// are not read.
pub fn evaluate(
    list: &List,
    kinds: &[EngineKind],
    receiving: &Receiving,
    (cut, seed): (Cut, u64),
    watch: &mut dyn Watch,
) -> Evaluation {
    let mut members = Vec::new();
    let mut sketches = Vec::new();
    let mut pupils: Vec<(Pupil, Run)> = kinds
        .iter()
        .map(|kind| {
            let run = Run {
                title: kind.name().to_owned(),
                scores: Vec::new(),
                training: None,
                judging: Duration::ZERO,
                learning: Vec::new(),
            };
            (Pupil::new(*kind, receiving), run)
        })
        .collect();
    Reading::new(list.messages.clone()).batches("judging and learning", watch, |batch| {
        let marked = batch
            .into_iter()
            .map(|(class, sample)| (member(class, &sample), sample));
        let parsed = each(marked.collect(), |mail| (Sketch::of_mail(&mail), mail));
        // Order matters within an engine, not between engines.
        pupils.par_iter_mut().for_each(|(pupil, run)| {
            let started = Instant::now();
            for (member, (_, mail)) in &parsed {
                let judgement = pupil.classify_then_learn(mail, member.class);
                run.scores.push(Score {
                    probability: judgement.probability,
                    odds: judgement.odds,
                });
            }
            run.judging += started.elapsed();
        });
        for (member, (sketch, _)) in parsed {
            members.push(member);
            sketches.push(sketch);
        }
    });
    join(&mut members, &sketches);
    let mut evaluation = Evaluation {
        members,
        runs: Vec::new(),
        design: Design::Online,
        cut,
        seed,
    };
    for (_, mut run) in pupils {
        let answers = evaluation.answers(&run.scores);
        run.learning = (1..=POINTS)
            .map(|point| answers.len() * point / POINTS)
            .map(|messages| Learnt {
                messages,
                one_minus_roca: ranked(answers.get(..messages).unwrap_or_default())
                    .one_minus_roca(None),
            })
            .collect();
        evaluation.runs.push(run);
    }
    evaluation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<List, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(
            &path,
            text.replace("DIR", &dir.path().display().to_string()),
        )
        .unwrap();
        for name in ["spam/2.eml", "ham/1\t.eml", "a", "b"] {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        List::read(&path)
            .map_err(|e| e.to_string())
            .map(|mut list| {
                for (_, file) in &mut list.messages {
                    *file = file
                        .strip_prefix(dir.path())
                        .map_or(file.clone(), Path::to_owned);
                }
                list
            })
    }

    #[test]
    fn paths_are_relative_to_the_list_and_keep_their_order() {
        let list = read("spam/2.eml\tspam\nham/1\t.eml\tham\r\n\nDIR/a\tham\n").unwrap();
        assert_eq!(
            list.messages,
            [
                (Class::Spam, "spam/2.eml".into()),
                (Class::Ham, "ham/1\t.eml".into()),
                (Class::Ham, "a".into()),
            ]
        );
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        for text in ["a\tham\nspam b\n", "a\tham\nb\tSPAM\n", "a\tham\n\tham\n"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("list:2: expected a path, a tab"), "{error}");
        }
        assert!(read("\n").unwrap_err().contains("empty"));
        let error = read("a\tham\nc\tspam\n").unwrap_err();
        assert!(
            error.contains("list:2: ") && error.contains("/c: "),
            "{error}"
        );
    }
}
