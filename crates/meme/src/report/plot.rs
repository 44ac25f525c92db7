//! Line charts as SVG: colour-blind safe, told apart by dashes in grey, readable on light and dark.

use std::fmt::Write;

use super::ink;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 48.0;
const LEGEND_LINE: f64 = 20.0;
/// Width of one character of the legend, roughly.
const CHARACTER: f64 = 7.0;
/// Size of the title's letters, and what a letter may take of it so that all have room.
const TITLE: f64 = 15.0;
const TITLE_ROOM: f64 = 680.0;

/// Lines of so few points show each of them.
const FEW: usize = 8;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, x rising.
    pub points: Vec<(f64, f64)>,
}

/// A chart of lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The horizontal axis, with its unit.
    pub x_label: String,
    /// The vertical axis, with its unit.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic.
    pub x_log: bool,
    /// Whether the vertical axis is logarithmic.
    pub y_log: bool,
    /// Positions of vertical rules, such as the experts' boundaries.
    pub rules: Vec<f64>,
    /// The lines.
    pub series: Vec<Series>,
    /// Whether the lines have an order, such as timesteps: colours then run from dark to light.
    pub ordered: bool,
}

/// One axis: a range of values on a range of pixels.
pub(super) struct Axis {
    low: f64,
    high: f64,
    pub(super) start: f64,
    pub(super) end: f64,
    log: bool,
}

impl Axis {
    pub(super) fn new(values: impl Iterator<Item = f64>, log: bool, start: f64, end: f64) -> Self {
        let scale = |value: f64| if log { value.log10() } else { value };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.map(scale).filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-12 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        Self { low, high, start, end, log }
    }

    /// Five per cent of air on both sides.
    fn padded(mut self) -> Self {
        let air = 0.05 * (self.high - self.low);
        self.low -= air;
        self.high += air;
        self
    }

    /// How far along the range a value lies, 0 to 1 within it; none for one that has no place.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        value.is_finite().then_some((value - self.low) / (self.high - self.low))
    }

    pub(super) fn place(&self, value: f64) -> Option<f64> {
        Some(self.start + self.share(value)? * (self.end - self.start))
    }

    /// Round values within the range, and what they are called.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.log && self.high - self.low > 1.0 {
            return (self.low.ceil() as i32..=self.high.floor() as i32)
                .map(|power| (10f64.powi(power), power_of_ten(power)))
                .collect();
        }
        // Less than a decade has no powers of ten worth showing: round values stand on it instead.
        let (low, high) = if self.log {
            (10f64.powf(self.low), 10f64.powf(self.high))
        } else {
            (self.low, self.high)
        };
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(power);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        // A hair of tolerance: 0.7 / 0.1 is a little less than 7.
        ((low / step - 1e-9).ceil() as i64..=(high / step + 1e-9).floor() as i64)
            .map(|count| count as f64 * step)
            .map(|value| (value, format!("{value:.digits$}")))
            .collect()
    }
}

fn power_of_ten(power: i32) -> String {
    if (-3..=5).contains(&power) { format!("{}", 10f64.powi(power)) } else { format!("1e{power}") }
}

impl Chart {
    /// The chart as an SVG element that takes its text colour from its surroundings.
    #[must_use]
    pub fn to_svg(&self) -> String {
        self.render("")
    }

    /// The chart as a file of its own, black on white.
    #[must_use]
    pub fn to_svg_file(&self) -> String {
        let ground = r#"<rect width="100%" height="100%" fill="white"/>"#;
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.render(ground))
    }

    /// The points as CSV: x, then one column per line.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut xs: Vec<f64> = self
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| point.0))
            .collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut text = csv_cell(&self.x_label);
        for series in &self.series {
            let _ = write!(text, ",{}", csv_cell(&series.name));
        }
        text.push('\n');
        for x in xs {
            let _ = write!(text, "{x}");
            for series in &self.series {
                text.push(',');
                if let Some(point) = series.points.iter().find(|point| point.0 == x) {
                    let _ = write!(text, "{}", point.1);
                }
            }
            text.push('\n');
        }
        text
    }

    /// Rows of the legend: each series with the x where its entry starts and its row.
    fn legend(&self) -> Vec<(f64, usize)> {
        let (mut x, mut row) = (LEFT, 0);
        self.series
            .iter()
            .map(|series| {
                let width = 44.0 + CHARACTER * series.name.chars().count() as f64;
                if x > LEFT && x + width > WIDTH - RIGHT {
                    (x, row) = (LEFT, row + 1);
                }
                let place = (x, row);
                x += width;
                place
            })
            .collect()
    }

    fn render(&self, ground: &str) -> String {
        let legend = self.legend();
        let rows = legend.last().map_or(0, |place| place.1 + 1) as f64;
        let top = 34.0 + LEGEND_LINE * rows;
        let height = HEIGHT + LEGEND_LINE * (rows - 1.0).max(0.0);
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::new(points().map(|point| point.0), self.x_log, LEFT, WIDTH - RIGHT);
        let y = Axis::new(points().map(|point| point.1), self.y_log, height - BOTTOM, top).padded();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
             fill=\"currentColor\">{ground}\n",
            escape(&self.title)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"20\" font-size=\"{:.1}\" font-weight=\"600\">{}</text>",
            TITLE.min(TITLE_ROOM / self.title.chars().count().max(1) as f64),
            escape(&self.title)
        );
        self.axes(&mut svg, &x, &y);
        for (number, (series, (left, row))) in self.series.iter().zip(legend).enumerate() {
            let (colour, style) = self.style(number);
            let line = 34.0 + LEGEND_LINE * row as f64;
            let _ = writeln!(
                svg,
                "<line x1=\"{left}\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\" {style}/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                left + 26.0,
                left + 31.0,
                line + 4.0,
                escape(&series.name)
            );
            let places: Vec<(f64, f64)> = series
                .points
                .iter()
                .filter_map(|point| Some((x.place(point.0)?, y.place(point.1)?)))
                .collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(svg, "<polyline points=\"{}\" {style}/>", path.join(" "));
            if places.len() <= FEW {
                for (x, y) in places {
                    let _ = writeln!(
                        svg,
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
                    );
                }
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The colour of a line, and all that its SVG needs.
    fn style(&self, number: usize) -> (String, String) {
        let (colour, dashes) = ink::line(number, self.ordered.then_some(self.series.len()));
        let style = format!(
            "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\""
        );
        (colour, style)
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        for (value, name) in y.ticks() {
            let Some(place) = y.place(value) else { continue };
            let _ = writeln!(
                svg,
                "<line x1=\"{}\" x2=\"{}\" y1=\"{place:.1}\" y2=\"{place:.1}\" \
                 stroke=\"currentColor\" stroke-opacity=\"0.15\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                x.start,
                x.end,
                x.start - 8.0,
                place + 4.0
            );
        }
        for (value, name) in x.ticks() {
            let Some(place) = x.place(value) else { continue };
            let _ = writeln!(
                svg,
                "<line x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{}\" y2=\"{}\" \
                 stroke=\"currentColor\" stroke-opacity=\"0.5\"/>\
                 <text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                y.start,
                y.start + 5.0,
                y.start + 19.0
            );
        }
        for place in self.rules.iter().filter_map(|&rule| x.place(rule)) {
            let _ = writeln!(
                svg,
                "<line x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{}\" y2=\"{}\" \
                 stroke=\"currentColor\" stroke-opacity=\"0.35\" stroke-dasharray=\"3 4\"/>",
                y.start, y.end
            );
        }
        let middle = (y.start + y.end) / 2.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"currentColor\"/>\
             <text x=\"{3}\" y=\"{4}\" text-anchor=\"middle\">{5}</text>\
             <text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\">{6}</text>",
            x.start,
            x.end,
            y.start,
            (x.start + x.end) / 2.0,
            y.start + 38.0,
            escape(&self.x_label),
            escape(&self.y_label)
        );
    }
}

pub(super) fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Text for XML and HTML.
#[must_use]
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let series = vec![Series { name: "a < b".into(), points }];
        Chart { title: "t".into(), series, ..Chart::default() }
    }

    #[test]
    fn ticks_are_round_and_inside_the_range() {
        let axis = Axis::new([0.0, 0.93].into_iter(), false, 0.0, 100.0);
        let names: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(names, ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        let axis = Axis::new([0.2, 0.7].into_iter(), true, 0.0, 100.0);
        let names: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(names, ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]);
        let axis = Axis::new([0.01, 1e4].into_iter(), true, 0.0, 100.0);
        let names: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(names, ["0.01", "0.1", "1", "10", "100", "1000", "10000"]);
    }

    #[test]
    fn degenerate_data_still_makes_a_chart() {
        for points in [vec![], vec![(1.0, 1.0)], vec![(0.0, f64::NAN), (1.0, 2.0)]] {
            let svg = chart(points).to_svg();
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
            assert!(svg.contains("a &lt; b"));
        }
    }

    #[test]
    fn the_csv_holds_every_point_and_leaves_gaps_empty() {
        let mut chart = chart(vec![(1.0, 0.5), (2.0, 0.25)]);
        chart.x_label = "x, in pixels".into();
        chart.series.push(Series { name: "c".into(), points: vec![(2.0, 3.0)] });
        assert_eq!(chart.to_csv(), "\"x, in pixels\",a < b,c\n1,0.5,\n2,0.25,3\n");
    }
}
