//! Figures as PNG.

use std::path::Path;

use meme_data::RgbImage;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::{Error, Result};

/// Pixels of the PNG for one unit of the SVG.
const SCALE: f32 = 2.0;
/// The font that comes with the program, so that figures are the same everywhere.
const FONT: &str = "DejaVu Sans";

/// Writes a figure as `NAME.svg`, `NAME.png` and, with the numbers behind it, `NAME.csv`.
///
/// # Errors
/// [`Error::Figure`] for an SVG that cannot be drawn, [`Error::Checkpoint`] where a file cannot be
/// written.
pub(crate) fn write_figure(folder: &Path, name: &str, svg: &str, csv: &str) -> Result<()> {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let picture = draw(name, svg)?;
    meme_checkpoint::write_file_whole(file("svg"), svg.as_bytes())?;
    meme_checkpoint::write_file_whole(file("csv"), csv.as_bytes())?;
    Ok(meme_data::write_png(&file("png"), &picture)?)
}

fn draw(name: &str, svg: &str) -> Result<RgbImage> {
    let failed = |reason: String| Error::Figure { name: name.to_owned(), reason };
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    fonts.set_sans_serif_family(FONT);
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size();
    let side = |units: u32| (units as f32 * SCALE) as u32;
    let (width, height) = (side(size.width()), side(size.height()));
    let mut pixels =
        Pixmap::new(width, height).ok_or_else(|| failed(format!("{width} x {height} pixels")))?;
    pixels.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    let rgb = pixels.data().chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
    Ok(RgbImage::new(width as usize, height as usize, rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Chart, Series};

    #[test]
    fn a_chart_becomes_a_picture_with_letters_and_lines_in_it() {
        let points = vec![(0.0, 0.0), (1.0, 1.0)];
        let series = vec![Series { name: "a line".into(), points }];
        let chart = Chart { title: "A title".into(), series, ..Chart::default() };
        let picture = draw("chart", &chart.to_svg_file()).unwrap();
        assert_eq!(picture.width, 1120);
        let dark = |rows: std::ops::Range<usize>| {
            let row = 3 * picture.width;
            picture.rgb[rows.start * row..rows.end * row]
                .chunks_exact(3)
                .filter(|pixel| pixel.iter().all(|&value| value < 80))
                .count()
        };
        // The title's letters, and the line in its blue somewhere below.
        assert!(dark(12..50) > 300, "{}", dark(12..50));
        let blue = picture.rgb.chunks_exact(3).filter(|pixel| **pixel == [0, 0x72, 0xb2]);
        assert!(blue.count() > 1000);
    }

    #[test]
    fn a_broken_svg_is_named() {
        let error = draw("fall", "<svg").unwrap_err().to_string();
        assert!(error.starts_with("figure fall:"), "{error}");
    }
}
