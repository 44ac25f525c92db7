//! Where random numbers come from.

use meme_random::{Purpose, Stream};
use meme_torch::tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// The noise that a stochastic sampler adds.
///
/// Closures `FnMut(usize, &Tensor) -> Result<Tensor>` are noise.
pub trait Noise {
    /// Standard normal noise for step `step` (counted from 0), of the shape, type and device of
    /// `like` [B, ...]. The same step must give the same noise, so that a run can be continued.
    ///
    /// # Errors
    /// [`Error::Count`] where there is not one stream for each sample.
    fn step(&mut self, step: usize, like: &Tensor) -> Result<Tensor>;
}

impl<F: FnMut(usize, &Tensor) -> Result<Tensor>> Noise for F {
    fn step(&mut self, step: usize, like: &Tensor) -> Result<Tensor> {
        self(step, like)
    }
}

/// Noise in which every sample has a stream of its own: sample `image` of seed `seed` starts from
/// the same noise and meets the same noise on its way, whatever the batch it is in, its place
/// there, the device and the machine.
///
/// Start noise is `Stream::new(seed, Purpose::Sample, 0, image)`; that of step k is
/// `Stream::new(seed, Purpose::SampleStep, k, image)`, with the step in the field that holds the
/// expert elsewhere. Normals are drawn in float32.
///
/// ```
/// use meme_sampler::SampleNoise;
/// use meme_torch::tch::{Device, Kind};
///
/// let both = SampleNoise::new(vec![(7, 0), (7, 1)]).start(&[3, 8, 8], Kind::Float, Device::Cpu)?;
/// let second = SampleNoise::new(vec![(7, 1)]).start(&[3, 8, 8], Kind::Float, Device::Cpu)?;
/// assert_eq!(both.get(1), second.get(0));
/// # Ok::<(), meme_sampler::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleNoise {
    samples: Vec<(u64, u64)>,
}

impl SampleNoise {
    /// One (seed, image) for each sample of the batch.
    #[must_use]
    pub fn new(samples: Vec<(u64, u64)>) -> Self {
        Self { samples }
    }

    /// The batch's samples.
    #[must_use]
    pub fn samples(&self) -> &[(u64, u64)] {
        &self.samples
    }

    /// x_T: standard normal noise [samples, shape...].
    ///
    /// # Errors
    /// [`Error::Torch`] for an empty shape or where memory runs out.
    pub fn start(&self, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        self.draw(Purpose::Sample, 0, shape, kind, device)
    }

    fn draw(
        &self,
        purpose: Purpose,
        step: u16,
        shape: &[i64],
        kind: Kind,
        device: Device,
    ) -> Result<Tensor> {
        let stream = |(seed, image): &(u64, u64)| Stream::new(*seed, purpose, step, *image);
        let streams: Vec<Stream> = self.samples.iter().map(stream).collect();
        let drawn = meme_torch::noise(&streams, shape, Device::Cpu)?;
        // Without waiting for what a GPU is doing at present.
        Ok(drawn.f_to_device_(device, kind, true, false)?)
    }
}

impl Noise for SampleNoise {
    fn step(&mut self, step: usize, like: &Tensor) -> Result<Tensor> {
        let size = like.size();
        let (batch, shape) = size.split_first().map_or((0, &[][..]), |(b, rest)| (*b, rest));
        if batch as usize != self.samples.len() {
            let (found, batch) = (self.samples.len(), batch as usize);
            return Err(Error::Count { what: "noise streams", found, batch });
        }
        let number = u16::try_from(step).map_err(|_| Error::Setting {
            name: "number of a stochastic step",
            value: step as f64,
            allowed: "up to 65535",
        })?;
        self.draw(Purpose::SampleStep, number, shape, like.kind(), like.device())
    }
}
