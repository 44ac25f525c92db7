//! `meme reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::common::{DevicesArguments, FirstStageArgument, PicturesArguments};
use super::{Context, default_scale, output};
use crate::suite::{MOST_REPEATS, Part, Request, STAGES, SuiteRun};
use crate::{Error, Result};

/// Trains and compares the rows of a suite, from pictures to a report
#[derive(Args)]
pub(crate) struct Reproduce {
    /// The suite (`meme list` shows them)
    suite: String,
    /// smoke, tiny, small or paper [default: small with a GPU, tiny without]
    #[arg(long)]
    scale: Option<String>,
    /// Rows to train, or `all` [default: the suite's]
    #[arg(long, value_delimiter = ',')]
    rows: Option<Vec<String>>,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// Where everything goes; a folder with the same run in it is gone on with
    /// [default: runs/SUITE-SCALE]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Do one stage only
    #[arg(long, value_name = "STAGE", value_parser = STAGES)]
    only_stage: Option<String>,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    devices: DevicesArguments,
    /// Networks trained side by side [default: one for every core; one on a GPU]
    #[arg(long)]
    lanes: Option<usize>,
    /// Times every row is trained, each from another seed; three or more settle claims
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_REPEATS))]
    repeats: u64,
    /// Change a value in every row: key=value, for instance train.images=64000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set aside rows that were trained with other numbers, and train them again
    #[arg(long)]
    redo_changed: bool,
    /// Train one expert of one row only, counted from 0 over rows, experts and repeats; any number
    /// of these can run at once, on any machines that share the folder
    #[arg(long, value_name = "N", conflicts_with = "only_stage")]
    task: Option<usize>,
    /// Write job scripts instead of running: one array task for every expert of every row
    #[arg(long, value_name = "SYSTEM", value_parser = ["slurm"], requires = "to")]
    emit: Option<String>,
    /// Folder for the scripts of --emit
    #[arg(long, value_name = "DIR", requires = "emit")]
    to: Option<PathBuf>,
    /// Print what would be done and what it would cost, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Reproduce {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        // Scripts are for other machines.
        let devices = if self.to.is_some() { self.devices.named() } else { self.devices.get() }?;
        if self.lanes == Some(0) {
            return Err(Error::Usage("--lanes must be at least 1".into()));
        }
        let run = SuiteRun::resolve(Request {
            on_corrupt: self.pictures.on_corrupt(),
            suite: self.suite,
            scale: self.scale.unwrap_or_else(|| default_scale(devices[0]).into()),
            rows: self.rows,
            data: self.pictures.data,
            run: self.run,
            first_stage: self.first_stage.first_stage,
            settings: self.set,
            devices,
            lanes: self.lanes,
            alone: self.task.is_some(),
            repeats: self.repeats,
            redo_changed: self.redo_changed,
        })?;
        if self.dry_run {
            output::text(&run.plan()?);
            return Ok(());
        }
        if let Some(folder) = &self.to {
            output::text(&run.emit_slurm(folder, &std::env::args().collect::<Vec<_>>())?);
            return Ok(());
        }
        let part = match (self.only_stage, self.task) {
            (Some(stage), _) => Part::Stage(stage),
            (None, Some(task)) => Part::Task(task),
            (None, None) => Part::All,
        };
        let report = run.run(&part, &context.progress, &context.stop)?;
        let page = report.join("report.html");
        let result = if page.exists() { &page } else { &run.folder };
        output::text(&result.display().to_string());
        Ok(())
    }
}
