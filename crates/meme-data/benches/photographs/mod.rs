//! What cameras' pictures are to a decoder, for the benchmarks.

use std::error::Error;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use meme_data::RgbImage;

/// Gradients under noise of two sizes: about as many bytes a pixel as a photograph at quality 90.
fn photograph(number: usize, side: usize) -> Result<RgbImage, meme_data::Error> {
    let noise = |x: usize, y: usize| {
        let mut value = (x as u64) << 32 ^ (y as u64) << 8 ^ number as u64;
        value = (value ^ value >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (value >> 58) as u8
    };
    let pixel = |at: usize| {
        let (x, y) = (at % side, at / side);
        let grain = noise(x / 8, y / 8).wrapping_add(noise(x, y) / 8);
        [(x * 150 / side) as u8 + grain, (y * 150 / side) as u8 + grain, 80 + grain]
    };
    RgbImage::new(side, side, (0..side * side).flat_map(pixel).collect())
}

/// Makes `folder`, with `count` photographs of `side` by `side` pixels as JPEG of quality 90.
pub(crate) fn write(folder: &Path, count: usize, side: usize) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    for number in 0..count {
        let picture = photograph(number, side)?;
        let mut bytes = Vec::new();
        let kind = image::ExtendedColorType::Rgb8;
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.encode(&picture.rgb, side as u32, side as u32, kind)?;
        std::fs::write(folder.join(format!("{number:03}.jpg")), bytes)?;
    }
    Ok(())
}
