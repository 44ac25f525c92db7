//! Whole runs, against CompVis and diffusers.
#![allow(clippy::unwrap_used)]

mod common;

use common::{counts, golden, golden_network, no_noise, numbers, relative_error, tensor};
use meme_sampler::{
    Bh, DpmSolver, Last, Plan, Sampler, SecondOrder, Threshold, UniPc, Variance, ddim, unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::Tensor;
use serde_json::Value;

#[test]
fn ddim_is_that_of_latent_diffusion() {
    let file = golden("ddim.json");
    let shape = counts(&file["shape"]);
    let start = tensor(&numbers(&file["x_T"]), &shape);
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let steps = case["steps"].as_u64().unwrap() as usize;
        let indices = Grid::Ldm.indices(1000, steps).unwrap();
        assert_eq!(indices, counts(&case["timesteps"]));
        let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon).unwrap();
        let noises = case["noise_in_call_order"].as_array();
        let mut noise = |step: usize, _: &Tensor| {
            Ok(tensor(&numbers(&noises.expect("eta 0 needs no noise")[step]), &shape))
        };
        let eta = case["eta"].as_f64().unwrap();
        let found = ddim(&mut golden_network, &start, &plan, eta, &mut noise, &mut unwatched);
        let found = found.unwrap().finished().unwrap();
        let error = relative_error(&found, &tensor(&numbers(&case["x_0"]), &shape));
        assert!(error < 1e-9, "{steps} steps, eta {eta}: {error:e}");
    }
}

/// The sampler of a diffusers case.
fn sampler(case: &Value) -> Sampler {
    let is = |field: &str, value: &str| case[field] == value;
    let flag = |field: &str| case[field].as_bool().unwrap();
    let solver = || {
        let second_order =
            if is("solver", "heun") { SecondOrder::Heun } else { SecondOrder::Midpoint };
        DpmSolver { second_order, lower_order_final: flag("lower_order_final") }
    };
    match case["sampler"].as_str().unwrap() {
        "ddim" => Sampler::Ddim { eta: case["eta"].as_f64().unwrap() },
        "ddpm" if is("variance", "forward") => Sampler::Ddpm { variance: Variance::Forward },
        "ddpm" => Sampler::Ddpm { variance: Variance::Posterior },
        "euler" => Sampler::Euler {},
        "heun" => Sampler::Heun {},
        "dpm-solver-2m" => Sampler::DpmSolver2m { options: solver() },
        "dpm-solver-2m-sde" => Sampler::DpmSolver2mSde { options: solver(), eta: 1.0 },
        "unipc" => {
            let bh = if is("solver", "bh1") { Bh::Bh1 } else { Bh::Bh2 };
            let order = case["order"].as_u64().unwrap() as usize;
            let lower_order_final = flag("lower_order_final");
            Sampler::UniPc { options: UniPc { order, bh, lower_order_final } }
        }
        other => panic!("unknown sampler {other}"),
    }
}

#[test]
fn every_sampler_is_that_of_diffusers() {
    let file = golden("diffusers.json");
    let shape = counts(&file["shape"]);
    let start = tensor(&numbers(&file["x_T"]), &shape);
    let noises: Vec<Vec<f64>> =
        file["noise_in_call_order"].as_array().unwrap().iter().map(numbers).collect();
    let schedule = Schedule::new(&ScheduleConfig::ddpm()).unwrap();
    let mut seen = std::collections::BTreeMap::<&str, (usize, f64)>::new();
    for case in file["cases"].as_array().unwrap() {
        let sampler = sampler(case);
        let parametrisation: Parametrisation =
            serde_json::from_value(case["parametrisation"].clone()).unwrap();
        // Heun's file names each index once for each evaluation.
        let mut indices = counts(&case["indices"]);
        indices.dedup();
        indices.reverse();
        let threshold = match case["threshold"].as_str().unwrap() {
            "none" => Threshold::None,
            "clip" => Threshold::Clip { bound: 1.0 },
            "dynamic" => Threshold::Dynamic { quantile: 0.8, bound: 1.5 },
            other => panic!("unknown threshold {other}"),
        };
        let plan = Plan::new(&schedule, &indices, parametrisation)
            .unwrap()
            .threshold(threshold)
            .unwrap()
            .last(if case["last"] == "clean" { Last::Clean } else { Last::First })
            .rederive_epsilon(case["rederive"] != false);
        let mut noise = |step: usize, _: &Tensor| Ok(tensor(&noises[step], &shape));
        let found = if sampler.is_stochastic() {
            sampler.run(&mut golden_network, &start, &plan, &mut noise, &mut unwatched)
        } else {
            sampler.run(&mut golden_network, &start, &plan, &mut no_noise, &mut unwatched)
        };
        let found = found.unwrap().finished().unwrap();
        let expected = tensor(&numbers(&case["final"]), &shape);
        let error = relative_error(&found, &expected);
        let mut head = case.clone();
        head.as_object_mut().unwrap().remove("final");
        assert!(error < 1e-9, "{head}: {error:e}");
        let entry = seen.entry(sampler.name()).or_default();
        *entry = (entry.0 + 1, entry.1.max(error));
    }
    println!("cases and largest relative error: {seen:?}");
    assert_eq!(seen.len(), Sampler::ALL.len());
    assert_eq!(seen.values().map(|(cases, _)| cases).sum::<usize>(), 283);
}
