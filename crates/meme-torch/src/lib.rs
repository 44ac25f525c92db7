//! What libtorch has and tch lacks: named parameters, layers, AdamW, EMA, devices, deterministic noise.
#![deny(missing_docs)]

pub mod adamw;
mod convert;
pub mod device;
mod ema;
mod error;
mod ffi;
mod functional;
mod gradients;
mod init;
pub mod layers;
mod memory;
mod noise;
mod parameters;
mod quantile;
mod store;
mod switches;
mod threads;

pub use adamw::{AdamW, AdamWConfig};
pub use convert::{
    data_to_tensor, dtype_of, from_array, from_f32, from_f64, from_i64, kind_of, tensor_to_data,
    to_array, to_f32_vec, to_f64_vec, to_i64_vec,
};
pub use ema::{Ema, ldm_decay};
pub use error::{Error, Mismatch};
pub use functional::{
    attention, frequencies, gelu, mean_squared_error, pad, silu, sinusoidal, upsample_nearest,
};
pub use gradients::{clip_and_check, not_finite};
pub use init::{Init, name_counter};
pub use layers::{
    Conv2d, Conv2dConfig, Embedding, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
pub use memory::{peak_memory, resident_memory};
pub use noise::noise;
pub use parameters::{Parameters, Path};
pub use switches::{
    Autocast, channels_last, deterministic, set_cudnn_benchmark, set_deterministic, set_tf32, tf32,
};
pub use tch;
pub use threads::{init_thread, set_threads, threads, with_threads};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
