//! Child processes: cargo, and where it builds.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;

/// A cargo command in the workspace, colored as this process is.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root);
    if env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", color());
    }
    command
}

/// `always` on a terminal, so that pipes between children do not lose it, else `never`.
fn color() -> &'static str {
    let wanted = env::var_os("NO_COLOR").is_none() && io::stderr().is_terminal();
    if wanted { "always" } else { "never" }
}

/// Runs a command that has to succeed.
pub(crate) fn complete(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// Where cargo builds.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("failed to read cargo metadata")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// The exit code of a finished child, 1 if a signal ended it.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}
