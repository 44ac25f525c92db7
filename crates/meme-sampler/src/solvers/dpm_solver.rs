//! DPM-Solver++, the multistep solvers of second order.

use meme_torch::tch::Tensor;
use serde::{Deserialize, Serialize};

use super::at_least_zero;
use crate::walk::{Made, Step, combine, walk};
use crate::{Denoiser, Last, Noise, Outcome, Plan, Result, State, Watch};

/// Runs of fewer steps than this gain from a last step of first order (Lu et al.'s code).
const FEW_STEPS: usize = 15;

/// How the change of the predicted image enters a second-order step. Both have the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondOrder {
    /// Its value in the middle of the step.
    #[default]
    Midpoint,
    /// Its exact integral along a straight line; a little better at few steps with strong noise.
    Heun,
}

/// Options of both DPM-Solver++ samplers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DpmSolver {
    /// How second order is reached.
    pub second_order: SecondOrder,
    /// Whether runs of fewer than 15 steps make their last step at first order, for stability. A
    /// last step to a clean image always is.
    pub lower_order_final: bool,
}

impl Default for DpmSolver {
    fn default() -> Self {
        Self { second_order: SecondOrder::default(), lower_order_final: true }
    }
}

/// DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2): with lambda = ln(signal /
/// noise), h the step in it and r the ratio of the last step to this one,
///
/// `x' = noise'/noise x + signal' (1 - e^-h) (x0 + (x0 - x0_before) / 2r)`
///
/// Second order for one network evaluation a step. Ends at [`Last::Clean`] unless the plan says
/// otherwise.
///
/// # Errors
/// Whatever the denoiser meets.
pub fn dpm_solver_2m(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    options: &DpmSolver,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    walk(denoiser, start.into(), plan, (Last::Clean, &|_| 1), watch, |step, state| {
        let x0 = step.estimate(&state.x)?.x0;
        let x = advance(step, state, &x0, options, 0.0, None)?;
        Ok((Made { x, x0: x0.shallow_clone() }, vec![x0]))
    })
}

/// SDE-DPM-Solver++(2M): [`dpm_solver_2m`] for the reverse stochastic equation, which adds noise on
/// the way (Lu et al. 2022, appendix; k-diffusion's `sample_dpmpp_2m_sde`). `eta` scales the noise:
/// 1 is the equation itself, 0 is [`dpm_solver_2m`].
///
/// # Errors
/// [`Error::Setting`](crate::Error::Setting) for an `eta` below 0; whatever the denoiser and the
/// noise meet.
pub fn dpm_solver_2m_sde(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    options: &DpmSolver,
    eta: f64,
    noise: &mut dyn Noise,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    at_least_zero("eta", eta)?;
    walk(denoiser, start.into(), plan, (Last::Clean, &|_| 1), watch, |step, state| {
        let x0 = step.estimate(&state.x)?.x0;
        let x = advance(step, state, &x0, options, eta, Some(&mut *noise))?;
        Ok((Made { x, x0: x0.shallow_clone() }, vec![x0]))
    })
}

/// One step. All exponentials are finite wherever h is: an infinite h (no noise ahead, or no
/// signal behind) makes them 0, and the step is then of first order.
fn advance(
    step: &Step<'_>,
    state: &State,
    x0: &Tensor,
    options: &DpmSolver,
    eta: f64,
    noise: Option<&mut dyn Noise>,
) -> Result<Tensor> {
    let (from, to) = (step.from, step.to);
    let h = to.lambda() - from.lambda();
    if h <= 0.0 {
        // The last step of a grid with index 0 towards `Last::First` leads nowhere.
        return Ok(state.x.shallow_clone());
    }
    let spread = if eta == 0.0 { 0.0 } else { eta * h };
    let stay = to.noise() / from.noise() * (-spread).exp();
    let gain = -to.signal() * (-(h + spread)).exp_m1();
    let mut terms = vec![(stay, &state.x)];

    let few = step.plan.len() < FEW_STEPS;
    let first_order = step.is_last() && (to.is_clean() || options.lower_order_final && few);
    let before = match (&state.history[..], step.number.checked_sub(1)) {
        ([before], Some(number)) if h.is_finite() && !first_order => {
            let h_before = from.lambda() - step.plan.level(number).lambda();
            let slope = match options.second_order {
                SecondOrder::Midpoint => 0.5 * gain,
                SecondOrder::Heun => to.signal() - gain / (h + spread),
            };
            Some((slope * h / h_before, before))
        }
        _ => None,
    };
    let change = before.map_or(0.0, |(change, _)| change);
    terms.push((gain + change, x0));
    terms.extend(before.map(|(change, before)| (-change, before)));

    let added = to.noise() * (-(-2.0 * spread).exp_m1()).sqrt();
    let fresh = match noise {
        Some(noise) if added > 0.0 => Some(noise.step(step.number, &state.x)?),
        _ => None,
    };
    terms.extend(fresh.iter().map(|fresh| (added, fresh)));
    combine(&terms)
}
