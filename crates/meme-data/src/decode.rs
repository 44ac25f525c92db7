//! From encoded bytes to an upright RGB picture on a background.

use crate::{Error, Result, RgbImage};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;

/// What a single image may cost. A file that wants more is refused before memory is set aside for
/// it, so an archive of bombs cannot exhaust memory: a decoding thread holds at most `max_bytes`
/// plus about twelve bytes per pixel of `max_pixels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest width or height, in pixels.
    pub max_side: u32,
    /// The largest product of width and height.
    pub max_pixels: u64,
    /// The largest encoded file, in bytes after an archive's decompression.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// Sides up to 65,535 (all that JPEG can say), 64 Mi pixels, 256 MiB encoded.
    fn default() -> Self {
        Self { max_side: 65_535, max_pixels: 64 << 20, max_bytes: 256 << 20 }
    }
}

/// Decodes a PNG, JPEG or WebP picture; which of them is read off the bytes, not off the name.
///
/// Grey becomes three equal channels, palettes are looked up, 16 bits are rounded to 8, transparent
/// parts are laid over `background` (`(a c + (255 - a) b) / 255`, rounded), and an EXIF orientation
/// is carried out, so that the picture stands as a viewer shows it. Colour profiles are not
/// applied; of an animation the first picture is taken. `name` is used in errors only.
///
/// # Errors
/// [`Error::Decode`] when the bytes are no such picture, are cut off or fail their checksums;
/// [`Error::TooLarge`] when it exceeds `limits`.
pub fn decode(name: &str, bytes: &[u8], background: [u8; 3], limits: &Limits) -> Result<RgbImage> {
    let failed = |reason: String| Error::Decode { name: name.to_owned(), reason };
    check_limit(name, "its encoded size in bytes", bytes.len() as u64, limits.max_bytes)?;
    if bytes.is_empty() {
        return Err(failed("the file is empty".to_owned()));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| failed(error.to_string()))?;
    let whole = match reader.format() {
        // The PNG decoder notices by itself; the other two fill up what is missing.
        Some(ImageFormat::Png) => true,
        Some(ImageFormat::Jpeg) => jpeg_ends(bytes),
        Some(ImageFormat::WebP) => webp_ends(bytes),
        Some(other) => return Err(failed(format!("{other:?} is not PNG, JPEG or WebP"))),
        None => return Err(failed("the bytes are not PNG, JPEG or WebP".to_owned())),
    };
    if !whole {
        return Err(failed("the file is cut off".to_owned()));
    }
    let mut allowed = image::Limits::default();
    // Eight bytes a pixel is 16-bit RGBA, the widest there is; as much again is scratch space.
    allowed.max_alloc = Some(limits.max_pixels.saturating_mul(16));
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(|error| failed(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    check_limit(name, "its longer side", width.max(height).into(), limits.max_side.into())?;
    let pixels = u64::from(width) * u64::from(height);
    check_limit(name, "its number of pixels", pixels, limits.max_pixels)?;
    if pixels == 0 {
        return Err(failed(format!("it is {width} x {height} pixels")));
    }
    // Damaged EXIF data says nothing about the pixels: such a picture is taken as it stands.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture =
        DynamicImage::from_decoder(decoder).map_err(|error| failed(error.to_string()))?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let rgb = if picture.color().has_alpha() {
        composite(picture.into_rgba8().as_raw(), background)
    } else {
        picture.into_rgb8().into_raw()
    };
    RgbImage::new(width, height, rgb)
}

fn check_limit(name: &str, what: &'static str, value: u64, limit: u64) -> Result<()> {
    if value > limit {
        return Err(Error::TooLarge { name: name.to_owned(), what, value, limit });
    }
    Ok(())
}

fn composite(rgba: &[u8], background: [u8; 3]) -> Vec<u8> {
    let over = |colour: u8, behind: u8, alpha: u32| {
        ((u32::from(colour) * alpha + u32::from(behind) * (255 - alpha) + 127) / 255) as u8
    };
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        rgb.extend((0..3).map(|channel| over(pixel[channel], background[channel], alpha)));
    }
    rgb
}

/// Whether a WebP file is as long as its first chunk says. The byte that pads an odd length is
/// missing from some files in the world.
fn webp_ends(bytes: &[u8]) -> bool {
    let Some(Ok(size)) = bytes.get(4..8).map(<[u8; 4]>::try_from) else { return false };
    bytes.len() as u64 + 1 >= u64::from(u32::from_le_bytes(size)) + 8
}

/// Whether an end marker follows the first scan. Within a scan 0xFF is always followed by 0x00 or a
/// restart marker, so the end marker is not met by chance, and a thumbnail's lies before the scan.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xD9]) else {
        return false;
    };
    first_scan(bytes).is_none_or(|scan| end > scan)
}

/// Where the first start-of-scan marker stands, found by walking the segments before it.
fn first_scan(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        match (bytes[at], marker) {
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0xDA) => return Some(at),
            (0xFF, 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, _) => {
                let length = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                at += 2 + usize::from(length);
            }
            _ => return None,
        }
    }
}
