//! Times feature extraction beside pytorch-fid's, and the Frechet distance beside scipy's `sqrtm`
//! route, in turns within one run:
//! `cargo bench -p meme-metrics --bench against_python -- PYTHON WEIGHTS.pth [ROUNDS] [THREADS]`
//!
//! PYTHON is an interpreter that has torch, torchvision, pytorch-fid and scipy. Any weights do, also
//! those that `tests/golden/packages.py` makes.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use meme_metrics::{FeatureNetwork, Gaussian, Mode, Statistics};
use meme_random::{Purpose, Stream};
use meme_torch::tch::{Device, Kind, Tensor};
use ndarray::Array2;

/// Pictures of a batch, and their side.
const BATCH: i64 = 32;
const SIDE: i64 = 256;
/// Features and rows of the distance.
const FEATURES: usize = 2048;
const ROWS: usize = 4096;
/// A distance takes so long that few rounds must do.
const DISTANCES: usize = 2;

const SCRIPT: &str = include_str!("against_python.py");

/// Python, which does one round for each line that it gets and answers with seconds.
struct Other(Child, BufReader<std::process::ChildStdout>);

impl Other {
    fn start(python: &str, weights: &str, threads: usize) -> std::io::Result<Self> {
        let sizes = [threads, BATCH as usize, SIDE as usize, FEATURES, ROWS].map(|n| n.to_string());
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, weights])
            .args(sizes)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
        Ok(Self(child, BufReader::new(answers)))
    }

    fn time(&mut self, what: &str) -> Result<f64, Box<dyn std::error::Error>> {
        writeln!(self.0.stdin.as_mut().ok_or("no input")?, "{what}")?;
        let mut line = String::new();
        self.1.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    meme_torch::keep_freed_memory();
    // Cargo adds `--bench`; tests of all targets start this with nothing else.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let arguments: Vec<String> = arguments.collect();
    let [python, weights, rest @ ..] = arguments.as_slice() else {
        println!("usage: against_python PYTHON WEIGHTS.pth [ROUNDS] [THREADS]");
        return Ok(());
    };
    let number = |place: usize, default: usize| -> Result<usize, std::num::ParseIntError> {
        rest.get(place).map_or(Ok(default), |text| text.parse())
    };
    let (rounds, threads) = (number(0, 10)?, number(1, 2)?);
    meme_torch::init_thread(threads)?;
    let network = FeatureNetwork::inception(Path::new(weights), Mode::PytorchFid, Device::Cpu)?;
    let mut other = Other::start(python, weights, threads)?;
    let images = Tensor::f_rand([BATCH, 3, SIDE, SIDE], (Kind::Float, Device::Cpu))?;
    let images = images.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
    let ours = || -> Result<f64, Box<dyn std::error::Error>> {
        let start = Instant::now();
        network.features(&images)?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first round of each pays for what later ones find ready.
    ours()?;
    other.time("features")?;
    report("features of a batch", rounds, || Ok((ours()?, other.time("features")?)))?;

    let stream = Stream::new(0, Purpose::Test, 0, 0);
    let rows = |set: usize| {
        let first = set * ROWS * FEATURES;
        let value = |(row, column): (usize, usize)| {
            stream.normal((first + row * FEATURES + column) as u64) as f32
        };
        Array2::from_shape_fn((ROWS, FEATURES), value)
    };
    let statistics = [Statistics::of(rows(0).view())?, Statistics::of(rows(1).view())?];
    report("Frechet distance", DISTANCES.min(rounds), || {
        let start = Instant::now();
        Gaussian::of(&statistics[0])?.distance(&Gaussian::of(&statistics[1])?)?;
        Ok((start.elapsed().as_secs_f64(), other.time("frechet")?))
    })
}

/// Prints the fastest of some rounds of both, and the median of their ratios.
fn report(
    what: &str,
    rounds: usize,
    mut round: impl FnMut() -> Result<(f64, f64), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        times.push(round()?);
    }
    let fastest = |side: fn(&(f64, f64)) -> f64| times.iter().map(side).fold(f64::MAX, f64::min);
    let mut ratios: Vec<f64> = times.iter().map(|(ours, theirs)| theirs / ours).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{what}: {:.3} s here, {:.3} s in Python (fastest of {rounds}); {:.2} times as fast (median)",
        fastest(|times| times.0),
        fastest(|times| times.1),
        ratios[ratios.len() / 2]
    );
    Ok(())
}
