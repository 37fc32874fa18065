//! What is wrong with a corpus before anything is learned from it.
//!
//! In: sorted mail, and, if there is any, mail that is kept to test with. Out: messages that are there twice or
//! nearly so, that lie under both labels, that are probably sorted wrongly, that are both learned and
//! tested with; and signs by which a learner could tell the classes apart without looking at what is unwanted
//! in them, such as when and by whom they were collected ([`skew`]).

pub mod skew;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::Serialize;

use crate::filter::bayes::{Class, EngineKind, Receiving, Sketch, TrainError, clusters};

use super::Cut;
use super::evaluation::{Evaluation, Name, Validation};
use super::reading::{Changed, Reading, Watch, each};
use super::scores::shown;
use skew::{Dates, Observed, Trait, Traits};

/// What is known of a message before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Its label, if it has one.
    pub class: Option<Class>,
    /// Whether it is kept to test with.
    pub test: bool,
}

/// How to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folds of the search for wrong labels; see [`Validation`].
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// Entries of each list at most.
    pub most: usize,
    /// The header fields that the classifier does not read.
    pub receiving: Receiving,
}

/// From this disagreement on a label is counted as doubtful.
pub const DOUBTFUL: f64 = 0.9;

/// Messages that are the same, or nearly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Whether they are the same byte for byte.
    pub exact: bool,
    /// Label and place of each; to be escaped where they are shown.
    pub messages: Vec<(Option<&'static str>, String)>,
}

/// A message whose label the others contradict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Where it is.
    pub path: String,
    /// Under which label.
    pub label: &'static str,
    /// The probability of spam that it got from a model that had not learned it.
    pub probability: f64,
}

/// A test message that is learned too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The test message.
    pub test: String,
    /// The one that is learned.
    pub learned: String,
    /// Whether they are the same byte for byte.
    pub exact: bool,
}

/// How many messages of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Labelled ham, without test mail.
    pub ham: usize,
    /// Labelled spam, without test mail.
    pub spam: usize,
    /// Without a label.
    pub unlabelled: usize,
    /// Test mail.
    pub test: usize,
}

/// Everything that was found. Lists are cut at [`Options::most`]; the counts beside them are not.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// How many messages there are.
    pub counts: Counts,
    /// Messages that are an exact copy of another with the same label.
    pub copies: usize,
    /// Messages that are nearly the same as one before them, exact copies included.
    pub near_copies: usize,
    /// The largest groups of near copies.
    pub groups: Vec<Group>,
    /// How many groups have both labels.
    pub contradicting: usize,
    /// Those groups, exact ones first.
    pub contradictions: Vec<Group>,
    /// How many of them hold the same message, byte for byte, under both labels.
    pub contradicting_exactly: usize,
    /// Messages whose label is contradicted with a probability of [`DOUBTFUL`] or more; `None` where the corpus
    /// was too small to tell.
    pub doubtful: Option<usize>,
    /// The most contradicted ones, the worst first.
    pub suspects: Vec<Suspect>,
    /// When the messages of each class were sent.
    pub dates: Vec<Dates>,
    /// How far apart the times of ham and spam are, 0 to 1 (Kolmogorov and Smirnov): 1 when one class ends before
    /// the other begins.
    pub date_distance: Option<f64>,
    /// What one class has far more often than the other.
    pub skew: Vec<Trait>,
    /// Test messages that are learned too, exactly or nearly.
    pub leaking: usize,
    /// Some of them, exact ones first.
    pub leaks: Vec<Leak>,
}

impl Findings {
    /// Whether something was found that makes every figure on this corpus wrong.
    pub fn grave(&self) -> bool {
        self.leaking > 0 || self.contradicting_exactly > 0
    }
}

struct Item {
    mark: Mark,
    name: Name,
    digest: [u8; 32],
    cluster: usize,
}

impl Item {
    fn label(&self) -> Option<&'static str> {
        self.mark.class.map(word)
    }
}

fn word(class: Class) -> &'static str {
    match class {
        Class::Ham => "ham",
        Class::Spam => "spam",
    }
}

/// Why nothing can be said of a corpus.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nothing can be learned from it to contradict its labels with.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// It is not the same each time.
    #[error(transparent)]
    Changed(#[from] Changed),
}

/// Looks at all messages under `paths`.
///
/// # Errors
/// [`TrainError::Store`] when there is no room for temporary files; mail that changes meanwhile.
pub fn check(
    paths: Vec<(Mark, PathBuf)>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Findings, CheckError> {
    let (items, traits) = read(&paths, watch);
    let mut findings = duplicates(&items, options.most);
    findings.counts = counts(&items);
    findings.dates = traits.dates();
    findings.date_distance = traits.date_distance();
    findings.skew = traits.skew(options.most, &options.receiving);
    let labelled: Vec<(Class, PathBuf)> = paths
        .into_iter()
        .filter(|(mark, _)| !mark.test)
        .filter_map(|(mark, path)| Some((mark.class?, path)))
        .collect();
    match suspects(labelled, options, watch) {
        Ok((doubtful, suspects)) => {
            findings.doubtful = Some(doubtful);
            findings.suspects = suspects;
        }
        // Then there is nothing to contradict a label with.
        Err(CheckError::Train(TrainError::Empty(_))) => {}
        Err(other) => return Err(other),
    }
    Ok(findings)
}

fn read(paths: &[(Mark, PathBuf)], watch: &mut dyn Watch) -> (Vec<Item>, Traits) {
    let mut traits = Traits::default();
    let mut items: Vec<Item> = Vec::new();
    let mut sketches = Vec::new();
    Reading::new(paths.to_vec()).batches("reading", watch, |batch| {
        let named = batch
            .into_iter()
            .map(|(mark, sample)| ((mark, (sample.path.clone(), sample.number)), sample));
        let looked_at = each(named.collect(), |mail| {
            let digest = *blake3::hash(mail.raw()).as_bytes();
            (digest, Sketch::of_mail(&mail), Observed::of(&mail))
        });
        for ((mark, name), (digest, sketch, observed)) in looked_at {
            if let Some(class) = mark.class.filter(|_| !mark.test) {
                traits.add(class, observed);
            }
            items.push(Item {
                mark,
                name,
                digest,
                cluster: 0,
            });
            sketches.push(sketch);
        }
    });
    for (item, cluster) in items.iter_mut().zip(clusters(sketches.iter())) {
        item.cluster = cluster;
    }
    (items, traits)
}

fn counts(items: &[Item]) -> Counts {
    let mut counts = Counts::default();
    for item in items {
        *match (item.mark.test, item.mark.class) {
            (true, _) => &mut counts.test,
            (false, Some(Class::Ham)) => &mut counts.ham,
            (false, Some(Class::Spam)) => &mut counts.spam,
            (false, None) => &mut counts.unlabelled,
        } += 1;
    }
    counts
}

fn duplicates(items: &[Item], most: usize) -> Findings {
    let mut same: HashMap<[u8; 32], Vec<&Item>> = HashMap::new();
    let mut near: BTreeMap<usize, Vec<&Item>> = BTreeMap::new();
    for item in items {
        same.entry(item.digest).or_default().push(item);
        near.entry(item.cluster).or_default().push(item);
    }
    let of_set = |group: &[&Item], test: bool| -> usize {
        group.iter().filter(|i| i.mark.test == test).count()
    };
    let both = |group: &[&Item]| {
        let has = |class| group.iter().any(|i| i.mark.class == Some(class));
        has(Class::Ham) && has(Class::Spam)
    };
    let mut copies = 0;
    for group in same.values() {
        let mut marks: Vec<Mark> = group.iter().map(|i| i.mark).collect();
        marks.sort_unstable();
        marks.dedup();
        copies += group.len() - marks.len();
    }
    // A group of near copies that holds the same bytes under both labels is told as that.
    let exactly = |group: &[&Item]| {
        group
            .iter()
            .find_map(|i| same.get(&i.digest).filter(|g| both(g)))
    };
    let mut contradictions: Vec<Group> = near
        .values()
        .filter(|g| both(g))
        .map(|g| match exactly(g) {
            Some(exact) => shown_group(exact, true),
            None => shown_group(g, false),
        })
        .collect();
    contradictions.sort_by_key(|g| !g.exact);
    let mut groups: Vec<Group> = near
        .values()
        .filter(|g| of_set(g, false) > 1)
        .map(|g| {
            shown_group(
                g,
                g.iter()
                    .all(|i| Some(i.digest) == g.first().map(|f| f.digest)),
            )
        })
        .collect();
    groups.sort_by_key(|g| std::cmp::Reverse(g.messages.len()));
    let mut leaks = Vec::new();
    for group in near.values() {
        for tested in group.iter().filter(|i| i.mark.test) {
            let learned = || group.iter().filter(|i| !i.mark.test);
            let exact = learned().find(|i| i.digest == tested.digest);
            if let Some(other) = exact.or_else(|| learned().next()) {
                leaks.push(Leak {
                    test: shown(&tested.name),
                    learned: shown(&other.name),
                    exact: exact.is_some(),
                });
            }
        }
    }
    leaks.sort_by_key(|l| !l.exact);
    Findings {
        counts: Counts::default(),
        copies,
        near_copies: near
            .values()
            .map(|g| of_set(g, false).saturating_sub(1))
            .sum(),
        contradicting: contradictions.len(),
        contradicting_exactly: contradictions.iter().filter(|g| g.exact).count(),
        leaking: leaks.len(),
        groups: first(groups, most),
        contradictions: first(contradictions, most),
        leaks: first(leaks, most),
        doubtful: None,
        suspects: Vec::new(),
        dates: Vec::new(),
        date_distance: None,
        skew: Vec::new(),
    }
}

fn first<T>(mut list: Vec<T>, most: usize) -> Vec<T> {
    list.truncate(most);
    list
}

fn shown_group(group: &[&Item], exact: bool) -> Group {
    Group {
        exact,
        messages: group.iter().map(|i| (i.label(), shown(&i.name))).collect(),
    }
}

/// Messages that models which had not learned them call the opposite of their label.
fn suspects(
    labelled: Vec<(Class, PathBuf)>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<(usize, Vec<Suspect>), CheckError> {
    if labelled.is_empty() {
        return Err(TrainError::Empty(Class::Ham).into());
    }
    let validation = Validation {
        folds: options.folds,
        seed: options.seed,
        learning: false,
        receiving: options.receiving.clone(),
    };
    let mut reading = Reading::new(labelled);
    let (engines, cut) = ([EngineKind::default()], Cut::default());
    let evaluation = Evaluation::cross_validated(&mut reading, &engines, validation, cut, watch)?;
    reading.unchanged()?;
    let Some(run) = evaluation.runs.first() else {
        return Ok((0, Vec::new()));
    };
    let mut suspects: Vec<Suspect> = [Class::Ham, Class::Spam]
        .into_iter()
        .flat_map(|class| evaluation.worst(run, class, usize::MAX))
        .map(|(member, probability)| Suspect {
            path: shown(&member.name),
            label: word(member.class),
            probability,
        })
        .collect();
    suspects.sort_by(|a, b| {
        b.disagreement()
            .total_cmp(&a.disagreement())
            .then_with(|| a.path.cmp(&b.path))
    });
    let doubtful = suspects
        .iter()
        .filter(|s| s.disagreement() >= DOUBTFUL)
        .count();
    Ok((doubtful, first(suspects, options.most)))
}

impl Suspect {
    /// How surely the label is contradicted, 0.5 to 1.
    pub fn disagreement(&self) -> f64 {
        if self.label == "ham" {
            self.probability
        } else {
            1.0 - self.probability
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, class: Option<Class>, test: bool, digest: u8, cluster: usize) -> Item {
        Item {
            mark: Mark { class, test },
            name: (name.into(), None),
            digest: [digest; 32],
            cluster,
        }
    }

    #[test]
    fn copies_contradictions_and_leaks_are_told_apart() {
        let (ham, spam) = (Some(Class::Ham), Some(Class::Spam));
        let items = [
            item("a", ham, false, 1, 0),
            item("a again", ham, false, 1, 0),
            item("a as spam", spam, false, 1, 0),
            item("b", spam, false, 2, 3),
            item("b nearly, ham", ham, false, 3, 3),
            item("c", ham, false, 4, 5),
            item("test c", ham, true, 4, 5),
            item("test b", spam, true, 5, 3),
            item("test d", spam, true, 6, 8),
        ];
        let found = duplicates(&items, 10);
        assert_eq!((found.copies, found.near_copies), (1, 3));
        assert_eq!(found.contradicting, 2);
        assert_eq!(found.contradictions[0].messages.len(), 3);
        assert!(found.contradictions[0].exact && !found.contradictions[1].exact);
        let leaks: Vec<_> = found
            .leaks
            .iter()
            .map(|l| (l.test.as_str(), l.learned.as_str(), l.exact))
            .collect();
        assert_eq!(leaks, [("test c", "c", true), ("test b", "b", false)]);
        assert!(found.grave());
        assert_eq!(duplicates(&items, 1).leaking, 2);
        assert_eq!(duplicates(&items, 1).leaks.len(), 1);
        let contradicting = duplicates(&items[..5], 0);
        assert!(contradicting.grave(), "however short the lists are");
        assert!(
            !duplicates(&items[3..5], 10).grave(),
            "only nearly the same"
        );
        let counts = counts(&items);
        assert_eq!((counts.ham, counts.spam, counts.test), (4, 2, 3));
    }
}
