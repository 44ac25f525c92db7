//! A global filter in the frequency domain (GFNet, Rao et al., arXiv 2107.00645).

use meme_torch::channels_last;
use meme_torch::tch::{Kind, Tensor};

use crate::count::{Size, Tally};
use crate::error::Result;

/// Side of the map whose frequencies all have numbers of their own. What tells frequencies apart that are a sixteenth of
/// a cycle per pixel from each other reaches about sixteen pixels to each side.
const SIDE: usize = 16;
/// Columns of a spectrum of real numbers that wide; the others are their conjugates.
const COLUMNS: usize = SIDE / 2 + 1;

/// Parameters: `real` and `imaginary`, [C, 16, 9] each, the filter's value at u / 16 cycles per pixel downwards (u from
/// 8 on stands for u - 16) and v / 16 to the right.
#[derive(Debug)]
pub(crate) struct Fourier {
    pub(crate) real: Tensor,
    pub(crate) imaginary: Tensor,
}

impl Fourier {
    pub(crate) fn shape(channels: i64) -> [i64; 3] {
        [channels, SIDE as i64, COLUMNS as i64]
    }

    /// [B, C, H, W] to the same shape, computed in float32 (float64 for a float64 map): there is no transform of
    /// shorter numbers.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let kind = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let sides: &[i64] = &[height, width];
        // Row by row in memory, as transforms want it.
        let rows = x.f_to_kind(kind)?.f_contiguous()?; // [B, C, H, W]
        let spectrum = rows.f_fft_rfft2(sides, [-2, -1], "backward")?; // [B, C, H, W/2 + 1]
        let filtered = spectrum.f_mul(&self.at(height, width)?)?; // [B, C, H, W/2 + 1]
        let y = filtered.f_fft_irfft2(sides, [-2, -1], "backward")?; // [B, C, H, W]
        Ok(channels_last(&y.f_to_kind(x.kind())?)?)
    }

    /// The filter at the frequencies of a map of that size, between its own ones by straight lines: complex
    /// [C, H, W/2 + 1].
    fn at(&self, height: i64, width: i64) -> Result<Tensor> {
        let parts = Tensor::f_stack(&[&self.real, &self.imaginary], 0)?; // [2, C, 16, 9]
        // Frequencies go round: behind the last row comes the first.
        let round = Tensor::f_cat(&[&parts, &parts.f_narrow(2, 0, 1)?], 2)?; // [2, C, 17, 9]
        // Rows at 0, 16/H, 32/H ... 16; columns twice as close as needed, since an odd width ends before half a cycle.
        let fine = round.f_upsample_bilinear2d([height + 1, width + 1], true, None, None)?;
        let there = fine.f_narrow(2, 0, height)?.f_slice(3, 0, width + 1, 2)?; // [2, C, H, W/2 + 1]
        Ok(there.f_permute([1, 2, 3, 0])?.f_contiguous()?.f_view_as_complex()?)
    }

    /// See [`Tally`] for what a transform counts.
    pub(crate) fn tally(channels: usize, size: Size) -> Tally {
        let channels = channels as u128;
        let transform = size.pixels() * u128::from(size.pixels().next_power_of_two().ilog2());
        let products = 4 * Self::frequencies(size);
        Tally {
            parameters: 2 * channels * (SIDE * COLUMNS) as u128,
            products: channels * (2 * transform + products),
            attention: 0,
        }
    }

    /// Complex numbers in the spectrum of one channel.
    pub(crate) fn frequencies(size: Size) -> u128 {
        size.height as u128 * (size.width / 2 + 1) as u128
    }
}
