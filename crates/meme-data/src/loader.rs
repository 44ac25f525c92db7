//! Arrays in order, read ahead by several threads.

use crate::corrupt::guarded_read;
use crate::order::Place;
use crate::{ArraySource, Error, OnCorrupt, Order, Result, Skipped, flip, is_flipped};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How a [`Loader`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Threads that read ahead; 0 reads in the calling thread.
    pub threads: usize,
    /// Arrays held at once, read but not yet taken or being read: this times the size of an array
    /// bounds the memory (beside what decoding needs). Taken as at least `threads`.
    pub ahead: usize,
    /// The position to start at: images seen before, by all shards together.
    pub start: u64,
    /// The position to stop before; `u64::MAX` never stops.
    pub end: u64,
    /// The seed of the coin that mirrors images left to right; `None` never mirrors.
    pub flip: Option<u64>,
    /// What to do about items that cannot be read.
    pub on_corrupt: OnCorrupt,
}

impl Default for LoaderOptions {
    /// One thread, 64 arrays ahead, from the start without end, never mirrored, refusing.
    fn default() -> Self {
        Self {
            threads: 1,
            ahead: 64,
            start: 0,
            end: u64::MAX,
            flip: None,
            on_corrupt: OnCorrupt::Refuse,
        }
    }
}

/// An array and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Its position in the sequence, its epoch and its index.
    pub place: Place,
    /// Whether it was mirrored.
    pub flipped: bool,
    /// `channels * height * width` values.
    pub values: Vec<f32>,
}

/// Arrays of a source in the order of an [`Order`], read ahead in parallel.
///
/// What comes out is exactly what reading one after the other would give, whatever the number of
/// threads and wherever it starts; errors stand in their place in the sequence. After an error the
/// next call goes on with the next item. Dropping the loader stops and joins its threads.
pub struct Loader {
    task: Arc<Task>,
    positions: Box<dyn Iterator<Item = u64> + Send>,
    /// Steps handed out so far, counted from the start, of this shard alone.
    taken: u64,
    skipped: BTreeMap<usize, String>,
    skipped_in_a_row: usize,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
struct Task {
    source: Arc<dyn ArraySource>,
    order: Order,
    flip: Option<u64>,
    on_corrupt: OnCorrupt,
    ahead: u64,
    state: Mutex<State>,
    /// Something was read.
    read: Condvar,
    /// Something was taken, or all is over.
    room: Condvar,
}

struct State {
    /// Where the readers are in the sequence.
    positions: Box<dyn Iterator<Item = u64> + Send>,
    claimed: u64,
    taken: u64,
    stop: bool,
    ready: BTreeMap<u64, Result<Loaded>>,
}

impl Loader {
    /// Starts reading `source` in `order`.
    ///
    /// # Errors
    /// [`Error::Setting`] when the order was made for another number of items; [`Error::Io`] when
    /// the system refuses a thread.
    pub fn new(source: Arc<dyn ArraySource>, order: Order, options: LoaderOptions) -> Result<Self> {
        if order.len() != source.len() {
            return Err(Error::Setting {
                setting: "order",
                value: format!("of {} items", order.len()),
                requirement: "made for the number of items of the source",
            });
        }
        let positions = || Box::new(order.positions(options.start..options.end));
        let task = Arc::new(Task {
            source,
            order,
            flip: options.flip,
            on_corrupt: options.on_corrupt,
            ahead: options.ahead.max(options.threads).max(1) as u64,
            state: Mutex::new(State {
                positions: positions(),
                claimed: 0,
                taken: 0,
                stop: false,
                ready: BTreeMap::new(),
            }),
            read: Condvar::new(),
            room: Condvar::new(),
        });
        let mut loader = Self {
            task,
            positions: positions(),
            taken: 0,
            skipped: BTreeMap::new(),
            skipped_in_a_row: 0,
            threads: Vec::new(),
        };
        for number in 0..options.threads {
            let task = Arc::clone(&loader.task);
            let thread = std::thread::Builder::new().name(format!("loader {number}"));
            let spawned = thread.spawn(move || task.work());
            // On failure the loader is dropped here, which stops the threads that did start.
            loader.threads.push(spawned.map_err(Error::io("start a thread", "loader"))?);
        }
        Ok(loader)
    }

    /// What was left out so far under [`OnCorrupt::SkipAndReport`], by index; an item that was met
    /// in several epochs is listed once.
    pub fn skipped(&self) -> Vec<Skipped> {
        let entry =
            |(index, reason): (&usize, &String)| Skipped { index: *index, reason: reason.clone() };
        self.skipped.iter().map(entry).collect()
    }

    /// The next `count` arrays, fewer at the end, none after it.
    ///
    /// # Errors
    /// The first error met. What was read before it is lost: start another loader at the position
    /// of the last batch to read it again.
    pub fn batch(&mut self, count: usize) -> Result<Vec<Loaded>> {
        self.by_ref().take(count).collect()
    }

    /// The next position and what was read there, in this thread or by the others; `None` at the
    /// end.
    fn step(&mut self) -> Option<(u64, Result<Loaded>)> {
        let position = self.positions.next()?;
        if self.threads.is_empty() {
            return Some((position, self.task.load(position)));
        }
        let step = self.taken;
        self.taken += 1;
        let mut state = self.task.lock();
        loop {
            if let Some(result) = state.ready.remove(&step) {
                state.taken = step + 1;
                self.task.room.notify_all();
                return Some((position, result));
            }
            state = self.task.read.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Task {
    /// The shared state. A thread that panicked cannot have left it half changed: reading happens
    /// outside the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, position: u64) -> Result<Loaded> {
        let shape = self.source.shape();
        let place = self.order.at(position);
        let mut values = vec![0.0; shape.iter().product()];
        guarded_read(self.source.as_ref(), place.index, &mut values)?;
        let flipped = self.flip.is_some_and(|seed| is_flipped(seed, position));
        if flipped {
            flip(shape, &mut values);
        }
        Ok(Loaded { place, flipped, values })
    }

    /// What a thread does: claim the next step while there is room, read it, put it in its place.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            while !state.stop && state.claimed >= state.taken + self.ahead {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return;
            }
            let Some(position) = state.positions.next() else { return };
            let step = state.claimed;
            state.claimed += 1;
            drop(state);
            let result = self.load(position);
            self.lock().ready.insert(step, result);
            self.read.notify_one();
        }
    }
}

impl Iterator for Loader {
    type Item = Result<Loaded>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (position, result) = self.step()?;
            let error = match (result, self.task.on_corrupt) {
                (Ok(loaded), _) => {
                    self.skipped_in_a_row = 0;
                    return Some(Ok(loaded));
                }
                (Err(error), OnCorrupt::Refuse) => return Some(Err(error)),
                (Err(error), OnCorrupt::SkipAndReport) => error,
            };
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= self.task.order.len() {
                let (count, first) = (self.skipped_in_a_row, error.to_string());
                return Some(Err(Error::AllSkipped { count, first }));
            }
            let index = self.task.order.at(position).index;
            self.skipped.entry(index).or_insert_with(|| error.to_string());
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.task.lock().stop = true;
        self.task.room.notify_all();
        for thread in self.threads.drain(..) {
            // Its panic, if any, was printed by the thread itself.
            let _ = thread.join();
        }
    }
}
