//! The inception mixer.

use meme_torch::gelu;
use meme_torch::layers::{
    Activation, Channels, PackedConv2d, Steering, affine, depthwise, max_around, pool_windows,
};
use meme_torch::tch::Tensor;

use super::attention::{map_of, tokens};
use super::weights::{FoldedNorm, Weights};
use crate::error::Result;
use crate::mixer::elements::Element;
use crate::{HighElement, MixerBlockConfig, MixerConfig, PoolKind};

/// A mixer in which the norm is applied by whoever reads its part of the map, the parts are never put side by side
/// before they have been fused, the pooled part is enlarged while it is fused, and u + fuse(u) is one convolution.
#[derive(Debug)]
pub(super) struct Mixer {
    norm: FoldedNorm,
    high: Option<High>,
    low: Option<Low>,
    /// The taps of `fuse` with 1 added in the middle, [9, 2 high + low].
    fuse: Tensor,
    projection: PackedConv2d,
    feed_forward: Option<FeedForward>,
    config: MixerConfig,
}

#[derive(Debug)]
struct High {
    expand: PackedConv2d,
    convolve: Convolve,
    pooled: PackedConv2d,
}

#[derive(Debug)]
enum Convolve {
    /// The taps of a depthwise 3x3 convolution, in one pass with the activation behind it.
    Taps(Tensor),
    /// As it is trained.
    Element(Element),
}

#[derive(Debug)]
enum Low {
    /// Queries, keys and values, for either kind of attention.
    Attention(PackedConv2d),
    /// As it is trained.
    Element(Element),
}

#[derive(Debug)]
struct FeedForward {
    norm: FoldedNorm,
    expand: PackedConv2d,
    contract: PackedConv2d,
}

impl Mixer {
    pub(super) fn new(weights: &Weights, name: &str, config: MixerBlockConfig) -> Result<Self> {
        let path = |part: &str| format!("{name}.{part}");
        let mixer = config.mixer;
        let high = (mixer.high() > 0).then(|| -> Result<High> {
            Ok(High {
                expand: weights.conv(&path("high.expand"), 1)?,
                convolve: match mixer.high_element {
                    HighElement::Depthwise => {
                        Convolve::Taps(weights.taps(&path("high.depthwise"))?)
                    }
                    other => Convolve::Element(weights.element(
                        &path("high"),
                        other.filter(),
                        mixer.high(),
                    )?),
                },
                pooled: weights.conv(&path("high.pooled"), 1)?,
            })
        });
        let feed_forward = (config.feed_forward > 0).then(|| -> Result<FeedForward> {
            Ok(FeedForward {
                norm: weights.norm(&path("feed_forward.norm"))?,
                expand: weights.conv(&path("feed_forward.expand"), 1)?,
                contract: weights.conv(&path("feed_forward.contract"), 1)?,
            })
        });
        let low = (mixer.low() > 0).then(|| -> Result<Low> {
            Ok(match mixer.low_element.filter() {
                None => Low::Attention(weights.conv(&path("low.qkv"), 1)?),
                Some(filter) => Low::Element(weights.element(&path("low"), filter, mixer.low())?),
            })
        });
        let fuse = weights.taps(&path("fuse"))?;
        let _ = fuse.f_get(4)?.f_add_scalar_(1.0)?;
        Ok(Mixer {
            norm: weights.norm(&path("norm"))?,
            high: high.transpose()?,
            low: low.transpose()?,
            fuse,
            projection: weights.conv(&path("projection"), 1)?,
            feed_forward: feed_forward.transpose()?,
            config: mixer,
        })
    }

    /// [B, C, H, W], written over, to the same shape.
    pub(super) fn forward(&self, x: Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let lines = self.norm.lines(&[&x], Steering::default())?;
        let mut parts = Vec::with_capacity(3);
        if let Some(high) = &self.high {
            let [c, p] = high.forward(&x, &lines, self.config.high() as i64)?; // two of [B, high, H, W]
            parts.extend([(c, 1), (p, 1)]);
        }
        if let Some(low) = &self.low {
            parts.push((self.low(low, &x, &lines)?, self.config.pool as i64)); // [B, low, h, w]
        }
        let parts: Vec<(&Tensor, i64)> = parts.iter().map(|(map, factor)| (map, *factor)).collect();
        let fused = depthwise(&parts, (height, width), &self.fuse, Activation::None)?; // [B, 2 high + low, H, W]
        let x = self.projection.add_to(&fused, x)?; // [B, C, H, W]
        match &self.feed_forward {
            None => Ok(x),
            Some(feed_forward) => feed_forward.forward(x), // [B, C, H, W]
        }
    }

    /// What mixes the pooled map, not enlarged yet: [B, low, h, w].
    fn low(&self, mixing: &Low, x: &Tensor, lines: &Tensor) -> Result<Tensor> {
        let MixerConfig { head_dim, pool, pool_kind, .. } = self.config;
        let (high, low, head_dim) =
            (self.config.high() as i64, self.config.low() as i64, head_dim as i64);
        let channels = Channels { first: high, count: low };
        let pooled = match pool {
            1 => affine(&[x], lines, channels, Activation::None)?,
            _ => {
                let maximum = pool_kind == PoolKind::Max;
                pool_windows(x, Some(lines), channels, pool as i64, maximum)?
            }
        }; // [B, low, h, w]
        let qkv = match mixing {
            Low::Attention(qkv) => qkv,
            Low::Element(element) => return element.forward(&pooled), // [B, low, h, w]
        };
        let (batch, _, height, width) = pooled.size4()?;
        let qkv = tokens(&qkv.forward(&pooled, Activation::None)?)?; // [B, N, 3 low]
        let qkv = qkv.f_view([batch, height * width, 3, low / head_dim, head_dim])?;
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?; // three of [B, heads, N, D]
        let mixed = self.config.low_element.attend(&qkv)?; // [B, heads, N, D]
        map_of(&mixed, (height, width))
    }
}

impl High {
    fn forward(&self, x: &Tensor, lines: &Tensor, high: i64) -> Result<[Tensor; 2]> {
        let (_, _, height, width) = x.size4()?;
        let half = high / 2;
        let [first, second] = [0, half].map(|first| Channels { first, count: half });
        let c = affine(&[x], lines, first, Activation::None)?; // [B, high / 2, H, W]
        let c = self.expand.forward(&c, Activation::None)?; // [B, high, H, W]
        let c = match &self.convolve {
            Convolve::Taps(taps) => depthwise(&[(&c, 1)], (height, width), taps, Activation::Gelu)?,
            Convolve::Element(element) => gelu(&element.forward(&c)?)?,
        }; // [B, high, H, W]
        let p = max_around(x, lines, second)?; // [B, high / 2, H, W]
        let p = self.pooled.forward(&p, Activation::Gelu)?; // [B, high, H, W]
        Ok([c, p])
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor) -> Result<Tensor> {
        let lines = self.norm.lines(&[&x], Steering::default())?;
        let all = Channels { first: 0, count: x.size4()?.1 };
        let h = affine(&[&x], &lines, all, Activation::None)?; // [B, C, H, W]
        let h = self.expand.forward(&h, Activation::Gelu)?; // [B, ratio C, H, W]
        Ok(self.contract.add_to(&h, x)?)
    }
}
