//! What a Frechet distance would be with infinitely many generated images.

use meme_random::{Permutation, Purpose};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use serde::Serialize;

use crate::{Error, Feature, Gaussian, Result, Statistics};

/// The smallest number of images looked at, as a share of all: Chong and Forsyth go from 5,000 to
/// 50,000.
const SMALLEST: usize = 10;
/// Keeps these draws apart from those of other metrics with the same seed.
const DRAWS: u64 = 1 << 32;

/// A Frechet distance extrapolated over the number of generated images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extrapolation {
    /// The distance at 1 / images = 0.
    pub value: f64,
    /// Standard error of `value` as an intercept: how far the points lie off their line. It knows
    /// nothing of what all points share, such as the images themselves.
    pub error: f64,
    /// How much the distance grows with 1 / images.
    pub slope: f64,
    /// (images, distance), the line's points.
    pub points: Vec<(usize, f64)>,
}

/// The distance to `real` for `points` numbers of generated images, evenly from a tenth of them to
/// all, each on a random subset, and the line through them over 1 / images (Chong and Forsyth,
/// "Effectively Unbiased FID and Inception Score and Where to Find Them", 2020, section 3).
///
/// The bias that the finite number of generated images brings is linear in 1 / images only where
/// there are many more of them than features; below, the line is bent and its end too low. The bias
/// of the reference set is not touched.
///
/// # Errors
/// [`Error::TooFew`] with fewer than 20 generated images, [`Error::Setting`] for fewer than three
/// points, [`Error::Dimension`], [`Error::NotFinite`].
pub fn frechet_infinity<A: Feature>(
    generated: ArrayView2<'_, A>,
    real: &Gaussian,
    points: usize,
    seed: u64,
) -> Result<Extrapolation> {
    let count = generated.nrows();
    if points < 3 {
        let value = points.to_string();
        return Err(Error::Setting { name: "points", value, allowed: "at least 3" });
    }
    if count < 2 * SMALLEST {
        return Err(Error::TooFew {
            what: "generated images for an extrapolation",
            needed: 2 * SMALLEST as u64,
            found: count as u64,
        });
    }
    let least = count / SMALLEST;
    let points: Vec<(usize, f64)> = (0..points)
        .into_par_iter()
        .map(|point| {
            let images = least + point * (count - least) / (points - 1);
            let order =
                Permutation::new(seed, Purpose::Bootstrap, DRAWS + point as u64, count as u64);
            let chosen: Vec<usize> = (0..images as u64).map(|i| order.at(i) as usize).collect();
            let rows = generated.select(Axis(0), &chosen);
            let distance = Gaussian::of(&Statistics::of(rows.view())?)?.distance(real)?;
            Ok((images, distance))
        })
        .collect::<Result<_>>()?;
    let (value, slope, error) = intercept(&points);
    Ok(Extrapolation { value, error, slope, points })
}

/// Intercept, slope and the intercept's standard error of the least-squares line over 1 / images.
fn intercept(points: &[(usize, f64)]) -> (f64, f64, f64) {
    let count = points.len() as f64;
    let inverse = |images: usize| 1.0 / images as f64;
    let x_mean = points.iter().map(|(images, _)| inverse(*images)).sum::<f64>() / count;
    let y_mean = points.iter().map(|(_, distance)| distance).sum::<f64>() / count;
    let (mut spread, mut joint) = (0.0, 0.0);
    for (images, distance) in points {
        spread += (inverse(*images) - x_mean).powi(2);
        joint += (inverse(*images) - x_mean) * (distance - y_mean);
    }
    let slope = joint / spread;
    let value = y_mean - slope * x_mean;
    let residual =
        |(images, distance): &(usize, f64)| (distance - value - slope * inverse(*images)).powi(2);
    let variance = points.iter().map(residual).sum::<f64>() / (count - 2.0);
    (value, slope, (variance * (1.0 / count + x_mean * x_mean / spread)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_its_error_are_scipys() {
        // scipy.stats.linregress(1 / n, y) for n = 10, 20, 40, 80 and y = 3.1, 2.4, 2.3, 2.1
        let found = intercept(&[(10, 3.1), (20, 2.4), (40, 2.3), (80, 2.1)]);
        for (found, expected) in [(found.0, LINE.0), (found.1, LINE.1), (found.2, LINE.2)] {
            assert!((found - expected).abs() < 1e-11 * expected.abs(), "{found} {expected}");
        }
    }

    const LINE: (f64, f64, f64) =
        (1.956_521_739_130_434_6, 11.060_869_565_217_395, 0.081_363_614_762_271_51);
}
