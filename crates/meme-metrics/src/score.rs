//! Inception score.

use meme_random::{Permutation, Purpose};
use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::Serialize;

use crate::bootstrap::mean_and_deviation;
use crate::statistics::check_finite;
use crate::{Error, Feature, Result};

/// Keeps this order apart from those of other metrics with the same seed.
const DRAWS: u64 = 1 << 32;

/// How sure a classifier is about each image, and how many classes the images cover together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InceptionScore {
    /// Mean over the splits; from 1 to the number of classes, larger is better.
    pub mean: f64,
    /// Standard deviation over the splits.
    pub deviation: f64,
    /// Parts that the images were divided into.
    pub splits: usize,
}

/// The inception score (Salimans et al., "Improved Techniques for Training GANs", 2016, section 4):
/// exp of the mean over images of KL(p(class | image) || p(class)), for each of `splits` parts of
/// the images. p is the softmax of a row of `logits`.
///
/// `shuffle` is the seed of an order in which the images are divided; none keeps theirs, which is
/// right only where neighbours are not alike. torch-fidelity divides 10 times after a shuffle.
///
/// # Errors
/// [`Error::TooFew`] for fewer rows than splits, [`Error::Setting`] for no splits or no classes,
/// [`Error::NotFinite`].
pub fn inception_score<A: Feature>(
    logits: ArrayView2<'_, A>,
    splits: usize,
    shuffle: Option<u64>,
) -> Result<InceptionScore> {
    let count = logits.nrows();
    if splits == 0 || logits.ncols() == 0 {
        let value = format!("{splits} and {}", logits.ncols());
        return Err(Error::Setting { name: "splits and classes", value, allowed: "at least 1" });
    }
    if count < splits {
        let (needed, found) = (splits as u64, count as u64);
        return Err(Error::TooFew { what: "images for an inception score", needed, found });
    }
    check_finite(logits, "logits")?;
    let order = shuffle.map(|seed| Permutation::new(seed, Purpose::Split, DRAWS, count as u64));
    let row = |place: usize| match &order {
        Some(order) => logits.row(order.at(place as u64) as usize),
        None => logits.row(place),
    };
    let scores: Vec<f64> = (0..splits)
        .map(|split| {
            let places = split * count / splits..(split + 1) * count / splits;
            let logs: Vec<Array1<f64>> = places.map(|place| log_softmax(row(place))).collect();
            let mut all = Array1::<f64>::zeros(logits.ncols());
            logs.iter().for_each(|log| all += &log.mapv(f64::exp));
            let all = all.mapv(|sum| (sum / logs.len() as f64).ln());
            let divergence = |log: &Array1<f64>| -> f64 {
                let terms = log.iter().zip(&all).filter(|(log, _)| log.exp() > 0.0);
                terms.map(|(log, all)| log.exp() * (log - all)).sum()
            };
            (logs.iter().map(divergence).sum::<f64>() / logs.len() as f64).exp()
        })
        .collect();
    let (mean, deviation) = mean_and_deviation(&scores);
    Ok(InceptionScore { mean, deviation, splits })
}

fn log_softmax<A: Feature>(logits: ArrayView1<'_, A>) -> Array1<f64> {
    let logits: Array1<f64> = logits.mapv(Into::into);
    let largest = logits.fold(f64::MIN, |most, value| most.max(*value));
    let sum = logits.fold(0.0, |sum, value| sum + (value - largest).exp());
    logits.mapv(|value| value - largest - sum.ln())
}
