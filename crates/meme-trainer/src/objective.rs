//! What is being minimised, apart from how.

use std::ops::Range;
use std::sync::Arc;

use meme_torch::tch::Tensor;

use crate::statistics::Validated;
use crate::{Error, Stop};

/// The data side of an objective: everything read from disk or drawn at random.
///
/// It runs on a thread of its own, ahead of the network, and must be a pure function of the image
/// counters: then a batch can be cut anywhere and a run resumed anywhere without a number changing.
pub trait Batches: Send + Sync {
    /// What the network needs for one forward pass.
    type Batch: Send;

    /// The batch of the images whose counters are `images`.
    ///
    /// # Errors
    /// Whatever reading or drawing can fail with.
    fn prepare(&self, images: Range<u64>) -> Result<Self::Batch, Error>;
}

/// The loss of a batch.
pub struct Loss {
    /// Loss of every image, `[B]`, differentiable.
    pub per_image: Tensor,
    /// For every image the bucket its loss is reported under, `B` numbers below
    /// [`Objective::buckets`].
    pub buckets: Vec<usize>,
}

/// A loss that a [`Trainer`](crate::Trainer) can minimise.
pub trait Objective {
    /// What [`Batches::prepare`] makes.
    type Batch: Send + 'static;

    /// The data side; shared with the loader thread.
    fn batches(&self) -> Arc<dyn Batches<Batch = Self::Batch>>;

    /// How many buckets the statistics keep (1 where a loss has no natural axis).
    fn buckets(&self) -> usize;

    /// The loss of every image of the batch.
    ///
    /// # Errors
    /// Whatever the network can fail with.
    fn loss(&mut self, batch: &Self::Batch) -> Result<Loss, Error>;

    /// Losses on held-out data with the weights as they stand, a pure function of them; `images`
    /// is left at 0. `None` where there is no such data or `stop` was raised.
    ///
    /// # Errors
    /// Whatever data and network can fail with.
    fn validate(&mut self, _stop: &Stop) -> Result<Option<Validated>, Error> {
        Ok(None)
    }
}
