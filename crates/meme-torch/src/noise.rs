//! Noise and dropout masks from counters.

use crate::convert::from_f32;
use crate::error::Error;
use meme_random::Stream;
use tch::{Device, Tensor};

/// Elements below which one thread draws all of them.
const WORTH_THREADS: usize = 1 << 15;

/// Standard normal float32 noise `[streams, shape...]`: row `k` is drawn from stream `k` alone, so a
/// sample's noise depends neither on the batch it is in, nor on the device or the threads.
///
/// # Errors
/// [`Error::Invalid`] for a shape with a length below 1, [`Error::Torch`] when memory runs out.
pub fn noise(streams: &[Stream], shape: &[i64], device: Device) -> Result<Tensor, Error> {
    rows(streams, shape, device, Stream::fill_normal)
}

/// A dropout mask `[streams, shape...]`, float32: 0 with probability `rate`, otherwise
/// `1 / (1 - rate)`; element `i` of row `k` is 0 where `uniform(i)` of stream `k` is below `rate`.
///
/// # Errors
/// As [`noise`], and [`Error::Invalid`] for a rate outside [0, 1).
pub fn dropout_mask(
    streams: &[Stream],
    shape: &[i64],
    rate: f64,
    device: Device,
) -> Result<Tensor, Error> {
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::Invalid {
            what: "dropout".to_owned(),
            rule: format!("the rate must be in [0, 1), it is {rate}"),
        });
    }
    let kept = (1.0 / (1.0 - rate)) as f32;
    rows(streams, shape, device, |stream, row| {
        for (index, value) in (0_u64..).zip(row.iter_mut()) {
            *value = if stream.uniform(index) < rate { 0.0 } else { kept };
        }
    })
}

/// One row for each stream; the threads only share the work.
fn rows(
    streams: &[Stream],
    shape: &[i64],
    device: Device,
    fill_row: impl Fn(&Stream, &mut [f32]) + Sync,
) -> Result<Tensor, Error> {
    let count = shape.iter().try_fold(1_i64, |count, &length| match length {
        1.. => count.checked_mul(length),
        _ => None,
    });
    let Some(row) = count.and_then(|count| usize::try_from(count).ok()) else {
        return Err(Error::Invalid {
            what: "rows of noise".to_owned(),
            rule: format!("every length must be at least 1, the shape is {shape:?}"),
        });
    };
    let mut values = vec![0.0_f32; streams.len() * row];
    let threads = match values.len() {
        small if small < WORTH_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from).min(streams.len()),
    };
    let fill = |streams: &[Stream], rows: &mut [f32]| {
        for (stream, out) in streams.iter().zip(rows.chunks_exact_mut(row)) {
            fill_row(stream, out);
        }
    };
    if threads < 2 {
        fill(streams, &mut values);
    } else {
        let share = streams.len().div_ceil(threads);
        std::thread::scope(|scope| {
            for (streams, rows) in streams.chunks(share).zip(values.chunks_mut(share * row)) {
                let fill = &fill;
                scope.spawn(move || fill(streams, rows));
            }
        });
    }
    let mut size = vec![streams.len() as i64];
    size.extend_from_slice(shape);
    from_f32(&values, &size, device)
}
