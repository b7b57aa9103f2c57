//! `cargo xtask reproduce memory`: what a split decision takes by LID and by gradients.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The share of memory that LID must save on the mixed path.
const CLAIM: f64 = 0.90;

/// The path that the claim is about.
const MIXED: &str = "mixed";

const UNKNOWN: &str = "the peak memory cannot be known here";

/// What is measured: names, and architectures; none is a whole split decision.
const PATHS: [(&str, Option<&str>); 4] = [
    (
        "all conv 3x3",
        Some(
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+\
             |nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        ),
    ),
    (
        MIXED,
        Some(
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+\
             |skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        ),
    ),
    (
        "all skip",
        Some(
            "|skip_connect~0|+|skip_connect~0|skip_connect~1|+\
             |skip_connect~0|skip_connect~1|skip_connect~2|",
        ),
    ),
    ("split decision", None),
];

/// What `nas-lid probe --format json` prints.
#[derive(Debug, Deserialize)]
struct Cost {
    seconds: f64,
    peak_bytes: Option<u64>,
}

/// Prints the table of a device; fails if the claim is missed.
///
/// Every figure is of a process of its own, both criteria in the same way. On the processor: the highest resident
/// memory during the measured work less what was resident before it, freed memory returned first. On a card: what its
/// pool holds after the measured work less what it held before, freed memory returned first; the same work was done
/// once before, so that code is made.
pub(crate) fn run(root: &Path, program: &Path, device: &str) -> Result<ExitCode> {
    println!(
        "NAS-Bench-201, 16 channels, 5 cells a stage, batch of 128; peak memory above rest, {device}\n\n\
         | path | LID, MiB | gradient, MiB | saved | LID, s | gradient, s |\n\
         | --- | --- | --- | --- | --- | --- |"
    );
    let mut saved_on_mixed = None;
    for (name, arch) in PATHS {
        let [lid, gradient] = ["lid", "gradient"].map(|criterion| {
            let args = [criterion, "--device", device];
            cost(root, program, args.into_iter().chain(arch))
        });
        let (lid, gradient) = (lid?, gradient?);
        let saved = lid
            .peak_bytes
            .zip(gradient.peak_bytes)
            .map(|(lid, gradient)| 1.0 - lid as f64 / gradient.max(1) as f64);
        if name == MIXED {
            saved_on_mixed = saved;
        }
        let mebibytes = |bytes: Option<u64>| {
            bytes.map_or("–".to_owned(), |bytes| format!("{:.0}", mebi(bytes)))
        };
        println!(
            "| {name} | {} | {} | {} | {:.3} | {:.3} |",
            mebibytes(lid.peak_bytes),
            mebibytes(gradient.peak_bytes),
            saved.map_or("–".to_owned(), |saved| format!("{:.0} %", 100.0 * saved)),
            lid.seconds,
            gradient.seconds
        );
    }
    let saved = saved_on_mixed.context(UNKNOWN)?;
    let holds = CLAIM <= saved;
    println!(
        "\n{} LID saves at least {:.0} % on the mixed path: {:.1} %",
        if holds { "holds " } else { "MISSED" },
        100.0 * CLAIM,
        100.0 * saved
    );
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(super::reproduce::MISSED) })
}

/// Bytes above rest of a training step on the mixed path with so many images, by what it keeps.
pub(crate) fn of_step(root: &Path, program: &Path, n_images: usize, kept: &str) -> Result<u64> {
    let path = PATHS.iter().find_map(|&(name, arch)| arch.filter(|_| name == MIXED));
    let n_images = n_images.to_string();
    let args = ["step", "--batch-size", &n_images, "--kept", kept].into_iter().chain(path);
    cost(root, program, args)?.peak_bytes.context(UNKNOWN)
}

/// In units of 2²⁰.
pub(crate) fn mebi(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn cost<'a>(root: &Path, program: &Path, args: impl Iterator<Item = &'a str>) -> Result<Cost> {
    let mut command = Command::new(program);
    command.current_dir(root).args(["--format", "json", "probe"]).args(args);
    let output = command.output().with_context(|| format!("failed to start {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {complaint}");
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?} printed no cost"))
}
