//! Line charts as SVG, to stand inside a page: no scripts, no fonts, nothing fetched.

use std::fmt::Write as _;

use crate::printable::markup;

/// Width and height of a chart, and the room around its area: left, right, top, bottom.
const SIZE: (f64, f64) = (560.0, 380.0);
const ROOM: (f64, f64, f64, f64) = (64.0, 16.0, 16.0, 48.0);
/// Colours of series, told apart also by who sees red and green alike (Okabe and Ito 2008).
pub(crate) const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555",
];

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What is measured, with its unit.
    pub(crate) label: String,
    /// Lower end; above 0 on a logarithmic axis.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
    /// Whether equal steps are equal factors. What is smaller than `low` is drawn there.
    pub(crate) log: bool,
}

impl Axis {
    /// One on which equal steps are equal differences.
    pub(crate) fn steps(label: &str, low: f64, high: f64) -> Axis {
        Axis {
            label: label.to_owned(),
            low,
            high,
            log: false,
        }
    }

    /// One on which equal steps are equal factors; `low` is above 0.
    pub(crate) fn factors(label: &str, low: f64, high: f64) -> Axis {
        Axis {
            log: true,
            ..Axis::steps(label, low, high)
        }
    }

    /// 0 to 1 for what lies between the ends.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let (value, low, high) = if self.log {
            (value.ln(), self.low.ln(), self.high.ln())
        } else {
            (value, self.low, self.high)
        };
        if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        }
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let first = self.low.log10().ceil() as i32;
            let last = (self.high.log10() + 1e-9).floor() as i32;
            return (first..=last).map(|e| 10_f64.powi(e)).collect();
        }
        let rough = (self.high - self.low).max(1e-12) / 5.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|f| f * unit)
            .find(|s| *s >= rough * 0.999)
            .unwrap_or(unit);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// For the legend.
    pub(crate) title: String,
    /// In the order in which they are joined.
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub(crate) marked: bool,
}

/// Draws the lines, and the diagonal where both axes measure the same. `title` says what the picture shows to those who do not see it.
pub(crate) fn chart(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let (width, height) = SIZE;
    let (left, right, top, bottom) = ROOM;
    let (inner_width, inner_height) = (width - left - right, height - top - bottom);
    let at_x = |value: f64| left + x.place(value) * inner_width;
    let at_y = |value: f64| top + (1.0 - y.place(value)) * inner_height;
    let mut svg = format!(
        "<svg class=\"curve\" viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>\n",
        markup(title)
    );
    // Writing to a string does not fail.
    for tick in x.ticks() {
        let at = at_x(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            height - bottom,
            height - bottom + 16.0,
            number(tick)
        );
    }
    for tick in y.ticks() {
        let at = at_y(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            width - right,
            left - 6.0,
            at + 4.0,
            number(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        left + inner_width / 2.0,
        height - 8.0,
        markup(&x.label),
        top + inner_height / 2.0,
        markup(&y.label)
    );
    if x.low == y.low && x.high == y.high && !x.log && !y.log {
        let _ = writeln!(
            svg,
            "<line class=\"even\" x1=\"{left}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{top}\"/>",
            height - bottom,
            width - right,
        );
    }
    for (line, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let mut path = String::new();
        let mut last = (f64::NAN, f64::NAN);
        for (px, py) in &line.points {
            // Half a pixel apart is apart; the rest would only make the file long.
            let here = (
                (at_x(*px) * 2.0).round() / 2.0,
                (at_y(*py) * 2.0).round() / 2.0,
            );
            if here == last {
                continue;
            }
            last = here;
            let _ = write!(path, "{:.1},{:.1} ", here.0, here.1);
            if line.marked {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                    here.0, here.1
                );
            }
        }
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"><title>{}</title></polyline>",
            path.trim_end(),
            markup(&line.title)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The names of series beside their colours.
pub(crate) fn legend<'a>(titles: impl Iterator<Item = &'a str>) -> String {
    let mut html = String::from("<p class=\"legend\">");
    for (title, colour) in titles.zip(COLOURS.iter().cycle()) {
        let _ = write!(
            html,
            "<span><i style=\"background:{colour}\"></i>{}</span> ",
            markup(title)
        );
    }
    html.push_str("</p>\n");
    html
}

fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    // Minus zero is zero.
    (rounded + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, log: bool) -> Axis {
        let axis = if log { Axis::factors } else { Axis::steps };
        axis("share, %", low, high)
    }

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        assert_eq!(
            axis(0.01, 100.0, true).ticks(),
            [0.01, 0.1, 1.0, 10.0, 100.0]
        );
        assert_eq!(
            axis(0.0, 1.0, false)
                .ticks()
                .iter()
                .map(|t| number(*t))
                .collect::<Vec<_>>(),
            ["0", "0.2", "0.4", "0.6", "0.8", "1"]
        );
        assert_eq!(axis(-12.0, 9.0, false).ticks(), [-10.0, -5.0, 0.0, 5.0]);
        assert_eq!(axis(3.0, 3.0, false).ticks().len(), 1);
    }

    #[test]
    fn points_lie_in_the_area_and_zero_can_be_drawn_on_a_logarithmic_axis() {
        let line = Series {
            title: "a".into(),
            points: vec![(0.0, 100.0), (1.0, 0.0), (1.0, 0.0), (f64::INFINITY, 50.0)],
            marked: true,
        };
        let svg = chart(
            "t",
            &axis(0.01, 100.0, true),
            &axis(0.1, 100.0, true),
            &[line],
        );
        assert!(
            svg.contains("points=\"64.0,16.0 304.0,332.0 544.0,47.5\""),
            "{svg}"
        );
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let line = Series {
            title: "</title><script>x</script>".into(),
            points: Vec::new(),
            marked: false,
        };
        let svg = chart(
            "\"><b>",
            &axis(0.0, 1.0, false),
            &axis(0.0, 1.0, false),
            &[line],
        );
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
    }
}
