//! `meme speed`.

use clap::Args;
use meme_torch::Precision;
use serde_json::json;

use super::common::DeviceArgument;
use super::output;
use super::sample::precision;
use crate::Result;
use crate::experiment::Resolver;
use crate::progress::thousands;
use crate::timing::{Timed, forward_seconds};

/// Times one step of sampling of every expert of the experiments, side by side, random weights
#[derive(Args)]
pub(crate) struct Speed {
    /// SUITE/ROW or TOML files
    #[arg(required = true)]
    names: Vec<String>,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "paper")]
    scale: String,
    /// Images per forward pass
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Of maps and weights: f32, bf16, or f16 on a GPU
    #[arg(long, value_parser = precision, default_value = "f32")]
    precision: Precision,
    /// Threads [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Speed {
    pub(crate) fn run(&self, context: &super::Context) -> Result<()> {
        let device = self.device.get()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        meme_torch::set_threads(self.threads.unwrap_or(cores))?;
        let resolver = Resolver::new(&self.scale, &[])?;
        let (mut networks, mut names, mut macs) = (Vec::new(), Vec::new(), Vec::new());
        for name in &self.names {
            let experiment = resolver.named_or_file(name)?;
            let [_, height, width] = experiment.latent_shape()?;
            for (expert, architecture) in experiment.numbered() {
                names.push(format!("{} {expert}", experiment.name));
                macs.push(meme_blocks::count(architecture, height, width)?.macs);
                let (architecture, batch) = (architecture.clone(), self.batch.max(1));
                networks.push(Timed { architecture, height, width, batch });
            }
        }
        let seconds = forward_seconds(&networks, device, self.precision, &context.stop)?;
        let images = self.batch.max(1) as f64;
        if self.json {
            let rows: Vec<_> = names
                .iter()
                .zip(seconds.iter().zip(&macs))
                .map(|(name, (seconds, macs))| {
                    json!({
                        "network": name, "macs": macs, "seconds": seconds,
                        "images_per_second": images / seconds,
                    })
                })
                .collect();
            output::json(&json!({
                "scale": self.scale, "batch": self.batch, "precision": self.precision, "threads": meme_torch::threads()?,
                "device": meme_torch::device::device_name(device), "networks": rows,
            }));
            return Ok(());
        }
        let first = seconds.first().copied().unwrap_or(1.0);
        let rows: Vec<Vec<String>> = names
            .into_iter()
            .zip(seconds.into_iter().zip(macs))
            .map(|(name, (seconds, macs))| {
                vec![
                    name,
                    thousands(macs),
                    format!("{:.2}", 1e3 * seconds),
                    format!("{:.2}", images / seconds),
                    format!("{:.1}", 2e-9 * images * macs as f64 / seconds),
                    format!("{:.2}", first / seconds),
                ]
            })
            .collect();
        let header = ["network", "MACs", "ms", "images/s", "GFLOP/s", "times the first"];
        output::text(&output::table(&header, &rows));
        Ok(())
    }
}
