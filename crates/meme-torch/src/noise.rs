//! Normal noise from counters.

use crate::convert::from_f32;
use crate::error::Error;
use meme_random::Stream;
use tch::{Device, Tensor};

/// Elements below which one thread draws all of them.
const WORTH_THREADS: usize = 1 << 15;

/// Standard normal float32 noise [streams, shape...]: row `k` is drawn from stream `k` alone, so a
/// sample's noise depends neither on the batch it is in, nor on the device or the threads.
///
/// # Errors
/// [`Error::Invalid`] for a shape with a length below 1, [`Error::Torch`] when memory runs out.
pub fn noise(streams: &[Stream], shape: &[i64], device: Device) -> Result<Tensor, Error> {
    if shape.iter().any(|&length| length < 1) {
        return Err(Error::Invalid {
            what: "noise".to_owned(),
            rule: format!("every length must be at least 1, the shape is {shape:?}"),
        });
    }
    let row = shape.iter().product::<i64>() as usize;
    let mut values = vec![0.0_f32; streams.len() * row];
    let threads = match values.len() {
        small if small < WORTH_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from).min(streams.len()),
    };
    let fill = |streams: &[Stream], rows: &mut [f32]| {
        for (stream, out) in streams.iter().zip(rows.chunks_exact_mut(row)) {
            stream.fill_normal(out);
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
