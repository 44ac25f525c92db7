//! Power spectra: the mean squared amplitude at every frequency.

use crate::fft::{PairFft2, centred};
use crate::planes::{Size, Value, load, share_out};
use crate::radial::{RadialPower, radial};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView3, ArrayView4, Axis};
use rustfft::num_complex::Complex;
use std::f64::consts::TAU;
use std::fmt;

/// What a map is multiplied by before it is transformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// Nothing: the map is taken to repeat itself. Parseval's theorem holds exactly.
    #[default]
    None,
    /// A Hann window in both directions, scaled to a mean square of 1, after each map's mean was
    /// subtracted. For photographs: a picture does not repeat itself, and the jump from its right
    /// edge to its left one otherwise adds a cross of false high frequencies.
    Hann,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Window::None => "no",
            Window::Hann => "Hann",
        })
    }
}

/// Mean over maps of the power `|F|^2 / (height * width)`.
///
/// With this scale the mean over all frequencies is the maps' mean square (Parseval), and white noise
/// of variance 1 has the power 1 at every frequency: it is the scale on which the noise of a diffusion
/// process is 1. Any size is taken as it is, and memory does not grow with the number of maps.
#[derive(Clone, Debug)]
pub struct PowerSpectrum {
    fft: PairFft2,
    window: Window,
    /// Sums of the powers of pairs of maps, as [`PairFft2::add_power`] leaves them.
    sums: Vec<f64>,
    count: u64,
}

/// The radial power spectrum of maps `[samples, channels, height, width]`, without a window.
///
/// # Errors
/// [`Error::NoPixels`] and [`Error::NothingAdded`] when a dimension is zero, [`Error::Value`] when a
/// value is not finite.
pub fn radial_power<T: Value>(maps: ArrayView4<'_, T>) -> Result<RadialPower> {
    let (_, _, height, width) = maps.dim();
    let mut spectrum = PowerSpectrum::new(height, width, Window::None)?;
    spectrum.add_batch(maps)?;
    spectrum.radial()
}

impl PowerSpectrum {
    /// For maps of `height` x `width` pixels.
    ///
    /// # Errors
    /// [`Error::NoPixels`] when either is zero.
    pub fn new(height: usize, width: usize, window: Window) -> Result<PowerSpectrum> {
        let fft = PairFft2::new(Size::new(height, width)?);
        let sums = vec![0.0; width * height];
        Ok(PowerSpectrum { fft, window, sums, count: 0 })
    }

    /// Adds one sample, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Size`] when the size is another, [`Error::Value`] when a value is not finite; nothing
    /// has then been added.
    pub fn add<T: Value>(&mut self, map: ArrayView3<'_, T>) -> Result<()> {
        self.add_batch(map.insert_axis(Axis(0)))
    }

    /// Adds samples, `[samples, channels, height, width]`, on all threads of the current rayon pool;
    /// the result does not depend on their number.
    ///
    /// # Errors
    /// As [`PowerSpectrum::add`].
    pub fn add_batch<T: Value>(&mut self, maps: ArrayView4<'_, T>) -> Result<()> {
        let (samples, channels, height, width) = maps.dim();
        self.fft.size.check(height, width)?;
        let weights = [hann(height), hann(width)];
        let parts = share_out(maps, |share| {
            let mut sums = vec![0.0; self.sums.len()];
            let mut plane = vec![0.0; height * width];
            let mut pair = self.fft.pair();
            let read = |map, plane: &mut Vec<f64>| {
                load(map, plane)?;
                if self.window == Window::Hann {
                    apply(plane, &weights);
                }
                Ok(())
            };
            for maps in share.chunks(2) {
                read(&maps[0], &mut plane)?;
                for (to, &value) in pair.map.iter_mut().zip(&plane) {
                    *to = Complex::new(value, 0.0);
                }
                if let Some(second) = maps.get(1) {
                    read(second, &mut plane)?;
                    for (to, &value) in pair.map.iter_mut().zip(&plane) {
                        to.im = value;
                    }
                }
                self.fft.add_power(&mut pair, &mut sums);
            }
            Ok(sums)
        })?;
        for part in parts {
            add_to(&mut self.sums, &part);
        }
        self.count += (samples * channels) as u64;
        Ok(())
    }

    /// Adds everything that was added to `other`.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::Window`] when they measure different things.
    pub fn merge(&mut self, other: &PowerSpectrum) -> Result<()> {
        self.fft.size.check(other.fft.size.height, other.fft.size.width)?;
        if self.window != other.window {
            return Err(Error::Window { ours: self.window, theirs: other.window });
        }
        add_to(&mut self.sums, &other.sums);
        self.count += other.count;
        Ok(())
    }

    /// Maps added so far: samples times channels.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean power at every frequency, `[height, width]`, frequency zero at
    /// `[height / 2, width / 2]`.
    ///
    /// # Errors
    /// [`Error::NothingAdded`].
    pub fn plane(&self) -> Result<Array2<f64>> {
        if self.count == 0 {
            return Err(Error::NothingAdded);
        }
        let Size { height, width } = self.fft.size;
        let scale = 1.0 / (self.count as f64 * (height * width) as f64);
        let means: Vec<f64> = self.fft.half(&self.sums).iter().map(|sum| sum * scale).collect();
        Ok(centred(&means, self.fft.size))
    }

    /// The mean power on rings of equal frequency; see [`RadialPower`].
    ///
    /// # Errors
    /// [`Error::NothingAdded`].
    pub fn radial(&self) -> Result<RadialPower> {
        self.plane().map(|plane| radial(&plane))
    }
}

fn add_to(sums: &mut [f64], part: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(part) {
        *sum += more;
    }
}

/// A periodic Hann window of mean square 1; a single pixel stays as it is.
fn hann(length: usize) -> Vec<f64> {
    if length == 1 {
        return vec![1.0];
    }
    let window: Vec<f64> =
        (0..length).map(|i| 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos()).collect();
    let mean_square = window.iter().map(|w| w * w).sum::<f64>() / length as f64;
    window.iter().map(|w| w / mean_square.sqrt()).collect()
}

fn apply(plane: &mut [f64], [rows, columns]: &[Vec<f64>; 2]) {
    let mean = plane.iter().sum::<f64>() / plane.len() as f64;
    for (row, vertical) in plane.chunks_exact_mut(columns.len()).zip(rows) {
        for (value, horizontal) in row.iter_mut().zip(columns) {
            *value = (*value - mean) * vertical * horizontal;
        }
    }
}
