//! The real training loop, stopped between two steps until the next command comes.

use std::error::Error;
use std::io;
use std::sync::Arc;

use benches::{Form, Mode};
use meme_blocks::{Options, UNet};
use meme_data::InMemory;
use meme_router::{Assignment, Expert, Intervals};
use meme_schedule::{LossWeight, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Tensor};
use meme_trainer::{Diffusion, DiffusionConfig, Observer, StepReport, Stop, TrainConfig, Trainer};

use crate::protocol::{Command, Description, Line};

/// More steps than anybody waits for.
const STEPS: u64 = 100_000;
/// Pictures to train on, of noise: their content does not change the work.
const PICTURES: usize = 64;
/// Timesteps.
const TIMESTEPS: usize = 1000;
const BUCKETS: usize = 20;

pub(crate) fn serve(
    mut line: Line,
    description: &Description,
    mode: Mode,
) -> Result<(), Box<dyn Error>> {
    if mode.form != Form::Training {
        line.say(format_args!("unavailable this form is not trained; {mode}-training is"))?;
        return Ok(());
    }
    let mut parameters = Parameters::new(Device::Cpu, 0, 1);
    let unet = UNet::new(&parameters.root(), &description.architecture)?;
    let count = parameters.count();
    let shape = description.shape();
    let values = (0..PICTURES * shape.iter().product::<usize>()).map(|at| (at as f32).sin());
    let objective = Diffusion::new(
        DiffusionConfig {
            data: Arc::new(InMemory::new(shape, values.collect())?),
            schedule: Schedule::new(&ScheduleConfig::ldm())?,
            parametrisation: Parametrisation::Epsilon,
            weight: LossWeight::Uniform,
            intervals: Intervals::uniform(1, TIMESTEPS)?,
            assignment: Assignment::Hard,
            expert: Expert::new(1)?,
            seed: 0,
            flip: false,
            buckets: BUCKETS,
            device: Device::Cpu,
        },
        move |noisy: &Tensor, indices: &Tensor| {
            unet.forward(noisy, indices, &mut Options::default())
                .map_err(meme_trainer::Error::objective)
        },
    )?;
    let batch = description.batch as u64;
    let images = STEPS * batch;
    let config = TrainConfig {
        images,
        batch,
        precision: mode.precision,
        window_images: images,
        checkpoint_seconds: u64::MAX,
        ..TrainConfig::default()
    };
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let mut conductor = Conductor {
        line,
        count,
        folder: Some(folder),
        awaited: 1,
        seconds: Vec::new(),
        warm: false,
    };
    let identity = serde_json::Value::Null;
    let mut trainer = Trainer::open(run, config, identity, parameters, objective, &mut conductor)?;
    trainer.train(images, &Stop::new(), &mut conductor)?;
    Err("the loop came to its end".into())
}

/// Holds the loop after every step until it is asked for more.
struct Conductor {
    line: Line,
    count: u64,
    folder: Option<tempfile::TempDir>,
    /// Steps until the next answer.
    awaited: usize,
    seconds: Vec<f64>,
    /// The first step pays for allocation and for choosing kernels.
    warm: bool,
}

impl Observer for Conductor {
    fn step(&mut self, report: &StepReport) {
        self.seconds.push(report.seconds);
        self.awaited -= 1;
        if self.awaited == 0 {
            match self.answer() {
                Ok(true) => {}
                // Ending the loop properly would save hundreds of megabytes that nobody wants.
                Ok(false) => self.leave(0),
                Err(_) => self.leave(1),
            }
        }
    }
}

impl Conductor {
    /// Says what was asked for and waits for the next `run`; false where there will be none.
    fn answer(&mut self) -> io::Result<bool> {
        if self.warm {
            self.line.say_seconds(&self.seconds)?;
        } else {
            self.warm = true;
            self.line.say(format_args!("ready {}", self.count))?;
        }
        self.seconds.clear();
        while let Some(command) = self.line.command()? {
            match command {
                Command::Memory => self.line.say_memory()?,
                Command::Run(0) => self.line.say_seconds(&[])?,
                Command::Run(steps) => {
                    self.awaited = steps;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn leave(&mut self, code: i32) {
        drop(self.folder.take());
        std::process::exit(code);
    }
}
