//! The Inception-v3 behind FID: the network of TensorFlow's `inception-2015-12-05` as pytorch-fid
//! and torch-fidelity carry it (Szegedy et al., "Rethinking the Inception Architecture for Computer
//! Vision", 2016).
//!
//! It is not torchvision's Inception-v3: it has 1008 classes and no auxiliary head, its average
//! pools leave the padding out of the mean, and the pool in the very last block takes the maximum.
//! Its batch normalisations are folded into the convolutions before them, in float64.

mod blocks;
mod layers;
#[cfg(test)]
mod tests;

use meme_torch::tch::{Device, Kind, TchError, Tensor};

use super::weights::WeightFile;
use crate::Result;
use blocks::Block;
use layers::{Conv, Geometry};

pub(super) const FEATURES: usize = 2048;
/// Classes of the logits.
const CLASSES: usize = 1008;
/// Pictures that pass through the network together: more would not fit into a cache.
const TOGETHER: i64 = 8;

/// The network.
#[derive(Debug)]
pub(super) struct Inception {
    stem: [Conv; 5],
    mixed: Vec<Block>,
    /// `[1008, 2048]`, without the bias, which torch-fidelity leaves out too.
    classes: Tensor,
}

impl Inception {
    /// The network with the weights of a file.
    pub(super) fn new(file: &WeightFile, device: Device) -> Result<Self> {
        let stem = |name: &str, from, to, kernel, geometry| {
            Conv::read(file, name, [from, to], [kernel; 2], geometry, device)
        };
        let valid = |stride| Geometry { stride, same: false };
        let same = Geometry { stride: 1, same: true };
        Ok(Self {
            stem: [
                stem("Conv2d_1a_3x3", 3, 32, 3, valid(2))?,
                stem("Conv2d_2a_3x3", 32, 32, 3, valid(1))?,
                stem("Conv2d_2b_3x3", 32, 64, 3, same)?,
                stem("Conv2d_3b_1x1", 64, 80, 1, valid(1))?,
                stem("Conv2d_4a_3x3", 80, 192, 3, valid(1))?,
            ],
            mixed: blocks::all(file, device)?,
            classes: file.tensor("fc.weight", &[CLASSES, FEATURES], device)?,
        })
    }

    /// Pictures [B, 3, 299, 299] in the network's range to [B, 2048].
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let run = |images: &Tensor| self.stages(images, &mut |_, _| ());
        let count = images.size()[0];
        let parts: Vec<Tensor> = (0..count)
            .step_by(TOGETHER as usize)
            .map(|start| {
                let part = images.f_narrow(0, start, TOGETHER.min(count - start)).map_err(named)?;
                run(&meme_torch::channels_last(&part)?).map_err(named)
            })
            .collect::<Result<_>>()?;
        if parts.is_empty() {
            let empty = Tensor::f_zeros([0, FEATURES as i64], (Kind::Float, images.device()));
            return empty.map_err(named);
        }
        Tensor::f_cat(&parts, 0).map_err(named)
    }

    /// The logits [B, 1008] of features [B, 2048], without bias.
    pub(super) fn logits(&self, features: &Tensor) -> Result<Tensor> {
        let classes = self.classes.f_transpose(0, 1).map_err(named)?;
        features.f_matmul(&classes).map_err(named)
    }

    /// As [`Inception::forward`]; `see` gets what every named stage gives.
    fn stages(
        &self,
        images: &Tensor,
        see: &mut dyn FnMut(&str, &Tensor),
    ) -> std::result::Result<Tensor, TchError> {
        let mut x = images.shallow_clone();
        for (number, conv) in self.stem.iter().enumerate() {
            x = conv.forward(&x)?;
            see(conv.name(), &x);
            if number == 2 || number == 4 {
                x = x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)?;
            }
        }
        for block in &self.mixed {
            x = block.forward(&x)?;
            see(block.name(), &x);
        }
        let picture: &[i64] = &[2, 3];
        x.f_mean_dim(picture, false, Kind::Float)
    }

    /// Every weight in the form in which it is computed with.
    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let convolutions = self.stem.iter().chain(self.mixed.iter().flat_map(Block::convolutions));
        let mut all: Vec<_> = convolutions.flat_map(Conv::named).collect();
        all.push(("fc.weight".to_owned(), self.classes.shallow_clone()));
        all
    }
}

fn named(source: TchError) -> crate::Error {
    crate::Error::Network { network: "inception-v3".to_owned(), source }
}
