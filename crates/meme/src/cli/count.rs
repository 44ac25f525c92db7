//! `meme count`.

use clap::Args;
use serde_json::json;

use super::output;
use crate::Result;
use crate::experiment::Resolver;
use crate::progress::thousands;

/// Counts parameters and multiply-adds of every expert, without allocating weights
#[derive(Args)]
pub(crate) struct Count {
    /// SUITE/ROW, or a TOML file
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "paper")]
    scale: String,
    /// Change a value: key=value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Count {
    pub(crate) fn run(&self) -> Result<()> {
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let [channels, height, width] = experiment.latent_shape()?;
        let mut experts = Vec::new();
        let mut rows = Vec::new();
        for (expert, architecture) in experiment.numbered() {
            let count = meme_blocks::count(architecture, height, width)?;
            experts.push(json!({
                "expert": expert.number(),
                "parameters": count.parameters,
                "macs": count.macs,
                "macs_without_attention": count.macs_without_attention,
                "weight_bytes_f32": 4 * count.parameters,
            }));
            rows.push(vec![
                format!("expert {}", expert.number()),
                thousands(count.parameters),
                thousands(count.macs),
                thousands(count.macs_without_attention),
            ]);
        }
        if self.json {
            output::json(&json!({
                "name": experiment.name, "scale": experiment.scale,
                "input": [channels, height, width], "experts": experts,
            }));
            return Ok(());
        }
        let header = ["", "parameters", "MACs", "without attention products"];
        output::text(&format!(
            "{} at scale {}, one forward pass of one {channels} x {height} x {width} sample:\n\n{}",
            experiment.title,
            experiment.scale,
            output::table(&header, &rows)
        ));
        Ok(())
    }
}
