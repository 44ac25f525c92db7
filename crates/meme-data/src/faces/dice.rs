//! Where a face's randomness comes from.
//!
//! One address (seed, image) is opened for the whole face; what it holds is a key, and every aspect
//! of the face (its skull, its hair, its light, ...) has draws of its own under that key. Adding a
//! draw to the hats therefore leaves all noses as they were, and the hundredth strand of hair is the
//! same strand whether ninety-nine were drawn before it or not: a small picture draws a part of a
//! large one's strands.

use meme_random::{Purpose, Stream, philox4x32_10};

/// What is being drawn; the numbers are part of what a face looks like.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Aspect {
    Person = 0,
    Pose = 1,
    Skull = 2,
    Nose = 3,
    Eyes = 4,
    Mouth = 5,
    Skin = 6,
    Brows = 7,
    Hair = 8,
    Beard = 9,
    Hat = 10,
    Glasses = 11,
    Jewellery = 12,
    Cloth = 13,
    Light = 14,
    Background = 15,
    Noise = 16,
    HairRoots = 32,
    BrowHairs = 33,
    BeardHairs = 34,
    Lashes = 35,
    Bokeh = 36,
    HairGuides = 37,
}

/// All randomness of one face.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    key: [u32; 2],
}

impl Source {
    /// Face `image` of `seed`.
    pub(super) fn new(seed: u64, image: u64) -> Self {
        let mut cursor = Stream::new(seed, Purpose::Faces, 0, image).cursor();
        Self { key: [cursor.next_u32(), cursor.next_u32()] }
    }

    /// The draws of one aspect, one after another.
    pub(super) fn dice(self, aspect: Aspect) -> Dice {
        Dice { source: self, aspect, block: 0, words: [0; 4], used: 4 }
    }

    /// Four uniform numbers that belong to one of many equal things: the `index`-th strand.
    #[inline]
    pub(super) fn scatter(self, aspect: Aspect, index: u32) -> [f32; 4] {
        philox4x32_10([index, aspect as u32, 1, 0], self.key).map(unit)
    }
}

/// 24 random bits as a number in [0, 1).
#[inline]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Draws of one aspect in sequence.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    source: Source,
    aspect: Aspect,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Dice {
    /// The next 32 random bits.
    pub(super) fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32_10([self.block, self.aspect as u32, 0, 0], self.source.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        unit(self.word())
    }

    /// Uniform between `low` and `high`.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Bell-shaped with standard deviation `deviation`, never further than 3.5 of them: the sum of
    /// four uniforms. Bodies have no long tails.
    pub(super) fn bell(&mut self, deviation: f32) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_8 * deviation
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// An index below `bound` (0 where `bound` is 0).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.word()) * bound as u64) >> 32) as usize
    }

    /// One of several things, all equally likely.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        items[self.below(N).min(N - 1)]
    }

    /// An index, with the given weights.
    pub(super) fn weighted(&mut self, weights: &[f32]) -> usize {
        let total: f32 = weights.iter().fold(0.0, |sum, weight| sum + weight);
        let mut left = self.unit() * total;
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        weights.len().saturating_sub(1)
    }
}
