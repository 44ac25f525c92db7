//! Any network on any interval.

use std::ops::RangeInclusive;

use crate::error::Error;
use crate::expert::Expert;
use crate::intervals::Intervals;
use crate::timestep::Index;

/// Networks stitched together along the timesteps: one for each interval, of whatever kind `N`
/// describes one (a path, a name, a network). The same one may serve several intervals, so a large
/// network can take the early steps and a small one the rest (T-Stitch, Pan et al. 2024).
///
/// ```
/// use meme_router::{Index, Stitch};
///
/// let stitch = Stitch::new([(1..=700, "large"), (701..=1000, "small")], 1000)?;
/// assert_eq!(*stitch.network_of(Index::new(699))?, "large");
/// assert_eq!(*stitch.network_of(Index::new(700))?, "small");
/// # Ok::<(), meme_router::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stitch<N> {
    intervals: Intervals,
    networks: Vec<N>,
}

impl<N> Stitch<N> {
    /// Networks with the timesteps of each, ends included, in rising order.
    ///
    /// # Errors
    /// As [`Intervals::from_ranges`].
    pub fn new(
        parts: impl IntoIterator<Item = (RangeInclusive<usize>, N)>,
        steps: usize,
    ) -> Result<Self, Error> {
        let (ranges, networks): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Self { intervals: Intervals::from_ranges(&ranges, steps)?, networks })
    }

    /// One network for each of the given intervals, expert 1 first.
    ///
    /// # Errors
    /// [`Error::NetworkCount`].
    pub fn over(intervals: Intervals, networks: Vec<N>) -> Result<Self, Error> {
        let (networks_given, experts) = (networks.len(), intervals.experts());
        if networks_given == experts {
            Ok(Self { intervals, networks })
        } else {
            Err(Error::NetworkCount { networks: networks_given, experts })
        }
    }

    /// Who owns which timestep.
    #[must_use]
    pub fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// The networks, expert 1's first.
    #[must_use]
    pub fn networks(&self) -> &[N] {
        &self.networks
    }

    /// The network of an expert.
    ///
    /// # Errors
    /// [`Error::UnknownExpert`].
    pub fn network(&self, expert: Expert) -> Result<&N, Error> {
        let experts = self.intervals.experts();
        self.networks.get(expert.position()).ok_or(Error::UnknownExpert { expert, experts })
    }

    /// The network that owns an index.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn network_of(&self, index: Index) -> Result<&N, Error> {
        self.network(self.intervals.expert_of(index)?)
    }
}
