//! Times the ordered loader beside PyTorch's `DataLoader` with Pillow, epoch by epoch, in turns within one run:
//! `cargo bench -p meme-data --bench against_python -- PYTHON [ROUNDS] [WORKERS]`
//!
//! PYTHON is an interpreter that has torch, numpy and Pillow. Both sides read the same JPEGs, shuffled, in batches of
//! 32 float32 arrays; ours are copied into one batch too. DataLoader keeps its workers between epochs, and the first
//! epoch of both counts for nothing.
#![allow(clippy::print_stdout)]

mod photographs;

use meme_data::cache::{Cache, CacheSpec, CacheWriter, Precision};
use meme_data::{ArraySource, Filter, Loader, LoaderOptions, Order, Pixels, Transform};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

const SCRIPT: &str = include_str!("against_python.py");
const BATCH: usize = 32;
/// Pictures of a folder, and latents of a cache.
const PICTURES: usize = 256;
const LATENTS: usize = 8192;

type Failure = Box<dyn Error>;

/// Python, which goes through a data set once for each line that it gets, and answers with images and seconds.
struct Other(Child, BufReader<ChildStdout>);

impl Other {
    fn start(python: &str) -> Result<Self, Failure> {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let answers = child.stdout.take().ok_or("no output")?;
        Ok(Self(child, BufReader::new(answers)))
    }

    /// Images a second.
    fn rate(&mut self, kind: &str, folder: &Path, workers: usize) -> Result<f64, Failure> {
        let input = self.0.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{kind}\t{}\t{workers}", folder.display())?;
        let mut line = String::new();
        self.1.read_line(&mut line)?;
        let (count, seconds) = line.trim().split_once(' ').ok_or("Python has ended")?;
        Ok(count.parse::<f64>()? / seconds.parse::<f64>()?)
    }
}

/// Images a second of one epoch.
fn rate(source: &Arc<dyn ArraySource>, threads: usize, epoch: u64) -> Result<f64, Failure> {
    let begun = Instant::now();
    let len = source.len() as u64;
    let (start, end) = (epoch * len, (epoch + 1) * len);
    let options = LoaderOptions { threads, start, end, ..LoaderOptions::default() };
    let order = Order::shuffled(1, source.len())?;
    let mut loader = Loader::new(Arc::clone(source), order, options)?;
    let mut count = 0;
    loop {
        let batch = loader.batch(BATCH)?;
        if batch.is_empty() {
            break;
        }
        let values: Vec<f32> = batch.iter().flat_map(|it| it.values.iter().copied()).collect();
        count += std::hint::black_box(values).len() / source.shape().iter().product::<usize>();
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn pictures(folder: &Path, side: usize) -> Result<Arc<dyn ArraySource>, Failure> {
    photographs::write(folder, PICTURES, side)?;
    let transform = Transform { filter: Filter::PilBilinear, ..Transform::new(256) };
    Ok(Arc::new(Pixels::new(meme_data::open(folder)?, transform)?))
}

fn latents(folder: &Path) -> Result<Cache, Failure> {
    let (dataset, first_stage) = ("bench".to_owned(), "bench".to_owned());
    let (transform, shape, precision) = (Transform::new(256), [3, 64, 64], Precision::F32);
    let spec = CacheSpec { dataset, first_stage, transform, count: LATENTS, shape, precision };
    let mut writer = CacheWriter::begin(folder, spec)?;
    let values = vec![0.5; 3 * 64 * 64];
    for _ in 0..LATENTS {
        writer.push(&values)?;
    }
    Ok(writer.finish()?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`; tests of all targets start this with nothing else.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let arguments: Vec<String> = arguments.collect();
    let [python, rest @ ..] = arguments.as_slice() else {
        println!("usage: against_python PYTHON [ROUNDS] [WORKERS]");
        return Ok(());
    };
    let number = |place: usize, default: usize| -> Result<usize, std::num::ParseIntError> {
        rest.get(place).map_or(Ok(default), |text| text.parse())
    };
    let (rounds, workers) = (number(0, 9)?.max(1), number(1, 2)?);
    let scratch = tempfile::tempdir()?;
    let place = |name: &str| scratch.path().join(name);
    let cases: [(&str, &str, Arc<dyn ArraySource>, usize); 5] = [
        ("JPEG 256 x 256, 1 thread or no worker", "256", pictures(&place("256"), 256)?, 1),
        ("JPEG 256 x 256, threads or workers", "256", pictures(&place("256"), 256)?, workers),
        ("JPEG 512 to 256, 1 thread or no worker", "512", pictures(&place("512"), 512)?, 1),
        ("JPEG 512 to 256, threads or workers", "512", pictures(&place("512"), 512)?, workers),
        (
            "latents 3 x 64 x 64, 1 thread or no worker",
            "latents",
            { Arc::new(latents(&place("latents"))?) },
            1,
        ),
    ];
    let mut other = Other::start(python)?;
    println!("{workers} threads or workers, {rounds} rounds; medians, images/s");
    for (title, folder, source, threads) in &cases {
        let processes = if *threads == 1 { 0 } else { *threads };
        let kind = if *folder == "latents" { "latents" } else { "pictures" };
        let mut rates: [Vec<f64>; 3] = Default::default();
        for round in 0..=rounds {
            let ours = rate(source, *threads, round as u64)?;
            let theirs = other.rate(kind, &place(folder), processes)?;
            if round > 0 {
                let made = [ours, theirs, ours / theirs];
                rates.iter_mut().zip(made).for_each(|(rates, rate)| rates.push(rate));
            }
        }
        let (least, most) = rates[2]
            .iter()
            .fold((f64::MAX, 0.0), |(least, most): (f64, f64), it| (least.min(*it), most.max(*it)));
        let [ours, theirs, ratio] = rates.map(median);
        println!(
            "{title}: {ours:.0} here, {theirs:.0} DataLoader, {ratio:.2} times ({least:.2} to {most:.2})"
        );
    }
    Ok(())
}
