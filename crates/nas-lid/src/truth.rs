//! The accuracies that scores are to predict: from a table, or of networks trained by themselves.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use nb201::{Table, TruthSet};
use space::{Accuracy, Arch, Mask, Test};

use crate::config::{AloneConfig, RunConfig, TruthConfig};
use crate::job::Job;
use crate::lab::Lab;
use crate::run_dir::{RunDir, digest};
use crate::shrinking::Shrinking;

/// True test accuracies, to be reported and for nothing else.
pub(crate) enum Truth {
    /// There is no table, or none is wanted.
    Unknown,
    /// Every architecture of NAS-Bench-201 after 200 epochs.
    Table { table: Table, column: TruthSet, sha256: String },
    /// Architectures trained alone, once they are.
    Alone { training: AloneConfig, known: BTreeMap<Arch, Accuracy<Test>> },
}

impl Truth {
    /// What is known before a run.
    pub(crate) fn open(config: &RunConfig, archives: Option<&Path>) -> Result<Self> {
        let column = match config.ranking.truth {
            TruthConfig::TrainedAlone(training) => {
                return Ok(Self::Alone { training, known: BTreeMap::new() });
            }
            TruthConfig::Unknown => return Ok(Self::Unknown),
            TruthConfig::Table(column) => column,
        };
        let file = archives.map(|folder| folder.join(Table::FILE)).filter(|file| file.exists());
        let Some(file) = file else { return Ok(Self::Unknown) };
        let place = || file.display().to_string();
        let table = Table::read(&file).with_context(place)?;
        let sha256 = digest(&std::fs::read(&file).with_context(place)?);
        Ok(Self::Table { table, column, sha256 })
    }

    /// SHA-256 of the table, if there is one.
    pub(crate) fn sha256(&self) -> Option<String> {
        match self {
            Self::Table { sha256, .. } => Some(sha256.clone()),
            Self::Unknown | Self::Alone { .. } => None,
        }
    }

    /// Trains each architecture of the sample by itself, if that is to be the truth, and writes the
    /// accuracies to `truth.csv`.
    pub(crate) fn train_alone(
        &mut self,
        lab: &Lab,
        config: &RunConfig,
        dir: &RunDir,
        sample: &[Arch],
    ) -> Result<()> {
        let Self::Alone { training, known } = self else { return Ok(()) };
        let mut text = String::from("arch,test_accuracy\n");
        for arch in sample {
            let mask = Mask::of(arch);
            let job = Job {
                name: format!("alone/{arch}"),
                mask: &mask,
                shrinking: &Shrinking::NONE,
                epochs: training.epochs,
                first_lr: training.first_lr,
                last_lr: training.last_lr,
                keep: Vec::new(),
            };
            let trained = job.trained(lab, config, dir, lab.untrained().as_ref())?;
            let accuracy = lab.test_accuracy(trained.as_ref(), arch)?;
            text.push_str(&format!("{},{}\n", lab.space.format(arch), accuracy.fraction()));
            known.insert(arch.clone(), accuracy);
        }
        dir.write("truth.csv", text.as_bytes())
    }

    /// The true accuracy of an architecture, if it is known.
    pub(crate) fn accuracy(&self, arch: &Arch) -> Option<Accuracy<Test>> {
        match self {
            Self::Unknown => None,
            Self::Table { table, column, .. } => table.accuracy(*column, arch),
            Self::Alone { known, .. } => known.get(arch).copied(),
        }
    }

    /// What scores are held against, for tables; none if nothing is known.
    pub(crate) fn description(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Table { column, .. } => {
                let column = serde_json::to_value(column).ok();
                let column = column.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
                Some(format!("{column} test accuracy, 200 epochs"))
            }
            Self::Alone { training, .. } => {
                Some(format!("test accuracy, trained alone for {} epochs", training.epochs))
            }
        }
    }
}
