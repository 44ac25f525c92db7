//! A mixer as it stands in a network.

use meme_torch::tch::Tensor;
use meme_torch::{GroupNorm, Path};

use super::{InceptionMixer, MixerConfig};
use crate::count::{Size, Tally};
use crate::error::Result;
use crate::norm::norm;
use crate::{FeedForward, Options};

/// Sizes of a [`MixerBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixerBlockConfig {
    /// The mixer.
    pub mixer: MixerConfig,
    /// Groups of the norms in front of mixer and feed-forward.
    pub norm_groups: usize,
    /// Width of the feed-forward as a multiple of the channels; 0 for none.
    pub feed_forward: usize,
}

impl MixerBlockConfig {
    /// What the block costs at that size.
    pub fn tally(&self, size: Size) -> Tally {
        let channels = self.mixer.channels;
        let feed_forward = match self.feed_forward {
            0 => Tally::default(),
            ratio => FeedForward::tally(channels, ratio, size),
        };
        Tally::norm(channels) + self.mixer.tally(size) + feed_forward
    }
}

/// Norm, [`InceptionMixer`], added to the input; then a [`FeedForward`] if there is one. Starts as the identity.
///
/// Parameters: `norm`, the mixer's, and `feed_forward`'s.
#[derive(Debug)]
pub struct MixerBlock {
    name: String,
    norm: GroupNorm,
    mixer: InceptionMixer,
    feed_forward: Option<FeedForward>,
}

impl MixerBlock {
    /// # Errors
    /// [`Error::Architecture`](crate::Error::Architecture) for a mixer that breaks a rule,
    /// [`Error::Layer`](crate::Error::Layer) for groups that do not divide the channels.
    pub fn new(path: &Path<'_>, config: MixerBlockConfig) -> Result<Self> {
        let MixerBlockConfig { mixer, norm_groups, feed_forward } = config;
        let feed_forward = (feed_forward > 0)
            .then(|| {
                let path = path / "feed_forward";
                FeedForward::new(&path, mixer.channels, feed_forward, norm_groups)
            })
            .transpose()?;
        Ok(MixerBlock {
            name: path.name().to_owned(),
            norm: norm(&(path / "norm"), mixer.channels, norm_groups)?,
            mixer: InceptionMixer::new(path, mixer)?,
            feed_forward,
        })
    }

    /// [B, C, H, W] to the same shape, for any H and W.
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn forward(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let h = self.inner(x, options).map_err(|error| error.within(&self.name))?;
        options.watch(&self.name, &h);
        Ok(h)
    }

    fn inner(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let mut h = self.mixer.forward(&self.norm.forward(x)?, options)?; // [B, C, H, W]
        let h = h.f_add_(x)?; // [B, C, H, W]
        match &self.feed_forward {
            None => Ok(h),
            Some(feed_forward) => feed_forward.forward(&h), // [B, C, H, W]
        }
    }
}
