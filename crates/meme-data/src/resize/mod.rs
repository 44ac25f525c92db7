//! Resizing bytes exactly as OpenCV and Pillow do.
//!
//! Both take a window of the result, so that a panorama a hundred times as long as it is high costs
//! no more than the square that is kept of it.

mod opencv;
mod pillow;

use crate::{Filter, RgbImage};

/// The size of a whole result, and the square of it that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Width and height of the whole result in pixels.
    pub(crate) full: (usize, usize),
    /// Left column and top row of the square.
    pub(crate) corner: (usize, usize),
    /// The square's side.
    pub(crate) side: usize,
}

/// The wanted square of `source` brought to `window.full`. Neither may be empty, and the square
/// must lie inside.
pub(crate) fn resize(source: &RgbImage, filter: Filter, window: Window) -> RgbImage {
    if window.full == (source.width, source.height) {
        return cut(source, window.corner, window.side);
    }
    match filter {
        Filter::OpencvBilinear => opencv::bilinear(source, window),
        Filter::PilBox => pillow::resample(source, &pillow::BOX, window),
        Filter::PilBilinear => pillow::resample(source, &pillow::BILINEAR, window),
        Filter::PilBicubic => pillow::resample(source, &pillow::BICUBIC, window),
        Filter::PilLanczos => pillow::resample(source, &pillow::LANCZOS, window),
    }
}

/// A square cut out of a picture.
pub(crate) fn cut(source: &RgbImage, (left, top): (usize, usize), side: usize) -> RgbImage {
    let mut rgb = Vec::with_capacity(side * side * 3);
    for row in top..top + side {
        let start = (row * source.width + left) * 3;
        rgb.extend_from_slice(&source.rgb[start..start + side * 3]);
    }
    RgbImage { width: side, height: side, rgb }
}
