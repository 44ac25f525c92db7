//! The denoisers of latent diffusion, and the inception U-Nets of multi-architecture experts, from one description.
//!
//! A denoiser receives a noisy image `x`, [B, C, H, W], and for each sample the 0-based index of its noise level. It
//! predicts the noise (or whatever it was trained to predict) in the same shape. This crate has the networks that MEME
//! (Lee et al., arXiv 2306.04990) trains and compares: the U-Net of latent diffusion (Rombach et al., arXiv
//! 2112.10752) with and without conditions, that of guided diffusion (Dhariwal and Nichol, arXiv 2105.05233), and
//! U-Nets whose encoder mixes positions with iFormer's inception mixer (Si et al., arXiv 2205.12956). It knows nothing
//! of training, sampling, or who owns which timestep.
//!
//! # A U-Net, shape by shape
//!
//! Say `x` is [B, 3, 64, 64], `width` 128, `channel_mult` [1, 2, 3, 4], two residual blocks a level:
//!
//! ```text
//! index  [B] -> sines, cosines [B, 128] -> time.hidden, SiLU -> time.output [B, 512]   every residual block gets it
//!
//! stem            [B, 3, 64, 64]   -> [B, 128, 64, 64]  --------------------------------------------.
//! encoder.0   2 x residual (+ mixing) [B, 128, 64, 64], down -> [B, 128, 32, 32]  ----------------. |
//! encoder.1   2 x                     [B, 256, 32, 32], down -> [B, 256, 16, 16]  --------------. | |
//! encoder.2   2 x                     [B, 384, 16, 16], down -> [B, 384, 8, 8]    ------------. | | |
//! encoder.3   2 x                     [B, 512, 8, 8]    ------------------------------------. | | | |
//! middle      residual, mixing, residual   [B, 512, 8, 8]                                   | | | | |
//! decoder.3   3 x residual (+ mixing) on [h, skip]  [B, 512, 8, 8],    up -> 16 x 16      <-' | | | |
//! decoder.2   3 x                                   [B, 384, 16, 16],  up -> 32 x 32      <---' | | |
//! decoder.1   3 x                                   [B, 256, 32, 32],  up -> 64 x 64      <-----' | |
//! decoder.0   3 x                                   [B, 128, 64, 64]                      <-------' |
//! output          norm, SiLU, 3x3 convolution       [B, 3, 64, 64]                        <---------'
//! ```
//!
//! The encoder leaves one map for each of its blocks, the stem and each step down: twelve here. The decoder takes them
//! back in reverse, one for each of its twelve blocks. Odd sizes round up on the way down and are cut to the skip's
//! size on the way up, so any height and width work.
//!
//! * [`ResBlock`]: norm, SiLU, 3x3 convolution, plus the time embedding, norm, SiLU, 3x3 convolution, plus the input.
//! * [`AttentionBlock`]: every position looks at every other. Good at low frequencies, quadratic in positions.
//! * [`MixerBlock`]: an [`InceptionMixer`] splits the channels into heads. The first few, `high_heads`, are convolved and
//!   max-pooled, which sees edges and texture; the others attend over a pooled map, which sees layout. How many go where
//!   is what makes one expert differ from another. Other elements can stand in either branch: [`HighElement`],
//!   [`LowElement`].
//! * [`SpatialTransformer`]: self-attention, cross-attention to context tokens [B, T, D], a gated feed-forward. This is
//!   how words, or a class, steer a network.
//! * Every residual branch ends in a layer that starts as zero: a new network predicts 0 and every mixer starts as the
//!   identity. All else starts as PyTorch's layers do.
//!
//! # From a description to a prediction
//!
//! [`Architecture`] is a plain value that serde reads and checks. Nothing here knows a preset's name.
//!
//! ```
//! use meme_blocks::{Architecture, Options, UNet, count};
//! use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
//!
//! // Expert 1 of the paper, the one for the least noise: most of its heads are high-frequency ones.
//! let expert: Architecture = toml::from_str(r#"
//!     in_channels = 3
//!     out_channels = 3
//!     width = 128
//!     channel_mult = [1, 2, 3, 4]
//!     res_blocks = 2
//!     head_dim = 32
//!     encoder = ["mixer", "mixer", "mixer", "mixer"]
//!     middle = "mixer"
//!     decoder = ["none", "none", "none", "none"]
//!
//!     [mixer]
//!     high_heads = [3, 5, 6, 4]
//!     middle_high_heads = 4
//!     pool = [2, 2, 1, 1]
//! "#)?;
//!
//! // Counting allocates nothing.
//! let counted = count(&expert, 64, 64)?;
//! assert_eq!(counted.parameters, 82_511_235);
//! assert_eq!(counted.macs, 30_064_459_776);
//!
//! // A smaller sister, built and run on a size that is neither square nor even.
//! let small = Architecture { width: 32, head_dim: 8, norm_groups: 8, ..expert };
//! let mut parameters = Parameters::new(Device::Cpu, 2024, 1);
//! let network = UNet::new(&parameters.root(), &small)?;
//! let x = Tensor::zeros([2, 3, 24, 17], (Kind::Float, Device::Cpu));
//! let indices = Tensor::from_slice(&[0_i64, 249]);
//! assert_eq!(network.forward(&x, &indices, &mut Options::default())?.size(), [2, 3, 24, 17]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Conditions
//!
//! A class reaches a network in one of two ways. As a vector added to the time embedding (ADM), it steers the norms of
//! every residual block; as a context token (LDM), every position asks for it by cross-attention. Words, or whatever
//! else becomes tokens [B, T, D], come as [`Options::context`].
//!
//! ```
//! use meme_blocks::{Architecture, Options, UNet, count};
//! use meme_torch::{Parameters, tch::{Device, Kind, Tensor}};
//!
//! // LDM's network for ImageNet's thousand classes, and class 1000 for none.
//! let cin256: Architecture = toml::from_str(r#"
//!     in_channels = 3
//!     out_channels = 3
//!     width = 192
//!     channel_mult = [1, 2, 3, 5]
//!     res_blocks = 2
//!     heads = 1
//!     encoder = ["none", "transformer", "transformer", "transformer"]
//!     middle = "transformer"
//!     decoder = ["none", "transformer", "transformer", "transformer"]
//!     transformer = { context = 512, depth = 1 }
//!     classes = 1001
//!     class_conditioning = "context"
//! "#)?;
//! let counted = count(&cin256, 64, 64)?;
//! assert_eq!(counted.parameters, 400_920_579 + 1001 * 512);
//! // 1.5 GiB of weights; half a GiB to keep of every sample that it is trained on.
//! assert_eq!(counted.weight_bytes(Kind::Float), 1_605_732_364);
//! assert_eq!(counted.activation_bytes(Kind::Float) >> 20, 527);
//!
//! let small = Architecture { width: 32, channel_mult: vec![1, 2, 2, 2], ..cin256 };
//! let mut parameters = Parameters::new(Device::Cpu, 2024, 1);
//! let network = UNet::new(&parameters.root(), &small)?;
//! let x = Tensor::zeros([2, 3, 16, 16], (Kind::Float, Device::Cpu));
//! let (indices, classes) = (Tensor::from_slice(&[0_i64, 999]), Tensor::from_slice(&[281_i64, 1000]));
//! let mut options = Options { classes: Some(&classes), ..Options::default() };
//! assert_eq!(network.forward(&x, &indices, &mut options)?.size(), [2, 3, 16, 16]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Counting
//!
//! [`count`](count()) gives parameters, multiply-accumulates, and the memory of weights and of a training step, for the
//! whole and for each stage, in well under a millisecond. Tests hold its parameters against the built networks, its
//! multiply-accumulates against every product that libtorch is seen to compute, and its memory against every byte that
//! libtorch has allocated when the backward pass begins: all three are exact.
//!
//! # Names
//!
//! Parameters have these names, which are part of the interface and of files (L: level, B: block):
//!
//! ```text
//! time.hidden  time.output  classes                                                .weight .bias
//! stem
//! encoder.L.B.residual.{norm_in, conv_in, embedding, norm_out, conv_out, skip}     skip where the channels change
//! encoder.L.B.attention.{norm, qkv, projection}
//! encoder.L.B.mixer.{norm, high.expand, high.depthwise, high.pooled, low.qkv, fuse, projection}
//!                    high.depthwise or low.qkv may be dilated, large_kernel, or fourier{.real, .imaginary} instead
//! encoder.L.B.mixer.feed_forward.{norm, expand, contract}
//! encoder.L.B.transformer.{norm, enter, leave}                                     D: layer of a transformer
//! encoder.L.B.transformer.D.{norm_self, self.qkv, self.projection, norm_cross, cross.query, cross.key_value,
//!                            cross.projection, norm_feed_forward, feed_forward.expand, feed_forward.contract}
//! encoder.L.down                     or, resampling by residual blocks, encoder.L.down.{norm_in, ...}
//! middle.first.{norm_in, ...}  middle.attention.{...}, .mixer or .transformer  middle.last.{...}
//! decoder.L.B...  decoder.L.up
//! output.norm  output.conv
//! ```
//!
//! [`feature_maps`] lists what a [`Probe`] can watch during a forward pass, under the same names; nobody watching costs
//! nothing. [`NameMap`] translates whole sets of parameters to and from CompVis, guided diffusion and diffusers, exactly.
//!
//! # Speed
//!
//! [`UNet::for_inference`] makes the form that samplers run, an [`InferenceUNet`]: all weights in the compute dtype, all
//! that can be folded folded. The form that is trained is plainer: maps and convolution weights lie channels-last; on the
//! CPU, in float32 and bfloat16, norm and SiLU are one operation, and the mixer's maximum another, whose bits do not depend
//! on the number of threads (`meme-torch`); attention is libtorch's fused kernel everywhere.
//! [`UNet::time_embedding`] can be made once for all steps of a sampling run. Against PyTorch 2.11, eager, in its faster
//! layout, on one thread of a shared Intel Xeon with AVX512, batch 16 of 16 x 16 x 12 at width 32, fastest of 25 runs:
//!
//! | network | PyTorch | training step | forward alone |
//! |---|---|---|---|
//! | LDM-S | diffusers' `UNet2DModel` | 155 ms against 198 | 45 ms against 66 |
//! | expert 1 | the same modules in PyTorch | 158 ms against 185 | 43 ms against 60 |
#![deny(missing_docs)]

mod architecture;
mod attention;
mod conv;
mod count;
mod error;
mod feature_maps;
mod feed_forward;
mod inference;
mod mixer;
mod names;
mod norm;
mod options;
mod plan;
mod res_block;
mod resample;
mod time;
mod transformer;
mod unet;

pub use architecture::{
    Architecture, ClassConditioning, HighElement, LowElement, MixerTable, Mixing, PoolKind,
    PoolKinds, Resampling, TransformerTable,
};
pub use attention::{AttentionBlock, AttentionConfig};
pub use count::{ConvShape, Count, Size, StageCount, Tally, count, count_with_context};
pub use error::Error;
pub use feature_maps::{FeatureMap, feature_maps};
pub use feed_forward::FeedForward;
pub use inference::InferenceUNet;
pub use mixer::{InceptionMixer, MixerBlock, MixerBlockConfig, MixerConfig};
pub use names::NameMap;
pub use options::{Dropout, Options, Probe};
pub use res_block::{ResBlock, ResBlockConfig};
pub use resample::Resample;
pub use time::TimeEmbedding;
pub use transformer::{SpatialTransformer, TransformerConfig};
pub use unet::UNet;
