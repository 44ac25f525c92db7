//! Networks whose activations serve as features.

mod random;
mod squeezenet;

use std::path::Path;

use meme_torch::tch::{Device, Kind, TchError, Tensor, no_grad};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use random::Random;
use squeezenet::SqueezeNet;

/// Which network gave a set of features. Numbers made with different networks, or different
/// weights, cannot be compared, so every result carries this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkIdentity {
    /// Such as `random-64`.
    pub name: String,
    /// BLAKE3 of the weights (and of the built-in network's constants), hexadecimal.
    pub hash: String,
    /// Features of an image.
    pub dimension: usize,
    /// What the network itself does to an image's size before it looks.
    pub resize: String,
}

impl NetworkIdentity {
    /// What a Frechet distance on these features may be called. "FID" is the name of the distance
    /// on Inception-v3 features alone, and none of the networks here is that one.
    #[must_use]
    pub fn distance_name(&self) -> String {
        format!("Frechet distance ({})", self.name)
    }
}

/// A fixed network from images to features.
///
/// ```
/// use meme_metrics::FeatureNetwork;
/// use meme_torch::tch::{Device, Kind, Tensor};
///
/// let network = FeatureNetwork::random(Device::Cpu)?;
/// let grey = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
/// assert_eq!(network.features(&grey)?.dim(), (2, 64));
/// assert_eq!(network.identity().distance_name(), "Frechet distance (random-64)");
/// # Ok::<(), meme_metrics::Error>(())
/// ```
#[derive(Debug)]
pub struct FeatureNetwork {
    body: Body,
    identity: NetworkIdentity,
    device: Device,
}

#[derive(Debug)]
enum Body {
    Random(Random),
    SqueezeNet(SqueezeNet),
}

impl FeatureNetwork {
    /// The built-in default, `random-64`: 64 features from fixed random filters, no file needed.
    ///
    /// Random features tell apart what their filters respond to, at a fixed cost and without any
    /// training set's taste: here the energy of fine detail at four scales, the statistics of a
    /// small random convolutional network, and the coarse layout of an image. They know nothing of
    /// objects. Use them to compare runs of one project; use a trained network where one is at
    /// hand. The layout is documented at the top of `network/random.rs`, and
    /// [`FeatureNetwork::named_weights`] hands out the numbers.
    ///
    /// # Errors
    /// [`Error::Torch`] where the device has no memory left.
    pub fn random(device: Device) -> Result<Self> {
        let (body, hash) = Random::new(device)?;
        let identity = NetworkIdentity {
            name: random::NAME.to_owned(),
            hash,
            dimension: random::FEATURES,
            resize: random::RESIZE.to_owned(),
        };
        Ok(Self { body: Body::Random(body), identity, device })
    }

    /// `squeezenet-1.1`: the 512 channel means behind the last fire module of SqueezeNet v1.1,
    /// trained on ImageNet, from a safetensors file.
    ///
    /// Images are taken at their own size, 32 x 32 or more.
    ///
    /// # Errors
    /// [`Error::UnknownWeights`] unless the file is, byte for byte, the one this network is
    /// defined by; [`Error::File`], [`Error::Checkpoint`] where it cannot be read.
    pub fn squeezenet(path: &Path, device: Device) -> Result<Self> {
        let (body, hash) = SqueezeNet::read(path, device)?;
        let identity = NetworkIdentity {
            name: squeezenet::NAME.to_owned(),
            hash,
            dimension: squeezenet::FEATURES,
            resize: "none".to_owned(),
        };
        Ok(Self { body: Body::SqueezeNet(body), identity, device })
    }

    /// Which network this is.
    #[must_use]
    pub fn identity(&self) -> &NetworkIdentity {
        &self.identity
    }

    /// Such as `random-64`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// BLAKE3 of the weights, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.identity.hash
    }

    /// Features of an image.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.identity.dimension
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The smallest side of an image that the network can see.
    #[must_use]
    pub fn smallest_side(&self) -> i64 {
        match self.body {
            Body::Random(_) => random::SMALLEST_SIDE,
            Body::SqueezeNet(_) => squeezenet::SMALLEST_SIDE,
        }
    }

    /// The weights with their names, so that the features can be made elsewhere too.
    #[must_use]
    pub fn named_weights(&self) -> Vec<(String, Tensor)> {
        match &self.body {
            Body::Random(network) => network.named(),
            Body::SqueezeNet(network) => network.named(),
        }
    }

    /// The features of RGB images [B, 3, H, W] with values in [-1, 1], of any floating-point type
    /// and on any device: one row of float64 numbers an image, computed in float32.
    ///
    /// # Errors
    /// [`Error::ImageShape`] for another shape or a side below
    /// [`FeatureNetwork::smallest_side`]; [`Error::Network`] where libtorch refuses.
    pub fn features(&self, images: &Tensor) -> Result<Array2<f64>> {
        let shape = images.size();
        let smallest = self.smallest_side();
        match shape.as_slice() {
            [_, 3, height, width] if *height >= smallest && *width >= smallest => {}
            _ => {
                let wanted = match self.body {
                    Body::Random(_) => "[images, 3, height, width] with sides of at least 16",
                    Body::SqueezeNet(_) => "[images, 3, height, width] with sides of at least 32",
                };
                return Err(Error::ImageShape { shape, wanted });
            }
        }
        let network = |source| Error::Network { network: self.identity.name.clone(), source };
        let features = no_grad(|| self.forward(images)).map_err(network)?;
        let rows = (shape[0] as usize, self.dimension());
        Array2::from_shape_vec(rows, meme_torch::to_f64_vec(&features)?).map_err(|_| {
            Error::Dimension {
                what: "network's output",
                expected: self.dimension(),
                found: features.numel() / (shape[0] as usize).max(1),
            }
        })
    }

    fn forward(&self, images: &Tensor) -> std::result::Result<Tensor, TchError> {
        let images = images.f_to_device(self.device)?.f_to_kind(Kind::Float)?;
        match &self.body {
            Body::Random(network) => network.forward(&images),
            Body::SqueezeNet(network) => network.forward(&images),
        }
    }
}
