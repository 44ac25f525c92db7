//! What was asked for.

use std::path::PathBuf;

use super::plan::Task;
use crate::error::{Error, Result};
use crate::usage;

/// Rounds of a full run and of a quick one. Odd, so that the median is one of them.
const ROUNDS: usize = 7;
const QUICK_ROUNDS: usize = 3;

const KNOWN: &[&str] = &[
    "--train",
    "--quick",
    "--networks",
    "--batch",
    "--size",
    "--threads",
    "--rounds",
    "--scale",
    "--no-compile",
    "--python",
    "--no-python",
    "--out",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Forward passes or training steps.
    pub(super) task: Task,
    /// Networks by name; empty: all.
    pub(super) networks: Vec<String>,
    /// Batch sizes.
    pub(super) batches: Vec<usize>,
    /// Sides of the square inputs; empty: what the scale has.
    pub(super) sizes: Vec<usize>,
    /// Threads of each contestant.
    pub(super) threads: usize,
    /// How often each contestant has its turn.
    pub(super) rounds: usize,
    /// The scale of the networks: `paper`, `tiny`.
    pub(super) scale: String,
    /// Whether `torch.compile` takes part.
    pub(super) compile: bool,
    /// A Python that has torch, instead of the one that is installed for this.
    pub(super) python: Option<PathBuf>,
    /// Whether PyTorch takes part at all.
    pub(super) with_python: bool,
    /// Where the results go.
    pub(super) out: Option<PathBuf>,
}

pub(super) fn parse(arguments: &[String]) -> Result<Options> {
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let (train, quick) = (flag("--train"), flag("--quick"));
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut options = Options {
        task: if train { Task::Train } else { Task::Forward },
        networks: if train || quick { names(&["ldm-s", "meme-1"]) } else { Vec::new() },
        batches: match (train, quick) {
            (true, _) => vec![8],
            (false, true) => vec![1],
            (false, false) => vec![1, 4],
        },
        sizes: match (train, quick) {
            (true, true) => vec![32],
            (true, false) => vec![32, 64],
            (false, _) => Vec::new(),
        },
        threads: 2,
        rounds: if quick { QUICK_ROUNDS } else { ROUNDS },
        scale: "paper".to_owned(),
        compile: !quick,
        python: None,
        with_python: true,
        out: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let given = arguments.next().filter(|value| !value.starts_with("--"));
            given.ok_or_else(|| Error::Usage(format!("{argument} needs a value")))
        };
        match argument.as_str() {
            "--train" | "--quick" => {}
            "--no-compile" => options.compile = false,
            "--no-python" => options.with_python = false,
            "--networks" => options.networks = value()?.split(',').map(str::to_owned).collect(),
            "--batch" => options.batches = numbers(argument, value()?)?,
            "--size" => options.sizes = numbers(argument, value()?)?,
            "--threads" => options.threads = number(argument, value()?)?,
            "--rounds" => options.rounds = number(argument, value()?)?,
            "--scale" => options.scale = value()?.clone(),
            "--python" => options.python = Some(PathBuf::from(value()?)),
            "--out" => options.out = Some(PathBuf::from(value()?)),
            other => return Err(Error::Usage(usage::unknown("option", other, KNOWN))),
        }
    }
    Ok(options)
}

fn numbers(option: &str, list: &str) -> Result<Vec<usize>> {
    list.split(',').map(|word| number(option, word)).collect()
}

fn number(option: &str, word: &str) -> Result<usize> {
    word.trim().parse().ok().filter(|&number| number > 0).ok_or_else(|| {
        Error::Usage(format!("{option}: `{word}` is not a whole number of at least 1"))
    })
}

#[cfg(test)]
mod tests {
    use super::{Options, Task, parse};
    use crate::error::Error;

    fn read(line: &str) -> Result<Options, Error> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_quick_run_is_a_small_full_run_and_options_beat_it() {
        let full = read("").unwrap();
        assert_eq!((full.task, &full.batches[..], full.rounds), (Task::Forward, &[1, 4][..], 7));
        assert!(full.networks.is_empty() && full.compile);
        let quick = read("--batch 2,16 --quick --networks ldm-l").unwrap();
        assert_eq!((&quick.batches[..], quick.rounds), (&[2, 16][..], 3));
        assert_eq!(quick.networks, ["ldm-l"]);
        assert!(!quick.compile);
    }

    #[test]
    fn training_is_measured_at_two_sizes() {
        let options = read("--train").unwrap();
        assert_eq!((&options.sizes[..], &options.batches[..]), (&[32, 64][..], &[8][..]));
        assert_eq!(read("--train --size 16").unwrap().sizes, [16]);
    }

    #[test]
    fn senseless_values_and_unknown_options_are_refused_by_name() {
        for (line, said) in [
            ("--threads 0", "--threads: `0`"),
            ("--batch 1,x", "--batch: `x`"),
            ("--rounds", "--rounds needs a value"),
            ("--out --quick", "--out needs a value"),
            ("--bathc 1", "did you mean `--batch`"),
        ] {
            let message = read(line).unwrap_err().to_string();
            assert!(message.contains(said), "{line}: {message}");
        }
    }
}
