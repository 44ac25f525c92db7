//! `cargo xtask reproduce SUITE ...`: set up, build, and become `meme reproduce SUITE ...`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::Workspace;
use crate::{setup, usage};

/// Replaces this process with the program, so that its output, its exit code and the signals sent
/// to it are its own. Returns only if that failed.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        let text = usage::of("reproduce").unwrap_or_default();
        return Err(Error::Usage(format!(
            "which suite? For the paper's main comparison: ffhq\n\n{text}"
        )));
    }
    setup::run(workspace, None)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "meme"]);
    let program = workspace.build_program(build, "meme")?;
    let mut meme = Command::new(&program);
    meme.arg("reproduce").args(arguments);
    workspace.as_the_user_would(&mut meme);
    let source = meme.exec();
    Err(Error::Run { program: program.display().to_string(), source })
}
