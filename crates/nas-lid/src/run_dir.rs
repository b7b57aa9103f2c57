//! The run directory: every file in it appears whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use whole_file::{UNFINISHED, WholeFile};

use crate::config::difference;
use crate::manifest::{ANEW, Discord, Manifest};

/// A line of `metrics.jsonl`: one epoch of one training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) job: String,
    /// Epochs done when the line was written, from 1.
    pub(crate) epoch: u64,
    /// Mean training loss in nats.
    pub(crate) loss: f64,
    /// Of this epoch.
    pub(crate) seconds: f64,
}

/// What a run would do in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Prospect {
    Starts,
    /// From where an earlier process has come to.
    GoesOn,
}

/// A folder that one run owns.
pub(crate) struct RunDir {
    root: PathBuf,
    /// What tells this run from all others.
    pub(crate) identity: String,
    /// Of a process that runs there.
    _claim: Option<Claim>,
}

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";

/// Folders of a run that other commands may be writing to.
const WRITTEN_BY_OTHERS: [&str; 2] = ["export", "retrain"];

impl RunDir {
    /// Opens the folder for this run: a new one, or one that the same run has begun.
    pub(crate) fn open(root: &Path, config: &str, manifest: &Manifest) -> Result<Self> {
        let place = || format!("run directory {}", root.display());
        fs::create_dir_all(root).with_context(place)?;
        let claim = Claim::on(root)?;
        let dir = Self { _claim: Some(claim), ..Self::of(root, manifest) };
        let mut manifest = manifest.clone();
        match dir.found(config, &manifest)? {
            Prospect::Starts => dir.write(CONFIG, config.as_bytes())?,
            Prospect::GoesOn => manifest.command = dir.manifest()?.command,
        }
        remove_unfinished(root, &WRITTEN_BY_OTHERS).with_context(place)?;
        dir.write_json(MANIFEST, &manifest)?;
        Ok(dir)
    }

    /// The folder of a run, to read from; its configuration must be the one that it was made with.
    pub(crate) fn existing(root: &Path) -> Result<(Self, Manifest)> {
        must_exist(root)?;
        let config = root.join(CONFIG);
        let text = fs::read(&config).with_context(|| config.display().to_string())?;
        let manifest: Manifest = read_json(&root.join(MANIFEST))?;
        let is_its_own = manifest.config_sha256 == digest(&text);
        ensure!(is_its_own, "{} was made with another config.toml", root.display());
        Ok((Self::of(root, &manifest), manifest))
    }

    /// The folder of a run that this process has not claimed.
    fn of(root: &Path, manifest: &Manifest) -> Self {
        Self { root: root.to_owned(), identity: manifest.identity(), _claim: None }
    }

    /// What the run is a function of, and how it began.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        self.read_json(MANIFEST)
    }

    /// What opening the folder for this run would find, or why it would be refused; changes nothing.
    pub(crate) fn prospect(root: &Path, config: &str, manifest: &Manifest) -> Result<Prospect> {
        if !root.exists() {
            return Ok(Prospect::Starts);
        }
        let _claim = Claim::on(root)?;
        Self::of(root, manifest).found(config, manifest)
    }

    /// The same of a folder that exists and is claimed.
    fn found(&self, config: &str, manifest: &Manifest) -> Result<Prospect> {
        if self.path(MANIFEST).exists() {
            self.agree(&self.manifest()?, manifest, config)?;
            return Ok(Prospect::GoesOn);
        }
        self.must_be_fresh(config)?;
        Ok(Prospect::Starts)
    }

    /// Refuses a folder that holds more than what a run leaves that was killed before its manifest.
    fn must_be_fresh(&self, config: &str) -> Result<()> {
        let entries = fs::read_dir(&self.root);
        for entry in entries.with_context(|| self.root.display().to_string())? {
            let name = entry?.file_name();
            let is_ours = name.to_string_lossy().starts_with(UNFINISHED)
                || name == CONFIG && fs::read(self.path(CONFIG))? == config.as_bytes();
            ensure!(
                is_ours,
                "{} is not empty and no run directory; choose another --out",
                self.root.display()
            );
        }
        Ok(())
    }

    /// The manifest must be of the same run, whose configuration is `config`.
    fn agree(&self, found: &Manifest, expected: &Manifest, config: &str) -> Result<()> {
        let root = self.root.display();
        if found.config_sha256 != expected.config_sha256 {
            let old = fs::read_to_string(self.path(CONFIG)).unwrap_or_default();
            let what = difference(&old, config).unwrap_or_else(|| "in its comments".to_owned());
            bail!("{root} was made with another configuration ({what}); {ANEW}");
        }
        match found.discord(expected) {
            Some(Discord { part, what, advice }) => {
                bail!("{root} was made with another {part} ({what}); {advice}")
            }
            None => Ok(()),
        }
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> String {
        self.root.file_name().map(|name| name.to_string_lossy().into()).unwrap_or_default()
    }

    /// The place of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Puts bytes under a name in one instant.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let cannot = || format!("cannot write {}", path.display());
        write_whole(&path, |to| to.write_all(bytes).with_context(cannot))
    }

    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.write(name, &text)
    }

    pub(crate) fn read_json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T> {
        read_json(&self.path(name))
    }

    /// Adds a line to `metrics.jsonl`; lines of epochs that are done again make way for it.
    pub(crate) fn add_metric(&self, metric: Metric) -> Result<()> {
        let path = self.path("metrics.jsonl");
        let old = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            old => old.with_context(|| path.display().to_string())?,
        };
        let mut lines = String::new();
        for line in old.lines() {
            let stale = serde_json::from_str::<Metric>(line)
                .map_or(true, |old| old.job == metric.job && metric.epoch <= old.epoch);
            if !stale {
                lines.push_str(line);
                lines.push('\n');
            }
        }
        lines.push_str(&serde_json::to_string(&metric)?);
        lines.push('\n');
        self.write("metrics.jsonl", lines.as_bytes())
    }
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Refuses what is no folder.
pub(crate) fn must_exist(root: &Path) -> Result<()> {
    ensure!(root.is_dir(), "{}: no such run directory", root.display());
    Ok(())
}

/// A folder that no other process may claim until this is dropped.
pub(crate) struct Claim {
    /// None where the system does not lock folders.
    _lock: Option<File>,
}

impl Claim {
    /// Claims a folder, if nobody has.
    pub(crate) fn on(folder: &Path) -> Result<Self> {
        let locked = File::open(folder).map_err(TryLockError::Error).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match locked {
            Ok(file) => Ok(Self { _lock: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use: another process runs there", folder.display())
            }
            Err(TryLockError::Error(error)) => {
                tracing::debug!("{} is not locked: {error}", folder.display());
                Ok(Self { _lock: None })
            }
        }
    }
}

/// Removes what processes that were killed have left in a folder and those within, but for some.
pub(crate) fn remove_unfinished(folder: &Path, except: &[&str]) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if except.iter().all(|other| name != *other) {
                remove_unfinished(&entry.path(), &[])?;
            }
        } else if name.to_string_lossy().starts_with(UNFINISHED) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file, whole or not at all; what `content` fails with is not taken for a fault of the file.
pub(crate) fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = WholeFile::create(path).with_context(cannot)?;
    content(&mut file)?;
    file.finish().with_context(cannot)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn manifest() -> Manifest {
        Manifest::of("seed = 1")
    }

    fn open(root: &Path, manifest: &Manifest) -> Result<RunDir> {
        RunDir::open(root, "seed = 1", manifest)
    }

    #[track_caller]
    fn refused(root: &Path, manifest: &Manifest, expected: &str) {
        let error = open(root, manifest).map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn files_of_others_are_kept() {
        for name in ["config.toml", "photo.jpg", "checkpoints"] {
            let root = TempDir::new().unwrap();
            fs::write(root.path().join(name), "precious").unwrap();
            refused(root.path(), &manifest(), "is not empty and no run directory");
            assert_eq!(fs::read_to_string(root.path().join(name)).unwrap(), "precious");
        }
    }

    #[test]
    fn metrics_that_cannot_be_read_are_kept() {
        let root = TempDir::new().unwrap();
        let dir = open(root.path(), &manifest()).unwrap();
        fs::write(dir.path("metrics.jsonl"), b"\xff").unwrap();
        let metric = Metric { job: "lid/0/fine-tune".into(), epoch: 1, loss: 1.0, seconds: 1.0 };
        let error = format!("{:#}", dir.add_metric(metric).unwrap_err());
        assert!(error.contains("metrics.jsonl: "), "{error}");
        assert_eq!(fs::read(dir.path("metrics.jsonl")).unwrap(), b"\xff");
    }

    #[test]
    fn numbers_are_read_back_as_they_were_written() {
        let root = TempDir::new().unwrap();
        let dir = open(root.path(), &manifest()).unwrap();
        let numbers: Vec<f64> = (1..1000).map(|i| f64::from(i).sqrt().fract()).collect();
        dir.write_json("numbers.json", &numbers).unwrap();
        let again: Vec<f64> = dir.read_json("numbers.json").unwrap();
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again), bits(&numbers));
    }

    #[test]
    fn what_a_run_leaves_that_is_killed_at_its_start_is_continued() {
        let root = TempDir::new().unwrap();
        drop(open(root.path(), &manifest()).unwrap());
        fs::rename(root.path().join("manifest.json"), root.path().join(".unfinished-1")).unwrap();
        drop(open(root.path(), &manifest()).unwrap());
        let unfinished = root.path().join("checkpoints/lid/.unfinished-2");
        fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
        fs::write(&unfinished, "").unwrap();
        let of_another = root.path().join("export/.unfinished-3");
        fs::create_dir(of_another.parent().unwrap()).unwrap();
        fs::write(&of_another, "").unwrap();
        drop(open(root.path(), &manifest()).unwrap());
        assert!(!unfinished.exists() && !root.path().join(".unfinished-1").exists());
        assert!(of_another.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_of_one_process_at_a_time() {
        let root = TempDir::new().unwrap();
        let first = open(root.path(), &manifest()).unwrap();
        refused(root.path(), &manifest(), "is in use");
        drop(first);
        open(root.path(), &manifest()).unwrap();
    }

    #[test]
    fn another_run_is_refused_and_told_apart() {
        let root = TempDir::new().unwrap();
        drop(open(root.path(), &manifest()).unwrap());
        let other = Manifest { config_sha256: digest(b"seed = 2"), ..manifest() };
        let error = RunDir::open(root.path(), "seed = 2", &other).map(drop).unwrap_err();
        assert!(error.to_string().contains("another configuration (`seed` was 1, now 2)"));
        let later = Manifest { commit: "later".into(), ..manifest() };
        refused(root.path(), &later, "another commit of the program (now, now later)");
        let elsewhere = Manifest { device: "cuda:0".into(), ..manifest() };
        refused(root.path(), &elsewhere, "another device (cpu, now cuda:0); give --device cpu");
    }

    #[test]
    fn the_command_that_began_a_run_is_kept() {
        let root = TempDir::new().unwrap();
        drop(open(root.path(), &manifest()).unwrap());
        let later = Manifest { command: "resume".into(), ..manifest() };
        assert_eq!(open(root.path(), &later).unwrap().manifest().unwrap(), manifest());
    }

    #[test]
    fn a_table_may_come_later_but_neither_go_nor_change() {
        let root = TempDir::new().unwrap();
        let with = |table: &str| Manifest { truth_sha256: Some(table.into()), ..manifest() };
        drop(open(root.path(), &manifest()).unwrap());
        drop(open(root.path(), &with("a")).unwrap());
        refused(root.path(), &with("b"), "another table of true accuracies");
        refused(root.path(), &manifest(), "(a, now none)");
    }
}
