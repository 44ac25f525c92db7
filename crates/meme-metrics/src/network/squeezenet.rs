//! SqueezeNet v1.1 without its classifier (Iandola et al. 2016, arXiv 1602.07360; the v1.1
//! arrangement of the authors' repository), as Keras users know it: DeepCognition/keras-squeezenet
//! at a73d433, MIT.

use std::collections::BTreeMap;
use std::path::Path;

use meme_torch::tch::{Device, Kind, TchError, Tensor};

use crate::{Error, Result};

pub(super) const NAME: &str = "squeezenet-1.1";
pub(super) const FEATURES: usize = 512;
/// Below it the last pooling has nothing to look at.
pub(super) const SMALLEST_SIDE: i64 = 32;

/// BLAKE3 of the safetensors file with these weights (2,894,600 bytes).
const WEIGHTS: &str = "b4da3b7459c047dacb8868745f778027fdbfab3b2cb2ca48eb6b73e3e5e05116";
/// Mean blue, green and red of ImageNet in 0..255, as Caffe's models subtract them.
const MEAN_BGR: [f32; 3] = [103.939, 116.779, 123.68];
/// Fire modules behind which a 3 x 3 max pooling of stride 2 follows.
const POOLED: [usize; 2] = [3, 5];

#[derive(Debug)]
pub(super) struct SqueezeNet {
    stem: Layer,
    /// squeeze1x1, expand1x1, expand3x3 of fire modules 2 to 9.
    fires: Vec<[Layer; 3]>,
    mean: Tensor,
}

#[derive(Debug)]
struct Layer {
    name: String,
    weight: Tensor,
    bias: Tensor,
}

/// Whether a file's bytes are the ones that this network is defined by.
pub(super) fn is_weights(bytes: &[u8]) -> bool {
    blake3::hash(bytes).to_hex().as_str() == WEIGHTS
}

impl SqueezeNet {
    /// The network, and the hash of its file.
    pub(super) fn read(path: &Path, device: Device) -> Result<(Self, String)> {
        let file = |source| Error::File { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(file)?;
        let found = blake3::hash(&bytes).to_hex().to_string();
        if found != WEIGHTS {
            return Err(Error::UnknownWeights {
                path: path.to_owned(),
                network: NAME,
                found,
                expected: WEIGHTS,
            });
        }
        let tensors: BTreeMap<_, _> = meme_checkpoint::parse(&bytes)?.tensors;
        let tensor = |name: String| -> Result<Tensor> {
            let data = tensors.get(&name).ok_or_else(|| Error::Tensor {
                path: path.to_owned(),
                name,
                problem: "is missing".to_owned(),
            })?;
            Ok(meme_torch::data_to_tensor(data, device)?)
        };
        let layer = |name: String| -> Result<Layer> {
            Ok(Layer {
                weight: tensor(format!("{name}.weight"))?,
                bias: tensor(format!("{name}.bias"))?,
                name,
            })
        };
        let fire = |number: usize| -> Result<[Layer; 3]> {
            let part = |part: &str| layer(format!("fire{number}.{part}"));
            Ok([part("squeeze1x1")?, part("expand1x1")?, part("expand3x3")?])
        };
        let network = Self {
            stem: layer("conv1".to_owned())?,
            fires: (2..=9).map(fire).collect::<Result<_>>()?,
            mean: meme_torch::from_f32(&MEAN_BGR, &[1, 3, 1, 1], device)?,
        };
        Ok((network, found))
    }

    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        std::iter::once(&self.stem)
            .chain(self.fires.iter().flatten())
            .flat_map(|layer| {
                [
                    (format!("{}.weight", layer.name), layer.weight.shallow_clone()),
                    (format!("{}.bias", layer.name), layer.bias.shallow_clone()),
                ]
            })
            .collect()
    }

    /// RGB [B, 3, H, W] in [-1, 1] to [B, 512].
    pub(super) fn forward(&self, images: &Tensor) -> std::result::Result<Tensor, TchError> {
        let picture: &[i64] = &[2, 3];
        self.last(images, &mut |_| {})?.f_mean_dim(picture, false, Kind::Float)
    }

    /// The maps [B, C, h, w] of the stem and the fire modules, finest first.
    pub(super) fn maps(&self, images: &Tensor) -> std::result::Result<Vec<Tensor>, TchError> {
        let mut maps = Vec::new();
        let _ = self.last(images, &mut |map| maps.push(map.shallow_clone()))?;
        Ok(maps)
    }

    /// The last fire module's map; `see` is shown every map on the way.
    fn last(
        &self,
        images: &Tensor,
        see: &mut dyn FnMut(&Tensor),
    ) -> std::result::Result<Tensor, TchError> {
        let bytes = images.f_add_scalar(1.0)?.f_mul_scalar(127.5)?;
        let mut x = bytes.f_flip([1])?.f_sub(&self.mean)?;
        x = self.stem.apply(&x, 2, 0)?;
        see(&x);
        x = pool(&x)?;
        for (number, [squeeze, narrow, wide]) in (2_usize..).zip(&self.fires) {
            let squeezed = squeeze.apply(&x, 1, 0)?;
            let parts = [narrow.apply(&squeezed, 1, 0)?, wide.apply(&squeezed, 1, 1)?];
            x = Tensor::f_cat(&parts, 1)?;
            see(&x);
            if POOLED.contains(&number) {
                x = pool(&x)?;
            }
        }
        Ok(x)
    }
}

impl Layer {
    fn apply(&self, x: &Tensor, stride: i64, pad: i64) -> std::result::Result<Tensor, TchError> {
        let (stride, pad) = ([stride; 2], [pad; 2]);
        x.f_conv2d(&self.weight, Some(&self.bias), stride, pad, [1, 1], 1)?.f_relu()
    }
}

/// Keras and Caffe round the number of windows up.
fn pool(x: &Tensor) -> std::result::Result<Tensor, TchError> {
    x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], true)
}
