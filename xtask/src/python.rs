//! Python for the scripts of peers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::complete;

/// The Python of the environment under the target folder, with what is required; `python` makes it.
pub(crate) fn environment(python: &str, target: &Path, requirements: &Path) -> Result<PathBuf> {
    let folder = target.join("peers");
    let inside = folder.join("bin/python");
    complete(Command::new(python).args(["-m", "venv"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    complete(Command::new(&inside).args(install).arg(requirements))?;
    Ok(inside)
}
