//! `meme export`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::FirstStageArgument;
use super::output;
use crate::Result;
use crate::exchange;
use crate::run::RunFolder;

/// Writes a run's networks as folders that other programs read: of diffusers where it knows such networks, else of a
/// layout of our own (docs/checkpoints.md)
#[derive(Args)]
pub(crate) struct Export {
    /// The run folder
    run: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The weights as trained instead of their moving average
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(crate) fn run(self) -> Result<()> {
        let run = RunFolder::open(&self.run)?;
        let weights = self.first_stage.first_stage.as_deref();
        let exported = exchange::export(&run, &self.to, self.raw, weights)?;
        if self.json {
            output::json(&json!({"to": self.to, "exported": exported}));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = exported
            .into_iter()
            .map(|it| vec![it.folder, it.format.to_owned(), it.note.unwrap_or_default()])
            .collect();
        output::text(&format!(
            "{}\n\n{}",
            self.to.display(),
            output::table(&["folder", "format", "note"], &rows)
        ));
        Ok(())
    }
}
