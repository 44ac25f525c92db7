//! `meme report`.

use std::path::PathBuf;

use clap::Args;

use super::output;
use crate::{Result, report};

/// Lays out the report of a suite run again from its `report/report.json`
#[derive(Args)]
pub(crate) struct ReportVerb {
    /// The suite's run folder
    run: PathBuf,
}

impl ReportVerb {
    pub(crate) fn run(&self) -> Result<()> {
        let folder = self.run.join("report");
        report::write(&report::read(&folder)?, &folder)?;
        output::text(&format!("{}", folder.join("report.html").display()));
        Ok(())
    }
}
