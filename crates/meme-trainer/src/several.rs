//! Several networks from one call: in turn on one device, side by side on several.

use std::collections::BTreeMap;

use meme_torch::tch::Device;

use crate::{Error, Outcome, Stop};

/// Opens a trainer and trains.
type Train<'a> = dyn FnOnce(&Stop) -> Result<Outcome, Error> + Send + 'a;

/// A network to be trained, or a part of its training.
pub struct Task<'a> {
    /// Its name in errors: `expert 2`.
    pub name: String,
    /// Where it trains.
    pub device: Device,
    /// Opens a trainer there and trains. It is called on the device's thread, so that only networks
    /// whose turn it is are in memory.
    pub train: Box<Train<'a>>,
}

/// Trains every network: those of one device one after the other in the order given, those of
/// different devices at the same time, each device on a thread whose operations may use `threads`
/// threads.
///
/// A failure of one network, a panic even, is that network's alone: the others go on. Where `stop`
/// is raised the networks at work save and come back, and those that have not begun answer
/// [`Outcome::Stopped`]. The answers come in the order of the tasks. To train in rounds, name a
/// network once for each round, with a later end each time.
///
/// ```
/// use meme_torch::tch::Device;
/// use meme_trainer::{Outcome, Stop, Task, train_several};
///
/// let task = |expert: u16| Task {
///     name: format!("expert {expert}"),
///     device: Device::Cpu,
///     // Here a `Trainer` is opened, and its `train` called.
///     train: Box::new(|_stop: &Stop| Ok(Outcome::Reached)),
/// };
/// let outcomes = train_several((1..=4).map(task).collect(), 1, &Stop::new());
/// assert!(outcomes.into_iter().all(|outcome| outcome.is_ok_and(|it| it == Outcome::Reached)));
/// ```
pub fn train_several(
    tasks: Vec<Task<'_>>,
    threads: usize,
    stop: &Stop,
) -> Vec<Result<Outcome, Error>> {
    let mut lanes: BTreeMap<String, Vec<(usize, Task<'_>)>> = BTreeMap::new();
    for (position, task) in tasks.into_iter().enumerate() {
        let lane = lanes.entry(meme_torch::device::device_name(task.device)).or_default();
        lane.push((position, task));
    }
    let mut outcomes: Vec<(usize, Result<Outcome, Error>)> = std::thread::scope(|scope| {
        let lane = |tasks: Vec<(usize, Task<'_>)>| -> Vec<_> {
            tasks.into_iter().map(|(position, task)| (position, run(task, threads, stop))).collect()
        };
        let lanes: Vec<_> =
            lanes.into_values().map(|tasks| scope.spawn(move || lane(tasks))).collect();
        // A lane catches the panics of its tasks, so it has an answer for each of them.
        lanes.into_iter().filter_map(|lane| lane.join().ok()).flatten().collect()
    });
    outcomes.sort_by_key(|(position, _)| *position);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn run(task: Task<'_>, threads: usize, stop: &Stop) -> Result<Outcome, Error> {
    let Task { name, train, .. } = task;
    if stop.raised() {
        return Ok(Outcome::Stopped);
    }
    meme_torch::init_thread(threads)?;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| train(stop)));
    caught.unwrap_or(Err(Error::TrainingGone { name }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn one_that_fails_or_panics_touches_no_other_and_turns_keep_their_order() {
        let order = Mutex::new(Vec::new());
        let order = &order;
        let task = |number: usize| Task {
            name: format!("expert {number}"),
            device: Device::Cpu,
            train: Box::new(move |_| {
                order.lock().unwrap().push(number);
                match number {
                    1 => Err(Error::WriterGone),
                    2 => panic!("on purpose"),
                    _ => Ok(Outcome::Reached),
                }
            }),
        };
        let outcomes = train_several((0..4).map(task).collect(), 1, &Stop::new());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
        assert!(matches!(outcomes[0], Ok(Outcome::Reached)));
        assert!(matches!(outcomes[1], Err(Error::WriterGone)));
        let Err(Error::TrainingGone { name }) = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
        assert_eq!(name, "expert 2");
        assert!(matches!(outcomes[3], Ok(Outcome::Reached)));
    }

    #[test]
    fn a_raised_flag_begins_nothing() {
        let stop = Stop::new();
        stop.raise();
        let train = Box::new(|_: &Stop| unreachable!());
        let task = Task { name: "a".into(), device: Device::Cpu, train };
        let outcomes = train_several(vec![task], 1, &stop);
        assert!(matches!(outcomes[..], [Ok(Outcome::Stopped)]));
    }
}
