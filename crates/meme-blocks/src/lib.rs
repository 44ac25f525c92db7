//! Denoiser networks: LDM U-Nets, iFormer inception mixers, and their exact parameter and MAC counts.
#![deny(missing_docs)]

mod architecture;
mod attention;
mod count;
mod error;
mod feature_maps;
mod feed_forward;
mod mixer;
mod names;
mod norm;
mod options;
mod plan;
mod res_block;
mod resample;
mod time;
mod unet;

pub use architecture::{Architecture, MixerTable, Mixing, PoolKind, Resampling};
pub use attention::{AttentionBlock, AttentionConfig};
pub use count::{ConvShape, Count, Size, StageCount, Tally, count};
pub use error::Error;
pub use feature_maps::{FeatureMap, feature_maps};
pub use feed_forward::FeedForward;
pub use mixer::{InceptionMixer, MixerBlock, MixerBlockConfig, MixerConfig};
pub use names::NameMap;
pub use options::{Dropout, Options, Probe};
pub use res_block::{ResBlock, ResBlockConfig};
pub use resample::Resample;
pub use time::TimeEmbedding;
pub use unet::UNet;
