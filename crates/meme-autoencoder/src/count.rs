//! Parameters and multiply-accumulates in closed form: nothing is allocated, nothing is run.

use crate::error::Result;
use crate::{CoderConfig, Error, FirstStageConfig};

/// Largest side that can be counted, in pixels; it keeps the squares of attention in range.
const LARGEST_SIDE: usize = 1 << 16;

/// What a first stage costs for one image.
///
/// One multiply-accumulate is one multiply-add of a convolution or of one of the two products of attention, at the
/// size at which it is applied. Biases, norms, activations, resampling, additions and the search in the codebook
/// count nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Learned numbers, the codebook included.
    pub parameters: u64,
    /// Multiply-accumulates of encoding.
    pub encode_macs: u64,
    /// Multiply-accumulates of decoding.
    pub decode_macs: u64,
}

/// Parameters and multiply-accumulates of a part. 128 bits hold every sum of valid descriptions.
#[derive(Clone, Copy, Default)]
struct Tally {
    parameters: u128,
    macs: u128,
}

impl Tally {
    fn conv(&mut self, input: usize, output: usize, kernel: usize, pixels: u128) {
        let weights = (input * kernel * kernel) as u128 * output as u128;
        self.parameters += weights + output as u128;
        self.macs += weights * pixels;
    }

    fn norm(&mut self, channels: usize) {
        self.parameters += 2 * channels as u128;
    }

    fn residual(&mut self, input: usize, output: usize, pixels: u128) {
        self.norm(input);
        self.conv(input, output, 3, pixels);
        self.norm(output);
        self.conv(output, output, 3, pixels);
        if input != output {
            self.conv(input, output, 1, pixels);
        }
    }

    fn attention(&mut self, channels: usize, pixels: u128) {
        self.norm(channels);
        for _ in 0..4 {
            self.conv(channels, channels, 1, pixels);
        }
        self.macs += 2 * channels as u128 * pixels * pixels;
    }

    fn blocks(
        &mut self,
        coder: &CoderConfig,
        level: usize,
        count: usize,
        input: usize,
        pixels: u128,
    ) {
        let output = coder.channels(level);
        for block in 0..count {
            self.residual(if block == 0 { input } else { output }, output, pixels);
            if coder.attention_levels.contains(&level) {
                self.attention(output, pixels);
            }
        }
    }

    fn middle(&mut self, channels: usize, pixels: u128) {
        self.residual(channels, channels, pixels);
        self.attention(channels, pixels);
        self.residual(channels, channels, pixels);
    }
}

impl FirstStageConfig {
    /// Counts the stage for one image of `height` x `width` pixels.
    ///
    /// # Errors
    /// [`Error::Config`] where the description breaks a rule, [`Error::Shape`] where such an image does not fit,
    /// [`Error::Overflow`] where a count does not fit 64 bits.
    pub fn count(&self, height: usize, width: usize) -> Result<Count> {
        self.validate()?;
        if height.max(width) > LARGEST_SIDE {
            let found = [height, width].map(|side| i64::try_from(side).unwrap_or(i64::MAX)).into();
            let needed = format!("at most {LARGEST_SIDE} pixels a side to be counted");
            return Err(Error::Shape { what: "the image", found, needed });
        }
        let (coder, embedding, moments, codebook) = match self {
            Self::Identity {} | Self::SpaceToDepth { .. } => {
                self.latent_shape([1, height, width])?;
                return Ok(Count { parameters: 0, encode_macs: 0, decode_macs: 0 });
            }
            Self::Vq { coder, codebook, embedding } => (coder, *embedding, 1, codebook * embedding),
            Self::Kl { coder, embedding, .. } => (coder, *embedding, 2, 0),
        };
        let [_, h, w] = self.latent_shape([coder.image_channels, height, width])?;
        let latent = h as u128 * w as u128;
        let (z, moments_of_z) = (coder.latent_channels, moments * coder.latent_channels);
        let mut encode = encoder(coder, moments_of_z, latent);
        encode.conv(moments_of_z, moments * embedding, 1, latent);
        let mut decode = decoder(coder, latent);
        decode.conv(embedding, z, 1, latent);
        let fit = |number: u128| u64::try_from(number).map_err(|_| Error::Overflow { number });
        Ok(Count {
            parameters: fit(encode.parameters + decode.parameters + codebook as u128)?,
            encode_macs: fit(encode.macs)?,
            decode_macs: fit(decode.macs)?,
        })
    }
}

/// Pixels of a level, when the coarsest has `latent` of them.
fn pixels(coder: &CoderConfig, level: usize, latent: u128) -> u128 {
    latent << (2 * (coder.levels() - 1 - level))
}

fn encoder(coder: &CoderConfig, outputs: usize, latent: u128) -> Tally {
    let mut tally = Tally::default();
    let mut channels = coder.width;
    tally.conv(coder.image_channels, channels, 3, pixels(coder, 0, latent));
    for level in 0..coder.levels() {
        let here = pixels(coder, level, latent);
        tally.blocks(coder, level, coder.res_blocks, channels, here);
        channels = coder.channels(level);
        if level + 1 < coder.levels() {
            tally.conv(channels, channels, 3, here / 4);
        }
    }
    tally.middle(channels, latent);
    tally.norm(channels);
    tally.conv(channels, outputs, 3, latent);
    tally
}

fn decoder(coder: &CoderConfig, latent: u128) -> Tally {
    let mut tally = Tally::default();
    let mut channels = coder.channels(coder.levels() - 1);
    tally.conv(coder.latent_channels, channels, 3, latent);
    tally.middle(channels, latent);
    for level in (0..coder.levels()).rev() {
        let here = pixels(coder, level, latent);
        tally.blocks(coder, level, coder.res_blocks + 1, channels, here);
        channels = coder.channels(level);
        if level > 0 {
            tally.conv(channels, channels, 3, 4 * here);
        }
    }
    tally.norm(channels);
    tally.conv(channels, coder.image_channels, 3, pixels(coder, 0, latent));
    tally
}
