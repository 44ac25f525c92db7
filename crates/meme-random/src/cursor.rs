//! A walk along a stream.

use crate::normal::{box_muller, unit};
use crate::stream::{Stream, scale};

/// A walk along a [`Stream`]: each call takes the next unused draw. The stream itself stays a
/// value; the position belongs to the cursor alone, so a cursor is as reproducible as the order of
/// the calls made on it.
///
/// Uniforms, integers and picks take one draw of 64 bits each: a cursor that is asked for nothing
/// else sees `uniform(0)`, `uniform(1)`, ... of its stream. Normals are made two at a time from a
/// block of their own; the second one is kept for the next call.
#[derive(Clone, Debug)]
pub struct Cursor {
    stream: Stream,
    next_block: u32,
    /// The second draw of the block last opened, if nobody took it yet.
    draw: Option<u64>,
    /// The second normal of the pair last made, if nobody took it yet.
    normal: Option<f64>,
}

impl Cursor {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, next_block: 0, draw: None, normal: None }
    }

    fn open_block(&mut self) -> [u64; 2] {
        let pair = self.stream.pair(self.next_block);
        self.next_block = self.next_block.wrapping_add(1);
        pair
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        if let Some(bits) = self.draw.take() {
            return bits;
        }
        let [first, second] = self.open_block();
        self.draw = Some(second);
        first
    }

    /// 32 random bits: the high half of the next draw.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A uniform number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit(self.next_u64())
    }

    /// A uniform number between `low` and `high`: `low + (high - low) * uniform()`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True with the given probability: never for 0, always for 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A uniform integer in `0..bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.next_u64(), bound)
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.normal.take() {
            return value;
        }
        let pair = self.open_block();
        let [first, second] = box_muller(pair);
        self.normal = Some(second);
        first
    }

    /// One element of an array, all equally likely. An empty array does not compile.
    pub fn pick<'a, T, const N: usize>(&mut self, items: &'a [T; N]) -> &'a T {
        const { assert!(N > 0, "nothing can be picked from an empty array") };
        &items[self.below(N as u64) as usize]
    }

    /// One element of a slice, all equally likely; `None` (and no draw taken) where it is empty.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len() as u64) as usize) }
    }
}
