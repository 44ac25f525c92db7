//! Built-in faces: portraits drawn by code from a seed, at any resolution, without any file.
//!
//! They stand in for a data set of photographs where none is at hand. A model that learns them has
//! to learn what it would learn from photographs: a coarse layout that nearly all pictures share
//! (eyes at nearly the same places, a head of about three quarters of the height, shoulders below),
//! shading that follows form, and fine detail down to single pixels (strands of hair, brows,
//! lashes, beards, cloth).
//!
//! ```
//! use meme_data::faces::Faces;
//!
//! let face = Faces::draw(7, 0, 64);
//! assert_eq!((face.width, face.height), (64, 64));
//! // A pure function of seed, number and size.
//! assert_eq!(face, Faces::draw(7, 0, 64));
//! assert_ne!(face, Faces::draw(7, 1, 64));
//! ```
//!
//! # What holds
//! * **Unlimited.** Every 64-bit number is another face of every 64-bit seed.
//! * **One face at every size.** Nothing is measured in pixels: a small picture is the large one,
//!   averaged. It draws fewer and wider strands than the large one does, out of the same sequence.
//!   Sizes of 16 to 1024 are what it is made for; others work.
//! * **The same bytes everywhere.** Only operations that IEEE 754 rounds in one way
//!   (`+ - * /`, square root, comparison, conversion) and functions of the `libm` crate are used,
//!   and all randomness comes from `meme-random`. A test holds a hash.
//!
//! # How a face is made
//! 1. *Traits*: each part of a portrait draws its own from a counter-based source (`dice`), tied
//!    together by a few tendencies of the whole person.
//! 2. *Surfaces*: the head is a stack of closed outlines (`skull`) with the features' relief on it
//!    (`head`, `nose`, `mouth`, `eyes`); ears, neck, shoulders, hats are grids of points like it.
//! 3. *Hair*: a few guides follow the comb, gravity and the head; thousands of strands follow the
//!    guides (Chang, Jin and Yu 2002), fewer and wider ones in small pictures (Cook et al. 2007).
//! 4. *Light*: one lamp with soft shadows from a coarse grid of depths, its reflection from the
//!    room, sky and ground, sometimes a rim; skin lets red light creep round the terminator, hair
//!    shines as fibres do (Kajiya and Kay 1989).
//! 5. *Drawing*: several samples a pixel find their nearest triangle and are shaded, with eyes,
//!    lips, brows, freckles and cloth as functions of the place on the unturned figure; strands are
//!    strokes with exact coverage over that. The samples of a pixel are averaged in linear light.
//!
//! # Spectrum
//! The amplitude of natural images falls with spatial frequency about as 1/f (Field 1987). Noise
//! behind, on skin and on cloth is a sum of octaves that does the same. Whole faces were measured to
//! fall as f^-1.05 at 32 pixels and, being portraits before blurred backgrounds, as f^-1.3 at 256.
//! The example `spectrum` measures it:
//! `cargo run --release -p meme-data --example spectrum -- 32 64`.

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

use crate::{Error, Result, RgbImage};
use dice::{Aspect, Source};
use glasses::Glasses;
use person::Person;
use portrait::Portrait;

/// The first `count` faces of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faces {
    seed: u64,
    count: usize,
}

impl Faces {
    /// The faces 0 to `count - 1` of `seed`. Nothing is drawn yet.
    pub fn new(seed: u64, count: usize) -> Self {
        Self { seed, count }
    }

    /// The number of faces.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Face `index`, `size` pixels a side.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] past the end.
    pub fn image(&self, index: usize, size: usize) -> Result<RgbImage> {
        if index >= self.count {
            return Err(Error::OutOfRange { what: "the built-in faces", index, len: self.count });
        }
        Ok(Self::draw(self.seed, index as u64, size))
    }

    /// Draws face `image` of `seed`, `size` pixels a side: sRGB, HWC. Takes about two to three
    /// milliseconds at 32 pixels and sixty at 256, on one core.
    pub fn draw(seed: u64, image: u64, size: usize) -> RgbImage {
        if size == 0 {
            return RgbImage { width: 0, height: 0, rgb: Vec::new() };
        }
        let rgb = Portrait::new(seed, image).render(size, samples(size));
        RgbImage { width: size, height: size, rgb }
    }

    /// Whether face `image` of `seed` wears glasses, as about one in five does; nothing is drawn.
    pub fn wears_glasses(seed: u64, image: u64) -> bool {
        let source = Source::new(seed, image);
        Glasses::are_worn(&mut source.dice(Aspect::Glasses), &Person::draw(source))
    }
}

/// Samples along a pixel's side: more where a pixel sees more of the face.
fn samples(size: usize) -> usize {
    match size {
        0..=20 => 5,
        21..=100 => 3,
        101..=2048 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wears_glasses_is_known_without_drawing() {
        let wear = |face: u64| Portrait::new(5, face).wears_glasses();
        let faces: Vec<u64> = (0..200).filter(|face| Faces::wears_glasses(5, *face)).collect();
        assert_eq!(faces, (0..200).filter(|face| wear(*face)).collect::<Vec<_>>());
        assert!((20..80).contains(&faces.len()), "{}", faces.len());
    }
}
