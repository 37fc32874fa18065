//! The curves of an evaluation: as points, which can be kept, and as pictures ([`plot`](super::plot)).

use serde::{Deserialize, Serialize};

use super::evaluation::{Evaluation, Run};
use super::figures::Figures;
use super::plot::{Axis, Series, chart};
use super::ranked;

/// Places in a factor of ten that are told apart when points are kept.
const PLACES: f64 = 100.0;

/// The curves of one contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// What it is called. To be escaped where it is shown.
    pub title: String,
    /// Ham lost and spam missed at each threshold, percent.
    pub roc: Vec<(f64, f64)>,
    /// Probability that was given, and share of spam among those that were given it.
    pub calibration: Vec<(f64, f64)>,
    /// Messages learned, and 1-ROCA after them, percent.
    pub learning: Vec<(f64, f64)>,
}

impl Curves {
    /// Of a run of an evaluation, with its figures.
    pub fn of(evaluation: &Evaluation, run: &Run, figures: &Figures) -> Curves {
        let corners = ranked(&evaluation.answers(&run.scores)).curve();
        let percent = |(lost, missed)| (100.0 * lost, 100.0 * missed);
        let learnt = run.learning.iter();
        let learnt = learnt.filter_map(|l| Some((l.messages as f64, l.one_minus_roca?)));
        Curves {
            title: run.title.clone(),
            roc: corners.into_iter().map(percent).collect(),
            calibration: figures
                .calibration
                .iter()
                .map(|b| (b.said, b.was))
                .collect(),
            learning: learnt.collect(),
        }
    }

    /// The same without points that no picture could tell from their neighbours: a thousand or so are left of any number.
    pub fn thinned(mut self) -> Curves {
        let place = |(lost, missed): &(f64, f64)| {
            [lost, missed].map(|share| (share.log10() * PLACES).round() as i32)
        };
        self.roc.dedup_by_key(|point| place(point));
        self
    }
}

/// Ham lost against spam missed, both on a logarithmic scale, of so many messages.
pub fn roc(curves: &[Curves], (ham, spam): (usize, usize)) -> String {
    // One message is the least that can be lost or missed.
    let least = |messages: usize| {
        let share = 100.0 / messages.max(1) as f64;
        10_f64.powf(share.log10().floor()).min(1.0)
    };
    chart(
        "Spam missed against ham lost",
        &Axis::factors("ham lost, %", least(ham), 100.0),
        &Axis::factors("spam missed, %", least(spam), 100.0),
        &series(curves, false, |c| &c.roc),
    )
}

/// What probabilities turned out to mean.
pub fn calibration(curves: &[Curves]) -> String {
    chart(
        "Share of spam against the probability given; on the diagonal both agree",
        &Axis::steps("probability given", 0.0, 1.0),
        &Axis::steps("share of spam, classes weighed alike", 0.0, 1.0),
        &series(curves, true, |c| &c.calibration),
    )
}

/// What more messages brought.
pub fn learning(curves: &[Curves]) -> String {
    let points = || curves.iter().flat_map(|c| &c.learning);
    let bound = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(1.0, f64::max);
    let least = points().map(|p| p.1).fold(1.0, f64::min).max(0.001);
    chart(
        "1-ROCA after so many messages learned",
        &Axis::steps("messages learned", 0.0, bound(|p| p.0)),
        &Axis::factors(
            "1-ROCA, %",
            10_f64.powf(least.log10().floor()),
            bound(|p| p.1),
        ),
        &series(curves, true, |c| &c.learning),
    )
}

fn series(curves: &[Curves], marked: bool, points: fn(&Curves) -> &Vec<(f64, f64)>) -> Vec<Series> {
    let series = |curves: &Curves| Series {
        title: curves.title.clone(),
        points: points(curves).clone(),
        marked,
    };
    curves.iter().map(series).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_points_look_the_same_as_a_thousand() {
        let share = |n: u32| 100.0 * f64::from(n) / 1e6;
        let all = Curves {
            title: "osb".to_owned(),
            roc: (0..1_000_000)
                .map(|n| (share(n), share(1_000_000 - n)))
                .collect(),
            calibration: vec![(0.1, 0.1)],
            learning: vec![(1000.0, 0.5)],
        };
        let thin = all.clone().thinned();
        assert!((500..3_000).contains(&thin.roc.len()), "{}", thin.roc.len());
        assert_eq!(thin.roc.first(), all.roc.first());
        assert_eq!(
            (&thin.calibration, &thin.learning),
            (&all.calibration, &all.learning)
        );
    }
}
