//! Measuring what a forward pass costs on this machine.

use std::time::Instant;

use meme_blocks::{Architecture, InferenceUNet, Options, UNet};
use meme_torch::tch::{Cuda, Device, Kind, Tensor};
use meme_torch::{Parameters, Precision};
use meme_trainer::Stop;

use crate::{Error, Result};

/// Timed repeats of every network.
const REPEATS: usize = 5;

/// A network to be timed on inputs of `[channels, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timed {
    pub(crate) architecture: Architecture,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) batch: usize,
}

struct Subject {
    unet: InferenceUNet,
    x: Tensor,
    indices: Tensor,
    classes: Option<Tensor>,
    seconds: Vec<f64>,
}

/// Median seconds of one forward pass of each network in the form that samples, random weights.
///
/// The networks take turns, so that a machine that slows down slows them all.
pub(crate) fn forward_seconds(
    networks: &[Timed],
    device: Device,
    precision: Precision,
    stop: &Stop,
) -> Result<Vec<f64>> {
    let mut subjects = Vec::with_capacity(networks.len());
    for network in networks {
        let architecture = &network.architecture;
        let unet = {
            let mut parameters = Parameters::new(Device::Cpu, 0, 1);
            UNet::new(&parameters.root(), architecture)?;
            let weights = meme_torch::into_tensors(parameters.to_data()?)?;
            UNet::for_inference(architecture, weights, device, precision)?
        };
        let batch = network.batch as i64;
        let channels = network.architecture.in_channels as i64;
        let shape = [batch, channels, network.height as i64, network.width as i64];
        let x = Tensor::zeros(shape, (Kind::Float, device));
        let indices = Tensor::full([batch], 500, (Kind::Int64, device));
        let classes =
            (architecture.classes > 0).then(|| Tensor::zeros([batch], (Kind::Int64, device)));
        subjects.push(Subject { unet, x, indices, classes, seconds: Vec::new() });
    }
    for repeat in 0..=REPEATS {
        for subject in &mut subjects {
            if stop.raised() {
                return Err(Error::Stopped);
            }
            let seconds = subject.forward(device)?;
            // The first pass pays for allocation and for choosing kernels.
            if repeat > 0 {
                subject.seconds.push(seconds);
            }
        }
    }
    Ok(subjects.into_iter().map(|subject| median(subject.seconds)).collect())
}

impl Subject {
    fn forward(&self, device: Device) -> Result<f64> {
        synchronise(device);
        let clock = Instant::now();
        let _ = self.unet.forward(&self.x, &self.indices, self.classes.as_ref())?;
        synchronise(device);
        Ok(clock.elapsed().as_secs_f64())
    }
}

fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// Seconds per multiply-add of training one image: forward and backward of one network, measured.
pub(crate) fn training_rate(network: &Timed, macs: u64, device: Device) -> Result<f64> {
    let mut parameters = Parameters::new(device, 0, 1);
    let unet = UNet::new(&parameters.root(), &network.architecture)?;
    let batch = network.batch as i64;
    let channels = network.architecture.in_channels as i64;
    let shape = [batch, channels, network.height as i64, network.width as i64];
    let x = Tensor::zeros(shape, (Kind::Float, device));
    let indices = Tensor::full([batch], 500, (Kind::Int64, device));
    let classes = crate::classes::none(&network.architecture, batch, device)?;
    let mut step = || {
        parameters.zero_grad();
        synchronise(device);
        let clock = Instant::now();
        let mut options = Options { classes: classes.as_ref(), ..Options::default() };
        let output = unet.forward(&x, &indices, &mut options)?;
        let loss = output.square().mean(Kind::Float);
        loss.f_backward().map_err(meme_trainer::Error::objective)?;
        synchronise(device);
        Ok::<_, Error>(clock.elapsed().as_secs_f64())
    };
    step()?;
    let seconds = median((0..3).map(|_| step()).collect::<Result<Vec<f64>>>()?);
    Ok(seconds / (network.batch as f64 * macs as f64))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
