//! How many threads one operation uses.
//!
//! libtorch's parallel loops are OpenMP's, and OpenMP keeps its number of threads for each thread
//! that starts a loop. A number set on the main thread does not reach a loop that another thread
//! starts later, except that libtorch copies the number set last, by whoever, into a thread at its
//! first loop. So every thread that computes says its own number first, by [`init_thread`].

use crate::error::Error;
use crate::ffi;

/// Sets how many threads the operations called **by this thread** may use.
///
/// Call it first in every thread that computes. Another number of threads may give other bits,
/// because sums are split differently.
///
/// # Errors
/// [`Error::Invalid`] for 0.
pub fn init_thread(threads: usize) -> Result<(), Error> {
    let number = i32::try_from(threads).ok().filter(|&number| number > 0);
    let Some(number) = number else {
        return Err(Error::Invalid {
            what: "number of threads".to_owned(),
            rule: format!("must be from 1 to {}, it is {threads}", i32::MAX),
        });
    };
    // SAFETY: a plain number.
    ffi::check("set the number of threads", unsafe { ffi::meme_init_thread(number) })
}

/// Sets how many threads the operations called by this thread may use; threads that start to
/// compute later begin with the same number unless they call [`init_thread`].
///
/// # Errors
/// As [`init_thread`].
pub fn set_threads(threads: usize) -> Result<(), Error> {
    init_thread(threads)
}

/// How many threads the operations called by this thread may use.
///
/// # Errors
/// [`Error::Torch`], which libtorch has no reason for today.
pub fn threads() -> Result<usize, Error> {
    let mut threads = 0;
    // SAFETY: the shim writes one number.
    ffi::check("read the number of threads", unsafe { ffi::meme_threads(&raw mut threads) })?;
    Ok(usize::try_from(threads).unwrap_or(1))
}

/// Runs `work` with this number of threads on the calling thread and restores its number after.
///
/// # Errors
/// As [`init_thread`]; what `work` returns is inside.
pub fn with_threads<T>(count: usize, work: impl FnOnce() -> T) -> Result<T, Error> {
    let before = threads()?;
    init_thread(count)?;
    let restore = Restore(before);
    let result = work();
    drop(restore);
    Ok(result)
}

/// Restores the number of threads, also when `work` panics.
struct Restore(usize);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Err(error) = init_thread(self.0) {
            tracing::error!(%error, "the number of threads could not be restored");
        }
    }
}
