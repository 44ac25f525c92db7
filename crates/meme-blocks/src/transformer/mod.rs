//! The spatial transformer: positions look at each other and at context tokens.

mod layer;

use meme_torch::tch::Tensor;
use meme_torch::{GroupNorm, GroupNormConfig, Linear, LinearConfig, Path};

use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::{Error, Options};
use layer::Layer;

/// Added to the variance of the norm in front of a transformer (LDM; the other norms have 1e-5).
pub(crate) const EPSILON: f64 = 1e-6;

/// Sizes of a [`SpatialTransformer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerConfig {
    /// Channels in and out, a multiple of `head_dim` and of `norm_groups`.
    pub channels: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Groups of the norm.
    pub norm_groups: usize,
    /// Numbers of a context token.
    pub context: usize,
    /// Layers.
    pub depth: usize,
    /// Width of a layer's feed-forward as a multiple of the channels.
    pub feed_forward: usize,
}

impl TransformerConfig {
    /// What the block costs at that size with `tokens` context tokens.
    pub fn tally(&self, size: Size, tokens: usize) -> Tally {
        let &Self { channels, context, feed_forward, .. } = self;
        let unbiased =
            |input, output| ConvShape { bias: false, ..ConvShape::plain(input, output, 1) };
        let square = Tally::conv(ConvShape::plain(channels, channels, 1), size);
        let wide = feed_forward * channels;
        let layer = Tally::norm(channels)
            + Tally::conv(unbiased(channels, 3 * channels), size)
            + Tally::attention(channels, size)
            + square
            + Tally::norm(channels)
            + Tally::conv(unbiased(channels, channels), size)
            + Tally::conv(unbiased(context, 2 * channels), Size { height: 1, width: tokens })
            + Tally::cross_attention(channels, size, tokens)
            + square
            + Tally::norm(channels)
            + Tally::conv(ConvShape::plain(channels, 2 * wide, 1), size)
            + Tally::conv(ConvShape::plain(wide, channels, 1), size);
        let layers: Tally = (0..self.depth).map(|_| layer).sum();
        Tally::norm(channels) + square + layers + square
    }
}

/// LDM's conditioning block (Rombach et al., arXiv 2112.10752, section 3.3 and appendix E.2.1): norm, a linear layer
/// in, `depth` layers, a linear layer out that starts as zero, added to the input.
///
/// A layer sees the map as N = H W tokens of C numbers and adds three things to them, each computed from a layer norm
/// of what was there before: self-attention; cross-attention, whose queries are the tokens and whose keys and values
/// come from the context [B, T, context]; and a gated feed-forward, `contract(a * GELU(g))` with a and g the halves of
/// `expand`.
///
/// Parameters: `norm`, `enter`, `leave`, and for each layer D `D.norm_self`, `D.self.{qkv, projection}`,
/// `D.norm_cross`, `D.cross.{query, key_value, projection}`, `D.norm_feed_forward`, `D.feed_forward.{expand,
/// contract}`. Rows of `qkv` are ordered [3, heads, head_dim], those of `key_value` [2, heads, head_dim].
///
/// ```
/// use meme_blocks::{Options, SpatialTransformer, TransformerConfig};
/// use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
///
/// let config = TransformerConfig {
///     channels: 64, head_dim: 16, norm_groups: 8, context: 24, depth: 1, feed_forward: 4,
/// };
/// let mut parameters = Parameters::new(Device::Cpu, 7, 0);
/// let block = SpatialTransformer::new(&parameters.root(), config)?;
/// let float = (Kind::Float, Device::Cpu);
/// let (x, words) = (Tensor::ones([2, 64, 9, 13], float), Tensor::ones([2, 5, 24], float));
/// let y = block.forward(&x, &mut Options { context: Some(&words), ..Options::default() })?;
/// assert_eq!(y.size(), [2, 64, 9, 13]);
/// # Ok::<(), meme_blocks::Error>(())
/// ```
#[derive(Debug)]
pub struct SpatialTransformer {
    name: String,
    norm: GroupNorm,
    enter: Linear,
    layers: Vec<Layer>,
    leave: Linear,
    context: i64,
}

impl SpatialTransformer {
    /// # Errors
    /// [`Error::Architecture`] for heads that do not divide the channels, [`Error::Layer`] for groups that do not and
    /// sizes that no layer can have.
    pub fn new(path: &Path<'_>, config: TransformerConfig) -> Result<Self> {
        let TransformerConfig { channels, head_dim, norm_groups, .. } = config;
        if head_dim == 0 || !channels.is_multiple_of(head_dim) {
            let rule = format!("{head_dim} does not divide {channels} channels");
            return Err(Error::Architecture { field: "head_dim".into(), rule });
        }
        let wide = channels as i64;
        let norm = GroupNormConfig { groups: norm_groups as i64, epsilon: EPSILON };
        let zero = LinearConfig { zero: true, ..LinearConfig::default() };
        Ok(SpatialTransformer {
            name: path.name().to_owned(),
            norm: GroupNorm::new(&(path / "norm"), wide, norm)?,
            enter: Linear::new(&(path / "enter"), wide, wide, LinearConfig::default())?,
            layers: (0..config.depth)
                .map(|depth| Layer::new(&(path / &depth.to_string()), config))
                .collect::<Result<_>>()?,
            leave: Linear::new(&(path / "leave"), wide, wide, zero)?,
            context: config.context as i64,
        })
    }

    /// [B, C, H, W] to the same shape, for any H and W; reads the context [B, T, context] from the options.
    ///
    /// # Errors
    /// [`Error::Context`] without a context, [`Error::Shape`] for one of another shape, [`Error::Layer`] where the
    /// channels do not fit.
    pub fn forward(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let h = self.inner(x, options).map_err(|error| error.within(&self.name))?;
        options.watch(&self.name, &h);
        Ok(h)
    }

    fn inner(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let context = options.context.ok_or(Error::Context { width: self.context as usize })?;
        if !matches!(context.size().as_slice(), &[b, t, d] if b == batch && t > 0 && d == self.context)
        {
            let needed = format!("[{batch}, T, {}]", self.context);
            return Err(Error::Shape { what: "the context", found: context.size(), needed });
        }
        let tokens = self.norm.forward(x)?.f_flatten(2, 3)?.f_transpose(1, 2)?; // [B, N, C]
        let mut tokens = self.enter.forward(&tokens)?; // [B, N, C]
        for layer in &self.layers {
            tokens = layer.forward(&tokens, context, (height, width), options)?; // [B, N, C]
        }
        let h = self.leave.forward(&tokens)?; // [B, N, C]
        Ok(x.f_add(&h.f_transpose(1, 2)?.f_reshape([batch, channels, height, width])?)?)
    }
}
