//! A contact sheet of what lies in a folder, a tar or a zip file, or of built-in faces:
//! `cargo run -p meme-data --example contact_sheet -- PATH`
//!
//! It becomes `contact-sheet.png` in the current folder.

use meme_data::{
    DrawnFaces, Filter, ImageSource, OnCorrupt, Pixels, Subset, Transform, grid, open, survey,
    write_png,
};
use std::path::Path;

#[allow(clippy::print_stdout, reason = "a program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let images: Box<dyn ImageSource> = match std::env::args().nth(1) {
        Some(path) => open(Path::new(&path))?,
        None => Box::new(DrawnFaces::new(7, 24)),
    };
    let count = images.len().min(64);
    let first = Subset::of_images(images, (0..count).collect())?;
    let transform = Transform { filter: Filter::PilLanczos, ..Transform::new(96) };
    let pixels = Pixels::new(first, transform)?;

    let found = survey(&pixels, OnCorrupt::SkipAndReport)?;
    for skipped in &found.skipped {
        println!("left out: {}", skipped.reason);
    }
    let pictures =
        found.readable.iter().map(|index| pixels.picture(*index)).collect::<Result<Vec<_>, _>>()?;
    write_png(Path::new("contact-sheet.png"), &grid(&pictures, 8, 4)?)?;
    println!("{} pictures in contact-sheet.png", pictures.len());
    Ok(())
}
