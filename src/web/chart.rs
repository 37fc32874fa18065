//! Charts, drawn on the server as SVG: bars on top of each other, and lines on a logarithmic scale. Shapes stretch with
//! the page; words stand beside them as text, so that they stay readable on a phone.

use askama::Template;

/// Width and height that shapes are drawn in.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

/// A bar or a part of one.
#[derive(Debug)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    series: &'static str,
}

/// A place that shows its values to the pointer.
#[derive(Debug)]
struct Spot {
    x: String,
    width: String,
    text: String,
}

#[derive(Debug)]
struct Line {
    points: String,
    series: &'static str,
}

/// What a colour stands for.
#[derive(Debug)]
struct Key {
    series: &'static str,
    word: String,
}

/// A chart, ready to be shown in a page.
#[derive(Debug, Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    title: String,
    /// From the top.
    scale: Vec<String>,
    grid: Vec<String>,
    times: Vec<String>,
    bars: Vec<Bar>,
    lines: Vec<Line>,
    dots: Vec<Bar>,
    spots: Vec<Spot>,
    keys: Vec<Key>,
    is_empty: bool,
}

/// A series: the class that gives it its colour, and its name.
pub(super) type Series = (&'static str, &'static str);

fn number(value: f64) -> String {
    format!("{value:.1}")
}

fn spots(texts: Vec<String>) -> Vec<Spot> {
    let step = WIDTH / texts.len().max(1) as f64;
    let spot = |(i, text)| Spot {
        x: number(i as f64 * step),
        width: number(step),
        text,
    };
    texts.into_iter().enumerate().map(spot).collect()
}

fn keys(series: &[Series]) -> Vec<Key> {
    let key = |(class, word): &Series| Key {
        series: class,
        word: (*word).to_owned(),
    };
    series.iter().map(key).collect()
}

impl Chart {
    /// Bars of numbers on top of each other: for each bin of time one number a series, in the order of `series`, and
    /// a text. `times` stand below, evenly.
    pub(super) fn bars(
        title: &str,
        series: &[Series],
        bins: &[(Vec<u64>, String)],
        times: Vec<String>,
    ) -> Chart {
        let most = bins.iter().map(|(n, _)| n.iter().sum::<u64>()).max();
        let top = ceiling(most.unwrap_or(0));
        let step = WIDTH / bins.len().max(1) as f64;
        let mut bars = Vec::new();
        for (i, (numbers, _)) in bins.iter().enumerate() {
            let mut below = 0.0;
            for (n, (class, _)) in numbers.iter().zip(series) {
                if *n == 0 {
                    continue;
                }
                let height = *n as f64 / top as f64 * HEIGHT;
                bars.push(Bar {
                    x: number(i as f64 * step + step * 0.1),
                    y: number(HEIGHT - below - height),
                    width: number(step * 0.8),
                    height: number(height),
                    series: class,
                });
                below += height;
            }
        }
        Chart {
            title: title.to_owned(),
            scale: [top, top / 2, 0]
                .map(|n| super::filters::grouped(&n.to_string()))
                .to_vec(),
            grid: [0.0, HEIGHT / 2.0, HEIGHT].map(number).to_vec(),
            times,
            is_empty: bars.is_empty(),
            bars,
            lines: Vec::new(),
            dots: Vec::new(),
            spots: spots(bins.iter().map(|(_, text)| text.clone()).collect()),
            keys: keys(series),
        }
    }

    /// Lines of seconds on a logarithmic scale from `least` to `most`, powers of ten: for each bin of time one value a
    /// series, or none, and a text.
    pub(super) fn lines(
        title: &str,
        series: &[Series],
        bins: &[(Vec<Option<f64>>, String)],
        times: Vec<String>,
        [least, most]: [i32; 2],
    ) -> Chart {
        let step = WIDTH / bins.len().max(1) as f64;
        let y = |value: f64| {
            let share = (value.log10() - f64::from(least)) / f64::from(most - least);
            HEIGHT * (1.0 - share.clamp(0.0, 1.0))
        };
        let (mut lines, mut dots) = (Vec::new(), Vec::new());
        for (n, (class, _)) in series.iter().enumerate() {
            let value = |i: usize| bins.get(i).and_then(|(values, _)| *values.get(n)?);
            let mut points: Vec<String> = Vec::new();
            for i in 0..=bins.len() {
                let x = (i as f64 + 0.5) * step;
                if let Some(value) = value(i) {
                    points.push(format!("{},{}", number(x), number(y(value))));
                    continue;
                }
                // A line ends where nothing was measured; one point is a dash.
                if let [_] = points.as_slice()
                    && let Some(value) = value(i.wrapping_sub(1))
                {
                    dots.push(Bar {
                        x: number(x - step * 1.4),
                        y: number(y(value) - 1.0),
                        width: number(step * 0.8),
                        height: number(2.0),
                        series: class,
                    });
                } else if !points.is_empty() {
                    lines.push(Line {
                        points: points.join(" "),
                        series: class,
                    });
                }
                points.clear();
            }
        }
        let decades: Vec<i32> = (least..=most).rev().collect();
        Chart {
            title: title.to_owned(),
            scale: decades
                .iter()
                .map(|d| match d {
                    d if *d < 0 => format!("{} ms", 10f64.powi(d + 3)),
                    d => format!("{} s", 10f64.powi(*d)),
                })
                .collect(),
            grid: decades.iter().map(|d| number(y(10f64.powi(*d)))).collect(),
            times,
            is_empty: lines.is_empty() && dots.is_empty(),
            bars: Vec::new(),
            lines,
            dots,
            spots: spots(bins.iter().map(|(_, text)| text.clone()).collect()),
            keys: keys(series),
        }
    }
}

/// The least even round number that is not below `n`: 2, 4, 10, 20, 40, 100, ...
fn ceiling(n: u64) -> u64 {
    let mut decade = 1u64;
    loop {
        for factor in [2, 4, 10] {
            let round = decade.saturating_mul(factor);
            if round >= n {
                return round;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (n, top) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (5, 10),
            (11, 20),
            (41, 100),
            (1001, 2000),
        ] {
            assert_eq!(ceiling(n), top);
        }
        assert_eq!(ceiling(u64::MAX), u64::MAX);
    }

    #[test]
    fn bars_stand_on_top_of_each_other_and_texts_are_escaped() {
        let bins = [(vec![1, 1], "<b>".to_owned()), (vec![0, 2], String::new())];
        let chart = Chart::bars("Mail", &[("a", "A"), ("b", "B")], &bins, vec![]);
        let svg = chart.render().unwrap();
        assert!(
            svg.contains(r#"y="100.0" width="400.0" height="100.0" class="a""#),
            "{svg}"
        );
        assert!(
            svg.contains(r#"y="0.0" width="400.0" height="100.0" class="b""#),
            "{svg}"
        );
        assert!(svg.contains("&#60;b&#62;"), "{svg}");
    }

    #[test]
    fn lines_end_where_nothing_was_measured() {
        let bin = |value: Option<f64>| (vec![value], String::new());
        let bins = [bin(Some(0.001)), bin(Some(1.0)), bin(None), bin(Some(0.1))];
        let chart = Chart::lines("Wait", &[("a", "A")], &bins, vec![], [-3, 0]);
        assert_eq!(chart.lines.len(), 1);
        assert_eq!(chart.lines[0].points, "125.0,200.0 375.0,0.0");
        assert_eq!(chart.dots.len(), 1);
        assert_eq!(chart.scale, ["1 s", "100 ms", "10 ms", "1 ms"]);
    }
}
