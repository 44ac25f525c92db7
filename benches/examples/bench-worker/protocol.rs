//! Lines in, lines out.

use std::fmt;
use std::io::{self, Error, ErrorKind, Write as _};

use meme_blocks::Architecture;
use serde::Deserialize;

/// What is to be timed.
#[derive(Debug, Deserialize)]
pub(crate) struct Description {
    pub(crate) task: Task,
    pub(crate) mode: String,
    pub(crate) architecture: Architecture,
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) threads: usize,
}

impl Description {
    pub(crate) fn shape(&self) -> [usize; 3] {
        [self.architecture.in_channels, self.height, self.width]
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Task {
    /// Forward passes without gradients.
    Forward,
    /// Whole training steps.
    Train,
}

pub(crate) enum Command {
    /// So many passes or steps.
    Run(usize),
    /// How much memory it took.
    Memory,
}

/// The line to whoever started this program.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Resident memory before the network was made, in bytes.
    pub(crate) start: u64,
}

impl Line {
    /// The next line; `None` at the end of the input.
    fn next(&self) -> io::Result<Option<String>> {
        let mut line = String::new();
        Ok((io::stdin().read_line(&mut line)? > 0).then_some(line))
    }

    pub(crate) fn description(&self) -> io::Result<Option<Description>> {
        let Some(line) = self.next()? else { return Ok(None) };
        serde_json::from_str(&line).map(Some).map_err(Into::into)
    }

    /// The next command; `None` when there will be none.
    pub(crate) fn command(&self) -> io::Result<Option<Command>> {
        let Some(line) = self.next()? else { return Ok(None) };
        let words: Vec<&str> = line.split_whitespace().collect();
        let unknown = || Error::new(ErrorKind::InvalidInput, format!("no such command: {line}"));
        match words.as_slice() {
            ["run", passes] => passes.parse().map(Command::Run).map(Some).map_err(|_| unknown()),
            ["memory"] => Ok(Some(Command::Memory)),
            _ => Err(unknown()),
        }
    }

    pub(crate) fn say(&mut self, what: fmt::Arguments<'_>) -> io::Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "{what}")?;
        output.flush()
    }

    pub(crate) fn say_seconds(&mut self, seconds: &[f64]) -> io::Result<()> {
        let words: String = seconds.iter().map(|seconds| format!(" {seconds:.9}")).collect();
        self.say(format_args!("seconds{words}"))
    }

    pub(crate) fn say_memory(&mut self) -> io::Result<()> {
        let peak = meme_torch::peak_memory().unwrap_or(0);
        let start = self.start;
        self.say(format_args!("bytes {peak} {start}"))
    }
}
