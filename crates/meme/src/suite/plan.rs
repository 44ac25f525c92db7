//! What a suite run will cost, before it begins.

use super::{SuiteRun, plural};
use crate::Result;
use crate::experiment::Experiment;
use crate::progress::thousands;
use crate::timing::{Timed, training_rate};

/// Weights, moving average and two moments, in four bytes each, and the gradient beside them.
const CHECKPOINT_COPIES: u64 = 4;
const MEMORY_COPIES: u64 = 5;
const BYTES: u64 = 4;

/// One row's cost.
struct RowPlan {
    title: String,
    experts: u64,
    parameters: u64,
    images: u64,
    training_macs: f64,
    sampling_macs: f64,
    disk: u64,
    memory: u64,
}

impl SuiteRun {
    /// The plan as text: images, operations, disk, memory, and hours at this machine's rate, which
    /// is measured on the first row's first network.
    pub(crate) fn plan(&self) -> Result<String> {
        let rows: Vec<RowPlan> = self.rows.iter().map(row_plan).collect::<Result<_>>()?;
        let rate = self.rate()?;
        let mut table = Vec::new();
        for row in &rows {
            table.push(vec![
                row.title.clone(),
                row.experts.to_string(),
                thousands(row.parameters),
                thousands(row.images),
                format!("{:.2e}", 2.0 * (row.training_macs + row.sampling_macs)),
                gigabytes(row.disk),
                gigabytes(row.memory),
                hours(rate * (row.training_macs + row.sampling_macs) / self.lanes as f64),
            ]);
        }
        let header = [
            "row",
            "networks",
            "parameters",
            "images each",
            "operations",
            "disk GB",
            "memory GB",
            "hours here",
        ];
        let scale = &self.resolver.scale;
        let first = &self.rows[0];
        let [channels, height, width] = first.latent_shape()?;
        let latents = (channels * height * width) as u64 * BYTES;
        Ok(format!(
            "{} at scale {} ({})\n\n{}\n\
             Operations are floating-point, two per multiply-add: training counts three forward \
             passes an image,\nsampling {} of {} each. Hours are at the rate measured on this \
             machine just now\n({:.1} GFLOP/s a lane), {} at a time on {} each. Disk is two \
             checkpoints a network and\n{} a picture of latents; memory is weights, gradients and \
             optimiser state of one network,\nactivations not included.\n\n\
             Nothing was written; results would go to {}\n",
            self.suite.title,
            scale.name,
            scale.about,
            crate::cli::table(&header, &table),
            plural(first.sample.steps, "step"),
            plural(first.sample.count, "sample"),
            2e-9 / rate,
            plural(self.lanes, "network"),
            plural(self.threads, "thread"),
            plural(latents as usize, "byte"),
            self.folder.display(),
        ))
    }

    /// Seconds per multiply-add of one lane.
    fn rate(&self) -> Result<f64> {
        let experiment = &self.rows[0];
        let [_, height, width] = experiment.latent_shape()?;
        let architecture = experiment.experts[0].clone();
        let macs = meme_blocks::count(&architecture, height, width)?.macs;
        // Large networks need no batch to keep one lane busy, small ones do.
        let batch = if macs > 1_000_000_000 { 1 } else { experiment.train.batch.min(16) as usize };
        let timed = Timed { architecture, height, width, batch };
        meme_torch::set_threads(self.threads)?;
        training_rate(&timed, macs, self.devices[0]).map(|seconds| seconds / 3.0)
    }
}

fn row_plan(row: &Experiment) -> Result<RowPlan> {
    let [_, height, width] = row.latent_shape()?;
    let counts = row
        .experts
        .iter()
        .map(|architecture| meme_blocks::count(architecture, height, width))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let parameters: u64 = counts.iter().map(|count| count.parameters).sum();
    let macs: f64 = counts.iter().map(|count| count.macs as f64).sum();
    let experts = counts.len() as u64;
    let largest = counts.iter().map(|count| count.parameters).max().unwrap_or(0);
    let checkpoint = parameters * BYTES * CHECKPOINT_COPIES;
    Ok(RowPlan {
        title: row.title.clone(),
        experts,
        parameters,
        images: row.train.images,
        training_macs: 3.0 * macs * row.train.images as f64,
        sampling_macs: macs / experts as f64 * (row.sample.count * row.sample.steps) as f64,
        disk: checkpoint * row.train.keep as u64,
        memory: largest * BYTES * MEMORY_COPIES,
    })
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e9)
}

fn hours(seconds: f64) -> String {
    format!("{:.2}", seconds / 3600.0)
}
