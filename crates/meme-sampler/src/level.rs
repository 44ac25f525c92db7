//! One amount of noise, in the coordinates of every school.

use meme_schedule::convert::{log_snr_of_alpha_bar, sigma_of_alpha_bar};

/// A noise level: `x = signal image + noise epsilon` with signal^2 + noise^2 = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// signal^2.
    pub(crate) alpha_bar: f64,
}

impl Level {
    /// No noise.
    pub(crate) const CLEAN: Self = Self { alpha_bar: 1.0 };

    pub(crate) fn new(alpha_bar: f64) -> Self {
        Self { alpha_bar }
    }

    /// sqrt(alpha-bar); DPM-Solver's alpha.
    pub(crate) fn signal(self) -> f64 {
        self.alpha_bar.sqrt()
    }

    /// sqrt(1 - alpha-bar); DPM-Solver's sigma.
    pub(crate) fn noise(self) -> f64 {
        (1.0 - self.alpha_bar).sqrt()
    }

    /// noise / signal: the sigma of EDM and k-diffusion, whose x is ours over the signal. Infinite
    /// where there is no signal.
    pub(crate) fn sigma(self) -> f64 {
        sigma_of_alpha_bar(self.alpha_bar)
    }

    /// lambda = ln(signal / noise), half the log-SNR; infinite at both ends.
    pub(crate) fn lambda(self) -> f64 {
        0.5 * log_snr_of_alpha_bar(self.alpha_bar)
    }

    pub(crate) fn is_clean(self) -> bool {
        self.alpha_bar >= 1.0
    }

    pub(crate) fn has_signal(self) -> bool {
        self.alpha_bar > 0.0
    }
}
