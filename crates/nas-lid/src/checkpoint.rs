//! The weights of a training after one of its epochs, and whose they are.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use space::Mask;
use supernet::{Supernet, SupernetError};
use weights::{Fault, WeightsError};

use crate::run_dir::RunDir;

/// A file of weights, there or not yet.
pub(crate) struct Checkpoint {
    pub(crate) file: PathBuf,
    of: Origin,
    /// The only epoch whose weights may lie there.
    epoch: Option<u64>,
}

/// The training of whose weights a checkpoint is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    /// What tells the run from all others.
    run: String,
    job: String,
    mask: Mask,
}

/// What stands in a checkpoint beside its weights.
#[derive(Serialize, Deserialize)]
struct Note {
    of: Origin,
    epoch: u64,
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
    pub(crate) fn latest(dir: &RunDir, job: &str, mask: &Mask) -> Result<Self> {
        Self::new(dir, job, mask, None)
    }

    /// Where a job keeps its weights after one epoch, to score networks with them.
    pub(crate) fn kept(dir: &RunDir, job: &str, mask: &Mask, epoch: u64) -> Result<Self> {
        Self::new(dir, job, mask, Some(epoch))
    }

    fn new(dir: &RunDir, job: &str, mask: &Mask, epoch: Option<u64>) -> Result<Self> {
        let of_epoch = epoch.map_or(String::new(), |epoch| format!("-epoch-{epoch}"));
        let file = dir.path(&format!("checkpoints/{job}{of_epoch}.safetensors"));
        let of = Origin { run: dir.identity()?, job: job.to_owned(), mask: mask.clone() };
        Ok(Self { file, of, epoch })
    }

    pub(crate) fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Reads the weights, and says after how many epochs; those of any other run, job, mask or epoch are refused.
    pub(crate) fn load(&self, supernet: &mut dyn Supernet) -> Result<u64> {
        let place = self.file.display();
        ensure!(self.exists(), "{place} is not there: {} has not come so far", self.of.job);
        let note = match supernet.load(&self.file) {
            Err(error) if is_damage(&error) => {
                let error = anyhow::Error::new(error);
                bail!("{error:#}; where it is removed, `resume` does its training again")
            }
            note => note?,
        };
        let Note { of, epoch } = serde_json::from_str(&note)
            .with_context(|| format!("checkpoint {place} has no note of this program"))?;
        ensure!(
            of.run == self.of.run,
            "checkpoint {place} belongs to another run, such as one of another seed"
        );
        if of != self.of || self.epoch.is_some_and(|expected| expected != epoch) {
            bail!("checkpoint {place} belongs to {} at epoch {epoch}", of.job);
        }
        Ok(epoch)
    }

    /// Writes the weights that a job has after so many epochs.
    pub(crate) fn save(&self, supernet: &dyn Supernet, epoch: u64) -> Result<()> {
        let note = Note { of: self.of.clone(), epoch };
        Ok(supernet.save(&self.file, &serde_json::to_string(&note)?)?)
    }
}
