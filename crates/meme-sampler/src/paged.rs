//! Experts that come from files when their turn comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use meme_router::{Expert, Index};
use meme_torch::tch::Tensor;

use crate::loader::Worker;
use crate::{Denoiser, Error, ExpertSource, Loaded, Loader, Result};

/// How many experts may be in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The one that works, and one other: the next, on its way or waiting.
    Next,
    /// As many as fit into so many bytes, those on their way included.
    Bytes(u64),
}

/// Experts that a [`Loader`] fetches when they are needed, and, as a run says in advance in what
/// order it needs them, before: while one works, a thread of its own loads the next.
///
/// Who has to make room? The expert that is needed again last, by what was announced (Belady's
/// rule); of those that are not expected again, the one unused for longest. The expert at work never
/// has to, and nothing goes for an expert that is needed later than itself. An expert that
/// failed to load ahead of its turn is an error when its turn comes, not before.
///
/// ```
/// use meme_router::{Expert, Intervals};
/// use meme_sampler::{Denoiser, Ensemble, Loaded, Loader, Paged, Result, Room};
/// use meme_router::Index;
/// use meme_torch::tch::Tensor;
///
/// /// Stands for two files: expert n multiplies by n.
/// struct Files;
/// impl Loader for Files {
///     fn experts(&self) -> usize { 2 }
///     fn bytes(&self, _: Expert) -> Result<u64> { Ok(8) }
///     fn load(&self, expert: Expert) -> Result<Loaded> {
///         let factor = f64::from(expert.number());
///         Ok(Loaded::new(move |x: &Tensor, _: &[Index]| Ok(x * factor)))
///     }
/// }
/// let experts = Paged::new(Files, Room::Next)?;
/// let mut ensemble = Ensemble::new(Intervals::uniform(2, 1000)?, experts)?;
/// let answer = ensemble.denoise(&Tensor::from(3.0).view([1]), &[Index::new(999)])?;
/// assert_eq!(answer, Tensor::from(6.0).view([1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Paged {
    worker: Worker,
    room: Room,
    /// Bytes of each expert, expert 1 first.
    sizes: Vec<u64>,
    held: Vec<Held>,
    on_its_way: Option<Expert>,
    /// The expert that could not be loaded ahead, and why.
    failed: Option<(Expert, Error)>,
    /// The expert at work.
    active: Option<Expert>,
    /// Whose turns come, from the present one on.
    coming: VecDeque<Expert>,
    turns: u64,
    loads: u64,
    waited: Duration,
}

struct Held {
    expert: Expert,
    network: Network,
    /// The turn at which it was last used.
    used: u64,
}

enum Network {
    /// Fetched, and built when its turn comes: until then it takes no more than was read for it.
    Waiting(Loaded),
    Ready(Box<dyn Denoiser + Send>),
}

impl std::fmt::Debug for Paged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paged")
            .field("room", &self.room)
            .field("held", &self.held())
            .field("on_its_way", &self.on_its_way)
            .finish_non_exhaustive()
    }
}

impl Paged {
    /// The experts of `loader` within this room. Nothing is loaded yet.
    ///
    /// # Errors
    /// [`Error::Budget`] where an expert is larger than the room; [`Error::NoThread`]; whatever the
    /// loader meets when asked for sizes.
    pub fn new(loader: impl Loader, room: Room) -> Result<Self> {
        let mut sizes = Vec::with_capacity(loader.experts());
        for number in (1..=u16::MAX).take(loader.experts()) {
            let expert = Expert::new(number)?;
            let bytes = loader.bytes(expert)?;
            match room {
                Room::Bytes(budget) if bytes > budget => {
                    return Err(Error::Budget { expert, bytes, budget });
                }
                _ => sizes.push(bytes),
            }
        }
        let worker = Worker::start(loader)?;
        Ok(Self {
            worker,
            room,
            sizes,
            held: Vec::new(),
            on_its_way: None,
            failed: None,
            active: None,
            coming: VecDeque::new(),
            turns: 0,
            loads: 0,
            waited: Duration::ZERO,
        })
    }

    /// The experts in memory, the one on its way not included.
    #[must_use]
    pub fn held(&self) -> Vec<Expert> {
        self.held.iter().map(|held| held.expert).collect()
    }

    /// Bytes of the experts in memory and on their way, as the loader said.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.held().into_iter().chain(self.on_its_way).map(|expert| self.size(expert)).sum()
    }

    /// Experts loaded so far.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.loads
    }

    /// How long runs have stood still because an expert was not there yet.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    fn size(&self, expert: Expert) -> u64 {
        self.sizes.get(expert.position()).copied().unwrap_or(0)
    }

    fn place(&self, expert: Expert) -> Option<usize> {
        self.held.iter().position(|held| held.expert == expert)
    }

    /// How many turns ahead an expert is needed; 0 for the one at work.
    fn next_use(&self, expert: Expert) -> usize {
        if self.active == Some(expert) {
            return 0;
        }
        let ahead = self.coming.iter().position(|coming| *coming == expert);
        ahead.map_or(usize::MAX, |ahead| ahead + 1)
    }

    fn fits(&self, expert: Expert) -> bool {
        match self.room {
            Room::Next => self.held.len() + usize::from(self.on_its_way.is_some()) < 2,
            Room::Bytes(budget) => self.bytes() + self.size(expert) <= budget,
        }
    }

    /// Lets experts that are needed later than `expert` go until it fits. Whether it fits now.
    fn make_room(&mut self, expert: Expert) -> bool {
        let keep = self.next_use(expert);
        while !self.fits(expert) {
            let useless = (0..self.held.len())
                .map(|place| (self.next_use(self.held[place].expert), place))
                .filter(|(turns, _)| *turns > keep)
                .max_by_key(|(turns, place)| (*turns, u64::MAX - self.held[*place].used));
            match useless {
                Some((_, place)) => drop(self.held.swap_remove(place)),
                None => return false,
            }
        }
        true
    }

    fn hold(&mut self, expert: Expert, loaded: Result<Loaded>) -> Result<()> {
        self.on_its_way = None;
        let network = Network::Waiting(loaded?);
        self.loads += 1;
        self.held.push(Held { expert, network, used: self.turns });
        Ok(())
    }

    /// Takes in what has arrived, and sends for the next expert that is missing: at once where there
    /// is room; where another one must go for it, only when its turn comes next. By then fewer are
    /// needed sooner, so that the right one goes.
    fn look_ahead(&mut self) -> Result<()> {
        if let Some(expert) = self.on_its_way {
            let Some(loaded) = self.worker.poll(expert) else { return Ok(()) };
            self.failed = self.hold(expert, loaded).err().map(|error| (expert, error));
        }
        let next = self.coming.iter().copied().find(|next| self.place(*next).is_none());
        let Some(expert) = next.filter(|_| self.failed.is_none()) else { return Ok(()) };
        let turn = self.coming.iter().copied().find(|turn| Some(*turn) != self.active);
        if self.fits(expert) || turn == Some(expert) && self.make_room(expert) {
            self.worker.request(expert)?;
            self.on_its_way = Some(expert);
        }
        Ok(())
    }

    /// Has the expert in memory.
    fn bring(&mut self, expert: Expert) -> Result<()> {
        match self.failed.take() {
            Some((failed, error)) if failed == expert => return Err(error),
            _ => {}
        }
        if self.place(expert).is_some() {
            return Ok(());
        }
        let clock = Instant::now();
        while let Some(coming) = self.on_its_way {
            let loaded = self.worker.wait(coming);
            let held = self.hold(coming, loaded);
            // Another one than is needed now may fail without harm.
            if coming == expert {
                self.waited += clock.elapsed();
                return held;
            }
        }
        self.make_room(expert);
        self.worker.request(expert)?;
        self.on_its_way = Some(expert);
        let loaded = self.worker.wait(expert);
        self.waited += clock.elapsed();
        self.hold(expert, loaded)
    }
}

impl ExpertSource for Paged {
    fn announce(&mut self, experts: &[Expert]) -> Result<()> {
        let known = self.sizes.len();
        if let Some(&expert) = experts.iter().find(|expert| expert.position() >= known) {
            return Err(Error::NoExpert { expert, experts: known });
        }
        self.active = None;
        self.coming = experts.iter().copied().collect();
        self.failed = None;
        self.look_ahead()
    }

    fn denoise(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        if expert.position() >= self.sizes.len() {
            return Err(Error::NoExpert { expert, experts: self.sizes.len() });
        }
        self.turns += 1;
        self.active = Some(expert);
        if let Some(past) = self.coming.iter().position(|coming| *coming == expert) {
            self.coming.drain(..past);
        }
        self.bring(expert)?;
        self.look_ahead()?;
        let experts = self.sizes.len();
        let place = self.place(expert).ok_or(Error::NoExpert { expert, experts })?;
        // Taken out while it works: one that cannot be built is not held.
        let held = self.held.swap_remove(place);
        let mut network = match held.network {
            Network::Waiting(loaded) => loaded.into_network()?,
            Network::Ready(network) => network,
        };
        let answer = network.denoise(x, indices);
        let network = Network::Ready(network);
        self.held.push(Held { expert, network, used: self.turns });
        answer
    }

    fn experts(&self) -> Option<usize> {
        Some(self.sizes.len())
    }
}
