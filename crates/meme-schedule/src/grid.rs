//! Which indices a sampler visits.

use serde::{Deserialize, Serialize};

use crate::betas::{check, linspace};
use crate::convert::{karras_sigmas, log_snr_of_sigma, sigma_of_log_snr};
use crate::error::Error;
use crate::schedule::Schedule;

/// Which of a schedule's T indices a sampler of S steps visits. Answers rise strictly; a sampler
/// walks them downwards. Every grid but [`Grid::Ldm`] has exactly S entries.
///
/// Where a formula names an index twice (its neighbours are closer than one index), the later one
/// moves up to the next free index.
///
/// In files: `"ldm"`, `"trailing"`, ..., `{ karras = { rho = 7.0 } }`,
/// `{ explicit = { indices = [0, 500, 999] } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Grid {
    /// As the code of latent diffusion has it: with c = floor(T/S), the indices 1, 1 + c, 1 + 2c, ...
    /// up to T-1. That is ceil(T/c) entries, more than S where S does not divide T. Where the last
    /// would be T (c divides T - 1), everything is one lower, so that S = T visits 0..T-1.
    #[default]
    Ldm,
    /// k floor(T/S) for k = 0..S-1 (diffusers' "leading" with offset 0).
    Leading,
    /// round(k T/S) - 1 for k = 1..S, halves to even: always ends at T-1 (diffusers' "trailing"; Lin
    /// et al. 2024, section 3.3).
    Trailing,
    /// S equally spaced indices from 0 to T-1, rounded, halves to even (diffusers' "linspace"). One
    /// step alone is T-1, where numpy would say 0: sampling starts from noise.
    Linspace,
    /// floor(k^2 c) for k = 0..S-1, up to 0.8 T: dense at low noise (Song et al. 2021, DDIM, appendix
    /// D.2, with the factor of the authors' code). One step alone is floor(0.8 T).
    Quadratic,
    /// The indices nearest to S equally spaced values of log-SNR, from the schedule's first to its
    /// last.
    LogSnr,
    /// The indices nearest to [`karras_sigmas`] between the schedule's own extremes.
    Karras {
        /// How much the levels crowd at low noise; EDM's value is 7.
        rho: f64,
    },
    /// These indices.
    Explicit {
        /// Strictly rising, below T; S must be their number.
        indices: Vec<usize>,
    },
}

impl Grid {
    /// The indices for S = `steps` of T = `total`, rising.
    ///
    /// # Errors
    /// [`Error::GridSteps`] unless `1 <= steps <= total`; [`Error::NeedsSchedule`] for
    /// [`Grid::LogSnr`] and [`Grid::Karras`]; [`Error::GridIndex`] and [`Error::GridLength`] for
    /// [`Grid::Explicit`].
    pub fn indices(&self, total: usize, steps: usize) -> Result<Vec<usize>, Error> {
        if steps == 0 || steps > total {
            return Err(Error::GridSteps { steps, total });
        }
        match self {
            Self::Ldm => Ok(ldm(total, steps)),
            Self::Leading => Ok((0..steps).map(|k| k * (total / steps)).collect()),
            Self::Trailing => {
                let ends = (1..=steps).map(|k| round_ratio(k, total, steps));
                Ok(ends.map(|end| end - 1).collect())
            }
            Self::Linspace if steps == 1 => Ok(vec![total - 1]),
            Self::Linspace => {
                Ok((0..steps).map(|k| round_ratio(k, total - 1, steps - 1)).collect())
            }
            Self::Quadratic => {
                let end = (0.8 * total as f64).sqrt();
                let start = if steps == 1 { end } else { 0.0 };
                let squares = linspace(start, end, steps).map(|root| (root * root) as usize);
                Ok(apart(squares.collect(), total))
            }
            Self::LogSnr => Err(Error::NeedsSchedule { grid: "log-snr" }),
            Self::Karras { .. } => Err(Error::NeedsSchedule { grid: "karras" }),
            Self::Explicit { indices } => explicit(indices, total, steps),
        }
    }

    /// The indices for S = `steps` on a schedule, rising; for every kind of grid.
    ///
    /// Where the schedule ends in pure noise, log-SNR and Karras grids space out the finite noise
    /// levels and visit the last index besides.
    ///
    /// # Errors
    /// As [`Grid::indices`], but never [`Error::NeedsSchedule`]; [`Error::Parameter`] where a Karras
    /// `rho` is not above 0.
    pub fn on(&self, schedule: &Schedule, steps: usize) -> Result<Vec<usize>, Error> {
        let (total, log_snrs) = (schedule.steps(), schedule.log_snrs());
        if let Self::Karras { rho } = self {
            check("karras grid", "rho", *rho, *rho > 0.0, "it must be above 0")?;
        }
        if !matches!(self, Self::LogSnr | Self::Karras { .. }) || !(2..=total).contains(&steps) {
            return match self {
                Self::LogSnr | Self::Karras { .. } => Self::Linspace.indices(total, steps),
                _ => self.indices(total, steps),
            };
        }
        let pure = usize::from(schedule.ends_in_pure_noise());
        let (finite, levels) = (&log_snrs[..total - pure], steps - pure);
        let (Some(&highest), Some(&lowest)) = (finite.first(), finite.last()) else {
            return Self::Linspace.indices(total, steps);
        };
        let wanted: Vec<f64> = match self {
            Self::Karras { rho } if finite.len() > 1 && levels > 1 => {
                let mut sigmas = karras_sigmas(
                    levels,
                    sigma_of_log_snr(highest),
                    sigma_of_log_snr(lowest),
                    *rho,
                )?;
                sigmas.reverse();
                sigmas.into_iter().map(log_snr_of_sigma).collect()
            }
            _ => linspace(highest, lowest, levels).collect(),
        };
        let mut indices: Vec<usize> =
            wanted.into_iter().map(|value| schedule.nearest_index(value)).collect();
        indices.extend((pure == 1).then_some(total - 1));
        Ok(apart(indices, total))
    }
}

fn ldm(total: usize, steps: usize) -> Vec<usize> {
    let stride = total / steps;
    let shift = usize::from(!(total - 1).is_multiple_of(stride));
    (0..total).step_by(stride).map(|index| index + shift).collect()
}

fn explicit(indices: &[usize], total: usize, steps: usize) -> Result<Vec<usize>, Error> {
    let mut least = 0;
    for (entry, &index) in indices.iter().enumerate() {
        if index < least || index >= total {
            return Err(Error::GridIndex { entry, index, total });
        }
        least = index + 1;
    }
    if indices.len() == steps {
        Ok(indices.to_vec())
    } else {
        Err(Error::GridLength { len: indices.len(), steps })
    }
}

/// `k * numerator / denominator` to the nearest integer, halves to the even one, without rounding on
/// the way.
fn round_ratio(k: usize, numerator: usize, denominator: usize) -> usize {
    let (product, denominator) = (k as u128 * numerator as u128, denominator as u128);
    let (floor, twice_rest) = (product / denominator, product % denominator * 2);
    let up = twice_rest > denominator || twice_rest == denominator && floor % 2 == 1;
    (floor + u128::from(up)) as usize
}

/// Makes a rising list strictly rising within 0..total: who stands on another moves up, and those
/// pushed over the end move down again. There are at most `total` entries.
fn apart(mut indices: Vec<usize>, total: usize) -> Vec<usize> {
    let mut least = 0;
    for index in &mut indices {
        *index = (*index).max(least);
        least = *index + 1;
    }
    let mut most = total;
    for index in indices.iter_mut().rev() {
        *index = (*index).min(most - 1);
        most = *index;
    }
    indices
}
