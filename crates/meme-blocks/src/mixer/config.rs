//! Sizes of a mixer, and what they cost.

use super::elements::DEPTHWISE;
use crate::count::{ConvShape, Size, Tally};
use crate::{Error, HighElement, LowElement, PoolKind};

/// Sizes of an [`InceptionMixer`](super::InceptionMixer).
///
/// The channels are shared out in heads of `head_dim`: the first `high_heads * head_dim` go to the high-frequency
/// branch, the rest to the low-frequency one. Either share may be empty; then that branch is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixerConfig {
    /// Channels in and out, a multiple of `head_dim`.
    pub channels: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Heads whose channels are convolved, 0 to `channels / head_dim`. Together an even number of channels.
    pub high_heads: usize,
    /// Side of the pooling window in front of the attention; 1 pools nothing.
    pub pool: usize,
    /// What a pooling window becomes.
    pub pool_kind: PoolKind,
    /// What convolves the first half of the high-frequency branch.
    pub high_element: HighElement,
    /// What mixes the low-frequency branch.
    pub low_element: LowElement,
}

impl MixerConfig {
    /// Channels of the high-frequency branch's input; its output has twice as many.
    pub fn high(&self) -> usize {
        self.high_heads * self.head_dim
    }

    /// Channels of the low-frequency branch, in and out.
    pub fn low(&self) -> usize {
        self.channels.saturating_sub(self.high())
    }

    /// Channels of both branches' outputs side by side.
    pub fn fused(&self) -> usize {
        2 * self.high() + self.low()
    }

    /// # Errors
    /// [`Error::Architecture`] for heads that do not divide the channels, too many of them, or an odd half.
    pub fn validate(&self) -> Result<(), Error> {
        let broken =
            |field: &str, rule: String| Err(Error::Architecture { field: field.into(), rule });
        let Self { channels, head_dim, high_heads, pool, .. } = *self;
        if head_dim == 0 || channels == 0 || !channels.is_multiple_of(head_dim) {
            return broken("head_dim", format!("{head_dim} does not divide {channels} channels"));
        }
        if high_heads > channels / head_dim {
            let heads = channels / head_dim;
            return broken("high_heads", format!("{high_heads} is more than the {heads} heads"));
        }
        if !self.high().is_multiple_of(2) {
            return broken("high_heads", format!("{} channels cannot be halved", self.high()));
        }
        if pool == 0 {
            return broken("pool", "0 pixels cannot be pooled; 1 pools nothing".into());
        }
        Ok(())
    }

    /// What the mixer costs at that size.
    pub fn tally(&self, size: Size) -> Tally {
        let (high, low, fused) = (self.high(), self.low(), self.fused());
        let expand = ConvShape { bias: false, ..ConvShape::plain(high / 2, high, 1) };
        let pooled = size.pooled(self.pool);
        let mut tally = DEPTHWISE.tally(fused, size)
            + Tally::conv(ConvShape::plain(fused, self.channels, 1), size);
        if high > 0 {
            tally = tally
                + Tally::conv(expand, size)
                + self.high_element.filter().tally(high, size)
                + Tally::conv(ConvShape::plain(high / 2, high, 1), size);
        }
        if low > 0 {
            let qkv = Tally::conv(ConvShape::plain(low, 3 * low, 1), pooled);
            tally = tally
                + match (self.low_element, self.low_element.filter()) {
                    (_, Some(filter)) => filter.tally(low, pooled),
                    (LowElement::LinearAttention, _) => {
                        qkv + Tally::linear_attention(low, self.head_dim, pooled)
                    }
                    _ => qkv + Tally::attention(low, pooled),
                };
        }
        tally
    }
}
