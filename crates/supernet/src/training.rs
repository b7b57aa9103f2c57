//! Paths and learning rates: one epoch of single-path training.

use std::f64::consts::PI;

use data::Batches;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use space::{Arch, Mask, SearchSpace, Seed, sample_connected};

use crate::{StepOptions, Supernet, SupernetError};

/// How the path of a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Uniformly from the connected architectures of the mask.
    Uniform,
    /// Each edge runs through a fresh permutation of its operations, so that all of them are
    /// trained equally often (FairNAS, Chu et al. 2021).
    StrictFair,
}

impl Sampling {
    /// The path of one step: a function of the arguments alone.
    pub fn path(
        self,
        space: &dyn SearchSpace,
        mask: &Mask,
        seed: Seed,
        epoch: u64,
        step: usize,
    ) -> Arch {
        let seed = seed.child(&format!("epoch/{epoch}"));
        match self {
            Self::Uniform => {
                sample_connected(space, mask, &mut seed.child(&format!("step/{step}")).rng())
            }
            Self::StrictFair => Arch::new(
                mask.edges()
                    .map(|edge| {
                        let mut ops = mask.ops(edge).to_vec();
                        let (round, turn) = (step / ops.len(), step % ops.len());
                        let stream = format!("edge/{}/round/{round}", edge.0);
                        ops.shuffle(&mut seed.child(&stream).rng());
                        ops[turn]
                    })
                    .collect(),
            ),
        }
    }
}

/// A learning rate that falls along half a cosine from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Learning rate of the first step.
    pub first: f64,
    /// Learning rate that the last step approaches.
    pub last: f64,
    /// Steps of the whole training.
    pub n_steps: usize,
}

impl Schedule {
    /// The learning rate of a step.
    pub fn lr(&self, step: usize) -> f64 {
        let progress = step as f64 / self.n_steps as f64;
        self.last + (self.first - self.last) * (1.0 + (PI * progress).cos()) / 2.0
    }
}

/// Batches that are prepared ahead of the trainer.
const N_AHEAD: usize = 4;

/// What an epoch is trained with.
pub struct Training<'a> {
    /// The space, for connectedness.
    pub space: &'a dyn SearchSpace,
    /// The paths to train.
    pub mask: &'a Mask,
    /// The images.
    pub batches: &'a Batches,
    /// How paths are drawn.
    pub sampling: Sampling,
    /// The learning rate over all epochs.
    pub schedule: Schedule,
    /// The rest of each step; its learning rate is replaced by the schedule's.
    pub options: StepOptions,
    /// The stream of paths, order and augmentation.
    pub seed: Seed,
}

/// Where a training stopped.
#[derive(Debug, thiserror::Error)]
#[error("epoch {epoch}, step {step}")]
pub struct TrainingError {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The step in the epoch, from 0.
    pub step: usize,
    /// What happened.
    pub source: SupernetError,
}

impl Training<'_> {
    /// Trains one epoch and returns the mean loss of its steps in nats.
    ///
    /// The weights afterwards depend on the weights before, the seed and `epoch` alone.
    ///
    /// # Errors
    ///
    /// If a loss is not finite.
    pub fn epoch(
        &self,
        supernet: &mut dyn Supernet,
        epoch: u64,
        mut after_step: impl FnMut(),
    ) -> Result<f64, TrainingError> {
        let n_steps = self.batches.n_steps();
        let order = self.batches.epoch(self.seed.child("images"), epoch);
        let mut total = 0.0;
        for (step, batch) in self.batches.prefetch(order, 0..n_steps, N_AHEAD).enumerate() {
            let arch =
                self.sampling.path(self.space, self.mask, self.seed.child("paths"), epoch, step);
            let lr = self.schedule.lr(epoch as usize * n_steps + step);
            let options = StepOptions { lr, ..self.options };
            total += supernet
                .train_step(&batch, &arch, &options)
                .map_err(|source| TrainingError { epoch, step, source })?;
            after_step();
        }
        Ok(total / n_steps as f64)
    }
}
