//! From a picture of any size to a square array.

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
}
