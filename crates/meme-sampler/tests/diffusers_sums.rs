//! The sums and means that diffusers' own tests expect of full loops with their dummy network
//! (`tests/schedulers/test_scheduler_{ddim,dpm_multi,unipc}.py`, float32, tolerances theirs).
#![allow(clippy::unwrap_used)]

mod common;

use common::no_noise;
use meme_router::Index;
use meme_sampler::{DpmSolver, Last, Plan, Result, Sampler, Threshold, UniPc, unwatched};
use meme_schedule::{Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::Tensor;

/// Their `dummy_sample_deter`: 0, 1, ... over the count, laid out [3, 8, 8, 4], batch last.
fn dummy_sample() -> Tensor {
    let values: Vec<f32> = (0..768).map(|i| i as f32 / 768.0).collect();
    Tensor::from_slice(&values).view([3, 8, 8, 4]).permute([3, 0, 1, 2]).contiguous()
}

/// Their `dummy_noise_deter`: the same values backwards.
fn dummy_noise() -> Tensor {
    let values: Vec<f32> = (0..768).map(|i| (767 - i) as f32 / 768.0).collect();
    Tensor::from_slice(&values).view([3, 8, 8, 4]).permute([3, 0, 1, 2]).contiguous()
}

/// Their `dummy_model`.
fn dummy_model(x: &Tensor, indices: &[Index]) -> Result<Tensor> {
    let t = indices[0].get() as f64;
    Ok(x * (t / (t + 1.0)))
}

fn sum_and_mean(sampler: Sampler, start: &Tensor, plan: &Plan) -> (f64, f64) {
    let outcome = sampler.run(&mut dummy_model, start, plan, &mut no_noise, &mut unwatched);
    let samples = outcome.unwrap().finished().unwrap().abs();
    let number = |kind| f64::try_from(samples.sum(kind)).unwrap();
    let sum = number(meme_torch::tch::Kind::Float);
    (sum, sum / 768.0)
}

fn check((sum, mean): (f64, f64), expected_sum: f64, expected_mean: f64) {
    assert!((sum - expected_sum).abs() < 1e-2, "sum {sum}, diffusers expects {expected_sum}");
    assert!((mean - expected_mean).abs() < 1e-3, "mean {mean}, diffusers expects {expected_mean}");
}

fn schedule(beta_start: f64) -> Schedule {
    let config = ScheduleConfig::Linear { steps: 1000, beta_start, beta_end: 0.02 };
    Schedule::new(&config).unwrap()
}

/// numpy's linspace(0, 999, 11).round()[1:], which their multistep solvers take for ten steps.
const MULTISTEP: [usize; 10] = [100, 200, 300, 400, 500, 599, 699, 799, 899, 999];

#[test]
fn ddim_gives_the_published_sums() {
    let plan = |indices: &[usize], beta_start, parametrisation| {
        Plan::new(&schedule(beta_start), indices, parametrisation)
            .unwrap()
            .threshold(Threshold::Clip { bound: 1.0 })
            .unwrap()
            .last(Last::Clean)
            .rederive_epsilon(false)
    };
    let leading: Vec<usize> = (0..10).map(|k| 100 * k).collect();
    let ddim = Sampler::Ddim { eta: 0.0 };
    let run = |plan: &Plan| sum_and_mean(ddim, &dummy_sample(), plan);
    let epsilon = Parametrisation::Epsilon;
    check(run(&plan(&leading, 1e-4, epsilon)), 172.0067, 0.223967);
    check(run(&plan(&leading, 1e-4, Parametrisation::Velocity)), 52.5302, 0.0684);
    check(run(&plan(&leading, 0.01, epsilon)), 149.8295, 0.1951);
    check(run(&plan(&leading, 0.01, epsilon).last(Last::First)), 149.0784, 0.1941);
    // From the ninth step on, starting from a noised sample.
    let late = &leading[..2];
    let ab = schedule(1e-4).alpha_bar(late[1]);
    let start = dummy_sample() * ab.sqrt() + dummy_noise() * (1.0 - ab).sqrt();
    check(sum_and_mean(ddim, &start, &plan(late, 1e-4, epsilon)), 354.5418, 0.4616);
}

#[test]
fn dpm_solver_2m_gives_the_published_means() {
    let options = DpmSolver { lower_order_final: false, ..Default::default() };
    let mean = |parametrisation, threshold, last| {
        let plan = Plan::new(&schedule(1e-4), &MULTISTEP, parametrisation).unwrap();
        let plan = plan.threshold(threshold).unwrap().last(last);
        sum_and_mean(Sampler::DpmSolver2m { options }, &dummy_sample(), &plan).1
    };
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-3, "mean {found}, diffusers expects {expected}");
    };
    let (epsilon, none) = (Parametrisation::Epsilon, Threshold::None);
    let dynamic = Threshold::Dynamic { quantile: 0.87, bound: 0.5 };
    // Their numbers are from the time when the last level was that of index 0.
    close(mean(epsilon, none, Last::First), 0.3301);
    close(mean(Parametrisation::Velocity, none, Last::First), 0.2251);
    close(mean(epsilon, dynamic, Last::First), 1.1364);
    // Diffusers 0.42.1 with its present default, sigma 0.
    close(mean(epsilon, none, Last::Clean), 0.240_900);
    close(mean(Parametrisation::Velocity, none, Last::Clean), 0.098_518);
    close(mean(epsilon, dynamic, Last::Clean), 0.717_692);
}

#[test]
fn unipc_gives_the_published_sums() {
    let unipc = Sampler::UniPc { options: UniPc::default() };
    let run = |indices: &[usize], parametrisation, start: &Tensor| {
        let plan = Plan::new(&schedule(1e-4), indices, parametrisation).unwrap();
        sum_and_mean(unipc, start, &plan.last(Last::First))
    };
    let sample = dummy_sample();
    let (_, mean) = run(&MULTISTEP, Parametrisation::Epsilon, &sample);
    assert!((mean - 0.2464).abs() < 1e-3, "{mean}");
    let (_, mean) = run(&MULTISTEP, Parametrisation::Velocity, &sample);
    assert!((mean - 0.1014).abs() < 1e-3, "{mean}");
    let ab = schedule(1e-4).alpha_bar(200_usize);
    let start = sample * ab.sqrt() + dummy_noise() * (1.0 - ab).sqrt();
    check(run(&MULTISTEP[..2], Parametrisation::Epsilon, &start), 315.5757, 0.4109);
}
