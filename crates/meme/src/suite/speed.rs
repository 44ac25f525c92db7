//! Time per sampling step of every row, trained or not.

use std::path::PathBuf;

use meme_torch::Precision;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Work;
use crate::error::io;
use crate::experiment::{Experiment, Resolver};
use crate::timing::{Timed, forward_seconds};
use crate::{Error, Result};

/// Seconds of one forward pass per image, mean over a row's experts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowSpeed {
    /// The row's name.
    pub(crate) row: String,
    /// At this scale.
    pub(crate) seconds: f64,
    /// At the paper's size, one image at a time.
    pub(crate) paper_seconds: Option<f64>,
}

fn file(work: &Work<'_>) -> PathBuf {
    work.run.folder.join("speed.json")
}

/// What was measured, if it was.
pub(crate) fn measured(work: &Work<'_>) -> Result<Vec<RowSpeed>> {
    let path = file(work);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Malformed { path, message: error.to_string() })
}

/// Times every row of the suite, those that are not trained included.
pub(crate) fn all_rows(work: &Work<'_>) -> Result<()> {
    let here = experiments(work, &work.run.resolver)?;
    let paper = if work.run.resolver.scale.paper_speed {
        experiments(work, &Resolver::new("paper", &[])?)?
    } else {
        Vec::new()
    };
    let inputs = json!({
        "here": here.iter().map(|row| &row.experts).collect::<Vec<_>>(),
        "paper": paper.iter().map(|row| &row.experts).collect::<Vec<_>>(),
        "form": "inference, f32",
        "device": format!("{:?}", work.run.devices[0]),
    });
    let path = file(work);
    work.stages.once("speed", &inputs, std::slice::from_ref(&path), || {
        work.progress.say("timing one step of every network");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = meme_torch::threads()?;
        meme_torch::set_threads(cores)?;
        let seconds = row_seconds(work, &here)?;
        // At the paper's scale both are the same networks, and are timed once.
        let same = here.iter().map(|row| &row.experts).eq(paper.iter().map(|row| &row.experts));
        let paper_seconds = if same { seconds.clone() } else { row_seconds(work, &paper)? };
        meme_torch::set_threads(threads)?;
        let speeds: Vec<RowSpeed> = here
            .iter()
            .enumerate()
            .map(|(row, experiment)| RowSpeed {
                row: experiment.name.clone(),
                seconds: seconds[row],
                paper_seconds: paper_seconds.get(row).copied(),
            })
            .collect();
        let text = serde_json::to_vec_pretty(&speeds).unwrap_or_default();
        Ok(meme_checkpoint::write_file_whole(&path, &text)?)
    })?;
    Ok(())
}

fn experiments(work: &Work<'_>, resolver: &Resolver) -> Result<Vec<Experiment>> {
    let suite = &work.run.suite;
    suite.rows.iter().map(|row| resolver.row(suite, &row.row)).collect()
}

/// Mean over each row's experts of the time of one image; equal networks are timed once.
fn row_seconds(work: &Work<'_>, rows: &[Experiment]) -> Result<Vec<f64>> {
    let mut networks: Vec<Timed> = Vec::new();
    let mut places = Vec::new();
    for row in rows {
        let [_, height, width] = row.latent_shape()?;
        let mut own = Vec::new();
        for architecture in &row.experts {
            let timed = Timed { architecture: architecture.clone(), height, width, batch: 1 };
            let known = networks.iter().position(|network| *network == timed);
            own.push(known.unwrap_or(networks.len()));
            if known.is_none() {
                networks.push(timed);
            }
        }
        places.push(own);
    }
    let seconds = forward_seconds(&networks, work.run.devices[0], Precision::F32, work.stop)?;
    Ok(places
        .iter()
        .map(|own| own.iter().map(|&network| seconds[network]).sum::<f64>() / own.len() as f64)
        .collect())
}
