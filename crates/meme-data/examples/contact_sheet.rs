//! A contact sheet of whatever lies in a folder, a tar or a zip file:
//! `cargo run -p meme-data --example contact_sheet -- PATH sheet.png`

use meme_data::{Filter, OnCorrupt, Pixels, Subset, Transform, grid, open, survey, write_png};
use std::path::Path;

#[allow(clippy::print_stdout, reason = "a program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        return Err("usage: contact_sheet PATH sheet.png".into());
    };
    let images = open(Path::new(input))?;
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
    write_png(Path::new(output), &grid(&pictures, 8, 4)?)?;
    println!("{} pictures in {output}", pictures.len());
    Ok(())
}
