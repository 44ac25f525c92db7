//! `meme reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::encode::on_corrupt;
use super::{Context, default_scale, device, output};
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
    /// Pictures: a folder, a tar or a zip [default: built-in faces]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Leave out pictures that cannot be read instead of refusing the data
    #[arg(long)]
    skip_corrupt: bool,
    /// Where everything goes; a folder with the same run in it is gone on with
    /// [default: runs/SUITE-SCALE]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Do one stage only
    #[arg(long, value_name = "STAGE", value_parser = STAGES)]
    only_stage: Option<String>,
    /// Weights of a learned first stage (safetensors, CompVis' names)
    #[arg(long, value_name = "FILE")]
    first_stage: Option<PathBuf>,
    /// cpu, cuda or cuda:N [default: the first GPU that loads, else the CPU]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: String,
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
        let device = device(&self.device)?;
        if self.lanes == Some(0) {
            return Err(Error::Usage("--lanes must be at least 1".into()));
        }
        let run = SuiteRun::resolve(Request {
            suite: self.suite,
            scale: self.scale.unwrap_or_else(|| default_scale(device).into()),
            rows: self.rows,
            data: self.data,
            run: self.run,
            first_stage: self.first_stage,
            settings: self.set,
            device,
            lanes: self.lanes,
            on_corrupt: on_corrupt(self.skip_corrupt),
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
