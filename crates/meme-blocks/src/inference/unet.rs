//! The whole network.

use std::collections::BTreeMap;

use meme_torch::layers::{Activation, PackedConv2d, Steering, affine_in_place};
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use meme_torch::{Parameters, Precision, channels_last, tensor_to_data};

use super::attention::Attention;
use super::enlarge::Enlarge;
use super::mixer::Mixer;
use super::residual::{Inputs, Place, Residual};
use super::transformer::Transformer;
use super::weights::{FoldedNorm, Weights};
use crate::error::Result;
use crate::plan::{Plan, PlanBlock, PlanChange, PlanLevel, PlanMixing};
use crate::unet::Conditioning;
use crate::{Architecture, Error, ResBlockConfig, Resample, UNet};

/// A [`UNet`] for sampling: the same function of the same weights, without gradients and as fast as it can be.
///
/// Made by [`UNet::for_inference`]. It differs from the network that was trained in how it computes:
///
/// * Weights lie in the compute dtype and, on the CPU, in the layout that oneDNN's convolutions want.
/// * Norms, statistics and the time embedding are float32 whatever the dtype. A norm is a scale and a shift that
///   whoever reads the map next applies: with SiLU in front of a convolution, in the maximum and the pooling of a mixer.
/// * The time embedding goes through all residual blocks' projections as one product, once for a whole sampling
///   run if asked ([`time_embedding`](Self::time_embedding)), and acts inside the second norm, without a pass of
///   its own.
/// * Maps that stand side by side are never copied together: the norm reads both, and a 1x1 convolution of both is the
///   sum of two.
/// * Every sum of a residual branch is made by the convolution that ends it; GELU by the one in front of it.
/// * An enlargement and the 3x3 convolution behind it are four 2x2 convolutions of the small map, which multiply four
///   ninths as often (sizes that are cut to an odd number take the plain way).
/// * A mixer adds 1 to the middle tap of its depthwise convolution instead of adding its input, and enlarges the
///   attended part while it reads it.
///
/// Results differ from the trained form's by rounding: 1e-5 in float32; in bfloat16 by as much as autocast's,
/// 0.85 to 1.03 times its distance from float64 in the networks of `tests/inference.rs`.
///
/// ```
/// use meme_blocks::{Architecture, UNet};
/// use meme_torch::{Parameters, Precision, tch::{Device, Kind, Tensor}};
///
/// let architecture: Architecture = toml::from_str(r#"
///     in_channels = 3
///     out_channels = 3
///     width = 16
///     channel_mult = [1, 2]
///     res_blocks = 1
///     head_dim = 8
///     norm_groups = 8
///     encoder = ["mixer", "mixer"]
///     middle = "mixer"
///     decoder = ["none", "none"]
///     mixer = { high_heads = [1, 2], middle_high_heads = 1, pool = [2, 1] }
/// "#)?;
/// let mut parameters = Parameters::new(Device::Cpu, 7, 1);
/// UNet::new(&parameters.root(), &architecture)?;
/// let weights = meme_torch::into_tensors(parameters.to_data()?)?; // what a checkpoint holds
///
/// let network = UNet::for_inference(&architecture, weights, Device::Cpu, Precision::F32)?;
/// // Three steps of a sampler: their embeddings at once, then a row for each.
/// let steps = network.time_embedding(&Tensor::from_slice(&[999_i64, 499, 0]), None)?;
/// let mut x = Tensor::ones([2, 3, 16, 16], (Kind::Float, Device::Cpu));
/// for step in 0..3 {
///     x = network.forward_with_embedding(&x, &steps.narrow(0, step, 1), None)?;
/// }
/// assert_eq!(x.size(), [2, 3, 16, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InferenceUNet {
    /// Float32, like all that is computed from it.
    conditioning: Conditioning,
    /// The embedding's projection of every residual block, one under the other.
    steering: (Tensor, Tensor),
    stem: PackedConv2d,
    encoder: Vec<Level>,
    middle: (Block, Residual),
    decoder: Vec<Level>,
    norm: FoldedNorm,
    output: PackedConv2d,
    kind: Kind,
}

#[derive(Debug)]
enum Mix {
    Attention(Box<Attention>),
    Mixer(Box<Mixer>),
    Transformer(Box<Transformer>),
}

#[derive(Debug)]
struct Block {
    residual: Residual,
    mixing: Option<Mix>,
}

#[derive(Debug)]
enum Change {
    Down(PackedConv2d),
    Up(Box<Enlarge>),
    ResBlock(Box<Residual>),
}

#[derive(Debug)]
struct Level {
    blocks: Vec<Block>,
    change: Option<Change>,
}

impl UNet {
    /// The network for sampling, with these weights on the CPU: names and shapes of [`UNet::new`]'s parameters, as
    /// checkpoints hold them, float32 ([`map_safetensors`](meme_torch::map_safetensors),
    /// [`into_tensors`](meme_torch::into_tensors)). They are let go as they are laid out for their convolutions, on the CPU
    /// at the first call, and must not be written any more.
    ///
    /// # Errors
    /// [`Error::Architecture`] where the description breaks a rule, [`Error::Layer`] where weights are missing, unknown
    /// or of another shape, and for a dtype in which the device does not compute.
    pub fn for_inference(
        architecture: &Architecture,
        weights: BTreeMap<String, Tensor>,
        device: Device,
        precision: Precision,
    ) -> Result<InferenceUNet> {
        precision.check(device)?;
        InferenceUNet::build(architecture, weights, device, precision.kind())
    }
}

/// Builds blocks and gives each its place among the embedding's numbers.
struct Builder<'a> {
    weights: &'a Weights,
    steering: Vec<(Tensor, Tensor)>,
    next: i64,
    /// Channels of the maps that the decoder will take back.
    skips: Vec<usize>,
}

impl InferenceUNet {
    pub(crate) fn build(
        architecture: &Architecture,
        weights: BTreeMap<String, Tensor>,
        device: Device,
        kind: Kind,
    ) -> Result<Self> {
        let plan = Plan::new(architecture)?;
        let mut outline = Parameters::outline();
        UNet::new(&outline.root(), architecture)?;
        outline.fits(&weights)?;
        let conditioning = conditioning(architecture, &weights, device, kind)?;
        let norm_groups = architecture.norm_groups as i64;
        let weights = Weights { tensors: weights, device, kind, norm_groups };
        let mut builder = Builder {
            weights: &weights,
            steering: Vec::new(),
            next: 0,
            skips: vec![architecture.width],
        };
        let encoder =
            plan.encoder.iter().map(|level| builder.down(level)).collect::<Result<_>>()?;
        let middle = (
            builder.block(&plan.middle.first, 0)?,
            builder.residual(&plan.middle.last.0, plan.middle.last.1, 0)?,
        );
        let decoder = plan.decoder.iter().map(|level| builder.up(level)).collect::<Result<_>>()?;
        let (projections, biases): (Vec<_>, Vec<_>) = builder.steering.into_iter().unzip();
        let steering = (Tensor::f_cat(&projections, 0)?, Tensor::f_cat(&biases, 0)?);
        Ok(InferenceUNet {
            steering,
            stem: weights.conv("stem", 1)?,
            encoder,
            middle,
            decoder,
            norm: weights.norm("output.norm")?,
            output: weights.conv("output.conv", 1)?,
            kind,
            conditioning,
        })
    }

    /// Noisy input [B, in, H, W], float32, and 0-based timestep indices, int64 `[B]`, with classes, int64 `[B]`, to the
    /// prediction [B, out, H, W], float32, as [`UNet::forward`].
    ///
    /// # Errors
    /// As [`UNet::forward`]. A network that reads context tokens takes them by
    /// [`forward_with_embedding`](Self::forward_with_embedding).
    pub fn forward(
        &self,
        x: &Tensor,
        indices: &Tensor,
        classes: Option<&Tensor>,
    ) -> Result<Tensor> {
        let embedding = self.time_embedding(indices, classes)?;
        let context = match classes {
            Some(classes) if self.conditioning.has_class_tokens() => {
                Some(self.class_context(classes)?)
            }
            _ => None,
        };
        self.forward_with_embedding(x, &embedding, context.as_ref())
    }

    /// What all residual blocks receive of timestep indices, int64 `[T]`, and classes, int64 `[T]`: float32 [T, n], a row
    /// for each. A sampler makes the rows of all its steps at once.
    ///
    /// # Errors
    /// As [`UNet::time_embedding`].
    pub fn time_embedding(&self, indices: &Tensor, classes: Option<&Tensor>) -> Result<Tensor> {
        no_grad(|| {
            let embedding = self.conditioning.time_embedding(indices, classes)?;
            Ok(embedding.f_linear(&self.steering.0, Some(&self.steering.1))?)
        })
    }

    /// The context tokens of classes, as [`UNet::class_context`].
    ///
    /// # Errors
    /// As there.
    pub fn class_context(&self, classes: &Tensor) -> Result<Tensor> {
        no_grad(|| self.conditioning.class_context(classes))
    }

    /// [`forward`](Self::forward) with rows of [`time_embedding`](Self::time_embedding), [B, n], or [1, n] for one that
    /// all samples share, and with context tokens [B or 1, T, D] where the network reads them.
    ///
    /// # Errors
    /// As [`UNet::forward_with_embedding`].
    pub fn forward_with_embedding(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        context: Option<&Tensor>,
    ) -> Result<Tensor> {
        let needed = self.steering.0.size().first().copied().unwrap_or(0);
        if embedding.size().last() != Some(&needed) {
            let needed =
                format!("{needed} numbers in each row, as `time_embedding` of this form gives");
            return Err(Error::Shape {
                what: "the time embedding",
                found: embedding.size(),
                needed,
            });
        }
        no_grad(|| {
            let batch = self.conditioning.check(x, embedding)?;
            let context = self.conditioning.context(batch, context, None)?;
            let context = match context {
                None => None,
                // Tokens as a map of one column, which 1x1 convolutions read.
                Some(tokens) => {
                    let map = tokens.f_to_kind(self.kind)?.f_transpose(1, 2)?.f_unsqueeze(-1)?;
                    Some(channels_last(&map)?)
                }
            };
            self.run(x, embedding, context.as_ref())
        })
    }

    fn run(&self, x: &Tensor, steering: &Tensor, context: Option<&Tensor>) -> Result<Tensor> {
        let precise = if self.kind == Kind::Double { Kind::Double } else { Kind::Float };
        let x = channels_last(&x.f_to_kind(self.kind)?)?; // [B, in, H, W]
        let mut h = self.stem.forward(&x, Activation::None)?; // [B, width, H, W]
        let mut skips = vec![h.shallow_clone()];
        for level in &self.encoder {
            for block in &level.blocks {
                h = block.forward(Inputs::Kept(h), steering, context)?; // [B, C_l, H / 2^l, W / 2^l]
                skips.push(h.shallow_clone());
            }
            let Some(change) = &level.change else { continue };
            h = match change {
                Change::Down(conv) => conv.forward(&h, Activation::None)?,
                Change::ResBlock(block) => block.forward(Inputs::Kept(h), steering, None)?,
                Change::Up(up) => up.forward(&h, twice(&h)?)?,
            };
            skips.push(h.shallow_clone());
        }
        h = self.middle.0.forward(Inputs::Kept(h), steering, context)?;
        h = self.middle.1.forward(Inputs::Owned(h), steering, None)?;
        for level in &self.decoder {
            for block in &level.blocks {
                let inputs = match skips.pop() {
                    Some(skip) => Inputs::Two(h, skip), // [B, C + C_skip, H, W]
                    None => Inputs::Owned(h),
                };
                h = block.forward(inputs, steering, context)?; // [B, C_l, H, W]
            }
            let to = match skips.last() {
                Some(skip) => (skip.size4()?.2, skip.size4()?.3),
                None => twice(&h)?,
            };
            h = match &level.change {
                None => h,
                Some(Change::Up(up)) => up.forward(&h, to)?,
                Some(Change::ResBlock(block)) => {
                    block.forward(Inputs::Owned(h), steering, Some(to))?
                }
                Some(Change::Down(conv)) => conv.forward(&h, Activation::None)?,
            };
        }
        let lines = self.norm.lines(&[&h], Steering::default())?;
        let h = affine_in_place(h, &lines, Activation::Silu)?; // [B, C_0, H, W]
        let h = self.output.forward(&h, Activation::None)?; // [B, out, H, W]
        Ok(h.f_to_kind(precise)?.f_contiguous()?)
    }
}

/// The embeddings alone, on a device of their own.
fn conditioning(
    architecture: &Architecture,
    weights: &BTreeMap<String, Tensor>,
    device: Device,
    kind: Kind,
) -> Result<Conditioning> {
    let mut parameters = Parameters::blank(Device::Cpu);
    let conditioning = Conditioning::new(&parameters.root(), architecture)?;
    let names: Vec<String> = parameters.named().iter().map(|(name, _)| name.clone()).collect();
    let own = names.into_iter().filter_map(|name| {
        let data = tensor_to_data(weights.get(&name)?);
        Some(data.map(|data| (name, data)))
    });
    parameters.load(&own.collect::<Result<_, _>>()?)?;
    parameters.set_trainable(false);
    if kind == Kind::Double {
        parameters.to_kind(kind)?;
    }
    parameters.to_device(device)?;
    Ok(conditioning)
}

/// Twice the size of a map.
fn twice(x: &Tensor) -> Result<(i64, i64)> {
    let (_, _, height, width) = x.size4()?;
    Ok((2 * height, 2 * width))
}

impl Block {
    fn forward(&self, x: Inputs, steering: &Tensor, context: Option<&Tensor>) -> Result<Tensor> {
        let h = self.residual.forward(x, steering, None)?;
        match &self.mixing {
            None => Ok(h),
            Some(Mix::Attention(attention)) => attention.forward(h),
            Some(Mix::Mixer(mixer)) => mixer.forward(h),
            Some(Mix::Transformer(transformer)) => transformer.forward(h, context),
        }
    }
}

impl Builder<'_> {
    fn residual(&mut self, name: &str, config: ResBlockConfig, joined: usize) -> Result<Residual> {
        let weight = self.weights.precise(&format!("{name}.embedding.weight"))?;
        let bias = self.weights.precise(&format!("{name}.embedding.bias"))?;
        let place = Place { first: self.next, count: bias.size1()? };
        self.next += place.count;
        self.steering.push((weight, bias));
        Residual::new(self.weights, name, config, joined, place).map_err(|e| e.within(name))
    }

    fn block(&mut self, plan: &PlanBlock, joined: usize) -> Result<Block> {
        let residual = self.residual(&plan.residual.0, plan.residual.1, joined)?;
        let weights = self.weights;
        let mixing = match &plan.mixing {
            None => None,
            Some((name, PlanMixing::Attention(config))) => {
                Some(Mix::Attention(Box::new(Attention::new(weights, name, *config)?)))
            }
            Some((name, PlanMixing::Mixer(config))) => {
                Some(Mix::Mixer(Box::new(Mixer::new(weights, name, *config)?)))
            }
            Some((name, PlanMixing::Transformer(config))) => {
                Some(Mix::Transformer(Box::new(Transformer::new(weights, name, *config)?)))
            }
        };
        Ok(Block { residual, mixing })
    }

    fn change(&mut self, plan: Option<&PlanChange>) -> Result<Option<Change>> {
        Ok(match plan {
            None => None,
            Some(PlanChange::Convolution { name, direction: Resample::Down, .. }) => {
                Some(Change::Down(self.weights.conv(name, 2)?))
            }
            Some(PlanChange::Convolution { name, direction: Resample::Up, .. }) => {
                Some(Change::Up(Box::new(Enlarge::new(self.weights, name)?)))
            }
            Some(PlanChange::ResBlock(name, config)) => {
                Some(Change::ResBlock(Box::new(self.residual(name, *config, 0)?)))
            }
        })
    }

    fn down(&mut self, plan: &PlanLevel) -> Result<Level> {
        let mut blocks = Vec::with_capacity(plan.blocks.len());
        for block in &plan.blocks {
            blocks.push(self.block(block, 0)?);
            self.skips.push(block.residual.1.output);
        }
        let change = self.change(plan.change.as_ref())?;
        if change.is_some() {
            self.skips.extend(plan.blocks.last().map(|block| block.residual.1.output));
        }
        Ok(Level { blocks, change })
    }

    fn up(&mut self, plan: &PlanLevel) -> Result<Level> {
        let mut blocks = Vec::with_capacity(plan.blocks.len());
        for block in &plan.blocks {
            let joined = self.skips.pop().unwrap_or(0);
            blocks.push(self.block(block, joined)?);
        }
        Ok(Level { blocks, change: self.change(plan.change.as_ref())? })
    }
}
