//! Denoising diffusion probabilistic models.

use serde::{Deserialize, Serialize};

use crate::walk::{Made, combine, walk};
use crate::{Denoiser, Last, Noise, Outcome, Plan, Result, State, Watch};

/// How much noise an ancestral step adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// That of the forward process' posterior, right for a data set of one image (Ho et al.'s
    /// beta-tilde; diffusers' `fixed_small`).
    #[default]
    Posterior,
    /// That of the forward step, right for data that are noise (Ho et al.'s beta; `fixed_large`).
    Forward,
}

/// DDPM's ancestral sampling (Ho, Jain and Abbeel 2020, arXiv 2006.11239, eq. 7) over any grid:
/// with `a = ab / ab'` the step is a draw from
/// `N(sqrt(ab') (1 - a) / (1 - ab) x0 + sqrt(a) (1 - ab') / (1 - ab) x, variance)`.
///
/// The predicted image decides, so cutting it off needs no further care. No noise is added on the
/// way to a clean image. Ends at [`Last::Clean`] unless the plan says otherwise.
///
/// # Errors
/// Whatever the denoiser and the noise meet.
pub fn ddpm(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    variance: Variance,
    noise: &mut dyn Noise,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    walk(denoiser, start.into(), plan, (Last::Clean, &|_| 0), watch, |step, state| {
        let (ab, ab_next) = (step.from.alpha_bar, step.to.alpha_bar);
        let x0 = step.estimate(&state.x)?.x0;
        let kept = ab / ab_next;
        let image = step.to.signal() * (1.0 - kept) / (1.0 - ab);
        let stay = kept.sqrt() * (1.0 - ab_next) / (1.0 - ab);
        let forward = (1.0 - kept).max(0.0);
        let variance = match variance {
            _ if step.to.is_clean() => 0.0,
            Variance::Posterior => forward * (1.0 - ab_next) / (1.0 - ab),
            Variance::Forward => forward,
        };
        let mut terms = vec![(image, &x0), (stay, &state.x)];
        let fresh = match variance > 0.0 {
            true => Some(noise.step(step.number, &state.x)?),
            false => None,
        };
        terms.extend(fresh.iter().map(|fresh| (variance.sqrt(), fresh)));
        let x = combine(&terms)?;
        Ok((Made { x, x0 }, Vec::new()))
    })
}
