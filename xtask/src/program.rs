//! `nas-lid`, built for what it is to compute with.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process;

/// What a build of `nas-lid` computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backends {
    Cpu,
    /// And CUDA.
    Cuda,
}

impl Backends {
    /// Those that arguments of `nas-lid run` need.
    pub(crate) fn of(arguments: &[OsString]) -> Self {
        let is_gpu = |argument: &OsString| {
            argument.to_string_lossy().trim_start_matches("--device=").starts_with("cuda:")
        };
        if arguments.iter().any(is_gpu) { Self::Cuda } else { Self::Cpu }
    }
}

/// Builds `nas-lid` and tells where it lies.
pub(crate) fn build(root: &Path, backends: Backends) -> Result<PathBuf> {
    let mut cargo = process::cargo(root);
    cargo.args(["build", "--release", "-p", "nas-lid"]);
    if backends == Backends::Cuda {
        cargo.args(["--features", "cuda"]);
    }
    let status = cargo.status().context("failed to start cargo")?;
    ensure!(status.success(), "failed to build nas-lid");

    let file = format!("nas-lid{}", env::consts::EXE_SUFFIX);
    Ok(process::target_directory(root)?.join("release").join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_built_for_where_one_is_asked_for() {
        let of = |arguments: &[&str]| {
            Backends::of(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert_eq!(of(&["--device", "cuda:0"]), Backends::Cuda);
        assert_eq!(of(&["--device=cuda:1"]), Backends::Cuda);
        assert_eq!(of(&["--device", "cpu", "--set", "seed=2"]), Backends::Cpu);
    }
}
