//! The figures of each rule on sorted mail.

use std::collections::HashMap;

use super::{Marked, Scale};
use crate::filter::bayes::Class;

/// Fewest hits of each of two rules that are compared with each other.
const COMPARED: usize = 5;

/// The figures of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Spam that it hits.
    pub spam: usize,
    /// Ham that it hits.
    pub ham: usize,
    /// Spam that reaches the threshold with it and would not without.
    pub decides_spam: usize,
    /// Ham that reaches the threshold with it and would not without.
    pub decides_ham: usize,
}

impl Figures {
    /// S/O as SpamAssassin's tools have it: of the spam share and the ham share that the rule hits, the part
    /// of the spam share, 0 to 1. `None` for a rule that hits nothing.
    pub fn spam_over_all(&self, spam: usize, ham: usize) -> Option<f64> {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let (spam, ham) = (share(self.spam, spam), share(self.ham, ham));
        (spam + ham > 0.0).then(|| spam / (spam + ham))
    }
}

/// Two rules that hit nearly the same messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// The one with the smaller number.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// Messages that both hit.
    pub both: usize,
    /// Of the messages that one of them hits, the share that both do (Jaccard index).
    pub jaccard: f64,
}

/// The figures of each rule.
pub fn figures(messages: &[Marked], scale: &Scale<'_>, threshold: f64) -> Vec<Figures> {
    let mut all = vec![Figures::default(); scale.scores.len()];
    for message in messages {
        let reached = message.total(scale) >= threshold;
        for hit in &message.hits {
            let Some(figures) = all.get_mut(*hit as usize) else {
                continue;
            };
            let decides = reached && message.total_without(scale, Some(*hit)) < threshold;
            match message.member.class {
                Class::Ham => {
                    figures.ham += 1;
                    figures.decides_ham += usize::from(decides);
                }
                Class::Spam => {
                    figures.spam += 1;
                    figures.decides_spam += usize::from(decides);
                }
            }
        }
    }
    all
}

/// Pairs of rules whose Jaccard index is above `least`, the closest first. Rules of fewer than five hits are
/// left out, and those for which `compared` is false.
pub fn overlaps(messages: &[Marked], compared: &[bool], least: f64) -> Vec<Overlap> {
    let mut hits: Vec<usize> = vec![0; compared.len()];
    let wanted = |hit: &u32| compared.get(*hit as usize).copied().unwrap_or(false);
    for message in messages {
        for hit in message.hits.iter().filter(|h| wanted(h)) {
            if let Some(count) = hits.get_mut(*hit as usize) {
                *count += 1;
            }
        }
    }
    let count = |number: usize| hits.get(number).copied().unwrap_or(0);
    let mut together: HashMap<(usize, usize), usize> = HashMap::new();
    for message in messages {
        let often: Vec<usize> = message
            .hits
            .iter()
            .filter(|h| wanted(h))
            .map(|h| *h as usize)
            .filter(|number| count(*number) >= COMPARED)
            .collect();
        for (at, first) in often.iter().enumerate() {
            for second in often.iter().skip(at + 1) {
                *together.entry((*first, *second)).or_default() += 1;
            }
        }
    }
    let mut found: Vec<Overlap> = together
        .into_iter()
        .map(|((first, second), both)| Overlap {
            first,
            second,
            both,
            jaccard: both as f64 / (count(first) + count(second) - both).max(1) as f64,
        })
        .filter(|overlap| overlap.jaccard > least)
        .collect();
    found.sort_by(|a, b| {
        let order = b.jaccard.total_cmp(&a.jaccard);
        order.then_with(|| (a.first, a.second).cmp(&(b.first, b.second)))
    });
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::workbench::evaluation::Member;

    pub(in super::super) fn marked(number: usize, class: Class, hits: &[u32]) -> Marked {
        Marked {
            member: Member {
                class,
                name: (format!("{number}").into(), None),
                digest: *blake3::hash(&number.to_le_bytes()).as_bytes(),
                cluster: number,
            },
            hits: hits.to_vec(),
            rest: 0.0,
        }
    }

    pub(in super::super) fn plain(scores: &[f64]) -> Scale<'_> {
        Scale {
            scores,
            groups: &[],
            caps: &[],
        }
    }

    #[test]
    fn hits_and_what_they_decide_are_counted() {
        let messages = [
            marked(0, Class::Spam, &[0, 1]),
            marked(1, Class::Spam, &[0, 2]),
            marked(2, Class::Ham, &[1]),
            marked(3, Class::Ham, &[0]),
        ];
        let found = figures(&messages, &plain(&[5.0, 1.0, -1.0]), 5.0);
        assert_eq!(
            found[0],
            Figures {
                spam: 2,
                ham: 1,
                decides_spam: 1,
                decides_ham: 1
            }
        );
        assert_eq!(
            (found[1].spam, found[1].ham, found[1].decides_spam),
            (1, 1, 0)
        );
        assert_eq!(found[0].spam_over_all(2, 2), Some(2.0 / 3.0));
        assert_eq!(Figures::default().spam_over_all(2, 2), None);
    }

    #[test]
    fn rules_that_hit_the_same_messages_are_paired() {
        let mut messages: Vec<Marked> = (0..20)
            .map(|i| marked(i, Class::Spam, &[0, 1, 2]))
            .collect();
        messages.push(marked(20, Class::Spam, &[1, 3]));
        messages.extend((21..40).map(|i| marked(i, Class::Ham, &[2, 3])));
        let found = overlaps(&messages, &[true; 4], 0.9);
        let pairs: Vec<_> = found.iter().map(|o| (o.first, o.second, o.both)).collect();
        assert_eq!(pairs, [(0, 1, 20)]);
        assert!((found[0].jaccard - 20.0 / 21.0).abs() < 1e-12);
        assert!(overlaps(&messages, &[true, false, true, true], 0.9).is_empty());
    }

    #[test]
    fn groups_count_up_to_their_cap() {
        let message = Marked {
            rest: 0.25,
            ..marked(0, Class::Spam, &[0, 1, 2, 3])
        };
        let scale = Scale {
            scores: &[3.0, 3.0, -1.0, -4.0],
            groups: &[Some(0), Some(0), None, Some(1)],
            caps: &[4.0, 2.5],
        };
        assert_eq!(message.total(&scale), 0.25 + 4.0 - 1.0 - 2.5);
        assert_eq!(
            message.total_without(&scale, Some(1)),
            0.25 + 3.0 - 1.0 - 2.5
        );
        // Without one of the two the group still has its cap, so neither decides.
        let figures = figures(&[message], &scale, 0.0);
        assert_eq!(
            figures.iter().map(|f| f.decides_spam).collect::<Vec<_>>(),
            [1, 1, 0, 0]
        );
    }
}
