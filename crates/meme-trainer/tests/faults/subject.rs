//! The run that everything happens to: a small convolutional network, twenty updates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use meme_checkpoint::{RealStorage, Storage};
use meme_data::{ArraySource, InMemory};
use meme_random::{Purpose, Stream};
use meme_router::{Assignment, Expert, Intervals};
use meme_schedule::{LossWeight, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Init, Parameters};
use meme_trainer::{
    Diffusion, DiffusionConfig, Error, Observer, Outcome, Stop, TrainConfig, Trainer,
    newest_checkpoint,
};
use serde_json::json;

/// Shape of one array of the data.
pub(crate) const SHAPE: [usize; 3] = [2, 6, 6];
/// Channels inside the network.
const WIDTH: i64 = 4;
/// Seed of everything.
pub(crate) const SEED: u64 = 11;
/// Images of the whole run: ten updates of two micro-batches each.
pub(crate) const IMAGES: u64 = 80;
/// Images of an update.
pub(crate) const BATCH: u64 = 8;

/// Stands around a forward pass.
pub(crate) type Forward<'a> = dyn FnMut(u64, &dyn Fn() -> Tensor) -> Tensor + 'a;

/// What a test may put in the way of a run.
pub(crate) struct Subject<'a> {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) data: Arc<dyn ArraySource>,
    /// Called with the number of the forward pass, from 1, and the pass itself.
    pub(crate) forward: Box<Forward<'a>>,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) config: TrainConfig,
}

/// Saves after every update, closes a window of statistics after every third one.
pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        images: IMAGES,
        batch: BATCH,
        micro_batch: 5,
        learning_rate: 0.02,
        warmup_images: 24,
        clip_norm: 1.0,
        window_images: 24,
        checkpoint_seconds: 0,
        seed: SEED,
        ..TrainConfig::default()
    }
}

/// Nineteen arrays: more than two epochs go by.
pub(crate) fn values() -> Vec<f32> {
    let mut values = vec![0f32; 19 * SHAPE.iter().product::<usize>()];
    Stream::new(3, Purpose::Test, 0, 0).fill_normal(&mut values);
    values
}

/// The data as it should be.
pub(crate) fn data() -> Arc<dyn ArraySource> {
    Arc::new(InMemory::new(SHAPE, values()).unwrap())
}

impl<'a> Subject<'a> {
    /// A run with nothing in its way.
    pub(crate) fn plain(observer: &'a mut dyn Observer) -> Subject<'a> {
        Subject {
            storage: Arc::new(RealStorage),
            data: data(),
            forward: Box::new(|_, pass| pass()),
            observer,
            config: config(),
        }
    }

    /// Opens the run in `folder` and goes on with it to its end.
    pub(crate) fn train(self, folder: &Path, stop: &Stop) -> Result<Outcome, Error> {
        let until = self.config.images;
        self.train_until(folder, until, stop)
    }

    /// As [`Subject::train`], to this many images.
    pub(crate) fn train_until(
        self,
        folder: &Path,
        until: u64,
        stop: &Stop,
    ) -> Result<Outcome, Error> {
        meme_torch::init_thread(1)?;
        let Subject { storage, data, mut forward, observer, config } = self;
        let mut parameters = Parameters::new(Device::Cpu, SEED, 2);
        let network = network(&mut parameters)?;
        let mut passes = 0;
        let objective = Diffusion::new(diffusion(data), move |x: &Tensor, indices: &Tensor| {
            passes += 1;
            Ok(forward(passes, &|| network(x, indices)))
        })?;
        let identity = json!({"network": "two convolutions"});
        let folder = folder.to_path_buf();
        let mut trainer =
            Trainer::open_on(storage, folder, config, identity, parameters, objective, observer)?;
        trainer.train(until, stop, observer)
    }
}

/// Expert 2 of 4 with soft assignment, mirrored images.
pub(crate) fn diffusion(data: Arc<dyn ArraySource>) -> DiffusionConfig {
    DiffusionConfig {
        data,
        schedule: Schedule::new(&ScheduleConfig::ldm()).unwrap(),
        parametrisation: Parametrisation::Velocity,
        weight: LossWeight::Uniform,
        intervals: Intervals::uniform(4, 1000).unwrap(),
        assignment: Assignment::Soft { p: vec![0.8, 0.4, 0.2, 0.1] },
        expert: Expert::new(2).unwrap(),
        seed: SEED,
        flip: true,
        buckets: 10,
        device: Device::Cpu,
    }
}

/// Convolution, a shift by the timestep, SiLU, convolution.
fn network(
    parameters: &mut Parameters,
) -> Result<impl Fn(&Tensor, &Tensor) -> Tensor + use<>, Error> {
    let root = parameters.root();
    let channels = SHAPE[0] as i64;
    let normal = Init::Normal { std: 0.2 };
    let first = root.parameter("first.weight", &[WIDTH, channels, 3, 3], normal)?;
    let bias = root.parameter("first.bias", &[WIDTH], Init::Zeros)?;
    let shift = root.parameter("shift", &[1, WIDTH, 1, 1], normal)?;
    let last = root.parameter("last.weight", &[channels, WIDTH, 3, 3], normal)?;
    Ok(move |x: &Tensor, indices: &Tensor| {
        let time = (indices.to_kind(Kind::Float) / 1000.0).view([-1, 1, 1, 1]);
        let inner = x.conv2d(&first, Some(&bias), [1, 1], [1, 1], [1, 1], 1) + time * &shift;
        inner.silu().conv2d(&last, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1)
    })
}

/// Everything of a run that must not depend on what befell it: weights, moments, moving average,
/// counters, the open window and the lines of statistics, byte for byte.
#[derive(PartialEq)]
pub(crate) struct State(BTreeMap<String, Vec<u8>>);

impl State {
    pub(crate) fn of(folder: &Path) -> State {
        let (checkpoint, _) = newest_checkpoint(folder).unwrap().expect("there is a checkpoint");
        let files = checkpoint.manifest().files.keys();
        let mut state: BTreeMap<String, Vec<u8>> =
            files.map(|name| (name.clone(), checkpoint.read(name).unwrap())).collect();
        let mut extra = checkpoint.extra().clone();
        // How often a run saves is free to change.
        extra["train"]["checkpoint_seconds"].take();
        state.insert("manifest".into(), extra.to_string().into_bytes());
        state.insert("stats".into(), std::fs::read(folder.join("stats.jsonl")).unwrap());
        State(state)
    }

    /// Asserts that a run ended as another did.
    pub(crate) fn assert_is(&self, other: &State, after: &str) {
        let names = |state: &State| state.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{after}");
        for (name, bytes) in &self.0 {
            assert!(other.0[name] == *bytes, "{name} differs after {after}");
        }
    }
}

/// A temporary folder in memory where there is such a disk: thousands of real syncs take minutes.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How the run ends when nothing befalls it.
pub(crate) fn undisturbed() -> State {
    let folder = scratch();
    let outcome = Subject::plain(&mut ()).train(folder.path(), &Stop::new()).unwrap();
    assert_eq!(outcome, Outcome::Reached);
    State::of(folder.path())
}
