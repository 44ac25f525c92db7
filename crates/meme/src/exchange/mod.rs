//! Checkpoints of other projects, in and out.
//!
//! Reading ends in one value, [`Import`]: a network's description and weights under our names, and whatever else the
//! source tells: its noise schedule, its first stage, its size. [`place`] puts that into a run folder as one expert.
//! Writing goes the other way. Nothing is guessed silently: what a source does not say is asked for, and a field that
//! would change the numbers and is not known here is refused by name.

mod compvis;
mod diffusers;
mod export;
mod fields;
mod first_stage;
mod folder;
mod place;
mod schedule;
mod weights;

use std::path::Path;

use meme_blocks::Architecture;
use meme_checkpoint::VerifiedFolder;
use meme_router::Expert;
use meme_schedule::{Parametrisation, ScheduleConfig};
use meme_torch::tch::Device;

pub(crate) use export::export;
pub(crate) use first_stage::FirstStageWeights;
pub(crate) use place::{Placement, place};
use weights::Weights;

use crate::run::{RunFolder, expert_folder};
use crate::{Error, Result};

/// Where an imported first stage lies in a run folder.
pub(crate) const FIRST_STAGE: &str = "first-stage.safetensors";

/// What a source says of itself, in our terms.
#[derive(Default)]
pub(crate) struct Import {
    pub(crate) network: Option<NetworkWeights>,
    pub(crate) first_stage: Option<FirstStageWeights>,
    pub(crate) schedule: Option<ScheduleConfig>,
    pub(crate) parametrisation: Option<Parametrisation>,
    /// Side of what the network sees.
    pub(crate) side: Option<usize>,
    /// What the reader should know.
    pub(crate) notices: Vec<String>,
}

/// One denoiser.
pub(crate) struct NetworkWeights {
    pub(crate) architecture: Architecture,
    /// As trained; float32, our names.
    pub(crate) weights: Weights,
    /// The moving average, where the source keeps one.
    pub(crate) average: Option<Weights>,
}

/// What a CompVis file does not say of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsaid {
    pub(crate) head_dim: usize,
    pub(crate) norm_groups: usize,
}

/// Reads a checkpoint of whatever kind `path` is; `expert` chooses one of our own runs' networks.
pub(crate) fn read(path: &Path, expert: Option<Expert>, unsaid: Unsaid) -> Result<Import> {
    if !path.exists() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Error::Io { path: path.to_path_buf(), source: missing });
    }
    if path.is_file() {
        return compvis::read(path, unsaid);
    }
    if path.join("experiment.toml").exists() {
        return of_run(path, expert);
    }
    if path.join(folder::ARCHITECTURE).exists() {
        return folder::read(path);
    }
    diffusers::read(path)
}

/// One expert of a run of our own.
fn of_run(path: &Path, expert: Option<Expert>) -> Result<Import> {
    let run = RunFolder::open(path)?;
    let expert = match expert {
        Some(expert) => expert,
        None if run.experiment.experts.len() == 1 => Expert::FIRST,
        None => {
            let count = run.experiment.experts.len();
            let which = format!(
                "{} has {count} experts: choose one with --source-expert N",
                path.display()
            );
            return Err(Error::Usage(which));
        }
    };
    let Some((_, architecture)) = run.experiment.numbered().find(|(it, _)| *it == expert) else {
        let count = run.experiment.experts.len();
        return Err(Error::Usage(format!(
            "--source-expert: {} has {count} experts",
            path.display()
        )));
    };
    let architecture = architecture.clone();
    let checkpoint = newest(&run, expert)?;
    let network = NetworkWeights {
        architecture,
        weights: checkpoint.tensors("weights.safetensors")?.tensors,
        average: Some(meme_trainer::read_ema(&checkpoint)?.tensors),
    };
    let file = path.join(FIRST_STAGE);
    let first_stage = if file.exists() {
        let tensors = meme_checkpoint::read_safetensors(&file)?.tensors;
        Some(FirstStageWeights { config: run.experiment.first_stage.clone(), tensors })
    } else {
        None
    };
    Ok(Import {
        network: Some(network),
        first_stage,
        schedule: Some(run.experiment.schedule.clone()),
        parametrisation: Some(run.experiment.parametrisation),
        side: Some(run.experiment.latent_shape()?[1]),
        notices: Vec::new(),
    })
}

/// The newest good checkpoint of one expert.
fn newest(run: &RunFolder, expert: Expert) -> Result<VerifiedFolder> {
    let newest = meme_trainer::newest_checkpoint(&run.expert_folder(expert))?;
    let number = usize::from(expert.number());
    let missing = || Error::NotTrained { run: run.path.clone(), expert: number };
    newest.map(|(checkpoint, _)| checkpoint).ok_or_else(missing)
}

/// Whether the expert in `folder` was imported.
pub(crate) fn is_imported(folder: &Path) -> Result<bool> {
    let newest = meme_trainer::newest_checkpoint(folder)?;
    Ok(newest.is_some_and(|(checkpoint, _)| checkpoint.extra()["imported"].is_object()))
}

/// Refuses to train an expert that was imported: nothing is known of its optimizer.
pub(crate) fn refuse_training(run: &Path, expert: Expert) -> Result<()> {
    let folder = expert_folder(run, expert);
    if is_imported(&folder)? {
        let reason = "it was imported without an optimizer's state, so training cannot go on from it; --expert N trains another one";
        return Err(refused(&folder, reason));
    }
    Ok(())
}

impl NetworkWeights {
    /// Builds the network once, so that names and shapes are those of its description.
    pub(crate) fn check(&self) -> Result<()> {
        for tensors in [Some(&self.weights), self.average.as_ref()].into_iter().flatten() {
            let mut parameters = meme_torch::Parameters::blank(Device::Cpu);
            meme_blocks::UNet::new(&parameters.root(), &self.architecture)?;
            parameters.load(tensors)?;
        }
        Ok(())
    }
}

/// A source that cannot be taken over, and why.
fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::Exchange { path: path.to_path_buf(), reason: reason.into() }
}
