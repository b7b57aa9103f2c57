//! Paths and learning rates: one epoch of training.

use std::f64::consts::PI;
use std::num::NonZeroUsize;

use data::{Batch, Batches, DataError};
use flex_ops::PROFILE;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use space::{Arch, EdgeId, Mask, SearchSpace, Seed, extremes, sample_connected};

use tracing::trace_span;

use crate::{Lesson, StepOptions, Supernet, SupernetError};

/// How the paths of a step are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sampling {
    /// One, uniformly from the connected architectures of the mask.
    Uniform,
    /// One; each edge runs through a fresh permutation of its operations, so that all of them are drawn equally often, but
    /// for the permutations that the end of an epoch cuts off. After FairNAS (Chu et al. 2021), which moves the weights
    /// once for all paths of a permutation; here each path is a step, and one that no `none` leaves alive trains little.
    StrictFair,
    /// One, the costliest of so many that are drawn uniformly: weights of many paths learn slower than
    /// operations without any, and those of large kernels slowest.
    CostliestOf(NonZeroUsize),
    /// One, the deepest of so many that are drawn uniformly, the costliest of those as deep: what a layer
    /// learns depends on those before it, so that deep networks learn slowest.
    DeepestOf(NonZeroUsize),
    /// The costliest, the cheapest and some between (Yu and Huang 2019).
    Sandwich(Sandwich),
}

/// The networks of a step under the sandwich rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sandwich {
    /// Networks beside the costliest and the cheapest, drawn uniformly.
    pub between: usize,
    /// Share of their loss, and of the cheapest's, that is against the answers of the costliest.
    pub distillation: f64,
}

/// The paths of every step of a training.
pub struct Paths<'a> {
    space: &'a dyn SearchSpace,
    mask: &'a Mask,
    sampling: Sampling,
    seed: Seed,
    /// The costliest and the cheapest, if each step trains them.
    ends: Vec<Arch>,
}

impl<'a> Paths<'a> {
    /// Paths under a mask; `seed` is their stream.
    pub fn new(space: &'a dyn SearchSpace, mask: &'a Mask, sampling: Sampling, seed: Seed) -> Self {
        let ends = match sampling {
            Sampling::Sandwich(_) => extremes(space, mask).into_iter().rev().collect(),
            Sampling::Uniform
            | Sampling::StrictFair
            | Sampling::CostliestOf(_)
            | Sampling::DeepestOf(_) => Vec::new(),
        };
        Self { space, mask, sampling, seed, ends }
    }

    /// The paths of one step, each once: a function of the arguments alone. The first teaches the others.
    pub fn of_step(&self, epoch: u64, step: usize) -> Vec<Arch> {
        let seed = self.seed.child(&format!("epoch/{epoch}"));
        let mut rng = seed.child(&format!("step/{step}")).rng();
        match self.sampling {
            Sampling::Uniform => vec![sample_connected(self.space, self.mask, &mut rng)],
            Sampling::StrictFair => vec![strict_fair(self.mask, seed, step)],
            Sampling::CostliestOf(n) => {
                self.greatest_of(n, &mut rng, |arch| self.space.live_cost(arch).macs)
            }
            Sampling::DeepestOf(n) => self.greatest_of(n, &mut rng, |arch| {
                (self.space.live_depth(arch), self.space.live_cost(arch).macs)
            }),
            Sampling::Sandwich(Sandwich { between, .. }) => {
                let drawn = |_| sample_connected(self.space, self.mask, &mut rng);
                let all = self.ends.iter().cloned().chain((0..between).map(drawn));
                all.fold(Vec::new(), |mut paths, arch| {
                    if !paths.contains(&arch) {
                        paths.push(arch);
                    }
                    paths
                })
            }
        }
    }

    /// The architecture of the greatest key among `n` that are drawn uniformly.
    fn greatest_of<K: Ord>(
        &self,
        n: NonZeroUsize,
        rng: &mut ChaCha8Rng,
        key: impl FnMut(&Arch) -> K,
    ) -> Vec<Arch> {
        let drawn = |_| sample_connected(self.space, self.mask, rng);
        (0..n.get()).map(drawn).max_by_key(key).into_iter().collect()
    }

    /// Trains one step and returns its loss in nats.
    ///
    /// # Errors
    ///
    /// If a loss is not finite.
    pub fn train(
        &self,
        supernet: &mut dyn Supernet,
        batch: &Batch,
        (epoch, step): (u64, usize),
        options: &StepOptions,
    ) -> Result<f64, SupernetError> {
        let distillation = match self.sampling {
            Sampling::Sandwich(sandwich) => sandwich.distillation,
            Sampling::Uniform
            | Sampling::StrictFair
            | Sampling::CostliestOf(_)
            | Sampling::DeepestOf(_) => 0.0,
        };
        let lesson = Lesson { distillation, ..Lesson::plain(batch) };
        supernet.train_together(&lesson, &self.of_step(epoch, step), options)
    }
}

fn strict_fair(mask: &Mask, seed: Seed, step: usize) -> Arch {
    let op = |edge: EdgeId| {
        let mut ops = mask.ops(edge).to_vec();
        let (round, turn) = (step / ops.len(), step % ops.len());
        let stream = format!("edge/{}/round/{round}", edge.0);
        ops.shuffle(&mut seed.child(&stream).rng());
        ops[turn]
    };
    Arch::new(mask.edges().map(op).collect())
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
pub enum TrainingError {
    /// In a step.
    #[error("epoch {epoch}, step {step}")]
    Step {
        /// The epoch, from 1.
        epoch: u64,
        /// The step in the epoch, from 1.
        step: usize,
        /// What happened.
        source: SupernetError,
    },
    /// Where a batch was wanted.
    #[error(transparent)]
    Images(#[from] DataError),
}

impl TrainingError {
    /// The path whose numbers were none, if that is what happened.
    pub fn path(&self) -> Option<&Arch> {
        match self {
            Self::Step {
                source: SupernetError::Loss { arch, .. } | SupernetError::Gradient { arch, .. },
                ..
            } => Some(arch),
            _ => None,
        }
    }
}

impl Training<'_> {
    /// The paths of its steps.
    pub fn paths(&self) -> Paths<'_> {
        Paths::new(self.space, self.mask, self.sampling, self.seed.child("paths"))
    }

    /// Trains one epoch and returns the mean loss of its steps in nats.
    ///
    /// The weights afterwards depend on the weights before, the seed and `epoch` alone.
    ///
    /// # Errors
    ///
    /// If a loss is not finite, or there are no images.
    pub fn epoch(
        &self,
        supernet: &mut dyn Supernet,
        epoch: u64,
        mut after_step: impl FnMut(),
    ) -> Result<f64, TrainingError> {
        let (n_steps, paths) = (self.batches.n_steps(), self.paths());
        mean_loss(self.batches, self.seed.child("images"), epoch, |step, batch| {
            let lr = self.schedule.lr(epoch as usize * n_steps + step);
            let options = StepOptions { lr, ..self.options };
            let loss = paths.train(supernet, &batch, (epoch, step), &options);
            after_step();
            let (epoch, step) = (epoch + 1, step + 1);
            loss.map_err(|source| TrainingError::Step { epoch, step, source })
        })
    }
}

/// The mean loss of the steps of an epoch: `step` is given the number of each and its batch, which are
/// prepared ahead of it.
///
/// # Errors
///
/// The first of a step or of a batch.
pub fn mean_loss<E: From<DataError>>(
    batches: &Batches,
    images: Seed,
    epoch: u64,
    mut step: impl FnMut(usize, Batch) -> Result<f64, E>,
) -> Result<f64, E> {
    let n_steps = batches.n_steps();
    first_steps(batches, images, epoch, n_steps, &mut step)
}

/// The same of the first steps alone.
///
/// # Errors
///
/// The first of a step or of a batch.
///
/// # Panics
///
/// If the epoch has fewer steps.
pub fn first_steps<E: From<DataError>>(
    batches: &Batches,
    images: Seed,
    epoch: u64,
    n_steps: usize,
    step: &mut dyn FnMut(usize, Batch) -> Result<f64, E>,
) -> Result<f64, E> {
    let order = batches.epoch(images, epoch);
    let mut ahead = batches.prefetch(order, 0..n_steps, N_AHEAD);
    let mut next = || trace_span!(target: PROFILE, "images").in_scope(|| ahead.next());
    let (mut number, mut total) = (0, 0.0);
    while let Some(batch) = next() {
        total += step(number, batch?)?;
        number += 1;
    }
    Ok(total / n_steps as f64)
}
