//! Kernel inception distance.

use meme_random::{Permutation, Purpose};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;

use crate::feature::widen;
use crate::statistics::check_finite;
use crate::{Error, Feature, Result};

/// Rows of a kernel matrix that are held at once.
const BLOCK: usize = 512;

/// How a kernel distance with an error is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KidOptions {
    /// Pairs of random subsets; at least 2. torch-fidelity takes 100.
    pub subsets: u64,
    /// Rows in each; at most half of the smaller set is taken, since subsets that are nearly the
    /// whole set would show no spread. torch-fidelity takes 1000.
    pub subset_size: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for KidOptions {
    fn default() -> Self {
        Self { subsets: 100, subset_size: 1000, seed: 0 }
    }
}

/// A kernel distance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kid {
    /// The unbiased estimate over all pairs of the two sets; can be below zero.
    pub value: f64,
    /// The mean over the subsets: what torch-fidelity and clean-fid print.
    pub subset_mean: f64,
    /// The standard deviation over the subsets.
    pub subset_deviation: f64,
    /// Pairs of subsets that were drawn.
    pub subsets: u64,
    /// Rows in each of them.
    pub subset_size: usize,
}

/// The kernel distance over all pairs with, beside it, the mean and spread over random subsets
/// (Binkowski et al., "Demystifying MMD GANs", 2018, section 4).
///
/// # Errors
/// [`Error::Dimension`], [`Error::NotFinite`]; [`Error::TooFew`] with fewer than four rows in a
/// set; [`Error::Setting`] for fewer than two subsets or subsets of fewer than two rows.
pub fn kid<A: Feature>(
    a: ArrayView2<'_, A>,
    b: ArrayView2<'_, A>,
    options: &KidOptions,
) -> Result<Kid> {
    let smaller = a.nrows().min(b.nrows());
    if smaller < 4 {
        return Err(Error::TooFew {
            what: "feature rows for a kernel distance with subsets",
            needed: 4,
            found: smaller as u64,
        });
    }
    if options.subsets < 2 || options.subset_size < 2 {
        return Err(Error::Setting {
            name: "subsets and subset_size",
            value: format!("{} and {}", options.subsets, options.subset_size),
            allowed: "at least 2 each",
        });
    }
    let value = squared_mmd(a, b)?;
    let size = options.subset_size.min(smaller / 2);
    let estimates = (0..options.subsets)
        .into_par_iter()
        .map(|subset| {
            let draw = |rows: ArrayView2<'_, A>, side: u64| {
                let count = rows.nrows() as u64;
                let order =
                    Permutation::new(options.seed, Purpose::Bootstrap, 2 * subset + side, count);
                let chosen: Vec<usize> = (0..size as u64).map(|i| order.at(i) as usize).collect();
                rows.select(Axis(0), &chosen)
            };
            squared_mmd(draw(a, 0).view(), draw(b, 1).view())
        })
        .collect::<Result<Vec<f64>>>()?;
    let (subset_mean, subset_deviation) = crate::bootstrap::mean_and_deviation(&estimates);
    Ok(Kid { value, subset_mean, subset_deviation, subsets: options.subsets, subset_size: size })
}

/// The squared maximum mean discrepancy under the kernel (x.y / dimension + 1)^3, unbiased: pairs
/// of a row with itself are left out.
///
/// # Errors
/// [`Error::Dimension`] for sets of different feature counts or of none, [`Error::TooFew`] with
/// fewer than two rows in a set, [`Error::NotFinite`] naming the place of a bad number.
pub fn squared_mmd<A: Feature>(a: ArrayView2<'_, A>, b: ArrayView2<'_, A>) -> Result<f64> {
    check_pair(a, b, 2)?;
    let across = kernel_sum(a, b) / (a.nrows() as f64 * b.nrows() as f64);
    Ok(mean_of_pairs(a) + mean_of_pairs(b) - 2.0 * across)
}

/// (x.y / dimension + 1)^3 for all rows of both.
fn kernel(rows: &Array2<f64>, columns: &Array2<f64>) -> Array2<f64> {
    let dimension = rows.ncols() as f64;
    rows.dot(&columns.t()).mapv_into(|product| (product / dimension + 1.0).powi(3))
}

/// The sum of the kernel over all pairs, a block of rows and columns at a time.
fn kernel_sum<A: Feature>(a: ArrayView2<'_, A>, b: ArrayView2<'_, A>) -> f64 {
    let blocks: Vec<_> = a.axis_chunks_iter(Axis(0), BLOCK).collect();
    let sums: Vec<f64> = blocks
        .into_par_iter()
        .map(|rows| {
            let rows = widen(rows);
            let columns = b.axis_chunks_iter(Axis(0), BLOCK);
            columns.map(|columns| kernel(&rows, &widen(columns)).sum()).sum()
        })
        .collect();
    sums.iter().sum()
}

/// The mean of the kernel over all pairs of different rows.
fn mean_of_pairs<A: Feature>(rows: ArrayView2<'_, A>) -> f64 {
    let count = rows.nrows() as f64;
    let blocks: Vec<_> = rows.axis_chunks_iter(Axis(0), BLOCK).collect();
    let sums: Vec<f64> = (0..blocks.len())
        .into_par_iter()
        .map(|first| {
            let ours = widen(blocks[first]);
            let own = kernel(&ours, &ours);
            let later =
                blocks[first + 1..].iter().map(|theirs| kernel(&ours, &widen(*theirs)).sum());
            own.sum() - own.diag().sum() + 2.0 * later.sum::<f64>()
        })
        .collect();
    sums.iter().sum::<f64>() / (count * (count - 1.0))
}

/// What every comparison of two feature sets asks for: the same features, enough rows, finite.
pub(crate) fn check_pair<A: Feature>(
    a: ArrayView2<'_, A>,
    b: ArrayView2<'_, A>,
    needed: usize,
) -> Result<()> {
    if a.ncols() != b.ncols() {
        return Err(Error::Dimension {
            what: "second set of features",
            expected: a.ncols(),
            found: b.ncols(),
        });
    }
    for (rows, what) in
        [(a.nrows(), "rows of the first set"), (b.nrows(), "rows of the second set")]
    {
        if rows < needed {
            let (needed, found) = (needed as u64, rows as u64);
            return Err(Error::TooFew { what, needed, found });
        }
    }
    check_finite(a, "first set of features")?;
    check_finite(b, "second set of features")
}
