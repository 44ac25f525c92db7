//! The sums that diffusers' own DDPM tests expect (`tests/schedulers/test_scheduler_ddpm.py`).
//! Their noise is PyTorch's generator at seed 0, so this one test draws from it too; it stands in a
//! file of its own because that generator is global to the process.
#![allow(clippy::unwrap_used)]

use meme_router::Index;
use meme_sampler::{Plan, Result, Threshold, Variance, ddpm, unwatched};
use meme_schedule::{Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor, manual_seed};

#[test]
fn ddpm_gives_the_published_sums() {
    let sample = |order: &dyn Fn(i32) -> i32| {
        let values: Vec<f32> = (0..768).map(|i| order(i) as f32 / 768.0).collect();
        Tensor::from_slice(&values).view([3, 8, 8, 4]).permute([3, 0, 1, 2]).contiguous()
    };
    let (clean, noise) = (sample(&|i| i), sample(&|i| 767 - i));
    let schedule = Schedule::new(&ScheduleConfig::ddpm()).unwrap();
    let run = |steps: usize, parametrisation, start: &Tensor| {
        let mut dummy_model = |x: &Tensor, indices: &[Index]| -> Result<Tensor> {
            let t = indices[0].get() as f64;
            Ok(x * (t / (t + 1.0)))
        };
        let indices: Vec<usize> = (0..steps).collect();
        let plan = Plan::new(&schedule, &indices, parametrisation).unwrap();
        let plan = plan.threshold(Threshold::Clip { bound: 1.0 }).unwrap();
        manual_seed(0);
        let mut noise =
            |_: usize, like: &Tensor| Ok(Tensor::randn(like.size(), (Kind::Float, Device::Cpu)));
        let posterior = Variance::Posterior;
        let samples = ddpm(&mut dummy_model, start, &plan, posterior, &mut noise, &mut unwatched);
        f64::try_from(samples.unwrap().finished().unwrap().abs().sum(Kind::Float)).unwrap()
    };
    let close = |sum: f64, expected: f64, tolerance: f64| {
        assert!((sum - expected).abs() < tolerance, "sum {sum}, diffusers expects {expected}");
    };
    close(run(1000, Parametrisation::Epsilon, &clean), 258.9606, 1e-2);
    close(run(1000, Parametrisation::Velocity, &clean), 202.0296, 1e-2);
    // Only the last two steps, from a noised sample. There beta is 1 minus a float32 number next to
    // 1 in their code and keeps three to four digits, hence the wider tolerance.
    let ab = schedule.alpha_bar(1_usize);
    let start = clean * ab.sqrt() + noise * (1.0 - ab).sqrt();
    close(run(2, Parametrisation::Epsilon, &start), 387.9466, 3e-2);
}
