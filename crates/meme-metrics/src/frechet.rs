//! The Frechet distance between two Gaussians.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;

use crate::{Error, Result, Statistics};

/// Below this share of the largest variance, what is left of a covariance is rounding: the usual
/// bound on the error of a float64 factorisation, dimension x machine epsilon.
const RANK_TOLERANCE_PER_DIMENSION: f64 = f64::EPSILON;
/// Rows of a factorisation that are worth a task of their own.
const ROWS_PER_TASK: usize = 64;

/// The squared Frechet (2-Wasserstein) distance between the Gaussians with the means and unbiased
/// covariances of two feature sets (Dowson and Landau 1982; Heusel et al. 2017, eq. 6):
///
/// `|m_a - m_b|^2 + tr A + tr B - 2 tr (A B)^(1/2)`
///
/// # The square root
/// With A = L L^T and B = K K^T the last trace is the sum of the singular values of L^T K, taken
/// here as square roots of the eigenvalues of the smaller of its two Gram matrices. Nothing
/// complex can arise, no jitter is added to a diagonal, and fewer samples than features are no
/// special case: L then simply has fewer columns. Rounding below zero is cut off at zero.
///
/// # Errors
/// [`Error::Dimension`] for sets of different feature counts, [`Error::TooFew`] for a set of fewer
/// than two rows, [`Error::NotFinite`] where a covariance overflows.
pub fn frechet_distance(a: &Statistics, b: &Statistics) -> Result<f64> {
    Gaussian::of(a)?.distance(&Gaussian::of(b)?)
}

/// A Gaussian prepared for many distances: its covariance is factored once.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Array1<f64>,
    trace: f64,
    /// L with covariance = L L^T: dimension x rank.
    factor: Array2<f64>,
}

impl Gaussian {
    /// The Gaussian with the mean and unbiased covariance of `statistics`.
    ///
    /// # Errors
    /// [`Error::TooFew`] with fewer than two rows.
    pub fn of(statistics: &Statistics) -> Result<Self> {
        Self::new(statistics.mean().to_owned(), statistics.covariance()?)
    }

    /// The Gaussian of a mean and a symmetric positive semi-definite covariance.
    ///
    /// # Errors
    /// [`Error::Dimension`] where they don't fit together, [`Error::NotFinite`] for a number that
    /// is not finite.
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>) -> Result<Self> {
        let checked = Statistics::from_parts(2, mean, covariance)?;
        let covariance = checked.scatter();
        Ok(Self {
            trace: covariance.diag().sum(),
            factor: pivoted_cholesky(covariance),
            mean: checked.mean().to_owned(),
        })
    }

    /// The number of directions in which this Gaussian has any width.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.factor.ncols()
    }

    /// See [`frechet_distance`].
    ///
    /// # Errors
    /// [`Error::Dimension`] for a Gaussian of another dimension.
    pub fn distance(&self, other: &Self) -> Result<f64> {
        if self.mean.len() != other.mean.len() {
            return Err(Error::Dimension {
                what: "second set of features",
                expected: self.mean.len(),
                found: other.mean.len(),
            });
        }
        let shift = &self.mean - &other.mean;
        let root = nuclear_norm(&self.factor.t().dot(&other.factor));
        Ok((shift.dot(&shift) + self.trace + other.trace - 2.0 * root).max(0.0))
    }
}

/// The sum of the singular values of a matrix.
fn nuclear_norm(matrix: &Array2<f64>) -> f64 {
    let gram = if matrix.nrows() <= matrix.ncols() {
        matrix.dot(&matrix.t())
    } else {
        matrix.t().dot(matrix)
    };
    // nalgebra cannot decompose the empty matrix that a set of equal rows leads to.
    if gram.is_empty() {
        return 0.0;
    }
    let side = gram.nrows();
    let gram = DMatrix::from_fn(side, side, |row, column| gram[[row, column]]);
    gram.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// L (dimension x rank) with L L^T = `matrix`, by Cholesky with diagonal pivoting, which stops
/// where nothing but rounding is left (Higham, "Analysis of the Cholesky decomposition of a
/// semi-definite matrix", 1990). Rows stay in the matrix's order; the columns are in no order.
fn pivoted_cholesky(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    let size = matrix.nrows();
    let mut rest: Vec<f64> = matrix.diag().to_vec();
    let largest = rest.iter().copied().fold(0.0, f64::max);
    let tolerance = largest * size as f64 * RANK_TOLERANCE_PER_DIMENSION;
    // Row by row in a plain vector, which threads can share out.
    let mut factor = vec![0.0_f64; size * size];
    let mut rank = 0;
    while rank < size {
        let (pivot, left) = rest
            .iter()
            .copied()
            .enumerate()
            .fold((0, f64::MIN), |best, next| if next.1 > best.1 { next } else { best });
        // Also where the whole matrix is zero.
        if left <= tolerance {
            break;
        }
        let root = left.sqrt();
        let pivot_row = factor[pivot * size..pivot * size + rank].to_vec();
        let rows = factor.par_chunks_mut(size).zip(rest.par_iter_mut()).enumerate();
        rows.with_min_len(ROWS_PER_TASK).for_each(|(row, (entries, left))| {
            // A pivot of before has nothing left, and zeros in all later columns.
            if *left > f64::MIN {
                let known: f64 = entries.iter().zip(&pivot_row).map(|(a, b)| a * b).sum();
                let entry = (matrix[[row, pivot]] - known) / root;
                entries[rank] = entry;
                *left -= entry * entry;
            }
        });
        factor[pivot * size + rank] = root;
        rest[pivot] = f64::MIN;
        rank += 1;
    }
    Array2::from_shape_fn((size, rank), |(row, column)| factor[row * size + column])
}
