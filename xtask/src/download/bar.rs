//! How far a download is: one line that is drawn again on a terminal, a line now and then in a pipe.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(200);
/// Between two lines in a pipe, unless a tenth was done meanwhile.
const QUIET: Duration = Duration::from_secs(30);

/// The progress of one job; any number of threads may add to it.
pub(crate) struct Bar {
    state: Mutex<State>,
    terminal: bool,
    silent: bool,
}

struct State {
    name: String,
    total: Option<u64>,
    done: u64,
    /// What was there when the job began does not count for the rate.
    begun_with: u64,
    begun: Instant,
    shown: Instant,
    shown_at: u64,
    drawn: bool,
}

impl Bar {
    /// A bar on standard error.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, false)
    }

    /// One that shows nothing, for one of many files.
    pub(crate) fn silent() -> Self {
        Self::with("", true)
    }

    fn with(name: &str, silent: bool) -> Self {
        let now = Instant::now();
        let state = State {
            name: name.to_owned(),
            total: None,
            done: 0,
            begun_with: 0,
            begun: now,
            shown: now,
            shown_at: 0,
            drawn: false,
        };
        Bar { state: Mutex::new(state), terminal: std::io::stderr().is_terminal(), silent }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins counting anew: so many bytes are there already, of so many in all where that is known.
    pub(crate) fn begin(&self, done: u64, total: Option<u64>) {
        let mut state = self.state();
        (state.done, state.begun_with, state.shown_at) = (done, done, done);
        (state.total, state.begun) = (total, Instant::now());
    }

    /// So many bytes more.
    pub(crate) fn add(&self, bytes: u64) {
        let mut state = self.state();
        state.done += bytes;
        self.show(&mut state);
    }

    /// Draws, where something else than downloading takes long.
    pub(crate) fn still_at_work(&self) {
        self.show(&mut self.state());
    }

    /// A sentence above the bar.
    pub(crate) fn say(&self, sentence: &str) {
        let mut state = self.state();
        self.erase(&mut state);
        if !self.silent {
            eprintln!("  {sentence}");
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.erase(&mut self.state());
    }

    fn erase(&self, state: &mut State) {
        if state.drawn {
            eprint!("\r\x1b[K");
            let _ = std::io::stderr().flush();
            state.drawn = false;
        }
    }

    fn show(&self, state: &mut State) {
        if self.silent {
            return;
        }
        let tenth = state.total.map_or(u64::MAX, |total| (total / 10).max(1));
        let due = if self.terminal {
            state.shown.elapsed() >= REDRAW
        } else {
            // Small files need no lines.
            let long = state.begun.elapsed() >= Duration::from_secs(2);
            state.shown.elapsed() >= QUIET || (long && state.done - state.shown_at >= tenth)
        };
        if !due {
            return;
        }
        let line = state.line();
        if self.terminal {
            eprint!("\r\x1b[K  {line}");
            let _ = std::io::stderr().flush();
            state.drawn = true;
        } else {
            eprintln!("  {line}");
        }
        (state.shown, state.shown_at) = (Instant::now(), state.done);
    }
}

impl State {
    fn line(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = self.done.saturating_sub(self.begun_with) as f64 / seconds.max(1e-3);
        let mut line = format!("{}: {}", self.name, size(self.done));
        if let Some(total) = self.total {
            let percent = 100.0 * self.done as f64 / total.max(1) as f64;
            line.push_str(&format!(" of {} ({percent:.0} %)", size(total)));
        }
        line.push_str(&format!(", {}/s", size(rate as u64)));
        if let Some(left) = self.total.and_then(|total| total.checked_sub(self.done))
            && rate > 1.0
        {
            line.push_str(&format!(", {} left", time(left as f64 / rate)));
        }
        line
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Bytes as a person reads them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn time(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{size, time};

    #[test]
    fn sizes_and_times_are_readable() {
        assert_eq!(
            [999, 1_500, 2_340_000, 89_100_000_000].map(size),
            ["999 B", "1.5 kB", "2.3 MB", "89.10 GB"]
        );
        assert_eq!([5.0, 61.0, 7260.0].map(time), ["5 s", "2 min", "2 h 01 min"]);
    }
}
