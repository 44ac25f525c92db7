//! The schedules' equations: each a pure function of a few lines.

use std::f64::consts::FRAC_PI_2;

use crate::config::ScheduleConfig;
use crate::convert::{alpha_bar_of_log_snr, alpha_bar_of_sigma, karras_sigmas};
use crate::error::Error;
use crate::schedule::Schedule;

/// How far to either side of zero GeoDiff's logistic curve of betas reaches.
const SIGMOID_BETA_REACH: f64 = 6.0;

pub(crate) fn build(config: &ScheduleConfig) -> Result<Schedule, Error> {
    match config {
        ScheduleConfig::ScaledLinear { steps, beta_start, beta_end } => {
            check_betas("scaled-linear schedule", *beta_start, *beta_end)?;
            let roots = linspace(beta_start.sqrt(), beta_end.sqrt(), *steps);
            Schedule::from_betas(roots.map(|root| root * root).collect())
        }
        ScheduleConfig::Linear { steps, beta_start, beta_end } => {
            check_betas("linear schedule", *beta_start, *beta_end)?;
            Schedule::from_betas(linspace(*beta_start, *beta_end, *steps).collect())
        }
        ScheduleConfig::SigmoidBeta { steps, beta_start, beta_end } => {
            check_betas("sigmoid-beta schedule", *beta_start, *beta_end)?;
            let curve = linspace(-SIGMOID_BETA_REACH, SIGMOID_BETA_REACH, *steps).map(logistic);
            let betas = curve.map(|share| beta_start + (beta_end - beta_start) * share);
            Schedule::from_betas(betas.collect())
        }
        ScheduleConfig::Cosine { steps, offset, max_beta } => {
            check("cosine schedule", "offset", *offset, *offset >= 0.0, "it must be at least 0")?;
            let squared = |t: f64| {
                let cosine = libm::cos((t + offset) / (1.0 + offset) * FRAC_PI_2);
                cosine * cosine
            };
            Schedule::from_function(*steps, *max_beta, squared)
        }
        ScheduleConfig::Sigmoid { steps, start, end, tau, max_beta } => {
            let of = "sigmoid schedule";
            check(of, "start", *start, true, "it must be finite")?;
            check(of, "end", *end, end > start, "it must be above `start`")?;
            check(of, "tau", *tau, *tau > 0.0, "it must be above 0")?;
            let (low, high) = (logistic(start / tau), logistic(end / tau));
            let curve =
                |t: f64| (high - logistic((t * (end - start) + start) / tau)) / (high - low);
            Schedule::from_function(*steps, *max_beta, curve)
        }
        ScheduleConfig::Laplace { steps, mu, b, max_beta } => {
            let of = "Laplace schedule";
            check(of, "mu", *mu, true, "it must be finite")?;
            check(of, "b", *b, *b > 0.0, "it must be above 0")?;
            // -b ln(2 t) below the middle and b ln(2 (1 - t)) above it; infinite at both ends.
            let log_snr = |t: f64| {
                if t < 0.5 {
                    mu - b * libm::log(2.0 * t)
                } else {
                    mu + b * libm::log(2.0 * (1.0 - t))
                }
            };
            Schedule::from_function(*steps, *max_beta, |t| alpha_bar_of_log_snr(log_snr(t)))
        }
        ScheduleConfig::Karras { steps, sigma_min, sigma_max, rho } => {
            let mut sigmas = karras_sigmas(*steps, *sigma_min, *sigma_max, *rho)?;
            sigmas.reverse();
            Schedule::from_alpha_bars(sigmas.into_iter().map(alpha_bar_of_sigma).collect())
        }
        ScheduleConfig::Explicit { alpha_bar } => Schedule::from_alpha_bars(alpha_bar.clone()),
        ScheduleConfig::ZeroTerminalSnr { of } => build(of)?.zero_terminal_snr(),
    }
}

/// `count` equally spaced numbers, both ends included; the first alone where `count` is 1.
pub(crate) fn linspace(start: f64, end: f64, count: usize) -> impl Iterator<Item = f64> {
    let last = count.saturating_sub(1);
    let step = (end - start) / last.max(1) as f64;
    (0..count).map(move |k| if k > 0 && k == last { end } else { start + step * k as f64 })
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn check_betas(of: &'static str, start: f64, end: f64) -> Result<(), Error> {
    let needed = "it must lie between 0 and 1";
    check(of, "beta_start", start, start > 0.0 && start < 1.0, needed)?;
    check(of, "beta_end", end, end > 0.0 && end < 1.0, needed)
}

/// A parameter is finite and fulfils a condition, or an error names it.
pub(crate) fn check(
    of: &'static str,
    name: &'static str,
    value: f64,
    holds: bool,
    needed: &'static str,
) -> Result<(), Error> {
    if value.is_finite() && holds {
        Ok(())
    } else {
        Err(Error::Parameter { of, name, value, needed })
    }
}
