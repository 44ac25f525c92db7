//! What nearest neighbours in feature space tell: precision, recall, density, coverage, copies.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::Serialize;

use crate::kid::check_pair;
use crate::{Error, Result};

/// Fidelity and diversity of generated features against real ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Manifold {
    /// Share of generated rows inside the ball of some real row: are the images plausible?
    pub precision: f64,
    /// Share of real rows inside the ball of some generated row: is everything reached?
    pub recall: f64,
    /// Precision that counts how many real balls a generated row lies in, over `k`: 1 where the
    /// two sets agree, and outliers weigh less. Not bounded by 1.
    pub density: f64,
    /// Share of real rows whose ball holds a generated row.
    pub coverage: f64,
    /// Which neighbour sets the radius of a row's ball.
    pub k: usize,
}

/// Precision and recall (Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing
/// Generative Models", 2019) with density and coverage (Naeem et al., "Reliable Fidelity and
/// Diversity Metrics for Generative Models", 2020): a row's ball reaches to its `k`-th nearest
/// neighbour in its own set, Euclidean, border excluded. Naeem et al. take k = 5.
///
/// Distances are summed from differences, not from squared norms, so that copies have distance
/// exactly zero. The cost is (real + generated)^2 x dimension, on all threads; memory stays linear.
///
/// # Errors
/// [`Error::Setting`] for `k` = 0; [`Error::TooFew`] where a set has not more than `k` rows;
/// [`Error::Dimension`], [`Error::NotFinite`].
pub fn precision_recall_density_coverage(
    real: ArrayView2<'_, f64>,
    generated: ArrayView2<'_, f64>,
    k: usize,
) -> Result<Manifold> {
    if k == 0 {
        return Err(Error::Setting { name: "k", value: k.to_string(), allowed: "at least 1" });
    }
    check_pair(real, generated, k + 1)?;
    let real_radii = radii(real, k);
    let generated_radii = radii(generated, k);

    // One pass over real rows: how many generated rows each ball holds, and who holds the row.
    let rows: Vec<(bool, bool)> = (0..real.nrows())
        .into_par_iter()
        .map(|r| {
            let mut covered = false;
            let mut recalled = false;
            for (row, radius) in generated.outer_iter().zip(&generated_radii) {
                let distance = squared_distance(real.row(r), row);
                covered |= distance < real_radii[r];
                recalled |= distance < *radius;
            }
            (covered, recalled)
        })
        .collect();
    let held: Vec<usize> = (0..generated.nrows())
        .into_par_iter()
        .map(|g| {
            let balls = real.outer_iter().zip(&real_radii);
            balls
                .filter(|(row, radius)| squared_distance(*row, generated.row(g)) < **radius)
                .count()
        })
        .collect();
    let share = |hits: usize, of: usize| hits as f64 / of as f64;
    Ok(Manifold {
        precision: share(held.iter().filter(|balls| **balls > 0).count(), held.len()),
        recall: share(rows.iter().filter(|(_, recalled)| *recalled).count(), rows.len()),
        density: share(held.iter().sum::<usize>(), k * held.len()),
        coverage: share(rows.iter().filter(|(covered, _)| *covered).count(), rows.len()),
        k,
    })
}

/// A neighbour found by [`nearest`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its row in the reference set.
    pub row: usize,
    /// Its Euclidean distance in feature space.
    pub distance: f64,
}

/// The `count` nearest reference rows of every query row, nearest first; of equal distances the
/// lower row. For the question whether a model has memorised its training set.
///
/// # Errors
/// [`Error::TooFew`] for a reference of fewer than `count` rows; [`Error::Dimension`],
/// [`Error::NotFinite`].
pub fn nearest(
    query: ArrayView2<'_, f64>,
    reference: ArrayView2<'_, f64>,
    count: usize,
) -> Result<Vec<Vec<Neighbour>>> {
    check_pair(query, reference, 0)?;
    if reference.nrows() < count {
        return Err(Error::TooFew {
            what: "reference rows",
            needed: count as u64,
            found: reference.nrows() as u64,
        });
    }
    Ok((0..query.nrows())
        .into_par_iter()
        .map(|q| {
            let mut all: Vec<Neighbour> = reference
                .outer_iter()
                .enumerate()
                .map(|(row, features)| Neighbour {
                    row,
                    distance: squared_distance(query.row(q), features).sqrt(),
                })
                .collect();
            all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            all.truncate(count);
            all
        })
        .collect())
}

/// The squared distance of every row to its `k`-th nearest other row of the same set.
fn radii(rows: ArrayView2<'_, f64>, k: usize) -> Vec<f64> {
    (0..rows.nrows())
        .into_par_iter()
        .map(|one| {
            let mut distances: Vec<f64> =
                rows.outer_iter().map(|row| squared_distance(rows.row(one), row)).collect();
            // Place 0 is the row itself or a copy of it, at distance zero either way.
            *distances.select_nth_unstable_by(k, f64::total_cmp).1
        })
        .collect()
}

fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
