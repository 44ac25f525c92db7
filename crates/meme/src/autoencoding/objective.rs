//! The loss of a first stage.

use std::ops::Range;
use std::sync::Arc;

use meme_autoencoder::{CodebookAverage, FirstStage, divergence};
use meme_data::{ArraySource, Order};
use meme_metrics::FeatureNetwork;
use meme_random::{Purpose, Stream};
use meme_torch::Parameters;
use meme_torch::tch::{Device, TchError, Tensor};
use meme_trainer::{Batches, Error, Loss, Objective};

use super::{AutoencodingLoss, FirstStageExperiment, Reconstruction};
use crate::Result;

/// Where a VQ stage's averages stand among its parameters.
pub(super) const AVERAGE: &str = "codebook_average";

/// Keeps the direction of channels that are all 0 finite.
const SMALL: f64 = 1e-10;

/// A first stage in training: how far pictures are from what comes back of them.
///
/// Everything is a function of the pictures' counters: which picture, whether it is mirrored, and the noise with
/// which a KL stage draws from its posterior. A VQ stage's codebook moves in each forward pass, by its averages, which are
/// parameters too; its gradient passes from the quantised latents to the latents as if they were the same.
pub struct Autoencoding {
    stage: FirstStage,
    average: Option<CodebookAverage>,
    features: Option<FeatureNetwork>,
    loss: AutoencodingLoss,
    batches: Arc<Ordered>,
    device: Device,
}

/// The pictures of one forward pass.
pub struct Pixels {
    values: Vec<f32>,
    images: Range<u64>,
}

struct Ordered {
    data: Arc<dyn ArraySource>,
    order: Order,
    seed: u64,
    flip: bool,
}

impl Batches for Ordered {
    type Batch = Pixels;

    fn prepare(&self, images: Range<u64>) -> std::result::Result<Pixels, Error> {
        let shape = self.data.shape();
        let size = shape.iter().product::<usize>();
        let mut values = vec![0.0; (images.end - images.start) as usize * size];
        for (image, values) in images.clone().zip(values.chunks_exact_mut(size)) {
            self.data.read(self.order.at(image).index, values)?;
            if self.flip && meme_data::is_flipped(self.seed, image) {
                meme_data::flip(shape, values);
            }
        }
        Ok(Pixels { values, images })
    }
}

impl Autoencoding {
    /// Builds the stage on `parameters`, to be trained on `pictures` [3, H, W] in [-1, 1]; with `features`, their maps
    /// are compared too.
    ///
    /// # Errors
    /// What building the stage can fail with, and a source without pictures.
    pub fn new(
        experiment: &FirstStageExperiment,
        parameters: &mut Parameters,
        pictures: Arc<dyn ArraySource>,
        features: Option<FeatureNetwork>,
    ) -> Result<Self> {
        let device = parameters.device();
        let root = parameters.root();
        let stage = FirstStage::new(&root, &experiment.first_stage)?;
        let average = stage
            .as_vq()
            .map(|vq| CodebookAverage::new(&(&root / AVERAGE), vq, experiment.loss.codebook_decay))
            .transpose()?;
        let (seed, flip) = (experiment.train.seed, experiment.train.flip);
        let order = Order::shuffled(seed, pictures.len())?;
        let batches = Arc::new(Ordered { data: pictures, order, seed, flip });
        let loss = experiment.loss.clone();
        Ok(Self { stage, average, features, loss, batches, device })
    }

    /// Reconstructions [B, 3, H, W] with gradients, and for each picture the term that shapes its latents, [B].
    fn reconstruct(
        &mut self,
        pixels: &Tensor,
        images: &Range<u64>,
    ) -> std::result::Result<(Tensor, Tensor), meme_autoencoder::Error> {
        if let Some(kl) = self.stage.as_kl() {
            let (mean, log_variance) = kl.posterior(pixels)?;
            let seed = self.batches.seed;
            let streams: Vec<Stream> =
                images.clone().map(|image| Stream::new(seed, Purpose::Noise, 0, image)).collect();
            let noise = meme_torch::noise(&streams, &mean.size()[1..], self.device)?;
            let deviation = log_variance.f_mul_scalar(0.5)?.f_exp()?;
            let latents = mean.f_add(&deviation.f_mul(&noise)?)?;
            let values = pixels.size()[1..].iter().product::<i64>() as f64;
            let far = divergence(&mean, &log_variance)?;
            let far = far.f_mul_scalar(self.loss.divergence / values)?;
            return Ok((kl.reconstruct(&latents)?, far));
        }
        let latents = self.stage.encode(pixels)?;
        let (Some(vq), Some(average)) = (self.stage.as_vq(), &mut self.average) else {
            let (field, rule) = ("kind".into(), "only `vq` and `kl` learn anything".into());
            return Err(meme_autoencoder::Error::Config { field, rule });
        };
        if images.start == 0 {
            average.begin(&latents)?;
        }
        let (quantised, numbers) = vq.quantise(&latents)?;
        let straight = latents.f_add(&quantised.f_sub(&latents)?.detach())?;
        let far = each_mean(&latents.f_sub(&quantised)?.f_square()?)?;
        let far = far.f_mul_scalar(self.loss.commitment)?;
        // Gathered vectors are copies: what moves now moves nothing that the gradient still needs.
        average.update(&latents, &numbers)?;
        Ok((vq.reconstruct(&straight)?, far))
    }

    /// How far feature maps are apart, [B]: squared distance of the channels' directions, averaged over positions and
    /// maps (Zhang et al., arXiv 1801.03924, with all weights equal).
    fn perceptual(
        &self,
        features: &FeatureNetwork,
        pixels: &Tensor,
        found: &Tensor,
    ) -> std::result::Result<Tensor, Error> {
        let maps = |images: &Tensor| features.maps(images).map_err(Error::objective);
        let (wanted, made) = (maps(pixels)?, maps(found)?);
        let apart = |wanted: &Tensor, made: &Tensor| {
            let difference = direction(made)?.f_sub(&direction(&wanted.detach())?)?;
            each_mean(&difference.f_square()?.f_sum_dim_intlist(1, true, None)?)
        };
        let mut sum = Tensor::zeros([pixels.size()[0]], (found.kind(), found.device()));
        for (wanted, made) in wanted.iter().zip(&made) {
            sum += apart(wanted, made).map_err(Error::objective)?;
        }
        Ok(sum / made.len().max(1) as f64)
    }
}

impl Objective for Autoencoding {
    type Batch = Pixels;

    fn batches(&self) -> Arc<dyn Batches<Batch = Pixels>> {
        self.batches.clone()
    }

    fn buckets(&self) -> usize {
        1
    }

    fn loss(&mut self, batch: &Pixels) -> std::result::Result<Loss, Error> {
        let count = (batch.images.end - batch.images.start) as usize;
        let [channels, height, width] = self.batches.data.shape().map(|side| side as i64);
        let shape = [count as i64, channels, height, width];
        let pixels = meme_torch::from_f32(&batch.values, &shape, self.device)?;
        let (found, latent_term) =
            self.reconstruct(&pixels, &batch.images).map_err(Error::objective)?;
        let difference = found.f_sub(&pixels).map_err(Error::objective)?;
        let difference = match self.loss.reconstruction {
            Reconstruction::Absolute => difference.abs(),
            Reconstruction::Squared => difference.square(),
        };
        let mut per_image = each_mean(&difference).map_err(Error::objective)? + latent_term;
        if let Some(features) = &self.features {
            per_image += self.perceptual(features, &pixels, &found)? * self.loss.perceptual;
        }
        Ok(Loss { per_image, buckets: vec![0; count] })
    }
}

/// [B, ...] to the means [B].
fn each_mean(values: &Tensor) -> std::result::Result<Tensor, TchError> {
    values.f_flatten(1, -1)?.f_mean_dim(&[1_i64][..], false, None)
}

/// Maps [B, C, h, w] with the channels of every position brought to length 1.
fn direction(map: &Tensor) -> std::result::Result<Tensor, TchError> {
    let squares = map.f_square()?.f_sum_dim_intlist(1, true, None)?;
    map.f_div(&squares.f_add_scalar(SMALL)?.f_sqrt()?)
}
