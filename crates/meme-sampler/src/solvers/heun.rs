//! Heun's method.

use crate::walk::{Made, combine, walk};
use crate::{Denoiser, Last, Outcome, Plan, Result, State, Watch};

/// Heun's method for the probability flow in EDM's coordinates (Karras et al. 2022, arXiv
/// 2206.00364, algorithm 1), see [`euler`](crate::euler): the slope epsilon is the mean of those
/// at both ends of a step. Second order, for two network evaluations a step; the last step, which
/// leads to a level at which the network is not asked, and one that starts without any signal are
/// Euler's. Ends at [`Last::Clean`] unless the plan says otherwise.
///
/// # Errors
/// Whatever the denoiser meets.
pub fn heun(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    walk(denoiser, start.into(), plan, (Last::Clean, &|_| 0), watch, |step, state| {
        let (from, to) = (step.from, step.to);
        let here = step.estimate(&state.x)?;
        let ahead = combine(&[(to.signal(), &here.x0), (to.noise(), &here.epsilon)])?;
        if step.is_last() || !from.has_signal() {
            return Ok((Made { x: ahead, x0: here.x0 }, Vec::new()));
        }
        let there = step.estimate_at(&ahead, step.number + 1)?;
        let half = 0.5 * to.signal() * (to.sigma() - from.sigma());
        let x = combine(&[
            (to.signal() / from.signal(), &state.x),
            (half, &here.epsilon),
            (half, &there.epsilon),
        ])?;
        Ok((Made { x, x0: here.x0 }, Vec::new()))
    })
}
