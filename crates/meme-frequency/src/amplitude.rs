//! The relative log amplitude of Park and Kim: how fast a map's spectrum falls.

use crate::fft::{RealFft2, Workspace, separate};
use crate::log_sum::LogSums;
use crate::planes::{Numbered, Size, Value, load, share_out};
use crate::{Error, Result};
use ndarray::{ArrayView3, ArrayView4, Axis};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

/// Added to every amplitude before the logarithm, as in the authors' code.
pub const AMPLITUDE_FLOOR: f64 = 1e-6;

/// A curve over frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct AmplitudeCurve {
    /// Radians per pixel in each direction, from 0 to just below pi.
    ///
    /// The true frequencies of the points. The authors' figures stretch the axis so that the last
    /// point, which for an even size lies at `pi - 2 pi / size`, is drawn at pi.
    pub frequency: Vec<f64>,
    /// Mean of `ln(amplitude + 1e-6)` at each frequency.
    pub log_amplitude: Vec<f64>,
    /// [`AmplitudeCurve::log_amplitude`] minus its first value, so 0 at frequency 0.
    pub relative: Vec<f64>,
}

/// Mean over maps of the log amplitude along the diagonal of the frequency plane.
///
/// The recipe is that of Park and Kim, "How Do Vision Transformers Work?" (ICLR 2022): 2-D Fourier
/// transform of every channel, `ln(|F| + 1e-6)`, mean over samples and channels, the half diagonal
/// from frequency 0 outwards, minus its first value. There are `ceil(n / 2)` points, `n` the shorter
/// side; point `k` has the frequency `2 pi k / n` in both directions.
///
/// * Odd sizes: the same; the last point is then at `pi - pi / n`.
/// * Maps that are not square, which the recipe does not cover: the points keep the same frequency in
///   both directions, so they fall between the longer side's frequencies, and the log amplitude is
///   interpolated linearly between the two neighbours.
///
/// Memory does not grow with the number of maps. The diagonal of a square map needs no 2-D transform:
/// by the projection-slice theorem it is the 1-D transform of the map's sums along its antidiagonals.
#[derive(Clone, Debug)]
pub struct LogAmplitude {
    size: Size,
    method: Method,
    sums: LogSums,
    count: u64,
}

#[derive(Clone)]
enum Method {
    Projection(Arc<dyn Fft<f64>>),
    Plane { fft: RealFft2, points: Vec<Point> },
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Method::Projection(_)) { "Projection" } else { "Plane" })
    }
}

/// A point between two computed frequencies: their places in the half plane, and the second's weight.
#[derive(Clone, Copy, Debug)]
struct Point {
    below: usize,
    above: usize,
    weight: f64,
}

/// The relative log amplitude of maps `[samples, channels, height, width]`; see [`LogAmplitude`].
///
/// # Errors
/// [`Error::NoPixels`] and [`Error::NothingAdded`] when a dimension is zero, [`Error::Value`] when a
/// value is not finite.
pub fn relative_log_amplitude<T: Value>(maps: ArrayView4<'_, T>) -> Result<Vec<f64>> {
    let (_, _, height, width) = maps.dim();
    let mut amplitude = LogAmplitude::new(height, width)?;
    amplitude.add_batch(maps)?;
    Ok(amplitude.finish()?.relative)
}

impl LogAmplitude {
    /// For maps of `height` x `width` pixels.
    ///
    /// # Errors
    /// [`Error::NoPixels`] when either is zero.
    pub fn new(height: usize, width: usize) -> Result<LogAmplitude> {
        let size = Size::new(height, width)?;
        let (method, places) = if height == width {
            let fft = FftPlanner::new().plan_fft_forward(height);
            (Method::Projection(fft), height.div_ceil(2))
        } else {
            let points = diagonal(size);
            let places = 2 * points.len();
            (Method::Plane { fft: RealFft2::new(size), points }, places)
        };
        Ok(LogAmplitude { size, method, sums: LogSums::new(places), count: 0 })
    }

    /// Adds one sample, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Size`] when the size is another, [`Error::Value`] when a value is not finite; nothing
    /// has then been added.
    pub fn add<T: Value>(&mut self, map: ArrayView3<'_, T>) -> Result<()> {
        self.add_batch(map.insert_axis(Axis(0)))
    }

    /// Adds samples, `[samples, channels, height, width]`, on all threads of the current rayon pool.
    ///
    /// The result is the same to the last bit for any number of threads, and to rounding for any
    /// split into calls.
    ///
    /// # Errors
    /// As [`LogAmplitude::add`].
    pub fn add_batch<T: Value>(&mut self, maps: ArrayView4<'_, T>) -> Result<()> {
        let (samples, channels, height, width) = maps.dim();
        self.size.check(height, width)?;
        let parts = share_out(maps, |share| match &self.method {
            Method::Projection(fft) => project(share, height, &**fft),
            Method::Plane { fft, points } => transform(share, fft, points),
        })?;
        for part in &parts {
            self.sums.merge(part);
        }
        self.count += (samples * channels) as u64;
        Ok(())
    }

    /// Adds everything that was added to `other`.
    ///
    /// # Errors
    /// [`Error::Size`] when the sizes differ.
    pub fn merge(&mut self, other: &LogAmplitude) -> Result<()> {
        self.size.check(other.size.height, other.size.width)?;
        self.sums.merge(&other.sums);
        self.count += other.count;
        Ok(())
    }

    /// Maps added so far: samples times channels.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean over everything added; more may be added afterwards.
    ///
    /// # Errors
    /// [`Error::NothingAdded`].
    pub fn finish(&self) -> Result<AmplitudeCurve> {
        if self.count == 0 {
            return Err(Error::NothingAdded);
        }
        let means = self.sums.means(self.count);
        let log_amplitude: Vec<f64> = match &self.method {
            Method::Projection(_) => means,
            Method::Plane { points, .. } => {
                let (below, above) = means.split_at(points.len());
                let pairs = below.iter().zip(above).zip(points);
                pairs.map(|((a, b), point)| a + (b - a) * point.weight).collect()
            }
        };
        let side = self.size.height.min(self.size.width) as f64;
        let first = log_amplitude[0];
        Ok(AmplitudeCurve {
            frequency: (0..log_amplitude.len()).map(|k| TAU * k as f64 / side).collect(),
            relative: log_amplitude.iter().map(|value| value - first).collect(),
            log_amplitude,
        })
    }
}

/// Where the points of the diagonal lie in the half plane of a map that is not square.
fn diagonal(Size { height, width }: Size) -> Vec<Point> {
    let side = height.min(width);
    let place = |u: usize, v: usize| v * height + u;
    (0..side.div_ceil(2))
        .map(|k| {
            let along = |length: usize| (k * length / side, (k * length % side) as f64);
            let ((u, past_u), (v, past_v)) = (along(height), along(width));
            // The shorter side is met exactly; only the longer one can lie in between.
            let above = place(u + usize::from(past_u > 0.0), v + usize::from(past_v > 0.0));
            Point { below: place(u, v), above, weight: (past_u + past_v) / side as f64 }
        })
        .collect()
}

/// The diagonals of square maps by the projection-slice theorem, two maps to a transform.
fn project<T: Value>(
    share: &[Numbered<'_, T>],
    side: usize,
    fft: &dyn Fft<f64>,
) -> Result<LogSums> {
    let zero = Complex::new(0.0, 0.0);
    let mut sums = LogSums::new(side.div_ceil(2));
    let mut plane = vec![0.0; side * side];
    let mut projections = [vec![0.0; side], vec![0.0; side]];
    let mut pair = vec![zero; side];
    let mut scratch = vec![zero; fft.get_inplace_scratch_len()];
    for maps in share.chunks(2) {
        for (map, projection) in maps.iter().zip(&mut projections) {
            load(map, &mut plane)?;
            antidiagonal_sums(&plane, projection);
        }
        for (to, (&a, &b)) in pair.iter_mut().zip(projections[0].iter().zip(&projections[1])) {
            *to = Complex::new(a, b);
        }
        fft.process_with_scratch(&mut pair, &mut scratch);
        sums.add((0..side.div_ceil(2)).map(|k| amplitude(separate(&pair, k).0)));
        if maps.len() == 2 {
            sums.add((0..side.div_ceil(2)).map(|k| amplitude(separate(&pair, k).1)));
        }
    }
    Ok(sums)
}

/// `sums[s]` = sum of all `plane[y, x]` with `(y + x) mod side == s`.
fn antidiagonal_sums(plane: &[f64], sums: &mut [f64]) {
    let side = sums.len();
    sums.fill(0.0);
    for (y, row) in plane.chunks_exact(side).enumerate() {
        let (before, after) = row.split_at(side - y);
        for (sum, value) in sums[y..].iter_mut().zip(before) {
            *sum += value;
        }
        for (sum, value) in sums.iter_mut().zip(after) {
            *sum += value;
        }
    }
}

/// The log amplitudes at the given points and at their neighbours, one behind the other.
fn transform<T: Value>(
    share: &[Numbered<'_, T>],
    fft: &RealFft2,
    points: &[Point],
) -> Result<LogSums> {
    let mut sums = LogSums::new(2 * points.len());
    let mut plane = vec![0.0; fft.size.height * fft.size.width];
    let mut space: Workspace = fft.workspace();
    for map in share {
        load(map, &mut plane)?;
        let half = fft.transform(&plane, &mut space);
        let below = points.iter().map(|point| point.below);
        let above = points.iter().map(|point| point.above);
        sums.add(below.chain(above).map(|place| amplitude(half[place])));
    }
    Ok(sums)
}

pub(crate) fn amplitude(value: Complex<f64>) -> f64 {
    value.norm_sqr().sqrt() + AMPLITUDE_FLOOR
}
