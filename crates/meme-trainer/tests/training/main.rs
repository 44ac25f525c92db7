//! What the loop promises, on a network of two weights.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test says why it looked at nothing")]

mod averages;
mod beside;
mod changes;
mod precision;
mod rates;
mod tensorboard;
mod validation;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use meme_data::{ArraySource, InMemory};
use meme_random::{Purpose, Stream};
use meme_router::{Assignment, Expert, Intervals};
use meme_schedule::{LossWeight, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Tensor};
use meme_torch::{Init, Parameters};
use meme_trainer::{
    Bucket, Diffusion, DiffusionConfig, Error, Objective, Observer, Outcome, StepReport, Stop,
    TrainConfig, Trainer, Window, checkpoints, newest_checkpoint, read_ema, read_lines,
};
use serde_json::json;

const SHAPE: [usize; 3] = [2, 4, 4];

fn data(images: usize) -> Arc<dyn ArraySource> {
    let mut values = vec![0f32; images * 32];
    Stream::new(3, Purpose::Test, 0, 0).fill_normal(&mut values);
    Arc::new(InMemory::new(SHAPE, values).unwrap())
}

fn config(expert: u16, assignment: Assignment) -> DiffusionConfig {
    DiffusionConfig {
        data: data(37),
        schedule: Schedule::new(&ScheduleConfig::ldm()).unwrap(),
        parametrisation: Parametrisation::Epsilon,
        weight: LossWeight::Uniform,
        intervals: Intervals::uniform(4, 1000).unwrap(),
        assignment,
        expert: Expert::new(expert).unwrap(),
        seed: 5,
        flip: true,
        buckets: 20,
        device: Device::Cpu,
    }
}

fn soft() -> Assignment {
    Assignment::Soft { p: vec![0.8, 0.4, 0.2, 0.1] }
}

/// output = weight * input + bias, per channel.
fn affine(
    parameters: &mut Parameters,
) -> impl FnMut(&Tensor, &Tensor) -> Result<Tensor, Error> + use<> {
    let root = parameters.root();
    let weight = root.parameter("weight", &[1, 2, 1, 1], Init::Normal { std: 1.0 }).unwrap();
    let bias = root.parameter("bias", &[1, 2, 1, 1], Init::Zeros).unwrap();
    move |x, _| Ok(x * &weight + &bias)
}

fn train_config() -> TrainConfig {
    TrainConfig {
        images: 500,
        batch: 8,
        micro_batch: 3,
        learning_rate: 0.02,
        window_images: 100,
        seed: 5,
        ..TrainConfig::default()
    }
}

fn open(folder: &Path, train: TrainConfig) -> Result<Trainer<impl Objective + use<>>, Error> {
    meme_torch::init_thread(1).unwrap();
    let mut parameters = Parameters::new(Device::Cpu, 5, 2);
    let network = affine(&mut parameters);
    let objective = Diffusion::new(config(2, soft()), network)?;
    Trainer::open(folder.to_path_buf(), train, json!({"net": 1}), parameters, objective, &mut ())
}

/// Every file of the newest checkpoint, and the statistics, as bytes.
fn state(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (checkpoint, _) = newest_checkpoint(folder).unwrap().unwrap();
    let mut files: BTreeMap<String, Vec<u8>> = ["weights", "ema", "optimizer"]
        .map(|name| format!("{name}.safetensors"))
        .into_iter()
        .map(|name| (name.clone(), checkpoint.read(&name).unwrap()))
        .collect();
    files.insert("stats".into(), std::fs::read(folder.join("stats.jsonl")).unwrap());
    files.insert("window".into(), checkpoint.extra()["window"].to_string().into_bytes());
    files
}

#[test]
fn training_in_portions_through_the_disk_ends_with_the_same_bits_as_training_at_once() {
    let (whole, portions) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut trainer = open(whole.path(), train_config()).unwrap();
    assert_eq!(trainer.train(500, &Stop::new(), &mut ()).unwrap(), Outcome::Reached);
    // 90 lies inside a batch and 250 inside a window of statistics.
    for until in [90, 250, 251, 500] {
        let mut trainer = open(portions.path(), train_config()).unwrap();
        trainer.train(until, &Stop::new(), &mut ()).unwrap();
    }
    assert_eq!(state(whole.path()), state(portions.path()));
    assert_eq!(trainer.images(), 500);
}

#[test]
fn a_run_killed_after_its_checkpoint_drops_what_it_wrote_since_and_repeats_it() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(whole.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    open(killed.path(), train_config()).unwrap().train(300, &Stop::new(), &mut ()).unwrap();
    // The killed process had gone on: a later window, half a line, and half a checkpoint.
    let stats = killed.path().join("stats.jsonl");
    let mut text = std::fs::read(&stats).unwrap();
    text.extend(serde_json::to_vec(&Window::new(400, 20)).unwrap());
    text.extend(b"\n{\"images\":4");
    std::fs::write(&stats, text).unwrap();
    let torn = checkpoints(killed.path()).folder().join("000000400");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("weights.safetensors"), b"half").unwrap();
    open(killed.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    assert_eq!(state(whole.path()), state(killed.path()));
}

/// Raises the flag at one step and remembers what it saw.
struct Interrupt {
    stop: Stop,
    at: u64,
    steps: Vec<StepReport>,
}

impl Observer for Interrupt {
    fn step(&mut self, report: &StepReport) {
        self.steps.push(*report);
        if report.images >= self.at {
            self.stop.raise();
        }
    }
}

#[test]
fn a_raised_flag_saves_within_the_step_and_the_run_goes_on_from_there() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(whole.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    let stop = Stop::new();
    let mut observer = Interrupt { stop: stop.clone(), at: 130, steps: Vec::new() };
    let mut trainer = open(stopped.path(), train_config()).unwrap();
    assert_eq!(trainer.train(500, &stop, &mut observer).unwrap(), Outcome::Stopped);
    assert_eq!(observer.steps.last().unwrap().images, 136);
    assert_eq!(newest_checkpoint(stopped.path()).unwrap().unwrap().1, 136);
    open(stopped.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    assert_eq!(state(whole.path()), state(stopped.path()));
}

#[test]
fn micro_batches_give_the_gradient_of_the_whole_batch_to_rounding() {
    let weights = |micro_batch| {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer =
            open(folder.path(), TrainConfig { micro_batch, ..train_config() }).unwrap();
        trainer.train(500, &Stop::new(), &mut ()).unwrap();
        let named = trainer.parameters().named();
        named.iter().flat_map(|(_, it)| meme_torch::to_f32_vec(it).unwrap()).collect::<Vec<_>>()
    };
    for (whole, micro) in weights(0).into_iter().zip(weights(1)) {
        assert!((whole - micro).abs() < 1e-5, "{whole} {micro}");
    }
}

#[test]
fn another_configuration_is_refused_with_what_differs_and_a_longer_run_is_not() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(40, &Stop::new(), &mut ()).unwrap();
    let other = TrainConfig { learning_rate: 0.01, ..train_config() };
    let message = open(folder.path(), other).err().unwrap().to_string();
    assert!(message.contains("train.learning_rate: was 0.02, now 0.01"), "{message}");
    assert!(open(folder.path(), TrainConfig { images: 600, ..train_config() }).is_ok());
}

#[test]
fn a_loss_that_is_not_finite_stops_before_the_update_and_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = Parameters::new(Device::Cpu, 5, 2);
    let mut network = affine(&mut parameters);
    let mut calls = 0;
    let poisoned = move |x: &Tensor, indices: &Tensor| {
        calls += 1;
        let output = network(x, indices)?;
        // Micro-batches of 3, 3 and 2 images: the seventh call belongs to images 16..24.
        Ok(if calls == 7 { output * f64::NAN } else { output })
    };
    let objective = Diffusion::new(config(2, soft()), poisoned).unwrap();
    let path = folder.path().to_path_buf();
    let mut trainer =
        Trainer::open(path, train_config(), json!({"net": 1}), parameters, objective, &mut ())
            .unwrap();
    trainer.train(16, &Stop::new(), &mut ()).unwrap();
    let before = state_of_weights(folder.path());
    let error = trainer.train(500, &Stop::new(), &mut ()).unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "loss", first: 16, end: 24, .. }), "{error}");
    assert_eq!(trainer.images(), 16);
    assert_eq!(state_of_weights(folder.path()), before);
    let weights = trainer.parameters().named();
    assert!(
        weights
            .iter()
            .all(|(_, it)| meme_torch::to_f32_vec(it).unwrap().iter().all(|x| x.is_finite()))
    );
}

fn state_of_weights(folder: &Path) -> Vec<u8> {
    let (checkpoint, _) = newest_checkpoint(folder).unwrap().unwrap();
    checkpoint.read("weights.safetensors").unwrap()
}

#[test]
fn the_realised_histogram_of_timesteps_agrees_with_the_exact_probabilities() {
    for expert in 1..=4u16 {
        let config = config(expert, soft());
        let (images, mut buckets) = (40_000u64, vec![0f64; 20]);
        for image in 0..images {
            buckets[config.bucket_of(config.index_of(image).unwrap())] += 1.0;
        }
        let exact = config.assignment.probabilities(&config.intervals, config.expert).unwrap();
        let chi_square: f64 = exact
            .chunks(50)
            .zip(&buckets)
            .map(|(probabilities, seen)| {
                let expected = probabilities.iter().sum::<f64>() * images as f64;
                (seen - expected).powi(2) / expected
            })
            .sum();
        // 19 degrees of freedom: 43.8 is exceeded once in a thousand; the seed is fixed.
        assert!(chi_square < 43.8, "expert {expert}: {chi_square}");
    }
}

#[test]
fn statistics_count_every_image_once() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    let windows: Vec<Window> = read_lines(&folder.path().join("stats.jsonl")).unwrap();
    let sum = |of: fn(&Bucket) -> u64| -> u64 {
        windows.iter().flat_map(|window| &window.buckets).map(of).sum()
    };
    assert_eq!(windows.last().unwrap().images, 500);
    assert_eq!(windows.iter().map(|window| window.count).sum::<u64>(), 500);
    assert_eq!(sum(|bucket| bucket.count), 500);
    assert!(windows.last().unwrap().mean_loss() < windows[0].mean_loss());
}

#[test]
fn at_most_as_many_checkpoints_stay_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for until in (50..=500).step_by(50) {
        open(folder.path(), train_config()).unwrap().train(until, &Stop::new(), &mut ()).unwrap();
    }
    assert_eq!(checkpoints(folder.path()).paths().unwrap().len(), 2);
    let (checkpoint, images) = newest_checkpoint(folder.path()).unwrap().unwrap();
    assert_eq!((images, read_ema(&checkpoint).unwrap().len()), (500, 2));
}
