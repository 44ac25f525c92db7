//! The diffusion loss of one expert.

use std::ops::Range;
use std::sync::Arc;

use meme_data::{ArraySource, Order};
use meme_random::{Purpose, Stream};
use meme_router::{Assignment, Expert, Index, Intervals};
use meme_schedule::{LossWeight, Parametrisation, Schedule};
use meme_torch::tch::{Device, Tensor};

use crate::{Batches, Error, Loss, Objective, Stop, Validated, Validation};

/// Everything the diffusion loss of one expert depends on, apart from its network.
pub struct DiffusionConfig {
    /// Clean images or latents, `[C, H, W]` each.
    pub data: Arc<dyn ArraySource>,
    /// The noise schedule.
    pub schedule: Schedule,
    /// What the network predicts.
    pub parametrisation: Parametrisation,
    /// How losses at different noise levels are weighted.
    pub weight: LossWeight,
    /// Who owns which timestep.
    pub intervals: Intervals,
    /// How this expert's timesteps are drawn.
    pub assignment: Assignment,
    /// Which expert this is.
    pub expert: Expert,
    /// Seed of every draw.
    pub seed: u64,
    /// Mirror images at random.
    pub flip: bool,
    /// Buckets of the loss statistics, equal shares of 1..T.
    pub buckets: usize,
    /// Where the network lives.
    pub device: Device,
}

impl DiffusionConfig {
    /// The timestep index that image counter `image` is trained at.
    ///
    /// # Errors
    /// Where assignment, intervals and expert do not belong together.
    pub fn index_of(&self, image: u64) -> Result<Index, Error> {
        Ok(self.assignment.draw(&self.intervals, self.seed, self.expert, image)?)
    }

    fn stream(&self, purpose: Purpose, image: u64) -> Stream {
        Stream::new(self.seed, purpose, self.expert.number(), image)
    }

    /// The order in which the data is seen: every epoch is a permutation of all, the same one for
    /// every expert.
    ///
    /// # Errors
    /// Where there is no data.
    pub fn order(&self) -> Result<Order, Error> {
        Ok(Order::shuffled(self.seed, self.data.len())?)
    }

    /// The bucket that a timestep's loss is reported under.
    #[must_use]
    pub fn bucket_of(&self, index: Index) -> usize {
        index.get() * self.buckets / self.schedule.steps()
    }
}

/// Noisy inputs and what the network should say to them, in ordinary memory.
pub struct DiffusionBatch {
    shape: [usize; 3],
    noisy: Vec<f32>,
    target: Vec<f32>,
    weights: Vec<f32>,
    indices: Vec<Index>,
    images: Range<u64>,
}

impl Batches for DiffusionConfig {
    type Batch = DiffusionBatch;

    fn prepare(&self, images: Range<u64>) -> Result<DiffusionBatch, Error> {
        let shape = self.data.shape();
        let size: usize = shape.iter().product();
        let count = (images.end - images.start) as usize;
        let mut noisy = vec![0f32; count * size];
        let mut target = vec![0f32; count * size];
        let mut weights = Vec::with_capacity(count);
        let mut indices = Vec::with_capacity(count);
        let order = self.order()?;
        let rows = noisy.chunks_exact_mut(size).zip(target.chunks_exact_mut(size));
        for (image, (noisy, target)) in images.clone().zip(rows) {
            let index = order.at(image).index;
            self.data.read(index, noisy)?;
            if let Some(position) = noisy.iter().position(|value| !value.is_finite()) {
                return Err(Error::DataNotFinite {
                    index,
                    position,
                    value: noisy[position],
                    image,
                });
            }
            if self.flip && meme_data::is_flipped(self.seed, image) {
                meme_data::flip(shape, noisy);
            }
            self.stream(Purpose::Noise, image).fill_normal(target);
            let index = self.index_of(image)?;
            let alpha_bar = self.schedule.alpha_bar(index);
            let (signal, noise) = (alpha_bar.sqrt() as f32, (1.0 - alpha_bar).sqrt() as f32);
            let (from_x0, from_noise) = self.parametrisation.target_coefficients(alpha_bar);
            let (from_x0, from_noise) = (from_x0 as f32, from_noise as f32);
            for (x, y) in noisy.iter_mut().zip(target) {
                let (x0, epsilon) = (*x, *y);
                *x = signal * x0 + noise * epsilon;
                *y = from_x0 * x0 + from_noise * epsilon;
            }
            weights.push(self.weight.of(self.parametrisation, alpha_bar) as f32);
            indices.push(index);
        }
        Ok(DiffusionBatch { shape, noisy, target, weights, indices, images })
    }
}

/// What a [`Diffusion`] is validated on while it trains.
pub struct HeldOut {
    /// Images or latents that are not trained on, of the training data's shape.
    pub data: Arc<dyn ArraySource>,
    /// Images used, from the first.
    pub images: usize,
    /// Images per forward pass.
    pub batch: usize,
    /// Where losses are measured.
    pub indices: Vec<Index>,
    /// Seed of the noise; one for all experts has them answer the same questions.
    pub seed: u64,
}

/// A network in training: a closure of noisy images and indices is one, and [`PerImage`] where it
/// also asks which images it sees.
pub trait InTraining {
    /// Its answer to noisy images `[B, C, H, W]` at 0-based indices `[B]` (int64). `images` are the
    /// counters of the images that it learns from, one a row; none where it is only validated.
    ///
    /// # Errors
    /// Whatever the network can fail with.
    fn answer(
        &mut self,
        noisy: &Tensor,
        indices: &Tensor,
        images: Option<Range<u64>>,
    ) -> Result<Tensor, Error>;
}

impl<F: FnMut(&Tensor, &Tensor) -> Result<Tensor, Error>> InTraining for F {
    fn answer(
        &mut self,
        noisy: &Tensor,
        indices: &Tensor,
        _: Option<Range<u64>>,
    ) -> Result<Tensor, Error> {
        self(noisy, indices)
    }
}

/// A closure that also takes the counters of the images that it learns from (none where it is only
/// validated): dropout is drawn from them, and so repeats however batches are cut.
pub struct PerImage<F>(pub F);

impl<F> InTraining for PerImage<F>
where
    F: FnMut(&Tensor, &Tensor, Option<Range<u64>>) -> Result<Tensor, Error>,
{
    fn answer(
        &mut self,
        noisy: &Tensor,
        indices: &Tensor,
        images: Option<Range<u64>>,
    ) -> Result<Tensor, Error> {
        (self.0)(noisy, indices, images)
    }
}

/// The loss of one expert: weighted mean squared error between the network's output and what its
/// parametrisation asks for, at timesteps drawn by the expert's assignment.
pub struct Diffusion<N> {
    config: Arc<DiffusionConfig>,
    held_out: Option<HeldOut>,
    network: N,
}

impl<N: InTraining> Diffusion<N> {
    /// `network` takes noisy images `[B, C, H, W]` and 0-based indices `[B]` (int64), and in
    /// [`PerImage`] the images' counters.
    ///
    /// # Errors
    /// [`Error::Data`] where the data is empty or the schedule and the intervals disagree on T.
    pub fn new(config: DiffusionConfig, network: N) -> Result<Self, Error> {
        if config.data.is_empty() {
            return Err(Error::Data { what: "there is no image to train on".into() });
        }
        if config.schedule.steps() != config.intervals.steps() {
            return Err(Error::Data {
                what: format!(
                    "the schedule has {} timesteps, the experts' intervals cover {}",
                    config.schedule.steps(),
                    config.intervals.steps()
                ),
            });
        }
        config.assignment.check(&config.intervals)?;
        Ok(Self { config: Arc::new(config), held_out: None, network })
    }

    /// With data to be validated on while it trains
    /// ([`TrainConfig::validation_images`](crate::TrainConfig::validation_images)).
    ///
    /// # Errors
    /// [`Error::Data`] where that data is empty or of another shape.
    pub fn with_held_out(mut self, held_out: HeldOut) -> Result<Self, Error> {
        let (shape, found) = (self.config.data.shape(), held_out.data.shape());
        if held_out.data.is_empty() || found != shape {
            return Err(Error::Data {
                what: format!(
                    "{} held-out images of {found:?} cannot validate a network for {shape:?}",
                    held_out.data.len()
                ),
            });
        }
        self.held_out = Some(held_out);
        Ok(self)
    }
}

impl<N: InTraining> Objective for Diffusion<N> {
    type Batch = DiffusionBatch;

    fn batches(&self) -> Arc<dyn Batches<Batch = DiffusionBatch>> {
        self.config.clone()
    }

    fn buckets(&self) -> usize {
        self.config.buckets
    }

    fn loss(&mut self, batch: &DiffusionBatch) -> Result<Loss, Error> {
        let device = self.config.device;
        let [channels, height, width] = batch.shape.map(|side| side as i64);
        let shape = [batch.indices.len() as i64, channels, height, width];
        let noisy = meme_torch::from_f32(&batch.noisy, &shape, device)?;
        let target = meme_torch::from_f32(&batch.target, &shape, device)?;
        let weights = meme_torch::from_f32(&batch.weights, &shape[..1], device)?;
        let indices: Vec<i64> = batch.indices.iter().map(|index| index.get() as i64).collect();
        let indices = Tensor::from_slice(&indices).to(device);
        let output = self.network.answer(&noisy, &indices, Some(batch.images.clone()))?;
        let per_image = squared_error(&output, &target)? * weights;
        let buckets = batch.indices.iter().map(|&index| self.config.bucket_of(index)).collect();
        Ok(Loss { per_image, buckets })
    }

    fn validate(&mut self, stop: &Stop) -> Result<Option<Validated>, Error> {
        let Some(held_out) = &self.held_out else { return Ok(None) };
        let (config, network) = (&self.config, &mut self.network);
        let validation = Validation {
            data: &*held_out.data,
            schedule: &config.schedule,
            parametrisation: config.parametrisation,
            images: held_out.images,
            batch: held_out.batch,
            seed: held_out.seed,
            device: config.device,
        };
        let ask = |noisy: &Tensor, indices: &[Index]| {
            let indices: Vec<i64> = indices.iter().map(|index| index.get() as i64).collect();
            network.answer(noisy, &Tensor::from_slice(&indices).to(config.device), None)
        };
        let Some(losses) = validation.losses(&held_out.indices, ask, stop)? else {
            return Ok(None);
        };
        let timesteps = held_out.indices.iter().map(|index| index.get() as u64 + 1).collect();
        Ok(Some(Validated { images: 0, timesteps, losses }))
    }
}

/// Mean squared difference of every image, `[B]`, in f32 whatever the network's dtype.
pub(crate) fn squared_error(output: &Tensor, target: &Tensor) -> Result<Tensor, Error> {
    if output.size() != target.size() {
        return Err(Error::Data {
            what: format!(
                "the network answered {:?} to an input of {:?}",
                output.size(),
                target.size()
            ),
        });
    }
    let difference = output.to_kind(target.kind()) - target;
    Ok(difference.square().mean_dim(&[1i64, 2, 3][..], false, None))
}
