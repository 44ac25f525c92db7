//! The variational autoencoder.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Path};

use crate::CoderConfig;
use crate::coder::{Decoder, Encoder, conv};
use crate::error::Result;

/// Bounds of the log variance, as in `DiagonalGaussianDistribution`.
const LOG_VARIANCE: (f64, f64) = (-30.0, 20.0);

/// A variational autoencoder with a diagonal normal posterior (`AutoencoderKL` of latent diffusion).
///
/// Parameters have CompVis' names: `encoder.*`, `decoder.*`, `quant_conv`, `post_quant_conv`.
#[derive(Debug)]
pub struct KlAutoencoder {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Conv2d,
    post_quant_conv: Conv2d,
    scale: f64,
}

impl KlAutoencoder {
    pub(crate) fn new(
        root: &Path<'_>,
        coder: &CoderConfig,
        embedding: usize,
        scale: f64,
    ) -> Result<Self> {
        let z = coder.latent_channels;
        Ok(KlAutoencoder {
            encoder: Encoder::new(&(root / "encoder"), coder, 2 * z)?,
            decoder: Decoder::new(&(root / "decoder"), coder)?,
            quant_conv: conv(&(root / "quant_conv"), 2 * z, 2 * embedding, 1)?,
            post_quant_conv: conv(&(root / "post_quant_conv"), embedding, z, 1)?,
            scale,
        })
    }

    /// Images [B, C, H, W] in [-1, 1] to mean and log variance of the posterior, each [B, E, H / f, W / f], unscaled.
    /// The log variance lies in -30..20.
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn posterior(&self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        let moments = self.quant_conv.forward(&self.encoder.forward(images)?)?; // [B, 2 E, h, w]
        let halves = moments.f_chunk(2, 1)?;
        let log_variance = halves[1].f_clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)?;
        Ok((halves[0].shallow_clone(), log_variance))
    }

    /// Images to the scaled mean of their posterior, [B, E, H / f, W / f].
    pub(crate) fn encode(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.posterior(images)?.0.f_mul_scalar(self.scale)?)
    }

    /// Scaled latents [B, E, h, w] to images [B, C, f h, f w].
    pub(crate) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.reconstruct(&latents.f_div_scalar(self.scale)?)
    }

    /// Unscaled latents [B, E, h, w], such as draws from the posterior, to images [B, C, f h, f w].
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn reconstruct(&self, latents: &Tensor) -> Result<Tensor> {
        self.decoder.forward(&self.post_quant_conv.forward(latents)?)
    }
}

/// How far normal posteriors are from the standard normal, in nats: `0.5 (mean^2 + exp(log_variance) - 1 -
/// log_variance)` summed over everything but the batch (Kingma and Welling, arXiv 1312.6114, appendix B). Mean and log
/// variance `[B, ...]` give `[B]`.
///
/// # Errors
/// [`Error::Torch`](crate::Error::Torch) where the two have different shapes.
pub fn divergence(mean: &Tensor, log_variance: &Tensor) -> Result<Tensor> {
    let terms = mean.f_square()?.f_add(&log_variance.f_exp()?)?;
    let terms = terms.f_sub(log_variance)?.f_add_scalar(-1.0)?;
    Ok(terms.f_flatten(1, -1)?.f_sum_dim_intlist(1, false, None)?.f_mul_scalar(0.5)?)
}
