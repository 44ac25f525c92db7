//! How far a number would move with other images.

use meme_random::{Purpose, Stream};
use rayon::prelude::*;
use serde::Serialize;

use crate::{Error, Result};

/// An interval around an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The share of resampled estimates between the ends, such as 0.95.
    pub level: f64,
    /// Resamples behind it.
    pub replicates: u64,
    /// Mean of the resampled estimates minus the estimate, which was taken out of the ends.
    pub shift: f64,
}

/// How many resamples are drawn, and how much of them the interval holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapOptions {
    /// Resamples; at least 2.
    pub replicates: u64,
    /// The share of resamples between the ends; between 0 and 1.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { replicates: 200, level: 0.95, seed: 0 }
    }
}

/// The bootstrap interval (Efron 1979) of `estimate`, a statistic of `count` rows. `statistic`
/// gets the row numbers of a resample: `count` of them, drawn with replacement, the same for the
/// same seed on every machine. Resamples run on all threads.
///
/// # Why the interval is centred
/// A resample repeats rows and so holds only 63 % of the distinct ones. A distance that falls with
/// the number of samples, as the Frechet distance does (Chong and Forsyth 2020), therefore comes
/// out too large in **every** resample, and the plain percentile interval often does not even hold
/// the estimate. The interval here is the percentile interval moved by [`Interval::shift`]: it
/// tells how much the estimate at this number of samples scatters, and nothing about the bias that
/// the number of samples itself brings; for that, compare with a real/real floor at the same number.
///
/// # Errors
/// [`Error::Setting`] for options out of their range, [`Error::TooFew`] without rows, and whatever
/// `statistic` answers.
pub fn bootstrap(
    estimate: f64,
    count: usize,
    options: &BootstrapOptions,
    statistic: impl Fn(&[usize]) -> Result<f64> + Sync,
) -> Result<Interval> {
    let BootstrapOptions { replicates, level, seed } = *options;
    if replicates < 2 || !(level > 0.0 && level < 1.0) {
        return Err(Error::Setting {
            name: "replicates and level",
            value: format!("{replicates} and {level}"),
            allowed: "at least 2, and between 0 and 1",
        });
    }
    if count == 0 {
        return Err(Error::TooFew { what: "rows to resample", needed: 1, found: 0 });
    }
    let mut values = (0..replicates)
        .into_par_iter()
        .map(|replicate| {
            let stream = Stream::new(seed, Purpose::Bootstrap, 0, replicate);
            let rows = 0..count as u64;
            let rows: Vec<usize> = rows.map(|i| stream.below(i, count as u64) as usize).collect();
            statistic(&rows)
        })
        .collect::<Result<Vec<f64>>>()?;
    values.sort_by(f64::total_cmp);
    let shift = mean_and_deviation(&values).0 - estimate;
    let tail = (1.0 - level) / 2.0;
    Ok(Interval {
        low: quantile(&values, tail) - shift,
        high: quantile(&values, 1.0 - tail) - shift,
        level,
        replicates,
        shift,
    })
}

/// The linearly interpolated quantile of sorted values (Hyndman and Fan's definition 7, numpy's
/// default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// Mean and (population) standard deviation.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}
