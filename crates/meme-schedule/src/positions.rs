//! Between the indices.

use crate::convert::{alpha_bar_of_log_snr, log_snr_of_alpha_bar};
use crate::schedule::Schedule;

/// Reading a schedule between its indices, and finding where it has a given noise level.
///
/// A position is an index with a fraction, from 0 to T-1. Between two indices log-SNR, and so the
/// logarithm of sigma, is a straight line (as in k-diffusion's `DiscreteSchedule`); before an index
/// of pure noise, where log-SNR is infinite, the square root of alpha-bar is.
impl Schedule {
    /// log-SNR at a position; positions outside 0..T-1 are taken as the nearest end. NaN for NaN.
    #[must_use]
    pub fn log_snr_at(&self, position: f64) -> f64 {
        if position.is_nan() {
            return f64::NAN;
        }
        let last = self.steps() - 1;
        let position = position.clamp(0.0, last as f64);
        let below = position as usize;
        let share = position - below as f64;
        if share == 0.0 {
            return self.log_snrs[below];
        }
        let (from, to) = (self.log_snrs[below], self.log_snrs[below + 1]);
        if to.is_finite() {
            from + (to - from) * share
        } else {
            let root = self.alpha_bars[below].sqrt() * (1.0 - share);
            log_snr_of_alpha_bar(root * root)
        }
    }

    /// alpha-bar at a position; see [`Schedule::log_snr_at`].
    #[must_use]
    pub fn alpha_bar_at(&self, position: f64) -> f64 {
        alpha_bar_of_log_snr(self.log_snr_at(position))
    }

    /// The position at which the schedule has a log-SNR: the inverse of [`Schedule::log_snr_at`].
    /// Values beyond either end give that end. NaN for NaN.
    #[must_use]
    pub fn position_of_log_snr(&self, log_snr: f64) -> f64 {
        if log_snr.is_nan() {
            return f64::NAN;
        }
        let above = self.log_snrs.partition_point(|value| *value > log_snr);
        let Some(below) = above.checked_sub(1) else {
            return 0.0;
        };
        if above == self.steps() {
            return below as f64;
        }
        let (from, to) = (self.log_snrs[below], self.log_snrs[above]);
        let share = if to.is_finite() {
            (log_snr - from) / (to - from)
        } else {
            1.0 - (alpha_bar_of_log_snr(log_snr) / self.alpha_bars[below]).sqrt()
        };
        below as f64 + share.clamp(0.0, 1.0)
    }

    /// The index whose log-SNR is nearest.
    #[must_use]
    pub fn nearest_index(&self, log_snr: f64) -> usize {
        self.position_of_log_snr(log_snr).round() as usize
    }
}
