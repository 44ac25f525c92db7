//! Chores of the workspace, each a subcommand in a file of its own: `cargo xtask --help` lists them.
//!
//! Nothing here links libtorch: setup must run on a machine that has none yet.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person or the log that started it; there is nobody else to tell"
)]

mod bench;
mod ci;
mod download;
mod error;
mod examples;
mod reproduce;
mod setup;
mod smoke;
mod step;
mod test;
mod usage;
mod workspace;

use std::process::ExitCode;

use error::{Error, Result};
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Error::Usage(format!("which chore?\n\n{}", usage::OVERVIEW)));
    };
    if usage::asks_for_help(command) || command == "help" {
        print!("{}", usage::OVERVIEW);
        return Ok(());
    }
    let Some(text) = usage::of(command) else {
        return Err(Error::Usage(usage::unknown("chore", command, usage::COMMANDS)));
    };
    // What follows `reproduce SUITE` belongs to `meme`, its --help too.
    if rest.first().is_some_and(|first| usage::asks_for_help(first)) {
        print!("{text}");
        return Ok(());
    }
    let here = std::env::current_dir()
        .map_err(|source| Error::io("look up the current folder", ".", source))?;
    let workspace = Workspace::find(&here)?;
    match command.as_str() {
        "setup" => setup::run(&workspace, setup::parse(rest)?),
        "test" => test::run(&workspace, &test::parse(rest, "test")?),
        "ci" => ci::run(&workspace, rest),
        "download" => download::run(&workspace, &download::parse(rest)?),
        "reproduce" => reproduce::run(&workspace, rest),
        "bench" => bench::run(&workspace, rest),
        other => Err(Error::Usage(usage::unknown("chore", other, usage::COMMANDS))),
    }
}
