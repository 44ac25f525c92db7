//! One suite over every sampler, schedule, parametrisation and grid.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DOUBLE, perfect, relative_error};
use meme_sampler::{Error, Last, Plan, SampleNoise, Sampler, Threshold, unwatched};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};

/// Divisible by neither 7 nor 11.
const STEPS: usize = 60;

fn schedules() -> Vec<ScheduleConfig> {
    let linear = ScheduleConfig::Linear { steps: STEPS, beta_start: 1e-3, beta_end: 0.3 };
    let scaled = ScheduleConfig::ScaledLinear { steps: STEPS, beta_start: 0.015, beta_end: 0.2 };
    vec![
        linear.clone(),
        scaled.clone(),
        ScheduleConfig::cosine(STEPS),
        ScheduleConfig::Sigmoid { steps: STEPS, start: -3.0, end: 3.0, tau: 1.0, max_beta: 0.999 },
        ScheduleConfig::Laplace { steps: STEPS, mu: 0.0, b: 0.5, max_beta: 0.999 },
        ScheduleConfig::Karras { steps: STEPS, sigma_min: 0.002, sigma_max: 80.0, rho: 7.0 },
        ScheduleConfig::ZeroTerminalSnr { of: Box::new(scaled) },
    ]
}

/// The indices of a grid of one's own: crowded at both ends.
fn own(steps: usize) -> Grid {
    let low = steps / 2;
    let indices = (0..low).chain(STEPS - (steps - low)..STEPS).collect();
    Grid::Explicit { indices }
}

fn grids(steps: usize) -> Vec<Grid> {
    vec![
        own(steps),
        Grid::Ldm,
        Grid::Leading,
        Grid::Trailing,
        Grid::Linspace,
        Grid::Quadratic,
        Grid::LogSnr,
        Grid::Karras { rho: 7.0 },
    ]
}

const PARAMETRISATIONS: [Parametrisation; 3] =
    [Parametrisation::Epsilon, Parametrisation::Velocity, Parametrisation::Sample];

/// If the data are one image and the network is perfect, then every sampler, stochastic or not,
/// ends at that image, in any number of steps.
#[test]
fn one_image_is_found_by_every_sampler_schedule_parametrisation_and_grid() {
    let image = Tensor::from_slice(&[-1.0, -0.2, 0.0, 0.4, 0.9, 1.0]).view([1, 1, 2, 3]);
    let mut runs = 0;
    let mut refused = 0;
    for config in schedules() {
        let schedule = Schedule::new(&config).unwrap();
        for (parametrisation, steps) in
            PARAMETRISATIONS.into_iter().flat_map(|p| [1, 7, STEPS].map(|steps| (p, steps)))
        {
            for grid in grids(steps) {
                let indices = grid.on(&schedule, steps).unwrap();
                let pure_noise = schedule.alpha_bar(indices[indices.len() - 1]) == 0.0;
                let plan = Plan::new(&schedule, &indices, parametrisation);
                if pure_noise && parametrisation == Parametrisation::Epsilon {
                    assert!(matches!(plan, Err(Error::NoSignal { .. })));
                    refused += 1;
                    continue;
                }
                let plan = plan.unwrap().last(Last::Clean);
                let mut network = perfect(&schedule, parametrisation, image.shallow_clone(), 0.0);
                for sampler in Sampler::ALL {
                    let mut noise = SampleNoise::new(vec![(3, 0), (3, 1)]);
                    let start = noise.start(&[1, 2, 3], Kind::Double, Device::Cpu).unwrap();
                    let found = sampler.run(&mut network, start, &plan, &mut noise, &mut unwatched);
                    let found = found.unwrap().finished().unwrap();
                    let error = relative_error(&found, &image.expand([2, 1, 2, 3], false));
                    assert!(
                        error < 1e-8,
                        "{} on {config:?}, {grid:?}, {steps} steps, {parametrisation:?}: {error:e}",
                        sampler.name()
                    );
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} runs; {refused} plans refused for want of signal");
    assert_eq!(runs + 7 * refused, 7 * schedules().len() * 3 * grids(1).len() * 3);
}

/// The same network in another form is the same network: whatever the parametrisation, runs agree.
#[test]
fn parametrisations_of_one_network_give_one_run() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let indices = Grid::Ldm.indices(1000, 12).unwrap();
    for threshold in [Threshold::None, Threshold::Clip { bound: 0.5 }] {
        for sampler in Sampler::ALL {
            let run = |parametrisation| {
                let mean = Tensor::from(0.3);
                let mut network = perfect(&schedule, parametrisation, mean, 0.5);
                let plan = Plan::new(&schedule, &indices, parametrisation).unwrap();
                let plan = plan.threshold(threshold).unwrap();
                let mut noise = SampleNoise::new(vec![(3, 0), (3, 1)]);
                let start = noise.start(&[1, 2, 3], Kind::Double, Device::Cpu).unwrap();
                let found = sampler.run(&mut network, start, &plan, &mut noise, &mut unwatched);
                found.unwrap().finished().unwrap()
            };
            let [epsilon, velocity, sample] = PARAMETRISATIONS.map(run);
            for other in [velocity, sample] {
                let error = relative_error(&other, &epsilon);
                assert!(error < 1e-8, "{}: {error:e}", sampler.name());
            }
        }
    }
}

/// A deterministic run that ends at index 0 keeps the start's noise: for one image, x is
/// sqrt(ab) image + sqrt(1 - ab) epsilon with the epsilon of the start.
#[test]
fn deterministic_samplers_keep_the_noise_of_the_start() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let image = Tensor::from_slice(&[-1.0, 0.4, 1.0]).view([1, 3]);
    let start = Tensor::from_slice(&[0.3, -1.1, 2.0]).view([1, 3]);
    let indices = Grid::Trailing.indices(1000, 9).unwrap();
    let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon).unwrap().last(Last::First);
    let levels = [999_usize, 0].map(|index| schedule.alpha_bar(index));
    let epsilon = (&start - &image * levels[0].sqrt()) / (1.0 - levels[0]).sqrt();
    let expected = &image * levels[1].sqrt() + epsilon * (1.0 - levels[1]).sqrt();
    for sampler in Sampler::ALL.into_iter().filter(|sampler| !sampler.is_stochastic()) {
        let mut network = perfect(&schedule, Parametrisation::Epsilon, image.shallow_clone(), 0.0);
        let mut noise = common::no_noise;
        let found = sampler.run(&mut network, &start, &plan, &mut noise, &mut unwatched);
        let error = relative_error(&found.unwrap().finished().unwrap(), &expected);
        assert!(error < 1e-10, "{}: {error:e}", sampler.name());
    }
}

#[test]
fn every_sampler_asks_the_network_as_often_as_it_says() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    for steps in [1, 2, 7] {
        let indices = Grid::Trailing.indices(1000, steps).unwrap();
        let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon).unwrap();
        for sampler in Sampler::ALL {
            let mut asked = Vec::new();
            let mut network = |x: &Tensor, indices: &[meme_router::Index]| {
                asked.push(indices[0].get());
                Ok(x * 0.1)
            };
            let mut noise = SampleNoise::new(vec![(0, 0)]);
            let start = Tensor::zeros([1, 4], DOUBLE);
            sampler.run(&mut network, start, &plan, &mut noise, &mut unwatched).unwrap();
            assert_eq!(asked.len(), sampler.evaluations(steps), "{}", sampler.name());
            asked.dedup();
            let falling: Vec<usize> = indices.iter().rev().copied().collect();
            assert_eq!(asked, falling, "{}", sampler.name());
        }
    }
}

#[test]
fn half_precision_goes_through_every_sampler() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let indices = Grid::Trailing.indices(1000, 5).unwrap();
    let clips = [
        Threshold::None,
        Threshold::Clip { bound: 1.0 },
        Threshold::Dynamic { quantile: 0.9, bound: 2.0 },
    ];
    for (sampler, threshold) in Sampler::ALL.into_iter().flat_map(|s| clips.map(|c| (s, c))) {
        let plan = Plan::new(&schedule, &indices, Parametrisation::Velocity).unwrap();
        let plan = plan.threshold(threshold).unwrap();
        let mut noise = SampleNoise::new(vec![(0, 0), (0, 1)]);
        let start = noise.start(&[3, 4], Kind::BFloat16, Device::Cpu).unwrap();
        let mut network =
            |x: &Tensor, _: &[meme_router::Index]| -> meme_sampler::Result<_> { Ok(x * 0.5) };
        let found = sampler.run(&mut network, start, &plan, &mut noise, &mut unwatched).unwrap();
        let found = found.finished().unwrap();
        assert_eq!((found.kind(), found.size()), (Kind::BFloat16, vec![2, 3, 4]));
        assert_eq!(i64::try_from(found.isfinite().all()).unwrap(), 1, "{}", sampler.name());
    }
}
