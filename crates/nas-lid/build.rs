//! Tells the program which commit it was built from, for the manifest of a run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    for place in [".git/HEAD", ".git/logs/HEAD", "crates", "Cargo.lock"] {
        println!("cargo:rerun-if-changed=../../{place}");
    }
    let git = |arguments: &[&str]| -> Option<Output> {
        Command::new("git").current_dir("../..").args(arguments).output().ok()
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"]).filter(|output| output.status.success());
    let head = head.and_then(|output| String::from_utf8(output.stdout).ok());
    let commit = match head {
        // Untracked sources count: a module may be new.
        Some(head) => match git(&["status", "--porcelain", "crates", "Cargo.lock"]) {
            Some(status) if status.stdout.is_empty() => head.trim().to_owned(),
            _ => format!("{} changed to {}", head.trim(), sources()?),
        },
        None => format!("sources {}", sources()?),
    };
    println!("cargo:rustc-env=NASLID_COMMIT={commit}");
    Ok(())
}

/// A number for the sources as they are.
fn sources() -> io::Result<String> {
    let workspace = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let workspace = workspace.join("../..");
    let mut files = vec![workspace.join("Cargo.lock")];
    for member in fs::read_dir(workspace.join("crates"))? {
        let folder = member?.path().join("src");
        if folder.is_dir() {
            list(&folder, &mut files)?;
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
