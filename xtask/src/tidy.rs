//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod configs;
mod dependencies;
mod floors;
mod manifest;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Longer source files get a warning: look for the hidden noun.
const MAX_LINES: usize = 400;

/// A broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    /// Relative to the workspace.
    path: PathBuf,
    /// From 1.
    line: usize,
    message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// A package of the workspace, as the rules see it.
#[derive(Debug, Default)]
struct Member {
    name: String,
    /// `Cargo.toml`, relative to the workspace.
    manifest: PathBuf,
    /// The text of the manifest.
    text: String,
    /// Names of the packages it depends on for ordinary use.
    normal: BTreeSet<String>,
    /// Names of the packages it depends on for any use, tests and build scripts among them.
    any: BTreeSet<String>,
    /// Names of all packages it depends on for ordinary use, directly or not.
    transitive: BTreeSet<String>,
}

impl Member {
    fn complaint(&self, line: usize, message: String) -> Complaint {
        Complaint { path: self.manifest.clone(), line, message }
    }
}

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    for warning in long_files(root)? {
        eprintln!("warning: {warning}");
    }
    let members = members(root)?;
    let mut complaints = floors::check(&members)?;
    complaints.extend(dependencies::check(&members)?);
    complaints.extend(check_configs(root)?);
    complaints.sort();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    println!("tidy: {} packages, {} complaints", members.len(), complaints.len());
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn members(root: &Path) -> Result<Vec<Member>> {
    let metadata =
        MetadataCommand::new().current_dir(root).exec().context("failed to read cargo metadata")?;
    let graph = Graph::of(&metadata)?;
    let mut members = Vec::new();
    for package in metadata.workspace_packages() {
        let path = package.manifest_path.as_std_path();
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {path:?}"))?;
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        members.push(Member {
            name: package.name.to_string(),
            manifest: path.strip_prefix(root).unwrap_or(path).to_path_buf(),
            text,
            normal: normal.map(|dependency| dependency.name.clone()).collect(),
            any: package.dependencies.iter().map(|dependency| dependency.name.clone()).collect(),
            transitive: graph.reachable(&package.id),
        });
    }
    Ok(members)
}

/// Who links whom, as cargo resolved it.
struct Graph<'m> {
    names: HashMap<&'m PackageId, &'m str>,
    links: HashMap<&'m PackageId, Vec<&'m PackageId>>,
}

impl<'m> Graph<'m> {
    fn of(metadata: &'m Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata has no resolution")?;
        let links = resolve.nodes.iter().map(|node| {
            let normal = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            (&node.id, normal.map(|dependency| &dependency.pkg).collect())
        });
        let names = metadata.packages.iter().map(|package| (&package.id, package.name.as_str()));
        Ok(Self { names: names.collect(), links: links.collect() })
    }

    /// Names of all packages that `start` links, itself not among them.
    fn reachable(&self, start: &PackageId) -> BTreeSet<String> {
        let mut found: BTreeMap<&PackageId, &str> = BTreeMap::new();
        let mut open: Vec<&PackageId> =
            self.links.get(start).into_iter().flatten().copied().collect();
        while let Some(id) = open.pop() {
            let name = self.names.get(id).copied().unwrap_or_default();
            if found.insert(id, name).is_none() {
                open.extend(self.links.get(id).into_iter().flatten());
            }
        }
        found.into_values().map(str::to_owned).collect()
    }
}

fn check_configs(root: &Path) -> Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    for path in files(&root.join("configs"))? {
        if path.extension().is_some_and(|extension| extension == "toml") {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            complaints.extend(configs::check(relative, &read(&path)?));
        }
    }
    Ok(complaints)
}

fn long_files(root: &Path) -> Result<Vec<Complaint>> {
    let mut warnings = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "xtask", "benches"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        folders.extend(entries(&folder)?.into_iter().filter(|path| path.is_dir()));
        for path in files(&folder)? {
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let n_lines = read(&path)?.lines().count();
            if MAX_LINES < n_lines {
                let path = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
                let message = format!("{n_lines} lines, more than {MAX_LINES}");
                warnings.push(Complaint { path, line: MAX_LINES + 1, message });
            }
        }
    }
    warnings.sort();
    Ok(warnings)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

/// What is in a folder, in order; nothing if there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let context = || format!("failed to list {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        paths.push(entry.with_context(context)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Lines of complaints, for tests to compare.
#[cfg(test)]
fn listing(complaints: &[Complaint]) -> String {
    complaints.iter().map(|complaint| format!("{complaint}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_source_files_are_warned_of() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("crates/lid/src");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("short.rs"), "\n".repeat(400)).unwrap();
        fs::write(folder.join("long.rs"), "\n".repeat(401)).unwrap();
        fs::write(folder.join("long.txt"), "\n".repeat(401)).unwrap();
        let warnings = listing(&long_files(root.path()).unwrap());
        assert_eq!(warnings, "crates/lid/src/long.rs:401: 401 lines, more than 400\n");
    }

    #[test]
    fn configs_are_found() {
        let root = tempfile::tempdir().unwrap();
        assert!(check_configs(root.path()).unwrap().is_empty());
        fs::create_dir(root.path().join("configs")).unwrap();
        fs::write(root.path().join("configs/a.toml"), "seed = 1\n").unwrap();
        assert_eq!(check_configs(root.path()).unwrap().len(), 1);
    }
}
