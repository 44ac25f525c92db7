//! Pictures too large to be coded at once: in tiles that overlap, blended where they do.

use meme_torch::tch::{Device, Kind, Tensor, no_grad};

use crate::error::Result;
use crate::{Error, FirstStage, FirstStageConfig};

/// How a large picture is cut into tiles, all of one size; the last of a row ends where the picture ends.
///
/// Where two tiles meet, the quarter of the overlap next to a tile's own border has no weight, since what a
/// convolution makes there saw zeros instead of the picture; over the half between, one tile fades into the other.
/// So a network that sees no farther than a quarter of the overlap gives what it would give for the whole picture, up to
/// the rounding of the blend. A learned first stage sees farther: its norms and its attention take in
/// everything they are given, and a tile is to them a picture of its own. How much that changes is in the tests;
/// it is what every tiled autoencoder does, and tiles of the size that it was trained on serve it best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    tile: usize,
    overlap: usize,
}

impl Tiling {
    /// Tiles with sides of `tile` pixels that share at least `overlap` pixels with their neighbours.
    ///
    /// # Errors
    /// [`Error::Config`] where the overlap is more than half a tile, or a tile is empty.
    pub fn new(tile: usize, overlap: usize) -> Result<Self> {
        let wrong = |field: &str, rule: String| Err(Error::Config { field: field.into(), rule });
        if tile == 0 {
            return wrong("tile", "a tile has at least one pixel".into());
        }
        if overlap > tile / 2 {
            let rule = format!("{overlap} is more than half of a tile of {tile}");
            return wrong("overlap", rule);
        }
        Ok(Tiling { tile, overlap })
    }

    /// Side of a tile in pixels: what is no larger is coded at once.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Pixels that neighbouring tiles share at least.
    pub fn overlap(&self) -> usize {
        self.overlap
    }

    /// Tile and overlap in positions of a latent.
    fn over(&self, factor: usize) -> Result<(usize, usize)> {
        for (field, value) in [("tile", self.tile), ("overlap", self.overlap)] {
            if !value.is_multiple_of(factor) {
                let rule = format!("{value} is not a multiple of {factor}, the stage's factor");
                return Err(Error::Config { field: field.into(), rule });
            }
        }
        Ok((self.tile / factor, self.overlap / factor))
    }
}

impl FirstStage {
    /// [`encode`](Self::encode) for images [B, C, H, W] of any size, in memory that depends on the tile, beside images
    /// and latents themselves. A picture no larger than a tile is encoded whole, to the same bits. No gradient passes.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), and [`Error::Config`] where tile or overlap are no multiples of the factor.
    pub fn encode_tiled(&self, images: &Tensor, tiling: &Tiling) -> Result<Tensor> {
        let factor = self.config().factor();
        if !self.is_learned() {
            return no_grad(|| self.encode(images));
        }
        let cut = tiling.over(factor)?;
        self.check(images)?;
        no_grad(|| tiled(images, factor, 1, cut, |tile| self.encode(tile)))
    }

    /// [`decode`](Self::decode) for latents [B, C', h, w] of any size, as [`encode_tiled`](Self::encode_tiled).
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and [`Error::Config`] where tile or overlap are no multiples of the factor.
    pub fn decode_tiled(&self, latents: &Tensor, tiling: &Tiling) -> Result<Tensor> {
        let factor = self.config().factor();
        if !self.is_learned() {
            return no_grad(|| self.decode(latents));
        }
        let cut = tiling.over(factor)?;
        latents.size4()?;
        no_grad(|| tiled(latents, 1, factor, cut, |tile| self.decode(tile)))
    }

    /// Whether there is anything to compute; what only reorders pixels needs no tiles.
    fn is_learned(&self) -> bool {
        matches!(self.config(), FirstStageConfig::Vq { .. } | FirstStageConfig::Kl { .. })
    }
}

/// `network` over tiles of `input`, blended.
///
/// A side is counted in positions: one is `reads` values of a side of the input and `writes` of the output.
fn tiled(
    input: &Tensor,
    reads: usize,
    writes: usize,
    (tile, overlap): (usize, usize),
    network: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (batch, _, height, width) = input.size4()?;
    let positions = |side: i64| side as usize / reads;
    let (height, width) = (positions(height), positions(width));
    if height.max(width) <= tile {
        return network(input);
    }
    let (rows, columns) = (spans(height, tile, overlap), spans(width, tile, overlap));
    let row_weights = weights(&rows, height, writes, overlap);
    let column_weights = weights(&columns, width, writes, overlap);
    let mut output: Option<Tensor> = None;
    for (row, row_weights) in rows.iter().zip(&row_weights) {
        for (column, column_weights) in columns.iter().zip(&column_weights) {
            let part = input
                .f_narrow(2, (row.0 * reads) as i64, (row.1 * reads) as i64)?
                .f_narrow(3, (column.0 * reads) as i64, (column.1 * reads) as i64)?;
            let made = network(&part.f_contiguous()?)?; // [B, C', t writes, t writes]
            let place = (made.kind(), made.device());
            let weight = line(row_weights, place)?.f_unsqueeze(1)?; // [t writes, 1]
            let weight = weight.f_mul(&line(column_weights, place)?)?; // [t writes, t writes]
            let whole = match &output {
                Some(whole) => whole.shallow_clone(),
                None => {
                    let size =
                        [batch, made.size4()?.1, (height * writes) as i64, (width * writes) as i64];
                    output.insert(Tensor::f_zeros(size, place)?).shallow_clone()
                }
            };
            let _ = whole
                .f_narrow(2, (row.0 * writes) as i64, (row.1 * writes) as i64)?
                .f_narrow(3, (column.0 * writes) as i64, (column.1 * writes) as i64)?
                .f_add_(&made.f_mul(&weight)?)?;
        }
    }
    // There was at least one tile, for a side is longer than one.
    output.map_or_else(|| network(input), Ok)
}

fn line(weights: &[f32], (kind, device): (Kind, Device)) -> Result<Tensor> {
    let line = meme_torch::from_f32(weights, &[weights.len() as i64], device)?;
    Ok(line.f_to_kind(kind)?)
}

/// Begin and length of every tile along a side of `side` positions, evenly spread.
fn spans(side: usize, tile: usize, overlap: usize) -> Vec<(usize, usize)> {
    if side <= tile {
        return vec![(0, side)];
    }
    let steps = (side - tile).div_ceil(tile - overlap);
    (0..=steps).map(|step| (step * (side - tile) / steps, tile)).collect()
}

/// Weight of every value of every tile along a side: at each value of the output they sum to 1.
fn weights(spans: &[(usize, usize)], side: usize, writes: usize, overlap: usize) -> Vec<Vec<f32>> {
    // In quarters of the overlap: nothing, rising over two, all.
    let quarter = (overlap * writes) as f64 / 4.0;
    let faded = |distance: f64| match quarter > 0.0 {
        true => ((distance - quarter) / (2.0 * quarter)).clamp(0.0, 1.0),
        false => 1.0,
    };
    let raw: Vec<Vec<f64>> = spans
        .iter()
        .map(|&(begin, length)| {
            (0..length * writes)
                .map(|at| {
                    let before = at as f64 + 0.5;
                    let after = (length * writes) as f64 - before;
                    let left = if begin == 0 { 1.0 } else { faded(before) };
                    let right = if begin + length == side { 1.0 } else { faded(after) };
                    left.min(right)
                })
                .collect()
        })
        .collect();
    let mut sums = vec![0.0; side * writes];
    for (&(begin, _), weights) in spans.iter().zip(&raw) {
        for (sum, weight) in sums[begin * writes..].iter_mut().zip(weights) {
            *sum += weight;
        }
    }
    let share = |begin: usize, weights: &Vec<f64>| {
        let sums = &sums[begin * writes..];
        weights.iter().zip(sums).map(|(weight, sum)| (weight / sum) as f32).collect()
    };
    spans.iter().zip(&raw).map(|(&(begin, _), weights)| share(begin, weights)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meme_torch::tch::Tensor;

    #[test]
    fn tiles_cover_a_side_evenly_and_their_weights_sum_to_one() {
        for tile in [2, 3, 8, 16] {
            for overlap in 0..=tile / 2 {
                for side in 1..70 {
                    for writes in [1, 4] {
                        let spans = spans(side, tile, overlap);
                        assert_eq!(spans[0].0, 0);
                        assert!(spans.iter().all(|span| span.1 == tile.min(side)));
                        let last = spans[spans.len() - 1];
                        assert_eq!(last.0 + last.1, side);
                        for pair in spans.windows(2) {
                            assert!(pair[1].0 + overlap <= pair[0].0 + tile, "{pair:?}");
                            assert!(pair[1].0 > pair[0].0, "{pair:?}");
                        }
                        let mut sums = vec![0.0; side * writes];
                        for (span, weights) in
                            spans.iter().zip(weights(&spans, side, writes, overlap))
                        {
                            for (at, weight) in weights.iter().enumerate() {
                                assert!((0.0..=1.0).contains(weight));
                                sums[span.0 * writes + at] += weight;
                            }
                        }
                        let right = sums.iter().all(|sum: &f32| (sum - 1.0).abs() < 1e-6);
                        assert!(right, "tile {tile}, overlap {overlap}, side {side}: {sums:?}");
                    }
                }
            }
        }
    }

    /// Two 3x3 convolutions with zeros around: it sees two positions far, the quarter of an overlap of 8.
    #[test]
    fn a_network_that_sees_no_farther_than_a_quarter_of_the_overlap_gives_the_whole_picture() {
        let options = (Kind::Double, Device::Cpu);
        let kernel = (Tensor::arange(2 * 2 * 9, options).sin()).view([2, 2, 3, 3]);
        let picture = Tensor::arange(3 * 2 * 29 * 43, options).cos().view([3, 2, 29, 43]);
        let network = |x: &Tensor| {
            let once = x.f_conv2d(&kernel, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?;
            let twice = once.tanh().f_conv2d(&kernel, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?;
            Ok(twice
                .f_repeat_interleave_self_int(2, 2, None)?
                .f_repeat_interleave_self_int(2, 3, None)?)
        };
        let whole = network(&picture).unwrap();
        let error = |overlap| {
            let tiles = tiled(&picture, 1, 2, (16, overlap), network).unwrap();
            assert_eq!(tiles.size(), whole.size());
            (tiles - &whole).abs().max().double_value(&[])
        };
        // Weights are float32.
        assert!(error(8) < 1e-6, "{}", error(8));
        assert!(error(4) > 1e-3, "an overlap of 4 is too little for this network");
    }
}
