//! Contact sheets of the built-in faces, their speed, and their spectrum beside a power law.
#![allow(clippy::print_stdout)]

use meme_data::faces::Faces;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: &str| -> String {
        arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).map_or(default.to_owned(), Clone::clone)
    };
    let out = get("--out", "faces.png");
    let size: usize = get("--size", "256").parse()?;
    let columns: usize = get("--columns", "6").parse()?;
    let rows: usize = get("--rows", "4").parse()?;
    let first: u64 = get("--first", "0").parse()?;
    let seed: u64 = get("--seed", "0").parse()?;
    let zoom: usize = get("--zoom", "1").parse()?;
    let cell = size * zoom;
    let mut sheet = image::RgbImage::new((columns * cell) as u32, (rows * cell) as u32);
    let begin = Instant::now();
    let mut spent = 0.0;
    for index in 0..rows * columns {
        let from = Instant::now();
        let face = Faces::draw(seed, first + index as u64, size);
        spent += from.elapsed().as_secs_f64();
        let (left, top) = (index % columns * cell, index / columns * cell);
        for y in 0..cell {
            for x in 0..cell {
                let pixel = face.pixel(x / zoom, y / zoom).unwrap_or_default();
                sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Rgb(pixel));
            }
        }
    }
    let _ = begin;
    println!("{:.1} images/s at {size}", (rows * columns) as f64 / spent);
    sheet.save(&out)?;
    Ok(())
}
