//! `cargo xtask gpu`: how to use a GPU, and whether the code for it compiles.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::process;

const RECIPE: &str = "\
To train on an NVIDIA GPU:

    cargo build --release -p nas-lid --features cuda
    target/release/nas-lid run configs/nb201-paper.toml --out runs/nb201-paper --device cuda:0

The build downloads LLVM once; an NVIDIA driver is needed only to run.
";

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    println!("{RECIPE}");
    println!("Checking that the code for it compiles (nothing is linked) …");
    let status = type_check(root).status().context("failed to start cargo")?;
    ensure!(status.success(), "the `cuda` feature does not compile");
    println!("It does.");
    Ok(ExitCode::SUCCESS)
}

/// Compiles the `cuda` feature without linking.
///
/// `DOCS_RS` tells the build scripts of burn's dependencies to do without CUDA and LLVM.
pub(crate) fn type_check(root: &Path) -> Command {
    let mut command = process::cargo(root);
    command.args(["check", "-p", "nas-lid", "--features", "cuda"]).env("DOCS_RS", "1");
    command
}
