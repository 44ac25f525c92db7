//! Denoising diffusion implicit models.

use super::at_least_zero;
use crate::level::Level;
use crate::walk::{Made, combine, walk};
use crate::{Denoiser, Error, Last, Noise, Outcome, Plan, Result, State, Watch};

/// DDIM (Song, Meng and Ermon 2021, arXiv 2010.02502, eq. 12 and 16):
///
/// `x' = sqrt(ab') x0 + sqrt(1 - ab' - s^2) epsilon + s z` with
/// `s = eta sqrt((1 - ab') / (1 - ab)) sqrt(1 - ab / ab')`
///
/// With `eta` 0 no noise is added and `noise` is never asked; with 1 it is the ancestral sampler
/// (k-diffusion's Euler ancestral). Ends at [`Last::First`] unless the plan says otherwise, as
/// CompVis' latent diffusion does.
///
/// # Errors
/// [`Error::Setting`] for an `eta` below 0, or so large that a step would add more noise than its
/// level holds; whatever the denoiser and the noise meet.
pub fn ddim(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    eta: f64,
    noise: &mut dyn Noise,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    at_least_zero("eta", eta)?;
    for step in 0..plan.len() {
        let (from, to) = (plan.level(step), plan.next_level(step, Last::First));
        // A rounding error of the size of machine epsilon is no noise.
        if 1.0 - to.alpha_bar - variance(from, to, eta) < -1e-12 {
            let allowed = "0 to 1, or a little more where steps are short";
            return Err(Error::Setting { name: "eta", value: eta, allowed });
        }
    }
    walk(denoiser, start.into(), plan, (Last::First, &|_| 0), watch, |step, state| {
        let (from, to) = (step.from, step.to);
        let estimate = step.estimate(&state.x)?;
        let variance = variance(from, to, eta);
        let towards = (1.0 - to.alpha_bar - variance).max(0.0).sqrt();
        let mut terms = vec![(to.signal(), &estimate.x0), (towards, &estimate.epsilon)];
        let fresh = match variance > 0.0 {
            true => Some(noise.step(step.number, &state.x)?),
            false => None,
        };
        terms.extend(fresh.iter().map(|fresh| (variance.sqrt(), fresh)));
        Ok((Made { x: combine(&terms)?, x0: estimate.x0 }, Vec::new()))
    })
}

/// s^2.
fn variance(from: Level, to: Level, eta: f64) -> f64 {
    let (ab, ab_next) = (from.alpha_bar, to.alpha_bar);
    (eta * eta * (1.0 - ab_next) / (1.0 - ab) * (1.0 - ab / ab_next)).max(0.0)
}
