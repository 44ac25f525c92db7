//! A run folder: one experiment, its experts' checkpoints, its samples.

use std::path::{Path, PathBuf};

use meme_blocks::{Options, UNet};
use meme_router::{Expert, Index};
use meme_sampler::{Ensemble, ExpertSource};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Tensor};

use crate::error::io;
use crate::experiment::Experiment;
use crate::{Error, Result};

/// The experiment's own copy in its run folder.
const EXPERIMENT: &str = "experiment.toml";

/// A folder with one experiment in it.
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
    pub(crate) experiment: Experiment,
}

impl RunFolder {
    /// Makes the folder for `experiment`, or opens it where it holds the same one.
    ///
    /// How long training goes on, how often it saves and how samples are made may change between
    /// calls; what shapes the weights is compared by the trainer, expert by expert.
    pub(crate) fn create(path: &Path, experiment: Experiment) -> Result<Self> {
        let file = path.join(EXPERIMENT);
        if file.exists() {
            let before = Self::open(path)?.experiment;
            if before.name != experiment.name || before.scale != experiment.scale {
                let difference = format!(
                    "  was {} at scale {}, now {} at scale {}",
                    before.name, before.scale, experiment.name, experiment.scale
                );
                return Err(Error::OtherRun { folder: path.to_path_buf(), difference });
            }
        }
        std::fs::create_dir_all(path).map_err(io(path))?;
        let text = experiment.to_toml()?;
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            meme_checkpoint::write_file_whole(&file, text.as_bytes())?;
        }
        Ok(Self { path: path.to_path_buf(), experiment })
    }

    /// Opens a run.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = path.join(EXPERIMENT);
        if !file.exists() {
            return Err(Error::NoRun { folder: path.to_path_buf(), missing: EXPERIMENT.into() });
        }
        let text = std::fs::read_to_string(&file).map_err(io(&file))?;
        let experiment = Experiment::from_toml(&text, &file.display().to_string())?;
        Ok(Self { path: path.to_path_buf(), experiment })
    }

    /// Where one expert trains.
    pub(crate) fn expert_folder(&self, expert: Expert) -> PathBuf {
        expert_folder(&self.path, expert)
    }

    /// Images that the newest good checkpoint of one expert has seen; 0 where there is none.
    pub(crate) fn images_seen(&self, expert: Expert) -> Result<u64> {
        let newest = meme_trainer::newest_checkpoint(&self.expert_folder(expert))?;
        Ok(newest.map_or(0, |(_, images)| images))
    }

    /// The network of one expert with the moving average of its newest checkpoint, and the images
    /// that checkpoint has seen.
    pub(crate) fn trained(&self, expert: Expert, device: Device) -> Result<(Network, u64)> {
        let folder = self.expert_folder(expert);
        let Some((checkpoint, images)) = meme_trainer::newest_checkpoint(&folder)? else {
            let expert = usize::from(expert.number());
            return Err(Error::NotTrained { run: self.path.clone(), expert });
        };
        let mut network = Network::untrained(&self.experiment, expert, device)?;
        network.parameters.load(&meme_trainer::read_ema(&checkpoint)?.tensors)?;
        network.parameters.set_trainable(false);
        Ok((network, images))
    }

    /// All experts behind one denoiser.
    pub(crate) fn ensemble(&self, device: Device) -> Result<Ensemble<Experts>> {
        let networks = self
            .experiment
            .numbered()
            .map(|(expert, _)| Ok(self.trained(expert, device)?.0))
            .collect::<Result<Vec<_>>>()?;
        Ok(Ensemble::new(self.experiment.intervals.clone(), Experts(networks))?)
    }
}

/// Where one expert of the run in `path` trains.
pub(crate) fn expert_folder(path: &Path, expert: Expert) -> PathBuf {
    path.join(format!("expert-{}", expert.number()))
}

/// One expert: its parameters and the network built on them.
pub(crate) struct Network {
    pub(crate) parameters: Parameters,
    pub(crate) unet: UNet,
}

impl Network {
    /// The network as it is before training.
    pub(crate) fn untrained(
        experiment: &Experiment,
        expert: Expert,
        device: Device,
    ) -> Result<Self> {
        let architecture = experiment.experts.get(expert.position()).ok_or_else(|| {
            Error::Usage(format!("{} has {} experts", experiment.name, experiment.experts.len()))
        })?;
        let mut parameters = Parameters::new(device, experiment.train.seed, expert.number());
        let unet = UNet::new(&parameters.root(), architecture)?;
        Ok(Self { parameters, unet })
    }

    /// The network's output for noisy images and 0-based indices `[B]`.
    pub(crate) fn forward(&self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let indices: Vec<i64> = indices.iter().map(|index| index.get() as i64).collect();
        let indices = meme_torch::from_i64(&indices, &[indices.len() as i64], x.device())?;
        Ok(self.unet.forward(x, &indices, &mut Options::default())?)
    }
}

/// All experts of a run in memory.
pub(crate) struct Experts(Vec<Network>);

impl ExpertSource for Experts {
    fn denoise(
        &mut self,
        expert: Expert,
        x: &Tensor,
        indices: &[Index],
    ) -> std::result::Result<Tensor, meme_sampler::Error> {
        let network = &self.0[expert.position()];
        network.forward(x, indices).map_err(meme_sampler::Error::denoiser)
    }

    fn experts(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
