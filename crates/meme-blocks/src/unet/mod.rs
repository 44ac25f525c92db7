//! The U-Net: encoder, middle, decoder, and the feature maps handed across.

mod conditioning;
mod parts;
mod shared;

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, GroupNorm, Path, channels_last};

use crate::conv::{same_conv, zero_conv};
use crate::error::Result;
use crate::norm::norm;
use crate::plan::Plan;
use crate::{Architecture, Options};
pub(crate) use conditioning::Conditioning;
use parts::{Level, Middle};

/// A denoiser: noisy input and timestep indices to a prediction of the same size.
///
/// The crate's front page draws it; [`Architecture`] says what can differ. Parameters are created under the names that
/// the front page lists, in the order of the forward pass.
///
/// ```
/// use meme_blocks::{Architecture, Options, UNet};
/// use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
///
/// let architecture: Architecture = toml::from_str(r#"
///     in_channels = 3
///     out_channels = 3
///     width = 16
///     channel_mult = [1, 2]
///     res_blocks = 1
///     head_dim = 8
///     norm_groups = 8
///     encoder = ["mixer", "mixer"]
///     middle = "mixer"
///     decoder = ["none", "none"]
///     mixer = { high_heads = [1, 2], middle_high_heads = 1, pool = [2, 1] }
/// "#)?;
/// let mut parameters = Parameters::new(Device::Cpu, 7, 1);
/// let network = UNet::new(&parameters.root(), &architecture)?;
/// assert_eq!(parameters.count(), meme_blocks::count(&architecture, 32, 32)?.parameters);
///
/// let x = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
/// let indices = Tensor::from_slice(&[0_i64, 999]);
/// let epsilon = network.forward(&x, &indices, &mut Options::default())?;
/// assert_eq!(epsilon.size(), [2, 3, 32, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UNet {
    conditioning: Conditioning,
    stem: Conv2d,
    encoder: Vec<Level>,
    middle: Middle,
    decoder: Vec<Level>,
    norm: GroupNorm,
    output: Conv2d,
}

impl UNet {
    /// Builds the network's parameters on `root`.
    ///
    /// # Errors
    /// [`Error::Architecture`](crate::Error::Architecture) where the description breaks a rule, [`Error::Layer`](crate::Error::Layer) where a name is taken.
    pub fn new(root: &Path<'_>, architecture: &Architecture) -> Result<Self> {
        let plan = Plan::new(architecture)?;
        let finest = architecture.channels(0);
        let predicted = architecture.predicted_channels();
        let levels = |levels: &[_]| -> Result<Vec<Level>> {
            levels.iter().map(|level| Level::new(root, level)).collect()
        };
        let conditioning = Conditioning::new(root, architecture)?;
        Ok(UNet {
            conditioning,
            stem: same_conv(&(root / "stem"), architecture.in_channels, architecture.width)?,
            encoder: levels(&plan.encoder)?,
            middle: Middle::new(root, &plan.middle)?,
            decoder: levels(&plan.decoder)?,
            norm: norm(&(root / "output" / "norm"), finest, architecture.norm_groups)?,
            output: zero_conv(&(root / "output" / "conv"), finest, predicted)?,
        })
    }

    /// Noisy input [B, in, H, W] and 0-based timestep indices, int64 `[B]`, to the prediction [B, out, H, W]
    /// ([B, 2 out, H, W] with a learned sigma). Any H and W.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where input and indices do not fit network or each other, [`Error::Classes`](crate::Error::Classes) where the
    /// options name classes of an unconditional network or none of a conditional one, [`Error::Context`](crate::Error::Context) and
    /// [`Error::NoContext`](crate::Error::NoContext) where context tokens are missing or there is no place for them.
    pub fn forward(
        &self,
        x: &Tensor,
        indices: &Tensor,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let embedding = self.time_embedding(indices, options.classes)?;
        self.forward_with_embedding(x, &embedding, options)
    }

    /// The embedding of timestep indices, int64 `[B]`, and classes, int64 `[B]`, as all residual blocks receive it:
    /// [B, 4 width]. Samplers make it once for all their steps. Where classes become context tokens it does not hold
    /// them: they go into the options.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for indices or classes that are not int64 `[B]`, [`Error::Classes`](crate::Error::Classes) where classes and network
    /// disagree.
    pub fn time_embedding(&self, indices: &Tensor, classes: Option<&Tensor>) -> Result<Tensor> {
        self.conditioning.time_embedding(indices, classes)
    }

    /// The context tokens of classes, int64 `[B]`, for a network whose classes become context: [B, 1, D]. Samplers
    /// make them once and give them as [`Options::context`].
    ///
    /// # Errors
    /// [`Error::Classes`](crate::Error::Classes) for another network, [`Error::Shape`](crate::Error::Shape) for classes that are not int64 `[B]`.
    pub fn class_context(&self, classes: &Tensor) -> Result<Tensor> {
        self.conditioning.class_context(classes)
    }

    /// [`forward`](Self::forward) with an embedding made before: [B, 4 width], or [1, 4 width] for one that all
    /// samples share. `options.classes` is not looked at, since the embedding holds them already, except where classes
    /// become context tokens and `options.context` does not give these.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where input and embedding do not fit network or each other, and [`forward`](Self::forward)'s for
    /// context tokens.
    pub fn forward_with_embedding(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let batch = self.conditioning.check(x, embedding)?;
        let context = self.conditioning.context(batch, options.context, options.classes)?;
        if let Some(context) = context {
            return self.run(x, embedding, &mut options.with_context(&context));
        }
        self.run(x, embedding, options)
    }

    fn run(&self, x: &Tensor, embedding: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let mut h = self.stem.forward(&channels_last(x)?)?; // [B, width, H, W]
        options.watch("stem", &h);
        let mut skips = vec![h.shallow_clone()];
        for level in &self.encoder {
            h = level.encode(h, embedding, &mut skips, options)?; // [B, C_l, H / 2^l, W / 2^l]
        }
        h = self.middle.forward(&h, embedding, options)?; // [B, C, h, w] of the coarsest level
        for level in &self.decoder {
            h = level.decode(h, embedding, &mut skips, options)?; // [B, C_l, H / 2^l, W / 2^l], coarsest first
        }
        let h = self.norm.forward_silu(&h)?; // [B, C_0, H, W]
        let h = self.output.forward(&h)?; // [B, out, H, W]
        options.watch("output", &h);
        Ok(h.f_contiguous()?)
    }
}
