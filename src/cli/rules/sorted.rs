//! Sorted mail for rules: ham and spam, read once, with what each message says to a set.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::examination::EnvelopeArgs;
use crate::cli::progress::Progress;
use crate::filter::bayes::{Class, Sketch, clusters};
use crate::filter::rules::{Measured, Rule, RuleSet};
use crate::printable::printable_path;
use crate::tuning::{Marked, Scale};
use crate::workbench::evaluation::Member;
use crate::workbench::reading::Reading;

/// Where sorted mail lies.
#[derive(Debug, Args)]
pub(super) struct SortedArgs {
    /// Wanted mail: messages, folders of them, Maildirs or mboxes, packed by gzip or not.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    ham: Vec<PathBuf>,
    /// Spam.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    spam: Vec<PathBuf>,
    #[command(flatten)]
    envelope: EnvelopeArgs,
}

/// What the hits of a set are worth.
pub(super) struct Worth {
    /// The score of each rule; 0 for one that does not count.
    pub(super) scores: Vec<f64>,
    /// The group of each rule.
    pub(super) groups: Vec<Option<usize>>,
    /// Most points of each group.
    pub(super) caps: Vec<f64>,
}

impl Worth {
    /// As the set is.
    pub(super) fn of(set: &RuleSet) -> Worth {
        let counts = |r: &Rule| !r.is_silent() && !r.is_shadow();
        let score = |r: &Rule| if counts(r) { r.score() } else { 0.0 };
        let group = |r: &Rule| {
            let name = set.group_of(r)?.name();
            set.groups().iter().position(|g| g.name() == name)
        };
        Worth {
            scores: set.rules().iter().map(score).collect(),
            groups: set.rules().iter().map(group).collect(),
            caps: set.groups().iter().map(|g| g.cap()).collect(),
        }
    }

    /// For counting.
    pub(super) fn scale(&self) -> Scale<'_> {
        Scale {
            scores: &self.scores,
            groups: &self.groups,
            caps: &self.caps,
        }
    }
}

/// Sorted mail, read.
pub(super) struct Sorted {
    /// The messages, near copies put together.
    pub(super) messages: Vec<Marked>,
    /// Time by rule over all messages, nanoseconds.
    pub(super) nanos: Vec<u64>,
    /// Time for what rules share, nanoseconds.
    pub(super) shared: u64,
    /// Items that could not be read.
    pub(super) left_out: usize,
}

impl Sorted {
    /// How many messages of a class there are.
    pub(super) fn count(&self, class: Class) -> usize {
        let of_class = |m: &&Marked| m.member.class == class;
        self.messages.iter().filter(of_class).count()
    }
}

impl SortedArgs {
    /// Reads everything, asks the rules about it, shows on standard error how that goes on.
    pub(super) fn read(&self, set: &RuleSet) -> anyhow::Result<Sorted> {
        let mut paths: Vec<(Class, PathBuf)> = Vec::new();
        for (class, given) in [(Class::Ham, &self.ham), (Class::Spam, &self.spam)] {
            for path in given {
                std::fs::metadata(path)
                    .with_context(|| format!("cannot read {}", printable_path(path)))?;
                paths.push((class, path.clone()));
            }
        }
        let mut progress = Progress::new();
        let asked =
            Reading::new(paths).map("asking the rules", &mut progress, |class, sample, mail| {
                let envelope = self.envelope.of(&sample.raw);
                let measured: Measured = set.measure(&envelope, mail);
                let points: f64 = set.evaluate(&envelope, mail).iter().map(|h| h.score).sum();
                let member = Member {
                    class,
                    name: (sample.path.clone(), sample.number),
                    digest: *blake3::hash(&sample.raw).as_bytes(),
                    cluster: 0,
                };
                (member, Sketch::of_mail(mail), measured, points)
            });
        progress.end();
        let worth = Worth::of(set);
        let mut sorted = Sorted {
            messages: Vec::with_capacity(asked.len()),
            nanos: vec![0; set.rules().len()],
            shared: 0,
            left_out: progress.left_out,
        };
        let cluster_of = clusters(asked.iter().map(|(_, sketch, ..)| sketch));
        for ((member, _, measured, points), cluster) in asked.into_iter().zip(cluster_of) {
            for (sum, nanos) in sorted.nanos.iter_mut().zip(&measured.nanos) {
                *sum += nanos;
            }
            sorted.shared += measured.shared;
            let hits = measured.hits.iter().enumerate().filter(|(_, hit)| **hit);
            let mut marked = Marked {
                member: Member { cluster, ..member },
                hits: hits.map(|(number, _)| number as u32).collect(),
                rest: 0.0,
            };
            marked.rest = points - marked.total(&worth.scale());
            sorted.messages.push(marked);
        }
        for class in [Class::Ham, Class::Spam] {
            if sorted.count(class) == 0 {
                bail!("there is no {class} to work with");
            }
        }
        Ok(sorted)
    }
}
