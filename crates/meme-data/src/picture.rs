//! A decoded picture: eight bits, three channels, row by row.

use crate::{Error, Result};

/// An RGB picture in memory: `height` rows of `width` pixels of three bytes (red, green, blue),
/// without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes, HWC.
    pub rgb: Vec<u8>,
}

impl RgbImage {
    /// A picture from its bytes.
    ///
    /// # Errors
    /// [`Error::Length`] unless `rgb` holds exactly `width * height * 3` bytes.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        let expected = width.saturating_mul(height).saturating_mul(3);
        if rgb.len() != expected {
            return Err(Error::Length { what: "picture", got: rgb.len(), expected });
        }
        Ok(Self { width, height, rgb })
    }

    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        let rgb = colour.iter().copied().cycle().take(width * height * 3).collect();
        Self { width, height, rgb }
    }

    /// The pixel in column `x` of row `y`, or `None` outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y * self.width + x) * 3;
        Some([self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]])
    }

    /// A picture from an array of `[3, height, width]` values in -1..1: `(x + 1) * 127.5`, rounded
    /// to nearest; values outside, and NaN, are clamped to 0..255 (NaN becomes 0).
    ///
    /// # Errors
    /// [`Error::Length`] unless there are `3 * height * width` values.
    pub fn from_array(values: &[f32], height: usize, width: usize) -> Result<Self> {
        let plane = height * width;
        if values.len() != plane * 3 {
            return Err(Error::Length { what: "array", got: values.len(), expected: plane * 3 });
        }
        let byte = |value: f32| ((value + 1.0) * 127.5).round() as u8;
        let rgb = (0..plane)
            .flat_map(|at| [values[at], values[plane + at], values[2 * plane + at]])
            .map(byte)
            .collect();
        Ok(Self { width, height, rgb })
    }

    /// Writes the picture as `[3, height, width]` values `x / 127.5 - 1` in -1..1.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` has room for exactly `3 * height * width` values.
    pub fn write_array(&self, out: &mut [f32]) -> Result<()> {
        let plane = self.width * self.height;
        if out.len() != plane * 3 {
            return Err(Error::Length { what: "output", got: out.len(), expected: plane * 3 });
        }
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        let scale = |byte: u8| f32::from(byte) / 127.5 - 1.0;
        for (at, pixel) in self.rgb.chunks_exact(3).enumerate() {
            red[at] = scale(pixel[0]);
            green[at] = scale(pixel[1]);
            blue[at] = scale(pixel[2]);
        }
        Ok(())
    }
}
