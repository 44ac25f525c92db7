//! Relative log amplitude of trained experts' feature maps (Park and Kim, ICLR 2022).

use meme_blocks::{FeatureMap, Options, Probe};
use meme_data::ArraySource;
use meme_frequency::LogAmplitude;
use meme_random::{Purpose, Stream};
use meme_router::{Expert, Index};
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Tensor, no_grad};
use ndarray::ArrayView4;

use crate::report::ExpertSpectrum;
use crate::run::RunFolder;
use crate::{Error, Result};

/// Keeps a running spectrum of every feature map at the finest level.
struct Watch<'a> {
    maps: &'a [FeatureMap],
    amplitudes: Vec<LogAmplitude>,
    failure: Option<Error>,
}

impl Probe for Watch<'_> {
    fn wants(&self, name: &str) -> bool {
        self.maps.iter().any(|map| map.name == name)
    }

    fn see(&mut self, name: &str, map: &Tensor) {
        let Some(place) = self.maps.iter().position(|known| known.name == name) else { return };
        if let Err(error) = self.add(place, map) {
            self.failure.get_or_insert(error);
        }
    }
}

impl Watch<'_> {
    fn add(&mut self, place: usize, map: &Tensor) -> Result<()> {
        let size: Vec<usize> = map.size().iter().map(|&side| side as usize).collect();
        let values = meme_torch::to_f32_vec(map)?;
        let shape = (size[0], size[1], size[2], size[3]);
        let maps = ArrayView4::from_shape(shape, &values)
            .map_err(|error| Error::Usage(format!("feature map of {size:?}: {error}")))?;
        Ok(self.amplitudes[place].add_batch(maps)?)
    }
}

/// The mean curve over one expert's feature maps at the input's resolution, watched at the middle
/// of its interval on `images` noisy latents.
pub(crate) fn expert_spectrum(
    run: &RunFolder,
    expert: Expert,
    latents: &dyn ArraySource,
    images: usize,
    device: Device,
) -> Result<ExpertSpectrum> {
    let (network, _) = run.trained(expert, device)?;
    let experiment = &run.experiment;
    let own = experiment.intervals.indices(expert)?;
    let index = Index::new((own.start + own.end) / 2);
    let x = noisy(run, latents, images, index, device)?;
    let architecture = &experiment.experts[expert.position()];
    let maps: Vec<FeatureMap> = meme_blocks::feature_maps(architecture)?
        .into_iter()
        .filter(|map| map.level == 0 && !map.name.ends_with(".branches") && map.name != "output")
        .collect();
    let [_, height, width] = latents.shape();
    let amplitudes =
        maps.iter().map(|_| LogAmplitude::new(height, width)).collect::<Result<_, _>>()?;
    let mut watch = Watch { maps: &maps, amplitudes, failure: None };
    let indices =
        Tensor::full([x.size()[0]], index.get() as i64, (meme_torch::tch::Kind::Int64, device));
    let mut options = Options { probe: Some(&mut watch), ..Options::default() };
    let _ = no_grad(|| network.unet.forward(&x, &indices, &mut options))?;
    if let Some(failure) = watch.failure {
        return Err(failure);
    }
    let curves =
        watch.amplitudes.iter().map(LogAmplitude::finish).collect::<Result<Vec<_>, _>>()?;
    let frequencies = curves.first().map(|curve| curve.frequency.clone()).unwrap_or_default();
    let mean = |point: usize| {
        curves.iter().map(|curve| curve.relative[point]).sum::<f64>() / curves.len() as f64
    };
    Ok(ExpertSpectrum {
        expert: usize::from(expert.number()),
        timestep: index.get() + 1,
        curve: (0..frequencies.len()).map(mean).collect(),
        frequencies,
    })
}

fn noisy(
    run: &RunFolder,
    latents: &dyn ArraySource,
    images: usize,
    index: Index,
    device: Device,
) -> Result<Tensor> {
    let alpha_bar = Schedule::new(&run.experiment.schedule)?.alpha_bar(index);
    let (signal, noise) = (alpha_bar.sqrt() as f32, (1.0 - alpha_bar).sqrt() as f32);
    let [channels, height, width] = latents.shape();
    let size = channels * height * width;
    let count = images.min(latents.len());
    let mut values = vec![0f32; count * size];
    let mut epsilon = vec![0f32; size];
    for (image, values) in values.chunks_exact_mut(size).enumerate() {
        latents.read(image, values)?;
        Stream::new(0, Purpose::Validation, 0, image as u64).fill_normal(&mut epsilon);
        for (value, epsilon) in values.iter_mut().zip(&epsilon) {
            *value = signal * *value + noise * epsilon;
        }
    }
    let shape = [count as i64, channels as i64, height as i64, width as i64];
    Ok(meme_torch::from_f32(&values, &shape, device)?)
}
