//! `cargo xtask gpu`: how to use a GPU, whether the code for it compiles, and whether a card that is here computes
//! what the processor does.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::process;

const RECIPE: &str = "\
To train on an NVIDIA GPU:

    cargo build --release -p nas-lid --features cuda
    target/release/nas-lid run configs/nb201-paper.toml --out runs/nb201-paper --device cuda:0

The build downloads LLVM once; an NVIDIA driver is needed only to run. Code for the card is made when it is first
needed and kept in ~/.cache/nas-lid. Runs on a card do not repeat to the last bit.
";

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    println!("{RECIPE}");
    println!("Checking that the code for it compiles (nothing is linked) …");
    let status = lint(root).status().context("failed to start cargo")?;
    ensure!(status.success(), "the `cuda` feature does not compile");
    println!("It does.");
    if is_present() {
        println!("Testing the card …");
        process::complete(&mut tests(root))?;
    } else {
        println!("There is no card to test it on (`nvidia-smi -L` names none).");
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this machine has a card, by what its driver says.
fn is_present() -> bool {
    let listed = Command::new("nvidia-smi").arg("-L").output();
    listed.is_ok_and(|output| output.stdout.starts_with(b"GPU "))
}

/// The tests that need a card, by their names; they print how near it comes, one after the other.
fn tests(root: &Path) -> Command {
    let mut command = process::cargo(root);
    let arguments = "test --release -p nas-lid -p cube-ops --features nas-lid/cuda,cube-ops/cuda card \
                     -- --nocapture --test-threads=1";
    command.args(arguments.split(' '));
    command
}

/// Lints everything with the `cuda` feature, so that its types are checked, too.
pub(crate) fn lint(root: &Path) -> Command {
    let mut command = process::cargo(root);
    let arguments = "clippy --workspace --all-targets --features nas-lid/cuda -- -D warnings";
    command.args(arguments.split(' '));
    without_linking(command)
}

/// Tells the build scripts of burn's dependencies to do without CUDA and LLVM.
pub(crate) fn without_linking(mut command: Command) -> Command {
    command.env("DOCS_RS", "1");
    command
}
