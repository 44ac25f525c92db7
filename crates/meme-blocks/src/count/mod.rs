//! Parameters and multiply-accumulates in closed form: nothing is allocated, nothing is run.

mod tally;

pub use tally::{ConvShape, Size, Tally};

use crate::plan::{Plan, PlanBlock, PlanChange, PlanMixing};
use crate::{Architecture, Error};

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
    /// Numbers that all convolutions and linear layers put out together: a measure of the memory that a training
    /// step keeps (multiply by the bytes of the dtype).
    pub activations: u64,
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
    /// Numbers that convolutions and linear layers put out.
    pub activations: u64,
}

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
    if !(1..=LARGEST_SIDE).contains(&height) || !(1..=LARGEST_SIDE).contains(&width) {
        return Err(Error::Size { height, width, most: LARGEST_SIDE });
    }
    let tallies = tallies(architecture, Size { height, width })?;
    let total: Tally = tallies.iter().map(|(_, tally)| *tally).sum();
    let [parameters, macs, macs_without_attention, activations] = narrow(total)?;
    let stages = tallies
        .into_iter()
        .map(|(name, tally)| {
            let [parameters, macs, macs_without_attention, activations] = narrow(tally)?;
            Ok(StageCount { name, parameters, macs, macs_without_attention, activations })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Count { parameters, macs, macs_without_attention, activations, stages })
}

fn narrow(tally: Tally) -> Result<[u64; 4], Error> {
    let fit = |number: u128| u64::try_from(number).map_err(|_| Error::Overflow { number });
    Ok([
        fit(tally.parameters)?,
        fit(tally.products + tally.attention)?,
        fit(tally.products)?,
        fit(tally.activations)?,
    ])
}

fn tallies(a: &Architecture, input: Size) -> Result<Vec<(String, Tally)>, Error> {
    let plan = Plan::new(a)?;
    let hidden = a.embedding_channels();
    let time = Tally::linear(a.width, hidden)
        + Tally::linear(hidden, hidden)
        + Tally::table(a.classes * hidden);
    let stem = Tally::conv(ConvShape::plain(a.in_channels, a.width, 3), input);
    let mut stages = vec![("time".to_owned(), time), ("stem".to_owned(), stem)];

    // Each level halves the size, rounding up; the decoder comes back to the very sizes of the encoder.
    let mut sizes = vec![input];
    for level in 1..a.levels() {
        sizes.push(sizes[level - 1].pooled(2));
    }
    for level in &plan.encoder {
        let size = sizes[level.level];
        let blocks: Tally = level.blocks.iter().map(|b| block(b, size)).sum();
        let step = level.change.as_ref().map_or(Tally::default(), |c| change(c, size.pooled(2)));
        stages.push((level.name.clone(), blocks + step));
    }
    let coarsest = sizes[a.levels() - 1];
    let middle = block(&plan.middle.first, coarsest) + plan.middle.last.1.tally(coarsest);
    stages.push(("middle".to_owned(), middle));
    for level in &plan.decoder {
        let size = sizes[level.level];
        let blocks: Tally = level.blocks.iter().map(|b| block(b, size)).sum();
        let finer = sizes[level.level.saturating_sub(1)];
        let step = level.change.as_ref().map_or(Tally::default(), |c| change(c, finer));
        stages.push((level.name.clone(), blocks + step));
    }
    let finest = a.channels(0);
    let output = Tally::norm(finest)
        + Tally::conv(ConvShape::plain(finest, a.predicted_channels(), 3), input);
    stages.push(("output".to_owned(), output));
    Ok(stages)
}

fn block(block: &PlanBlock, size: Size) -> Tally {
    let mixing = match &block.mixing {
        None => Tally::default(),
        Some((_, PlanMixing::Attention(config))) => config.tally(size),
        Some((_, PlanMixing::Mixer(config))) => config.tally(size),
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
