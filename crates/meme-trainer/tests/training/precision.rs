//! bfloat16 products with float32 weights.

use std::path::Path;

use meme_router::Assignment;
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Conv2d, Conv2dConfig, Parameters, Precision, silu};
use meme_trainer::{
    Diffusion, Error, Stop, TrainConfig, Trainer, Window, newest_checkpoint, read_lines,
};
use serde_json::json;

use super::{config, train_config};

/// Losses of the windows of a small convolutional network, and the dtype of its last output.
fn losses(folder: &Path, precision: Precision) -> Vec<f64> {
    meme_torch::init_thread(1).unwrap();
    let mut parameters = Parameters::new(Device::Cpu, 5, 2);
    let same = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
    let root = parameters.root();
    let first = Conv2d::new(&(&root / "first"), 2, 16, 3, same).unwrap();
    let last = Conv2d::new(&(&root / "last"), 16, 2, 3, same).unwrap();
    drop(root);
    let kind = precision.kind();
    let network = move |x: &Tensor, _: &Tensor| {
        let output = last.forward(&silu(&first.forward(x)?)?)?;
        assert_eq!(output.kind(), kind);
        Ok(output)
    };
    let objective = Diffusion::new(config(4, Assignment::Hard), network).unwrap();
    let train = TrainConfig { precision, images: 2000, learning_rate: 5e-3, ..train_config() };
    let (folder, identity) = (folder.to_path_buf(), json!({"net": "small"}));
    let mut trainer =
        Trainer::open(folder.clone(), train, identity, parameters, objective, &mut ()).unwrap();
    trainer.train(2000, &Stop::new(), &mut ()).unwrap();
    assert!(trainer.parameters().tensors().all(|it| it.kind() == Kind::Float));
    let windows: Vec<Window> = read_lines(&folder.join("stats.jsonl")).unwrap();
    windows.iter().map(Window::mean_loss).collect()
}

#[test]
fn a_run_in_bfloat16_learns_as_one_in_float32_does_and_keeps_float32_weights() {
    let (single, half) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let f32_losses = losses(single.path(), Precision::F32);
    let bf16_losses = losses(half.path(), Precision::Bf16);
    assert!(f32_losses.last().unwrap() < &(0.5 * f32_losses[0]), "{f32_losses:?}");
    // bfloat16 has 8 bits of mantissa: a product is off by up to 0.4 %.
    for (single, half) in f32_losses.iter().zip(&bf16_losses) {
        assert!((single - half).abs() < 0.02 * single, "{f32_losses:?} {bf16_losses:?}");
    }
    assert_ne!(f32_losses, bf16_losses);
    let (checkpoint, _) = newest_checkpoint(half.path()).unwrap().unwrap();
    assert_eq!(checkpoint.extra()["train"]["precision"], "bf16");
}

#[test]
fn float16_is_refused_because_its_gradients_would_vanish() {
    let error = TrainConfig { precision: Precision::F16, ..train_config() }.validate();
    assert!(matches!(error, Err(Error::Configuration { field: "precision", .. })));
}
