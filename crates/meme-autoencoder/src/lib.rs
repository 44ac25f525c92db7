//! First stages: what stands between pixels and the space in which a diffusion model works.
//!
//! Diffusion on 256 x 256 pixels is expensive, and most of what it spends goes into detail that a small autoencoder can
//! fill in. Latent diffusion (Rombach et al., arXiv 2112.10752) therefore trains an autoencoder first and diffuses its
//! latents. A first stage here is a pair of functions, [`FirstStage::encode`] and [`FirstStage::decode`], without
//! random numbers: the same image has the same latent, so latents can be computed once and kept.
//!
//! | kind | image | latent | learned |
//! |---|---|---|---|
//! | `identity` | [B, C, H, W] | [B, C, H, W] | nothing |
//! | `space-to-depth`, factor f | [B, C, H, W] | [B, C f f, H/f, W/f] | nothing; the inverse is exact |
//! | `vq` | [B, 3, H, W] | [B, E, H/f, W/f], before quantisation | encoder, codebook, decoder |
//! | `kl` | [B, 3, H, W] | [B, E, H/f, W/f], scaled mean of the posterior | encoder, decoder |
//!
//! Space-to-depth puts the pixels of each f x f cell side by side in the channels: colour `c`, row `y` and column `x` of
//! the cell become channel `(c f + y) f + x`, as in libtorch's `pixel_unshuffle`. It loses nothing and costs nothing,
//! but lets a small network look at a quarter of the positions.
//!
//! # The coder of VQ and KL stages
//!
//! With `width` 128 and `channel_mult` [1, 2, 4] (VQ-f4), a 256 x 256 image goes
//!
//! ```text
//! encoder.conv_in   [B, 3, 256, 256] -> [B, 128, 256, 256]
//! encoder.down.0    2 residual blocks   [B, 128, 256, 256], stride 2 -> [B, 128, 128, 128]
//! encoder.down.1    2 residual blocks   [B, 256, 128, 128], stride 2 -> [B, 256, 64, 64]
//! encoder.down.2    2 residual blocks   [B, 512, 64, 64]
//! encoder.mid       residual, attention with one head, residual   [B, 512, 64, 64]
//! encoder.conv_out  norm, SiLU, 3x3 -> [B, 3, 64, 64];  quant_conv, 1x1 -> the latent
//! quantize          each position's nearest of 8192 vectors        [B, 3, 64, 64]
//! decoder           the mirror image with 3 residual blocks a level -> [B, 3, 256, 256]
//! ```
//!
//! Before a convolution of stride 2 zeros are added on the right and below only. Parameters have CompVis' names, so its
//! checkpoints load as they are. The diffusion model sees the latent *before* quantisation; decoding quantises first.
//!
//! # An image there and back
//!
//! ```
//! use meme_autoencoder::{FirstStage, FirstStageConfig};
//! use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
//!
//! let config: FirstStageConfig = toml::from_str("kind = 'space-to-depth'\nfactor = 2")?;
//! let mut parameters = Parameters::new(Device::Cpu, 7, 0);
//! let cells = FirstStage::new(&parameters.root(), &config)?;
//!
//! let image = Tensor::arange(3 * 32 * 32, (Kind::Float, Device::Cpu)).view([1, 3, 32, 32]);
//! let latent = cells.encode(&image)?;
//! assert_eq!(latent.size(), [1, 12, 16, 16]);
//! assert!(cells.decode(&latent)? == image);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both learned kinds can be trained: gradients pass through [`KlAutoencoder::posterior`], [`divergence`] and
//! [`KlAutoencoder::reconstruct`], or [`FirstStage::encode`] and [`VqAutoencoder::reconstruct`], and a
//! [`CodebookAverage`] moves the vectors. What is minimised is the caller's business.
//!
//! Pictures too large for memory are coded in overlapping tiles: [`FirstStage::encode_tiled`] and
//! [`FirstStage::decode_tiled`]. What that changes is said at [`Tiling`].
//!
//! [`FirstStageConfig::count`] gives parameters and multiply-accumulates without building anything.
#![deny(missing_docs)]

mod codebook;
mod coder;
mod config;
mod count;
mod error;
mod first_stage;
mod kl;
mod tiles;
mod vq;

pub use codebook::CodebookAverage;
pub use config::{CoderConfig, FirstStageConfig};
pub use count::Count;
pub use error::Error;
pub use first_stage::FirstStage;
pub use kl::{KlAutoencoder, divergence};
pub use tiles::Tiling;
pub use vq::VqAutoencoder;
