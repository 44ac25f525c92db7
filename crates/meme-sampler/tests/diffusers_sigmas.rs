//! The sums that diffusers' Euler and Heun tests expect of full loops with their dummy network
//! (`tests/schedulers/test_scheduler_{euler,heun}.py`). They compute in float32, this in float64.
//!
//! Two things are peculiar to those tests. They visit ten fractional timesteps of 1100, so the plan
//! here has a schedule of ten levels, made of the sigmas there. And their loop overwrites the sample
//! with the scaled input of the network before it steps: their `y` shrinks by `signal` at every
//! step. Between two steps that is done here as well, and undone for what the network sees.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;

use common::no_noise;
use meme_router::Index;
use meme_sampler::{Last, Outcome, Plan, Progress, Result, Sampler, State};
use meme_schedule::{Parametrisation, Schedule, ScheduleConfig, convert, karras_sigmas};
use meme_torch::tch::{Kind, Tensor};

const STEPS: usize = 10;

/// Their `dummy_sample_deter` and `dummy_noise_deter`.
fn dummy(value: impl Fn(i32) -> i32) -> Tensor {
    let values: Vec<f64> = (0..768).map(|i| f64::from(value(i)) / 768.0).collect();
    Tensor::from_slice(&values).view([3, 8, 8, 4]).permute([3, 0, 1, 2]).contiguous()
}

/// Ten noise levels and the timesteps at which the network is asked for them, least noise first.
struct Levels {
    sigmas: Vec<f64>,
    timesteps: Vec<f64>,
}

fn linear() -> Schedule {
    let config = ScheduleConfig::Linear { steps: 1100, beta_start: 1e-4, beta_end: 0.02 };
    Schedule::new(&config).unwrap()
}

impl Levels {
    /// Equally spaced timesteps; sigma is a straight line between two indices there.
    fn linspace() -> Self {
        let table = linear().sigmas();
        let timesteps: Vec<f64> = (0..STEPS).map(|k| k as f64 * 1099.0 / 9.0).collect();
        let sigma = |t: &f64| {
            let (below, share) = (*t as usize, t.fract());
            let above = table[(below + 1).min(1099)];
            table[below] + (above - table[below]) * share
        };
        Self { sigmas: timesteps.iter().map(sigma).collect(), timesteps }
    }

    fn karras() -> Self {
        let schedule = linear();
        let table = schedule.sigmas();
        let mut sigmas = karras_sigmas(STEPS, table[0], table[1099], 7.0).unwrap();
        sigmas.reverse();
        let position = |s: &f64| schedule.position_of_log_snr(convert::log_snr_of_sigma(*s));
        Self { timesteps: sigmas.iter().map(position).collect(), sigmas }
    }

    /// The sum of the absolute values after the steps from `first` on, from `y`.
    fn sum(&self, sampler: Sampler, first: usize, y: &Tensor) -> f64 {
        let bars: Vec<f64> = self.sigmas.iter().map(|s| convert::alpha_bar_of_sigma(*s)).collect();
        let signal = |step: usize| bars[STEPS - 1 - step].sqrt();
        let schedule = Schedule::from_alpha_bars(bars.clone()).unwrap();
        let indices: Vec<usize> = (0..STEPS).collect();
        let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon).unwrap();
        let plan = plan.last(Last::Clean);
        let mut x = y * signal(first);
        for step in first..STEPS {
            let mut asked = 0;
            let mut network = |x: &Tensor, indices: &[Index]| -> Result<Tensor> {
                let t = self.timesteps[indices[0].get()];
                let unscaled = if asked == 0 { x / signal(step) } else { x.shallow_clone() };
                asked += 1;
                Ok(unscaled * (t / (t + 1.0)))
            };
            let state = State::restore(step, [("x".to_owned(), &x * signal(step))]).unwrap();
            let watch = &mut |_: &Progress<'_>| ControlFlow::Break(());
            let outcome = sampler.run(&mut network, state, &plan, &mut no_noise, watch).unwrap();
            x = match outcome {
                Outcome::Finished(samples) => samples,
                Outcome::Stopped { state, .. } => state.x().shallow_clone(),
            };
        }
        f64::try_from(x.abs().sum(Kind::Double)).unwrap()
    }

    fn full(&self, sampler: Sampler) -> f64 {
        self.sum(sampler, 0, &(dummy(|i| i) * self.sigmas[STEPS - 1]))
    }

    /// The last two steps, from a noised sample.
    fn late(&self, sampler: Sampler) -> f64 {
        let sample = dummy(|i| i) * self.sigmas[STEPS - 1];
        self.sum(sampler, 8, &(sample + dummy(|i| 767 - i) * self.sigmas[1]))
    }
}

/// Their tolerance; sums of tens of thousands have no such digits in float32.
fn check(sum: f64, expected: f64) {
    let tolerance = f64::max(1e-2, 2e-6 * expected);
    assert!((sum - expected).abs() < tolerance, "sum {sum}, diffusers expects {expected}");
}

#[test]
fn euler_gives_the_published_sums() {
    check(Levels::linspace().full(Sampler::Euler {}), 10.0807);
    check(Levels::linspace().late(Sampler::Euler {}), 57_062.929_7);
    check(Levels::karras().full(Sampler::Euler {}), 124.522_994_995_117_19);
}

#[test]
fn heun_gives_the_published_sums() {
    check(Levels::linspace().full(Sampler::Heun {}), 0.1233);
    check(Levels::linspace().late(Sampler::Heun {}), 75_074.890_6);
    let karras = Levels::karras().full(Sampler::Heun {});
    assert!((karras / 0.000_152_598_237 - 1.0).abs() < 1e-3, "{karras}");
}
