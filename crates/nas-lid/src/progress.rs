//! Progress with the time left: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const QUIET: Duration = Duration::from_secs(30);

/// One piece of work of known length.
pub(crate) struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    done: u64,
    total: u64,
    skipped: u64,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    /// Work of `total` steps of which `done` were done before.
    pub(crate) fn new(label: &str, done: u64, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{msg:<28} {bar:30} {pos}/{len}  {elapsed} gone, {eta} left";
            let style = ProgressStyle::with_template(template).expect("a fixed template");
            let bar = ProgressBar::new(total).with_style(style).with_message(label.to_owned());
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            bar,
            done,
            total,
            skipped: done,
            start: now,
            last_line: now,
        }
    }

    /// One step is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        } else if QUIET <= self.last_line.elapsed() {
            self.last_line = Instant::now();
            let share = (self.done - self.skipped) as f64 / (self.total - self.skipped) as f64;
            let left = self.start.elapsed().mul_f64((1.0 - share).max(0.0) / share);
            let (done, total) = (self.done, self.total);
            tracing::info!("{}: {done}/{total}, {} left", self.label, HumanDuration(left));
        }
    }

    /// `done` steps in all are done.
    pub(crate) fn set(&mut self, done: usize) {
        while self.done < done as u64 {
            self.step();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
