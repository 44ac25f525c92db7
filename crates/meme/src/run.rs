//! A run folder: one experiment, its experts' checkpoints, its samples.

use std::path::{Path, PathBuf};

use meme_blocks::{Architecture, Options, UNet};
use meme_checkpoint::VerifiedFolder;
use meme_router::{Expert, Index};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor};
use meme_trainer::Change;

use crate::error::io;
use crate::experiment::Experiment;
use crate::{Error, Result, classes};

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
    /// calls. What shapes the weights is for [`RunFolder::changes`] to compare first: this writes.
    pub(crate) fn create(path: &Path, experiment: Experiment) -> Result<Self> {
        Self::refuse_another(path, &experiment)?;
        let file = path.join(EXPERIMENT);
        std::fs::create_dir_all(path).map_err(io(path))?;
        let text = experiment.to_toml()?;
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            meme_checkpoint::write_file_whole(&file, text.as_bytes())?;
        }
        Ok(Self { path: path.to_path_buf(), experiment })
    }

    /// Refuses a folder that holds another experiment, or this one at another scale.
    pub(crate) fn refuse_another(path: &Path, experiment: &Experiment) -> Result<()> {
        if !path.join(EXPERIMENT).exists() {
            return Ok(());
        }
        let before = Self::open(path)?.experiment;
        if before.name == experiment.name && before.scale == experiment.scale {
            return Ok(());
        }
        let difference = format!(
            "  was {} at scale {}, now {} at scale {}",
            before.name, before.scale, experiment.name, experiment.scale
        );
        Err(Error::OtherRun { folder: path.to_path_buf(), difference })
    }

    /// Everything in which `experiment` on these latents differs from what the experts in `path`
    /// were trained with, expert by expert; nothing is written.
    pub(crate) fn changes(
        path: &Path,
        experiment: &Experiment,
        latents: &str,
    ) -> Result<Vec<(Expert, Vec<Change>)>> {
        let mut changed = Vec::new();
        for (expert, _) in experiment.numbered() {
            let identity = experiment.identity(expert, latents);
            let folder = expert_folder(path, expert);
            if crate::exchange::is_imported(&folder)? {
                continue; // it was not trained here, and is not going to be
            }
            let changes = meme_trainer::changes(&folder, &experiment.train, &identity)?;
            if !changes.is_empty() {
                changed.push((expert, changes));
            }
        }
        Ok(changed)
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

    /// The newest good checkpoint of one expert, and the images it has seen.
    pub(crate) fn newest(&self, expert: Expert) -> Result<(VerifiedFolder, u64)> {
        let newest = meme_trainer::newest_checkpoint(&self.expert_folder(expert))?;
        let expert = usize::from(expert.number());
        newest.ok_or_else(|| Error::NotTrained { run: self.path.clone(), expert })
    }

    /// The network of one expert with the moving average of its newest checkpoint, and the images
    /// that checkpoint has seen.
    pub(crate) fn trained(&self, expert: Expert, device: Device) -> Result<(Network, u64)> {
        let (checkpoint, images) = self.newest(expert)?;
        Ok((Network::read(&self.experiment, expert, &checkpoint, device)?, images))
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
    /// The class that stands for none, where it knows classes.
    none: Option<i64>,
}

impl Network {
    /// How one expert is built.
    pub(crate) fn architecture(experiment: &Experiment, expert: Expert) -> Result<&Architecture> {
        experiment.experts.get(expert.position()).ok_or_else(|| {
            Error::Usage(format!("{} has {} experts", experiment.name, experiment.experts.len()))
        })
    }

    /// The network as it is before training.
    pub(crate) fn untrained(
        experiment: &Experiment,
        expert: Expert,
        device: Device,
    ) -> Result<Self> {
        let mut parameters = Parameters::new(device, experiment.train.seed, expert.number());
        let architecture = Self::architecture(experiment, expert)?;
        let unet = UNet::new(&parameters.root(), architecture)?;
        Ok(Self { parameters, unet, none: classes::none_of(architecture) })
    }

    /// The network with the moving average of a checkpoint.
    pub(crate) fn read(
        experiment: &Experiment,
        expert: Expert,
        checkpoint: &VerifiedFolder,
        device: Device,
    ) -> Result<Self> {
        let mut parameters = Parameters::blank(device);
        let architecture = Self::architecture(experiment, expert)?;
        let unet = UNet::new(&parameters.root(), architecture)?;
        parameters.load(&meme_trainer::read_ema(checkpoint)?.tensors)?;
        parameters.set_trainable(false);
        Ok(Self { parameters, unet, none: classes::none_of(architecture) })
    }

    /// The network's output for noisy images and 0-based indices `[B]`, where the pictures' classes,
    /// if it knows any, are not told.
    pub(crate) fn forward(&self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let rows = indices.len();
        let none = self
            .none
            .map(|none| meme_torch::from_i64(&vec![none; rows], &[rows as i64], x.device()));
        self.forward_told(x, indices, none.transpose()?.as_ref())
    }

    /// The same with the pictures' classes, int64 `[B]`, for networks that know them.
    pub(crate) fn forward_told(
        &self,
        x: &Tensor,
        indices: &[Index],
        classes: Option<&Tensor>,
    ) -> Result<Tensor> {
        let count = indices.len() as i64;
        let indices: Vec<i64> = indices.iter().map(|index| index.get() as i64).collect();
        let indices = match indices.first() {
            // As while sampling. A fill is made where the tensor lies; a copy from the host would
            // have the host wait for the GPU at every step.
            Some(first) if indices.iter().all(|index| index == first) => {
                Tensor::f_full([count], *first, (Kind::Int64, x.device()))
                    .map_err(meme_sampler::Error::from)?
            }
            _ => meme_torch::from_i64(&indices, &[count], x.device())?,
        };
        Ok(self.unet.forward(x, &indices, &mut Options { classes, ..Options::default() })?)
    }
}
