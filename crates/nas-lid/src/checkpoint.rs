//! The weights of a training after one of its epochs, and whose they are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use space::Mask;
use supernet::{Supernet, SupernetError};
use weights::{Fault, WeightsError};

use crate::run_dir::RunDir;

/// A file of weights, there or not yet.
pub(crate) struct Checkpoint {
    pub(crate) file: PathBuf,
    of: Owner,
    /// The only epoch whose weights may lie there.
    epoch: Option<u64>,
}

/// The training of whose weights a checkpoint is.
#[derive(Clone, Serialize, Deserialize)]
struct Owner {
    /// What tells the run from all others.
    run: String,
    job: String,
    mask: Mask,
}

/// What stands in a checkpoint beside its weights.
#[derive(Serialize, Deserialize)]
struct Note {
    of: Owner,
    epoch: u64,
}

/// Reads weights, and the note that was written with them.
pub(crate) fn read<T: DeserializeOwned>(file: &Path, supernet: &mut dyn Supernet) -> Result<T> {
    let note = match supernet.load(file) {
        Err(error) if is_damage(&error) => {
            let error = anyhow::Error::new(error);
            bail!("{error:#}; where it is removed, its training is done again")
        }
        note => note?,
    };
    serde_json::from_str(&note)
        .with_context(|| format!("checkpoint {} is of another kind", file.display()))
}

/// Whether it is for what a file holds.
fn is_damage(error: &SupernetError) -> bool {
    match error {
        SupernetError::Altered { .. } => true,
        SupernetError::Weights(WeightsError { fault, .. }) => !matches!(fault, Fault::Io(_)),
        _ => false,
    }
}

impl Checkpoint {
    /// Where the weights of a job stand after its last epoch so far.
    pub(crate) fn latest(dir: &RunDir, job: &str, mask: &Mask) -> Self {
        Self::new(dir, job, mask, None)
    }

    /// Where a job keeps its weights after one epoch, to score networks with them.
    pub(crate) fn kept(dir: &RunDir, job: &str, mask: &Mask, epoch: u64) -> Self {
        Self::new(dir, job, mask, Some(epoch))
    }

    fn new(dir: &RunDir, job: &str, mask: &Mask, epoch: Option<u64>) -> Self {
        let of_epoch = epoch.map_or(String::new(), |epoch| format!("-epoch-{epoch}"));
        let file = dir.path(&format!("checkpoints/{job}{of_epoch}.safetensors"));
        let of = Owner { run: dir.identity.clone(), job: job.to_owned(), mask: mask.clone() };
        Self { file, of, epoch }
    }

    pub(crate) fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Reads the weights, and says after how many epochs; those of any other run, job, mask or epoch are refused.
    pub(crate) fn load(&self, supernet: &mut dyn Supernet) -> Result<u64> {
        let place = self.file.display();
        ensure!(self.exists(), "{place} is not there: `resume` makes it");
        let Note { of, epoch } = read(&self.file, supernet)?;
        let belongs = |to: &str| format!("checkpoint {place} belongs to {to}");
        ensure!(of.run == self.of.run, belongs("another run, such as one of another seed"));
        ensure!(of.job == self.of.job, belongs(&of.job));
        ensure!(of.mask == self.of.mask, belongs("other operations"));
        let is_epoch = self.epoch.is_none_or(|expected| expected == epoch);
        ensure!(is_epoch, belongs(&format!("epoch {epoch}")));
        Ok(epoch)
    }

    /// Writes the weights that a job has after so many epochs.
    pub(crate) fn save(&self, supernet: &dyn Supernet, epoch: u64) -> Result<()> {
        let note = Note { of: self.of.clone(), epoch };
        Ok(supernet.save(&self.file, &serde_json::to_string(&note)?)?)
    }
}

#[cfg(test)]
mod tests {
    use nb201::Nb201Config;
    use space::EdgeId;

    use super::*;
    use crate::config::SpaceConfig;
    use crate::manifest::Manifest;
    use crate::spaces::{self, Compute, Opened, Task};

    #[test]
    fn weights_of_others_are_refused_by_what_they_are_of() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::open(root.path(), "seed = 1", &Manifest::of("seed = 1")).unwrap();
        let sizes = Nb201Config { channels: 2, cells_per_stage: 1, affine: true };
        let task = Task { image_channels: 1, resolution: 8, classes: 2 };
        let compute = Compute::fast(&burn::tensor::Device::flex());
        let config = SpaceConfig::Nb201(sizes);
        let Opened { space, untrained } =
            spaces::open(&config, task, &compute, space::Seed::new(1)).unwrap();
        let mask = space.full_mask();
        let part = mask.split(EdgeId(0), &[vec![0, 1], vec![2, 3, 4]]).unwrap().remove(0);

        let mut supernet = untrained();
        let kept = |job, mask, epoch| Checkpoint::kept(&dir, job, mask, epoch);
        let ours = kept("lid/0/fine-tune", &mask, 3);
        ours.save(supernet.as_ref(), 3).unwrap();
        assert_eq!(ours.load(supernet.as_mut()).unwrap(), 3);

        let mut refused = |other: Checkpoint, expected: &str| {
            if !other.exists() {
                std::fs::create_dir_all(other.file.parent().unwrap()).unwrap();
                std::fs::copy(&ours.file, &other.file).unwrap();
            }
            let error = other.load(supernet.as_mut()).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        };
        refused(kept("lid/0/warm-up", &mask, 3), " belongs to lid/0/fine-tune");
        refused(kept("lid/0/fine-tune", &part, 3), " belongs to other operations");
        refused(kept("lid/0/fine-tune", &mask, 4), " belongs to epoch 3");

        let bytes = std::fs::read(&ours.file).unwrap();
        std::fs::write(&ours.file, &bytes[..bytes.len() - 1]).unwrap();
        let error = ours.load(supernet.as_mut()).unwrap_err().to_string();
        assert!(error.ends_with("where it is removed, its training is done again"), "{error}");
    }
}
