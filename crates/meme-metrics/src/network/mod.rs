//! Networks whose activations serve as features.

mod inception;
mod mode;
mod random;
mod squeezenet;
mod weights;

use std::path::Path;

use meme_torch::tch::{Device, Kind, TchError, Tensor, no_grad};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::{Error, Feature, Result};
use inception::Inception;
pub use mode::{Mode, PillowFilter, resize_clean};
use random::Random;
use squeezenet::SqueezeNet;
use weights::WeightFile;

/// The name of the network behind FID, with the weights that were published for it.
const FID_NETWORK: &str = "inception-v3-2015-12-05";

/// Which network gave a set of features. Numbers made with different networks, or different
/// weights, cannot be compared, so every result carries this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkIdentity {
    /// Such as `random-64`.
    pub name: String,
    /// BLAKE3 of the weights (and of the built-in network's constants), hexadecimal; for
    /// Inception-v3 SHA-256 of the file, by which its publishers name it.
    pub hash: String,
    /// Features of an image.
    pub dimension: usize,
    /// What the network itself does to an image's size before it looks.
    pub resize: String,
}

impl NetworkIdentity {
    /// Whether this is the network of FID with its published weights.
    #[must_use]
    pub fn is_fid(&self) -> bool {
        self.name == FID_NETWORK
    }

    /// The mode in which Inception-v3 gets its pictures; none for other networks.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.description() == self.resize)
    }

    /// What a Frechet distance on these features may be called. "FID" is the name of the distance
    /// on Inception-v3 features with the published weights, and nothing else gets it.
    #[must_use]
    pub fn distance_name(&self) -> String {
        match (self.is_fid(), self.mode()) {
            (true, Some(mode)) => format!("FID ({})", mode.name()),
            (true, None) => "FID (resized in an unknown way)".to_owned(),
            (false, Some(_)) => format!("Frechet distance on {}", self.name),
            (false, None) => format!("Frechet distance ({})", self.name),
        }
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
    Inception(Box<Inception>, Mode),
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

    /// The Inception-v3 behind FID: the 2048 means over its last maps, from a file with the weights
    /// that pytorch-fid and torch-fidelity use: theirs (`...-inception-2015-12-05-6726825d.pth`), or
    /// any PyTorch or safetensors file with the same tensors.
    ///
    /// Only the published file, known by its SHA-256, gives a network whose distance is called FID.
    /// A network with other weights is named by the hash of its file.
    ///
    /// Values are rounded to bytes first, because that is what the other implementations see. What
    /// then happens to an image's size is the [`Mode`]'s: sides need not be equal, nothing is cut.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Checkpoint`] where the file cannot be read, [`Error::Tensor`]
    /// naming the first tensor that is missing or of another shape.
    pub fn inception(path: &Path, mode: Mode, device: Device) -> Result<Self> {
        Self::inception_of(&WeightFile::read(path)?, mode, device)
    }

    fn inception_of(file: &WeightFile, mode: Mode, device: Device) -> Result<Self> {
        let identity = NetworkIdentity {
            name: file.network_name(),
            hash: file.sha256.clone(),
            dimension: inception::FEATURES,
            resize: mode.description().to_owned(),
        };
        let body = Body::Inception(Box::new(Inception::new(file, device)?), mode);
        Ok(Self { body, identity, device })
    }

    /// The network whose weights a file holds: SqueezeNet by its hash, else Inception-v3 in this
    /// mode.
    ///
    /// # Errors
    /// As [`FeatureNetwork::inception`].
    pub fn open(path: &Path, mode: Mode, device: Device) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        if squeezenet::is_weights(&bytes) {
            return Self::squeezenet(path, device);
        }
        Self::inception_of(&WeightFile::parse(path, bytes)?, mode, device)
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

    /// The hash of the weights; see [`NetworkIdentity::hash`].
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
            Body::Inception(..) => 1,
        }
    }

    /// The weights with their names, so that the features can be made elsewhere too; Inception's
    /// with their batch normalisations folded in.
    #[must_use]
    pub fn named_weights(&self) -> Vec<(String, Tensor)> {
        match &self.body {
            Body::Random(network) => network.named(),
            Body::SqueezeNet(network) => network.named(),
            Body::Inception(network, _) => network.named(),
        }
    }

    /// The features of RGB images [B, 3, H, W] with values in [-1, 1], of any floating-point type
    /// and on any device: one row an image, in the float32 that they are computed in.
    ///
    /// # Errors
    /// [`Error::ImageShape`] for another shape or a side below
    /// [`FeatureNetwork::smallest_side`]; [`Error::Network`] where libtorch refuses.
    pub fn features(&self, images: &Tensor) -> Result<Array2<f32>> {
        let shape = images.size();
        let smallest = self.smallest_side();
        match shape.as_slice() {
            [_, 3, height, width] if *height >= smallest && *width >= smallest => {}
            _ => {
                let wanted = match self.body {
                    Body::Random(_) => "[images, 3, height, width] with sides of at least 16",
                    Body::SqueezeNet(_) => "[images, 3, height, width] with sides of at least 32",
                    Body::Inception(..) => "[images, 3, height, width] with sides of at least 1",
                };
                return Err(Error::ImageShape { shape, wanted });
            }
        }
        let features = no_grad(|| self.forward(images))?;
        self.rows(&features, shape[0] as usize, self.dimension())
    }

    /// The logits of Inception-v3's 1008 classes for rows of its features, without the bias of the
    /// last layer (torch-fidelity's `logits_unbiased`, and TensorFlow's): what the inception score
    /// is made of. None for networks without classes.
    ///
    /// # Errors
    /// [`Error::Dimension`] for rows that are not this network's features.
    pub fn logits<A: Feature>(&self, features: ArrayView2<'_, A>) -> Result<Option<Array2<f32>>> {
        let Body::Inception(network, _) = &self.body else { return Ok(None) };
        let (rows, found) = features.dim();
        if found != self.dimension() {
            let (what, expected) = ("set of features", self.dimension());
            return Err(Error::Dimension { what, expected, found });
        }
        let values: Vec<f32> = features.iter().map(|value| (*value).into() as f32).collect();
        let shape = [rows as i64, found as i64];
        let features = meme_torch::from_f32(&values, &shape, self.device)?;
        let logits = no_grad(|| network.logits(&features))?;
        self.rows(&logits, rows, logits.size()[1] as usize).map(Some)
    }

    /// The maps [B, C, h, w] of the network's layers, finest first, for RGB images [B, 3, H, W] in [-1, 1]. Gradients
    /// pass back to the images: perceptual losses compare these. Only SqueezeNet's layers are handed out.
    ///
    /// # Errors
    /// [`Error::NoMaps`] for the other networks, [`Error::Network`] where libtorch refuses.
    pub fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let Body::SqueezeNet(body) = &self.body else {
            return Err(Error::NoMaps { network: self.identity.name.clone() });
        };
        body.maps(images)
            .map_err(|source| Error::Network { network: self.identity.name.clone(), source })
    }

    fn rows(&self, values: &Tensor, rows: usize, columns: usize) -> Result<Array2<f32>> {
        let found = values.numel() / rows.max(1);
        Array2::from_shape_vec((rows, columns), meme_torch::to_f32_vec(values)?)
            .map_err(|_| Error::Dimension { what: "network's output", expected: columns, found })
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let network = |source| Error::Network { network: self.identity.name.clone(), source };
        let images = images
            .f_to_device(self.device)
            .and_then(|images| images.f_to_kind(Kind::Float))
            .map_err(network)?;
        match &self.body {
            Body::Random(body) => body.forward(&images).map_err(network),
            Body::SqueezeNet(body) => body.forward(&images).map_err(network),
            Body::Inception(body, mode) => {
                body.forward(&mode.prepare(&to_bytes(&images).map_err(network)?)?)
            }
        }
    }
}

/// Values in [-1, 1] as whole numbers from 0 to 255.
fn to_bytes(images: &Tensor) -> std::result::Result<Tensor, TchError> {
    images.f_add_scalar(1.0)?.f_mul_scalar(127.5)?.f_round()?.f_clamp(0.0, 255.0)
}
