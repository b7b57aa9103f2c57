//! The accuracies that scores are to predict: from a table, or of networks trained by themselves.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use nb201::{Table, TruthSet};
use space::{Accuracy, Arch, Mask, Test};

use crate::config::{RunConfig, TruthConfig};
use crate::job::Job;
use crate::lab::Lab;
use crate::run_dir::RunDir;

/// The table of true accuracies, as people download it.
const TABLE: &str = "nb201-test-accuracy-200ep.csv";

/// True test accuracies, to be reported and for nothing else.
pub(crate) enum Truth {
    /// There is no table.
    Unknown,
    /// Every architecture of NAS-Bench-201 after 200 epochs.
    Table { table: Table, column: TruthSet },
    /// Architectures trained alone, once they are.
    Alone(BTreeMap<Arch, Accuracy<Test>>),
}

impl Truth {
    /// What is known before a run.
    pub(crate) fn open(config: &RunConfig, archives: Option<&Path>) -> Result<Self> {
        let column = match config.ranking.truth {
            TruthConfig::TrainedAlone(_) => return Ok(Self::Alone(BTreeMap::new())),
            TruthConfig::Table(column) => column,
        };
        let file = archives.map(|folder| folder.join(TABLE)).filter(|file| file.exists());
        let Some(file) = file else { return Ok(Self::Unknown) };
        let table = Table::read(&file).with_context(|| file.display().to_string())?;
        Ok(Self::Table { table, column })
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
        let (Self::Alone(known), TruthConfig::TrainedAlone(training)) =
            (self, config.ranking.truth)
        else {
            return Ok(());
        };
        let mut text = String::from("arch,test_accuracy\n");
        for arch in sample {
            let mask = Mask::of(arch);
            let job = Job {
                name: format!("alone/{arch}"),
                mask: &mask,
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
            Self::Table { table, column } => table.accuracy(*column, arch),
            Self::Alone(known) => known.get(arch).copied(),
        }
    }

    /// What scores are held against, for tables; none if nothing is known.
    pub(crate) fn description(&self, config: &RunConfig) -> Option<String> {
        match (self, config.ranking.truth) {
            (Self::Table { column, .. }, _) => {
                let column = serde_json::to_value(column).ok();
                let column = column.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
                Some(format!("{column} test accuracy, 200 epochs"))
            }
            (Self::Alone(_), TruthConfig::TrainedAlone(training)) => {
                Some(format!("test accuracy, trained alone for {} epochs", training.epochs))
            }
            (Self::Unknown | Self::Alone(_), _) => None,
        }
    }
}
