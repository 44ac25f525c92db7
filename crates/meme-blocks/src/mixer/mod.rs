//! The inception mixer: convolution for high frequencies, attention for low ones, side by side.

mod block;
mod config;
pub(crate) mod elements;
mod high;
mod low;

pub use block::{MixerBlock, MixerBlockConfig};
pub use config::MixerConfig;

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, Path};

use crate::Options;
use crate::conv::{conv, depthwise_conv};
use crate::error::Result;
use high::HighBranch;
use low::LowBranch;

/// iFormer's token mixer (Si et al., arXiv 2205.12956), as the authors' code has it.
///
/// The first `high` channels are convolved and pooled, which doubles them; the other `low` are attended. Both stand
/// side by side as u, [B, 2 high + low, H, W]; a depthwise 3x3 convolution of u is added to u, and a 1x1 convolution
/// brings the sum back to C channels. That last one starts as zero, so that a mixer on a residual branch starts as
/// the identity (iFormer draws it from a truncated normal of 0.02).
///
/// Parameters: `high.expand`, `high.depthwise`, `high.pooled`, `low.qkv` (rows ordered [3, heads, head_dim]), `fuse`,
/// `projection`. Where the description says so, something else stands for `high.depthwise`
/// ([`HighElement`](crate::HighElement)) or for attention ([`LowElement`](crate::LowElement)), under its own name:
/// `dilated`, `large_kernel`, `fourier.real` and `fourier.imaginary`.
///
/// ```
/// use meme_blocks::{HighElement, InceptionMixer, LowElement, MixerConfig, Options, PoolKind};
/// use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
///
/// let config = MixerConfig {
///     channels: 64,
///     head_dim: 16,
///     high_heads: 3,
///     pool: 2,
///     pool_kind: PoolKind::Average,
///     high_element: HighElement::Depthwise,
///     low_element: LowElement::Attention,
/// };
/// let mut parameters = Parameters::new(Device::Cpu, 7, 0);
/// let mixer = InceptionMixer::new(&parameters.root(), config)?;
/// let x = Tensor::ones([2, 64, 9, 13], (Kind::Float, Device::Cpu));
/// let y = mixer.forward(&x, &mut Options::default())?;
/// assert_eq!(y.size(), [2, 64, 9, 13]);
/// # Ok::<(), meme_blocks::Error>(())
/// ```
#[derive(Debug)]
pub struct InceptionMixer {
    /// Name of the feature map u.
    branches: String,
    high: Option<HighBranch>,
    low: Option<LowBranch>,
    fuse: Conv2d,
    projection: Conv2d,
    config: MixerConfig,
}

impl InceptionMixer {
    /// # Errors
    /// [`Error::Architecture`](crate::Error::Architecture) for sizes that break a rule.
    pub fn new(path: &Path<'_>, config: MixerConfig) -> Result<Self> {
        config.validate()?;
        let fused = config.fused();
        let zero = Conv2dConfig { zero: true, ..Conv2dConfig::default() };
        let high =
            (config.high() > 0).then(|| HighBranch::new(&(path / "high"), config)).transpose()?;
        let low =
            (config.low() > 0).then(|| LowBranch::new(&(path / "low"), config)).transpose()?;
        Ok(InceptionMixer {
            branches: path.join("branches"),
            high,
            low,
            fuse: depthwise_conv(&(path / "fuse"), fused)?,
            projection: conv(&(path / "projection"), fused, config.channels, 1, zero)?,
            config,
        })
    }

    /// [B, C, H, W] to the same shape, for any H and W. No norm and no residual: see [`MixerBlock`].
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn forward(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let half = self.config.high() as i64 / 2;
        let parts = x.f_split_with_sizes([half, half, self.config.low() as i64], 1)?;
        let mut branches = Vec::with_capacity(3);
        if let Some(high) = &self.high {
            branches.extend(high.forward(&parts[0], &parts[1])?); // two of [B, high, H, W]
        }
        if let Some(low) = &self.low {
            branches.push(low.forward(&parts[2])?); // [B, low, H, W]
        }
        let u = Tensor::f_cat(&branches, 1)?; // [B, 2 high + low, H, W]
        options.watch(&self.branches, &u);
        self.projection_of_fused(&u)
    }

    /// `projection(u + fuse(u))`.
    fn projection_of_fused(&self, u: &Tensor) -> Result<Tensor> {
        let mut fused = self.fuse.forward(u)?;
        Ok(self.projection.forward(&fused.f_add_(u)?)?)
    }
}
