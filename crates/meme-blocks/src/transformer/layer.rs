//! One layer of a spatial transformer, on tokens.

use meme_torch::tch::Tensor;
use meme_torch::{LayerNorm, LayerNormConfig, Linear, LinearConfig, Path, attention, gelu};

use super::TransformerConfig;
use crate::Options;
use crate::error::Result;

const BIASED: LinearConfig = LinearConfig { bias: true, zero: false };
const UNBIASED: LinearConfig = LinearConfig { bias: false, zero: false };

/// Self-attention, cross-attention and a gated feed-forward, each behind a layer norm and added to the tokens.
#[derive(Debug)]
pub(super) struct Layer {
    /// Names of the three feature maps.
    names: [String; 3],
    norm_self: LayerNorm,
    qkv: Linear,
    self_projection: Linear,
    norm_cross: LayerNorm,
    query: Linear,
    key_value: Linear,
    cross_projection: Linear,
    norm_feed_forward: LayerNorm,
    expand: Linear,
    contract: Linear,
    head_dim: i64,
}

impl Layer {
    pub(super) fn new(path: &Path<'_>, config: TransformerConfig) -> Result<Self> {
        let (wide, context) = (config.channels as i64, config.context as i64);
        let inner = wide * config.feed_forward as i64;
        let norm = |name: &str| LayerNorm::new(&(path / name), wide, LayerNormConfig::default());
        let (own, cross, feed) = (path / "self", path / "cross", path / "feed_forward");
        Ok(Layer {
            names: ["self", "cross", "feed_forward"].map(|part| path.join(part)),
            norm_self: norm("norm_self")?,
            qkv: Linear::new(&(&own / "qkv"), wide, 3 * wide, UNBIASED)?,
            self_projection: Linear::new(&(&own / "projection"), wide, wide, BIASED)?,
            norm_cross: norm("norm_cross")?,
            query: Linear::new(&(&cross / "query"), wide, wide, UNBIASED)?,
            key_value: Linear::new(&(&cross / "key_value"), context, 2 * wide, UNBIASED)?,
            cross_projection: Linear::new(&(&cross / "projection"), wide, wide, BIASED)?,
            norm_feed_forward: norm("norm_feed_forward")?,
            expand: Linear::new(&(&feed / "expand"), wide, 2 * inner, BIASED)?,
            contract: Linear::new(&(&feed / "contract"), inner, wide, BIASED)?,
            head_dim: config.head_dim as i64,
        })
    }

    /// Tokens [B, N, C] and context [B, T, D] to tokens [B, N, C]; N = `size.0 * size.1`.
    pub(super) fn forward(
        &self,
        tokens: &Tensor,
        context: &Tensor,
        size: (i64, i64),
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let [own, cross, feed_forward] = &self.names;
        let part = self.attend(tokens)?; // [B, N, C]
        options.watch_tokens(own, &part, size)?;
        let tokens = tokens.f_add(&part)?; // [B, N, C]
        let part = self.read(&tokens, context)?; // [B, N, C]
        options.watch_tokens(cross, &part, size)?;
        let tokens = tokens.f_add(&part)?; // [B, N, C]
        let part = self.think(&tokens)?; // [B, N, C]
        options.watch_tokens(feed_forward, &part, size)?;
        Ok(tokens.f_add(&part)?)
    }

    /// Self-attention.
    fn attend(&self, tokens: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(&self.norm_self.forward(tokens)?)?; // [B, N, 3 C]
        let qkv = self.heads(&qkv, 3)?; // three of [B, heads, N, D]
        let mixed = attention(&qkv[0], &qkv[1], &qkv[2], None)?; // [B, heads, N, D]
        Ok(self.self_projection.forward(&merge(&mixed)?)?)
    }

    /// Cross-attention.
    fn read(&self, tokens: &Tensor, context: &Tensor) -> Result<Tensor> {
        let query = self.query.forward(&self.norm_cross.forward(tokens)?)?; // [B, N, C]
        let key_value = self.key_value.forward(context)?; // [B, T, 2 C]
        let (q, kv) = (self.heads(&query, 1)?, self.heads(&key_value, 2)?); // [B, heads, N or T, D] each
        let mixed = attention(&q[0], &kv[0], &kv[1], None)?; // [B, heads, N, D]
        Ok(self.cross_projection.forward(&merge(&mixed)?)?)
    }

    /// The gated feed-forward (Shazeer, arXiv 2002.05202: GEGLU).
    fn think(&self, tokens: &Tensor) -> Result<Tensor> {
        let wide = self.expand.forward(&self.norm_feed_forward.forward(tokens)?)?; // [B, N, 2 r C]
        let halves = wide.f_chunk(2, -1)?;
        Ok(self.contract.forward(&halves[0].f_mul(&gelu(&halves[1])?)?)?)
    }

    /// [B, N, parts C] to `parts` of [B, heads, N, D].
    fn heads(&self, x: &Tensor, parts: i64) -> Result<Vec<Tensor>> {
        let (batch, positions, wide) = x.size3()?;
        let heads = wide / (parts * self.head_dim);
        let x = x.f_view([batch, positions, parts, heads, self.head_dim])?; // [B, N, parts, heads, D]
        Ok(x.f_transpose(1, 3)?.f_unbind(2)?) // parts of [B, heads, N, D]
    }
}

/// [B, heads, N, D] to [B, N, heads D].
fn merge(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_transpose(1, 2)?.f_flatten(2, 3)?)
}
