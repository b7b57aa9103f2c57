//! `cargo xtask sanitize`: the tests of the crates with `unsafe` kernels under AddressSanitizer.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// The crates whose kernels hold `unsafe` code; their tests run every instruction set of the machine, the
/// portable one included.
const CRATES: [&str; 3] = ["lanes", "lid", "flex-ops"];

/// The sanitizer's runtime comes with the stable compiler; its flag is unstable, hence the bootstrap.
const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let folder = process::target_directory(root)?.join("sanitized");
    let mut command = process::cargo(root);
    command.args(["test", "--lib", "--tests", "--target", TARGET, "--target-dir"]).arg(folder);
    command.args(CRATES.iter().flat_map(|name| ["-p", name]));
    // Build scripts and macros run on the host, without the sanitizer, because a target is named.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    // What it finds is told with its line.
    command.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    process::complete(&mut command)?;
    println!("AddressSanitizer found nothing in the tests of {}.", CRATES.join(", "));
    Ok(ExitCode::SUCCESS)
}
