//! Parameters, multiply-accumulates and memory in closed form: nothing is allocated, nothing is run.

mod memory;
mod tally;

pub use tally::{ConvShape, Size, Tally};

use meme_torch::tch::Kind;

use crate::plan::{Plan, PlanBlock, PlanChange, PlanLevel, PlanMiddle, PlanMixing};
use crate::{Architecture, ClassConditioning, Error};
use memory::Kept;

/// Largest height and width that can be counted, in pixels.
const LARGEST_SIDE: usize = 1 << 16;

/// What a network costs for one sample of one size.
///
/// See [`Tally`] for what counts as a multiply-accumulate.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Learned numbers.
    pub parameters: u64,
    /// Multiply-accumulates of one forward pass.
    pub macs: u64,
    /// The same without the two matrix products of attention.
    pub macs_without_attention: u64,
    /// Numbers of the network's dtype that a training step keeps from the forward to the backward pass; see
    /// [`activation_bytes`](Self::activation_bytes).
    pub activations: u64,
    /// Bytes of indices, statistics and spectra that it keeps beside them in any dtype.
    pub statistics_bytes: u64,
    /// Bytes that it keeps once for a whole batch, in any dtype: Fourier filters at the sizes of their maps.
    #[serde(skip_serializing_if = "is_zero")]
    pub shared_bytes: u64,
    /// The same numbers for each part of the network, in the order of the forward pass; they add up to the totals.
    pub stages: Vec<StageCount>,
}

/// What one part of a network costs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StageCount {
    /// `time` (class table included), `stem`, `encoder.0` ..., `middle`, ..., `decoder.0`, `output`.
    pub name: String,
    /// Learned numbers.
    pub parameters: u64,
    /// Multiply-accumulates of one forward pass.
    pub macs: u64,
    /// The same without the two matrix products of attention.
    pub macs_without_attention: u64,
    /// Numbers that a training step keeps for the backward pass.
    pub activations: u64,
    /// Bytes that it keeps beside them in any dtype.
    pub statistics_bytes: u64,
    /// Bytes that it keeps once for a whole batch.
    #[serde(skip_serializing_if = "is_zero")]
    pub shared_bytes: u64,
}

macro_rules! bytes {
    ($($counted:ty),+) => {$(
        impl $counted {
            /// Bytes of the weights, all held in `kind`. Training holds four times as much in float32: weights,
            /// gradients and two moments; a fifth for their average.
            pub fn weight_bytes(&self, kind: Kind) -> u64 {
                self.parameters.saturating_mul(kind.elt_size_in_bytes() as u64)
            }

            /// Bytes that a training step of one sample keeps from the forward to the backward pass: every tensor
            /// that the gradient of some operation needs, once, weights apart, and the indices of maxima and the
            /// statistics of norms and softmaxes. It is what stays allocated while the loss waits for `backward()`;
            /// passing values, the prediction itself and what a convolution needs for its own work come on top, and
            /// for a batch, once, `shared_bytes`.
            ///
            /// It holds for the whole network in `kind`, with norm and SiLU as one operation that keeps only its
            /// input, as they are in float32 on the CPU. Apart, each such pair keeps one map more. Sampling keeps
            /// none of it but the encoder's maps.
            pub fn activation_bytes(&self, kind: Kind) -> u64 {
                let numbers = self.activations.saturating_mul(kind.elt_size_in_bytes() as u64);
                numbers.saturating_add(self.statistics_bytes)
            }
        }
    )+};
}

bytes!(Count, StageCount);

/// Counts a network for one input of `height` x `width` pixels.
///
/// ```
/// # let text = r#"in_channels = 3
/// # out_channels = 3
/// # width = 128
/// # channel_mult = [1, 2, 3, 4]
/// # res_blocks = 2
/// # head_dim = 32
/// # encoder = ["none", "attention", "attention", "attention"]
/// # middle = "attention"
/// # decoder = ["none", "attention", "attention", "attention"]"#;
/// # let ldm_small: meme_blocks::Architecture = toml::from_str(text)?;
/// let count = meme_blocks::count(&ldm_small, 64, 64)?;
/// assert_eq!(count.parameters, 89_535_619);
/// assert_eq!(count.macs, 34_326_118_400);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Architecture`] where the description breaks a rule, [`Error::Size`] where a side is 0 or above 65536,
/// [`Error::Overflow`] where a count does not fit 64 bits.
pub fn count(architecture: &Architecture, height: usize, width: usize) -> Result<Count, Error> {
    count_with_context(architecture, height, width, 1)
}

/// [`count`] where cross-attention reads `tokens` context tokens; [`count`] assumes one, as a class is.
///
/// # Errors
/// As [`count`]; `tokens` may be 1 to 65536 where the network reads any.
pub fn count_with_context(
    architecture: &Architecture,
    height: usize,
    width: usize,
    tokens: usize,
) -> Result<Count, Error> {
    let sides = 1..=LARGEST_SIDE;
    if !sides.contains(&height) || !sides.contains(&width) {
        return Err(Error::Size { height, width, most: LARGEST_SIDE });
    }
    if !sides.contains(&tokens) {
        return Err(Error::Tokens { tokens, most: LARGEST_SIDE });
    }
    let stages = stages(architecture, Size { height, width }, tokens)?;
    let all =
        |(tally, kept): (Tally, Kept), stage: &Stage| (tally + stage.tally, kept + stage.kept);
    let (tally, kept) = stages.iter().fold(Default::default(), all);
    let StageCount {
        name: _,
        parameters,
        macs,
        macs_without_attention,
        activations,
        statistics_bytes,
        shared_bytes,
    } = Stage { name: String::new(), tally, kept }.narrow()?;
    let stages = stages.into_iter().map(Stage::narrow).collect::<Result<_, Error>>()?;
    Ok(Count {
        parameters,
        macs,
        macs_without_attention,
        activations,
        statistics_bytes,
        shared_bytes,
        stages,
    })
}

/// Serialised only where there are any.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

struct Stage {
    name: String,
    tally: Tally,
    kept: Kept,
}

impl Stage {
    fn narrow(self) -> Result<StageCount, Error> {
        let Self { name, tally, kept } = self;
        let fit = |number: u128| u64::try_from(number).map_err(|_| Error::Overflow { number });
        Ok(StageCount {
            name,
            parameters: fit(tally.parameters)?,
            macs: fit(tally.products + tally.attention)?,
            macs_without_attention: fit(tally.products)?,
            activations: fit(kept.numbers)?,
            statistics_bytes: fit(kept.bytes)?,
            shared_bytes: fit(kept.shared)?,
        })
    }
}

fn stages(a: &Architecture, input: Size, tokens: usize) -> Result<Vec<Stage>, Error> {
    let plan = Plan::new(a)?;
    let hidden = a.embedding_channels();
    let per_class = match a.class_conditioning {
        ClassConditioning::Embedding => hidden,
        ClassConditioning::Context => a.context_channels(),
    };
    let time = Tally::linear(a.width, hidden)
        + Tally::linear(hidden, hidden)
        + Tally::table(a.classes * per_class);
    let stem = Tally::conv(ConvShape::plain(a.in_channels, a.width, 3), input);
    let stage = |name: &str, tally, kept| Stage { name: name.to_owned(), tally, kept };
    let mut stages =
        vec![stage("time", time, memory::time(a)), stage("stem", stem, memory::stem(a, input))];

    // Each level halves the size, rounding up; the decoder comes back to the very sizes of the encoder.
    let mut sizes = vec![input];
    for level in 1..a.levels() {
        sizes.push(sizes[level - 1].pooled(2));
    }
    let level = |level: &PlanLevel, next: Size| {
        let size = sizes[level.level];
        let tally = level.blocks.iter().map(|b| block(b, size, tokens)).sum::<Tally>()
            + level.change.iter().map(|c| change(c, next)).sum();
        let kept = level.blocks.iter().map(|b| memory::block(b, size, tokens)).sum::<Kept>()
            + level.change.iter().map(|c| memory::change(c, size, next)).sum();
        stage(&level.name, tally, kept)
    };
    stages.extend(plan.encoder.iter().map(|l| level(l, sizes[l.level].pooled(2))));
    let coarsest = sizes[a.levels() - 1];
    let PlanMiddle { first, last: (_, last) } = &plan.middle;
    stages.push(stage(
        "middle",
        block(first, coarsest, tokens) + last.tally(coarsest),
        memory::block(first, coarsest, tokens) + memory::residual(last, coarsest, coarsest),
    ));
    stages.extend(plan.decoder.iter().map(|l| level(l, sizes[l.level.saturating_sub(1)])));
    let finest = a.channels(0);
    let output = Tally::norm(finest)
        + Tally::conv(ConvShape::plain(finest, a.predicted_channels(), 3), input);
    stages.push(stage("output", output, memory::output(a, input)));
    Ok(stages)
}

fn block(block: &PlanBlock, size: Size, tokens: usize) -> Tally {
    let mixing = match &block.mixing {
        None => Tally::default(),
        Some((_, PlanMixing::Attention(config))) => config.tally(size),
        Some((_, PlanMixing::Mixer(config))) => config.tally(size),
        Some((_, PlanMixing::Transformer(config))) => config.tally(size, tokens),
    };
    block.residual.1.tally(size) + mixing
}

/// `output` is the size after the step. All convolutions of a step run at that size: the strided one puts it out,
/// the others stand after the resampling.
fn change(change: &PlanChange, output: Size) -> Tally {
    match change {
        PlanChange::Convolution { channels, .. } => {
            Tally::conv(ConvShape::plain(*channels, *channels, 3), output)
        }
        PlanChange::ResBlock(_, config) => config.tally(output),
    }
}
