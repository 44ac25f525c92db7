//! Experts that are loaded when their turn comes: how many are alive, in what order they come, and
//! what happens when one cannot be loaded.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::DOUBLE;
use meme_router::{Expert, Index, Intervals};
use meme_sampler::{
    Denoiser, Ensemble, Error, ExpertSource, Loaded, Loader, Paged, Plan, Resident, Result, Room,
    SampleNoise, Sampler, unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};

/// What happened, in order, and how many experts were alive.
#[derive(Default)]
struct Log {
    loaded: Mutex<Vec<u16>>,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    most_bytes: AtomicUsize,
    bytes_alive: AtomicUsize,
}

/// Expert n answers tanh(n x / 4); it counts itself as alive from the moment its loading begins.
struct Network {
    expert: Expert,
    bytes: usize,
    log: Arc<Log>,
}

impl Network {
    fn new(expert: Expert, bytes: usize, log: &Arc<Log>) -> Self {
        let alive = log.alive.fetch_add(1, Ordering::SeqCst) + 1;
        log.most_alive.fetch_max(alive, Ordering::SeqCst);
        let in_use = log.bytes_alive.fetch_add(bytes, Ordering::SeqCst) + bytes;
        log.most_bytes.fetch_max(in_use, Ordering::SeqCst);
        Self { expert, bytes, log: Arc::clone(log) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.log.alive.fetch_sub(1, Ordering::SeqCst);
        self.log.bytes_alive.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

fn answer(expert: Expert, x: &Tensor) -> Tensor {
    (x * (f64::from(expert.number()) / 4.0)).tanh()
}

impl Denoiser for Network {
    fn denoise(&mut self, x: &Tensor, _: &[Index]) -> Result<Tensor> {
        Ok(answer(self.expert, x))
    }
}

struct Files {
    log: Arc<Log>,
    sizes: Vec<usize>,
    /// The expert whose file is damaged.
    damaged: Option<u16>,
    /// The expert at which the loader has a bug.
    panics: Option<u16>,
}

impl Loader for Files {
    fn experts(&self) -> usize {
        self.sizes.len()
    }

    fn bytes(&self, expert: Expert) -> Result<u64> {
        Ok(self.sizes[expert.position()] as u64)
    }

    fn load(&self, expert: Expert) -> Result<Loaded> {
        self.log.loaded.lock().unwrap().push(expert.number());
        assert!(self.panics != Some(expert.number()), "a bug in the loader, on purpose");
        if self.damaged == Some(expert.number()) {
            return Err(Error::denoiser(format!("the file of {expert} is damaged")));
        }
        Ok(Loaded::new(Network::new(expert, self.sizes[expert.position()], &self.log)))
    }
}

fn files(sizes: &[usize]) -> (Files, Arc<Log>) {
    let log = Arc::new(Log::default());
    (Files { log: Arc::clone(&log), sizes: sizes.to_vec(), damaged: None, panics: None }, log)
}

fn expert(number: u16) -> Expert {
    Expert::new(number).unwrap()
}

fn plan(steps: usize) -> Plan {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let indices = Grid::Trailing.indices(1000, steps).unwrap();
    Plan::new(&schedule, &indices, Parametrisation::Velocity).unwrap()
}

fn run<S: ExpertSource>(ensemble: &mut Ensemble<S>, sampler: Sampler, plan: &Plan) -> Tensor {
    let mut noise = SampleNoise::new(vec![(3, 0), (3, 1)]);
    let start = noise.start(&[3, 4], Kind::Float, Device::Cpu).unwrap();
    sampler.run(ensemble, start, plan, &mut noise, &mut unwatched).unwrap().finished().unwrap()
}

fn four() -> Intervals {
    Intervals::uniform(4, 1000).unwrap()
}

fn resident() -> Resident<'static> {
    let network = |n| move |x: &Tensor, _: &[Index]| -> Result<Tensor> { Ok(answer(expert(n), x)) };
    Resident::new((1..=4).map(|n| Box::new(network(n)) as Box<dyn Denoiser>).collect())
}

#[test]
fn samples_are_the_same_bits_wherever_the_experts_are() {
    let plan = plan(12);
    for sampler in Sampler::ALL {
        let expected = run(&mut Ensemble::new(four(), resident()).unwrap(), sampler, &plan);
        for room in [Room::Next, Room::Bytes(4), Room::Bytes(9), Room::Bytes(16)] {
            let (files, log) = files(&[4, 4, 4, 4]);
            let experts = Paged::new(files, room).unwrap();
            let mut ensemble = Ensemble::new(four(), experts).unwrap();
            assert_eq!(run(&mut ensemble, sampler, &plan), expected, "{room:?}");
            // Each was loaded once, most noise first, although Heun asks two of them in one step.
            assert_eq!(*log.loaded.lock().unwrap(), [4, 3, 2, 1], "{room:?}");
        }
    }
}

#[test]
fn with_one_resident_no_more_than_that_one_and_the_next_are_alive() {
    let (files, log) = files(&[4, 4, 4, 4]);
    let mut ensemble = Ensemble::new(four(), Paged::new(files, Room::Next).unwrap()).unwrap();
    let plan = plan(8);
    for _ in 0..3 {
        let _ = run(&mut ensemble, Sampler::default(), &plan);
    }
    assert_eq!(log.most_alive.load(Ordering::SeqCst), 2);
    assert!(ensemble.source().bytes() <= 8);
    drop(ensemble);
    assert_eq!(log.alive.load(Ordering::SeqCst), 0, "the thread holds none back");
}

#[test]
fn the_next_expert_is_sent_for_before_its_turn() {
    let (files, log) = files(&[4, 4]);
    let mut experts = Paged::new(files, Room::Next).unwrap();
    experts.announce(&[expert(2), expert(1)]).unwrap();
    let x = Tensor::ones([1, 2], DOUBLE);
    let _ = experts.denoise(expert(2), &x, &[Index::new(999)]).unwrap();
    assert_eq!(experts.bytes(), 8, "expert 1 is on its way, or there");
    // It arrives without being asked for.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while log.alive.load(Ordering::SeqCst) < 2 {
        assert!(std::time::Instant::now() < deadline, "expert 1 never comes");
        std::thread::yield_now();
    }
    let before = experts.waited();
    let _ = experts.denoise(expert(2), &x, &[Index::new(998)]).unwrap();
    let _ = experts.denoise(expert(1), &x, &[Index::new(1)]).unwrap();
    assert_eq!(experts.loads(), 2);
    assert!(before > std::time::Duration::ZERO, "nobody else had sent for expert 2");
}

#[test]
fn what_fits_into_the_budget_stays_and_what_is_needed_last_goes() {
    // Of four experts of 4 bytes each, 12 bytes hold three.
    let (files, log) = files(&[4, 4, 4, 4]);
    let mut ensemble = Ensemble::new(four(), Paged::new(files, Room::Bytes(12)).unwrap()).unwrap();
    let plan = plan(40);
    ensemble.followed_by(Some(plan.index(0)));
    for _ in 0..3 {
        let _ = run(&mut ensemble, Sampler::default(), &plan);
    }
    assert!(log.most_bytes.load(Ordering::SeqCst) <= 12);
    // Keeping those used last would load all four in every run, 12 times. Four turns of three slots
    // with foresight: all four once, then two a run.
    assert_eq!(log.loaded.lock().unwrap().len(), 8);

    // Experts of different sizes, of which only the small ones fit together.
    let (files, log) = self::files(&[2, 3, 8, 10]);
    let mut ensemble = Ensemble::new(four(), Paged::new(files, Room::Bytes(10)).unwrap()).unwrap();
    let _ = run(&mut ensemble, Sampler::default(), &plan);
    assert!(log.most_bytes.load(Ordering::SeqCst) <= 10);
    let mut held = ensemble.source().held();
    held.sort_unstable();
    assert_eq!(held, [expert(1), expert(2)]);
}

#[test]
fn a_run_that_is_followed_by_another_has_the_first_expert_ready_for_it() {
    let (files, log) = files(&[4, 4, 4, 4]);
    let mut ensemble = Ensemble::new(four(), Paged::new(files, Room::Next).unwrap()).unwrap();
    let plan = plan(8);
    ensemble.followed_by(Some(plan.index(0)));
    let _ = run(&mut ensemble, Sampler::default(), &plan);
    assert_eq!(ensemble.source().bytes(), 8, "expert 4 is on its way again, or there");
    ensemble.followed_by(None);
    let _ = run(&mut ensemble, Sampler::default(), &plan);
    assert_eq!(*log.loaded.lock().unwrap(), [4, 3, 2, 1, 4, 3, 2, 1]);
}

#[test]
fn mixed_batches_and_unannounced_questions_are_answered_too() {
    let (files, log) = files(&[4, 4, 4, 4]);
    let mut paged = Ensemble::new(four(), Paged::new(files, Room::Next).unwrap()).unwrap();
    let mut resident = Ensemble::new(four(), resident()).unwrap();
    let x = Tensor::linspace(-1.0, 1.0, 10, DOUBLE).view([5, 2]);
    let indices = [999, 0, 250, 600, 1].map(Index::new);
    for _ in 0..2 {
        let found = paged.denoise(&x, &indices).unwrap();
        assert_eq!(found, resident.denoise(&x, &indices).unwrap());
    }
    assert!(log.most_alive.load(Ordering::SeqCst) <= 2);
}

#[test]
fn a_damaged_expert_is_an_error_at_its_turn_and_no_sooner() {
    let (mut files, log) = files(&[4, 4]);
    files.damaged = Some(1);
    let mut experts = Paged::new(files, Room::Next).unwrap();
    let x = Tensor::ones([1, 2], DOUBLE);
    experts.announce(&[expert(2), expert(1)]).unwrap();
    for index in [999, 800, 600] {
        let _ = experts.denoise(expert(2), &x, &[Index::new(index)]).unwrap();
    }
    let error = experts.denoise(expert(1), &x, &[Index::new(0)]).unwrap_err().to_string();
    assert_eq!(error, "the denoiser failed: the file of expert 1 is damaged");
    // Expert 2 still works, and expert 1 is tried again when it is asked for again.
    let _ = experts.denoise(expert(2), &x, &[Index::new(999)]).unwrap();
    assert!(experts.denoise(expert(1), &x, &[Index::new(0)]).is_err());
    assert_eq!(log.alive.load(Ordering::SeqCst), 1);
}

#[test]
fn a_loader_that_panics_is_an_error_and_not_a_hanging_run() {
    let (mut files, _) = files(&[4, 4]);
    files.panics = Some(2);
    let mut experts = Paged::new(files, Room::Next).unwrap();
    let x = Tensor::ones([1, 2], DOUBLE);
    for _ in 0..2 {
        let answer = experts.denoise(expert(2), &x, &[Index::new(999)]);
        assert!(matches!(answer, Err(Error::LoaderGone { .. })), "{answer:?}");
    }
}

#[test]
fn impossible_rooms_and_unknown_experts_are_refused() {
    let error = Paged::new(files(&[4, 9, 4]).0, Room::Bytes(8)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expert 2 takes 9 bytes, the experts may take 8 in all; allow at least as much as the \
         largest of them"
    );
    let mut experts = Paged::new(files(&[4, 4]).0, Room::Next).unwrap();
    let answer = experts.announce(&[expert(2), expert(3)]);
    assert!(matches!(answer, Err(Error::NoExpert { experts: 2, .. })));
    let answer = experts.denoise(expert(3), &Tensor::ones([1], DOUBLE), &[Index::new(0)]);
    assert!(matches!(answer, Err(Error::NoExpert { experts: 2, .. })));
    let error = Ensemble::new(four(), experts).unwrap_err();
    assert!(matches!(error, Error::Experts { expected: 4, found: 2 }));
}

#[test]
fn an_index_that_nobody_owns_is_refused_before_the_first_step() {
    let (files, log) = files(&[4, 4]);
    let intervals = Intervals::explicit(&[100, 200]).unwrap();
    let mut ensemble = Ensemble::new(intervals, Paged::new(files, Room::Next).unwrap()).unwrap();
    let x = Tensor::ones([1, 2], DOUBLE);
    let answer =
        Sampler::Euler {}.run(&mut ensemble, x, &plan(4), &mut common::no_noise, &mut unwatched);
    assert!(matches!(answer, Err(Error::Router(_))));
    assert!(log.loaded.lock().unwrap().is_empty());
}

#[test]
fn what_is_left_to_build_is_built_once_and_in_the_sampling_thread() {
    struct Copies(Arc<Mutex<Vec<std::thread::ThreadId>>>);
    impl Loader for Copies {
        fn experts(&self) -> usize {
            1
        }
        fn bytes(&self, _: Expert) -> Result<u64> {
            Ok(1)
        }
        fn load(&self, _: Expert) -> Result<Loaded> {
            let seen = Arc::clone(&self.0);
            Ok(Loaded::to_build(move || {
                seen.lock().unwrap().push(std::thread::current().id());
                Ok(|x: &Tensor, _: &[Index]| -> Result<Tensor> { Ok(x.shallow_clone()) })
            }))
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut experts = Paged::new(Copies(Arc::clone(&seen)), Room::Next).unwrap();
    let x = Tensor::ones([1], DOUBLE);
    for _ in 0..3 {
        let _ = experts.denoise(expert(1), &x, &[Index::new(0)]).unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [std::thread::current().id()]);
}

#[test]
fn the_loading_thread_leaves_the_number_of_threads_alone() {
    meme_torch::set_threads(2).unwrap();
    let _experts = Paged::new(files(&[4, 4]).0, Room::Next).unwrap();
    assert_eq!(meme_torch::threads().unwrap(), 2);
    // A thread that has not computed yet begins with the number set last.
    let fresh = std::thread::spawn(|| {
        let _ = Tensor::ones([100_000], DOUBLE) + 1.0;
        meme_torch::threads().unwrap()
    });
    assert_eq!(fresh.join().unwrap(), 2);
}
