//! The vector-quantised autoencoder.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Init, Path};

use crate::CoderConfig;
use crate::coder::{Decoder, Encoder, conv};
use crate::error::Result;

/// Rows whose distances to all vectors are held in memory at once.
const ROWS_AT_ONCE: i64 = 4096;

/// A vector-quantised autoencoder as latent diffusion uses it: the encoder's output before quantisation is the
/// latent, and decoding quantises first (`VQModelInterface`).
///
/// Parameters have CompVis' names: `encoder.*`, `decoder.*`, `quant_conv`, `post_quant_conv`,
/// `quantize.embedding.weight`.
#[derive(Debug)]
pub struct VqAutoencoder {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Conv2d,
    post_quant_conv: Conv2d,
    /// [K, C].
    codebook: Tensor,
}

impl VqAutoencoder {
    pub(crate) fn new(
        root: &Path<'_>,
        coder: &CoderConfig,
        codebook: usize,
        embedding: usize,
    ) -> Result<Self> {
        let z = coder.latent_channels;
        let shape = [codebook as i64, embedding as i64];
        // taming-transformers, `VectorQuantizer2`: uniform in +-1/K.
        let init = Init::Uniform { bound: 1.0 / codebook as f64 };
        Ok(VqAutoencoder {
            encoder: Encoder::new(&(root / "encoder"), coder, z)?,
            decoder: Decoder::new(&(root / "decoder"), coder)?,
            quant_conv: conv(&(root / "quant_conv"), z, embedding, 1)?,
            post_quant_conv: conv(&(root / "post_quant_conv"), embedding, z, 1)?,
            codebook: (root / "quantize" / "embedding").parameter("weight", &shape, init)?,
        })
    }

    /// Images [B, C, H, W] in [-1, 1] to latents before quantisation, [B, E, H / f, W / f].
    pub(crate) fn encode(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.quant_conv.forward(&self.encoder.forward(images)?)?)
    }

    /// Latents [B, E, h, w] to images [B, C, f h, f w], through the codebook.
    pub(crate) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let (quantised, _) = self.quantise(latents)?; // [B, E, h, w]
        self.reconstruct(&quantised)
    }

    /// Latents [B, E, h, w] as they are, quantised or not, to images [B, C, f h, f w]. Gradients pass.
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn reconstruct(&self, latents: &Tensor) -> Result<Tensor> {
        self.decoder.forward(&self.post_quant_conv.forward(latents)?)
    }

    /// The vectors, [K, E].
    pub fn codebook(&self) -> &Tensor {
        &self.codebook
    }

    /// Each position's nearest vector, [B, E, h, w], and its number in the codebook, int64 [B, h, w]. No gradient
    /// passes. Memory is bounded: distances are computed for a few thousand positions at a time.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the latents' channels are not the codebook's.
    pub fn quantise(&self, latents: &Tensor) -> Result<(Tensor, Tensor)> {
        let (batch, channels, height, width) = latents.size4()?;
        let codebook = self.codebook.detach();
        let rows = latents.detach().f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?; // [N, E]
        // |z - e|^2 without |z|^2, which is the same for all vectors of a position.
        let squares = codebook.f_square()?.f_sum_dim_intlist(1, false, None)?; // [K]
        let columns = codebook.f_mul_scalar(-2.0)?.f_transpose(0, 1)?; // [E, K]
        let numbers = rows
            .f_split(ROWS_AT_ONCE, 0)?
            .iter()
            .map(|rows| {
                let distances = squares.f_addmm(rows, &columns)?; // [n, K]
                distances.f_argmin(1, false) // [n]
            })
            .collect::<Result<Vec<_>, _>>()?;
        let numbers = Tensor::f_cat(&numbers, 0)?; // [N]
        let vectors = codebook.f_index_select(0, &numbers)?; // [N, E]
        let quantised =
            vectors.f_view([batch, height, width, channels])?.f_permute([0, 3, 1, 2])?;
        Ok((quantised.f_contiguous()?, numbers.f_view([batch, height, width])?))
    }
}
