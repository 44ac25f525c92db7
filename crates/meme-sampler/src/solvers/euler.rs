//! Euler's method.

use crate::walk::{Made, combine, walk};
use crate::{Denoiser, Last, Outcome, Plan, Result, State, Watch};

/// Euler's method for the probability flow in EDM's coordinates (Karras et al. 2022, arXiv
/// 2206.00364, eq. 4): with y = x / sqrt(ab) and sigma = sqrt((1 - ab) / ab),
/// `y' = y + (sigma' - sigma) (y - x0) / sigma`. First order.
///
/// Written with x0 and epsilon this is DDIM with eta 0; it is here under its own name because it
/// ends at [`Last::Clean`] unless the plan says otherwise, and because this form holds at an
/// alpha-bar of 0, where sigma is infinite.
///
/// # Errors
/// Whatever the denoiser meets.
pub fn euler(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    walk(denoiser, start.into(), plan, (Last::Clean, &|_| 0), watch, |step, state| {
        let to = step.to;
        let estimate = step.estimate(&state.x)?;
        let x = combine(&[(to.signal(), &estimate.x0), (to.noise(), &estimate.epsilon)])?;
        Ok((Made { x, x0: estimate.x0 }, Vec::new()))
    })
}
