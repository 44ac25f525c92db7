//! Which timesteps an expert is trained on.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::expert::Expert;
use crate::intervals::Intervals;
use crate::paper;
use crate::spread::Spread;
use crate::timestep::Index;

/// Which timesteps an expert is trained on: its own interval with probability p, else a wider
/// choice (Lee et al. 2023, section 4.3, "soft interval assignment").
///
/// In files: `kind = "hard"`; `kind = "constant"` with `p = 0.375`; `kind = "soft"` or
/// `"complement"` with `p = [0.8, 0.4, 0.2, 0.1]`. Unknown keys and values of p outside [0, 1] are
/// refused when it is read; whether there is a p for every expert is for
/// [`Assignment::check`] to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", try_from = "Written")]
pub enum Assignment {
    /// Always the own interval.
    Hard,
    /// The own interval with the same probability p for every expert, else all of 1..T.
    Constant {
        /// The probability of the own interval.
        p: f64,
    },
    /// The own interval with probability `p[n - 1]` for expert n, else all of 1..T (which holds the
    /// own interval again).
    Soft {
        /// The probability of the own interval, expert 1 first.
        p: Vec<f64>,
    },
    /// The own interval with probability `p[n - 1]` for expert n, else the intervals of the others.
    Complement {
        /// The probability of the own interval, expert 1 first.
        p: Vec<f64>,
    },
}

/// An assignment as it stands in a file, before its values are checked.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Written {
    // Braces, because serde lets a unit variant pass with unknown keys.
    Hard {},
    Constant { p: f64 },
    Soft { p: Vec<f64> },
    Complement { p: Vec<f64> },
}

impl TryFrom<Written> for Assignment {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let assignment = match written {
            Written::Hard {} => Self::Hard,
            Written::Constant { p } => Self::Constant { p },
            Written::Soft { p } => Self::Soft { p },
            Written::Complement { p } => Self::Complement { p },
        };
        assignment.check_values()?;
        Ok(assignment)
    }
}

/// The exact distribution of an expert's index: one probability for each index of its own
/// interval, another for each of the others.
struct Density {
    own: Range<usize>,
    steps: usize,
    inside: f64,
    outside: f64,
}

impl Assignment {
    /// Soft assignment with the default p for so many experts, see [`paper::default_p`].
    ///
    /// # Errors
    /// [`Error::NoExperts`].
    pub fn soft(experts: usize) -> Result<Self, Error> {
        Ok(Self::Soft { p: paper::default_p(experts)? })
    }

    /// Whether this assignment fits these intervals.
    ///
    /// # Errors
    /// [`Error::Probability`], [`Error::ProbabilityCount`], [`Error::NoComplement`].
    pub fn check(&self, intervals: &Intervals) -> Result<(), Error> {
        self.check_values()?;
        intervals.iter().try_for_each(|(expert, _)| self.density(intervals, expert).map(|_| ()))
    }

    /// The index that an expert is trained on for one image: a function of (seed, expert, image).
    ///
    /// # Errors
    /// As [`Assignment::probabilities`].
    pub fn draw(
        &self,
        intervals: &Intervals,
        seed: u64,
        expert: Expert,
        image: u64,
    ) -> Result<Index, Error> {
        self.draw_spread(intervals, Spread::Independent, seed, expert, image)
    }

    /// As [`Assignment::draw`], with the uniform numbers behind the draws laid out by `spread`.
    ///
    /// # Errors
    /// As [`Assignment::probabilities`].
    pub fn draw_spread(
        &self,
        intervals: &Intervals,
        spread: Spread,
        seed: u64,
        expert: Expert,
        image: u64,
    ) -> Result<Index, Error> {
        self.quantile(intervals, expert, spread.uniform(seed, expert, image))
    }

    /// The index at which the distribution reaches `uniform`, a number in [0, 1): low numbers give
    /// low indices. Numbers outside are taken as the nearest inside.
    ///
    /// # Errors
    /// As [`Assignment::probabilities`].
    pub fn quantile(
        &self,
        intervals: &Intervals,
        expert: Expert,
        uniform: f64,
    ) -> Result<Index, Error> {
        Ok(Index::new(self.density(intervals, expert)?.quantile(uniform)))
    }

    /// The exact probability of every index 0..T-1 for one expert; they add up to 1.
    ///
    /// # Errors
    /// [`Error::UnknownExpert`], [`Error::Probability`], [`Error::ProbabilityCount`],
    /// [`Error::NoComplement`].
    pub fn probabilities(&self, intervals: &Intervals, expert: Expert) -> Result<Vec<f64>, Error> {
        let density = self.density(intervals, expert)?;
        Ok((0..density.steps).map(|index| density.at(index)).collect())
    }

    /// How much of an expert's training falls into its own interval. For soft assignment that is
    /// p + (1 - p) |I| / T: 0.85, 0.55, 0.40 and 0.325 in the paper's setting.
    ///
    /// # Errors
    /// As [`Assignment::probabilities`].
    pub fn own_share(&self, intervals: &Intervals, expert: Expert) -> Result<f64, Error> {
        let density = self.density(intervals, expert)?;
        Ok(density.inside * density.own.len() as f64)
    }

    /// The probability p with which an expert stays in its own interval, before the wider choice
    /// falls there as well.
    fn p(&self, experts: usize, expert: Expert) -> Result<f64, Error> {
        let p = match self {
            Self::Hard => 1.0,
            Self::Constant { p } => *p,
            Self::Soft { p } | Self::Complement { p } => {
                let given = p.len();
                let count = Error::ProbabilityCount { given, experts };
                let value = p.get(expert.position()).filter(|_| given == experts);
                *value.ok_or(count)?
            }
        };
        check_probability(expert, p)?;
        Ok(p)
    }

    fn density(&self, intervals: &Intervals, expert: Expert) -> Result<Density, Error> {
        let (own, steps) = (intervals.indices(expert)?, intervals.steps());
        let p = self.p(intervals.experts(), expert)?;
        let width = own.len() as f64;
        let rest = 1.0 - p;
        let (inside, outside) = if let Self::Complement { .. } = self {
            if own.len() < steps {
                (p / width, rest / (steps - own.len()) as f64)
            } else if rest == 0.0 {
                (1.0 / width, 0.0)
            } else {
                return Err(Error::NoComplement { expert, rest });
            }
        } else {
            let everywhere = rest / steps as f64;
            (p / width + everywhere, everywhere)
        };
        Ok(Density { own, steps, inside, outside })
    }

    fn check_values(&self) -> Result<(), Error> {
        match self {
            Self::Hard => Ok(()),
            Self::Constant { p } => check_probability(Expert::FIRST, *p),
            Self::Soft { p } | Self::Complement { p } => p
                .iter()
                .enumerate()
                .try_for_each(|(position, p)| check_probability(Expert::at(position), *p)),
        }
    }
}

fn check_probability(expert: Expert, value: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(Error::Probability { expert, value }) }
}

impl Density {
    fn at(&self, index: usize) -> f64 {
        if self.own.contains(&index) { self.inside } else { self.outside }
    }

    /// The inverse of the cumulative distribution, which is a line with two corners.
    fn quantile(&self, uniform: f64) -> usize {
        let pieces = [
            (0..self.own.start, self.outside),
            (self.own.clone(), self.inside),
            (self.own.end..self.steps, self.outside),
        ];
        let mut left = uniform.max(0.0);
        // Where rounding leaves a remainder beyond the last piece, the last possible index it is.
        let mut last = self.own.end - 1;
        for (range, each) in pieces {
            let mass = each * range.len() as f64;
            if mass > 0.0 {
                if left < mass {
                    return (range.start + (left / each) as usize).min(range.end - 1);
                }
                last = range.end - 1;
            }
            left -= mass;
        }
        last
    }
}
