//! `cargo xtask torch`: weights from PyTorch to the program and back.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{process, python};

/// Arguments of `cargo xtask torch`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Python with venv.
    #[arg(long, default_value = "python3")]
    python: String,
}

/// The small networks of `xtask/torch/write.py`: space and file.
const NETWORKS: [(&str, &str); 2] = [("ofa", "ofa.pth"), ("proxyless", "proxyless.pth.tar")];

/// Their sizes.
const SIZES: [&str; 8] =
    ["--width", "0.01", "--resolution", "16", "--classes", "3", "--stem-stride", "1"];

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let target = process::target_directory(root)?;
    let folder = target.join("torch");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let scripts = root.join("xtask/torch");
    let requirements = scripts.join("requirements.txt");
    let python = python::environment(&options.python, &target, &requirements)?;
    let script =
        |name: &str| process::complete(Command::new(&python).arg(scripts.join(name)).arg(&folder));
    script("write.py")?;
    for (space, file) in NETWORKS {
        let out = folder.join(format!("{space}.safetensors"));
        let mut command = process::cargo(root);
        command.args(["run", "--quiet", "--release", "-p", "nas-lid", "--", "weights", space]);
        command.arg(folder.join(file)).args(SIZES).arg("--out").arg(out);
        process::complete(&mut command)?;
    }
    script("check.py")?;
    Ok(ExitCode::SUCCESS)
}
