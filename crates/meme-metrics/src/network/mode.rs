//! How pictures come to the 299 x 299 pixels that Inception-v3 was trained on.
//!
//! The network is the same everywhere; what programs call FID differs in this step, and by more
//! than most papers differ from each other (Parmar, Zhang and Zhu, "On Aliased Resizing and
//! Surprising Subtleties in GAN Evaluation", 2022).

use meme_torch::from_f32;
use meme_torch::tch::{Device, TchError, Tensor};
use serde::{Deserialize, Serialize};

use crate::Result;

/// The side of what Inception-v3 sees.
pub(super) const SIDE: i64 = 299;

/// Whose resizing and scaling a picture gets before Inception-v3 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// torch-fidelity's, which is that of the TensorFlow original: TensorFlow 1's bilinear
    /// interpolation, whose pixels have their corners at whole numbers and which does not smooth
    /// what it shrinks; then `(x - 128) / 128`. Most published FIDs are made so.
    #[default]
    Legacy,
    /// clean-fid's: Pillow's bicubic filter on float32 channels, smoothing what it shrinks, cut to
    /// 0..255 and not rounded; then `(x - 128) / 128`.
    Clean,
    /// pytorch-fid's: PyTorch's bilinear interpolation, pixels with their centres at halves, no
    /// smoothing; then `2 x / 255 - 1`.
    PytorchFid,
}

/// A filter of Pillow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PillowFilter {
    /// Keys' cubic convolution with a = -0.5.
    Bicubic,
    /// A sinc under a sinc, three lobes wide.
    Lanczos,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Legacy, Self::Clean, Self::PytorchFid];

    /// The name that the command line and reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Clean => "clean",
            Self::PytorchFid => "pytorch-fid",
        }
    }

    /// What is done, in words; equal only where the same is done.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Legacy => "legacy: 299x299, TensorFlow 1's bilinear, not antialiased",
            Self::Clean => "clean: 299x299, Pillow's bicubic in float32, antialiased",
            Self::PytorchFid => "pytorch-fid: 299x299, PyTorch's bilinear, not antialiased",
        }
    }

    /// Pictures `[B, 3, H, W]` of values 0..255 brought to 299 x 299 and into the network's range.
    pub(super) fn prepare(self, bytes: &Tensor) -> Result<Tensor> {
        let network = |source| crate::Error::Network { network: self.name().to_owned(), source };
        match self {
            Self::Legacy => centre(&tensorflow_bilinear(bytes)?).map_err(network),
            Self::Clean => {
                centre(&resize_clean(bytes, SIDE, PillowFilter::Bicubic)?).map_err(network)
            }
            Self::PytorchFid => pytorch_bilinear(bytes).map_err(network),
        }
    }
}

fn centre(bytes: &Tensor) -> std::result::Result<Tensor, TchError> {
    bytes.f_sub_scalar(128.0)?.f_div_scalar(128.0)
}

fn pytorch_bilinear(bytes: &Tensor) -> std::result::Result<Tensor, TchError> {
    let unit = bytes.f_div_scalar(255.0)?;
    let resized = unit.f_upsample_bilinear2d([SIDE, SIDE], false, None, None)?;
    resized.f_mul_scalar(2.0)?.f_sub_scalar(1.0)
}

/// TensorFlow 1's `resize_bilinear` with `align_corners=False`: position i of the result looks at
/// `i * (from / to)`, without the half pixel that everybody adds since.
fn tensorflow_bilinear(bytes: &Tensor) -> Result<Tensor> {
    let mut x = bytes.shallow_clone();
    // Columns first, as the original does; the two directions do not round alike.
    for dimension in [3, 2] {
        let from = bytes.size()[dimension as usize];
        let scale = (from as f64 / SIDE as f64) as f32;
        let places: Vec<f32> = (0..SIDE).map(|place| place as f32 * scale).collect();
        let low: Vec<i64> = places.iter().map(|place| *place as i64).collect();
        let high: Vec<i64> = low.iter().map(|place| (place + 1).min(from - 1)).collect();
        let shares: Vec<f32> = places.iter().zip(&low).map(|(p, low)| p - *low as f32).collect();
        let shape = if dimension == 3 { [1, 1, 1, SIDE] } else { [1, 1, SIDE, 1] };
        let device = bytes.device();
        let shares = from_f32(&shares, &shape, device)?;
        let pick = |places: &[i64]| -> Result<Tensor> {
            let places = meme_torch::from_i64(places, &[SIDE], device)?;
            x.f_index_select(dimension, &places).map_err(resizing)
        };
        let (low, high) = (pick(&low)?, pick(&high)?);
        let between = high.f_sub(&low).and_then(|step| step.f_mul(&shares)).map_err(resizing)?;
        x = low.f_add(&between).map_err(resizing)?;
    }
    Ok(x)
}

fn resizing(source: TchError) -> crate::Error {
    crate::Error::Network { network: "resizing".to_owned(), source }
}

/// What clean-fid does to a picture: Pillow's resampling of every channel as float32, antialiased,
/// first across, then down, cut to 0..255 and not rounded to bytes. `[B, C, H, W]` of values 0..255
/// to `[B, C, side, side]`, whatever the proportions.
///
/// # Errors
/// [`Error::ImageShape`](crate::Error::ImageShape) for another rank or an empty picture.
pub fn resize_clean(bytes: &Tensor, side: i64, filter: PillowFilter) -> Result<Tensor> {
    let size = bytes.size();
    let ([_, _, height, width], 1..) = (size.as_slice(), side) else {
        let wanted = "[images, channels, height, width], to a side of at least 1";
        return Err(crate::Error::ImageShape { shape: size, wanted });
    };
    let (height, width) = (*height, *width);
    if height < 1 || width < 1 {
        return Err(crate::Error::ImageShape { shape: size, wanted: "at least one pixel" });
    }
    let device = bytes.device();
    let mut x = bytes.shallow_clone();
    // Pillow leaves out a pass that would change nothing.
    if width != side {
        let across = pillow_weights(filter, width, side, device)?;
        let across = across.f_transpose(0, 1).map_err(resizing)?;
        x = x.f_matmul(&across).map_err(resizing)?;
    }
    if height != side {
        x = pillow_weights(filter, height, side, device)?.f_matmul(&x).map_err(resizing)?;
    }
    x.f_clamp(0.0, 255.0).map_err(resizing)
}

/// The weights by which Pillow's `Resample.c` sums source positions, as a matrix `[to, from]`.
fn pillow_weights(filter: PillowFilter, from: i64, to: i64, device: Device) -> Result<Tensor> {
    let (reach, kernel): (f64, fn(f64) -> f64) = match filter {
        PillowFilter::Bicubic => (2.0, bicubic),
        PillowFilter::Lanczos => (3.0, lanczos),
    };
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = reach * stretch;
    let width = from as usize;
    let mut matrix = vec![0.0_f32; width * to as usize];
    for (place, row) in matrix.chunks_exact_mut(width).enumerate() {
        let centre = (place as f64 + 0.5) * scale;
        // A cast cuts towards zero and stops at zero, as Pillow's does with its own check.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(width);
        let weight = |x: usize| kernel((x as f64 - centre + 0.5) / stretch);
        let sum: f64 = (first..end).map(weight).sum();
        for (x, entry) in row.iter_mut().enumerate().take(end).skip(first) {
            *entry = (weight(x) / sum) as f32;
        }
    }
    Ok(from_f32(&matrix, &[to, from], device)?)
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| match x * std::f64::consts::PI {
        0.0 => 1.0,
        x => x.sin() / x,
    };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
