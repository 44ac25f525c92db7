//! The two traits that everything else hands around: named pictures, and arrays by index.

use crate::{Error, Result, RgbImage};

/// How much of a data set goes into its [`content_hash`](ImageSource::content_hash).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashDepth {
    /// Names and encoded sizes only: instant, notices files added, removed, renamed or of another
    /// size, does not notice other pixels in a file of the same length.
    Names,
    /// Names, sizes and every byte: reads the whole data set once.
    Bytes,
}

/// Pictures with names, in a fixed order: files, archive entries, or drawn on demand.
pub trait ImageSource: Send + Sync {
    /// The number of pictures.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of a picture, unique within the source: the path relative to the data set, with
    /// `/` between its parts. Empty for an index past the end.
    fn name(&self, index: usize) -> &str;

    /// One picture, upright, transparent parts on white.
    ///
    /// `resolution` is the side in pixels at which the picture will be used. Sources that draw
    /// return a square of exactly that side; sources that decode ignore it and return the picture
    /// as it is stored: bringing it to size is the work of [`Transform`](crate::Transform).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] past the end; [`Error::Decode`], [`Error::TooLarge`] or [`Error::Io`]
    /// with the picture's name when it cannot be read.
    fn image(&self, index: usize, resolution: usize) -> Result<RgbImage>;

    /// As [`image`](Self::image), transparent parts on `background` instead of white. Sources
    /// without transparency need not provide it.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    fn image_on(&self, index: usize, resolution: usize, background: [u8; 3]) -> Result<RgbImage> {
        let _ = background;
        self.image(index, resolution)
    }

    /// BLAKE3 in hexadecimal over what the source holds: equal names and bytes give equal hashes,
    /// whatever container they come in.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    fn content_hash(&self, depth: HashDepth) -> Result<String>;
}

/// Arrays of one shape, by index: decoded pictures, latents from a cache, or plain memory.
pub trait ArraySource: Send + Sync {
    /// The number of arrays.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of every array: channels, height, width.
    fn shape(&self) -> [usize; 3];

    /// Writes array `index` into `out`, which holds exactly `channels * height * width` values.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Length`], or what reading the array met.
    fn read(&self, index: usize, out: &mut [f32]) -> Result<()>;
}

macro_rules! forward_sources {
    ($($pointer:ty),*) => {$(
        impl<S: ImageSource + ?Sized> ImageSource for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }
            fn name(&self, index: usize) -> &str {
                (**self).name(index)
            }
            fn image(&self, index: usize, resolution: usize) -> Result<RgbImage> {
                (**self).image(index, resolution)
            }
            fn image_on(&self, index: usize, side: usize, ground: [u8; 3]) -> Result<RgbImage> {
                (**self).image_on(index, side, ground)
            }
            fn content_hash(&self, depth: HashDepth) -> Result<String> {
                (**self).content_hash(depth)
            }
        }
        impl<S: ArraySource + ?Sized> ArraySource for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }
            fn shape(&self) -> [usize; 3] {
                (**self).shape()
            }
            fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
                (**self).read(index, out)
            }
        }
    )*};
}
forward_sources!(&S, Box<S>, std::sync::Arc<S>);

/// Arrays kept in memory, one behind the other.
#[derive(Debug, Clone, PartialEq)]
pub struct InMemory {
    shape: [usize; 3],
    values: Vec<f32>,
}

impl InMemory {
    /// Arrays of `shape` (channels, height, width) from their concatenated values.
    ///
    /// # Errors
    /// [`Error::Setting`] when a side of the shape is zero; [`Error::Length`] when the values are
    /// not a whole number of arrays.
    pub fn new(shape: [usize; 3], values: Vec<f32>) -> Result<Self> {
        let item = item_len(shape)?;
        if !values.len().is_multiple_of(item) {
            let expected = values.len() / item * item;
            return Err(Error::Length { what: "in-memory arrays", got: values.len(), expected });
        }
        Ok(Self { shape, values })
    }

    /// Reads a whole source into memory, in its order.
    ///
    /// # Errors
    /// What reading the source met.
    pub fn from_source(source: &dyn ArraySource) -> Result<Self> {
        let item = item_len(source.shape())?;
        let mut values = vec![0.0; item * source.len()];
        for (index, out) in values.chunks_exact_mut(item).enumerate() {
            source.read(index, out)?;
        }
        Self::new(source.shape(), values)
    }

    /// All values, array after array.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl ArraySource for InMemory {
    fn len(&self) -> usize {
        self.values.len() / self.shape.iter().product::<usize>()
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let item = self.shape.iter().product::<usize>();
        check_read("the in-memory arrays", index, self.len(), out.len(), item)?;
        out.copy_from_slice(&self.values[index * item..(index + 1) * item]);
        Ok(())
    }
}

/// The number of values of one array; refuses empty shapes and shapes that overflow.
pub(crate) fn item_len(shape: [usize; 3]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, side| product.checked_mul(*side))
        .filter(|product| *product > 0)
        .ok_or_else(|| Error::Setting {
            setting: "shape",
            value: format!("{shape:?}"),
            requirement: "three positive sides whose product fits into memory",
        })
}

/// The checks that every [`ArraySource::read`] begins with.
pub(crate) fn check_read(
    what: &'static str,
    index: usize,
    len: usize,
    got: usize,
    expected: usize,
) -> Result<()> {
    if index >= len {
        return Err(Error::OutOfRange { what, index, len });
    }
    if got != expected {
        return Err(Error::Length { what: "output", got, expected });
    }
    Ok(())
}
