//! Networks ready to be timed; the benchmarks are in `benches/`.
#![deny(missing_docs)]

use meme::experiment::Resolver;
use meme_blocks::{Architecture, Options, UNet};
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use meme_torch::{Parameters, Path};

/// A network with random weights and an input for it.
pub struct Subject {
    /// Its name, such as `meme expert 1`.
    pub name: String,
    parameters: Parameters,
    unet: UNet,
    x: Tensor,
    indices: Tensor,
}

/// Every different network of the paper's table for faces, at `scale`.
///
/// # Errors
/// Where a preset cannot be resolved.
pub fn networks(scale: &str) -> Result<Vec<(String, Architecture, [usize; 3])>, meme::Error> {
    let resolver = Resolver::new(scale, &[])?;
    let mut networks = Vec::new();
    for row in ["ldm-l", "ldm-s", "iu-ldm-s", "meme"] {
        let experiment = resolver.named(&format!("ffhq/{row}"))?;
        let shape = experiment.latent_shape()?;
        for (expert, architecture) in experiment.numbered() {
            let name =
                if row == "meme" { format!("{row} {expert}") } else { experiment.title.clone() };
            networks.push((name, architecture.clone(), shape));
        }
    }
    Ok(networks)
}

impl Subject {
    /// The network on the CPU with a batch of `batch` inputs.
    ///
    /// # Errors
    /// Where the network cannot be built.
    pub fn new(
        name: String,
        architecture: &Architecture,
        [channels, height, width]: [usize; 3],
        batch: usize,
    ) -> Result<Self, meme::Error> {
        let mut parameters = Parameters::new(Device::Cpu, 0, 1);
        let root: Path<'_> = parameters.root();
        let unet = UNet::new(&root, architecture)?;
        let shape = [batch, channels, height, width].map(|side| side as i64);
        let x = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let indices = Tensor::full([batch as i64], 500, (Kind::Int64, Device::Cpu));
        Ok(Self { name, parameters, unet, x, indices })
    }

    /// One forward pass without gradients.
    ///
    /// # Errors
    /// Where the network refuses its input.
    pub fn forward(&self) -> Result<Tensor, meme::Error> {
        Ok(no_grad(|| self.unet.forward(&self.x, &self.indices, &mut Options::default()))?)
    }

    /// One forward and backward pass; the gradients are dropped.
    ///
    /// # Errors
    /// As [`Subject::forward`].
    pub fn forward_and_backward(&mut self) -> Result<(), meme::Error> {
        let output = self.unet.forward(&self.x, &self.indices, &mut Options::default())?;
        output.square().mean(Kind::Float).backward();
        self.parameters.zero_grad();
        Ok(())
    }
}
