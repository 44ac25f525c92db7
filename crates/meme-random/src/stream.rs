//! A stream: all draws of one address.

use crate::cursor::Cursor;
use crate::normal::{self, box_muller, unit};
use crate::philox::{halves, philox4x32_10};
use crate::purpose::Purpose;

/// All draws of one address (seed, purpose, expert, image): an infinite array rather than a
/// generator. Copying or asking twice changes nothing.
///
/// Draws of different kinds share bits: `uniform(i)` and `below(i, n)` are made of draw `i`,
/// `normal(i)` of draws `i` and its neighbour in the pair (0, 1), (2, 3), ... Ask one stream for
/// one kind of draw, or use [`Stream::cursor`], which never hands out the same bits twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    key: [u32; 2],
    /// Counter words 1, 2 and 3; word 0 is the block.
    address: [u32; 3],
}

impl Stream {
    /// The stream of one address. `expert` is 0 for what belongs to no expert; `image` counts
    /// images, samples, parameters or whatever the purpose is about.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, expert: u16, image: u64) -> Self {
        let [low, high] = halves(image);
        let who = u32::from(purpose.number()) | u32::from(expert) << 16;
        Self { key: halves(seed), address: [who, low, high] }
    }

    /// Both 64-bit draws of a block: draws `2 block` and `2 block + 1`.
    #[inline]
    pub(crate) fn pair(&self, block: u32) -> [u64; 2] {
        let [who, low, high] = self.address;
        let words = philox4x32_10([block, who, low, high], self.key);
        [
            u64::from(words[0]) | u64::from(words[1]) << 32,
            u64::from(words[2]) | u64::from(words[3]) << 32,
        ]
    }

    /// The 64 random bits of a draw.
    #[inline]
    #[must_use]
    pub fn bits(&self, draw: u64) -> u64 {
        self.pair((draw / 2) as u32)[(draw % 2) as usize]
    }

    /// A uniform number in [0, 1): a multiple of 2^-53.
    #[inline]
    #[must_use]
    pub fn uniform(&self, draw: u64) -> f64 {
        unit(self.bits(draw))
    }

    /// A uniform integer in `0..bound`; 0 where `bound` is 0.
    ///
    /// The draw is multiplied with the bound and the high half kept (Lemire 2019) without
    /// rejection, so that one draw is enough: a value's probability is off by less than 2^-64.
    #[inline]
    #[must_use]
    pub fn below(&self, draw: u64, bound: u64) -> u64 {
        scale(self.bits(draw), bound)
    }

    /// A standard normal number; its absolute value is at most 8.58.
    #[inline]
    #[must_use]
    pub fn normal(&self, draw: u64) -> f64 {
        box_muller(self.pair((draw / 2) as u32))[(draw % 2) as usize]
    }

    /// Fills `out` with standard normals: element `i` is `normal(i)` rounded to float32, whatever
    /// the length.
    pub fn fill_normal(&self, out: &mut [f32]) {
        // Bits, radii and directions of a run of pairs are made in loops of their own: each loop is
        // short enough for the processor to work on several turns at once, which the whole chain
        // from counter to normal is not. It halves the time.
        const RUN: usize = 64;
        let mut bits = [[0; 2]; RUN];
        let mut radii = [0.0; RUN];
        let mut block = 0_u32;
        for chunk in out.chunks_mut(2 * RUN) {
            let pairs = chunk.len().div_ceil(2);
            for slot in &mut bits[..pairs] {
                *slot = self.pair(block);
                block = block.wrapping_add(1);
            }
            for (radius, bits) in radii.iter_mut().zip(&bits[..pairs]) {
                *radius = normal::radius(bits[0]);
            }
            for ((pair, radius), bits) in chunk.chunks_mut(2).zip(&radii).zip(&bits) {
                let normals = normal::direction(bits[1]).map(|side| (radius * side) as f32);
                pair.copy_from_slice(&normals[..pair.len()]);
            }
        }
    }

    /// Fills `out` with uniform numbers in [0, 1): element `i` is `uniform(i)` cut off (not
    /// rounded, which could give 1) to a multiple of 2^-24.
    pub fn fill_uniform(&self, out: &mut [f32]) {
        let cut = |bits: u64| (bits >> 40) as f32 * (1.0 / 16_777_216.0);
        let (pairs, last) = out.as_chunks_mut::<2>();
        for (block, pair) in (0_u32..).zip(pairs.iter_mut()) {
            *pair = self.pair(block).map(cut);
        }
        if let [value] = last {
            *value = cut(self.bits(2 * pairs.len() as u64));
        }
    }

    /// A walk along the stream from its first draw, for drawing one thing after another.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::new(*self)
    }
}

/// The high half of `bits * bound`: `bits` as a fraction of 2^64, scaled to `0..bound`.
#[inline]
pub(crate) fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}
