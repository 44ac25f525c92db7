//! Training a first stage in a run folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meme_autoencoder::FirstStage;
use meme_data::ArraySource;
use meme_metrics::FeatureNetwork;
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use meme_trainer::tensorboard::TensorBoard;
use meme_trainer::{Outcome, Stop, Trainer};
use serde_json::json;

use super::objective::AVERAGE;
use super::{Autoencoding, FirstStageExperiment};
use crate::error::io;
use crate::exchange::FIRST_STAGE;
use crate::pictures::{Pictures, to_pictures};
use crate::progress::Progress;
use crate::training::Watcher;
use crate::{Error, Result};

/// The run's own copy of what it is.
const EXPERIMENT: &str = "first-stage.toml";
/// Held-out pictures above what comes back of them.
const SHEET: &str = "reconstructions.png";
/// Pictures on that sheet.
const SHOWN: usize = 8;
/// Held-out pictures that the reported difference is measured on.
const MEASURED: usize = 64;

/// A trained first stage.
pub(crate) struct Trained {
    /// Its weights for `--first-stage`: the moving average, under CompVis' names.
    pub(crate) weights: PathBuf,
    /// Mean absolute difference of held-out pictures, in -1..1, and what comes back of them.
    pub(crate) difference: f64,
    /// Standard deviation of their latents. Diffusion wants about 1: a KL stage's `scale` is its inverse.
    pub(crate) deviation: f64,
    /// Pictures that it was measured on.
    pub(crate) pictures: usize,
}

/// Trains in `folder`, going on from its newest checkpoint, and writes the result beside it.
pub(crate) fn train(
    experiment: &FirstStageExperiment,
    pictures: &Pictures,
    features: Option<FeatureNetwork>,
    folder: &Path,
    device: Device,
    (progress, stop): (&Progress, &Stop),
) -> Result<Trained> {
    let identity = json!({
        "first_stage": experiment.first_stage,
        "loss": experiment.loss,
        "data": experiment.data,
        "pictures": pictures.hash,
        "features": features.as_ref().map(FeatureNetwork::identity),
    });
    let mut parameters = Parameters::new(device, experiment.train.seed, 0);
    let data = Arc::clone(&pictures.train) as Arc<dyn ArraySource>;
    let objective = Autoencoding::new(experiment, &mut parameters, data, features)?;
    parameters.channels_last()?;
    let images = experiment.train.images;
    let mut task = progress.begin(experiment.name.clone(), images, images as f64);
    progress.add_work(images as f64);
    let board = TensorBoard::new(folder.join("tensorboard"));
    let mut watcher = Watcher { task: &mut task, progress, unwarned: None, board };
    let train = experiment.train.clone();
    let mut trainer =
        Trainer::open(folder.to_owned(), train, identity, parameters, objective, &mut watcher)?;
    let text = experiment.to_toml()?;
    meme_checkpoint::write_file_whole(folder.join(EXPERIMENT), text.as_bytes())?;
    let outcome = trainer.train(images, stop, &mut watcher)?;
    watcher.tell_what_the_board_lacks();
    if outcome == Outcome::Stopped {
        return Err(Error::Stopped);
    }
    let mut weights = BTreeMap::new();
    for (name, tensor) in trainer.ema().named() {
        if !name.starts_with(AVERAGE) {
            weights.insert(name.clone(), meme_torch::tensor_to_data(tensor)?);
        }
    }
    let file = folder.join(FIRST_STAGE);
    meme_checkpoint::write_safetensors(&file, &weights, &BTreeMap::new())?;
    let mut parameters = Parameters::blank(device);
    let stage = FirstStage::new(&parameters.root(), &experiment.first_stage)?;
    parameters.load(&weights)?;
    look(&stage, pictures, (folder, device), file)
}

/// Sends held-out pictures there and back; writes some of them as a sheet.
fn look(
    stage: &FirstStage,
    pictures: &Pictures,
    (folder, device): (&Path, Device),
    weights: PathBuf,
) -> Result<Trained> {
    let held_out = &pictures.validation;
    let [channels, height, width] = held_out.shape().map(|side| side as i64);
    let count = MEASURED.min(held_out.len());
    let (mut difference, mut latents) = (0.0, Vec::new());
    let (mut above, mut below) = (Vec::new(), Vec::new());
    let mut values = vec![0.0; (channels * height * width) as usize];
    for index in 0..count {
        held_out.read(index, &mut values)?;
        let image = meme_torch::from_f32(&values, &[1, channels, height, width], device)?;
        let latent = no_grad(|| stage.encode(&image))?;
        let back = no_grad(|| stage.decode(&latent))?;
        difference += (&back - &image).abs().mean(Kind::Double).double_value(&[]);
        latents.push(latent);
        if index < SHOWN {
            above.extend(to_pictures(&image)?);
            below.extend(to_pictures(&back)?);
        }
    }
    let columns = above.len();
    above.extend(below);
    meme_data::write_png(&folder.join(SHEET), &meme_data::grid(&above, columns, 2)?)?;
    let deviation = Tensor::cat(&latents, 0).std(false).double_value(&[]);
    Ok(Trained { weights, difference: difference / count as f64, deviation, pictures: count })
}

/// Refuses a folder that holds the run of another kind.
pub(crate) fn refuse_another(folder: &Path) -> Result<()> {
    for file in ["experiment.toml", "suite.toml"] {
        let path = folder.join(file);
        if path.try_exists().map_err(io(&path))? {
            let difference = format!("  {file} is there: a run of experts, not of a first stage");
            return Err(Error::OtherRun { folder: folder.to_path_buf(), difference });
        }
    }
    Ok(())
}
