//! A result together with everything that one needs in order to repeat or doubt it.

use meme_random::{Permutation, Purpose};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;

use crate::bootstrap::mean_and_deviation;
use crate::kid::check_pair;
use crate::{
    BootstrapOptions, Error, Gaussian, Interval, Kid, KidOptions, Manifold, NetworkIdentity,
    Result, Statistics, bootstrap, kid, precision_recall_density_coverage,
};

/// What was compared, in the caller's words: nothing here is looked at, all of it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The feature network.
    pub network: NetworkIdentity,
    /// How images were brought to size before the network saw them.
    pub resize: String,
    /// Where the generated images come from: such as seeds `0..256` of a named run.
    pub generated: String,
    /// Hash of the generated images; empty where nobody made one.
    pub generated_hash: String,
    /// Where the real images come from.
    pub reference: String,
    /// Hash of the real images.
    pub reference_hash: String,
}

/// How an [`Evaluation`] is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationOptions {
    /// Resampling of the generated images for the interval.
    pub bootstrap: BootstrapOptions,
    /// Subsets of the kernel distance.
    pub kid: KidOptions,
    /// Neighbour that sets the radius for precision, recall, density and coverage.
    pub neighbours: usize,
    /// Splits of the real images that the floor is averaged over; 0 for no floor.
    pub floor_splits: u64,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            bootstrap: BootstrapOptions::default(),
            kid: KidOptions::default(),
            neighbours: 5,
            floor_splits: 5,
        }
    }
}

/// The Frechet distance between disjoint sets of real images: what a perfect model would get.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// Mean over the splits.
    pub value: f64,
    /// Standard deviation over the splits.
    pub deviation: f64,
    /// Images on each side of a split.
    pub images: usize,
    /// Splits.
    pub splits: u64,
}

/// Generated images measured against real ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// What `value` is: `Frechet distance (random-64)`.
    pub metric: String,
    /// The Frechet distance between all generated and all real images.
    pub value: f64,
    /// How far it moves with other generated images; see [`bootstrap`].
    pub interval: Interval,
    /// Generated images.
    pub generated: usize,
    /// Real images.
    pub reference: usize,
    /// The same distance between real images; none where there are too few or none was asked for.
    pub floor: Option<Floor>,
    /// Kernel distance; none for fewer than four images on a side.
    pub kid: Option<Kid>,
    /// Precision, recall, density, coverage; none where a side has too few images.
    pub manifold: Option<Manifold>,
    /// What was compared.
    pub compared: Compared,
    /// Seed of the resampling, the subsets and the splits.
    pub seed: u64,
    /// Version of this crate.
    pub version: &'static str,
}

/// Measures generated features against real ones, both made by `compared.network`.
///
/// # Errors
/// [`Error::TooFew`] with fewer than two images on a side, [`Error::Dimension`],
/// [`Error::NotFinite`], [`Error::Setting`].
pub fn evaluate(
    generated: ArrayView2<'_, f64>,
    reference: ArrayView2<'_, f64>,
    compared: Compared,
    options: &EvaluationOptions,
) -> Result<Evaluation> {
    check_pair(generated, reference, 2)?;
    if generated.ncols() != compared.network.dimension {
        return Err(Error::Dimension {
            what: "generated images",
            expected: compared.network.dimension,
            found: generated.ncols(),
        });
    }
    let real = Gaussian::of(&Statistics::of(reference)?)?;
    let distance = |rows: ArrayView2<'_, f64>| -> Result<f64> {
        Gaussian::of(&Statistics::of(rows)?)?.distance(&real)
    };
    let value = distance(generated)?;
    let interval = bootstrap(value, generated.nrows(), &options.bootstrap, |rows| {
        distance(generated.select(Axis(0), rows).view())
    })?;
    let smaller = generated.nrows().min(reference.nrows());
    let floor_images = generated.nrows().min(reference.nrows() / 2);
    let seed = options.bootstrap.seed;
    let floor = match options.floor_splits {
        1.. if floor_images >= 2 => {
            Some(real_floor(reference, floor_images, options.floor_splits, seed)?)
        }
        _ => None,
    };
    let kid = match smaller {
        4.. => Some(kid(generated, reference, &options.kid)?),
        _ => None,
    };
    let manifold = match smaller {
        many if many > options.neighbours => {
            Some(precision_recall_density_coverage(reference, generated, options.neighbours)?)
        }
        _ => None,
    };
    Ok(Evaluation {
        metric: compared.network.distance_name(),
        value,
        interval,
        generated: generated.nrows(),
        reference: reference.nrows(),
        floor,
        kid,
        manifold,
        compared,
        seed,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The Frechet distance between two disjoint random sets of `images` rows each, over `splits`
/// different draws. The distance falls with the number of images even between equal
/// distributions; the floor at the same number tells how much of a value is that.
///
/// # Errors
/// [`Error::TooFew`] where there are not twice `images` rows, or `images` is below 2;
/// [`Error::Setting`] for no splits.
pub fn real_floor(
    rows: ArrayView2<'_, f64>,
    images: usize,
    splits: u64,
    seed: u64,
) -> Result<Floor> {
    let needed = 2 * images.max(2);
    if images < 2 || rows.nrows() < needed {
        return Err(Error::TooFew {
            what: "real images for a floor",
            needed: needed as u64,
            found: rows.nrows() as u64,
        });
    }
    if splits == 0 {
        let value = splits.to_string();
        return Err(Error::Setting { name: "splits", value, allowed: "at least 1" });
    }
    let distances = (0..splits)
        .into_par_iter()
        .map(|split| {
            let order = Permutation::new(seed, Purpose::Split, split, rows.nrows() as u64);
            let half = |half: usize| -> Result<Gaussian> {
                let places = half * images..(half + 1) * images;
                let chosen: Vec<usize> = places.map(|i| order.at(i as u64) as usize).collect();
                Gaussian::of(&Statistics::of(rows.select(Axis(0), &chosen).view())?)
            };
            half(0)?.distance(&half(1)?)
        })
        .collect::<Result<Vec<f64>>>()?;
    let (value, deviation) = mean_and_deviation(&distances);
    Ok(Floor { value, deviation, images, splits })
}
