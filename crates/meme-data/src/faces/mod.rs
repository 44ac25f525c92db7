//! Built-in faces, drawn by code from a seed.

mod background;
mod beard;
mod body;
mod brows;
mod dice;
mod eyes;
mod finish;
mod glasses;
mod hair;
mod hats;
mod head;
mod jewellery;
mod light;
mod mesh;
mod mouth;
mod noise;
mod nose;
mod numeric;
mod palette;
mod person;
mod portrait;
mod raster;
mod skin;
mod skull;
mod strands;
mod strokes;

use crate::RgbImage;
use portrait::Portrait;

/// Faces.
#[derive(Clone, Copy, Debug)]
pub struct Faces {
    seed: u64,
    count: usize,
}

impl Faces {
    /// `count` faces of a seed.
    pub fn new(seed: u64, count: usize) -> Self {
        Self { seed, count }
    }

    /// The number of faces.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Draws.
    pub fn draw(seed: u64, image: u64, size: usize) -> RgbImage {
        let samples = samples(size);
        let rgb = Portrait::new(seed, image).render(size, samples);
        RgbImage { width: size, height: size, rgb }
    }
}

/// Samples along a pixel's side.
fn samples(size: usize) -> usize {
    match size {
        0..=20 => 5,
        21..=100 => 3,
        _ => 2,
    }
}
