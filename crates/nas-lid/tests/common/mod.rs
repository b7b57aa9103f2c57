//! The program, and runs of it that take a moment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-lid"));
    command.env_remove("NASLID_DATA");
    command
}

/// The smoke run, made smaller: what is tested here is the order of things.
pub(crate) fn smoke(out: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(root().join("configs/nb201-smoke.toml")).arg("--out").arg(out);
    for small in ["ranking.archs=12", "training.warm-up.epochs=[1]", "evaluation.images=100"] {
        command.args(["--set", small]);
    }
    command
}

/// The smoke run of a chain, one-shot alone, and two networks trained alone.
pub(crate) fn chain(out: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(root().join("configs/proxyless-smoke.toml")).arg("--out").arg(out);
    for small in [
        "ranking.archs=2",
        "ranking.truth.trained-alone.epochs=3",
        "split.methods=[\"one-shot\"]",
        "evaluation.images=100",
    ] {
        command.args(["--set", small]);
    }
    command
}

#[track_caller]
pub(crate) fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
pub(crate) fn refused(output: &Output, code: i32, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error")).count(), 1, "{stderr}");
}
