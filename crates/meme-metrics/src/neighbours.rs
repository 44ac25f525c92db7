//! What nearest neighbours in feature space tell: precision, recall, density, coverage, copies.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;

use crate::kid::check_pair;
use crate::{Error, Feature, Result};

/// Rows that are compared with the other set together, so that each of its rows is fetched from
/// memory once for all of them.
const TILE: usize = 16;
/// Sums that run side by side in one distance.
const LANES: usize = 8;

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
pub fn precision_recall_density_coverage<A: Feature>(
    real: ArrayView2<'_, A>,
    generated: ArrayView2<'_, A>,
    k: usize,
) -> Result<Manifold> {
    if k == 0 {
        return Err(Error::Setting { name: "k", value: k.to_string(), allowed: "at least 1" });
    }
    check_pair(real, generated, k + 1)?;
    let (real, generated) = (Rows::new(real), Rows::new(generated));
    let (real_radii, generated_radii) = (real.radii(k), generated.radii(k));

    // Of every real row: whether its ball holds a generated row, whether it lies in a generated
    // row's ball. Of every generated row: how many real balls it lies in.
    let balls: Vec<AtomicUsize> = (0..generated.count).map(|_| AtomicUsize::new(0)).collect();
    let rows = real.each(&generated, |r, distances| {
        let (mut covered, mut recalled) = (false, false);
        for (g, distance) in distances.iter().enumerate() {
            if *distance < real_radii[r] {
                covered = true;
                balls[g].fetch_add(1, Ordering::Relaxed);
            }
            recalled |= *distance < generated_radii[g];
        }
        (covered, recalled)
    });
    let balls: Vec<usize> = balls.into_iter().map(AtomicUsize::into_inner).collect();
    let share = |hits: usize, of: usize| hits as f64 / of as f64;
    Ok(Manifold {
        precision: share(balls.iter().filter(|count| **count > 0).count(), generated.count),
        recall: share(rows.iter().filter(|(_, recalled)| *recalled).count(), real.count),
        density: share(balls.iter().sum(), k * generated.count),
        coverage: share(rows.iter().filter(|(covered, _)| *covered).count(), real.count),
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
pub fn nearest<A: Feature>(
    query: ArrayView2<'_, A>,
    reference: ArrayView2<'_, A>,
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
    let nearest = Rows::new(query).each(&Rows::new(reference), |_, distances| {
        let mut all: Vec<(usize, f64)> = distances.iter().copied().enumerate().collect();
        let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
        if count > 0 && count < all.len() {
            all.select_nth_unstable_by(count - 1, order);
        }
        all.truncate(count);
        all.sort_by(order);
        let neighbour = |(row, squared): (usize, f64)| Neighbour { row, distance: squared.sqrt() };
        all.into_iter().map(neighbour).collect()
    });
    Ok(nearest)
}

/// Feature rows, one behind the other.
struct Rows<'a, A: Clone> {
    values: Cow<'a, [A]>,
    width: usize,
    count: usize,
}

impl<'a, A: Feature> Rows<'a, A> {
    fn new(rows: ArrayView2<'a, A>) -> Self {
        let (count, width) = rows.dim();
        let values = match rows.to_slice() {
            Some(values) => Cow::Borrowed(values),
            None => rows.iter().copied().collect(),
        };
        Self { values, width, count }
    }

    fn row(&self, row: usize) -> &[A] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// What `answer` makes of every row's number and its squared distances to all rows of `other`.
    fn each<T: Send>(
        &self,
        other: &Rows<'_, A>,
        answer: impl Fn(usize, &mut [f64]) -> T + Sync,
    ) -> Vec<T> {
        let tiles = (0..self.count).into_par_iter().step_by(TILE);
        tiles
            .flat_map_iter(|start| {
                let end = (start + TILE).min(self.count);
                let mut distances = vec![0.0; (end - start) * other.count];
                for column in 0..other.count {
                    for row in start..end {
                        distances[(row - start) * other.count + column] =
                            squared_distance(self.row(row), other.row(column));
                    }
                }
                let answers = (start..end).map(|row| {
                    let place = (row - start) * other.count;
                    answer(row, &mut distances[place..place + other.count])
                });
                answers.collect::<Vec<_>>()
            })
            .collect()
    }

    /// The squared distance of every row to its `k`-th nearest other row of the same set.
    fn radii(&self, k: usize) -> Vec<f64> {
        // Place 0 is the row itself or a copy of it, at distance zero either way.
        self.each(self, |_, distances| *distances.select_nth_unstable_by(k, f64::total_cmp).1)
    }
}

fn squared_distance<A: Feature>(a: &[A], b: &[A]) -> f64 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let squared = |a: A, b: A| {
        let difference: f64 = a.into() - b.into();
        difference * difference
    };
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += squared(*a, *b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| squared(*a, *b)).sum();
    sums.iter().sum::<f64>() + rest
}
