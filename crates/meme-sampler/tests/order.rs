//! Gaussian data: the exact solution is known, and every solver must approach it at its order.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{DOUBLE, no_noise, perfect};
use meme_sampler::{
    Bh, DpmSolver, Last, Plan, Result, Sampler, SecondOrder, UniPc, Variance, unwatched,
};
use meme_schedule::{Parametrisation, Schedule};
use meme_torch::tch::Tensor;

const MEAN: f64 = 0.3;
const DEVIATION: f64 = 0.5;

/// lambda falls evenly from 2.5 to -2.5 over 1025 indices, so every 1024/S-th index gives S even
/// steps down to index 0.
fn schedule() -> Schedule {
    let log_snr = |i: usize| 2.0 * (2.5 - 5.0 * i as f64 / 1024.0);
    let alpha_bars = (0..1025).map(|i| 1.0 / (1.0 + (-log_snr(i)).exp())).collect();
    Schedule::from_alpha_bars(alpha_bars).unwrap()
}

fn plan(schedule: &Schedule, steps: usize) -> Plan {
    let indices: Vec<usize> = (1..=steps).map(|k| k * (1024 / steps)).collect();
    Plan::new(schedule, &indices, Parametrisation::Velocity).unwrap().last(Last::First)
}

/// Mean and deviation of the noised data.
fn marginal(alpha_bar: f64) -> (f64, f64) {
    (alpha_bar.sqrt() * MEAN, (alpha_bar * DEVIATION * DEVIATION + 1.0 - alpha_bar).sqrt())
}

/// The error of a deterministic sampler at index 0. The probability flow keeps a point's place in
/// its marginal: (x - mean) / deviation is constant (Song et al. 2021, for Gaussians).
fn error(sampler: Sampler, steps: usize) -> f64 {
    let schedule = schedule();
    let mut network = perfect(&schedule, Parametrisation::Velocity, Tensor::from(MEAN), DEVIATION);
    let places = Tensor::from_slice(&[-2.0, -0.5, 0.0, 1.0, 3.0]).view([5, 1]);
    let (mean, deviation) = marginal(schedule.alpha_bar(1024_usize));
    let start = &places * deviation + mean;
    let plan = plan(&schedule, steps);
    let found = sampler.run(&mut network, start, &plan, &mut no_noise, &mut unwatched).unwrap();
    let (mean, deviation) = marginal(schedule.alpha_bar(0_usize));
    let exact = places * deviation + mean;
    f64::try_from((found.finished().unwrap() - exact).abs().max()).unwrap()
}

/// log2 of how much the error falls when the number of steps doubles, at the finest of them.
fn order(sampler: Sampler) -> f64 {
    let errors: Vec<f64> = [16, 32, 64, 128, 256].map(|steps| error(sampler, steps)).to_vec();
    let orders: Vec<f64> = errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect();
    println!("{:<14} errors {errors:.8?} orders {orders:.2?}", sampler.name());
    orders[orders.len() - 1]
}

#[test]
fn deterministic_samplers_converge_at_their_order() {
    let solver = |second_order| DpmSolver { second_order, lower_order_final: false };
    let unipc = |order, bh| UniPc { order, bh, lower_order_final: false };
    for (sampler, expected) in [
        (Sampler::Ddim { eta: 0.0 }, 1.0),
        (Sampler::Euler {}, 1.0),
        (Sampler::Heun {}, 2.0),
        (Sampler::DpmSolver2m { options: solver(SecondOrder::Midpoint) }, 2.0),
        (Sampler::DpmSolver2m { options: solver(SecondOrder::Heun) }, 2.0),
        // The corrector adds one to the predictor's order.
        (Sampler::UniPc { options: unipc(1, Bh::Bh1) }, 2.0),
        (Sampler::UniPc { options: unipc(1, Bh::Bh2) }, 2.0),
        (Sampler::UniPc { options: unipc(2, Bh::Bh1) }, 3.0),
        (Sampler::UniPc { options: unipc(2, Bh::Bh2) }, 3.0),
    ] {
        let found = order(sampler);
        assert!((found - expected).abs() < 0.15, "{sampler:?}: order {found}, not {expected}");
    }
    // Still above its order here: two terms of its error cancel in part.
    for bh in [Bh::Bh1, Bh::Bh2] {
        let found = order(Sampler::UniPc { options: unipc(3, bh) });
        assert!(found > 3.85, "UniPC-3: order {found}, not 4");
    }
}

/// Mean and variance of a stochastic sampler's result at index 0, exactly: with Gaussian data every
/// step is linear, so the result is the response to x plus the responses to each step's noise.
fn result_moments(sampler: Sampler, steps: usize) -> (f64, f64) {
    let schedule = schedule();
    let plan = plan(&schedule, steps);
    let mut network = perfect(&schedule, Parametrisation::Velocity, Tensor::from(MEAN), DEVIATION);
    let mut response = |start: f64, pulse: Option<usize>| -> f64 {
        let mut noise = |step: usize, like: &Tensor| -> Result<Tensor> {
            let value = if pulse == Some(step) { 1.0 } else { 0.0 };
            Ok(like.full_like(value))
        };
        let start = Tensor::full([1, 1], start, DOUBLE);
        let outcome = sampler.run(&mut network, start, &plan, &mut noise, &mut unwatched);
        f64::try_from(outcome.unwrap().finished().unwrap().reshape([1]).get(0)).unwrap()
    };
    let (mean, deviation) = marginal(schedule.alpha_bar(1024_usize));
    let centre = response(mean, None);
    let of_x = response(mean + deviation, None) - centre;
    let of_noise: f64 = (0..steps).map(|k| (response(mean, Some(k)) - centre).powi(2)).sum();
    (centre, of_x * of_x + of_noise)
}

#[test]
fn stochastic_samplers_converge_to_the_datas_distribution() {
    let (mean, deviation) = marginal(schedule().alpha_bar(0_usize));
    let solver = DpmSolver { lower_order_final: false, ..Default::default() };
    for (sampler, least_order) in [
        (Sampler::Ddim { eta: 1.0 }, 0.9),
        (Sampler::Ddim { eta: 0.5 }, 0.9),
        (Sampler::Ddpm { variance: Variance::Posterior }, 0.9),
        (Sampler::Ddpm { variance: Variance::Forward }, 0.9),
        (Sampler::DpmSolver2mSde { options: solver, eta: 1.0 }, 1.85),
        (Sampler::DpmSolver2mSde { options: solver, eta: 0.5 }, 1.85),
    ] {
        let errors = [32, 64, 128].map(|steps| {
            let (found_mean, variance) = result_moments(sampler, steps);
            let shift = (found_mean - mean).abs();
            (variance.sqrt() / deviation - 1.0).abs().max(shift / deviation)
        });
        println!("{sampler:?}: {errors:.6?}");
        for pair in errors.windows(2) {
            let order = (pair[0] / pair[1]).log2();
            assert!(order > least_order, "{sampler:?}: {errors:?}, order {order}");
        }
        assert!(errors[2] < 0.05, "{sampler:?}: {errors:?}");
    }
}

#[test]
fn ancestral_sampling_is_ddim_with_eta_one() {
    // Song et al. 2021, section 4.1: with the posterior variance the two are one sampler.
    let [ddim, ddpm] =
        [Sampler::Ddim { eta: 1.0 }, Sampler::Ddpm { variance: Variance::Posterior }]
            .map(|sampler| result_moments(sampler, 16));
    assert!((ddim.0 - ddpm.0).abs() < 1e-12 && (ddim.1 - ddpm.1).abs() < 1e-12);
}
