//! The run directory: every file in it appears whole or not at all.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a run is a function of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config_sha256: String,
    pub(crate) data_sha256: String,
    /// Of the other files that the configuration names.
    pub(crate) inputs_sha256: String,
    pub(crate) commit: String,
    pub(crate) device: String,
}

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

/// A folder that one run owns.
pub(crate) struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Opens the folder for this run: a new one, or one that the same run has begun.
    pub(crate) fn open(root: &Path, config: &str, manifest: &Manifest) -> Result<Self> {
        let dir = Self::unopened(root);
        if dir.path("manifest.json").exists() {
            let found: Manifest = dir.read_json("manifest.json")?;
            dir.agree(&found, manifest)?;
            return Ok(dir);
        }
        if root.exists()
            && fs::read_dir(root)?.next().is_some()
            && !dir.path("config.toml").exists()
        {
            bail!("{} is not empty and no run directory; choose another --out", root.display());
        }
        fs::create_dir_all(dir.path("checkpoints"))
            .with_context(|| format!("run directory {}", root.display()))?;
        dir.write("config.toml", config.as_bytes())?;
        dir.write_json("manifest.json", manifest)?;
        Ok(dir)
    }

    /// The folder of a run that is not checked: to read from, or to write its report again.
    pub(crate) fn unopened(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn agree(&self, found: &Manifest, expected: &Manifest) -> Result<()> {
        let parts = [
            ("configuration", &found.config_sha256, &expected.config_sha256),
            ("data", &found.data_sha256, &expected.data_sha256),
            ("first weights or latency table", &found.inputs_sha256, &expected.inputs_sha256),
            ("commit", &found.commit, &expected.commit),
            ("device", &found.device, &expected.device),
        ];
        for (what, found, expected) in parts {
            if found != expected {
                bail!(
                    "{} was made with another {what} ({found}, now {expected}); choose another --out \
                     or remove it",
                    self.root.display()
                );
            }
        }
        Ok(())
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
        let path = self.path(name);
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Adds a line to `metrics.jsonl`; lines of epochs that are done again make way for it.
    pub(crate) fn add_metric(&self, metric: Metric) -> Result<()> {
        let path = self.path("metrics.jsonl");
        let old = fs::read_to_string(&path).unwrap_or_default();
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

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
/// Writes a file, whole or not at all; what `content` fails with is not taken for a fault of the file.
pub(crate) fn write_whole(
    file: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(cannot)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    let mut buffered = BufWriter::new(&mut temporary);
    content(&mut buffered)?;
    buffered.flush().with_context(cannot)?;
    drop(buffered);
    temporary.as_file().sync_all().with_context(cannot)?;
    temporary.persist(file).with_context(cannot)?;
    Ok(())
}
