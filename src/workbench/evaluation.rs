//! Engines and models, asked about messages that they have not learned, side by side.
//!
//! Every message is judged once by each contender, and each contender judges the same messages in the same
//! order, so that they can be compared pair by pair. Two designs are here: *cross-validation* trains engines
//! on all folds but one and asks them about that one; *held out* asks finished models. A third, in the order
//! in which mail came, is in [`online`](super::online).
//!
//! Messages are read from disk anew for each training, so that what is in memory does not grow with
//! the number of folds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::filter::bayes::{
    Class, Engine, EngineKind, Facts, Ranking, Receiving, Sketch, TrainError, Trained, Trainer,
    clusters,
};
use crate::mail::Mail;
use crate::mail::corpus::Sample;

use super::bootstrap::{DRAWS, Draws};
use super::figures::{Difference, Figures};
use super::folds::{folds, shares};
use super::reading::{Reading, Watch, by_class, each};
use super::{Answer, Cut, Score, ranked};

/// Where a message is: its file, and its number in an mbox. To be escaped where it is shown.
pub type Name = (PathBuf, Option<usize>);

/// One message of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What it is.
    pub class: Class,
    /// Where it is.
    pub name: Name,
    /// BLAKE3 digest of its bytes.
    pub digest: [u8; 32],
    /// The index of the first of the messages that are nearly the same as this.
    pub cluster: usize,
}

/// How the messages were kept from those that judge them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "design")]
pub enum Design {
    /// Each of so many folds was judged by what the others taught.
    Folds {
        /// How many.
        folds: usize,
    },
    /// Finished models; that they have not learned these messages is the caller's word.
    HeldOut,
    /// In order: judged, then learned.
    Online,
}

impl Design {
    /// One sentence for people.
    pub fn explained(&self) -> String {
        match self {
            Design::Folds { folds } => format!(
                "{folds} folds, each judged by what the others taught, near copies in one fold."
            ),
            Design::HeldOut => {
                "Finished models, on messages that they must not have learned.".into()
            }
            Design::Online => "In the order given, each message judged, then learned.".into(),
        }
    }
}

/// How well a contender does after learning a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Learnt {
    /// Messages that had been learned.
    pub messages: usize,
    /// 1-ROCA of the messages judged at this point, percent; `None` while a class is missing.
    pub one_minus_roca: Option<f64>,
}

/// The answers of one contender.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is called: an engine, or the file of a model.
    pub title: String,
    /// Its answers, in the order of the members.
    pub scores: Vec<Score>,
    /// Training: messages learned, all folds together, and how long that took.
    pub training: Option<(usize, Duration)>,
    /// How long judging took, reading and parsing included, on all cores.
    pub judging: Duration,
    /// The learning curve; empty where nothing was learned.
    pub learning: Vec<Learnt>,
}

/// The answers of all contenders.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The messages.
    pub members: Vec<Member>,
    /// The contenders.
    pub runs: Vec<Run>,
    /// How it was done.
    pub design: Design,
    /// What counts as spam.
    pub cut: Cut,
    /// Seed of folds, training and draws.
    pub seed: u64,
}

/// The figures of an evaluation: each contender's own, and each against the first.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Title and figures, in the order of the runs.
    pub runs: Vec<(String, Figures)>,
    /// Title and difference from the first, for all but the first.
    pub differences: Vec<(String, Difference)>,
}

/// Options of cross-validation.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Parts, each of which is judged by what the others taught; 2 or more.
    pub folds: usize,
    /// Seed of folds and training.
    pub seed: u64,
    /// Whether to train on an eighth, a quarter and a half too.
    pub learning: bool,
    /// The header fields that are not read.
    pub receiving: Receiving,
}

/// Shares of the corpus for the learning curve, beside all of it.
const PARTS: [f64; 3] = [0.125, 0.25, 0.5];

/// Reads all messages and puts near copies together.
pub fn survey(reading: &mut Reading<Class>, watch: &mut dyn Watch) -> Vec<Member> {
    let (mut members, sketches): (Vec<Member>, Vec<Sketch>) = reading
        .map("reading", watch, |class, sample, mail| {
            (member(class, sample), Sketch::of_mail(mail))
        })
        .into_iter()
        .unzip();
    join(&mut members, &sketches);
    members
}

/// A message that is alone so far.
pub(super) fn member(class: Class, sample: &Sample) -> Member {
    Member {
        class,
        name: (sample.path.clone(), sample.number),
        digest: *blake3::hash(&sample.raw).as_bytes(),
        cluster: 0,
    }
}

/// Enters the cluster of each member.
pub(super) fn join(members: &mut [Member], sketches: &[Sketch]) {
    for (member, cluster) in members.iter_mut().zip(clusters(sketches.iter())) {
        member.cluster = cluster;
    }
}

/// What an engine says of a message.
pub(super) fn score(engine: &Engine, mail: &Mail) -> Score {
    let judgement = engine.judge(mail, usize::MAX, 0);
    Score {
        probability: judgement.probability,
        odds: judgement.odds,
    }
}

impl Evaluation {
    /// Asks finished models, by title, about all messages.
    pub fn held_out(
        reading: &mut Reading<Class>,
        models: &[(String, Engine)],
        (cut, seed): (Cut, u64),
        watch: &mut dyn Watch,
    ) -> Evaluation {
        let members = survey(reading, watch);
        let mut evaluation = Evaluation {
            members,
            runs: Vec::new(),
            design: Design::HeldOut,
            cut,
            seed,
        };
        evaluation.ask(reading, models, watch);
        evaluation
    }

    /// What training itself found out, fold by fold; `None` where the corpus was too small for it.
    pub fn of_training(trained: &Trained) -> Option<Evaluation> {
        let judged = &trained.evaluation.as_ref()?.judged;
        let mut first: HashMap<usize, usize> = HashMap::new();
        let members = judged.iter().enumerate().map(|(index, j)| Member {
            class: j.class,
            name: j.name.clone(),
            digest: [0; 32],
            cluster: *first.entry(j.cluster).or_insert(index),
        });
        let scores = judged.iter().map(|j| Score {
            probability: j.probability,
            odds: j.odds,
        });
        let engine = &trained.engine;
        Some(Evaluation {
            members: members.collect(),
            runs: vec![Run {
                title: engine.kind().name().to_owned(),
                scores: scores.collect(),
                training: None,
                judging: Duration::ZERO,
                learning: Vec::new(),
            }],
            design: Design::Folds { folds: 5 },
            cut: Cut::default(),
            seed: engine.facts().seed,
        })
    }

    /// Adds the answers of finished models.
    pub fn ask(
        &mut self,
        reading: &mut Reading<Class>,
        models: &[(String, Engine)],
        watch: &mut dyn Watch,
    ) {
        for (title, engine) in models {
            let started = Instant::now();
            let scores = reading.map("judging", watch, |_, _, mail| score(engine, mail));
            self.runs.push(Run {
                title: title.clone(),
                scores,
                training: None,
                judging: started.elapsed(),
                learning: Vec::new(),
            });
        }
    }

    /// Trains each kind of engine on all folds but one and asks it about that one, for every fold.
    ///
    /// # Errors
    /// When the messages that are left to learn from lack a class.
    pub fn cross_validated(
        reading: &mut Reading<Class>,
        kinds: &[EngineKind],
        options: Validation,
        cut: Cut,
        watch: &mut dyn Watch,
    ) -> Result<Evaluation, TrainError> {
        let members = survey(reading, watch);
        let folds_of = folds(&members, options.folds, options.seed);
        let share_of = shares(&members, options.seed);
        let mut evaluation = Evaluation {
            runs: Vec::new(),
            members,
            design: Design::Folds {
                folds: options.folds,
            },
            cut,
            seed: options.seed,
        };
        for kind in kinds {
            let mut run = Run {
                title: kind.name().to_owned(),
                scores: Vec::new(),
                training: None,
                judging: Duration::ZERO,
                learning: Vec::new(),
            };
            let of = (*kind, &options.receiving);
            if options.learning {
                for part in PARTS {
                    let chosen = |i: usize| share_of.get(i).is_some_and(|s| *s < part);
                    // A part may lack a class where the whole does not; then the curve begins later.
                    let trained = evaluation.fold_by_fold(reading, of, &folds_of, &chosen, watch);
                    if let Ok(trained) = trained {
                        run.learning.push(evaluation.learnt(&trained));
                    }
                }
            }
            let whole = evaluation.fold_by_fold(reading, of, &folds_of, &|_| true, watch)?;
            if options.learning {
                run.learning.push(evaluation.learnt(&whole));
            }
            run.training = Some((whole.learned, whole.training));
            run.judging = whole.judging;
            run.scores = whole.scores;
            evaluation.runs.push(run);
        }
        Ok(evaluation)
    }

    fn fold_by_fold(
        &self,
        reading: &mut Reading<Class>,
        (kind, receiving): (EngineKind, &Receiving),
        fold_of: &[usize],
        chosen: &dyn Fn(usize) -> bool,
        watch: &mut dyn Watch,
    ) -> Result<Crossed, TrainError> {
        let Design::Folds { folds } = self.design else {
            return Ok(Crossed::default());
        };
        let silent = Score {
            probability: 0.5,
            odds: 0.0,
        };
        let mut crossed = Crossed {
            scores: vec![silent; self.members.len()],
            folds,
            ..Crossed::default()
        };
        for fold in 0..folds {
            let started = Instant::now();
            let mut trainer = Trainer::new(kind).ignoring(receiving.clone());
            let mut next = 0;
            let what = format!("{} fold {}/{folds}, learning", kind.name(), fold + 1);
            reading.batches(&what, watch, |batch| {
                let first = next;
                next += batch.len();
                let learned = batch
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| fold_of.get(first + i) != Some(&fold) && chosen(first + i));
                for (class, samples) in by_class(learned.map(|(_, of)| of)) {
                    crossed.learned += samples.len();
                    trainer.learn(class, samples);
                }
            });
            let trained = trainer.finish(Facts {
                seed: self.seed,
                ..Facts::default()
            })?;
            crossed.training += started.elapsed();
            let started = Instant::now();
            let what = format!("{} fold {}/{folds}, judging", kind.name(), fold + 1);
            let mut next = 0;
            reading.batches(&what, watch, |batch| {
                let first = next;
                next += batch.len();
                let asked: Vec<(usize, Sample)> = batch
                    .into_iter()
                    .enumerate()
                    .map(|(i, (_, sample))| (first + i, sample))
                    .filter(|(i, _)| fold_of.get(*i) == Some(&fold))
                    .collect();
                for (index, answer) in each(asked, |mail| score(&trained.engine, &mail)) {
                    if let Some(place) = crossed.scores.get_mut(index) {
                        *place = answer;
                    }
                }
            });
            crossed.judging += started.elapsed();
        }
        Ok(crossed)
    }

    fn learnt(&self, crossed: &Crossed) -> Learnt {
        Learnt {
            messages: crossed.learned / crossed.folds.max(1),
            one_minus_roca: ranked(&self.answers(&crossed.scores)).one_minus_roca(None),
        }
    }

    /// Messages of a class.
    pub fn count(&self, class: Class) -> usize {
        self.members.iter().filter(|m| m.class == class).count()
    }

    /// Messages that are nearly the same as one before them.
    pub fn near_copies(&self) -> usize {
        let copies = self.members.iter().enumerate();
        copies.filter(|(i, m)| *i != m.cluster).count()
    }

    /// The answers of a run, with what the messages are.
    pub fn answers(&self, scores: &[Score]) -> Vec<Answer> {
        self.members
            .iter()
            .zip(scores)
            .map(|(member, score)| Answer {
                class: member.class,
                score: *score,
                unit: member.cluster,
            })
            .collect()
    }

    /// All figures of all contenders.
    pub fn compare(&self) -> Comparison {
        let all: Vec<(Vec<Answer>, Ranking)> = self
            .runs
            .iter()
            .map(|run| {
                let answers = self.answers(&run.scores);
                let ranking = ranked(&answers);
                (answers, ranking)
            })
            .collect();
        let draws = Draws::new(
            all.first().map_or(&[], |(answers, _)| answers),
            DRAWS,
            self.seed,
        );
        let title = |index: usize| self.runs.get(index).map_or("", |r| &r.title).to_owned();
        let figures = all.iter().enumerate().map(|(i, (answers, ranking))| {
            (title(i), Figures::of(answers, ranking, self.cut, &draws))
        });
        let differences = all.iter().enumerate().skip(1).filter_map(|(i, other)| {
            let first = all.first()?;
            let difference =
                Difference::between((&first.0, &first.1), (&other.0, &other.1), self.cut, &draws);
            Some((title(i), difference))
        });
        Comparison {
            runs: figures.collect(),
            differences: differences.collect(),
        }
    }

    /// The messages of a class that a run judged most wrongly, the worst first, with their probability:
    /// mistakes of the engine, or of whoever sorted them.
    pub fn worst(&self, run: &Run, class: Class, most: usize) -> Vec<(&Member, f64)> {
        let mut wrong: Vec<(&Member, Score)> = self
            .members
            .iter()
            .zip(run.scores.iter().copied())
            .filter(|(m, s)| m.class == class && (s.probability > 0.5) == (class == Class::Ham))
            .collect();
        wrong.sort_by(|(a, s), (b, t)| {
            let order = match class {
                Class::Ham => t.odds.total_cmp(&s.odds),
                Class::Spam => s.odds.total_cmp(&t.odds),
            };
            order.then_with(|| a.name.cmp(&b.name))
        });
        wrong.truncate(most);
        wrong.into_iter().map(|(m, s)| (m, s.probability)).collect()
    }
}

/// What one pass over all folds gave.
#[derive(Debug, Default)]
struct Crossed {
    scores: Vec<Score>,
    folds: usize,
    learned: usize,
    training: Duration,
    judging: Duration,
}
