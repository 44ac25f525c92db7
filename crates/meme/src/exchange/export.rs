//! A run becomes folders that other programs read.

use std::path::{Path, PathBuf};

use meme_blocks::NameMap;
use serde_json::Value;

use super::weights::to_theirs;
use super::{
    FIRST_STAGE, FirstStageWeights, diffusers, first_stage, folder, newest, refused, schedule,
};
use crate::Result;
use crate::error::io;
use crate::run::RunFolder;

/// What was written for one network.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Exported {
    /// Below the folder of the export.
    pub(crate) folder: String,
    /// `UNet2DModel`, `VQModel`, ... or `meme`.
    pub(crate) format: &'static str,
    /// Why it is not a folder of diffusers, where it is not.
    pub(crate) note: Option<String>,
}

/// A folder that is filled out of sight; removed unless it is shown.
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed has a name that says what it is.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes every expert of `run`, its first stage and its schedule into the new folder `to`: all of it or nothing.
/// `raw` takes the weights as trained instead of their moving average.
pub(crate) fn export(
    run: &RunFolder,
    to: &Path,
    raw: bool,
    weights: Option<&Path>,
) -> Result<Vec<Exported>> {
    if to.exists() {
        return Err(refused(to, "it exists already; name a folder that does not"));
    }
    let name = to.file_name().ok_or_else(|| refused(to, "it does not name a folder"))?;
    let parent =
        to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = format!(".staging-{}-{}", name.to_string_lossy(), std::process::id());
    let staged = Staged(parent.join(staged));
    std::fs::create_dir_all(&staged.0).map_err(io(&staged.0))?;
    let mut exported = Vec::new();
    let side = run.experiment.latent_shape()?[1];
    for (expert, architecture) in run.experiment.numbered() {
        let checkpoint = newest(run, expert)?;
        let ours = match raw {
            true => checkpoint.tensors("weights.safetensors")?.tensors,
            false => meme_trainer::read_ema(&checkpoint)?.tensors,
        };
        let name = format!("expert-{}", expert.number());
        let path = make(&staged.0, &name)?;
        let (format, note) = match diffusers::config(architecture, side) {
            Ok(config) => {
                let theirs = to_theirs(&NameMap::diffusers(architecture)?, &ours)?;
                write_model(&path, &config, &theirs)?;
                ("UNet2DModel", None)
            }
            Err(why) => {
                folder::write(&path, architecture, &ours)?;
                ("meme", Some(why))
            }
        };
        exported.push(Exported { folder: name, format, note });
    }
    export_first_stage(run, &staged.0, weights, &mut exported)?;
    let experiment = &run.experiment;
    if let Some(config) =
        schedule::write(&experiment.schedule, experiment.parametrisation, experiment.sample.clip)
    {
        write_json(&make(&staged.0, "scheduler")?.join("scheduler_config.json"), &config)?;
        exported.push(Exported { folder: "scheduler".into(), format: "DDIMScheduler", note: None });
    }
    // Its intervals say which expert is for which timesteps.
    let text = experiment.to_toml()?;
    meme_checkpoint::write_file_whole(staged.0.join("run.toml"), text.as_bytes())?;
    std::fs::rename(&staged.0, to).map_err(io(to))?;
    Ok(exported)
}

/// The first stage, if it learns and its weights are known.
fn export_first_stage(
    run: &RunFolder,
    staged: &Path,
    weights: Option<&Path>,
    exported: &mut Vec<Exported>,
) -> Result<()> {
    let own = run.path.join(FIRST_STAGE);
    let Some(file) = weights.or(own.exists().then_some(own.as_path())) else { return Ok(()) };
    let tensors = meme_checkpoint::read_safetensors(file)?.tensors;
    let stage = FirstStageWeights { config: run.experiment.first_stage.clone(), tensors };
    let Some((config, theirs)) = first_stage::to_diffusers(&stage, run.experiment.data.resolution)
    else {
        return Err(refused(file, "the run's first stage learns nothing and has no weights"));
    };
    let (name, format) = match config["_class_name"].as_str() {
        Some("VQModel") => ("vqvae", "VQModel"),
        _ => ("vae", "AutoencoderKL"),
    };
    write_model(&make(staged, name)?, &config, &theirs)?;
    exported.push(Exported { folder: name.into(), format, note: None });
    Ok(())
}

fn make(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    Ok(folder)
}

fn write_model(folder: &Path, config: &Value, theirs: &super::Weights) -> Result<()> {
    write_json(&folder.join("config.json"), config)?;
    // What PyTorch's own writers put there; some readers ask for it.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let file = folder.join("diffusion_pytorch_model.safetensors");
    Ok(meme_checkpoint::write_safetensors(file, theirs, &metadata)?)
}

fn write_json(file: &Path, value: &Value) -> Result<()> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| refused(file, error.to_string()))?;
    Ok(meme_checkpoint::write_file_whole(file, format!("{text}\n").as_bytes())?)
}
