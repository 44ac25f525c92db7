//! Tables as shades, from dark to light.

use std::fmt::Write;

use super::ink::shade;
use super::plot::{Axis, csv_cell, escape};

const CELL_HEIGHT: f64 = 15.0;
const WIDTH: f64 = 400.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
const BAR: f64 = 14.0;
/// Width of one character of a row's name, roughly.
const CHARACTER: f64 = 6.6;
/// Names below the columns, at most.
const NAMES: usize = 10;

/// A table of shades. Cells that are not finite stay empty, with a stroke through them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct HeatMap {
    /// What it shows.
    pub(crate) title: String,
    /// What the columns are, with the unit.
    pub(crate) x_label: String,
    /// What the rows are.
    pub(crate) y_label: String,
    /// What the shades are, with the unit.
    pub(crate) z_label: String,
    /// A name for every column.
    pub(crate) columns: Vec<String>,
    /// Every row's name and its values, one for each column.
    pub(crate) rows: Vec<(String, Vec<f64>)>,
}

impl HeatMap {
    /// The table as CSV.
    pub(crate) fn to_csv(&self) -> String {
        let head = format!("{} / {}", self.y_label, self.x_label);
        let names = self.columns.iter().map(|name| csv_cell(name));
        let cells: Vec<String> = std::iter::once(csv_cell(&head)).chain(names).collect();
        let mut text = cells.join(",") + "\n";
        for (name, values) in &self.rows {
            text.push_str(&csv_cell(name));
            for value in values {
                match value.is_finite() {
                    true => _ = write!(text, ",{value}"),
                    false => text.push(','),
                }
            }
            text.push('\n');
        }
        text
    }

    /// The table as an SVG file, black on white.
    pub(crate) fn to_svg_file(&self) -> String {
        let longest = self.rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
        let left = 30.0 + CHARACTER * longest as f64;
        let (right, bottom) = (left + WIDTH, TOP + CELL_HEIGHT * self.rows.len().max(6) as f64);
        let (width, height) = (right + 100.0, bottom + BOTTOM);
        let mut svg = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"14\" y=\"22\" font-size=\"15\" font-weight=\"600\">{}</text>\n",
            escape(&self.title)
        );
        let values = || self.rows.iter().flat_map(|row| row.1.iter().copied());
        let scale = Axis::new(values(), false, bottom, TOP);
        self.cells(&mut svg, &scale, left, (bottom - TOP) / self.rows.len().max(1) as f64);
        self.names(&mut svg, left, bottom);
        bar(&mut svg, &scale, right + 16.0, &self.z_label);
        svg.push_str("</svg>\n");
        svg
    }

    fn cells(&self, svg: &mut String, scale: &Axis, left: f64, height: f64) {
        let width = WIDTH / self.columns.len().max(1) as f64;
        for (row, (name, values)) in self.rows.iter().enumerate() {
            let y = TOP + height * row as f64;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                y + height / 2.0 + 4.0,
                escape(name)
            );
            for (column, value) in values.iter().enumerate() {
                let x = left + width * column as f64;
                // Half a unit more than its share, so that no seams show between cells.
                let (w, h) = (width + 0.5, height + 0.5);
                let _ = match scale.share(*value) {
                    Some(share) => writeln!(
                        svg,
                        "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" \
                         fill=\"{}\"/>",
                        shade(share)
                    ),
                    None => writeln!(
                        svg,
                        "<line x1=\"{x:.2}\" x2=\"{:.2}\" y1=\"{:.2}\" y2=\"{y:.2}\" \
                         stroke=\"#bbbbbb\"/>",
                        x + width,
                        y + height
                    ),
                };
            }
        }
    }

    fn names(&self, svg: &mut String, left: f64, bottom: f64) {
        let width = WIDTH / self.columns.len().max(1) as f64;
        let every = self.columns.len().div_ceil(NAMES).max(1);
        for (column, name) in self.columns.iter().enumerate().step_by(every) {
            let x = left + width * (column as f64 + 0.5);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                escape(name)
            );
        }
        let middle = (TOP + bottom) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {middle}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            left + WIDTH / 2.0,
            bottom + 40.0,
            escape(&self.x_label),
            escape(&self.y_label)
        );
    }
}

/// What the shades mean.
fn bar(svg: &mut String, scale: &Axis, x: f64, label: &str) {
    const SLICES: usize = 64;
    let slice = (scale.start - scale.end) / SLICES as f64;
    for number in 0..SLICES {
        let y = scale.start - slice * (number as f64 + 1.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y:.2}\" width=\"{BAR}\" height=\"{:.2}\" fill=\"{}\"/>",
            slice + 0.5,
            shade((number as f64 + 0.5) / SLICES as f64)
        );
    }
    for (value, name) in scale.ticks() {
        let Some(y) = scale.place(value) else { continue };
        let _ = writeln!(
            svg,
            "<line x1=\"{0}\" x2=\"{1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"black\"/>\
             <text x=\"{2}\" y=\"{3:.1}\">{name}</text>",
            x + BAR,
            x + BAR + 4.0,
            x + BAR + 7.0,
            y + 4.0
        );
    }
    let middle = (scale.start + scale.end) / 2.0;
    let _ = writeln!(
        svg,
        "<text transform=\"translate({} {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        x + BAR + 58.0,
        escape(label)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_without_a_value_is_empty_in_the_figure_and_in_the_csv() {
        let map = HeatMap {
            x_label: "t".into(),
            y_label: "map".into(),
            columns: vec!["1".into(), "2".into()],
            rows: vec![("a,b".into(), vec![0.5, f64::NAN]), ("c".into(), vec![1.0, 0.0])],
            ..HeatMap::default()
        };
        assert_eq!(map.to_csv(), "map / t,1,2\n\"a,b\",0.5,\nc,1,0\n");
        let svg = map.to_svg_file();
        assert!(!svg.contains("NaN"), "{svg}");
        for value in [shade(0.0), shade(0.5), shade(1.0)] {
            assert!(svg.contains(&value), "{value}");
        }
    }
}
