//! Features of many images, a batch at a time.

use std::ops::ControlFlow;

use meme_data::{ArraySource, RgbImage};
use meme_torch::from_f32;
use meme_torch::tch::Device;
use ndarray::{Array2, ArrayView2};

use crate::{Error, Feature, FeatureNetwork, Result};

/// The features of pictures, one row each in their order, computed `batch` at a time. Sizes may
/// differ; only neighbours of one size share a batch. Of the pictures no more than a batch is held,
/// of the features all: `Array2<f32>` holds them as they were computed, in half of the memory of
/// `Array2<f64>`.
///
/// `progress` hears the number of pictures done after every batch, and may stop the work.
///
/// # Errors
/// What an item brings, [`Error::Stopped`] where `progress` breaks, [`Error::Setting`] for a batch
/// of 0, and as [`FeatureNetwork::features`].
pub fn extract<A: Feature, E: Into<Error>>(
    network: &FeatureNetwork,
    pictures: impl IntoIterator<Item = std::result::Result<RgbImage, E>>,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Array2<A>> {
    let mut rows = Vec::new();
    extract_with(network, pictures, batch, progress, &mut |features| {
        rows.extend(features.iter().map(|value| A::from(*value)));
        Ok(())
    })?;
    matrix(network, rows)
}

/// As [`extract`], but hands the rows of every batch to `take` instead of keeping them: to a
/// [`Statistics`](crate::Statistics), for example, whose size does not grow with the number of
/// images.
///
/// # Errors
/// As [`extract`], and what `take` answers.
pub fn extract_with<E: Into<Error>>(
    network: &FeatureNetwork,
    pictures: impl IntoIterator<Item = std::result::Result<RgbImage, E>>,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    take: &mut dyn FnMut(ArrayView2<'_, f32>) -> Result<()>,
) -> Result<()> {
    let mut rows = Rows::new(network, batch, progress, take)?;
    for picture in pictures {
        let picture = picture.map_err(Into::into)?;
        let shape = [3, picture.height, picture.width];
        picture.write_array(rows.next(shape)?)?;
    }
    rows.flush()
}

/// The features of every array of a source of RGB images in [-1, 1], in order. Otherwise as
/// [`extract`].
///
/// # Errors
/// As [`extract`]; [`Error::ImageShape`] for arrays that are not of three channels.
pub fn extract_arrays<A: Feature>(
    network: &FeatureNetwork,
    source: &dyn ArraySource,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Array2<A>> {
    let mut all = Vec::new();
    let mut take = |features: ArrayView2<'_, f32>| {
        all.extend(features.iter().map(|value| A::from(*value)));
        Ok(())
    };
    let mut rows = Rows::new(network, batch, progress, &mut take)?;
    for index in 0..source.len() {
        source.read(index, rows.next(source.shape())?)?;
    }
    rows.flush()?;
    matrix(network, all)
}

fn matrix<A>(network: &FeatureNetwork, values: Vec<A>) -> Result<Array2<A>> {
    let (expected, found) = (network.dimension(), values.len());
    Array2::from_shape_vec((found / expected, expected), values).map_err(|_| Error::Dimension {
        what: "features",
        expected,
        found,
    })
}

/// Gathers images into batches.
struct Rows<'a> {
    network: &'a FeatureNetwork,
    batch: usize,
    progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    take: &'a mut dyn FnMut(ArrayView2<'_, f32>) -> Result<()>,
    shape: [usize; 3],
    waiting: Vec<f32>,
    done: usize,
}

impl<'a> Rows<'a> {
    fn new(
        network: &'a FeatureNetwork,
        batch: usize,
        progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
        take: &'a mut dyn FnMut(ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<Self> {
        if batch == 0 {
            let (value, allowed) = (batch.to_string(), "at least 1");
            return Err(Error::Setting { name: "batch", value, allowed });
        }
        Ok(Self { network, batch, progress, take, shape: [0; 3], waiting: Vec::new(), done: 0 })
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
        let features = self.network.features(&images)?;
        (self.take)(features.view())?;
        self.waiting.clear();
        self.done += features.nrows();
        match (self.progress)(self.done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped { done: self.done }),
        }
    }
}
