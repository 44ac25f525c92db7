//! `random-64`: sixty-four features without a training set and without a file.
//!
//! The layout, version 1. Images are RGB in [-1, 1], resized to 64 x 64 (bilinear, antialiased).
//! Convolutions have no bias and pad by reflection so that stride 1 keeps the size.
//!
//! | features | made of |
//! |---|---|
//! | 0..32 | for each of four levels (64, 32, 16, 8 pixels; each the 2 x 2 mean of the last): four 3 x 3 filters `band.L`; mean (4) then standard deviation (4) over the picture of the response's magnitude to the power 1/2 |
//! | 32..48 | three convolutions of stride 2 with ReLU: `conv.0` 5 x 5 to 24 channels, `conv.1` 3 x 3 to 48, `conv.2` 3 x 3 to 64; mean (8) then standard deviation (8) of the first eight channels of the last, times 0.3 |
//! | 48..64 | `layout`: sixteen projections of the whole 64 x 8 x 8 result of `conv.2` |
//!
//! Band filters sum to zero over every colour plane and have norm 1, so that they see detail and
//! not brightness; the square root makes faint grain in flat areas count. Convolutions are normal
//! with variance 2 / fan-in (He et al. 2015). Everything is multiplied by 10 at the end, for
//! distances that are pleasant to read.
//!
//! Entry i of a tensor is normal draw i of `Stream::new(0, Purpose::Features, 0, n)`, n counting
//! the tensors in the order band.0..band.3, conv.0..conv.2, layout. All arithmetic up to the
//! rounding to float32 is float64 in the order written here, so the weights have the same bits on
//! every machine. BLAKE3 of the constants and the weights is the name that the network goes by.

use meme_random::{Purpose, Stream};
use meme_torch::from_f32;
use meme_torch::tch::{Device, Kind, TchError, Tensor};

use crate::Result;

pub(super) const NAME: &str = "random-64";
pub(super) const FEATURES: usize = 64;
pub(super) const SMALLEST_SIDE: i64 = 16;
pub(super) const RESIZE: &str = "64x64, bilinear, antialiased";

/// Says which layout the hash belongs to.
const LAYOUT: &[u8] = b"meme random-64 version 1";
const SIDE: i64 = 64;
const LEVELS: usize = 4;
const BAND_SHAPE: [i64; 4] = [4, 3, 3, 3];
const CONV_SHAPES: [[i64; 4]; 3] = [[24, 3, 5, 5], [48, 24, 3, 3], [64, 48, 3, 3]];
const LAYOUT_SHAPE: [i64; 2] = [16, 64 * 8 * 8];
/// Channels of the last convolution whose mean and deviation are features.
const POOLED_CHANNELS: i64 = 8;
/// Keeps the square root's slope finite at zero; far below the response to one grey level.
const MAGNITUDE_FLOOR: f64 = 1e-4;
/// These gains bring the three groups to comparable spreads on real pictures; without them overall
/// brightness would drown everything else. Of the settings tried on emoji this one ranks twenty
/// distortions most like SqueezeNet without wasting directions (README.md has the table).
const POOLED_GAIN: f64 = 0.3;
/// The projections' standard deviation over sqrt(inputs).
const LAYOUT_GAIN: f64 = 0.3;
const SCALE: f64 = 10.0;

/// The weights, float32.
#[derive(Debug)]
pub(super) struct Random {
    bands: Vec<Tensor>,
    convolutions: Vec<Tensor>,
    layout: Tensor,
}

impl Random {
    /// The network, and the hash of its weights.
    pub(super) fn new(device: Device) -> Result<(Self, String)> {
        let mut hash = blake3::Hasher::new();
        hash.update(LAYOUT);
        for constant in [SIDE as f64, MAGNITUDE_FLOOR, POOLED_GAIN, SCALE] {
            hash.update(&constant.to_le_bytes());
        }
        let mut number = 0;
        let mut tensor = |shape: &[i64], scale: &dyn Fn(&mut [f64])| -> Result<Tensor> {
            let stream = Stream::new(0, Purpose::Features, 0, number);
            number += 1;
            let count = shape.iter().product::<i64>() as u64;
            let mut values: Vec<f64> = (0..count).map(|draw| stream.normal(draw)).collect();
            scale(&mut values);
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            for value in &values {
                hash.update(&value.to_le_bytes());
            }
            Ok(from_f32(&values, shape, device)?)
        };
        let mut bands = Vec::new();
        for _ in 0..LEVELS {
            bands.push(tensor(&BAND_SHAPE, &band_filters)?);
        }
        let mut convolutions = Vec::new();
        for shape in CONV_SHAPES {
            let fan_in = shape[1..].iter().product::<i64>() as f64;
            convolutions.push(tensor(&shape, &|values| multiply(values, (2.0 / fan_in).sqrt()))?);
        }
        let gain = LAYOUT_GAIN / (LAYOUT_SHAPE[1] as f64).sqrt();
        let layout = tensor(&LAYOUT_SHAPE, &|values| multiply(values, gain))?;
        Ok((Self { bands, convolutions, layout }, hash.finalize().to_hex().to_string()))
    }

    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let numbered = |name: &str, tensors: &[Tensor]| -> Vec<(String, Tensor)> {
            let tensors = tensors.iter().enumerate();
            tensors.map(|(n, tensor)| (format!("{name}.{n}"), tensor.shallow_clone())).collect()
        };
        let mut all = numbered("band", &self.bands);
        all.extend(numbered("conv", &self.convolutions));
        all.push(("layout".to_owned(), self.layout.shallow_clone()));
        all
    }

    /// [B, 3, H, W] to [B, 64].
    pub(super) fn forward(&self, images: &Tensor) -> std::result::Result<Tensor, TchError> {
        let images = match images.size().as_slice() {
            [.., SIDE, SIDE] => images.shallow_clone(),
            _ => images.f_internal_upsample_bilinear2d_aa([SIDE, SIDE], false, None, None)?,
        };
        let mut features = Vec::new();

        let mut level = images.shallow_clone();
        for (number, band) in self.bands.iter().enumerate() {
            if number > 0 {
                level = level.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None)?;
            }
            let response = convolve(&level, band, 1)?;
            let magnitude = response.f_square()?.f_add_scalar(MAGNITUDE_FLOOR)?;
            features.extend(mean_and_deviation(&magnitude.f_pow_tensor_scalar(0.25)?)?);
        }

        let mut hidden = images;
        for weight in &self.convolutions {
            hidden = convolve(&hidden, weight, 2)?.f_relu()?;
        }
        for pooled in mean_and_deviation(&hidden.f_narrow(1, 0, POOLED_CHANNELS)?)? {
            features.push(pooled.f_mul_scalar(POOLED_GAIN)?);
        }
        features.push(hidden.f_flatten(1, -1)?.f_matmul(&self.layout.f_transpose(0, 1)?)?);
        Tensor::f_cat(&features, 1)?.f_mul_scalar(SCALE)
    }
}

fn convolve(x: &Tensor, weight: &Tensor, stride: i64) -> std::result::Result<Tensor, TchError> {
    let margin = weight.size()[3] / 2;
    x.f_reflection_pad2d([margin; 4])?.f_conv2d::<&Tensor>(
        weight,
        None,
        [stride, stride],
        [0, 0],
        [1, 1],
        1,
    )
}

/// Mean and standard deviation over a picture, [B, C, H, W] to twice [B, C].
fn mean_and_deviation(x: &Tensor) -> std::result::Result<[Tensor; 2], TchError> {
    let picture: &[i64] = &[2, 3];
    Ok([x.f_mean_dim(picture, false, Kind::Float)?, x.f_std_dim(picture, false, false)?])
}

/// Makes every colour plane of a filter sum to zero and every filter have norm 1.
fn band_filters(values: &mut [f64]) {
    let plane = (BAND_SHAPE[2] * BAND_SHAPE[3]) as usize;
    for filter in values.chunks_exact_mut(plane * BAND_SHAPE[1] as usize) {
        for plane in filter.chunks_exact_mut(plane) {
            let mean = plane.iter().sum::<f64>() / plane.len() as f64;
            plane.iter_mut().for_each(|value| *value -= mean);
        }
        let norm = filter.iter().map(|value| value * value).sum::<f64>().sqrt();
        multiply(filter, 1.0 / norm);
    }
}

fn multiply(values: &mut [f64], factor: f64) {
    values.iter_mut().for_each(|value| *value *= factor);
}
