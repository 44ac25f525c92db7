//! What `meme train --dry-run` prints.

use std::time::Duration;

use meme_blocks::Architecture;
use meme_router::Expert;
use meme_torch::tch::{Device, Kind};
use meme_trainer::TrainConfig;

use crate::Result;
use crate::experiment::Experiment;
use crate::progress::{clock, thousands};
use crate::timing::{Timed, training_rate};

/// Float32 copies of the weights in training: weights, gradients, two moments, moving average.
const COPIES: u64 = 5;
/// Of those a checkpoint holds all but the gradients.
const SAVED: u64 = 4;
/// Multiply-adds of the passes that are timed for an estimate: seconds on two cores.
const TIMED_MACS: u64 = 8_000_000_000;

/// The plan of training `experts`, with memory in closed form and a time from a few passes of the
/// first of them, measured now.
pub(super) fn plan(experiment: &Experiment, experts: &[Expert], device: Device) -> Result<String> {
    let [channels, height, width] = experiment.latent_shape()?;
    let train = &experiment.train;
    let mut text = format!(
        "{} at scale {}: {} images of {channels} x {height} x {width} per expert in batches of \
         {}\n",
        experiment.title,
        experiment.scale,
        thousands(train.images),
        train.batch
    );
    let mut macs = 0;
    for (expert, architecture) in experiment.numbered().filter(|(it, _)| experts.contains(it)) {
        let count = meme_blocks::count(architecture, height, width)?;
        let own = experiment.intervals.indices(expert)?;
        text.push_str(&format!(
            "{expert}: timesteps {}..={}, {} parameters, {} MACs an image, {} a checkpoint, {} of \
             memory\n",
            own.start + 1,
            own.end,
            thousands(count.parameters),
            thousands(count.macs),
            gigabytes(SAVED * 4 * count.parameters),
            gigabytes(memory(&count, train)),
        ));
        macs += count.macs;
    }
    text.push_str(&format!(
        "The memory is weights, gradients, moments and averages{}, what {} images keep for the \
         backward pass{}, and a copy of a checkpoint while it is written; libtorch and passing \
         values come on top.\n",
        match train.power_averages.len() {
            0 => String::new(),
            more => format!(" ({more} by a power function)"),
        },
        train.forward_images(),
        if train.activation_checkpointing { " without checkpointing" } else { "" },
    ));
    let first = experts.first().and_then(|expert| experiment.experts.get(expert.position()));
    if let Some(architecture) = first {
        text.push_str(&time(architecture, train, [height, width], macs, device)?);
    }
    text.push_str("Nothing was written.\n");
    Ok(text)
}

fn memory(count: &meme_blocks::Count, train: &TrainConfig) -> u64 {
    let averages = train.power_averages.len() as u64;
    let weights = count.weight_bytes(Kind::Float);
    let held = (COPIES + averages + SAVED + averages) * weights;
    held + train.forward_images() * count.activation_bytes(Kind::Float) + count.shared_bytes
}

/// An estimate of the whole time from passes of one network.
fn time(
    architecture: &Architecture,
    train: &TrainConfig,
    [height, width]: [usize; 2],
    macs: u64,
    device: Device,
) -> Result<String> {
    let own = meme_blocks::count(architecture, height, width)?.macs;
    // No more images than seconds of work, whatever the network's size.
    let batch = (TIMED_MACS / own.max(1)).clamp(1, train.forward_images()) as usize;
    let timed = Timed { architecture: architecture.clone(), height, width, batch };
    let rate = training_rate(&timed, own, device)?;
    let seconds = rate * macs as f64 * train.images as f64;
    Ok(format!(
        "Time: about {}, {:.1} images/s, estimated from passes of {batch} images on {} just now, \
         without data, optimizer and validation\n",
        clock(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        1.0 / (rate * own as f64),
        meme_torch::device::device_name(device),
    ))
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}
