//! Index and timestep: two numbers that differ by one, in two types.

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where a timestep stands in tables, time embeddings, DDIM grids and checkpoints: 0..T-1.
///
/// Index `i` is timestep `i + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Index(usize);

impl Index {
    /// The index `value`. Whether it lies below T is for [`Intervals`](crate::Intervals) to say.
    #[must_use]
    pub const fn new(value: usize) -> Self {
        Self(value)
    }

    /// The number itself, counted from 0.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// The same moment as a timestep: one more.
    #[must_use]
    pub const fn timestep(self) -> Timestep {
        Timestep(NonZeroUsize::MIN.saturating_add(self.0))
    }
}

impl From<Index> for usize {
    fn from(index: Index) -> Self {
        index.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {}", self.0)
    }
}

/// A timestep as papers, intervals and people count it: 1..T, where 0 would be the clean image.
///
/// There is deliberately no way into a `usize` but [`Timestep::get`]: tables are read with an
/// [`Index`].
///
/// ```compile_fail,E0277
/// let timestep = meme_router::Timestep::new(250)?;
/// let _: usize = timestep.into();
/// # Ok::<(), meme_router::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestep(NonZeroUsize);

impl Timestep {
    /// The timestep `value`.
    ///
    /// # Errors
    /// [`Error::TimestepZero`].
    pub const fn new(value: usize) -> Result<Self, Error> {
        match NonZeroUsize::new(value) {
            Some(value) => Ok(Self(value)),
            None => Err(Error::TimestepZero),
        }
    }

    /// The number itself, counted from 1.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0.get()
    }

    /// The same moment as an index: one less.
    #[must_use]
    pub const fn index(self) -> Index {
        Index(self.0.get() - 1)
    }
}

impl fmt::Display for Timestep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timestep {}", self.0)
    }
}
