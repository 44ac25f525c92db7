//! A noise schedule: how noisy index i is.

use crate::betas::{build, check};
use crate::config::ScheduleConfig;
use crate::convert::{log_snr_of_alpha_bar, sigma_of_alpha_bar, snr_of_alpha_bar};
use crate::error::Error;

/// How noisy each index 0..T-1 is. Made once, then only read.
///
/// alpha-bar falls strictly from index to index, is below 1, and only the last may be 0 (pure noise).
/// Functions of an index give NaN outside 0..T-1.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub(crate) alpha_bars: Vec<f64>,
    betas: Vec<f64>,
    pub(crate) log_snrs: Vec<f64>,
}

impl Schedule {
    /// The schedule that a description asks for.
    ///
    /// # Errors
    /// [`Error::NoSteps`], [`Error::Parameter`], [`Error::Beta`], [`Error::AlphaBar`],
    /// [`Error::OneStep`].
    pub fn new(config: &ScheduleConfig) -> Result<Self, Error> {
        build(config)
    }

    /// The schedule with these betas: `alpha_bar[i]` is the product of `1 - beta` up to i.
    ///
    /// # Errors
    /// [`Error::NoSteps`]; [`Error::Beta`] where one is not above 0 and below 1 (the last may be 1);
    /// [`Error::AlphaBar`] where the product no longer falls in float64.
    pub fn from_betas(betas: Vec<f64>) -> Result<Self, Error> {
        for (index, &value) in betas.iter().enumerate() {
            let last = index + 1 == betas.len();
            if !(value > 0.0 && (value < 1.0 || last && value == 1.0)) {
                return Err(Error::Beta { index, value });
            }
        }
        let product = betas.iter().scan(1.0, |product, beta| {
            *product *= 1.0 - beta;
            Some(*product)
        });
        let alpha_bars = product.collect();
        Self::checked(alpha_bars, betas)
    }

    /// The schedule with these alpha-bars: `beta[i]` is `1 - alpha_bar[i] / alpha_bar[i - 1]`.
    ///
    /// # Errors
    /// [`Error::NoSteps`]; [`Error::AlphaBar`] where the table does not fall strictly from below 1, or
    /// is 0 or less before its last entry.
    pub fn from_alpha_bars(alpha_bars: Vec<f64>) -> Result<Self, Error> {
        let before = std::iter::once(1.0).chain(alpha_bars.iter().copied());
        let betas = alpha_bars.iter().zip(before).map(|(now, before)| 1.0 - now / before).collect();
        Self::checked(alpha_bars, betas)
    }

    /// The schedule along a falling function of t in [0, 1] (Nichol and Dhariwal 2021, section 3.2):
    /// `beta[i] = min(1 - f((i + 1)/T) / f(i/T), max_beta)`. Only ratios of f matter.
    ///
    /// # Errors
    /// [`Error::NoSteps`]; [`Error::Parameter`] unless `0 < max_beta <= 1`; [`Error::Beta`] where f
    /// does not fall or is not a number.
    pub fn from_function(
        steps: usize,
        max_beta: f64,
        f: impl Fn(f64) -> f64,
    ) -> Result<Self, Error> {
        let holds = max_beta > 0.0 && max_beta <= 1.0;
        check("schedule", "max_beta", max_beta, holds, "it must be above 0 and at most 1")?;
        let at = |k: usize| f(k as f64 / steps as f64);
        // NaN must reach the check of the betas, and `min` would hide it.
        let cut = |beta: f64| if beta > max_beta { max_beta } else { beta };
        Self::from_betas((0..steps).map(|i| cut(1.0 - at(i + 1) / at(i))).collect())
    }

    fn checked(alpha_bars: Vec<f64>, betas: Vec<f64>) -> Result<Self, Error> {
        if alpha_bars.is_empty() {
            return Err(Error::NoSteps);
        }
        let mut before = 1.0;
        for (index, &value) in alpha_bars.iter().enumerate() {
            let last = index + 1 == alpha_bars.len();
            if !(value < before && (value > 0.0 || last && value == 0.0)) {
                return Err(Error::AlphaBar { index, value });
            }
            before = value;
        }
        let log_snrs = alpha_bars.iter().copied().map(log_snr_of_alpha_bar).collect();
        Ok(Self { alpha_bars, betas, log_snrs })
    }

    /// This schedule with pure noise at the last index and alpha-bar unchanged at index 0: the square
    /// roots of alpha-bar are shifted and stretched (Lin et al. 2024, algorithm 1).
    ///
    /// # Errors
    /// [`Error::OneStep`].
    pub fn zero_terminal_snr(&self) -> Result<Self, Error> {
        let (&[first, ..], &[_, .., last]) = (&self.alpha_bars[..], &self.alpha_bars[..]) else {
            return Err(Error::OneStep);
        };
        let (first, last) = (first.sqrt(), last.sqrt());
        let rescaled = self.alpha_bars.iter().map(|alpha_bar| {
            let root = (alpha_bar.sqrt() - last) * first / (first - last);
            root * root
        });
        Self::from_alpha_bars(rescaled.collect())
    }

    /// How many indices there are: T.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.alpha_bars.len()
    }

    /// The share of the image's variance that is left at an index; NaN outside 0..T-1.
    #[must_use]
    pub fn alpha_bar(&self, index: impl Into<usize>) -> f64 {
        at(&self.alpha_bars, index.into())
    }

    /// alpha-bar by index.
    #[must_use]
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// The variance of the noise that the step to an index adds; NaN outside 0..T-1.
    #[must_use]
    pub fn beta(&self, index: impl Into<usize>) -> f64 {
        at(&self.betas, index.into())
    }

    /// beta by index.
    #[must_use]
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// The signal-to-noise ratio at an index; NaN outside 0..T-1.
    #[must_use]
    pub fn snr(&self, index: impl Into<usize>) -> f64 {
        snr_of_alpha_bar(self.alpha_bar(index))
    }

    /// The natural logarithm of the signal-to-noise ratio at an index; NaN outside 0..T-1.
    #[must_use]
    pub fn log_snr(&self, index: impl Into<usize>) -> f64 {
        at(&self.log_snrs, index.into())
    }

    /// log-SNR by index, falling; minus infinity where the last index is pure noise.
    #[must_use]
    pub fn log_snrs(&self) -> &[f64] {
        &self.log_snrs
    }

    /// EDM's noise level at an index, `snr^(-1/2)`; NaN outside 0..T-1.
    #[must_use]
    pub fn sigma(&self, index: impl Into<usize>) -> f64 {
        sigma_of_alpha_bar(self.alpha_bar(index))
    }

    /// EDM's noise level by index, rising; infinity where the last index is pure noise.
    #[must_use]
    pub fn sigmas(&self) -> Vec<f64> {
        self.alpha_bars.iter().copied().map(sigma_of_alpha_bar).collect()
    }

    /// Whether the last index is pure noise.
    #[must_use]
    pub fn ends_in_pure_noise(&self) -> bool {
        self.alpha_bars.last() == Some(&0.0)
    }
}

fn at(table: &[f64], index: usize) -> f64 {
    table.get(index).copied().unwrap_or(f64::NAN)
}
