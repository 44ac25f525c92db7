//! What it costs to have only the expert at work in memory, with the paper's four experts: the share
//! of a run that goes into switching, and the memory of the process. Random weights, whole hashed
//! checkpoint folders on the disk, 50 DDIM steps on 3 x 64 x 64 at batch 1.
//!
//! ```sh
//! cargo bench -p meme-sampler --bench residency                  # time, all ways interleaved
//! cargo bench -p meme-sampler --bench residency -- memory next   # memory of one way: all, next, BYTES
//! ```
//! `--steps N`, `--rounds N`, `--threads N` and `--width N` (of the networks: 128) make it shorter;
//! `--bf16` has the networks compute in bfloat16, `--batch N` draws so many samples at once.
#![allow(clippy::print_stdout, missing_docs, reason = "a measuring tool")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use meme_blocks::{Architecture, InferenceUNet, UNet};
use meme_checkpoint::{FolderWriter, VerifiedFolder, open_folder};
use meme_router::{Expert, Index, Intervals};
use meme_sampler::{
    Denoiser, Ensemble, Error, ExpertSource, Loaded, Loader, Paged, Plan, Resident, Room,
    SampleNoise, ddim, unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Parameters, Precision, map_verified};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const FILE: &str = "ema.safetensors";
const HIGH_HEADS: [([usize; 4], usize); 4] =
    [([3, 5, 6, 4], 4), ([3, 4, 5, 3], 3), ([2, 3, 4, 2], 2), ([2, 2, 3, 1], 1)];

fn architecture(expert: usize, width: usize) -> Result<Architecture> {
    let (high, middle) = HIGH_HEADS[expert];
    let head_dim = width / 4;
    Ok(toml::from_str(&format!(
        "in_channels = 3\nout_channels = 3\nwidth = {width}\nchannel_mult = [1, 2, 3, 4]\n\
         res_blocks = 2\nhead_dim = {head_dim}\nnorm_groups = {head_dim}\n\
         encoder = ['mixer', 'mixer', 'mixer', 'mixer']\nmiddle = 'mixer'\n\
         decoder = ['none', 'none', 'none', 'none']\n\
         mixer = {{ high_heads = {high:?}, middle_high_heads = {middle}, pool = [2, 2, 1, 1] }}\n"
    ))?)
}

type Weights = BTreeMap<String, Tensor>;

struct Network(InferenceUNet);

fn build(architecture: &Architecture, weights: Weights, precision: Precision) -> Result<Network> {
    Ok(Network(UNet::for_inference(architecture, weights, Device::Cpu, precision)?))
}

impl Denoiser for Network {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> meme_sampler::Result<Tensor> {
        let index = indices[0].get() as i64;
        let indices = Tensor::full([indices.len() as i64], index, (Kind::Int64, x.device()));
        self.0.forward(x, &indices, None).map_err(Error::denoiser)
    }
}

#[derive(Clone)]
struct Files {
    folders: Vec<VerifiedFolder>,
    width: usize,
    precision: Precision,
}

impl Files {
    /// Four checkpoints, written where they are not there already.
    fn make(folder: &Path, width: usize, precision: Precision) -> Result<Self> {
        let mut folders = Vec::new();
        for expert in 0..HIGH_HEADS.len() {
            let place = folder.join(format!("{width}-{expert}"));
            if !place.exists() {
                let mut parameters = Parameters::new(Device::Cpu, 0, expert as u16 + 1);
                drop(UNet::new(&parameters.root(), &architecture(expert, width)?)?);
                let mut writer = FolderWriter::begin(&place)?;
                writer.tensors(FILE, &parameters.to_data()?, &BTreeMap::new())?;
                writer.commit(serde_json::Value::Null)?;
            }
            folders.push(open_folder(&place)?);
        }
        Ok(Self { folders, width, precision })
    }

    fn read(&self, expert: usize) -> Result<(Architecture, Weights)> {
        let architecture = architecture(expert, self.width)?;
        Ok((architecture, map_verified(&self.folders[expert], FILE)?))
    }

    fn network(&self, expert: usize) -> Result<Network> {
        let (architecture, weights) = self.read(expert)?;
        build(&architecture, weights, self.precision)
    }

    fn all(&self) -> Result<Vec<Box<dyn Denoiser>>> {
        (0..self.folders.len()).map(|n| Ok(Box::new(self.network(n)?) as _)).collect()
    }
}

impl Loader for Files {
    fn experts(&self) -> usize {
        self.folders.len()
    }

    fn bytes(&self, expert: Expert) -> meme_sampler::Result<u64> {
        Ok(self.folders[expert.position()].manifest().files[FILE].size)
    }

    fn load(&self, expert: Expert) -> meme_sampler::Result<Loaded> {
        let precision = self.precision;
        let (architecture, weights) = self.read(expert.position()).map_err(Error::denoiser)?;
        Ok(Loaded::to_build(move || {
            build(&architecture, weights, precision).map_err(Error::denoiser)
        }))
    }
}

/// Seconds of one run.
fn run(network: &mut dyn Denoiser, plan: &Plan, batch: usize) -> Result<f64> {
    let clock = Instant::now();
    let mut noise = SampleNoise::new((0..batch as u64).map(|number| (0, number)).collect());
    let start = noise.start(&[3, 64, 64], Kind::Float, Device::Cpu)?;
    let _ = ddim(network, start, plan, 0.0, &mut noise, &mut unwatched)?.finished()?;
    Ok(clock.elapsed().as_secs_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The same network calls as a run makes, in a bare loop.
fn bare(
    networks: &mut [Box<dyn Denoiser>],
    plan: &Plan,
    intervals: &Intervals,
    batch: usize,
) -> Result<f64> {
    let clock = Instant::now();
    let x = Tensor::zeros([batch as i64, 3, 64, 64], (Kind::Float, Device::Cpu));
    for &index in plan.indices_from(0) {
        let expert = intervals.expert_of(index)?;
        let network = &mut networks[expert.position()];
        let _ = meme_torch::tch::no_grad(|| network.denoise(&x, &vec![index; batch]))?;
    }
    Ok(clock.elapsed().as_secs_f64())
}

fn time(files: &Files, plan: &Plan, rounds: usize, batch: usize) -> Result<()> {
    let intervals = Intervals::uniform(4, 1000)?;
    let mut networks = files.all()?;
    let mut resident = Ensemble::new(intervals.clone(), Resident::new(files.all()?))?;
    let mut paged = Ensemble::new(intervals.clone(), Paged::new(files.clone(), Room::Next)?)?;
    // As in the middle of many batches: the first expert of a run is loaded during the one before.
    paged.followed_by(Some(plan.index(0)));
    let mut seconds: [Vec<f64>; 3] = Default::default();
    let mut waited = 0.0;
    for round in 0..=rounds {
        let before = paged.source().waited();
        let now = [
            bare(&mut networks, plan, &intervals, batch)?,
            run(&mut resident, plan, batch)?,
            run(&mut paged, plan, batch)?,
        ];
        println!(
            "round {round}: bare {:.3} s, all resident {:.3} s, next {:.3} s",
            now[0], now[1], now[2]
        );
        // The first round pays for allocation, and for the first expert.
        if round > 0 {
            seconds.iter_mut().zip(now).for_each(|(all, one)| all.push(one));
            waited += (paged.source().waited() - before).as_secs_f64();
        }
    }
    let [bare, resident, next] = seconds.map(median);
    let share = |of: f64, to: f64| 100.0 * (of / to - 1.0);
    println!(
        "{} steps, batch {batch}, medians of {rounds} rounds, {} threads",
        plan.len(),
        meme_torch::threads()?
    );
    println!("the networks alone {bare:8.3} s");
    println!(
        "all resident       {resident:8.3} s  {:+6.2} % to the networks alone",
        share(resident, bare)
    );
    println!("one and the next   {next:8.3} s  {:+6.2} % to all resident", share(next, resident));
    println!("of it stood still  {:8.3} s a run", waited / rounds as f64);
    Ok(())
}

fn memory<S: ExpertSource>(experts: S, before: u64, plan: &Plan) -> Result<()> {
    let mut ensemble = Ensemble::new(Intervals::uniform(4, 1000)?, experts)?;
    ensemble.followed_by(Some(plan.index(0)));
    for _ in 0..2 {
        run(&mut ensemble, plan, 1)?;
    }
    let peak = meme_torch::peak_memory().unwrap_or(0);
    println!(
        "peak {} MiB, {} MiB above the process without experts",
        peak >> 20,
        (peak - before) >> 20
    );
    Ok(())
}

fn main() -> Result<()> {
    meme_torch::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |name: &str, default: usize| -> Result<usize> {
        let place = arguments.iter().position(|argument| argument == name);
        Ok(match place.and_then(|place| arguments.get(place + 1)) {
            Some(value) => value.parse()?,
            None => default,
        })
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    meme_torch::set_threads(number("--threads", cores)?)?;
    let schedule = Schedule::new(&ScheduleConfig::ldm())?;
    let indices = Grid::Ldm.indices(schedule.steps(), number("--steps", 50)?)?;
    let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon)?;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("residency");
    std::fs::create_dir_all(&folder)?;
    let width = number("--width", 128)?;
    let bf16 = arguments.iter().any(|argument| argument == "--bf16");
    let precision = if bf16 { Precision::Bf16 } else { Precision::F32 };
    let way = arguments.iter().position(|argument| argument == "memory");
    let Some(way) = way.and_then(|place| arguments.get(place + 1)) else {
        let files = Files::make(&folder, width, precision)?;
        return time(&files, &plan, number("--rounds", 3)?, number("--batch", 1)?);
    };
    // The experts' files are written by another process, so that writing them leaves no memory here.
    if !folder.join(format!("{width}-3")).exists() {
        return Err("first run it without `memory`, which writes the experts' files".into());
    }
    let files = Files::make(&folder, width, precision)?;
    let before = meme_torch::resident_memory().unwrap_or(0);
    match way.as_str() {
        "all" => memory(Resident::new(files.all()?), before, &plan),
        "next" => memory(Paged::new(files, Room::Next)?, before, &plan),
        bytes => memory(Paged::new(files, Room::Bytes(bytes.parse()?))?, before, &plan),
    }
}
