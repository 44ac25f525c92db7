//! `meme show`.

use clap::Args;

use super::output;
use crate::Result;
use crate::experiment::Resolver;

/// Prints one experiment fully resolved; the text is a valid FILE for `meme train`
#[derive(Args)]
pub(crate) struct Show {
    /// SUITE/ROW, or a TOML file
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "paper")]
    scale: String,
    /// Change a value: key=value, for instance train.images=64000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Show {
    pub(crate) fn run(&self) -> Result<()> {
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        output::text(&experiment.to_toml()?);
        Ok(())
    }
}
