//! Tells the program which commit it was built from, for the manifest of a run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use sha2::{Digest, Sha256};

/// What the program is made of, from the root of the workspace; of each crate, what [`OF_CRATES`] says.
const OF_WORKSPACE: [&str; 3] = ["Cargo.toml", "Cargo.lock", ".cargo"];
const OF_CRATES: [&str; 3] = ["Cargo.toml", "build.rs", "src"];

fn main() {
    // A file that is not there would count as changed in every build.
    let head = Path::new("../../.git/logs/HEAD");
    if head.exists() {
        println!("cargo:rerun-if-changed={}", head.display());
    }
    let parts = parts(Path::new("../..")).unwrap_or_default();
    for part in &parts {
        println!("cargo:rerun-if-changed=../../{}", part.display());
    }
    let sources = || sources(Path::new("../.."), &parts).unwrap_or_else(|_| "unknown".to_owned());
    let commit = match git(&["rev-parse", "--short=12", "HEAD"], &[]) {
        Some(head) => match git(&["status", "--porcelain", "--"], &parts) {
            Some(changes) if changes.is_empty() => head,
            _ => format!("{head} changed to {}", sources()),
        },
        None => format!("sources {}", sources()),
    };
    println!("cargo:rustc-env=NASLID_COMMIT={commit}");
}

/// What git prints in the root of the workspace, if it succeeds.
fn git(arguments: &[&str], parts: &[PathBuf]) -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir("../..").arg("--no-optional-locks").args(arguments).args(parts);
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The files and folders that the program is made of, in order.
fn parts(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut parts: Vec<PathBuf> = OF_WORKSPACE.map(PathBuf::from).into();
    for member in fs::read_dir(root.join("crates"))? {
        let folder = Path::new("crates").join(member?.file_name());
        parts.extend(OF_CRATES.map(|part| folder.join(part)));
    }
    parts.retain(|part| root.join(part).exists());
    parts.sort();
    Ok(parts)
}

/// Twelve digits of the SHA-256 of all these files and their names.
fn sources(root: &Path, parts: &[PathBuf]) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut left: Vec<PathBuf> = parts.iter().rev().cloned().collect();
    while let Some(part) = left.pop() {
        let path = root.join(&part);
        if path.is_dir() {
            let names = fs::read_dir(&path)?.map(|entry| Ok(part.join(entry?.file_name())));
            let mut names: Vec<PathBuf> = names.collect::<io::Result<_>>()?;
            names.sort();
            left.extend(names.into_iter().rev());
        } else {
            hash.update(part.to_string_lossy().as_bytes());
            hash.update(Sha256::digest(fs::read(&path)?));
        }
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}
