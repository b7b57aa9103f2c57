//! Log lines: to the terminal, and once a run directory is known, to its `log` as well.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Where the details go.
static DETAILS: Mutex<Details> = Mutex::new(Details::Early(Vec::new()));

enum Details {
    /// There is no run directory yet; what images say when they are opened must not be lost.
    Early(Vec<u8>),
    Logged(File),
}

/// Writes to the log file, or keeps what is written until there is one.
struct LogFile;

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *details() {
            Details::Early(lines) => lines.write(line),
            Details::Logged(file) => file.write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogFile {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

fn details() -> MutexGuard<'static, Details> {
    DETAILS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins logging: information to standard error, details to the file.
pub(crate) fn start() {
    let ours = |level| Targets::new().with_default(LevelFilter::WARN).with_target("nas_lid", level);
    let terminal = fmt::layer().with_writer(std::io::stderr).with_target(false).without_time();
    let terminal = terminal.with_ansi(std::io::stderr().is_terminal());
    let file = fmt::layer().with_writer(LogFile).with_ansi(false);
    tracing_subscriber::registry()
        .with(terminal.with_filter(ours(LevelFilter::INFO)))
        .with(file.with_filter(ours(LevelFilter::DEBUG)))
        .init();
}

/// Continues the log in a file, after what stands there; what was logged before this is the first to go
/// there.
pub(crate) fn also_to(path: &Path) -> Result<()> {
    let place = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(place)?;
    let mut details = details();
    if let Details::Early(lines) = &*details {
        file.write_all(lines).with_context(place)?;
        *details = Details::Logged(file);
    }
    Ok(())
}
