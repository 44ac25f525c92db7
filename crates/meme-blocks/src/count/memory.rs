//! What a training step keeps in memory between forward and backward pass, from the sizes alone.
//!
//! The rule behind every number here: an operation keeps its input if its gradient needs it, and a tensor that several
//! operations keep is there once. So each block counts the inputs of its norms, convolutions, linear layers,
//! activations, poolings and attentions, but never its own output: whoever comes next counts that, if he keeps it.
//! Concatenation, addition and enlargement keep nothing.

use std::iter::Sum;
use std::ops::Add;

use super::Size;
use crate::mixer::elements::Fourier;
use crate::plan::{PlanBlock, PlanChange, PlanMixing};
use crate::{
    Architecture, AttentionConfig, HighElement, LowElement, MixerBlockConfig, MixerConfig,
    PoolKind, ResBlockConfig, Resample, TransformerConfig,
};

/// Bytes of a pooling index (int64), of a statistic or a number that is transformed (float32), and of one of a spectrum
/// (two float32).
const INDEX: u128 = 8;
const STATISTIC: u128 = 4;
const FLOAT: u128 = 4;
const COMPLEX: u128 = 8;

/// Numbers of the network's dtype, bytes that are there in any dtype, and those that are there once for all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) numbers: u128,
    pub(super) bytes: u128,
    pub(super) shared: u128,
}

impl Add for Kept {
    type Output = Kept;

    fn add(self, other: Kept) -> Kept {
        Kept {
            numbers: self.numbers + other.numbers,
            bytes: self.bytes + other.bytes,
            shared: self.shared + other.shared,
        }
    }
}

impl Sum for Kept {
    fn sum<I: Iterator<Item = Kept>>(all: I) -> Kept {
        all.fold(Kept::default(), Add::add)
    }
}

/// `channels` maps of a size.
fn map(channels: usize, size: Size) -> Kept {
    Kept { numbers: channels as u128 * size.pixels(), ..Kept::default() }
}

fn bytes(bytes: u128) -> Kept {
    Kept { bytes, ..Kept::default() }
}

/// A group norm's input, with mean and deviation of each group.
fn norm(channels: usize, groups: usize, size: Size) -> Kept {
    map(channels, size) + bytes(2 * STATISTIC * groups as u128)
}

/// Queries, keys, values and result of self-attention, with the logarithm of each softmax's sum.
fn attention(channels: usize, head_dim: usize, size: Size) -> Kept {
    map(4 * channels, size) + softmax(channels, head_dim, size)
}

/// Both softmaxes, the values, and for each head the square that keys and values give.
fn linear_attention(channels: usize, head_dim: usize, size: Size) -> Kept {
    map(3 * channels, size) + map(channels, Size { height: 1, width: head_dim })
}

fn softmax(channels: usize, head_dim: usize, size: Size) -> Kept {
    bytes(STATISTIC * (channels / head_dim.max(1)) as u128 * size.pixels())
}

/// A Fourier filter's input, in rows and float32, and its spectrum; once, the filter at that size.
fn fourier(channels: usize, size: Size) -> Kept {
    let spectrum = COMPLEX * channels as u128 * Fourier::frequencies(size);
    Kept { shared: spectrum, ..bytes(FLOAT * channels as u128 * size.pixels() + spectrum) }
}

/// Sines and cosines, three hidden vectors, and the embedding that every residual block's linear layer keeps; a
/// context token of the class.
pub(super) fn time(a: &Architecture) -> Kept {
    let embedded = usize::from(a.embedded_classes() > 0);
    let token = usize::from(a.classes > 0) - embedded;
    let vectors = a.width + 4 * a.embedding_channels() + token * a.context_channels();
    map(vectors, Size { height: 1, width: 1 })
}

/// The stem's input.
pub(super) fn stem(a: &Architecture, input: Size) -> Kept {
    map(a.in_channels, input)
}

/// Inputs of the last norm and the last convolution.
pub(super) fn output(a: &Architecture, input: Size) -> Kept {
    norm(a.channels(0), a.norm_groups, input) + map(a.channels(0), input)
}

pub(super) fn block(block: &PlanBlock, size: Size, tokens: usize) -> Kept {
    let mixing = match &block.mixing {
        None => Kept::default(),
        Some((_, PlanMixing::Attention(config))) => attention_block(config, size),
        Some((_, PlanMixing::Mixer(config))) => mixer(config, size),
        Some((_, PlanMixing::Transformer(config))) => transformer(config, size, tokens),
    };
    residual(&block.residual.1, size, size) + mixing
}

/// A step from maps of size `from` to maps of size `to`.
pub(super) fn change(change: &PlanChange, from: Size, to: Size) -> Kept {
    match change {
        PlanChange::Convolution { channels, direction: Resample::Down, .. } => map(*channels, from),
        PlanChange::Convolution { channels, direction: Resample::Up, .. } => {
            map(*channels, from.doubled())
        }
        PlanChange::ResBlock(_, config) => residual(config, from, to),
    }
}

/// A block with an input of size `from` and an output of size `to`.
pub(super) fn residual(config: &ResBlockConfig, from: Size, to: Size) -> Kept {
    let &ResBlockConfig { input, output, norm_groups: groups, .. } = config;
    let convolved = match config.resample {
        None => map(input, to),
        // The mean keeps what it is taken of.
        Some(Resample::Down) => map(input, from) + map(input, to),
        // An enlarged map that was cut to an odd size lies in memory uncut.
        Some(Resample::Up) => map(input, from.doubled()),
    };
    let steered = match config.scale_shift_norm {
        false => Kept::default(),
        true => map(2 * output, to) + map(output, Size { height: 1, width: 1 }),
    };
    let dropped = if config.dropout > 0.0 { map(2 * output, to) } else { Kept::default() };
    norm(input, groups, from)
        + convolved
        + norm(output, groups, to)
        + steered
        + dropped
        + map(output, to)
}

fn attention_block(config: &AttentionConfig, size: Size) -> Kept {
    let &AttentionConfig { channels, head_dim, norm_groups } = config;
    norm(channels, norm_groups, size) + map(channels, size) + attention(channels, head_dim, size)
}

fn mixer(config: &MixerBlockConfig, size: Size) -> Kept {
    let (mixer, groups) = (&config.mixer, config.norm_groups);
    let (high, low, fused) = (mixer.high(), mixer.low(), mixer.fused());
    // The branches keep what the norm puts out, all of it, unless a transform, which copies it, is all that reads it.
    let read = high > 0 || mixer.pool > 1 || mixer.low_element != LowElement::Fourier;
    let mut kept = norm(mixer.channels, groups, size);
    if read {
        kept = kept + map(mixer.channels, size);
    }
    if high > 0 {
        kept = kept
            + match mixer.high_element {
                HighElement::Fourier => fourier(high, size),
                _ => map(high, size),
            };
        // Inputs of GELU, of the maximum, of the 1x1 convolution after it and of that one's GELU.
        kept = kept + map(high + high / 2 + high / 2 + high, size);
    }
    if low > 0 {
        kept = kept + low_branch(mixer, size.pooled(mixer.pool));
    }
    kept = kept + map(2 * fused, size);
    match config.feed_forward {
        0 => kept,
        ratio => {
            let (channels, wide) = (mixer.channels, ratio * mixer.channels);
            kept + norm(channels, groups, size) + map(channels + 2 * wide, size)
        }
    }
}

fn low_branch(mixer: &MixerConfig, pooled: Size) -> Kept {
    let low = mixer.low();
    let mut kept = match mixer.low_element {
        LowElement::Attention => attention(low, mixer.head_dim, pooled),
        LowElement::LinearAttention => linear_attention(low, mixer.head_dim, pooled),
        LowElement::Dilated | LowElement::LargeKernel => Kept::default(),
        LowElement::Fourier => fourier(low, pooled),
    };
    if mixer.pool > 1 {
        // The pooled map is the input of a convolution or of the layer that makes queries, keys and values.
        if mixer.low_element != LowElement::Fourier {
            kept = kept + map(low, pooled);
        }
        if mixer.pool_kind == PoolKind::Max {
            kept = kept + bytes(INDEX * low as u128 * pooled.pixels());
        }
    }
    kept
}

fn transformer(config: &TransformerConfig, size: Size, tokens: usize) -> Kept {
    let &TransformerConfig { channels, head_dim, .. } = config;
    let wide = config.feed_forward * channels;
    // Each layer norm keeps its input and two statistics a position; the layers behind it keep what it puts out.
    let normed = map(2 * channels, size) + bytes(2 * STATISTIC * size.pixels());
    let cross = map(2 * channels, size)
        + map(2 * channels, Size { height: 1, width: tokens })
        + softmax(channels, head_dim, size);
    // Both halves, GELU of one, and their product.
    let feed_forward = map(4 * wide, size);
    let layer =
        normed + attention(channels, head_dim, size) + normed + cross + normed + feed_forward;
    norm(channels, config.norm_groups, size)
        + map(channels, size)
        + (0..config.depth).map(|_| layer).sum()
        + map(channels, size)
}
