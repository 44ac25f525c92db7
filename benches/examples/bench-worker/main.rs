//! One network of ours, ready to be timed by whoever speaks the protocol of `cargo xtask bench`.
//!
//! ```text
//! bench-worker networks SCALE   prints every network of that scale, one JSON object a line
//! bench-worker                  takes a description on standard input, one JSON object on one line,
//!                               then commands, one a line:
//!
//! run N    -> seconds S1 ... SN    N passes or training steps, each timed alone
//! memory   -> bytes PEAK START     highest resident memory so far, and that before the network
//! ```
//!
//! The answer to the description is `ready PARAMETERS`, or `unavailable REASON`. The end of the
//! input ends the program.

mod protocol;
mod train;

use std::error::Error;
use std::time::Instant;

use benches::{Mode, Subject, networks};
use meme_torch::tch::Device;
use protocol::{Command, Description, Line, Task};

fn main() -> Result<(), Box<dyn Error>> {
    meme_torch::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["networks", scale] => print_networks(scale),
        [] => serve(Line::default()),
        _ => Err(format!("no such arguments: {arguments:?}; there is `networks SCALE`").into()),
    }
}

fn print_networks(scale: &str) -> Result<(), Box<dyn Error>> {
    let mut line = Line::default();
    for network in networks(scale)? {
        let [_, height, width] = network.shape;
        let count = meme_blocks::count(&network.architecture, height, width)?;
        line.say(format_args!(
            "{}",
            serde_json::json!({
                "name": network.name,
                "architecture": network.architecture,
                "shape": network.shape,
                "parameters": count.parameters,
                "macs": count.macs,
            })
        ))?;
    }
    Ok(())
}

fn serve(mut line: Line) -> Result<(), Box<dyn Error>> {
    let Some(description) = line.description()? else { return Ok(()) };
    let mode = match description.mode.parse::<Mode>() {
        Ok(mode) => mode,
        Err(reason) => return Ok(line.say(format_args!("unavailable {reason}"))?),
    };
    meme_torch::set_threads(description.threads)?;
    line.start = meme_torch::resident_memory().unwrap_or(0);
    match description.task {
        Task::Forward => forward(line, &description, mode),
        Task::Train => train::serve(line, &description, mode),
    }
}

fn forward(mut line: Line, description: &Description, mode: Mode) -> Result<(), Box<dyn Error>> {
    let Description { architecture, batch, .. } = description;
    let subject = Subject::new(architecture, description.shape(), *batch, mode, Device::Cpu)?;
    // The first pass pays for allocation and for choosing kernels.
    subject.forward()?;
    line.say(format_args!("ready {}", subject.parameters()))?;
    while let Some(command) = line.command()? {
        match command {
            Command::Memory => line.say_memory()?,
            Command::Run(passes) => {
                let mut seconds = Vec::with_capacity(passes);
                for _ in 0..passes {
                    let clock = Instant::now();
                    subject.forward()?;
                    seconds.push(clock.elapsed().as_secs_f64());
                }
                line.say_seconds(&seconds)?;
            }
        }
    }
    Ok(())
}
