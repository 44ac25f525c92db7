//! Routing, guidance, streams, stopping and going on.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;

use common::{DOUBLE, golden_network, perfect, relative_error};
use meme_router::{Expert, Index, Intervals, Timestep};
use meme_sampler::{
    Denoiser, Ensemble, Error, Guided, Outcome, Plan, Progress, Resident, Result, SampleNoise,
    Sampler, State, ddim, unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};

fn schedule() -> Schedule {
    Schedule::new(&ScheduleConfig::ldm()).unwrap()
}

fn plan(steps: usize) -> Plan {
    let indices = Grid::Ldm.indices(1000, steps).unwrap();
    Plan::new(&schedule(), &indices, Parametrisation::Epsilon).unwrap()
}

/// Expert n answers tanh(n x) + index / 1000, row by row.
fn expert_answer(expert: Expert, x: &Tensor, indices: &[Index]) -> Tensor {
    let shifts: Vec<f64> = indices.iter().map(|index| index.get() as f64 / 1000.0).collect();
    (x * f64::from(expert.number())).tanh() + Tensor::from_slice(&shifts).view([-1, 1, 1, 1])
}

#[test]
fn a_mixed_batch_gets_for_each_sample_what_it_gets_alone() {
    let intervals = Intervals::uniform(4, 1000).unwrap();
    let indices: Vec<Index> =
        [999, 0, 250, 249, 500, 3, 750, 749].into_iter().map(Index::new).collect();
    let x = SampleNoise::new((0..8).map(|image| (1, image)).collect())
        .start(&[2, 3, 4], Kind::Double, Device::Cpu)
        .unwrap();
    let mut calls: Vec<(u16, Vec<usize>)> = Vec::new();
    let source = |expert: Expert, x: &Tensor, indices: &[Index]| -> Result<Tensor> {
        calls.push((expert.number(), indices.iter().map(|index| index.get()).collect()));
        Ok(expert_answer(expert, x, indices))
    };
    let mut ensemble = Ensemble::new(intervals, source).unwrap();
    let mixed = ensemble.denoise(&x, &indices).unwrap();
    for (row, index) in indices.iter().enumerate() {
        let one = x.narrow(0, row as i64, 1);
        let alone = ensemble.denoise(&one, &[*index]).unwrap();
        assert_eq!(mixed.narrow(0, row as i64, 1), alone, "row {row}");
        // And what the expert whose quarter it is says: index 249 is expert 1's, 250 expert 2's.
        let expert = Expert::new((index.get() / 250 + 1) as u16).unwrap();
        assert_eq!(alone, expert_answer(expert, &one, &[*index]), "row {row}");
    }
    // Exactly one expert for each sample, each expert once for the whole batch.
    let expected = [(1, vec![0, 249, 3]), (2, vec![250]), (3, vec![500, 749]), (4, vec![999, 750])]
        .map(|(expert, rows)| (expert, rows.to_vec()));
    assert_eq!(calls[..4], expected);
    assert_eq!(calls.len(), 4 + 8);
}

#[test]
fn a_run_through_one_interval_is_the_run_without_an_ensemble() {
    let start = Tensor::linspace(-2.0, 2.0, 24, DOUBLE).view([2, 3, 2, 2]);
    let whole = Sampler::default()
        .run(&mut golden_network, &start, &plan(10), &mut common::no_noise, &mut unwatched)
        .unwrap();
    let experts: Vec<Box<dyn Denoiser>> = (0..4).map(|_| Box::new(golden_network) as _).collect();
    let intervals = Intervals::explicit(&[1, 300, 301, 1000]).unwrap();
    let mut ensemble = Ensemble::new(intervals, Resident::new(experts)).unwrap();
    let routed = Sampler::default()
        .run(&mut ensemble, &start, &plan(10), &mut common::no_noise, &mut unwatched)
        .unwrap();
    assert_eq!(whole.finished().unwrap(), routed.finished().unwrap());
}

#[test]
fn wrong_numbers_of_experts_samples_and_shapes_are_refused() {
    let network = |x: &Tensor, _: &[Index]| -> Result<Tensor> { Ok(x.shallow_clone()) };
    let three = Resident::new((0..3).map(|_| Box::new(network) as _).collect());
    let error = Ensemble::new(Intervals::uniform(4, 1000).unwrap(), three).unwrap_err();
    assert!(matches!(error, Error::Experts { expected: 4, found: 3 }));

    let wide =
        |_: Expert, x: &Tensor, _: &[Index]| -> Result<Tensor> { Ok(Tensor::cat(&[x, x], 1)) };
    let mut ensemble = Ensemble::new(Intervals::uniform(2, 1000).unwrap(), wide).unwrap();
    let x = Tensor::zeros([2, 3], DOUBLE);
    let error = ensemble.denoise(&x, &[Index::new(0), Index::new(999)]).unwrap_err().to_string();
    assert_eq!(error, "the answer of expert 1 has shape [1, 6] where [1, 3] is expected");
    let error = ensemble.denoise(&x, &[Index::new(0)]).unwrap_err();
    assert!(matches!(error, Error::Count { found: 1, batch: 2, .. }));
    let beyond = ensemble.denoise(&x, &[Index::new(0), Index::new(1000)]);
    assert!(matches!(beyond, Err(Error::Router(_))));

    let mut noise = SampleNoise::new(vec![(0, 0)]);
    let mut double = network;
    let start = Tensor::zeros([2, 3], DOUBLE);
    let answer = ddim(&mut double, start, &plan(5), 1.0, &mut noise, &mut unwatched);
    assert!(matches!(answer, Err(Error::Count { what: "noise streams", found: 1, batch: 2 })));
}

#[test]
fn an_image_is_the_same_in_every_batch() {
    let images: Vec<(u64, u64)> = (0..7).map(|image| (5, image)).collect();
    for sampler in Sampler::ALL {
        let run = |samples: &[(u64, u64)]| {
            let mut noise = SampleNoise::new(samples.to_vec());
            let start = noise.start(&[3, 4, 4], Kind::Float, Device::Cpu).unwrap();
            let found =
                sampler.run(&mut golden_network, &start, &plan(7), &mut noise, &mut unwatched);
            (start, found.unwrap().finished().unwrap())
        };
        let (all_starts, all) = run(&images);
        for rows in [vec![0], vec![3, 4], vec![6, 1, 5]] {
            let part: Vec<(u64, u64)> = rows.iter().map(|row| images[*row]).collect();
            let (starts, found) = run(&part);
            let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
            let rows = Tensor::from_slice(&rows);
            assert_eq!(starts, all_starts.index_select(0, &rows), "the noise, to the bit");
            let error = relative_error(&found, &all.index_select(0, &rows));
            assert!(error < 1e-6, "{}: {error:e}", sampler.name());
        }
    }
}

#[test]
fn step_noise_depends_on_seed_image_and_step_alone_and_is_normal() {
    use meme_sampler::Noise;
    let mut noise = SampleNoise::new(vec![(1, 0), (1, 1), (2, 0)]);
    let like = Tensor::zeros([3, 5000], (Kind::Float, Device::Cpu));
    let [first, second, again] = [0, 1, 0].map(|step| noise.step(step, &like).unwrap());
    assert_eq!(first, again);
    let start = noise.start(&[5000], Kind::Float, Device::Cpu).unwrap();
    let rows: Vec<Tensor> = [&first, &second, &start].iter().flat_map(|t| t.unbind(0)).collect();
    for (a, one) in rows.iter().enumerate() {
        let moment = |power: f64| f64::try_from(one.pow_tensor_scalar(power).mean(Kind::Double));
        // Five standard errors at 5000 draws.
        assert!(moment(1.0).unwrap().abs() < 0.071);
        assert!((moment(2.0).unwrap() - 1.0).abs() < 0.1);
        for other in &rows[a + 1..] {
            let correlation = f64::try_from((one * other).mean(Kind::Double)).unwrap();
            assert!(correlation.abs() < 0.071, "{correlation}");
        }
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bits() {
    let total = 6;
    for sampler in Sampler::ALL {
        let fresh = || SampleNoise::new(vec![(9, 4), (9, 5)]);
        let start = fresh().start(&[3, 4], Kind::Float, Device::Cpu).unwrap();
        let plan = {
            let indices = Grid::Trailing.indices(1000, total).unwrap();
            Plan::new(&schedule(), &indices, Parametrisation::Epsilon).unwrap()
        };
        let run = |state: State, watch: &mut meme_sampler::Watch<'_>| {
            sampler.run(&mut golden_network, state, &plan, &mut fresh(), watch).unwrap()
        };
        let whole = run(State::from(&start), &mut unwatched).finished().unwrap();
        for stop in 1..total {
            let mut watch = |progress: &Progress<'_>| {
                assert_eq!(progress.total, total);
                if progress.step == stop {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let Outcome::Stopped { state, .. } = run(State::from(&start), &mut watch) else {
                panic!("{} went on after step {stop}", sampler.name());
            };
            // Through names and copies, as through a file.
            let named = state.named().into_iter().map(|(name, tensor)| (name, tensor.copy()));
            let restored = State::restore(state.step(), named.rev()).unwrap();
            let end = run(restored, &mut unwatched).finished().unwrap();
            assert_eq!(end, whole, "{} stopped after {stop}", sampler.name());
        }
    }
}

#[test]
fn a_state_of_another_run_is_refused() {
    let x = || ("x".to_owned(), Tensor::zeros([2, 3], DOUBLE));
    let past = |n: usize| (format!("history.{n}"), Tensor::zeros([2, 3], DOUBLE));
    assert!(matches!(State::restore(1, [past(0)]), Err(Error::State { .. })));
    assert!(matches!(State::restore(1, [x(), past(1)]), Err(Error::State { .. })));
    let narrow = ("history.0".to_owned(), Tensor::zeros([2, 2], DOUBLE));
    assert!(matches!(State::restore(1, [x(), narrow]), Err(Error::Shape { .. })));
    let run = |sampler: Sampler, state: State| {
        let mut noise = SampleNoise::new(vec![(0, 0), (0, 1)]);
        sampler.run(&mut golden_network, state, &plan(5), &mut noise, &mut unwatched)
    };
    // DDIM remembers nothing, DPM-Solver++ one tensor, and no plan has this many steps.
    let one = || State::restore(2, [x(), past(0)]).unwrap();
    assert!(matches!(run(Sampler::Ddim { eta: 0.0 }, one()), Err(Error::State { .. })));
    assert!(run(Sampler::named("dpm-solver-2m").unwrap(), one()).is_ok());
    let late = State::restore(6, [x()]).unwrap();
    assert!(matches!(run(Sampler::Euler {}, late), Err(Error::State { .. })));
}

#[test]
fn guidance_is_the_published_formula_and_asks_no_more_than_it_must() {
    let mut calls = (0, 0);
    let x = Tensor::linspace(-1.0, 1.0, 6, DOUBLE).view([2, 3]);
    let low_and_high = [Index::new(10), Index::new(900)];
    let mut answer = |scale: f64, within: Option<(usize, usize)>| {
        calls = (0, 0);
        let conditional = |x: &Tensor, _: &[Index]| -> Result<Tensor> {
            calls.0 += 1;
            Ok(x * 2.0)
        };
        let unconditional = |x: &Tensor, _: &[Index]| -> Result<Tensor> {
            calls.1 += 1;
            Ok(x + 1.0)
        };
        let mut guided = Guided::new(conditional, unconditional, scale).unwrap();
        if let Some((low, high)) = within {
            guided = guided.within(Timestep::new(low).unwrap()..=Timestep::new(high).unwrap());
        }
        let answer = guided.denoise(&x, &low_and_high).unwrap();
        (answer, calls)
    };
    let formula = |scale: f64| (&x + 1.0) + (&x * 2.0 - (&x + 1.0)) * scale;
    let (found, asked) = answer(7.5, None);
    assert!(relative_error(&found, &formula(7.5)) < 1e-14);
    assert_eq!(asked, (1, 1));
    assert_eq!(answer(1.0, None), (&x * 2.0, (1, 0)));
    assert_eq!(answer(0.0, None), (&x + 1.0, (0, 1)));
    // Index 900 is timestep 901.
    assert_eq!(answer(7.5, Some((902, 1000))), (&x * 2.0, (1, 0)));
    let (found, asked) = answer(7.5, Some((901, 1000)));
    assert_eq!(asked, (1, 1));
    assert!(relative_error(&found.get(0), &(&x * 2.0).get(0)) < 1e-14);
    assert!(relative_error(&found.get(1), &formula(7.5).get(1)) < 1e-14);
    let bad = Guided::new(golden_network, golden_network, f64::NAN);
    assert!(matches!(bad, Err(Error::Setting { .. })));
}

#[test]
fn guidance_means_the_same_in_every_parametrisation() {
    let schedule = schedule();
    let indices = Grid::Ldm.indices(1000, 10).unwrap();
    let start = Tensor::linspace(-2.0, 2.0, 6, DOUBLE).view([2, 3]);
    let run = |parametrisation| {
        let network = |mean: f64| perfect(&schedule, parametrisation, Tensor::from(mean), 0.4);
        let mut guided = Guided::new(network(0.8), network(-0.1), 3.0).unwrap();
        let plan = Plan::new(&schedule, &indices, parametrisation).unwrap();
        let found = ddim(&mut guided, &start, &plan, 0.0, &mut common::no_noise, &mut unwatched);
        found.unwrap().finished().unwrap()
    };
    let epsilon = run(Parametrisation::Epsilon);
    for parametrisation in [Parametrisation::Velocity, Parametrisation::Sample] {
        assert!(relative_error(&run(parametrisation), &epsilon) < 1e-9);
    }
}

#[test]
fn progress_shows_every_step_and_the_predicted_image() {
    let schedule = schedule();
    let image = Tensor::from_slice(&[0.25, -0.5]).view([1, 2]);
    let mut network = perfect(&schedule, Parametrisation::Epsilon, image.shallow_clone(), 0.0);
    let mut seen = Vec::new();
    let mut watch = |progress: &Progress<'_>| {
        assert!(relative_error(progress.x0, &image) < 1e-9);
        seen.push((progress.step, progress.index.get()));
        ControlFlow::Continue(())
    };
    let start = Tensor::from_slice(&[1.0, -1.0]).view([1, 2]);
    // S = 7 does not divide 1000: the grid has eight entries, and the run eight steps.
    ddim(&mut network, start, &plan(7), 0.0, &mut common::no_noise, &mut watch).unwrap();
    assert_eq!(seen.len(), 8);
    assert_eq!((seen[0], seen[7]), ((1, 995), (8, 1)));
}

#[test]
fn samplers_are_found_by_name_and_read_from_files() {
    for sampler in Sampler::ALL {
        assert_eq!(Sampler::named(sampler.name()).unwrap(), sampler);
        let kind = format!("{{\"kind\": {:?}}}", sampler.name());
        assert_eq!(serde_json::from_str::<Sampler>(&kind).unwrap(), sampler, "{kind}");
        let written = serde_json::to_string(&sampler).unwrap();
        assert_eq!(serde_json::from_str::<Sampler>(&written).unwrap(), sampler);
        assert!(!sampler.about().is_empty());
    }
    let error = Sampler::named("dimm").unwrap_err().to_string();
    assert!(error.contains("\"dimm\"") && error.contains("ddim, ddpm, euler"), "{error}");
    for wrong in [r#"{"kind": "ddim", "etta": 1.0}"#, r#"{"kind": "euler", "eta": 1.0}"#] {
        assert!(serde_json::from_str::<Sampler>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn impossible_plans_and_options_are_refused() {
    let schedule = schedule();
    let plan = |indices: &[usize]| Plan::new(&schedule, indices, Parametrisation::Epsilon);
    for indices in [&[][..], &[5, 5], &[7, 3], &[3, 1000]] {
        assert!(matches!(plan(indices), Err(Error::Grid { .. })), "{indices:?}");
    }
    use meme_sampler::Threshold::{Clip, Dynamic};
    for threshold in [
        Clip { bound: 0.0 },
        Clip { bound: f64::INFINITY },
        Dynamic { quantile: 1.5, bound: 1.0 },
        Dynamic { quantile: 0.5, bound: f64::NAN },
    ] {
        let answer = plan(&[1, 2]).unwrap().threshold(threshold);
        assert!(matches!(answer, Err(Error::Setting { .. })), "{threshold:?}");
    }
    let start = Tensor::zeros([1, 2], DOUBLE);
    for eta in [-0.1, f64::NAN, 3.0] {
        let mut noise = common::no_noise;
        let plan = plan(&[400, 999]).unwrap();
        let answer = ddim(&mut golden_network, &start, &plan, eta, &mut noise, &mut unwatched);
        assert!(matches!(answer, Err(Error::Setting { name: "eta", .. })), "{eta}");
    }
    let order = meme_sampler::UniPc { order: 4, ..Default::default() };
    let plan = plan(&[400, 999]).unwrap();
    let answer = meme_sampler::unipc(&mut golden_network, &start, &plan, &order, &mut unwatched);
    assert!(matches!(answer, Err(Error::Setting { name: "order", .. })));
    let failing =
        |_: &Tensor, _: &[Index]| -> Result<Tensor> { Err(Error::denoiser("the file is gone")) };
    let mut failing = failing;
    let answer = meme_sampler::euler(&mut failing, &start, &plan, &mut unwatched).unwrap_err();
    assert_eq!(answer.to_string(), "the denoiser failed: the file is gone");
}
