//! Validation with the moving average while training.

use std::path::Path;

use meme_router::{Assignment, Index};
use meme_torch::tch::Device;
use meme_torch::{Parameters, tch::Tensor};
use meme_trainer::{
    Diffusion, HeldOut, Observer, Stop, TrainConfig, Trainer, Validated, Validation, read_lines,
};
use serde_json::json;

use super::{affine, config, data, train_config};

fn held_out() -> HeldOut {
    let indices = [749, 874, 999].map(Index::new).to_vec();
    HeldOut { data: data(11), images: 11, batch: 4, indices, seed: 9 }
}

fn trainer(folder: &Path) -> Trainer<impl meme_trainer::Objective + use<>> {
    let mut parameters = Parameters::new(Device::Cpu, 5, 4);
    let network = affine(&mut parameters);
    let objective = Diffusion::new(config(4, Assignment::Hard), network)
        .unwrap()
        .with_held_out(held_out())
        .unwrap();
    let train = TrainConfig { validation_images: 120, ..train_config() };
    let (folder, identity) = (folder.to_path_buf(), json!({"net": 1}));
    Trainer::open(folder, train, identity, parameters, objective, &mut ()).unwrap()
}

fn lines(folder: &Path) -> Vec<Validated> {
    read_lines(&folder.join("validation.jsonl")).unwrap()
}

/// Raises the flag when it sees the update at which validation is due.
struct StopAt(u64, Stop);

impl Observer for StopAt {
    fn step(&mut self, report: &meme_trainer::StepReport) {
        if report.images == self.0 {
            self.1.raise();
        }
    }
}

#[test]
fn validation_is_the_same_however_often_the_run_was_stopped() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trainer(whole.path()).train(500, &Stop::new(), &mut ()).unwrap();
    // 240 images is where the second validation is due: it is made up for.
    let stop = Stop::new();
    trainer(stopped.path()).train(500, &stop, &mut StopAt(240, stop.clone())).unwrap();
    assert_eq!(lines(stopped.path()).len(), 1);
    for until in [300, 500] {
        trainer(stopped.path()).train(until, &Stop::new(), &mut ()).unwrap();
    }
    assert_eq!(lines(whole.path()), lines(stopped.path()));
    let images: Vec<u64> = lines(whole.path()).iter().map(|line| line.images).collect();
    assert_eq!(images, [120, 240, 360, 480]);
    assert_eq!(lines(whole.path())[0].timesteps, [750, 875, 1000]);
}

#[test]
fn what_is_validated_is_the_moving_average_and_not_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path());
    trainer.train(120, &Stop::new(), &mut ()).unwrap();
    let diffusion = config(4, Assignment::Hard);
    let held_out = held_out();
    let validation = Validation {
        data: &*held_out.data,
        schedule: &diffusion.schedule,
        parametrisation: diffusion.parametrisation,
        images: 11,
        batch: 11,
        seed: 9,
        device: Device::Cpu,
    };
    let with = |named: &[(String, Tensor)]| {
        let (weight, bias) = (named[0].1.detach(), named[1].1.detach());
        let network = |x: &Tensor, _: &[Index]| Ok(x * &weight + &bias);
        validation.losses(&held_out.indices, network, &Stop::new()).unwrap().unwrap()
    };
    let found = &lines(folder.path())[0].losses;
    for (found, expected) in found.iter().zip(with(trainer.ema().named())) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let of_weights = with(trainer.parameters().named());
    assert!(found.iter().zip(of_weights).all(|(found, other)| (found - other).abs() > 1e-4));
}
