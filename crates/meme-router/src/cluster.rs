//! Interval clustering: the boundaries that cost least.

use crate::error::Error;
use crate::intervals::{Intervals, check_count};

/// What it costs to put timesteps into one interval (Go et al., "Addressing Negative Transfer in
/// Diffusion Models", NeurIPS 2023, arXiv 2306.00354, section 4): the sum over the interval of each
/// timestep's distance from the one in its middle. Where the middle lies between two, the later is
/// taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClusterCost<'a> {
    /// The distance of timesteps is `|s - t|`: intervals of about equal width.
    Timestep {
        /// How many timesteps there are: T.
        steps: usize,
    },
    /// The distance is `|v_s - v_t|` of any finite quantity given per index, such as log-SNR.
    Values(&'a [f64]),
    /// The distance is `1 - S[s][t]`, where S is a T x T matrix, row by row, such as the cosine
    /// similarity of the loss gradients at two timesteps (task affinity).
    Similarity(&'a [f64]),
}

impl ClusterCost<'_> {
    /// How many timesteps the cost is given for.
    ///
    /// # Errors
    /// [`Error::NotSquare`].
    pub fn steps(&self) -> Result<usize, Error> {
        match self {
            Self::Timestep { steps } => Ok(*steps),
            Self::Values(values) => Ok(values.len()),
            Self::Similarity(matrix) => {
                let (len, side) = (matrix.len(), matrix.len().isqrt());
                if side * side == len { Ok(side) } else { Err(Error::NotSquare { len }) }
            }
        }
    }

    /// What the given intervals cost.
    ///
    /// # Errors
    /// [`Error::WrongEnd`], [`Error::NotSquare`], [`Error::BadValue`].
    pub fn of(&self, intervals: &Intervals) -> Result<f64, Error> {
        let sums = Sums::new(self)?;
        intervals.check_steps(sums.steps)?;
        Ok(intervals.iter().map(|(_, range)| sums.cost(range.start, range.end)).sum())
    }

    fn distance(&self, steps: usize, middle: usize, index: usize) -> f64 {
        match self {
            Self::Timestep { .. } => middle.abs_diff(index) as f64,
            Self::Values(values) => (values[middle] - values[index]).abs(),
            Self::Similarity(matrix) => 1.0 - matrix[middle * steps + index],
        }
    }

    fn check_values(&self, steps: usize) -> Result<(), Error> {
        let (table, values) = match self {
            Self::Timestep { .. } => return Ok(()),
            Self::Values(values) => ("clustering value", *values),
            Self::Similarity(matrix) => ("row of the similarity matrix", *matrix),
        };
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let index = if matches!(self, Self::Similarity(_)) { at / steps } else { at };
                Err(Error::BadValue {
                    table,
                    index,
                    value: values[at],
                    needed: "it must be finite",
                })
            }
        }
    }
}

/// Distances from every possible middle, summed up along the indices, so that the cost of any
/// interval is one subtraction.
struct Sums {
    steps: usize,
    /// `steps` rows of `steps + 1` running sums.
    sums: Vec<f64>,
}

impl Sums {
    fn new(cost: &ClusterCost<'_>) -> Result<Self, Error> {
        let steps = cost.steps()?;
        cost.check_values(steps)?;
        let mut sums = Vec::with_capacity(steps * (steps + 1));
        for middle in 0..steps {
            let mut sum = 0.0;
            sums.push(sum);
            for index in 0..steps {
                sum += cost.distance(steps, middle, index);
                sums.push(sum);
            }
        }
        Ok(Self { steps, sums })
    }

    /// The cost of the indices `start..end`, at least one.
    fn cost(&self, start: usize, end: usize) -> f64 {
        let row = usize::midpoint(start, end) * (self.steps + 1);
        self.sums[row + end] - self.sums[row + start]
    }
}

impl Intervals {
    /// The intervals whose costs have the smallest sum, found exactly by dynamic programming over
    /// the last boundary. Of several equally cheap ones, the earliest boundaries win.
    ///
    /// Takes N T^2 / 2 additions and 8 T^2 bytes: a blink for T = 1000.
    ///
    /// # Errors
    /// [`Error::NotSquare`], [`Error::BadValue`], [`Error::NoExperts`], [`Error::TooManyExperts`].
    pub fn cluster(experts: usize, cost: ClusterCost<'_>) -> Result<Self, Error> {
        let steps = cost.steps()?;
        check_count(experts, steps)?;
        let sums = Sums::new(&cost)?;
        // best[end]: the least cost of sharing out 0..end among the experts so far.
        let mut best: Vec<f64> = (0..=steps)
            .map(|end| if end == 0 { f64::INFINITY } else { sums.cost(0, end) })
            .collect();
        let mut last_starts = Vec::with_capacity(experts);
        for n in 2..=experts {
            let mut next = vec![f64::INFINITY; steps + 1];
            let mut starts = vec![0; steps + 1];
            for end in n..=steps {
                for (start, before) in best[..end].iter().enumerate().skip(n - 1) {
                    let total = before + sums.cost(start, end);
                    if total < next[end] {
                        (next[end], starts[end]) = (total, start);
                    }
                }
            }
            best = next;
            last_starts.push(starts);
        }
        let mut upper_ends = vec![steps];
        let mut end = steps;
        for starts in last_starts.iter().rev() {
            end = starts[end];
            upper_ends.push(end);
        }
        upper_ends.reverse();
        Self::explicit(&upper_ends)
    }
}
