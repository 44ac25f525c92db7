//! The spectrum of the built-in faces beside the 1/f of natural images:
//! `cargo run --release -p meme-data --example spectrum -- SIZE FACES`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme_data::faces::Faces;
use meme_frequency::{PowerSpectrum, Window};
use ndarray::Array3;
use std::f64::consts::TAU;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: usize = arguments.next().map_or(Ok(32), |size| size.parse())?;
    let faces: u64 = arguments.next().map_or(Ok(64), |faces| faces.parse())?;
    let mut spectrum = PowerSpectrum::new(size, size, Window::Hann)?;
    for face in 0..faces {
        let face = Faces::draw(0, face, size);
        let luma = face.rgb.chunks_exact(3).map(|pixel| {
            0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
        });
        spectrum.add(Array3::from_shape_vec((1, size, size), luma.collect())?.view())?;
    }
    let radial = spectrum.radial()?;
    let cycles = |ring: usize| radial.frequency[ring] * size as f64 / TAU;
    let amplitude = |ring: usize| radial.power[ring].sqrt();

    println!("cycles/picture  amplitude * f (1 at f = 4; constant = 1/f)");
    let mut ring = 2;
    while ring < size / 2 {
        let height = amplitude(ring) * cycles(ring) / (amplitude(4) * cycles(4));
        println!("{:>14.1}  {height:.3}", cycles(ring));
        ring = (ring * 5 / 4).max(ring + 1);
    }
    // Least squares in log-log, each octave counted alike.
    let points: Vec<(f64, f64, f64)> = (3..size / 2 * 9 / 10)
        .map(|ring| (cycles(ring).ln(), amplitude(ring).ln(), 1.0 / cycles(ring)))
        .collect();
    let total: f64 = points.iter().map(|point| point.2).sum();
    let mean = |pick: fn(&(f64, f64, f64)) -> f64| {
        points.iter().map(|point| pick(point) * point.2).sum::<f64>() / total
    };
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance = mean(|point| point.0 * point.1) - x * y;
    let variance = mean(|point| point.0 * point.0) - x * x;
    let slope = covariance / variance;
    println!("amplitude ~ f^{slope:.2} over {faces} faces (natural images: about f^-1)");
    Ok(())
}
