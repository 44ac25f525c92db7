//! The number of an expert.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One of N experts, counted from 1; expert 1 owns the timesteps with least noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Expert(NonZeroU16);

impl Expert {
    /// The expert that is alone, or the first of several.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// Expert `number`, counted from 1.
    ///
    /// # Errors
    /// [`Error::ExpertZero`].
    pub const fn new(number: u16) -> Result<Self, Error> {
        match NonZeroU16::new(number) {
            Some(number) => Ok(Self(number)),
            None => Err(Error::ExpertZero),
        }
    }

    /// The expert at a position counted from 0. Positions beyond the largest expert number give
    /// that largest number; [`Intervals`](crate::Intervals) never has as many.
    pub(crate) fn at(position: usize) -> Self {
        let before = u16::try_from(position).unwrap_or(u16::MAX);
        Self(NonZeroU16::MIN.saturating_add(before))
    }

    /// The number, counted from 1; also the `expert` of this expert's random streams.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// The position in a list of all experts, counted from 0.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Display for Expert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expert {}", self.0)
    }
}

impl From<Expert> for u16 {
    fn from(expert: Expert) -> Self {
        expert.number()
    }
}

impl TryFrom<u16> for Expert {
    type Error = Error;

    fn try_from(number: u16) -> Result<Self, Error> {
        Self::new(number)
    }
}
