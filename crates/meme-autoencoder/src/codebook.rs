//! Learning a codebook by averages instead of gradients.

use meme_torch::tch::{Kind, Tensor, no_grad};
use meme_torch::{Init, Path};

use crate::VqAutoencoder;
use crate::error::Result;

/// A vector that is met less often than this in an average batch stays where it is: what is left of its sum is
/// rounding.
const LEAST_COUNT: f64 = 1e-5;

/// Moving averages from which a codebook follows the latents that fall to its vectors (van den Oord et al.,
/// arXiv 1711.00937, appendix A.1):
///
/// ```text
/// N_k = decay N_k + (1 - decay) n_k            n_k latents of a batch are nearest to vector k
/// m_k = decay m_k + (1 - decay) (their sum)
/// e_k = m_k / N_k
/// ```
///
/// Both averages are parameters without gradients, `NAME.count` `[K]` and `NAME.sum` `[K, E]`, so that they are saved and
/// resumed with the weights. The codebook takes no gradients either once this is made of it.
#[derive(Debug)]
pub struct CodebookAverage {
    codebook: Tensor,
    count: Tensor,
    sum: Tensor,
    decay: f64,
}

impl CodebookAverage {
    /// Averages for the codebook of `stage` under `place`; `decay` lies in [0, 1), usually 0.99.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a decay outside its range, [`Error::Layer`](crate::Error::Layer)
    /// where a name is taken.
    pub fn new(place: &Path<'_>, stage: &VqAutoencoder, decay: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&decay) {
            let rule = format!("{decay} does not lie in [0, 1)");
            return Err(crate::Error::Config { field: "codebook_decay".into(), rule });
        }
        let codebook = stage.codebook().shallow_clone();
        let size = codebook.size();
        let count = place.parameter("count", &size[..1], Init::Ones)?;
        let sum = place.parameter("sum", &size, Init::Zeros)?;
        for tensor in [&codebook, &count, &sum] {
            let _ = tensor.set_requires_grad(false);
        }
        no_grad(|| sum.shallow_clone().f_copy_(&codebook))?;
        Ok(CodebookAverage { codebook, count, sum, decay })
    }

    /// Puts the vectors on latents [B, E, h, w] of a first batch, evenly spread over it: vectors that start far from all
    /// latents would never be met. To be called once, before anything was learned.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the latents' channels are not the codebook's.
    pub fn begin(&mut self, latents: &Tensor) -> Result<()> {
        no_grad(|| {
            let rows = rows(latents)?; // [N, E]
            let (vectors, found) = (self.count.size()[0], rows.size()[0]);
            let chosen: Vec<i64> = (0..vectors).map(|vector| vector * found / vectors).collect();
            let chosen = Tensor::from_slice(&chosen).f_to_device(rows.device())?;
            self.codebook.f_copy_(&rows.f_index_select(0, &chosen)?)?;
            let _ = self.count.f_fill_(1.0)?;
            self.sum.f_copy_(&self.codebook)?;
            Ok(())
        })
    }

    /// Takes in a batch: latents [B, E, h, w] and the numbers of their nearest vectors, int64 [B, h, w], as
    /// [`VqAutoencoder::quantise`] gives them.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch) where the two do not fit each other or the codebook.
    pub fn update(&mut self, latents: &Tensor, numbers: &Tensor) -> Result<()> {
        no_grad(|| {
            let (rows, numbers) = (rows(latents)?, numbers.f_reshape([-1])?);
            let vectors = self.count.size()[0];
            let met = numbers.f_bincount(None::<&Tensor>, vectors)?.f_to_kind(Kind::Float)?; // [K]
            let sums = self.sum.f_zeros_like()?.f_index_add(0, &numbers, &rows)?; // [K, E]
            let _ = self.count.f_lerp_(&met, 1.0 - self.decay)?;
            let _ = self.sum.f_lerp_(&sums, 1.0 - self.decay)?;
            let alive = self.count.f_ge(LEAST_COUNT)?.f_unsqueeze(1)?; // [K, 1]
            let means = self.sum.f_div(&self.count.f_clamp_min(LEAST_COUNT)?.f_unsqueeze(1)?)?;
            self.codebook.f_copy_(&means.f_where_self(&alive, &self.codebook)?)?;
            Ok(())
        })
    }
}

/// [B, E, h, w] to [B h w, E].
fn rows(latents: &Tensor) -> Result<Tensor> {
    let channels = latents.size4()?.1;
    let rows = latents.detach().f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?;
    Ok(rows.f_to_kind(Kind::Float)?)
}
