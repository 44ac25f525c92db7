//! Teaches a small network where the points of a circle are, in two sittings, and compares the bits
//! with those of a run that was left alone.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{f32::consts::TAU, path::Path, sync::Arc};

use meme_data::InMemory;
use meme_router::{Assignment, Expert, Intervals};
use meme_schedule::{LossWeight, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Tensor};
use meme_torch::{Linear, LinearConfig, Parameters, init_thread, silu, sinusoidal, to_f32_vec};
use meme_trainer::{Diffusion, DiffusionConfig, Error, Stop, TrainConfig, Trainer};

/// Trains the run in `folder` until it has seen so many images; a layer's weights.
fn train(folder: &Path, until: u64) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let angles = (0..256).map(|point| point as f32 / 256.0 * TAU);
    let circle = angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect();
    let mut parameters = Parameters::new(Device::Cpu, 0, 1);
    let enter = Linear::new(&(parameters.root() / "enter"), 18, 64, LinearConfig::default())?;
    let leave = Linear::new(&(parameters.root() / "leave"), 64, 2, LinearConfig::default())?;
    let network = move |noisy: &Tensor, indices: &Tensor| -> Result<Tensor, Error> {
        let place = noisy.flatten(1, -1); // [B, 2]
        let x = Tensor::cat(&[place, sinusoidal(indices, 16)?], 1); // [B, 18]
        Ok(leave.forward(&silu(&enter.forward(&x)?)?)?.view_as(noisy))
    };
    let config = DiffusionConfig {
        data: Arc::new(InMemory::new([2, 1, 1], circle)?),
        schedule: Schedule::new(&ScheduleConfig::ldm())?,
        parametrisation: Parametrisation::Velocity,
        weight: LossWeight::Uniform,
        intervals: Intervals::uniform(2, 1000)?,
        assignment: Assignment::Hard,
        expert: Expert::new(1)?, // the one for little noise
        seed: 0,
        flip: false,
        buckets: 4,
        device: Device::Cpu,
    };
    let learning_rate = 3e-3;
    let numbers =
        TrainConfig { images: 20_000, batch: 50, learning_rate, ..TrainConfig::default() };
    let (objective, name) = (Diffusion::new(config, network)?, serde_json::json!("circle"));
    let folder = folder.to_path_buf();
    let mut run = Trainer::open(folder, numbers, name, parameters, objective, &mut ())?;
    run.train(until, &Stop::new(), &mut ())?;
    Ok(to_f32_vec(&run.parameters().named()[0].1)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    init_thread(1)?;
    let (whole, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let left_alone = train(whole.path(), 20_000)?;
    train(parts.path(), 7_000)?; // and the process ends here
    let in_two = train(parts.path(), 20_000)?;
    println!("first weights {:?}", &in_two[..3]);
    println!("the same bits: {}", in_two == left_alone);
    Ok(())
}
