//! The mean log amplitude over the whole frequency plane.

use crate::amplitude::amplitude;
use crate::fft::{RealFft2, centred};
use crate::log_sum::LogSums;
use crate::planes::{Size, Value, load, share_out};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView3, ArrayView4, Axis};

/// Mean over maps of `ln(|F| + 1e-6)` at every frequency: the pictures of Park and Kim.
///
/// For the curve alone [`crate::LogAmplitude`] is many times faster. Any size is taken as it is, and
/// memory does not grow with the number of maps.
#[derive(Clone, Debug)]
pub struct LogAmplitudeMap {
    fft: RealFft2,
    sums: LogSums,
    count: u64,
}

impl LogAmplitudeMap {
    /// For maps of `height` x `width` pixels.
    ///
    /// # Errors
    /// [`Error::NoPixels`] when either is zero.
    pub fn new(height: usize, width: usize) -> Result<LogAmplitudeMap> {
        let fft = RealFft2::new(Size::new(height, width)?);
        let sums = LogSums::new(fft.half_width() * height);
        Ok(LogAmplitudeMap { fft, sums, count: 0 })
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
    /// As [`LogAmplitudeMap::add`].
    pub fn add_batch<T: Value>(&mut self, maps: ArrayView4<'_, T>) -> Result<()> {
        let (samples, channels, height, width) = maps.dim();
        self.fft.size.check(height, width)?;
        let parts = share_out(maps, |share| {
            let mut sums = LogSums::new(self.fft.half_width() * height);
            let mut plane = vec![0.0; height * width];
            let mut space = self.fft.workspace();
            for map in share {
                load(map, &mut plane)?;
                let half = self.fft.transform(&plane, &mut space);
                sums.add(half.iter().map(|&value| amplitude(value)));
            }
            Ok(sums)
        })?;
        for part in &parts {
            self.sums.merge(part);
        }
        self.count += (samples * channels) as u64;
        Ok(())
    }

    /// The mean over everything added, `[height, width]`, frequency zero at
    /// `[height / 2, width / 2]`.
    ///
    /// # Errors
    /// [`Error::NothingAdded`].
    pub fn finish(&self) -> Result<Array2<f64>> {
        if self.count == 0 {
            return Err(Error::NothingAdded);
        }
        Ok(centred(&self.sums.means(self.count), self.fft.size))
    }
}
