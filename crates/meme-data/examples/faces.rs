//! A contact sheet of the built-in faces, how fast they are drawn, and their spectrum.
//!
//! ```text
//! cargo run --release -p meme-data --example faces -- --out faces.png --size 256 --columns 6 --rows 4
//! cargo run --release -p meme-data --example faces -- --size 32 --zoom 4 --spectrum 64
//! ```
//! `--seed` and `--first` choose which faces, `--zoom` repeats pixels, `--spectrum N` measures the
//! radial spectrum of N faces beside the 1/f of natural images.
#![allow(clippy::print_stdout)]

use meme_data::faces::Faces;
use meme_data::{RgbImage, write_png};
use std::f64::consts::PI;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let text = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: usize| -> Result<usize, Failure> {
        text(name).map_or(Ok(default), |value| {
            value.parse().map_err(|error| format!("{name} {value}: {error}").into())
        })
    };
    let size = number("--size", 256)?;
    let (columns, rows) = (number("--columns", 6)?, number("--rows", 4)?);
    let (seed, first) = (number("--seed", 0)? as u64, number("--first", 0)? as u64);
    let zoom = number("--zoom", 1)?.max(1);
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
    if let Some(out) = text("--out") {
        write_png(Path::new(&out), &sheet)?;
        println!("wrote {out}");
    }
    let count = number("--spectrum", 0)?;
    if count > 0 {
        spectrum(seed, first, count, size);
    }
    Ok(())
}

/// Prints mean amplitude by spatial frequency, times the frequency: constant for 1/f.
fn spectrum(seed: u64, first: u64, count: usize, size: usize) {
    let half = size / 2;
    let mut power = vec![0.0; half];
    let mut members = vec![0.0; half];
    for image in 0..count as u64 {
        let face = Faces::draw(seed, first + image, size);
        let plane = transform(&windowed(&face), size);
        for v in 0..size {
            for u in 0..=half {
                let fv = if v > half { size - v } else { v } as f64;
                let radius = (fv * fv + (u * u) as f64).sqrt().round() as usize;
                if radius < half {
                    let (re, im) = plane[v * size + u];
                    power[radius] += re * re + im * im;
                    members[radius] += 1.0;
                }
            }
        }
    }
    let amplitude = |f: usize| (power[f] / f64::max(members[f], 1.0)).sqrt();
    let reference = amplitude(4) * 4.0;
    println!("cycles/picture  amplitude * f (1 at f = 4; constant = 1/f)");
    let mut f = 2;
    while f < half {
        println!("{f:>14}  {:.3}", amplitude(f) * f as f64 / reference);
        f = (f * 5 / 4).max(f + 1);
    }
    // Least squares in log-log, each octave counted alike.
    let points: Vec<(f64, f64, f64)> = (3..half * 9 / 10)
        .map(|f| ((f as f64).ln(), amplitude(f).max(1e-300).ln(), 1.0 / f as f64))
        .collect();
    let total: f64 = points.iter().map(|p| p.2).sum();
    let mean = |pick: fn(&(f64, f64, f64)) -> f64| {
        points.iter().map(|p| p.2 * pick(p)).sum::<f64>() / total
    };
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| p.2 * (p.0 - mx) * (p.1 - my)).sum();
    let variance: f64 = points.iter().map(|p| p.2 * (p.0 - mx) * (p.0 - mx)).sum();
    println!(
        "amplitude ~ f^{:.2} over {count} faces (natural images: about f^-1)",
        covariance / variance
    );
}

/// Luma minus its mean, faded to zero at the borders (Hann), so that they make no frequencies.
fn windowed(face: &RgbImage) -> Vec<(f64, f64)> {
    let size = face.width;
    let luma: Vec<f64> = face
        .rgb
        .chunks_exact(3)
        .map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]))
        .collect();
    let mean = luma.iter().sum::<f64>() / luma.len() as f64;
    let hann = |k: usize| 0.5 - 0.5 * (2.0 * PI * (k as f64 + 0.5) / size as f64).cos();
    luma.iter()
        .enumerate()
        .map(|(at, value)| ((value - mean) * hann(at % size) * hann(at / size), 0.0))
        .collect()
}

/// The two-dimensional Fourier transform by its definition, rows and then columns.
fn transform(plane: &[(f64, f64)], size: usize) -> Vec<(f64, f64)> {
    let table: Vec<(f64, f64)> =
        (0..size).map(|k| (-2.0 * PI * k as f64 / size as f64).sin_cos()).collect();
    // Transforms the rows of a plane into the columns of another: twice is both directions.
    let turn = |plane: &[(f64, f64)]| {
        let mut out = vec![(0.0, 0.0); size * size];
        for (row, values) in plane.chunks_exact(size).enumerate() {
            for f in 0..size {
                let (mut re, mut im) = (0.0, 0.0);
                for (k, (a, b)) in values.iter().enumerate() {
                    let (sin, cos) = table[f * k % size];
                    re += a * cos - b * sin;
                    im += a * sin + b * cos;
                }
                out[f * size + row] = (re, im);
            }
        }
        out
    };
    turn(&turn(plane))
}
