//! Which image comes when: a pure function of (seed, epoch), for one reader or for many.

use crate::{Error, Result};
use meme_random::{Permutation, Purpose};
use std::ops::Range;

/// The sequence in which a source of `len` items is read, epoch after epoch, without end.
///
/// Position `counter` of the sequence is `permutation(seed, epoch)(counter mod len)` with
/// `epoch = counter / len`: known without having read what comes before, so a run can go on at any
/// image. A shard of `count` takes every `count`-th position, so the union of the shards at
/// any moment is what a single reader would have read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    len: usize,
    seed: Option<u64>,
    shard: u64,
    shards: u64,
}

/// One position of an [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The position in the sequence of all shards: images seen before this one.
    pub counter: u64,
    /// How often the source was gone through before.
    pub epoch: u64,
    /// The item of the source.
    pub index: usize,
}

impl Order {
    /// The items as they stand, again and again.
    ///
    /// # Errors
    /// [`Error::Setting`] when there are no items.
    pub fn sequential(len: usize) -> Result<Self> {
        if len == 0 {
            let requirement = "at least 1 item";
            return Err(Error::Setting { setting: "len", value: "0".to_owned(), requirement });
        }
        Ok(Self { len, seed: None, shard: 0, shards: 1 })
    }

    /// The items in another order every epoch.
    ///
    /// # Errors
    /// [`Error::Setting`] when there are no items.
    pub fn shuffled(seed: u64, len: usize) -> Result<Self> {
        Ok(Self { seed: Some(seed), ..Self::sequential(len)? })
    }

    /// The part of the sequence that reader `shard` (from 0) of `shards` takes.
    ///
    /// # Errors
    /// [`Error::Setting`] unless `shard < shards`.
    pub fn sharded(self, shard: usize, shards: usize) -> Result<Self> {
        if shard >= shards {
            return Err(Error::Setting {
                setting: "shard",
                value: format!("{shard} of {shards}"),
                requirement: "less than the number of shards",
            });
        }
        Ok(Self { shard: shard as u64, shards: shards as u64, ..self })
    }

    /// The number of items.
    #[allow(clippy::len_without_is_empty, reason = "an order is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The item at position `counter` of the whole sequence, whoever reads it.
    pub fn at(&self, counter: u64) -> Place {
        let len = self.len as u64;
        let (epoch, within) = (counter / len, counter % len);
        let index = match self.seed {
            Some(seed) => Permutation::new(seed, Purpose::Shuffle, epoch, len).at(within),
            None => within,
        };
        Place { counter, epoch, index: index as usize }
    }

    /// The positions of this shard within `counters`, in order.
    pub fn positions(&self, counters: Range<u64>) -> impl Iterator<Item = u64> + use<> {
        let behind = (counters.start + self.shards - self.shard % self.shards) % self.shards;
        let wait = if behind == 0 { 0 } else { self.shards - behind };
        let start = counters.start.saturating_add(wait);
        (start..counters.end).step_by(self.shards as usize)
    }
}

/// A source divided into what is trained on and what is held out. Both lists ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Indices to train on.
    pub train: Vec<usize>,
    /// Indices held out.
    pub validation: Vec<usize>,
}

impl Split {
    /// Holds out `validation` of `len` items, chosen by a permutation of `seed`.
    ///
    /// # Errors
    /// [`Error::Setting`] when nothing would be left to train on.
    pub fn seeded(seed: u64, len: usize, validation: usize) -> Result<Self> {
        if validation >= len {
            return Err(Error::Setting {
                setting: "validation",
                value: format!("{validation} of {len} images"),
                requirement: "less than the number of images",
            });
        }
        let permutation = Permutation::new(seed, Purpose::Split, 0, len as u64);
        let mut order: Vec<usize> = (0..len as u64).map(|i| permutation.at(i) as usize).collect();
        let mut train = order.split_off(validation);
        order.sort_unstable();
        train.sort_unstable();
        Ok(Self { train, validation: order })
    }
}
