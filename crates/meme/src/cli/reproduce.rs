//! `meme reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, default_scale, output};
use crate::suite::{Request, STAGES, SuiteRun};
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
    device: DeviceArgument,
    /// Networks trained side by side [default: one for every core; one on a GPU]
    #[arg(long)]
    lanes: Option<usize>,
    /// Change a value in every row: key=value, for instance train.images=64000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print what would be done and what it would cost, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Reproduce {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        if self.lanes == Some(0) {
            return Err(Error::Usage("--lanes must be at least 1".into()));
        }
        let run = SuiteRun::resolve(Request {
            on_corrupt: self.pictures.on_corrupt(),
            suite: self.suite,
            scale: self.scale.unwrap_or_else(|| default_scale(device).into()),
            rows: self.rows,
            data: self.pictures.data,
            run: self.run,
            first_stage: self.first_stage.first_stage,
            settings: self.set,
            device,
            lanes: self.lanes,
        })?;
        if self.dry_run {
            output::text(&run.plan()?);
            return Ok(());
        }
        let report = run.run(self.only_stage.as_deref(), &context.progress, &context.stop)?;
        output::text(&format!("{}", report.join("report.html").display()));
        Ok(())
    }
}
