//! The loop that all samplers share.

use meme_router::Index;
use meme_torch::tch::{Kind, Tensor, no_grad};

use crate::denoiser::ask;
use crate::level::Level;
use crate::{Denoiser, Error, Last, Outcome, Plan, Progress, Result, State, Threshold, Watch};

/// What a network's answer says about `x`.
pub(crate) struct Estimate {
    pub(crate) x0: Tensor,
    pub(crate) epsilon: Tensor,
}

/// What a sampler has at hand within one step.
pub(crate) struct Step<'a> {
    denoiser: &'a mut dyn Denoiser,
    pub(crate) plan: &'a Plan,
    /// Counted from 0.
    pub(crate) number: usize,
    pub(crate) from: Level,
    pub(crate) to: Level,
}

impl Step<'_> {
    pub(crate) fn is_last(&self) -> bool {
        self.number + 1 == self.plan.len()
    }

    /// The network's opinion of `x` at the level from which this step starts.
    pub(crate) fn estimate(&mut self, x: &Tensor) -> Result<Estimate> {
        self.estimate_at(x, self.number)
    }

    /// The network's opinion of `x` at the level from which step `step` starts.
    pub(crate) fn estimate_at(&mut self, x: &Tensor, step: usize) -> Result<Estimate> {
        let Plan { parametrisation, threshold, rederive_epsilon, .. } = *self.plan;
        let batch = x.size().first().copied().unwrap_or(0) as usize;
        let indices = vec![self.plan.index(step); batch];
        let answer = ask(self.denoiser, x, &indices)?;
        let level = self.plan.level(step);
        let (of_x, of_answer) = parametrisation.x0_coefficients(level.alpha_bar);
        let x0 = limit(combine(&[(of_x, x), (of_answer, &answer)])?, threshold)?;
        let epsilon = if threshold == Threshold::None || !rederive_epsilon {
            let (of_x, of_answer) = parametrisation.epsilon_coefficients(level.alpha_bar);
            combine(&[(of_x, x), (of_answer, &answer)])?
        } else {
            let noise = level.noise();
            combine(&[(1.0 / noise, x), (-level.signal() / noise, &x0)])?
        };
        Ok(Estimate { x0, epsilon })
    }
}

/// What one step makes: the next `x`, and the predicted image to show.
pub(crate) struct Made {
    pub(crate) x: Tensor,
    pub(crate) x0: Tensor,
}

/// Walks `start` along `plan` to its end, or until `watch` breaks. `last` is where this sampler
/// ends unless the plan says, `kept` how many tensors it remembers after so many steps, `step`
/// makes one step and gives the new history.
pub(crate) fn walk(
    denoiser: &mut dyn Denoiser,
    start: State,
    plan: &Plan,
    (last, kept): (Last, &dyn Fn(usize) -> usize),
    watch: &mut Watch<'_>,
    mut step: impl FnMut(&mut Step<'_>, &State) -> Result<(Made, Vec<Tensor>)>,
) -> Result<Outcome> {
    let mut state = start;
    let total = plan.len();
    if state.step > total {
        let problem = format!("{} steps are done, the plan has {total}", state.step);
        return Err(Error::State { problem });
    }
    let remembered = if state.step == 0 { 0 } else { kept(state.step) };
    if state.history.len() != remembered {
        let problem = format!(
            "it remembers {} tensors after {} steps where this sampler keeps {remembered}",
            state.history.len(),
            state.step
        );
        return Err(Error::State { problem });
    }
    if state.x.dim() == 0 || !state.x.is_floating_point() {
        let problem = "x must be [B, ...] of a floating-point type".to_owned();
        return Err(Error::State { problem });
    }
    denoiser.announce(plan.indices_from(state.step))?;
    while state.step < total {
        let number = state.step;
        let (from, to) = (plan.level(number), plan.next_level(number, last));
        let mut now = Step { denoiser: &mut *denoiser, plan, number, from, to };
        let (made, history) = no_grad(|| step(&mut now, &state))?;
        state = State { step: number + 1, x: made.x, history };
        let index: Index = plan.index(number);
        let progress = Progress { step: state.step, total, index, x0: &made.x0, x: &state.x };
        if watch(&progress).is_break() && state.step < total {
            return Ok(Outcome::Stopped { state, total });
        }
    }
    Ok(Outcome::Finished(state.x))
}

/// The sum of factors times tensors, in the tensors' type. Terms with a factor of zero are left
/// out, so that nothing infinite in them matters.
pub(crate) fn combine(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (factor, tensor) in terms.iter().filter(|(factor, _)| *factor != 0.0) {
        let term =
            if *factor == 1.0 { tensor.shallow_clone() } else { tensor.f_mul_scalar(*factor)? };
        sum = Some(match sum {
            Some(sum) => sum.f_add(&term)?,
            None => term,
        });
    }
    match (sum, terms.first()) {
        (Some(sum), _) => Ok(sum),
        (None, Some((_, like))) => Ok(like.f_zeros_like()?),
        (None, None) => Err(Error::State { problem: "there is nothing to add up".to_owned() }),
    }
}

fn limit(x0: Tensor, threshold: Threshold) -> Result<Tensor> {
    match threshold {
        Threshold::None => Ok(x0),
        Threshold::Clip { bound } => Ok(x0.f_clamp(-bound, bound)?),
        Threshold::Dynamic { quantile, bound } => {
            let mut shape = vec![1; x0.dim()];
            if let Some(first) = shape.first_mut() {
                *first = -1;
            }
            // Quantiles are not offered for half precision.
            let kind = if x0.kind() == Kind::Double { Kind::Double } else { Kind::Float };
            let sizes = x0.f_abs()?.f_flatten(1, -1)?.f_to_kind(kind)?;
            let reach = sizes.f_quantile_scalar(quantile, 1, false, "linear")?;
            let reach = reach.f_clamp_min(1.0)?.f_clamp_max(bound)?;
            let reach = reach.f_view(shape.as_slice())?.f_to_kind(x0.kind())?;
            let low = reach.f_neg()?;
            Ok(x0.f_clamp_tensor(Some(&low), Some(&reach))?.f_div(&reach)?)
        }
    }
}
