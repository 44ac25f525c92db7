//! Stopping at any moment without losing anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Error;

/// Exit code of a program that a signal stopped with everything saved (BSD's `EX_TEMPFAIL`).
pub const STOPPED_EXIT_CODE: i32 = 75;

/// A flag that asks long work to save and come back.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that nobody has raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag at the first SIGINT or SIGTERM; a second one ends the process at once with
    /// [`STOPPED_EXIT_CODE`] (files are only ever renamed into place whole, so nothing breaks).
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses a handler.
    pub fn on_signals() -> Result<Self, Error> {
        let stop = Self::new();
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the second signal must find the flag that the first one raised.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                STOPPED_EXIT_CODE,
                Arc::clone(&stop.0),
            )
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop.0)))
            .map_err(|source| Error::Io { path: PathBuf::from("signal handler"), source })?;
        }
        Ok(stop)
    }

    /// Raises the flag.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
