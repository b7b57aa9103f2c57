//! Log lines: to the terminal, and once a run directory is known, to its `log` as well.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

static FILE: OnceLock<File> = OnceLock::new();

/// Writes to the log file where there is one.
struct LogFile;

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Box<dyn std::io::Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match FILE.get() {
            Some(file) => Box::new(file),
            None => Box::new(std::io::sink()),
        }
    }
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

/// Continues the log in a file, after what stands there.
pub(crate) fn also_to(path: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    FILE.get_or_init(|| file);
    Ok(())
}
