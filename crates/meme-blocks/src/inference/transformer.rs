//! The spatial transformer.

use meme_torch::attention;
use meme_torch::layers::{Activation, Channels, PackedConv2d, Steering, affine};
use meme_torch::tch::Tensor;

use super::attention::{map_of, tokens};
use super::weights::{FoldedNorm, Weights};
use crate::error::Result;
use crate::transformer::EPSILON;
use crate::{Error, TransformerConfig};

/// Added to the variance of a token's norm (PyTorch's default).
const TOKEN_EPSILON: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct Transformer {
    norm: FoldedNorm,
    enter: PackedConv2d,
    layers: Vec<Layer>,
    leave: PackedConv2d,
    config: TransformerConfig,
}

/// A layer norm over channels.
#[derive(Debug)]
struct TokenNorm {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Layer {
    norm_self: TokenNorm,
    qkv: PackedConv2d,
    self_projection: PackedConv2d,
    norm_cross: TokenNorm,
    query: PackedConv2d,
    key_value: PackedConv2d,
    cross_projection: PackedConv2d,
    norm_feed_forward: TokenNorm,
    /// What the gate multiplies, and the gate.
    expand: [PackedConv2d; 2],
    contract: PackedConv2d,
    head_dim: i64,
}

impl Transformer {
    pub(super) fn new(weights: &Weights, name: &str, config: TransformerConfig) -> Result<Self> {
        let layer = |depth: usize| Layer::new(weights, &format!("{name}.{depth}"), config);
        Ok(Transformer {
            norm: weights.norm_with(&format!("{name}.norm"), EPSILON)?,
            enter: weights.conv(&format!("{name}.enter"), 1)?,
            layers: (0..config.depth).map(layer).collect::<Result<_>>()?,
            leave: weights.conv(&format!("{name}.leave"), 1)?,
            config,
        })
    }

    /// A map [B, C, H, W], written over, and context tokens as a map [B, D, T, 1], to the map's shape.
    pub(super) fn forward(&self, x: Tensor, context: Option<&Tensor>) -> Result<Tensor> {
        let context = context.ok_or(Error::Context { width: self.config.context })?;
        let lines = self.norm.lines(&[&x], Steering::default())?;
        let all = Channels { first: 0, count: x.size4()?.1 };
        let h = affine(&[&x], &lines, all, Activation::None)?; // [B, C, H, W]
        let mut h = self.enter.forward(&h, Activation::None)?; // [B, C, H, W]
        for layer in &self.layers {
            h = layer.forward(h, context)?; // [B, C, H, W]
        }
        Ok(self.leave.add_to(&h, x)?)
    }
}

impl Layer {
    fn new(weights: &Weights, name: &str, config: TransformerConfig) -> Result<Self> {
        let conv = |part: &str| weights.conv(&format!("{name}.{part}"), 1);
        let norm = |part: &str| -> Result<TokenNorm> {
            Ok(TokenNorm {
                weight: weights.precise(&format!("{name}.{part}.weight"))?,
                bias: weights.precise(&format!("{name}.{part}.bias"))?,
            })
        };
        let inner = (config.feed_forward * config.channels) as i64;
        let expand = |first: i64| -> Result<PackedConv2d> {
            let part = |kind: &str| -> Result<Tensor> {
                let all = weights.get(&format!("{name}.feed_forward.expand.{kind}"))?;
                Ok(all.f_narrow(0, first, inner)?)
            };
            weights.pack(&part("weight")?, Some(&part("bias")?), 1)
        };
        Ok(Layer {
            norm_self: norm("norm_self")?,
            qkv: conv("self.qkv")?,
            self_projection: conv("self.projection")?,
            norm_cross: norm("norm_cross")?,
            query: conv("cross.query")?,
            key_value: conv("cross.key_value")?,
            cross_projection: conv("cross.projection")?,
            norm_feed_forward: norm("norm_feed_forward")?,
            expand: [expand(0)?, expand(inner)?],
            contract: conv("feed_forward.contract")?,
            head_dim: config.head_dim as i64,
        })
    }

    /// [B, C, H, W], written over, and context [B, D, T, 1] to [B, C, H, W].
    fn forward(&self, h: Tensor, context: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = h.size4()?;
        let plain = Activation::None;
        let qkv = self.heads(&self.qkv.forward(&self.norm_self.forward(&h)?, plain)?, 3)?;
        let mixed = attention(&qkv[0], &qkv[1], &qkv[2], None)?; // [B, heads, N, D]
        let h = self.self_projection.add_to(&map_of(&mixed, (height, width))?, h)?;

        let q = self.heads(&self.query.forward(&self.norm_cross.forward(&h)?, plain)?, 1)?;
        let kv = self.heads(&self.key_value.forward(context, plain)?, 2)?;
        let mixed = attention(&q[0], &kv[0], &kv[1], None)?; // [B, heads, N, D]
        let h = self.cross_projection.add_to(&map_of(&mixed, (height, width))?, h)?;

        let normed = self.norm_feed_forward.forward(&h)?;
        let mut wide = self.expand[0].forward(&normed, plain)?; // [B, r C, H, W]
        let gate = self.expand[1].forward(&normed, Activation::Gelu)?;
        Ok(self.contract.add_to(&wide.f_mul_(&gate)?, h)?)
    }

    /// [B, parts C, H, W] to `parts` of [B, heads, H W, D].
    fn heads(&self, x: &Tensor, parts: i64) -> Result<Vec<Tensor>> {
        let x = tokens(x)?;
        let (batch, positions, wide) = x.size3()?;
        let heads = wide / (parts * self.head_dim);
        let x = x.f_view([batch, positions, parts, heads, self.head_dim])?; // [B, N, parts, heads, D]
        Ok(x.f_transpose(1, 3)?.f_unbind(2)?)
    }
}

impl TokenNorm {
    /// Each pixel of a channels-last map by itself.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, channels, _, _) = x.size4()?;
        let pixels = x.f_permute([0, 2, 3, 1])?; // [B, H, W, C]
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        let precise = pixels.f_to_kind(self.weight.kind())?;
        let y = precise.f_layer_norm([channels], weight, bias, TOKEN_EPSILON, true)?;
        Ok(y.f_to_kind(x.kind())?.f_permute([0, 3, 1, 2])?)
    }
}
