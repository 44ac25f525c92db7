//! `cargo xtask bench`: our networks and the same ones in PyTorch, timed in turns.
//!
//! Every contestant is a process of its own that holds one network and speaks a protocol of lines
//! (`worker.rs`): ours is `benches/examples/bench-worker`, PyTorch's is `xtask/python/worker.py`,
//! which is compared with golden vectors first. Contestants that are to be compared form a group;
//! in each round each of them computes for a moment while the others wait. So whatever else the
//! machine does falls on all alike, and a ratio within one round means something where a time does
//! not. What is reported is the median of the rounds' ratios, beside the fastest of each.

mod machine;
mod measure;
mod options;
mod plan;
mod python;
mod ratio;
mod report;
mod worker;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use self::options::Options;
use self::plan::{Group, Network, Side};
use self::python::Python;
use self::report::{Measured, Report};
use crate::error::{Error, Result};
use crate::setup;
use crate::workspace::{Workspace, show};

/// The program of ours that is timed.
const WORKER: &str = "bench-worker";

/// Measures what `arguments` ask for, prints a table and writes it, with all times, to a folder.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = options::parse(arguments)?;
    setup::run(workspace, None)?;
    let python = Python::find(workspace, &options)?;
    if let Python::Missing { reason } = &python {
        println!("PyTorch is not timed: {reason}\nOnly our own times follow.\n");
    }
    let ours = build(workspace)?;
    let networks = networks(&ours, &options)?;
    let folder = options.out.clone().unwrap_or_else(|| workspace.root.join("target/bench"));
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).map_err(|source| Error::io("make the folder", &logs, source))?;
    let groups = plan::groups(&options, &networks, python.program().is_some());
    println!("{} groups of contestants, {} rounds each\n", groups.len(), options.rounds);
    let mut report = Report::new(&options, arguments, &python);
    for (number, group) in groups.iter().enumerate() {
        let measured = measure(workspace, &ours, &python, group, &options, &logs)?;
        println!("[{}/{}] {}", number + 1, groups.len(), measured.text());
        report.add(measured);
        // Written after every group: a run that is stopped has not been in vain.
        report.write(&folder)?;
    }
    println!("{}\nwritten to {}", report.closing(), folder.display());
    match report.failures() {
        0 => Ok(()),
        count => Err(Error::Bench(format!(
            "{count} of the contestants failed; what they said stands above and in {}",
            logs.display()
        ))),
    }
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "benches", "--example", WORKER]);
    workspace.build_program(cargo, WORKER)
}

/// The networks that our program knows at that scale, those that were asked for, in its order.
fn networks(ours: &std::path::Path, options: &Options) -> Result<Vec<Network>> {
    let mut command = Command::new(ours);
    command.args(["networks", &options.scale]);
    let shown = show(&command);
    let output =
        command.output().map_err(|source| Error::Run { program: shown.clone(), source })?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Error::Command { command: shown, status: output.status.to_string() });
    }
    let known = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<Vec<Network>, _>>()
        .map_err(|error| Error::Bench(format!("`{shown}` printed no network: {error}")))?;
    plan::chosen(known, &options.networks)
}

fn measure(
    workspace: &Workspace,
    ours: &std::path::Path,
    python: &Python,
    group: &Group,
    options: &Options,
    logs: &std::path::Path,
) -> Result<Measured> {
    let mut entries = Vec::with_capacity(group.contestants.len());
    for contestant in &group.contestants {
        let mut command = match (contestant.side, python.program()) {
            (Side::Ours, _) => Command::new(ours),
            (Side::PyTorch, Some(program)) => {
                let mut command = Command::new(program);
                command.arg(python::script(workspace));
                command
            }
            // Without Python the plan has no such contestant.
            (Side::PyTorch, None) => continue,
        };
        let threads = options.threads.to_string();
        command.env("OMP_NUM_THREADS", &threads).env("MKL_NUM_THREADS", &threads);
        // The last words of a contestant that panics are then its message.
        command.env("RUST_BACKTRACE", "0");
        let log = logs.join(format!("{}.log", contestant.file_name()));
        let description = contestant.description(options.threads).to_string();
        entries.push(worker::start(command, &description, &log));
    }
    Ok(measure::interleave(group, entries, options.rounds))
}
