//! A network's weights, looked up by name while its inference form is built.

use std::collections::BTreeMap;

use meme_torch::channels_last;
use meme_torch::layers::{PackedConv2d, PackedConv2dConfig, Steering, norm_affine};
use meme_torch::tch::{Device, Kind, Tensor};

use crate::Error;
use crate::error::Result;
use crate::mixer::elements::{Element, Filter};
use crate::norm::EPSILON;

/// Float32 weights by name, and what is to be made of them.
pub(super) struct Weights {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) device: Device,
    /// The dtype of maps and products.
    pub(super) kind: Kind,
    pub(super) norm_groups: i64,
}

impl Weights {
    /// The tensor of that name.
    pub(super) fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::Names {
            format: "meme",
            differences: vec![format!("{name} is missing")],
        })
    }

    /// The dtype of sums: float32, or float64 for a float64 network.
    pub(super) fn precise_kind(&self) -> Kind {
        if self.kind == Kind::Double { Kind::Double } else { Kind::Float }
    }

    /// A copy in the dtype of sums.
    pub(super) fn precise(&self, name: &str) -> Result<Tensor> {
        let kind = self.precise_kind();
        Ok(self.get(name)?.f_contiguous()?.f_to_device_(self.device, kind, false, true)?)
    }

    /// The convolution of that name with its bias, if it has one. Linear weights [out, in] become 1x1 convolutions.
    pub(super) fn conv(&self, name: &str, stride: i64) -> Result<PackedConv2d> {
        let weight = self.get(&format!("{name}.weight"))?;
        let bias = self.tensors.get(&format!("{name}.bias"));
        self.pack(weight, bias, stride)
    }

    /// A convolution of odd kernel that keeps the size (at stride 1).
    pub(super) fn pack(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: i64,
    ) -> Result<PackedConv2d> {
        let weight = match weight.dim() {
            2 => weight.f_unsqueeze(-1)?.f_unsqueeze(-1)?,
            _ => weight.shallow_clone(),
        };
        let padding = weight.size4()?.2 / 2;
        let config = PackedConv2dConfig { stride, padding, device: self.device, kind: self.kind };
        Ok(PackedConv2d::new(&weight, bias, config)?)
    }

    /// The group norm of that name.
    pub(super) fn norm(&self, name: &str) -> Result<FoldedNorm> {
        self.norm_with(name, EPSILON)
    }

    /// The group norm of that name with another epsilon.
    pub(super) fn norm_with(&self, name: &str, epsilon: f64) -> Result<FoldedNorm> {
        Ok(FoldedNorm {
            weight: self.precise(&format!("{name}.weight"))?,
            bias: self.precise(&format!("{name}.bias"))?,
            groups: (self.norm_groups, epsilon),
        })
    }

    /// An element of the branch of that name: convolutions in the dtype of products, filters in that of sums.
    pub(super) fn element(&self, name: &str, filter: Filter, channels: usize) -> Result<Element> {
        Element::with(filter, channels, |part, _, _| {
            let part = format!("{name}.{part}");
            if filter == Filter::Fourier {
                return self.precise(&part);
            }
            let weight = self.get(&part)?.f_to_device(self.device)?.f_to_kind(self.kind)?;
            Ok(channels_last(&weight)?)
        })
    }

    /// The taps of a depthwise 3x3 convolution [C, 1, 3, 3] as [9, C].
    pub(super) fn taps(&self, name: &str) -> Result<Tensor> {
        let weight = self.precise(&format!("{name}.weight"))?;
        Ok(weight.f_flatten(1, 3)?.f_transpose(0, 1)?.f_contiguous()?)
    }
}

/// A group norm that becomes a scale and a shift for whoever reads the map next.
#[derive(Debug)]
pub(super) struct FoldedNorm {
    weight: Tensor,
    bias: Tensor,
    groups: (i64, f64),
}

impl FoldedNorm {
    /// Of maps [B, C_i, H, W] side by side: [2, B, C].
    pub(super) fn lines(&self, maps: &[&Tensor], steering: Steering<'_>) -> Result<Tensor> {
        Ok(norm_affine(maps, &self.weight, &self.bias, self.groups, steering)?)
    }
}
