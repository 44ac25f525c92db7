//! Arguments that several verbs share.

use std::path::PathBuf;

use clap::Args;
use meme_data::OnCorrupt;
use meme_torch::tch::Device;

use crate::experiment::{DataConfig, Experiment};
use crate::first::First;
use crate::pictures::Pictures;
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::{Error, Result};

/// Where to compute.
#[derive(Args)]
pub(super) struct DeviceArgument {
    /// cpu, cuda or cuda:N [default: the first GPU that loads, else the CPU]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: String,
}

impl DeviceArgument {
    /// A device on which tensors can lie now.
    pub(super) fn get(&self) -> Result<Device> {
        let device = self.named()?;
        meme_torch::device::available(device)?;
        Ok(device)
    }

    fn named(&self) -> Result<Device> {
        if self.device != "auto" {
            return parse("--device", &self.device);
        }
        let gpu = meme_torch::device::load_cuda().is_ok() && meme_torch::tch::Cuda::is_available();
        Ok(if gpu { Device::Cuda(0) } else { Device::Cpu })
    }
}

fn parse(flag: &str, name: &str) -> Result<Device> {
    meme_torch::device::parse_device(name).map_err(|error| Error::Usage(format!("{flag}: {error}")))
}

/// Where to compute, one device or several.
#[derive(Args)]
pub(super) struct DevicesArguments {
    #[command(flatten)]
    one: DeviceArgument,
    /// Several devices, a network on each at a time: cuda:0,cuda:1
    #[arg(long, value_delimiter = ',', conflicts_with = "device", value_name = "DEVICE,...")]
    devices: Vec<String>,
}

impl DevicesArguments {
    /// Devices on which tensors can lie now.
    pub(super) fn get(&self) -> Result<Vec<Device>> {
        let devices = self.named()?;
        devices.iter().try_for_each(|device| meme_torch::device::available(*device))?;
        Ok(devices)
    }

    /// Devices that may be another machine's.
    pub(super) fn named(&self) -> Result<Vec<Device>> {
        if self.devices.is_empty() {
            return Ok(vec![self.one.named()?]);
        }
        self.devices.iter().map(|name| parse("--devices", name)).collect()
    }
}

/// Weights of a learned first stage.
#[derive(Args)]
pub(super) struct FirstStageArgument {
    /// Weights of a learned first stage (safetensors, CompVis' names)
    #[arg(long, value_name = "FILE")]
    pub(super) first_stage: Option<PathBuf>,
}

impl FirstStageArgument {
    pub(super) fn open(&self, experiment: &Experiment, device: Device) -> Result<First> {
        First::open(experiment, self.first_stage.as_deref(), device)
    }

    /// As [`Self::open`]; where no file is named, the one that was imported into the run, if there is one.
    pub(super) fn open_for(&self, run: &RunFolder, device: Device) -> Result<First> {
        let own = run.path.join(crate::exchange::FIRST_STAGE);
        let own = own.exists().then_some(own);
        First::open(&run.experiment, self.first_stage.as_deref().or(own.as_deref()), device)
    }
}

/// Which pictures.
#[derive(Args)]
pub(super) struct PicturesArguments {
    /// Pictures: a folder, a tar, a zip or a Parquet file [default: built-in faces]
    #[arg(long, value_name = "PATH")]
    pub(super) data: Option<PathBuf>,
    /// Leave out pictures that cannot be read instead of refusing the data
    #[arg(long)]
    skip_corrupt: bool,
}

impl PicturesArguments {
    pub(super) fn on_corrupt(&self) -> OnCorrupt {
        if self.skip_corrupt { OnCorrupt::SkipAndReport } else { OnCorrupt::Refuse }
    }

    /// Opens them, and says what was left out.
    pub(super) fn open(&self, config: &DataConfig, progress: &Progress) -> Result<Pictures> {
        let pictures = Pictures::open(config, self.data.as_deref(), self.on_corrupt())?;
        for sentence in &pictures.skipped {
            progress.say(format!("left out: {sentence}"));
        }
        Ok(pictures)
    }
}
