//! Tasks side by side, each after the one it builds on.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use meme_trainer::Stop;

use crate::{Error, Result};

/// Something to do once all of `after` are done.
pub(crate) struct Job<'a> {
    /// Its name in error messages.
    pub(crate) name: String,
    /// Positions in the list of jobs that must be done first; each lies before this one.
    pub(crate) after: Vec<usize>,
    /// The work itself.
    pub(crate) work: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

#[derive(Default)]
struct State {
    begun: BTreeSet<usize>,
    done: BTreeSet<usize>,
    failed: BTreeSet<usize>,
    failures: Vec<Error>,
}

/// Runs `jobs` on `lanes` threads, in list order as far as their dependencies allow.
///
/// A failure leaves out what builds on it and nothing else: one expert's failure never touches
/// another. Each thread runs `enter` with its lane's number first.
///
/// # Errors
/// The first failure, after everything that could be done was done; [`Error::Stopped`] where
/// `stop` was raised.
pub(crate) fn run(
    jobs: Vec<Job<'_>>,
    lanes: usize,
    stop: &Stop,
    enter: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    let names: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
    let after: Vec<Vec<usize>> = jobs.iter().map(|job| job.after.clone()).collect();
    let work: Vec<_> = jobs.into_iter().map(|job| Mutex::new(Some(job.work))).collect();
    let state = Mutex::new(State::default());
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for lane in 0..lanes.max(1) {
            let (after, names, work) = (&after, &names, &work);
            let (state, changed) = (&state, &changed);
            scope.spawn(move || {
                enter(lane);
                while let Some(job) = next(after, state, changed, stop) {
                    let task = work[job].lock().unwrap_or_else(PoisonError::into_inner).take();
                    let outcome = task.map_or(Ok(()), |task| task());
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(()) => drop(state.done.insert(job)),
                        Err(source) => {
                            state.failed.insert(job);
                            let (task, source) = (names[job].clone(), Box::new(source));
                            state.failures.push(Error::Task { task, source });
                        }
                    }
                    changed.notify_all();
                }
                changed.notify_all();
            });
        }
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if stop.raised() {
        return Err(Error::Stopped);
    }
    state.failures.into_iter().next().map_or(Ok(()), Err)
}

/// Waits for a job that can begin; `None` when there will be none.
fn next(
    after: &[Vec<usize>],
    state: &Mutex<State>,
    changed: &Condvar,
    stop: &Stop,
) -> Option<usize> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if stop.raised() {
            return None;
        }
        let mut waiting = false;
        for (job, before) in after.iter().enumerate() {
            if state.begun.contains(&job) {
                continue;
            }
            if before.iter().any(|job| state.failed.contains(job)) {
                state.begun.insert(job);
                state.failed.insert(job);
            } else if before.iter().all(|job| state.done.contains(job)) {
                state.begun.insert(job);
                return Some(job);
            } else {
                waiting = true;
            }
        }
        if !waiting {
            return None;
        }
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job<'a>(
        name: &str,
        after: &[usize],
        work: impl FnOnce() -> Result<()> + Send + 'a,
    ) -> Job<'a> {
        Job { name: name.into(), after: after.to_vec(), work: Box::new(work) }
    }

    #[test]
    fn a_failure_leaves_out_only_what_builds_on_it() {
        let ran = Mutex::new(Vec::new());
        let note = |name: &'static str| {
            ran.lock().unwrap().push(name);
            Ok(())
        };
        let jobs = vec![
            job("a1", &[], || Err(Error::Usage("broken".into()))),
            job("b1", &[], || note("b1")),
            job("a2", &[0], || note("a2")),
            job("b2", &[1], || note("b2")),
        ];
        let failure = run(jobs, 2, &Stop::new(), &|_| ()).unwrap_err();
        assert_eq!(failure.to_string(), "a1: broken");
        assert_eq!(*ran.lock().unwrap(), ["b1", "b2"]);
    }

    #[test]
    fn a_raised_stop_begins_nothing() {
        let stop = Stop::new();
        stop.raise();
        let jobs = vec![job("a", &[], || unreachable!())];
        assert!(matches!(run(jobs, 2, &stop, &|_| ()), Err(Error::Stopped)));
    }
}
