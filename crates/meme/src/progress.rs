//! How long work is shown: bars on a terminal, lines in a pipe, on standard error.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Seconds between two lines of one task in a pipe.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// The progress of a whole job, shared by the tasks that run side by side.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Shared>);

struct Shared {
    bars: Option<MultiProgress>,
    silent: bool,
    started: Instant,
    whole: Mutex<Whole>,
}

/// Work is counted in any unit that is proportional to time.
#[derive(Default)]
struct Whole {
    total: f64,
    done: f64,
    measured: f64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Bars where standard error is a terminal, lines otherwise.
    #[must_use]
    pub(crate) fn detect() -> Self {
        Self::with(std::io::stderr().is_terminal().then(MultiProgress::new), false)
    }

    /// Shows nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self::with(None, true)
    }

    fn with(bars: Option<MultiProgress>, silent: bool) -> Self {
        let (started, whole) = (Instant::now(), Mutex::default());
        Self(Arc::new(Shared { bars, silent, started, whole }))
    }

    fn whole(&self) -> MutexGuard<'_, Whole> {
        self.0.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds work that is still to be done to the whole job.
    pub(crate) fn add_work(&self, work: f64) {
        let mut whole = self.whole();
        whole.total += work;
        if let (Some(bars), None) = (&self.0.bars, &whole.bar) {
            let bar = bars.insert(0, ProgressBar::new(1000));
            bar.set_style(style("{bar:40} {percent:>3} % of the job, {msg}"));
            bar.enable_steady_tick(Duration::from_secs(1));
            whole.bar = Some(bar);
        }
    }

    /// Prints one line.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        let line = format!("[{}] {}", clock(self.0.started.elapsed()), line.as_ref());
        match (&self.0.bars, self.0.silent) {
            (_, true) => {}
            (Some(bars), false) => drop(bars.println(line)),
            (None, false) => to_stderr(&line),
        }
    }

    /// Begins a task of `total` units, which stand for `work` of the whole job.
    #[must_use]
    pub(crate) fn begin(&self, label: impl Into<String>, total: u64, work: f64) -> Task {
        self.begin_at(label, 0, total, work)
    }

    /// Begins the part of a task from unit `from` to unit `total`, which stands for `work` of the
    /// whole job.
    #[must_use]
    pub(crate) fn begin_at(
        &self,
        label: impl Into<String>,
        from: u64,
        total: u64,
        work: f64,
    ) -> Task {
        let label = label.into();
        let bar = self.0.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            bar.set_style(style("{prefix:36} {bar:24} {human_pos}/{human_len} {wide_msg}"));
            bar.set_prefix(label.clone());
            bar
        });
        Task {
            progress: self.clone(),
            label,
            bar,
            total,
            unit: work / total.saturating_sub(from).max(1) as f64,
            position: from,
            shown: Instant::now(),
        }
    }

    /// Share done and time left of the whole job, once something was measured.
    fn advance(&self, work: f64, measured: bool) {
        let mut whole = self.whole();
        whole.done += work;
        if measured {
            whole.measured += work;
        }
        if let Some(bar) = &whole.bar {
            bar.set_position((1000.0 * whole.done / whole.total.max(whole.done)) as u64);
            bar.set_message(whole.left(self.0.started.elapsed()));
        }
    }

    fn whole_line(&self) -> String {
        let whole = self.whole();
        if whole.total <= 0.0 {
            return String::new();
        }
        let percent = 100.0 * whole.done / whole.total.max(whole.done);
        format!("{percent:.0} % of the job, {} | ", whole.left(self.0.started.elapsed()))
    }

    /// Removes the bar of the whole job.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.whole().bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Whole {
    fn left(&self, elapsed: Duration) -> String {
        if self.measured <= 0.0 {
            return "time left unknown".into();
        }
        let left = (self.total - self.done).max(0.0) * elapsed.as_secs_f64() / self.measured;
        format!("{} left", clock(Duration::from_secs_f64(left)))
    }
}

/// A part of the job with a bar or lines of its own.
pub(crate) struct Task {
    progress: Progress,
    label: String,
    bar: Option<ProgressBar>,
    total: u64,
    unit: f64,
    position: u64,
    shown: Instant,
}

impl Task {
    /// Work that was found done: moves the bar without counting towards the rate.
    pub(crate) fn found(&mut self, position: u64) {
        self.advance(position, false);
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.reset_eta();
        }
    }

    /// `position` units are done; `detail` is asked for only when it is shown.
    pub(crate) fn at(&mut self, position: u64, detail: impl FnOnce() -> String) {
        self.advance(position, true);
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(detail());
        } else if !self.progress.0.silent && self.shown.elapsed() >= LINE_EVERY {
            self.shown = Instant::now();
            let whole = self.progress.whole_line();
            let (label, total) = (&self.label, self.total);
            self.progress.say(format!(
                "{whole}{label}: {} of {}, {}",
                thousands(position),
                thousands(total),
                detail()
            ));
        }
    }

    fn advance(&mut self, position: u64, measured: bool) {
        // A run that went on later than this part of it has done all of the part, not more.
        let position = position.min(self.total);
        let steps = position.saturating_sub(self.position);
        self.position = self.position.max(position);
        self.progress.advance(self.unit * steps as f64, measured);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[allow(clippy::print_stderr, reason = "the one place that prints lines of progress")]
fn to_stderr(line: &str) {
    eprintln!("{line}");
}

/// `h:mm:ss`, or `m:ss` below an hour.
#[must_use]
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number with its digits in groups of three.
#[must_use]
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([0, 999, 1000, 82_511_235].map(thousands), ["0", "999", "1,000", "82,511,235"]);
        assert_eq!(clock(Duration::from_secs(59)), "0:59");
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
    }

    #[test]
    fn found_work_moves_the_share_but_not_the_rate() {
        let progress = Progress::silent();
        progress.add_work(100.0);
        let mut task = progress.begin("task", 10, 100.0);
        task.found(5);
        assert_eq!(progress.whole().left(Duration::from_secs(10)), "time left unknown");
        task.at(6, String::new);
        // One tenth of the work took ten seconds, four tenths are left.
        assert_eq!(progress.whole().left(Duration::from_secs(10)), "0:40 left");
    }
}
