//! `cargo xtask bench`: set up, then the benchmarks.

use crate::error::{Error, Result};
use crate::setup;
use crate::workspace::{Workspace, show};

/// Runs `cargo bench -p benches` with the arguments as they are.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::run(workspace, None)?;
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--package", "benches"]).args(arguments);
    let command = show(&cargo);
    let status =
        cargo.status().map_err(|source| Error::Run { program: command.clone(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Command { command, status: status.to_string() })
    }
}
