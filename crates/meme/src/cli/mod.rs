//! The command line: one file a verb.

mod analyze;
mod common;
mod count;
mod doctor;
mod dry_run;
mod encode;
mod evaluate;
mod export;
mod import;
mod inspect;
mod list;
mod output;
pub(crate) use output::table;
mod report;
mod reproduce;
mod sample;
mod samplers;
mod search;
mod show;
mod speed;
mod train;
mod train_first_stage;

use clap::{Parser, Subcommand};
use meme_torch::tch::Device;
use meme_trainer::Stop;
use tracing_subscriber::EnvFilter;

use crate::progress::Progress;
use crate::{Error, Result};

/// Multi-architecture multi-expert diffusion models: train, sample, measure, compare.
#[derive(Parser)]
#[command(name = "meme", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Train and compare the rows of a suite, from pictures to a report
    Reproduce(reproduce::Reproduce),
    /// What is installed, linked, missing, and the line that mends it
    Doctor(doctor::Doctor),
    /// The built-in suites, experiments and scales
    List(list::List),
    /// One experiment fully resolved, as TOML
    Show(show::Show),
    /// Parameters and multiply-adds of every expert, without allocating weights
    Count(count::Count),
    /// Turn pictures into a cache of latents
    Encode(encode::Encode),
    /// Train an experiment; goes on by itself where the folder holds its run
    Train(train::Train),
    /// Train a first stage of your own; goes on by itself where the folder holds its run
    TrainFirstStage(train_first_stage::TrainFirstStage),
    /// Make pictures from a trained run
    Sample(sample::Sample),
    /// Distance by passes of a network, for every sampler, on a trained run
    Samplers(samplers::Samplers),
    /// The distance between generated and real pictures
    Evaluate(evaluate::Evaluate),
    /// Relative log amplitude of the feature maps of a trained run
    Analyze(analyze::Analyze),
    /// Time per sampling step of experiments, side by side
    Speed(speed::Speed),
    /// Look for boundaries and head tables within a budget by short runs
    Search(search::SearchVerb),
    /// Lay out the report of a suite run again
    Report(report::ReportVerb),
    /// Take a checkpoint of CompVis or diffusers into a run folder
    Import(import::Import),
    /// Write a run's networks as folders that diffusers reads
    Export(export::Export),
    /// What a checkpoint or a safetensors file holds
    Inspect(inspect::Inspect),
}

/// What every verb may need.
pub(crate) struct Context {
    /// Raised by SIGINT and SIGTERM.
    pub(crate) stop: Stop,
    /// Bars or lines on standard error.
    pub(crate) progress: Progress,
}

/// Runs the program on the process's arguments and returns its exit code: 0 done, 1 failed,
/// 2 wrong usage, 75 stopped by a signal with everything saved.
#[must_use]
pub fn main() -> i32 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where the text cannot be written there is nowhere to say so either.
            let _ = error.print();
            return error.exit_code();
        }
    };
    match run(arguments.verb) {
        Ok(()) => 0,
        Err(error) => {
            output::failure(&error);
            error.exit_code()
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    // Networks give memory back and take it again at every operation; without this the kernel zeroes
    // the same pages over and over. It must come before any other thread starts.
    meme_torch::keep_freed_memory();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let context = Context { stop: Stop::on_signals()?, progress: Progress::detect() };
    match verb {
        Verb::Reproduce(verb) => verb.run(&context),
        Verb::Doctor(verb) => verb.run(),
        Verb::List(verb) => verb.run(),
        Verb::Show(verb) => verb.run(),
        Verb::Count(verb) => verb.run(),
        Verb::Encode(verb) => verb.run(&context),
        Verb::Train(verb) => verb.run(&context),
        Verb::TrainFirstStage(verb) => verb.run(&context),
        Verb::Sample(verb) => verb.run(&context),
        Verb::Samplers(verb) => verb.run(&context),
        Verb::Evaluate(verb) => verb.run(&context),
        Verb::Analyze(verb) => verb.run(&context),
        Verb::Speed(verb) => verb.run(&context),
        Verb::Search(verb) => verb.run(&context),
        Verb::Report(verb) => verb.run(),
        Verb::Import(verb) => verb.run(&context),
        Verb::Export(verb) => verb.run(),
        Verb::Inspect(verb) => verb.run(),
    }
}

/// The scale where none is given: `small` wants a GPU.
fn default_scale(device: Device) -> &'static str {
    if device.is_cuda() { "small" } else { "tiny" }
}

impl From<clap::Error> for Error {
    fn from(error: clap::Error) -> Self {
        Error::Usage(error.to_string())
    }
}

#[cfg(test)]
#[path = "../../tests/documents/pages.rs"]
mod pages;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The program's command line behind what a person types; none where it is something else.
    fn as_typed(line: &str) -> Option<String> {
        let after =
            |start: &str, verb: &str| Some(format!("meme {verb}{}", line.strip_prefix(start)?));
        after("meme ", "")
            .or_else(|| after("cargo run --release -- ", ""))
            .or_else(|| after("cargo xtask reproduce ", "reproduce "))
    }

    // They are run too, where that does not take hours: tests/documents.
    #[test]
    fn the_program_understands_every_command_in_the_documents() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut seen = 0;
        for command in pages::typed(&root) {
            let Some(typed) = as_typed(&command.text) else { continue };
            // What stands behind it is for the shell.
            let typed = typed.split(" > ").next().unwrap();
            if let Err(error) = Arguments::try_parse_from(typed.split_whitespace()) {
                panic!("{}:{}: {typed}\n{error}", command.page, command.line);
            }
            seen += 1;
        }
        assert!(seen > 50, "only {seen} commands were seen");
    }
}
