//! Shuffling without a table.

use crate::philox::{halves, philox4x32_10};
use crate::purpose::Purpose;

/// The bit of counter word 1 that keeps permutations apart from streams.
const PERMUTATION: u32 = 1 << 15;
/// Rounds of the Feistel network, an even number. Four make a pseudorandom permutation of a large
/// domain (Luby and Rackoff 1988).
const ROUNDS: u32 = 10;
/// Rounds where the domain has at most [`SMALL`] bits. A round moves little when a half has one or
/// two bits: ten of them leave the 120 orders of five numbers measurably uneven, sixteen do not.
const ROUNDS_SMALL: u32 = 24;
const SMALL: u32 = 8;

/// A pseudorandom permutation of `0..len` with random access: no table, constant time and memory.
///
/// A Feistel network over the smallest number of bits that holds `len` (two at least), its round
/// function being Philox, permutes a domain less than twice as large as `0..len`; a result outside
/// is permuted again until it falls inside (cycle walking: Black and Rogaway, "Ciphers with
/// Arbitrary Finite Domains", CT-RSA 2002). So `at` is a bijection by construction and takes fewer
/// than two passes on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permutation {
    key: [u32; 2],
    purpose: u32,
    epoch: [u32; 2],
    len: u64,
    /// Bits of the left half at even rounds; the right half has `bits[1]`, as many or one fewer.
    bits: [u32; 2],
    rounds: u32,
}

impl Permutation {
    /// The permutation of `0..len` that belongs to (seed, purpose, epoch).
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, len: u64) -> Self {
        let bits = (u64::BITS - len.saturating_sub(1).leading_zeros()).max(2);
        Self {
            key: halves(seed),
            purpose: u32::from(purpose.number()) | PERMUTATION,
            epoch: halves(epoch),
            len,
            bits: [bits.div_ceil(2), bits / 2],
            rounds: if bits <= SMALL { ROUNDS_SMALL } else { ROUNDS },
        }
    }

    /// How many numbers are permuted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is permuted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at position `index`. Positions repeat after `len`: `at(len)` is `at(0)`. The
    /// empty permutation gives 0.
    #[must_use]
    pub fn at(&self, index: u64) -> u64 {
        self.walk(index, Self::forwards)
    }

    /// The position at which `value` stands: the inverse of [`Permutation::at`].
    #[must_use]
    pub fn position_of(&self, value: u64) -> u64 {
        self.walk(value, Self::backwards)
    }

    /// All numbers in their permuted order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len).map(|index| self.at(index))
    }

    fn walk(&self, start: u64, pass: impl Fn(&Self, u64) -> u64) -> u64 {
        if self.len == 0 {
            return 0;
        }
        let mut value = pass(self, start % self.len);
        while value >= self.len {
            value = pass(self, value);
        }
        value
    }

    /// Each round replaces (left, right) by (right, left ^ f(right)); halves of different width
    /// trade places, and after an even number of rounds stand as at the start.
    fn forwards(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value >> self.bits[1], value & mask(self.bits[1]));
        for round in 0..self.rounds {
            (left, right) = (right, left ^ self.round(round, right));
        }
        left << self.bits[1] | right
    }

    fn backwards(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value >> self.bits[1], value & mask(self.bits[1]));
        for round in (0..self.rounds).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        left << self.bits[1] | right
    }

    /// The round function: as many bits as the half that it is added to has.
    fn round(&self, round: u32, half: u64) -> u64 {
        let counter = [half as u32, self.purpose | round << 16, self.epoch[0], self.epoch[1]];
        u64::from(philox4x32_10(counter, self.key)[0]) & mask(self.bits[(round % 2) as usize])
    }
}

fn mask(bits: u32) -> u64 {
    (1_u64 << bits) - 1
}
