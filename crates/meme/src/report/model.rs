//! What a report says, before it is laid out: one JSON value from which every page is made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::verdicts::Verdict;
use crate::experiment::Paper;

/// Everything that a suite's report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The suite's name.
    pub suite: String,
    /// The suite's title.
    pub title: String,
    /// The scale's name.
    pub scale: String,
    /// What the scale shows and what it does not.
    pub scale_about: String,
    /// Whether numbers here cannot be compared with the paper's.
    pub scaled_down: bool,
    /// The pictures.
    pub data: DataReport,
    /// What it ran on.
    pub machine: MachineReport,
    /// The row that ratios are taken to.
    pub reference: String,
    /// The rows in the order of the paper's table, those that were not trained included.
    pub rows: Vec<RowReport>,
    /// Held-out real pictures, as many as a row's grid shows; relative to the report's folder.
    pub real_grid: Option<PathBuf>,
    /// Sampler, steps, grid and eta in words.
    pub sampling: String,
    /// The paper's claims about these rows, and what this run says to them.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
}

/// The pictures that were learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// `built-in faces` or the path.
    pub description: String,
    /// Side in pixels.
    pub resolution: usize,
    /// `[channels, height, width]` of what the networks see.
    pub latent_shape: [usize; 3],
    /// Pictures trained on.
    pub train: usize,
    /// Pictures held out.
    pub validation: usize,
    /// Hash over the latents.
    pub hash: String,
    /// Radial power of the pictures: (frequency 0..pi, power) and the fitted power law.
    pub spectrum: Option<Spectrum>,
}

/// Radial power spectrum and the power law `amplitude / f^exponent` fitted to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Frequencies in (0, pi].
    pub frequencies: Vec<f64>,
    /// Mean power at each.
    pub power: Vec<f64>,
    /// The law's amplitude.
    pub amplitude: f64,
    /// The law's exponent; photographs lie near 2.
    pub exponent: f64,
}

/// The machine, in words that name no host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineReport {
    /// The processor.
    pub processor: String,
    /// Cores used.
    pub cores: usize,
    /// `cpu` or the GPU.
    pub device: String,
    /// libtorch's version.
    pub libtorch: String,
    /// This program's version.
    pub version: String,
    /// Wall seconds of every stage, in order, summed over restarts.
    pub stages: Vec<(String, f64)>,
    /// Largest resident memory of the process in bytes.
    pub peak_memory: Option<u64>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowReport {
    /// The row's name.
    pub row: String,
    /// The row's title.
    pub title: String,
    /// What it is.
    pub about: String,
    /// What the paper prints.
    pub paper: Option<Paper>,
    /// Parameters of each expert.
    pub parameters: Vec<u64>,
    /// Multiply-adds of one forward pass of one image, each expert, attention products included.
    pub macs: Vec<u64>,
    /// The same without attention products.
    pub macs_without_attention: Vec<u64>,
    /// The same networks at the paper's size: parameters of each expert.
    pub paper_parameters: Vec<u64>,
    /// The same networks at the paper's size on 3 x 64 x 64: multiply-adds of each expert.
    pub paper_macs: Vec<u64>,
    /// Measured seconds of one sampling step of one image, mean over experts.
    pub seconds_per_step: Option<f64>,
    /// The same networks at the paper's size on 3 x 64 x 64, random weights: measured seconds of
    /// one forward pass of one image, mean over experts.
    pub paper_seconds_per_step: Option<f64>,
    /// What was learned; none where the row was not trained.
    pub trained: Option<TrainedReport>,
}

/// What training and sampling a row gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedReport {
    /// Images every expert saw.
    pub images: u64,
    /// Core-seconds spent in training, all experts.
    pub seconds: f64,
    /// For each expert (images, mean loss of the window).
    pub curves: Vec<Vec<(u64, f64)>>,
    /// (timestep, loss on held-out images of the expert that owns it).
    pub validation: Vec<(usize, f64)>,
    /// For each expert the relative log amplitude of its feature maps at the input's resolution.
    pub spectra: Vec<ExpertSpectrum>,
    /// Samples, relative to the report's folder.
    pub grid: Option<PathBuf>,
    /// Distance of samples to held-out pictures.
    pub distance: Option<DistanceReport>,
    /// The same row from other seeds; the first is what the other fields show.
    #[serde(default)]
    pub repeats: Vec<Repeat>,
    /// The same weights sampled in other numbers of steps.
    #[serde(default)]
    pub steps: Vec<StepsReport>,
    /// Files that the numbers come from, relative to the report's folder.
    #[serde(default)]
    pub sources: Vec<PathBuf>,
}

/// What a row gave from one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// Which repeat; rows pair by it.
    pub number: u64,
    /// Distance of samples to held-out pictures.
    pub distance: Option<DistanceReport>,
    /// Mean validation loss over timesteps.
    pub validation: Option<f64>,
    /// Mean of the upper half of the first expert's spectrum minus that of the last one's; none
    /// for one expert.
    pub high_frequency_fall: Option<f64>,
}

/// A row sampled in another number of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepsReport {
    /// Steps the sampler made.
    pub steps: usize,
    /// Distance of samples to held-out pictures.
    pub distance: DistanceReport,
}

/// Relative log amplitude of one expert's feature maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpertSpectrum {
    /// The expert's number.
    pub expert: usize,
    /// The timestep it was watched at.
    pub timestep: usize,
    /// Radians per pixel in each direction, from 0 to just below pi.
    pub frequencies: Vec<f64>,
    /// Mean curve over the watched feature maps.
    pub curve: Vec<f64>,
}

/// A Frechet distance with everything one needs to judge it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DistanceReport {
    /// The distance.
    pub value: f64,
    /// Bootstrap interval (2.5 %, 97.5 %).
    pub interval: (f64, f64),
    /// The same distance between real training pictures and the held-out ones at the same counts.
    pub floor: f64,
    /// Samples.
    pub generated: usize,
    /// Real pictures they are compared with.
    pub reference: usize,
    /// The feature network's name; only Inception's distance may be called FID.
    pub features: String,
    /// Hash of the feature network's weights.
    pub features_hash: String,
}

impl TrainedReport {
    /// Distances of all repeats.
    #[must_use]
    pub fn distances(&self) -> Vec<f64> {
        self.repeats.iter().filter_map(|it| Some(it.distance.as_ref()?.value)).collect()
    }
}

impl ExpertSpectrum {
    /// Mean of the curve over the upper half of the frequencies.
    #[must_use]
    pub fn high_frequency(&self) -> f64 {
        let upper = &self.curve[self.curve.len() / 2..];
        upper.iter().sum::<f64>() / upper.len().max(1) as f64
    }

    /// The curve's points.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.frequencies.iter().copied().zip(self.curve.iter().copied()).collect()
    }
}
