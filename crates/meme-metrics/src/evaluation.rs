//! A result together with everything that one needs in order to repeat or doubt it.

use meme_random::{Permutation, Purpose};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;

use crate::bootstrap::mean_and_deviation;
use crate::kid::check_pair;
use crate::{
    BootstrapOptions, Error, Extrapolation, Feature, Gaussian, InceptionScore, Interval, Kid,
    KidOptions, Manifold, NetworkIdentity, Result, Statistics, bootstrap, frechet_infinity,
    inception_score, kid, precision_recall_density_coverage,
};

/// Fewer generated images than this are not extrapolated from.
const EXTRAPOLATED_FROM: usize = 100;

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
    /// Points of the extrapolation to infinitely many images; 0 for none.
    pub extrapolation_points: usize,
    /// Parts that an inception score is averaged over.
    pub score_splits: usize,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            bootstrap: BootstrapOptions::default(),
            kid: KidOptions::default(),
            neighbours: 5,
            floor_splits: 5,
            extrapolation_points: 15,
            score_splits: 10,
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
    /// Real images; none where statistics do not tell.
    pub reference: Option<u64>,
    /// The same distance between real images; none where there are too few, only their statistics,
    /// or none was asked for.
    pub floor: Option<Floor>,
    /// What the distance would be with infinitely many generated images; none for fewer than 100.
    pub extrapolation: Option<Extrapolation>,
    /// Kernel distance; none for fewer than four images on a side, or only statistics.
    pub kid: Option<Kid>,
    /// Precision, recall, density, coverage; none where a side has too few images, or only
    /// statistics.
    pub manifold: Option<Manifold>,
    /// Inception score of the generated images; none without logits, or with fewer images than
    /// parts.
    pub inception_score: Option<InceptionScore>,
    /// What was compared.
    pub compared: Compared,
    /// Seed of the resampling, the subsets and the splits.
    pub seed: u64,
    /// Version of this crate.
    pub version: &'static str,
}

/// The real side of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum Real<'a, A> {
    /// Features of real images, one row each.
    Features(ArrayView2<'a, A>),
    /// Only their mean and covariance: enough for a Frechet distance, and for nothing else.
    Moments {
        /// Mean and covariance.
        gaussian: &'a Gaussian,
        /// The number of images behind them, where it is known.
        count: Option<u64>,
    },
}

/// Measures generated features against real ones, both made by `compared.network`.
///
/// # Errors
/// As [`evaluate_against`].
pub fn evaluate<A: Feature>(
    generated: ArrayView2<'_, A>,
    reference: ArrayView2<'_, A>,
    compared: Compared,
    options: &EvaluationOptions,
) -> Result<Evaluation> {
    evaluate_against(generated, None, &Real::Features(reference), compared, options)
}

/// Measures generated features, and their logits where the network has classes, against a real
/// side of either kind.
///
/// # Errors
/// [`Error::TooFew`] with fewer than two images on a side, [`Error::Dimension`],
/// [`Error::NotFinite`], [`Error::Setting`].
pub fn evaluate_against<A: Feature>(
    generated: ArrayView2<'_, A>,
    logits: Option<ArrayView2<'_, f32>>,
    real: &Real<'_, A>,
    compared: Compared,
    options: &EvaluationOptions,
) -> Result<Evaluation> {
    if generated.ncols() != compared.network.dimension {
        return Err(Error::Dimension {
            what: "generated images",
            expected: compared.network.dimension,
            found: generated.ncols(),
        });
    }
    let (features, moments);
    let (gaussian, reference) = match real {
        Real::Features(rows) => {
            check_pair(generated, *rows, 2)?;
            moments = Gaussian::of(&Statistics::of(*rows)?)?;
            features = Some(*rows);
            (&moments, Some(rows.nrows() as u64))
        }
        Real::Moments { gaussian, count } => {
            features = None;
            (*gaussian, *count)
        }
    };
    let distance = |rows: ArrayView2<'_, A>| -> Result<f64> {
        Gaussian::of(&Statistics::of(rows)?)?.distance(gaussian)
    };
    let count = generated.nrows();
    let value = distance(generated)?;
    let interval = bootstrap(value, count, &options.bootstrap, |rows| {
        distance(generated.select(Axis(0), rows).view())
    })?;
    let seed = options.bootstrap.seed;
    let extrapolation = match options.extrapolation_points {
        1.. if count >= EXTRAPOLATED_FROM => {
            Some(frechet_infinity(generated, gaussian, options.extrapolation_points, seed)?)
        }
        _ => None,
    };
    let inception_score = match logits {
        Some(logits) if count >= options.score_splits => {
            Some(inception_score(logits, options.score_splits, Some(seed))?)
        }
        _ => None,
    };
    let (mut floor, mut kernel, mut manifold) = (None, None, None);
    if let Some(real) = features {
        let images = count.min(real.nrows() / 2);
        if options.floor_splits > 0 && images >= 2 {
            floor = Some(real_floor(real, images, options.floor_splits, seed)?);
        }
        let smaller = count.min(real.nrows());
        if smaller >= 4 {
            kernel = Some(kid(generated, real, &options.kid)?);
        }
        if smaller > options.neighbours {
            manifold =
                Some(precision_recall_density_coverage(real, generated, options.neighbours)?);
        }
    }
    Ok(Evaluation {
        metric: compared.network.distance_name(),
        value,
        interval,
        generated: count,
        reference,
        floor,
        extrapolation,
        kid: kernel,
        manifold,
        inception_score,
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
pub fn real_floor<A: Feature>(
    rows: ArrayView2<'_, A>,
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
