//! The networks of the paper's table, ready to be timed: by criterion (`benches/`, which experts
//! cost what), and beside PyTorch (`examples/bench-worker`, which `cargo xtask bench` starts).
#![deny(missing_docs)]

mod mode;

use meme::experiment::Resolver;
use meme_blocks::{Architecture, InferenceUNet, Options, UNet};
use meme_torch::tch::{Cuda, Device, Kind, Tensor, no_grad};
use meme_torch::{Parameters, Precision};

pub use mode::{Form, Mode};

/// A network that can be timed.
#[derive(Debug, Clone)]
pub struct Network {
    /// What it is called on a command line: `ldm-s`, `meme-1`.
    pub name: String,
    /// Its description.
    pub architecture: Architecture,
    /// Channels, height and width of its input.
    pub shape: [usize; 3],
}

/// Every different network of the paper's table for faces, at `scale`, the largest first.
///
/// # Errors
/// Where a preset cannot be resolved.
pub fn networks(scale: &str) -> Result<Vec<Network>, meme::Error> {
    let resolver = Resolver::new(scale, &[])?;
    let mut networks = Vec::new();
    for row in ["ldm-l", "ldm-s", "iu-ldm-s", "meme"] {
        let experiment = resolver.named(&format!("ffhq/{row}"))?;
        let shape = experiment.latent_shape()?;
        for (expert, architecture) in experiment.numbered() {
            let name = match row {
                "meme" => format!("{row}-{}", expert.number()),
                _ => row.to_owned(),
            };
            networks.push(Network { name, architecture: architecture.clone(), shape });
        }
    }
    Ok(networks)
}

/// A network with random weights and a batch for it.
#[derive(Debug)]
pub struct Subject {
    network: Built,
    count: u64,
    x: Tensor,
    indices: Tensor,
    precision: Precision,
    device: Device,
}

/// A network in one of its forms.
#[derive(Debug)]
enum Built {
    Inference(Box<InferenceUNet>),
    Training(Box<UNet>, Parameters),
}

impl Subject {
    /// The network on `device` with `batch` inputs of `shape`.
    ///
    /// # Errors
    /// Where the network cannot be built, and for a dtype in which the device does not compute.
    pub fn new(
        architecture: &Architecture,
        shape: [usize; 3],
        batch: usize,
        mode: Mode,
        device: Device,
    ) -> Result<Self, meme::Error> {
        let trained = match mode.form {
            Form::Inference => Device::Cpu,
            Form::Training => device,
        };
        let mut parameters = Parameters::new(trained, 0, 1);
        let unet = UNet::new(&parameters.root(), architecture)?;
        let count = parameters.count();
        let network = match mode.form {
            Form::Training => Built::Training(Box::new(unet), parameters),
            Form::Inference => {
                let weights = meme_torch::into_tensors(parameters.to_data()?)?;
                drop((unet, parameters));
                let built = UNet::for_inference(architecture, weights, device, mode.precision)?;
                Built::Inference(Box::new(built))
            }
        };
        let values: Vec<f32> = (0..batch * shape.iter().product::<usize>()).map(wave).collect();
        let [channels, height, width] = shape.map(|side| side as i64);
        let x = meme_torch::from_f32(&values, &[batch as i64, channels, height, width], device)?;
        let indices = Tensor::full([batch as i64], 500, (Kind::Int64, device));
        Ok(Self { network, count, x, indices, precision: mode.precision, device })
    }

    /// Number of values in its weights.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.count
    }

    /// One forward pass without gradients; returns when the device has finished.
    ///
    /// # Errors
    /// Where the network refuses its input.
    pub fn forward(&self) -> Result<(), meme::Error> {
        match &self.network {
            Built::Inference(unet) => drop(unet.forward(&self.x, &self.indices, None)?),
            Built::Training(unet, _) => {
                let _autocast = self.precision.autocast(self.device)?;
                let mut options = Options::default();
                drop(no_grad(|| unet.forward(&self.x, &self.indices, &mut options))?);
            }
        }
        synchronise(self.device);
        Ok(())
    }

    /// One forward and backward pass; the gradients are dropped. The form for inference has none,
    /// so there it is the forward pass alone.
    ///
    /// # Errors
    /// As [`Subject::forward`].
    pub fn forward_and_backward(&mut self) -> Result<(), meme::Error> {
        let Built::Training(unet, parameters) = &mut self.network else { return self.forward() };
        let autocast = self.precision.autocast(self.device)?;
        let output = unet.forward(&self.x, &self.indices, &mut Options::default())?;
        drop(autocast);
        output.to_kind(Kind::Float).square().mean(Kind::Float).backward();
        parameters.zero_grad();
        synchronise(self.device);
        Ok(())
    }
}

/// Something that is neither zero nor regular: constant inputs could be treated as a special case.
fn wave(position: usize) -> f32 {
    (position as f64 * 0.618).sin() as f32
}

/// Waits until a device has done all that it was told to.
pub fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}
