//! Features of many images.

use std::ops::ControlFlow;

use meme_data::{ArraySource, RgbImage};
use meme_torch::from_f32;
use meme_torch::tch::Device;
use ndarray::Array2;

use crate::{Error, FeatureNetwork, Result};

/// The features of pictures, one row each in their order, computed `batch` at a time. Sizes may
/// differ; only neighbours of one size share a batch.
///
/// `progress` hears the number of pictures done after every batch, and may stop the work.
///
/// # Errors
/// What an item brings, [`Error::Stopped`] where `progress` breaks, [`Error::Setting`] for a batch
/// of 0, and as [`FeatureNetwork::features`].
pub fn extract<E: Into<Error>>(
    network: &FeatureNetwork,
    pictures: impl IntoIterator<Item = std::result::Result<RgbImage, E>>,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Array2<f64>> {
    let mut rows = Rows::new(network, batch, progress)?;
    for picture in pictures {
        let picture = picture.map_err(Into::into)?;
        let shape = [3, picture.height, picture.width];
        picture.write_array(rows.next(shape)?)?;
    }
    rows.finish()
}

/// The features of every array of a source of RGB images in [-1, 1], in order. Otherwise as
/// [`extract`].
///
/// # Errors
/// As [`extract`]; [`Error::ImageShape`] for arrays that are not of three channels.
pub fn extract_arrays(
    network: &FeatureNetwork,
    source: &dyn ArraySource,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Array2<f64>> {
    let mut rows = Rows::new(network, batch, progress)?;
    for index in 0..source.len() {
        source.read(index, rows.next(source.shape())?)?;
    }
    rows.finish()
}

/// Gathers images into batches and features into rows.
struct Rows<'a> {
    network: &'a FeatureNetwork,
    batch: usize,
    progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    shape: [usize; 3],
    waiting: Vec<f32>,
    features: Vec<f64>,
}

impl<'a> Rows<'a> {
    fn new(
        network: &'a FeatureNetwork,
        batch: usize,
        progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Self> {
        if batch == 0 {
            let (value, allowed) = (batch.to_string(), "at least 1");
            return Err(Error::Setting { name: "batch", value, allowed });
        }
        let (waiting, features) = (Vec::new(), Vec::new());
        Ok(Self { network, batch, progress, shape: [0; 3], waiting, features })
    }

    /// Room for the values of the next image.
    fn next(&mut self, shape: [usize; 3]) -> Result<&mut [f32]> {
        let item = shape.iter().product::<usize>();
        if shape != self.shape || self.waiting.len() >= self.batch * item {
            self.flush()?;
        }
        self.shape = shape;
        let start = self.waiting.len();
        self.waiting.resize(start + item, 0.0);
        Ok(&mut self.waiting[start..])
    }

    fn flush(&mut self) -> Result<()> {
        let item = self.shape.iter().product::<usize>();
        if item == 0 || self.waiting.is_empty() {
            return Ok(());
        }
        let mut size = vec![(self.waiting.len() / item) as i64];
        size.extend(self.shape.map(|side| side as i64));
        let images = from_f32(&self.waiting, &size, Device::Cpu)?;
        self.features.extend(self.network.features(&images)?);
        self.waiting.clear();
        let done = self.features.len() / self.network.dimension();
        match (self.progress)(done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped { done }),
        }
    }

    fn finish(mut self) -> Result<Array2<f64>> {
        self.flush()?;
        let dimension = self.network.dimension();
        let found = self.features.len();
        Array2::from_shape_vec((found / dimension, dimension), self.features)
            .map_err(|_| Error::Dimension { what: "features", expected: dimension, found })
    }
}
