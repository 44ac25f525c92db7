//! alpha-bar, signal-to-noise ratio, log-SNR and EDM's sigma: from each to each.
//!
//! A variance-preserving `x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps` divided by
//! `sqrt(alpha_bar)` is EDM's `x_0 + sigma eps` with `sigma^2 = (1 - alpha_bar) / alpha_bar = 1/snr`
//! (Karras et al. 2022, appendix C.1). So `x_edm = x_vp * edm_scale` and `x_vp = x_edm / edm_scale`,
//! with [`edm_scale`] of the same noise level.
//!
//! Pure noise (alpha-bar 0) is SNR 0, log-SNR minus infinity and sigma infinity, and comes back from
//! each of them.

use crate::betas::{check, linspace};
use crate::error::Error;

/// `alpha_bar / (1 - alpha_bar)`.
#[must_use]
pub fn snr_of_alpha_bar(alpha_bar: f64) -> f64 {
    alpha_bar / (1.0 - alpha_bar)
}

/// `snr / (1 + snr)`.
#[must_use]
pub fn alpha_bar_of_snr(snr: f64) -> f64 {
    if snr == f64::INFINITY { 1.0 } else { snr / (1.0 + snr) }
}

/// `ln(alpha_bar / (1 - alpha_bar))`, the logit; precise near 0 and near 1.
#[must_use]
pub fn log_snr_of_alpha_bar(alpha_bar: f64) -> f64 {
    libm::log(alpha_bar) - libm::log1p(-alpha_bar)
}

/// `1 / (1 + exp(-log_snr))`, the logistic function.
#[must_use]
pub fn alpha_bar_of_log_snr(log_snr: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_snr))
}

/// `sqrt((1 - alpha_bar) / alpha_bar)`.
#[must_use]
pub fn sigma_of_alpha_bar(alpha_bar: f64) -> f64 {
    ((1.0 - alpha_bar) / alpha_bar).sqrt()
}

/// `1 / (1 + sigma^2)`.
#[must_use]
pub fn alpha_bar_of_sigma(sigma: f64) -> f64 {
    1.0 / (1.0 + sigma * sigma)
}

/// `exp(-log_snr / 2)`.
#[must_use]
pub fn sigma_of_log_snr(log_snr: f64) -> f64 {
    libm::exp(-0.5 * log_snr)
}

/// `-2 ln(sigma)`.
#[must_use]
pub fn log_snr_of_sigma(sigma: f64) -> f64 {
    -2.0 * libm::log(sigma)
}

/// What a variance-preserving sample is multiplied with to become EDM's: `1 / sqrt(alpha_bar)`, which
/// is `sqrt(1 + sigma^2)`.
#[must_use]
pub fn edm_scale(alpha_bar: f64) -> f64 {
    1.0 / alpha_bar.sqrt()
}

/// EDM's noise levels from `sigma_max` down to `sigma_min`, both included: equally spaced in
/// `sigma^(1/rho)` (Karras et al. 2022, eq. 5, without the 0 that its samplers append). One level
/// alone is `sigma_max`.
///
/// ```
/// let sigmas = meme_schedule::karras_sigmas(18, 0.002, 80.0, 7.0)?;
/// assert_eq!((sigmas[0], sigmas[17]), (80.0, 0.002));
/// # Ok::<(), meme_schedule::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoSteps`], and [`Error::Parameter`] unless `0 < sigma_min < sigma_max` and `0 < rho`.
pub fn karras_sigmas(
    count: usize,
    sigma_min: f64,
    sigma_max: f64,
    rho: f64,
) -> Result<Vec<f64>, Error> {
    let of = "Karras noise levels";
    check(of, "sigma_min", sigma_min, sigma_min > 0.0, "it must be above 0")?;
    check(of, "sigma_max", sigma_max, sigma_max > sigma_min, "it must be above `sigma_min`")?;
    check(of, "rho", rho, rho > 0.0, "it must be above 0")?;
    if count == 0 {
        return Err(Error::NoSteps);
    }
    let root = |sigma| libm::pow(sigma, 1.0 / rho);
    let levels = linspace(root(sigma_max), root(sigma_min), count);
    let mut sigmas: Vec<f64> = levels.map(|level| libm::pow(level, rho)).collect();
    // The ends are what was asked for, not what rounding makes of them.
    if count > 1 {
        sigmas[count - 1] = sigma_min;
    }
    sigmas[0] = sigma_max;
    Ok(sigmas)
}
