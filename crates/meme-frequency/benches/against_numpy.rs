//! Times the analysis of 1,000 feature maps of 128 x 64 x 64 beside numpy's, in turns within one
//! run, on one thread and on two:
//! `cargo bench -p meme-frequency --bench against_numpy -- PYTHON [ROUNDS]`
//!
//! PYTHON is an interpreter that has numpy. numpy transforms on one thread, whatever it is given. Maps
//! come in batches that are held in memory, as they come out of a network.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use meme_frequency::{LogAmplitude, PowerSpectrum, Window};
use ndarray::Array4;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SAMPLES: usize = 1000;
const CHANNELS: usize = 128;
const SIDE: usize = 64;
/// Samples of a batch.
const BATCH: usize = 10;

const SCRIPT: &str = include_str!("against_numpy.py");

/// Python, which does one round for each line that it gets and answers with seconds.
struct Numpy(Child, BufReader<ChildStdout>);

impl Numpy {
    fn start(python: &str) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .args([SAMPLES, CHANNELS, SIDE, BATCH].map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = child.stdout.take().ok_or("no output")?;
        Ok(Self(child, BufReader::new(answers)))
    }

    fn time(&mut self, what: &str) -> Result<f64> {
        writeln!(self.0.stdin.as_mut().ok_or("no input")?, "{what}")?;
        let mut line = String::new();
        self.1.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

fn main() -> Result<()> {
    // Cargo adds `--bench`; tests of all targets start this with nothing else.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let arguments: Vec<String> = arguments.collect();
    let [python, rest @ ..] = arguments.as_slice() else {
        println!("usage: against_numpy PYTHON [ROUNDS]");
        return Ok(());
    };
    let rounds: usize = rest.first().map_or(Ok(3), |text| text.parse())?;
    let mut numpy = Numpy::start(python)?;
    let mut state = 1u64;
    let maps = Array4::from_shape_simple_fn((BATCH, CHANNELS, SIDE, SIDE), || {
        // Any numbers do: Knuth's generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    });
    let amplitude = || -> Result<()> {
        let mut sum = LogAmplitude::new(SIDE, SIDE)?;
        for _ in 0..SAMPLES / BATCH {
            sum.add_batch(maps.view())?;
        }
        sum.finish()?;
        Ok(())
    };
    let power = || -> Result<()> {
        let mut sum = PowerSpectrum::new(SIDE, SIDE, Window::None)?;
        for _ in 0..SAMPLES / BATCH {
            sum.add_batch(maps.view())?;
        }
        sum.radial()?;
        Ok(())
    };
    let works: [(&str, &(dyn Fn() -> Result<()> + Sync)); 2] =
        [("amplitude", &amplitude), ("power", &power)];
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build());
    let [one, two] = pools;
    let (one, two) = (one?, two?);
    for (name, work) in works {
        let mut times = Vec::new();
        for _ in 0..rounds.max(1) {
            let on = |pool: &rayon::ThreadPool| -> Result<f64> {
                let start = Instant::now();
                let failure = pool.install(|| work().err().map(|error| error.to_string()));
                failure.map_or(Ok(start.elapsed().as_secs_f64()), |error| Err(error.into()))
            };
            times.push([numpy.time(name)?, on(&one)?, on(&two)?]);
        }
        let fastest = |at: usize| times.iter().map(|it| it[at]).fold(f64::MAX, f64::min);
        let median = |at: usize| {
            let mut ratios: Vec<f64> = times.iter().map(|it| it[0] / it[at]).collect();
            ratios.sort_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        println!(
            "{name}: numpy {:.2} s; here {:.2} s on one thread, {:.2} s on two (fastest of {}); \
             {:.1} and {:.1} times as fast (median)",
            fastest(0),
            fastest(1),
            fastest(2),
            times.len(),
            median(1),
            median(2)
        );
    }
    Ok(())
}
