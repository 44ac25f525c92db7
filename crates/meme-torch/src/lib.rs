//! What libtorch has and [`tch`] lacks.
//!
//! tch binds libtorch's operators one by one and leaves the rest to its users: its layers are not
//! initialised as PyTorch's are, its store renames a duplicate and loads half a file, its optimizer
//! cannot be saved, its noise changes with the batch. This crate is the other half, for anybody who
//! trains a network in Rust: it knows nothing of diffusion.
//!
//! * [`Parameters`] hold every weight under a dotted name. Layers are built on a [`Path`] into the
//!   store; their first values are functions of (seed, expert, name), drawn from counters
//!   ([`Init`]). Loading compares everything first and then copies all, or refuses with a list.
//! * [`layers`] are the plain ones with PyTorch's names, shapes and defaults, so that a state
//!   dictionary carries over name by name; [`silu`], [`gelu`], [`attention`], [`sinusoidal`],
//!   [`upsample_nearest`] and [`pad`] are the operations between them. Everything that a wrong
//!   shape can reach returns a [`Result`] that names the operation.
//! * [`AdamW`] moves all parameters in one call, bit for bit as `torch.optim.AdamW` does, and its
//!   state is a map of named tensors. [`Ema`] averages them in one call. [`clip_and_check`] limits
//!   the gradient norm and finds what is not finite on the way. [`PowerFunction`] gives averages
//!   whose length can be chosen after training.
//! * [`noise`] draws row `k` of a batch from stream `k`, so that a sample is the same in any batch.
//! * [`device`] finds and loads CUDA at run time and says why not; [`init_thread`] keeps two
//!   trainings in one process apart; [`Autocast`], [`set_deterministic`], [`set_tf32`] and
//!   [`channels_last`] are the switches that tch does not reach; [`keep_freed_memory`] spares
//!   training on the CPU its page faults.
//! * [`checkpoint`] computes feature maps again instead of keeping them, to the same bits;
//!   [`Stream`], [`Event`], [`pin`] and [`Graph`] are for devices that work on their own.
//!
//! # Learning a line
//!
//! ```
//! use meme_torch::tch::Device;
//! use meme_torch::{
//!     AdamW, AdamWConfig, Linear, LinearConfig, Parameters, clip_and_check, from_f32,
//!     mean_squared_error, to_f32_vec,
//! };
//!
//! # fn main() -> meme_torch::Result<()> {
//! let mut parameters = Parameters::new(Device::Cpu, 1, 0);
//! let line = Linear::new(&(parameters.root() / "line"), 1, 1, LinearConfig::default())?;
//!
//! let x = from_f32(&[-1.0, 0.0, 1.0, 2.0], &[4, 1], Device::Cpu)?;
//! let y = from_f32(&[-2.0, 1.0, 4.0, 7.0], &[4, 1], Device::Cpu)?; // y = 3 x + 1
//!
//! let config = AdamWConfig { learning_rate: 0.1, weight_decay: 0.0, ..AdamWConfig::default() };
//! let mut optimizer = AdamW::new(config, parameters.named())?;
//! for _ in 0..300 {
//!     let loss = mean_squared_error(&line.forward(&x)?, &y)?;
//!     parameters.zero_grad();
//!     loss.backward();
//!     clip_and_check(&parameters.gradients(), 10.0)?; // NaN would stop here, weights untouched
//!     optimizer.step()?;
//! }
//! let slope = to_f32_vec(&line.weight)?[0];
//! assert!((slope - 3.0).abs() < 0.01);
//!
//! // The weights leave and return by name, all of them or none.
//! let saved = parameters.to_data()?;
//! assert_eq!(saved.keys().collect::<Vec<_>>(), ["line.bias", "line.weight"]);
//! parameters.load(&saved)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What repeats, and what does not
//!
//! On the CPU the same program on the same kind of processor gives the same bits, as long as each
//! thread that computes says first how many threads its operations may use ([`init_thread`]):
//! another number splits sums differently. libtorch's own random generator is never used.
//!
//! # Errors and panics
//!
//! libtorch's exceptions become [`Error::Torch`] with its sentence and without its backtrace, also
//! those of the C++ shim. tch's operators without `f_` panic on the same exceptions; code that may
//! see a user's shapes should use the functions here, or tch's `f_` forms.
#![deny(missing_docs)]

pub mod adamw;
mod checkpointing;
mod convert;
pub mod device;
mod ema;
mod error;
mod ffi;
mod functional;
mod gradients;
mod graphs;
mod init;
pub mod layers;
mod mapped;
mod memory;
mod noise;
mod parameters;
mod pinned;
mod power;
mod precision;
mod quantile;
mod store;
mod streams;
mod switches;
mod threads;

pub use adamw::{AdamW, AdamWConfig};
pub use checkpointing::checkpoint;
pub use convert::{
    data_to_tensor, dtype_of, from_array, from_f32, from_f64, from_i64, into_tensors, kind_of,
    tensor_to_data, to_array, to_f32_vec, to_f64_vec, to_i64_vec,
};
pub use ema::{Ema, ldm_decay};
pub use error::{Error, Mismatch};
pub use functional::{
    attention, frequencies, gelu, mean_squared_error, pad, silu, sinusoidal, sinusoidal_rows,
    upsample_nearest,
};
pub use gradients::{clip_and_check, not_finite};
pub use graphs::Graph;
pub use init::{Init, name_counter};
pub use layers::{
    Conv2d, Conv2dConfig, Embedding, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
pub use mapped::{map_safetensors, map_verified};
pub use meme_checkpoint::TensorData;
pub use memory::{keep_freed_memory, page_faults, peak_memory, resident_memory};
pub use noise::{dropout_mask, noise};
pub use parameters::{Parameters, Path};
pub use pinned::{bring_beside, is_pinned, pin, to_device_beside};
pub use power::{PowerFunction, posthoc_coefficients, weighted_sum};
pub use precision::Precision;
pub use streams::{Event, Stream, StreamGuard, synchronize};
pub use switches::{
    Autocast, channels_last, deterministic, set_cudnn_benchmark, set_deterministic, set_tf32, tf32,
};
pub use tch;
pub use threads::{init_thread, set_threads, threads, with_threads};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
