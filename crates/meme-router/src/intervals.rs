//! Who owns which timestep.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::expert::Expert;
use crate::timestep::{Index, Timestep};

/// The timesteps 1..T shared out among experts 1..N: contiguous, without gap or overlap, nobody
/// without any. Expert 1 owns the least noisy ones.
///
/// In files it is the list of upper ends, counted in timesteps: `[250, 500, 750, 1000]`. The last
/// one is T. A list that breaks the rules is refused when it is read, with the interval named.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Intervals {
    /// Strictly rising, the first at least 1; never empty; at most `u16::MAX` of them.
    upper_ends: Vec<usize>,
}

impl Intervals {
    /// Intervals with these upper ends, in timesteps; the last one is T.
    ///
    /// # Errors
    /// [`Error::NoExperts`], [`Error::TooManyExperts`], and [`Error::EmptyInterval`] where the ends
    /// do not rise.
    pub fn explicit(upper_ends: &[usize]) -> Result<Self, Error> {
        let steps = upper_ends.last().copied().unwrap_or(0);
        check_count(upper_ends.len(), usize::MAX)?;
        let mut end = 0;
        for (position, upper) in upper_ends.iter().enumerate() {
            if *upper <= end {
                let expert = Expert::at(position);
                return Err(Error::EmptyInterval {
                    expert,
                    from: end.saturating_add(1),
                    to: *upper,
                });
            }
            end = *upper;
        }
        check_count(upper_ends.len(), steps)?;
        Ok(Self { upper_ends: upper_ends.to_vec() })
    }

    /// Equal widths: expert n of N ends at timestep floor(n T / N) (Lee et al. 2023, section 4.1).
    ///
    /// # Errors
    /// [`Error::NoExperts`], [`Error::TooManyExperts`].
    pub fn uniform(experts: usize, steps: usize) -> Result<Self, Error> {
        check_count(experts, steps)?;
        let end = |n: usize| (n as u128 * steps as u128 / experts as u128) as usize;
        Ok(Self { upper_ends: (1..=experts).map(end).collect() })
    }

    /// Intervals given as ranges of timesteps, ends included, as one writes them for experts that
    /// were trained apart: `[1..=442, 443..=631, 632..=1000]`.
    ///
    /// # Errors
    /// [`Error::EmptyInterval`], [`Error::Gap`], [`Error::Overlap`] and [`Error::WrongEnd`] name the
    /// interval; also [`Error::NoExperts`] and [`Error::TooManyExperts`].
    pub fn from_ranges(ranges: &[RangeInclusive<usize>], steps: usize) -> Result<Self, Error> {
        let mut end = 0;
        for (position, range) in ranges.iter().enumerate() {
            let (from, to, expert) = (*range.start(), *range.end(), Expert::at(position));
            if range.is_empty() {
                return Err(Error::EmptyInterval { expert, from, to });
            }
            if from <= end {
                return Err(Error::Overlap { expert, from, end });
            }
            if from - end > 1 {
                return Err(Error::Gap { expert, from: end + 1, to: from - 1 });
            }
            end = to;
        }
        let intervals =
            Self::explicit(&ranges.iter().map(|range| *range.end()).collect::<Vec<_>>())?;
        intervals.check_steps(steps)?;
        Ok(intervals)
    }

    /// How many experts there are: N.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.upper_ends.len()
    }

    /// How many timesteps there are: T.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.upper_ends.last().copied().unwrap_or(0)
    }

    /// The upper ends, in timesteps; the last one is T.
    #[must_use]
    pub fn upper_ends(&self) -> &[usize] {
        &self.upper_ends
    }

    /// Every expert with the indices it owns, expert 1 first.
    pub fn iter(&self) -> impl Iterator<Item = (Expert, Range<usize>)> + '_ {
        let starts = std::iter::once(0).chain(self.upper_ends.iter().copied());
        let ranges = starts.zip(&self.upper_ends).map(|(start, end)| start..*end);
        ranges.enumerate().map(|(position, range)| (Expert::at(position), range))
    }

    /// The indices that an expert owns, counted from 0.
    ///
    /// # Errors
    /// [`Error::UnknownExpert`].
    pub fn indices(&self, expert: Expert) -> Result<Range<usize>, Error> {
        let position = expert.position();
        let Some(end) = self.upper_ends.get(position) else {
            return Err(Error::UnknownExpert { expert, experts: self.experts() });
        };
        Ok(position.checked_sub(1).map_or(0, |before| self.upper_ends[before])..*end)
    }

    /// The timesteps that an expert owns, counted from 1: from its first to its last, both included.
    ///
    /// # Errors
    /// [`Error::UnknownExpert`].
    pub fn timesteps(&self, expert: Expert) -> Result<RangeInclusive<Timestep>, Error> {
        let Range { start, end } = self.indices(expert)?;
        Ok(Index::new(start).timestep()..=Index::new(end - 1).timestep())
    }

    /// The one expert that owns an index.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn expert_of(&self, index: Index) -> Result<Expert, Error> {
        let (index, steps) = (index.get(), self.steps());
        if index >= steps {
            return Err(Error::IndexOutOfRange { index, steps });
        }
        Ok(Expert::at(self.upper_ends.partition_point(|end| *end <= index)))
    }

    /// Whether these intervals fit a schedule of so many timesteps.
    ///
    /// # Errors
    /// [`Error::WrongEnd`].
    pub fn check_steps(&self, steps: usize) -> Result<(), Error> {
        let (expert, end) = (Expert::at(self.experts() - 1), self.steps());
        if end == steps { Ok(()) } else { Err(Error::WrongEnd { expert, end, steps }) }
    }
}

pub(crate) fn check_count(experts: usize, steps: usize) -> Result<(), Error> {
    let most = steps.min(usize::from(u16::MAX));
    if experts == 0 {
        Err(Error::NoExperts)
    } else if experts > most {
        Err(Error::TooManyExperts { experts, steps, most })
    } else {
        Ok(())
    }
}

impl TryFrom<Vec<usize>> for Intervals {
    type Error = Error;

    fn try_from(upper_ends: Vec<usize>) -> Result<Self, Error> {
        Self::explicit(&upper_ends)
    }
}

impl From<Intervals> for Vec<usize> {
    fn from(intervals: Intervals) -> Self {
        intervals.upper_ends
    }
}
