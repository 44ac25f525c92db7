//! UniPC.

use meme_torch::tch::Tensor;
use serde::{Deserialize, Serialize};

use crate::level::Level;
use crate::walk::{Made, combine, walk};
use crate::{Denoiser, Error, Last, Outcome, Plan, Result, State, Watch};

/// The function B(h) of UniPC, which only matters at few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bh {
    /// B(h) = h: better for unguided pixels at few steps.
    Bh1,
    /// B(h) = e^h - 1: better with guidance, and the usual choice.
    #[default]
    Bh2,
}

/// Options of [`unipc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct UniPc {
    /// Order p of the predictor, 1 to 3; the corrected solution has order p + 1.
    pub order: usize,
    /// B(h).
    pub bh: Bh,
    /// Whether the order falls to 1 towards the end, for stability. A last step to a clean image is
    /// always of first order.
    pub lower_order_final: bool,
}

impl Default for UniPc {
    fn default() -> Self {
        Self { order: 2, bh: Bh::default(), lower_order_final: true }
    }
}

/// UniPC (Zhao et al. 2023, arXiv 2302.04867), predicting images: a multistep predictor of order p,
/// and a corrector that uses the network's answer at the predicted point to mend the point itself,
/// without a further evaluation. Ends at [`Last::Clean`] unless the plan says otherwise.
///
/// # Errors
/// [`Error::Setting`] for an order other than 1, 2 or 3; whatever the denoiser meets.
pub fn unipc(
    denoiser: &mut dyn Denoiser,
    start: impl Into<State>,
    plan: &Plan,
    options: &UniPc,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let UniPc { order, bh, lower_order_final } = *options;
    if !(1..=3).contains(&order) {
        let allowed = "1, 2 or 3";
        return Err(Error::Setting { name: "order", value: order as f64, allowed });
    }
    let total = plan.len();
    // Levels without signal are infinitely far away in lambda and no help for a polynomial.
    let usable = (0..total).position(|step| plan.level(step).has_signal()).unwrap_or(total);
    let order_at = |step: usize| {
        let left = if lower_order_final { total - step } else { order };
        order.min(left).min((step + 1).saturating_sub(usable)).max(1)
    };
    let kept = move |done: usize| 1 + done.min(order);
    walk(denoiser, start.into(), plan, (Last::Clean, &kept), watch, |step, state| {
        let number = step.number;
        let x0 = step.estimate(&state.x)?.x0;
        // History: the point that the last step started from, then x0 of the steps before.
        let x = match (number.checked_sub(1), state.history.split_first()) {
            (Some(before), Some((base, past))) if plan.level(before).has_signal() => {
                let solver = Multistep { plan, from: before, to: step.from, bh, past };
                solver.solve(base, order_at(before), Some(&x0))?
            }
            _ => state.x.shallow_clone(),
        };
        let mut past = vec![x0.shallow_clone()];
        past.extend(state.history.iter().skip(1).take(order - 1).map(Tensor::shallow_clone));
        let order_now = if step.to.is_clean() { 1 } else { order_at(number) };
        let solver = Multistep { plan, from: number, to: step.to, bh, past: &past };
        let next = solver.solve(&x, order_now, None)?;
        let mut history = vec![x];
        history.append(&mut past);
        Ok((Made { x: next, x0 }, history))
    })
}

/// A step away from the point at step `from`.
struct Multistep<'a> {
    plan: &'a Plan,
    from: usize,
    to: Level,
    bh: Bh,
    /// x0 at step `from`, `from - 1`, ...
    past: &'a [Tensor],
}

impl Multistep<'_> {
    /// The solution at `to` from `base`, of this order; with `arrived`, the predicted image at
    /// that very place, it is the corrector (eq. 9), else the predictor (eq. 8).
    fn solve(&self, base: &Tensor, order: usize, arrived: Option<&Tensor>) -> Result<Tensor> {
        let (from, to) = (self.plan.level(self.from), self.to);
        let h = to.lambda() - from.lambda();
        if h <= 0.0 {
            return Ok(base.shallow_clone());
        }
        let first = -(-h).exp_m1();
        let Some(now) = self.past.first() else {
            return Err(Error::State { problem: "it lacks its history".to_owned() });
        };
        let scale = match self.bh {
            Bh::Bh1 => h,
            Bh::Bh2 => first,
        };

        // Differences to the image at `from`, and where in units of h they were taken.
        let mut places: Vec<f64> = Vec::new();
        let mut images: Vec<&Tensor> = Vec::new();
        for (back, image) in (1..order).zip(&self.past[1..]) {
            let level = self.plan.level(self.from - back);
            places.push((level.lambda() - from.lambda()) / h);
            images.push(image);
        }
        if let Some(arrived) = arrived {
            places.push(1.0);
            images.push(arrived);
        }
        let weights = match (places.len(), h.is_finite()) {
            (0, _) | (_, false) => Vec::new(),
            // The authors' simplification: exact to the order that is needed.
            (1, true) => vec![0.5],
            (_, true) => solve_linear(&places, moments(-h, scale, places.len())),
        };
        let mut at_now = to.signal() * first;
        let mut terms = vec![(to.noise() / from.noise(), base)];
        for ((place, image), weight) in places.iter().zip(images).zip(weights) {
            let factor = to.signal() * scale * weight / place;
            at_now -= factor;
            terms.push((factor, image));
        }
        terms.push((at_now, now));
        combine(&terms)
    }
}

/// b_k = k! h phi_{k+1}(h) / B(h), k = 1, 2, ..., for h below zero; `scale` is -B(h).
fn moments(h: f64, scale: f64, count: usize) -> Vec<f64> {
    let mut phi = h.exp_m1() / h - 1.0;
    let mut factorial = 1.0;
    let mut moments = Vec::with_capacity(count);
    for k in 1..=count {
        moments.push(phi * factorial / -scale);
        factorial *= (k + 1) as f64;
        phi = phi / h - 1.0 / factorial;
    }
    moments
}

/// The weights w with sum over j of place_j^(k-1) w_j = moment_k: a Vandermonde system of at most
/// three unknowns, by elimination. Places differ, so it has a solution.
fn solve_linear(places: &[f64], right: Vec<f64>) -> Vec<f64> {
    // Each row with its right-hand side at the end.
    let mut rows: Vec<Vec<f64>> = (0_i32..)
        .zip(right)
        .map(|(power, right)| places.iter().map(|place| place.powi(power)).chain([right]).collect())
        .collect();
    let size = rows.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        let leading = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(number, _)| *number != column) {
            let factor = row[column] / leading[column];
            row.iter_mut().zip(&leading).for_each(|(entry, other)| *entry -= factor * other);
        }
    }
    rows.iter().enumerate().map(|(number, row)| row[size] / row[number]).collect()
}
