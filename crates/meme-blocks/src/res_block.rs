//! The residual block: two convolutions, steered by the time embedding.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, GroupNorm, Linear, LinearConfig, Path};

use crate::conv::{point_conv, same_conv, zero_conv};
use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::norm::{activate, norm};
use crate::resample::{enlarge, halve};
use crate::{Options, Resample};

/// Sizes of a [`ResBlock`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResBlockConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Channels of the time embedding.
    pub embedding: usize,
    /// Groups of both norms.
    pub norm_groups: usize,
    /// Whether the embedding scales and shifts the second norm (ADM) instead of being added before it (LDM).
    pub scale_shift_norm: bool,
    /// A change of size in front of the first convolution (ADM).
    pub resample: Option<Resample>,
    /// Probability of dropping a value in front of the second convolution, in training.
    pub dropout: f64,
}

impl ResBlockConfig {
    fn embedding_outputs(&self) -> usize {
        self.output * if self.scale_shift_norm { 2 } else { 1 }
    }

    /// What the block costs; `size` is that of its output, at which all its convolutions run.
    pub fn tally(&self, size: Size) -> Tally {
        let skip = if self.input == self.output {
            Tally::default()
        } else {
            Tally::conv(ConvShape::plain(self.input, self.output, 1), size)
        };
        Tally::norm(self.input)
            + Tally::conv(ConvShape::plain(self.input, self.output, 3), size)
            + Tally::linear(self.embedding, self.embedding_outputs())
            + Tally::norm(self.output)
            + Tally::conv(ConvShape::plain(self.output, self.output, 3), size)
            + skip
    }
}

/// Norm, SiLU, 3x3 convolution; the time embedding; norm, SiLU, 3x3 convolution that starts as zero; all added to
/// the input, which a 1x1 convolution brings to the output's channels if they differ (LDM; ADM's variants by
/// configuration).
///
/// Parameters: `norm_in`, `conv_in`, `embedding`, `norm_out`, `conv_out`, `skip`.
#[derive(Debug)]
pub struct ResBlock {
    name: String,
    norm_in: GroupNorm,
    conv_in: Conv2d,
    embedding: Linear,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    skip: Option<Conv2d>,
    config: ResBlockConfig,
}

impl ResBlock {
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) for sizes that no layer can have and names that are taken.
    pub fn new(path: &Path<'_>, config: ResBlockConfig) -> Result<Self> {
        let ResBlockConfig { input, output, norm_groups, .. } = config;
        let skip =
            (input != output).then(|| point_conv(&(path / "skip"), input, output)).transpose()?;
        Ok(ResBlock {
            name: path.name().to_owned(),
            norm_in: norm(&(path / "norm_in"), input, norm_groups)?,
            conv_in: same_conv(&(path / "conv_in"), input, output)?,
            embedding: Linear::new(
                &(path / "embedding"),
                config.embedding as i64,
                config.embedding_outputs() as i64,
                LinearConfig::default(),
            )?,
            norm_out: norm(&(path / "norm_out"), output, norm_groups)?,
            conv_out: zero_conv(&(path / "conv_out"), output, output)?,
            skip,
            config,
        })
    }

    /// [B, in, H, W] and an embedding [B, E] that has gone through SiLU ([1, E] serves all samples alike) to
    /// [B, out, H', W'].
    ///
    /// H' and W' are H and W, or halved and rounded up for [`Resample::Down`], or `to` for [`Resample::Up`] (twice
    /// H and W without it).
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        to: Option<(i64, i64)>,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        self.inner(x, embedding, to, options).map_err(|error| error.within(&self.name))
    }

    fn inner(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        to: Option<(i64, i64)>,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let h = self.norm_in.forward_silu(x)?; // [B, in, H, W]
        let (x, h) = match self.config.resample {
            None => (x.shallow_clone(), h),
            Some(Resample::Down) => (halve(x)?, halve(&h)?),
            Some(Resample::Up) => {
                let (_, _, height, width) = x.size4()?;
                let to = to.unwrap_or((2 * height, 2 * width));
                (enlarge(x, 2, to)?, enlarge(&h, 2, to)?)
            }
        }; // [B, in, H', W']
        let mut h = self.conv_in.forward(&h)?; // [B, out, H', W']
        let steering = self.embedding.forward(embedding)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?; // [B, out or 2 out, 1, 1]
        let h = if self.config.scale_shift_norm {
            let halves = steering.f_chunk(2, 1)?;
            let scale = halves[0].f_add_scalar(1.0)?;
            activate(halves[1].f_addcmul(&self.norm_out.forward(&h)?, &scale)?)?
        } else {
            self.norm_out.forward_silu(&h.f_add_(&steering)?)?
        }; // [B, out, H', W']
        let h = self.drop(h, options)?;
        let mut h = self.conv_out.forward(&h)?; // [B, out, H', W']
        let h = match &self.skip {
            None => h.f_add_(&x)?,
            Some(skip) => h.f_add_(&skip.forward(&x)?)?,
        }; // [B, out, H', W']
        options.watch(&self.name, &h);
        Ok(h)
    }

    fn drop(&self, h: Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        match &mut options.dropout {
            Some(dropout) if self.config.dropout > 0.0 => {
                let mask = dropout.mask(&self.name, &h, self.config.dropout)?;
                Ok(h.f_mul(&mask)?)
            }
            _ => Ok(h),
        }
    }
}
