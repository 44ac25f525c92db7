//! A sheet of the built-in faces, and how fast they are drawn:
//! `cargo run --release -p meme-data --example faces -- --size 256 --columns 6 --rows 4`
//!
//! `--seed` and `--first` choose which faces, `--zoom` repeats pixels. The sheet becomes `faces.png`
//! in the current folder.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme_data::faces::Faces;
use meme_data::{RgbImage, write_png};
use std::path::Path;
use std::time::Instant;

/// The number after an option, or what stands for it.
fn number(name: &str, default: usize) -> Result<usize, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == name) {
        None => Ok(default),
        Some(at) => Ok(arguments.get(at + 1).ok_or("a number is missing")?.parse()?),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (size, zoom) = (number("--size", 64)?, number("--zoom", 1)?.max(1));
    let (columns, rows) = (number("--columns", 6)?, number("--rows", 4)?);
    let (seed, first) = (number("--seed", 0)? as u64, number("--first", 0)? as u64);
    let cell = size * zoom;
    let mut sheet = RgbImage::filled(columns * cell, rows * cell, [0; 3]);
    let mut seconds = Vec::new();
    for index in 0..rows * columns {
        let begin = Instant::now();
        let face = Faces::draw(seed, first + index as u64, size);
        seconds.push(begin.elapsed().as_secs_f64());
        let (left, top) = (index % columns * cell, index / columns * cell);
        for y in 0..cell {
            for x in 0..cell {
                let at = ((top + y) * sheet.width + left + x) * 3;
                let pixel = face.pixel(x / zoom, y / zoom).unwrap_or_default();
                sheet.rgb[at..at + 3].copy_from_slice(&pixel);
            }
        }
    }
    seconds.sort_by(f64::total_cmp);
    if let Some(median) = seconds.get(seconds.len() / 2) {
        println!("{size} x {size}: median {:.2} ms, {:.0} images/s", 1e3 * median, 1.0 / median);
    }
    write_png(Path::new("faces.png"), &sheet)?;
    println!("wrote faces.png");
    Ok(())
}
