//! The program: arguments, configuration, stages, run directory.
//!
//! *Floor 6. Spaces and search meet here and nowhere else.*

mod cache;
#[cfg(all(test, feature = "cuda"))]
mod card_tests;
mod checkpoint;
mod chosen;
mod commands;
mod config;
mod device;
mod dry_run;
mod exams;
mod inputs;
mod job;
mod lab;
mod latency_table;
mod lines;
mod log;
mod manifest;
mod mask_file;
mod matrix;
mod memory;
mod method;
mod misuse;
mod progress;
mod retrain;
mod run;
mod run_dir;
mod scales;
mod scores;
mod separation;
mod shift;
mod shrinking;
mod space_options;
mod spaces;
mod summary;
mod time_shares;
mod truth;
mod unique;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum, value_parser};

use crate::config::Plan;
use crate::misuse::Misuse;
use crate::run::RunOptions;

/// Neural architecture search with supernets split by local intrinsic dimension.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run a configuration: train, split, fine-tune, search, rank, report
    Run(RunArguments),
    /// Continue a run that was interrupted
    Resume {
        /// The run directory
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Local intrinsic dimension of a feature matrix
    Lid(commands::lid::Options),
    /// Cut of a similarity matrix
    Partition(commands::partition::Options),
    /// Parameters, multiply-adds and taps of an architecture
    Arch(commands::arch::Options),
    /// How well predictions rank the truth
    Rank(commands::rank::Options),
    /// The trainings of NATS-Bench as tables, with every seed and epoch
    Nats(commands::nats::Options),
    /// The weights of a supernet and the statistics of one network in it, for PyTorch
    Export(commands::export::Options),
    /// Train the network that a run has found to the end, and test it
    Retrain(commands::retrain::Options),
    /// How long the parts of a chain's networks take on this machine: proxyless or ofa
    Latency(commands::latency::Options),
    /// How published weights fit the network of a space
    Weights(commands::weights::Options),
    /// Time and memory of one probe, or of one split decision
    Probe(commands::probe::Options),
    /// Make the report of a finished run again; one table of several runs that differ in their seed
    Report {
        /// The run directories
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// The configuration
    config: PathBuf,
    /// The run directory [default: runs/NAME of the configuration]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Change a value of the configuration
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print what would be done, with an estimate of time and memory
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// Where work is done and data lie.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Where archives of images and the table of accuracies lie
    #[arg(long, env = "NASLID_DATA", value_name = "DIR", value_parser = value_parser!(OsString))]
    data: Option<OsString>,
}

impl Place {
    /// The folder of archives, if one is named.
    pub(crate) fn archives(&self) -> Result<Option<PathBuf>> {
        let named = self.data.as_ref().filter(|name| !name.is_empty()).map(PathBuf::from);
        if let Some(folder) = &named {
            let place = folder.display();
            ensure!(folder.is_dir(), "{place}: no such folder, which --data or NASLID_DATA names");
        }
        Ok(named)
    }
}

fn main() -> ExitCode {
    flex_ops::keep_freed_memory();
    let arguments = Arguments::parse();
    log::start();
    match work_in_pool().and_then(|()| execute(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", in_one_line(&error));
            if error.is::<Misuse>() { ExitCode::from(Misuse::CODE) } else { ExitCode::FAILURE }
        }
    }
}

/// An error and its causes, without what would break the line; what a message ends with is not said again.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.extend((!text.is_empty()).then_some(": "));
            text.push_str(&cause);
        }
    }
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(visible).collect()
}

/// Makes this thread one of those that share parallel work: what it starts then begins here and waits
/// for no other thread to wake, which costs more than an operation on small images.
fn work_in_pool() -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().use_current_thread();
    pool.build_global().context("threads cannot be started")
}

fn execute(arguments: Arguments) -> Result<()> {
    let format = arguments.format;
    let options = |out, place: Place| {
        let archives = place.archives()?;
        anyhow::Ok(RunOptions { out, device: place.device, archives, format })
    };
    match arguments.command {
        Command::Run(run) => {
            let plan = Plan::read(&run.config, &run.overrides)?;
            let name = run.config.file_stem().context("a configuration is a file")?;
            let out = run.out.unwrap_or_else(|| PathBuf::from("runs").join(name));
            let options = options(out, run.place)?;
            if run.dry_run { dry_run::dry_run(&plan, &options) } else { run::run(&plan, &options) }
        }
        Command::Resume { dir, place } => run::resume(&dir, &options(dir.clone(), place)?),
        Command::Lid(lid) => commands::lid::run(&lid, format),
        Command::Partition(partition) => commands::partition::run(&partition, format),
        Command::Arch(arch) => commands::arch::run(&arch, format),
        Command::Rank(rank) => commands::rank::run(&rank, format),
        Command::Nats(nats) => commands::nats::run(&nats, format),
        Command::Export(export) => commands::export::run(&export, format),
        Command::Retrain(retrain) => commands::retrain::run(&retrain, format),
        Command::Latency(latency) => commands::latency::run(&latency, format),
        Command::Weights(weights) => commands::weights::run(&weights, format),
        Command::Probe(probe) => commands::probe::run(&probe, format),
        Command::Report { dirs } => commands::report::run(&dirs, format),
    }
}

/// Writes to standard output; a reader who has gone away is no error.
pub(crate) fn print(text: impl AsRef<str>) -> Result<()> {
    let mut output = std::io::stdout();
    match output.write_all(text.as_ref().as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let error = anyhow!("cut off").context("no picture: cut off").context("a.jpg\n");
        assert_eq!(in_one_line(&error), "a.jpg : no picture: cut off");
    }
}
