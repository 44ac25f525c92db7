//! Pictures as arrays, and parts of a source.

use crate::source::check_read;
use crate::{ArraySource, HashDepth, ImageSource, Result, RgbImage, Transform};
use meme_random::{Purpose, Stream};

/// Pictures of a source, each brought to size: arrays of `[3, resolution, resolution]` values in
/// -1..1, decoded anew at every read.
#[derive(Debug, Clone)]
pub struct Pixels<S> {
    source: S,
    transform: Transform,
}

impl<S: ImageSource> Pixels<S> {
    /// Pictures of `source` through `transform`.
    ///
    /// # Errors
    /// As [`Transform::validate`].
    pub fn new(source: S, transform: Transform) -> Result<Self> {
        transform.validate()?;
        Ok(Self { source, transform })
    }

    /// The pictures.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// How they are brought to size.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// One picture after the transform, as bytes.
    ///
    /// # Errors
    /// As [`ImageSource::image`] and [`Transform::apply`].
    pub fn picture(&self, index: usize) -> Result<RgbImage> {
        let transform = &self.transform;
        let picture = self.source.image_on(index, transform.resolution, transform.background)?;
        transform.apply(self.source.name(index), &picture)
    }
}

impl<S: ImageSource> ArraySource for Pixels<S> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn shape(&self) -> [usize; 3] {
        self.transform.shape()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let item = self.shape().iter().product();
        check_read("the pictures", index, self.len(), out.len(), item)?;
        self.picture(index)?.write_array(out)
    }
}

/// Some items of a source, in an order of one's own: one side of a split, the readable ones, the
/// first thousand. Works for pictures and for arrays.
#[derive(Debug, Clone)]
pub struct Subset<S> {
    source: S,
    indices: Vec<usize>,
}

impl<S> Subset<S> {
    fn within(source: S, len: usize, indices: Vec<usize>) -> Result<Self> {
        match indices.iter().find(|index| **index >= len) {
            Some(&index) => Err(crate::Error::OutOfRange { what: "the source", index, len }),
            None => Ok(Self { source, indices }),
        }
    }

    /// The indices in the whole source, in this subset's order.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The whole source.
    pub fn source(&self) -> &S {
        &self.source
    }

    fn inner(&self, index: usize) -> Result<usize> {
        let len = self.indices.len();
        let range = crate::Error::OutOfRange { what: "the subset", index, len };
        self.indices.get(index).copied().ok_or(range)
    }
}

impl<S: ImageSource> Subset<S> {
    /// The pictures at `indices`.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::Error::OutOfRange) when an index is past the end of the source.
    pub fn of_images(source: S, indices: Vec<usize>) -> Result<Self> {
        let len = source.len();
        Self::within(source, len, indices)
    }
}

impl<S: ArraySource> Subset<S> {
    /// The arrays at `indices`.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::Error::OutOfRange) when an index is past the end of the source.
    pub fn of_arrays(source: S, indices: Vec<usize>) -> Result<Self> {
        let len = source.len();
        Self::within(source, len, indices)
    }
}

impl<S: ImageSource> ImageSource for Subset<S> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn name(&self, index: usize) -> &str {
        self.indices.get(index).map_or("", |inner| self.source.name(*inner))
    }

    fn image(&self, index: usize, resolution: usize) -> Result<RgbImage> {
        self.source.image(self.inner(index)?, resolution)
    }

    fn image_on(&self, index: usize, resolution: usize, background: [u8; 3]) -> Result<RgbImage> {
        self.source.image_on(self.inner(index)?, resolution, background)
    }

    /// The hash of the whole source and of which of its pictures, in which order, these are.
    fn content_hash(&self, depth: HashDepth) -> Result<String> {
        let mut hasher = blake3::Hasher::new_derive_key("meme-data 1 part of an image set");
        hasher.update(self.source.content_hash(depth)?.as_bytes());
        for index in &self.indices {
            hasher.update(&(*index as u64).to_le_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

impl<S: ArraySource> ArraySource for Subset<S> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn shape(&self) -> [usize; 3] {
        self.source.shape()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        self.source.read(self.inner(index)?, out)
    }
}

/// Whether image `counter` of a run is mirrored: a fair coin that depends on nothing else.
pub fn is_flipped(seed: u64, counter: u64) -> bool {
    Stream::new(seed, Purpose::Flip, 0, counter).below(0, 2) == 1
}

/// Mirrors an array of `shape` (channels, height, width) left to right, in place. For pixels only:
/// the mirror image of a latent is not the latent of the mirror image.
pub fn flip(shape: [usize; 3], values: &mut [f32]) {
    if shape[2] > 0 {
        values.chunks_exact_mut(shape[2]).for_each(<[f32]>::reverse);
    }
}
