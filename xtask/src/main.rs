//! Project automation: checks, data, reproductions.
//!
//! It runs cargo and `nas-lid` as processes and links none of the crates.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod ci;
mod claims;
mod data;
mod fetch;
mod gpu;
mod memory;
mod peers;
mod process;
mod program;
mod python;
mod reproduce;
mod sanitize;
mod tidy;
mod torch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Project automation of NAS-LID.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that must hold before a commit, up to the first failure.
    Ci,
    /// The rules of the house that no compiler checks: floors, dependencies, commented configs.
    Tidy,
    /// Download (or install) a data set, checked by its checksum.
    Data(data::Options),
    /// Build, run an experiment and compare it with its claims; exits 3 if a claim is missed.
    Reproduce(reproduce::Options),
    /// Measure our benchmarks and their peers in Python (PyTorch, scikit-dimension) in turns.
    BenchPeers(peers::Options),
    /// Take weights from PyTorch to the program and back, and compare.
    Torch(torch::Options),
    /// Run the tests of the crates with `unsafe` kernels under AddressSanitizer (Linux, x86-64).
    Sanitize,
    /// Say how to build and run on a GPU, and check that the code for it compiles.
    Gpu,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let root = root()?;
    match arguments.command {
        Command::Ci => ci::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Data(options) => data::run(&root, &options),
        Command::Reproduce(options) => reproduce::run(&root, &options),
        Command::BenchPeers(options) => peers::run(&root, &options),
        Command::Torch(options) => torch::run(&root, &options),
        Command::Sanitize => sanitize::run(&root),
        Command::Gpu => gpu::run(&root),
    }
}

/// The workspace: the folder above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().context("xtask has no folder above it")?;
    Ok(root.to_path_buf())
}
