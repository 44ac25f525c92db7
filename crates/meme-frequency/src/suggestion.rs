//! From a schedule and a spectrum to a suggestion: which expert should own which timesteps, and how
//! much of its attention should go to details.

use crate::wiener::{Spectrum, check_lowest, recoverable};
use crate::{Error, Result};
use std::f64::consts::PI;

/// How frequencies are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bands {
    /// By octaves: from one level of a U-Net to the next is one step. Natural pictures have about as
    /// much in every octave.
    #[default]
    Octaves,
    /// By radians per pixel: half of everything lies above pi / 2.
    Linear,
}

/// What a suggestion is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuggestionOptions {
    /// Number of experts.
    pub experts: usize,
    /// Number of the network's resolutions.
    pub stages: usize,
    /// How frequencies are counted.
    pub bands: Bands,
    /// The lowest frequency pictures have, in radians per pixel: `2 pi / side`.
    pub lowest: f64,
}

/// Boundaries and shares that a spectrum suggests.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// Upper end of every expert's interval in timesteps, ascending; the last is T. Expert 1 has the
    /// least noise.
    pub upper_ends: Vec<usize>,
    /// `shares[stage][expert]`, 0 to 1: of what the expert recovers within the reach of that stage, the
    /// part that lies in the upper octave of that reach. Stage `s`, counted from 0 at full resolution,
    /// reaches up to `pi / 2^s`. NaN where the stage reaches nothing that pictures have.
    pub high_frequency_shares: Vec<Vec<f64>>,
    /// For every index, the part of the whole band that is recoverable, 0 to 1, falling.
    pub recoverable_band: Vec<f64>,
}

/// Points at which the band is sampled.
const POINTS: usize = 2048;

/// Suggests boundaries and high-frequency shares for a schedule and a spectrum of its pictures.
///
/// Our own construction on top of the Wiener filter, not the paper's. `alpha_bars[i]` belongs to index
/// `i`. The recoverable band of an index is the mean over frequencies of [`recoverable`]; boundaries are
/// set so that every expert's interval brings an equal part of the band from lost to recoverable. What
/// an expert works on are the frequencies in transition, with the weight `r (1 - r)` for the recoverable
/// part `r`: it is the rate at which `r` changes with the log signal-to-noise ratio.
///
/// # Errors
/// [`Error::AlphaBar`] unless the alpha-bars lie in 0..1 and never rise; [`Error::Experts`] when there
/// are none or more than timesteps; [`Error::Parameter`] when `lowest` is not between 0 and pi, or the
/// spectrum has no valid power somewhere.
pub fn suggest(
    alpha_bars: &[f64],
    spectrum: &impl Spectrum,
    options: &SuggestionOptions,
) -> Result<Suggestion> {
    let &SuggestionOptions { experts, stages, bands, lowest } = options;
    check(alpha_bars, experts, lowest)?;
    let band = sample(spectrum, bands, lowest)?;
    let recoverable_band: Vec<f64> =
        alpha_bars.iter().map(|&alpha_bar| band_share(&band, alpha_bar)).collect();
    let upper_ends = equal_bands(&recoverable_band, experts);
    let starts = std::iter::once(0).chain(upper_ends.iter().copied());
    let intervals: Vec<&[f64]> =
        starts.zip(&upper_ends).map(|(start, &end)| &alpha_bars[start..end]).collect();
    let high_frequency_shares = (0..stages)
        .map(|stage| {
            let reach = PI * 0.5f64.powi(stage.min(1000) as i32);
            intervals.iter().map(|interval| high_share(&band, interval, reach)).collect()
        })
        .collect();
    Ok(Suggestion { upper_ends, high_frequency_shares, recoverable_band })
}

fn check(alpha_bars: &[f64], experts: usize, lowest: f64) -> Result<()> {
    let mut before = 1.0;
    for (index, &value) in alpha_bars.iter().enumerate() {
        if !(value >= 0.0 && value <= before) {
            return Err(Error::AlphaBar { index, value });
        }
        before = value;
    }
    if experts == 0 || experts > alpha_bars.len() {
        return Err(Error::Experts { experts, steps: alpha_bars.len() });
    }
    check_lowest(lowest)
}

/// Frequencies, evenly spaced as `bands` counts them, with their powers.
fn sample(spectrum: &impl Spectrum, bands: Bands, lowest: f64) -> Result<Vec<(f64, f64)>> {
    (0..POINTS)
        .map(|point| {
            let along = (point as f64 + 0.5) / POINTS as f64;
            let frequency = match bands {
                Bands::Octaves => lowest * (PI / lowest).powf(along),
                Bands::Linear => lowest + (PI - lowest) * along,
            };
            let power = spectrum.power(frequency);
            if power >= 0.0 {
                Ok((frequency, power))
            } else {
                let (name, range) = ("a power of the spectrum", "a number that is not negative");
                Err(Error::Parameter { name, value: power, range })
            }
        })
        .collect()
}

fn band_share(band: &[(f64, f64)], alpha_bar: f64) -> f64 {
    band.iter().map(|&(_, power)| recoverable(alpha_bar, power)).sum::<f64>() / band.len() as f64
}

/// Upper ends at which the falling `shares` have come equal parts of their way, every interval with at
/// least one timestep.
fn equal_bands(shares: &[f64], experts: usize) -> Vec<usize> {
    let steps = shares.len();
    let (first, last) = (shares[0], shares[steps - 1]);
    let mut ends: Vec<usize> = Vec::with_capacity(experts);
    for expert in 1..=experts {
        let edge = first + (last - first) * expert as f64 / experts as f64;
        let reached = shares.partition_point(|&share| share > edge);
        let at_least = ends.last().copied().unwrap_or(0) + 1;
        let at_most = steps - (experts - expert);
        ends.push(if expert == experts { steps } else { reached.clamp(at_least, at_most) });
    }
    ends
}

/// Of the frequencies in transition below `reach`, the part that lies above `reach / 2`.
fn high_share(band: &[(f64, f64)], alpha_bars: &[f64], reach: f64) -> f64 {
    let (mut high, mut all) = (0.0, 0.0);
    for &alpha_bar in alpha_bars {
        for &(frequency, power) in band.iter().filter(|(frequency, _)| *frequency <= reach) {
            let share = recoverable(alpha_bar, power);
            let weight = share * (1.0 - share);
            all += weight;
            if frequency > reach / 2.0 {
                high += weight;
            }
        }
    }
    high / all
}
