//! Power-function averages, and averages of any length after training.
//!
//! Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models" (EDM2, arXiv
//! 2312.02696), section 3: an average that weights the parameters at time `s` of a training of
//! length `t` by `s^gamma` keeps the same shape however long training lasts, and averages of other
//! shapes can be put together afterwards from snapshots of a few.

use crate::error::Error;
use meme_checkpoint::{Dtype, TensorData};
use std::collections::BTreeMap;

/// An average with weights proportional to `s^gamma`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerFunction {
    gamma: f64,
}

/// The widest average that is not the plain mean: `gamma = 0` has `sqrt(1/12)`.
const WIDEST: f64 = 0.288_675_134_594_812_9;

impl PowerFunction {
    /// The power function whose standard deviation is `relative_std` of the training's length;
    /// EDM2 tracks 0.05 and 0.10.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside 0.0001 to 0.2886.
    pub fn new(relative_std: f64) -> Result<Self, Error> {
        if !(1e-4..WIDEST).contains(&relative_std) {
            return Err(Error::Invalid {
                what: "power-function average".to_owned(),
                rule: format!(
                    "the relative standard deviation must be from 0.0001 to 0.2886, it is \
                     {relative_std}"
                ),
            });
        }
        // The deviation falls as gamma grows from 0; it is below 1 / gamma.
        let (mut low, mut high) = (0.0, 1.0 / relative_std);
        loop {
            let gamma = f64::midpoint(low, high);
            if gamma <= low || gamma >= high {
                return Ok(Self { gamma });
            }
            match (Self { gamma }).relative_std() > relative_std {
                true => low = gamma,
                false => high = gamma,
            }
        }
    }

    /// The exponent.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// Standard deviation of the weights over the training's length (EDM2, equation 123):
    /// `sqrt((gamma + 1) / (gamma + 3)) / (gamma + 2)`.
    #[must_use]
    pub fn relative_std(&self) -> f64 {
        ((self.gamma + 1.0) / (self.gamma + 3.0)).sqrt() / (self.gamma + 2.0)
    }

    /// The decay of the update that takes the average from `images - batch` to `images` seen images
    /// (EDM2, equation 127): `(1 - batch / images)^(gamma + 1)`; the
    /// first update has 0, so that the starting values leave no trace.
    #[must_use]
    pub fn decay(&self, images: u64, batch: u64) -> f64 {
        if batch >= images {
            return 0.0;
        }
        (1.0 - batch as f64 / images as f64).powf(self.gamma + 1.0)
    }

    /// Integral of the product of two averages' weights, taken at `images` and `other_images`
    /// (EDM2, equation 151).
    fn correlation(&self, images: f64, other: &PowerFunction, other_images: f64) -> f64 {
        let exponent = if images < other_images { other.gamma } else { -self.gamma };
        let above =
            (self.gamma + 1.0) * (other.gamma + 1.0) * (images / other_images).powf(exponent);
        above / ((self.gamma + other.gamma + 1.0) * images.max(other_images))
    }
}

/// The weights with which snapshots of averages are summed so that the sum comes closest to the
/// average `target` taken at `target_images`: least squares over all trainings of that length,
/// normalised to sum to 1 (EDM2, algorithm 3).
///
/// `snapshots` are (images seen, shape of the average).
///
/// # Errors
/// [`Error::Invalid`] without snapshots, for counts below 1, and where two snapshots are the same.
pub fn posthoc_coefficients(
    snapshots: &[(u64, PowerFunction)],
    target_images: u64,
    target: PowerFunction,
) -> Result<Vec<f64>, Error> {
    let invalid =
        |rule: &str| Error::Invalid { what: "post-hoc average".to_owned(), rule: rule.to_owned() };
    if snapshots.is_empty() {
        return Err(invalid("there must be at least one snapshot"));
    }
    if target_images < 1 || snapshots.iter().any(|(images, _)| *images < 1) {
        return Err(invalid("snapshots and target must be taken after at least one image"));
    }
    let mut rows: Vec<Vec<f64>> = snapshots
        .iter()
        .map(|(images, shape)| {
            let images = *images as f64;
            let others = snapshots
                .iter()
                .map(|(others, other)| shape.correlation(images, other, *others as f64));
            let wanted = shape.correlation(images, &target, target_images as f64);
            others.chain([wanted]).collect()
        })
        .collect();
    let solution = solve(&mut rows).ok_or_else(|| invalid("two snapshots are the same"))?;
    let sum: f64 = solution.iter().sum();
    Ok(solution.into_iter().map(|weight| weight / sum).collect())
}

/// Gaussian elimination with partial pivoting; each row ends in its right-hand side.
fn solve(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let count = rows.len();
    for column in 0..count {
        let size = |row: usize| rows[row][column].abs();
        let pivot = (column..count).max_by(|&a, &b| size(a).total_cmp(&size(b)))?;
        rows.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot = &above[column];
        if !pivot[column].is_normal() {
            return None;
        }
        for row in below {
            let factor = row[column] / pivot[column];
            for (value, above) in row.iter_mut().zip(pivot).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = vec![0.0; count];
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|column| rows[row][column] * solution[column]).sum();
        solution[row] = (rows[row][count] - known) / rows[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

/// The weighted sum of snapshots that hold the same float tensors: summed in float64, rounded once
/// to the dtype of the first (float32 or float64).
///
/// # Errors
/// [`Error::Invalid`] without snapshots, and where names, shapes or dtypes differ or are not
/// floating-point.
pub fn weighted_sum(
    snapshots: &[(f64, &BTreeMap<String, TensorData>)],
) -> Result<BTreeMap<String, TensorData>, Error> {
    let invalid = |name: &str, rule: &str| Error::Invalid {
        what: format!("weighted sum of {name}"),
        rule: rule.to_owned(),
    };
    let (_, first) = snapshots.first().ok_or_else(|| invalid("snapshots", "there are none"))?;
    if snapshots.iter().any(|(_, snapshot)| !snapshot.keys().eq(first.keys())) {
        return Err(invalid("snapshots", "they do not hold the same names"));
    }
    let mut sums = BTreeMap::new();
    for (name, model) in first.iter() {
        let mut sum = vec![0.0_f64; model.count()];
        for (weight, snapshot) in snapshots {
            let tensor = &snapshot[name];
            if tensor.shape != model.shape || tensor.dtype != model.dtype {
                return Err(invalid(name, "shapes or dtypes differ between snapshots"));
            }
            let values = tensor.to_f64().map_err(|error| invalid(name, &error.to_string()))?;
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        let data = match model.dtype {
            Dtype::F64 => TensorData::from_f64(&sum, &model.shape),
            Dtype::F32 => {
                let rounded: Vec<f32> = sum.iter().map(|&value| value as f32).collect();
                TensorData::from_f32(&rounded, &model.shape)
            }
            _ => return Err(invalid(name, "averages are float32 or float64")),
        };
        sums.insert(name.clone(), data.map_err(|error| invalid(name, &error.to_string()))?);
    }
    Ok(sums)
}
