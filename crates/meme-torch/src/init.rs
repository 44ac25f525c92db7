//! First values of parameters: functions of (seed, expert, parameter name, element), nothing else.

use crate::quantile::{normal_below_minus_two, normal_quantile};
use meme_random::{Purpose, Stream};

/// How a parameter starts.
///
/// Every element is drawn at its own counter from the stream of its parameter's name, so the values
/// depend neither on the order in which layers are built, nor on the device, the number of threads
/// or any generator of libtorch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
    /// Uniform in `+-1/sqrt(fan_in)`: PyTorch's default for the weights and biases of linear and
    /// convolution layers (`kaiming_uniform_` with `a = sqrt(5)`; `torch/nn/modules/linear.py`).
    FanIn {
        /// Inputs that reach one output: `in_channels / groups * kernel area`.
        fan_in: i64,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Normal with mean 0, restricted to two standard deviations to either side (the variance of
    /// what is left is 0.774 `std^2`), as TensorFlow's `truncated_normal`. PyTorch's
    /// `trunc_normal_` cuts at the absolute values +-2 instead, which for small `std` cuts nothing.
    TruncatedNormal {
        /// Standard deviation before the cut.
        std: f64,
    },
}

/// Where [`Init::TruncatedNormal`] cuts, in standard deviations.
const CUT: f64 = 2.0;

/// Elements below which one thread draws all of them.
const WORTH_THREADS: usize = 1 << 16;

impl Init {
    /// Fills `out` for the parameter of that full name.
    pub(crate) fn fill(self, seed: u64, expert: u16, name: &str, out: &mut [f32]) {
        let stream = Stream::new(seed, Purpose::Initialisation, expert, name_counter(name));
        match self {
            Init::Zeros => out.fill(0.0),
            Init::Ones => out.fill(1.0),
            Init::Uniform { bound } => uniform(&stream, bound, out),
            Init::FanIn { fan_in } => uniform(&stream, 1.0 / (fan_in.max(1) as f64).sqrt(), out),
            Init::Normal { std } => {
                in_parallel(out, |index| (std * stream.normal(index)) as f32);
            }
            Init::TruncatedNormal { std } => {
                // A uniform number between the two cuts' probabilities, through the inverse of the
                // normal distribution: exact, and one draw for each element.
                let low = normal_below_minus_two();
                in_parallel(out, |index| {
                    let share = low + (1.0 - 2.0 * low) * stream.uniform(index);
                    (std * normal_quantile(share).clamp(-CUT, CUT)) as f32
                });
            }
        }
    }

    /// Whether the values are all the same.
    pub(crate) fn constant(self) -> Option<f64> {
        match self {
            Init::Zeros => Some(0.0),
            Init::Ones => Some(1.0),
            _ => None,
        }
    }
}

/// The image counter that stands for a parameter's name: 64-bit FNV-1a of its UTF-8 bytes
/// (offset 0xcbf29ce484222325, prime 0x100000001b3).
#[must_use]
pub fn name_counter(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn uniform(stream: &Stream, bound: f64, out: &mut [f32]) {
    in_parallel(out, |index| (bound * (2.0 * stream.uniform(index) - 1.0)) as f32);
}

/// Element `i` becomes `value(i)`; the threads only share the work.
fn in_parallel(out: &mut [f32], value: impl Fn(u64) -> f32 + Sync) {
    let fill = |start: usize, part: &mut [f32]| {
        for (index, element) in (start as u64..).zip(part.iter_mut()) {
            *element = value(index);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if out.len() < WORTH_THREADS || threads == 1 {
        fill(0, out);
        return;
    }
    let length = out.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, chunk) in out.chunks_mut(length).enumerate() {
            let fill = &fill;
            scope.spawn(move || fill(part * length, chunk));
        }
    });
}
