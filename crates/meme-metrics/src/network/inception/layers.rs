//! A convolution, its batch normalisation and its ReLU as one operation.

use meme_torch::tch::{Device, TchError, Tensor};
use meme_torch::{channels_last, from_f32};

use super::super::weights::WeightFile;
use crate::Result;

/// What batch normalisation adds to a variance.
const EPSILON: f64 = 0.001;

/// How a kernel moves over a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) stride: i64,
    /// Whether zeros around the picture keep its size (at stride 1), or there are none.
    pub(super) same: bool,
}

#[derive(Debug)]
pub(super) struct Conv {
    name: String,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: [i64; 2],
}

impl Conv {
    /// The layer `name` from `from` to `to` channels with a kernel of (height, width).
    ///
    /// Inference scales each channel by gamma / sqrt(variance + 0.001) and shifts it; both go into
    /// the convolution.
    pub(super) fn read(
        file: &WeightFile,
        name: &str,
        [from, to]: [usize; 2],
        kernel: [usize; 2],
        geometry: Geometry,
        device: Device,
    ) -> Result<Self> {
        let [height, width] = kernel;
        let mut weight = file.values(&format!("{name}.conv.weight"), &[to, from, height, width])?;
        let norm = |part: &str| file.values(&format!("{name}.bn.{part}"), &[to]);
        let (gamma, beta) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(to);
        for (channel, filter) in weight.chunks_exact_mut(from * height * width).enumerate() {
            let scale = gamma[channel] / (variance[channel] + EPSILON).sqrt();
            filter.iter_mut().for_each(|value| *value *= scale);
            bias.push((beta[channel] - mean[channel] * scale) as f32);
        }
        let weight: Vec<f32> = weight.into_iter().map(|value| value as f32).collect();
        let shape = [to, from, height, width].map(|side| side as i64);
        let half = |side: usize| if geometry.same { (side as i64 - 1) / 2 } else { 0 };
        Ok(Self {
            name: name.to_owned(),
            weight: channels_last(&from_f32(&weight, &shape, device)?)?,
            bias: from_f32(&bias, &[to as i64], device)?,
            stride: geometry.stride,
            padding: kernel.map(half),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn forward(&self, x: &Tensor) -> std::result::Result<Tensor, TchError> {
        let stride = [self.stride; 2];
        let mut y = x.f_conv2d(&self.weight, Some(&self.bias), stride, self.padding, [1, 1], 1)?;
        y.f_relu_()
    }

    pub(super) fn named(&self) -> [(String, Tensor); 2] {
        [
            (format!("{}.weight", self.name), self.weight.shallow_clone()),
            (format!("{}.bias", self.name), self.bias.shallow_clone()),
        ]
    }
}
