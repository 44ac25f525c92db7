//! Walking over many maps, in parallel and yet always in the same order of additions.

use crate::{Error, Result};
use ndarray::{ArrayView2, ArrayView4};
use rayon::prelude::*;

/// Maps that one job works through at least.
const MAPS_PER_JOB: usize = 8;
/// Jobs of one call at most, so that their partial results stay few.
const JOBS: usize = 64;
/// Values whose squares, summed over any map, still fit in an f64.
const LARGEST: f64 = 1e140;

/// A number type that maps can be made of.
pub trait Value: Copy + Sync + Into<f64> {}

impl<T: Copy + Sync + Into<f64>> Value for T {}

/// Height and width, both positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Size {
    pub(crate) fn new(height: usize, width: usize) -> Result<Size> {
        if height == 0 || width == 0 {
            return Err(Error::NoPixels { height, width });
        }
        Ok(Size { height, width })
    }

    pub(crate) fn check(self, found_height: usize, found_width: usize) -> Result<()> {
        let Size { height, width } = self;
        if (found_height, found_width) == (height, width) {
            return Ok(());
        }
        Err(Error::Size { height, width, found_height, found_width })
    }
}

/// Maps `[height, width]` with the number each has in its call.
pub(crate) type Numbered<'a, T> = (usize, ArrayView2<'a, T>);

/// Gives every job its share of the maps and returns the jobs' results in the order of the maps.
///
/// The shares depend on the number of maps alone, so the result is the same to the last bit for any
/// number of threads.
pub(crate) fn share_out<'a, T: Value, P: Send>(
    maps: ArrayView4<'a, T>,
    work: impl Fn(&[Numbered<'a, T>]) -> Result<P> + Sync + Send,
) -> Result<Vec<P>> {
    let planes: Vec<Numbered<'a, T>> = (0..maps.dim().0)
        .flat_map(|sample| (0..maps.dim().1).map(move |channel| (sample, channel)))
        .map(|(sample, channel)| {
            let plane = maps.index_axis_move(ndarray::Axis(0), sample);
            plane.index_axis_move(ndarray::Axis(0), channel)
        })
        .enumerate()
        .collect();
    let share = planes.len().div_ceil(JOBS).max(MAPS_PER_JOB);
    let parts: Vec<Result<P>> = planes.par_chunks(share).map(work).collect();
    // Of several errors the first map's is reported, whichever thread was quicker.
    parts.into_iter().collect()
}

/// Copies a map into `buffer`, row by row, and refuses values that have no spectrum.
pub(crate) fn load<T: Value>((plane, map): &Numbered<'_, T>, buffer: &mut [f64]) -> Result<()> {
    // Loops over slices become vector instructions; those over a view's elements do not.
    match map.as_slice() {
        Some(values) => buffer.iter_mut().zip(values).for_each(|(to, &from)| *to = from.into()),
        None => buffer.iter_mut().zip(map).for_each(|(to, &from)| *to = from.into()),
    }
    // Nor does a loop that may end early. NaN is smaller than nothing.
    let fits = |value: f64| value.abs() < LARGEST;
    if buffer.iter().fold(true, |all, &value| all & fits(value)) {
        return Ok(());
    }
    let at = buffer.iter().position(|&value| !fits(value)).unwrap_or_default();
    let width = map.ncols();
    let (plane, value) = (*plane, buffer[at]);
    Err(Error::Value { plane, row: at / width, column: at % width, value })
}
