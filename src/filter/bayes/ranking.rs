//! Messages in the order of their scores: the ROC curve and what can be read off it.

use super::Class;

/// Messages sorted by score once, to be counted as often as a bootstrap needs.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Ascending score; messages of one score in one step.
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    ham: Vec<u32>,
    spam: Vec<u32>,
}

/// How often each message counts. Each once, where there are no weights.
type Weights<'a> = Option<&'a [u32]>;

fn weigh(messages: &[u32], weights: Weights<'_>) -> f64 {
    match weights {
        None => messages.len() as f64,
        Some(weights) => messages
            .iter()
            .map(|m| f64::from(weights.get(*m as usize).copied().unwrap_or(0)))
            .sum(),
    }
}

impl Ranking {
    /// Sorts messages by log odds. Weights go by their place among `messages`.
    pub fn new(messages: impl IntoIterator<Item = (Class, f64)>) -> Ranking {
        let mut order: Vec<(f64, u32, Class)> = messages
            .into_iter()
            .zip(0_u32..)
            .map(|((class, odds), index)| (odds, index, class))
            .collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let of = |tied: &[(f64, u32, Class)], class| {
            tied.iter().filter(|t| t.2 == class).map(|t| t.1).collect()
        };
        let steps = order
            .chunk_by(|a, b| a.0 == b.0)
            .map(|tied| Step {
                ham: of(tied, Class::Ham),
                spam: of(tied, Class::Spam),
            })
            .collect();
        Ranking { steps }
    }

    /// The chance that a random ham is ranked above a random spam, in percent: "(1-ROCA)%" of the TREC spam
    /// track. Ties count half. `None` when a class is empty.
    pub fn one_minus_roca(&self, weights: Weights<'_>) -> Option<f64> {
        let (mut spam_below, mut ham, mut wrong) = (0.0, 0.0, 0.0);
        for step in &self.steps {
            let (ham_here, spam_here) = (weigh(&step.ham, weights), weigh(&step.spam, weights));
            wrong += ham_here * (spam_below + spam_here / 2.0);
            spam_below += spam_here;
            ham += ham_here;
        }
        (ham > 0.0 && spam_below > 0.0).then(|| 100.0 * wrong / (ham * spam_below))
    }

    /// The share of spam missed, 0 to 1, at the lowest threshold that loses no more than `lost` of the ham.
    /// `None` when a class is empty.
    pub fn missed_at(&self, lost: f64) -> Option<f64> {
        let (ham, spam) = self.totals();
        if ham == 0 || spam == 0 {
            return None;
        }
        // The highest scores first: so many ham may lie above the threshold.
        let allowed = (lost * ham as f64) as usize;
        let (mut above, mut caught) = (0, 0);
        for step in self.steps.iter().rev() {
            if above + step.ham.len() > allowed {
                break;
            }
            above += step.ham.len();
            caught += step.spam.len();
        }
        Some(1.0 - caught as f64 / spam as f64)
    }

    /// Ham and spam messages.
    pub fn totals(&self) -> (usize, usize) {
        self.steps.iter().fold((0, 0), |(ham, spam), step| {
            (ham + step.ham.len(), spam + step.spam.len())
        })
    }

    /// The curve: share of ham lost and share of spam missed at each threshold, from "nothing is spam" to
    /// "everything is"; corners only.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let (ham, spam) = self.totals();
        let (ham, spam) = (ham.max(1) as f64, spam.max(1) as f64);
        let mut at = (0.0, 1.0);
        let mut points = vec![at];
        for step in self.steps.iter().rev() {
            let next = (
                at.0 + step.ham.len() as f64 / ham,
                at.1 - step.spam.len() as f64 / spam,
            );
            // A point on the way straight on tells nothing.
            if let [.., before, last] = points.as_slice()
                && ((before.0 == last.0 && last.0 == next.0)
                    || (before.1 == last.1 && last.1 == next.1))
            {
                points.pop();
            }
            points.push(next);
            at = next;
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Ham, Spam};

    #[test]
    fn roca_counts_pairs_in_the_wrong_order() {
        let roca = |of: &[(Class, f64)]| Ranking::new(of.iter().copied()).one_minus_roca(None);
        assert_eq!(roca(&[(Ham, 0.1), (Ham, 0.2), (Spam, 0.8)]), Some(0.0));
        let one_of_four = [(Ham, 0.1), (Ham, 0.6), (Spam, 0.5), (Spam, 0.9)];
        assert_eq!(roca(&one_of_four), Some(25.0));
        assert_eq!(roca(&[(Ham, 0.5), (Spam, 0.5)]), Some(50.0));
        assert_eq!(roca(&[(Ham, 0.5)]), None);
    }

    #[test]
    fn weights_count_as_copies_do() {
        let few = [(Ham, 0.1), (Ham, 0.6), (Spam, 0.5), (Spam, 0.9)];
        let more = [
            (Ham, 0.1),
            (Ham, 0.6),
            (Ham, 0.6),
            (Spam, 0.5),
            (Spam, 0.5),
            (Spam, 0.5),
        ];
        assert_eq!(
            Ranking::new(few.iter().copied()).one_minus_roca(Some(&[1, 2, 3, 0])),
            Ranking::new(more.iter().copied()).one_minus_roca(None)
        );
    }

    #[test]
    fn missed_spam_is_counted_where_no_more_ham_is_lost_than_allowed() {
        let of = [
            (Ham, 0.1),
            (Ham, 0.2),
            (Ham, 0.5),
            (Ham, 0.8),
            (Spam, 0.3),
            (Spam, 0.6),
            (Spam, 0.9),
            (Spam, 0.8),
        ];
        let ranking = Ranking::new(of.iter().copied());
        // One spam alone above the highest ham; the one of the same score as it is missed with it.
        assert_eq!(ranking.missed_at(0.0), Some(0.75));
        assert_eq!(ranking.missed_at(0.25), Some(0.25));
        assert_eq!(ranking.missed_at(1.0), Some(0.0));
    }

    #[test]
    fn the_curve_goes_from_nothing_lost_to_nothing_missed() {
        let of = [
            (Ham, 0.1),
            (Ham, 0.6),
            (Spam, 0.5),
            (Spam, 0.7),
            (Spam, 0.9),
        ];
        let curve = Ranking::new(of.iter().copied()).curve();
        assert_eq!(curve.first(), Some(&(0.0, 1.0)));
        let last = curve.last().unwrap();
        assert!((last.0 - 1.0).abs() < 1e-9 && last.1.abs() < 1e-9);
        assert!(curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 >= b.1));
        assert_eq!(curve.len(), 5, "{curve:?}");
    }
}
