//! From a picture of any size to a square array.

use crate::resize::{Window, cut, resize};
use crate::{Error, Result, RgbImage};

/// How a picture is brought to size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// OpenCV's `INTER_LINEAR` on bytes: two taps a side, **not** anti-aliased when shrinking.
    /// What latent diffusion's data pipeline used.
    #[default]
    OpencvBilinear,
    /// Pillow's `BOX`: the mean of the covered pixels.
    PilBox,
    /// Pillow's `BILINEAR`: a triangle as wide as the reduction, anti-aliased.
    PilBilinear,
    /// Pillow's `BICUBIC` (a = -0.5), anti-aliased.
    PilBicubic,
    /// Pillow's `LANCZOS` (three lobes), anti-aliased.
    PilLanczos,
}

/// Which part of a picture is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Crop {
    /// The shorter side is brought to the resolution, then the middle of the longer side is kept.
    #[default]
    Centre,
    /// A square of `side` source pixels from the middle first, then resized (CelebA at 64 pixels is
    /// the middle 140). A picture smaller than `side` is refused.
    CentreFirst {
        /// The square's side in source pixels.
        side: usize,
    },
}

/// How pictures become arrays of `[3, resolution, resolution]` values in -1..1 (`x / 127.5 - 1`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// The side of the result in pixels.
    pub resolution: usize,
    /// How pixels are interpolated.
    #[serde(default)]
    pub filter: Filter,
    /// Which part is kept.
    #[serde(default)]
    pub crop: Crop,
    /// What lies behind transparent pixels; white unless given.
    #[serde(default = "white")]
    pub background: [u8; 3],
    /// Pictures whose shorter side is less are refused; 1 (the default) enlarges whatever comes.
    #[serde(default = "one")]
    pub minimum_side: usize,
}

fn white() -> [u8; 3] {
    [255; 3]
}

fn one() -> usize {
    1
}

/// The largest resolution that a transform accepts; arrays of it would hold 12 GiB.
const MAX_RESOLUTION: usize = 32_768;

impl Transform {
    /// The pipeline of latent diffusion at `resolution`: OpenCV's bilinear filter, centre crop, on
    /// white.
    pub fn new(resolution: usize) -> Self {
        Self {
            resolution,
            filter: Filter::default(),
            crop: Crop::default(),
            background: white(),
            minimum_side: one(),
        }
    }

    /// Refuses settings that no picture could satisfy.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the setting.
    pub fn validate(&self) -> Result<()> {
        let setting = |setting, value: usize, requirement| {
            Err(Error::Setting { setting, value: value.to_string(), requirement })
        };
        if !(1..=MAX_RESOLUTION).contains(&self.resolution) {
            return setting("resolution", self.resolution, "between 1 and 32768 pixels");
        }
        match self.crop {
            Crop::CentreFirst { side: 0 } => {
                setting("crop.centre-first.side", 0, "at least 1 pixel")
            }
            Crop::CentreFirst { .. } | Crop::Centre => Ok(()),
        }
    }

    /// The shape of the arrays: 3 channels, `resolution` rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        [3, self.resolution, self.resolution]
    }

    /// Brings a picture to `resolution` x `resolution` pixels.
    ///
    /// The shorter side becomes the resolution and the longer one keeps the proportion, rounded to
    /// nearest with halves to even (what `albumentations.SmallestMaxSize` does); a picture whose
    /// shorter side is the resolution already is not touched, a smaller one is enlarged. Of the
    /// longer side the middle is kept, starting at half the surplus, rounded down. `name` is used
    /// in errors only.
    ///
    /// # Errors
    /// [`Error::TooSmall`] when the shorter side is less than `minimum_side` or than the square
    /// that [`Crop::CentreFirst`] asks for; [`Error::Setting`] as [`validate`](Self::validate).
    pub fn apply(&self, name: &str, picture: &RgbImage) -> Result<RgbImage> {
        self.validate()?;
        let (width, height) = (picture.width, picture.height);
        let shorter = width.min(height);
        let least = match self.crop {
            Crop::Centre => self.minimum_side.max(1),
            Crop::CentreFirst { side } => self.minimum_side.max(side),
        };
        if shorter < least {
            let name = name.to_owned();
            return Err(Error::TooSmall { name, width, height, minimum: least });
        }
        if let Crop::CentreFirst { side } = self.crop {
            let square = cut(picture, ((width - side) / 2, (height - side) / 2), side);
            return Ok(self.shrink(&square));
        }
        Ok(self.shrink(picture))
    }

    fn shrink(&self, picture: &RgbImage) -> RgbImage {
        let side = self.resolution;
        let shorter = picture.width.min(picture.height);
        let scale = side as f64 / shorter as f64;
        // The shorter side is the resolution by definition, whatever the product rounds to.
        let scaled = |length: usize| match length == shorter {
            true => side,
            false => ((length as f64 * scale).round_ties_even() as usize).max(side),
        };
        let full = (scaled(picture.width), scaled(picture.height));
        let corner = ((full.0 - side) / 2, (full.1 - side) / 2);
        resize(picture, self.filter, Window { full, corner, side })
    }
}
