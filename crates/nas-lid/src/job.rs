//! One training: from some weights, under one mask, for some epochs, resumable after each.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Error, Result};
use data::Batch;
use space::{Mask, sample_connected};
use supernet::{
    Lookahead, Optimizer, Schedule, StepOptions, Supernet, Training, TrainingError, first_steps,
};

use crate::checkpoint::Checkpoint;
use crate::config::RunConfig;
use crate::device;
use crate::lab::Lab;
use crate::progress::Progress;
use crate::run_dir::{Metric, RunDir};
use crate::shrinking::Shrinking;
use crate::time_shares::TimeShares;

/// A training to be done.
pub(crate) struct Job<'a> {
    /// Method, node and phase, such as `lid/0.1/fine-tune`: the name of its random streams.
    pub(crate) name: String,
    pub(crate) mask: &'a Mask,
    /// Which part of the mask is trained until when.
    pub(crate) shrinking: &'a Shrinking,
    pub(crate) epochs: u64,
    pub(crate) first_lr: f64,
    pub(crate) last_lr: f64,
    /// Epochs after which the weights are kept for scoring.
    pub(crate) keep: Vec<u64>,
}

/// What a dry run measures.
pub(crate) struct Measured {
    pub(crate) step_seconds: f64,
    /// Of the training steps.
    pub(crate) shares: TimeShares,
    /// Of one checkpoint.
    pub(crate) score_seconds: f64,
}

/// How long a dry run trains and scores at most, unless a few steps take longer, once a card has made its code.
const MEASURED_SECONDS: f64 = 2.0;

/// Steps and scores in which a card meets most operations at most sizes, and makes code for them.
const STEPS_OF_ALL_KINDS: usize = 60;
const SCORES_OF_ALL_KINDS: usize = 12;

impl Job<'_> {
    /// Trains from the weights of `start`, or from where this job stopped before.
    pub(crate) fn run(
        &self,
        lab: &Lab,
        config: &RunConfig,
        dir: &RunDir,
        start: &dyn Supernet,
    ) -> Result<()> {
        self.trained(lab, config, dir, start).map(drop)
    }

    /// The same, and the weights after the last epoch.
    pub(crate) fn trained(
        &self,
        lab: &Lab,
        config: &RunConfig,
        dir: &RunDir,
        start: &dyn Supernet,
    ) -> Result<Box<dyn Supernet>> {
        let latest = Checkpoint::latest(dir, &self.name, self.mask);
        let mut supernet = start.fork();
        let mut epoch = 0;
        if latest.exists() {
            epoch = latest.load(supernet.as_mut())?;
            if let Some(lost) = self.lost(dir, epoch) {
                tracing::warn!("{} is gone: {} is trained again", lost.display(), self.name);
                (supernet, epoch) = (start.fork(), 0);
            }
        }
        if epoch == self.epochs {
            if !latest.exists() {
                latest.save(supernet.as_ref(), epoch)?;
            }
            return Ok(supernet);
        }
        let n_steps = lab.training.n_steps() as u64;
        let mut progress = Progress::new(&self.name, epoch * n_steps, self.epochs * n_steps);
        while epoch < self.epochs {
            let clock = Instant::now();
            let mask = self.shrinking.of_epoch(epoch, self.epochs, self.mask);
            let loss = self
                .training(lab, config, mask)
                .epoch(supernet.as_mut(), epoch, || progress.step())
                .map_err(|error| self.failure(lab, error))?;
            epoch += 1;
            if self.keep.contains(&epoch) {
                self.kept(dir, epoch).save(supernet.as_ref(), epoch)?;
            }
            let seconds = clock.elapsed().as_secs_f64();
            tracing::debug!(job = self.name, epoch, loss, seconds, "epoch");
            dir.add_metric(Metric { job: self.name.clone(), epoch, loss, seconds })?;
            lab.keep_unreadable(dir)?;
            latest.save(supernet.as_ref(), epoch)?;
        }
        Ok(supernet)
    }

    /// Why the training stopped, and on which path.
    fn failure(&self, lab: &Lab, error: TrainingError) -> Error {
        let path = error.path().map(|arch| format!(" on {}", lab.space.format(arch)));
        let place = format!("training {} stopped{}", self.name, path.unwrap_or_default());
        Error::new(error).context(place)
    }

    /// A file that this job has kept by an epoch, and that is not there.
    fn lost(&self, dir: &RunDir, by: u64) -> Option<PathBuf> {
        let due = self.keep.iter().filter(|&&epoch| epoch <= by);
        due.map(|&epoch| self.kept(dir, epoch).file).find(|file| !file.exists())
    }

    fn kept(&self, dir: &RunDir, epoch: u64) -> Checkpoint {
        Checkpoint::kept(dir, &self.name, self.mask, epoch)
    }

    /// How long a training step and scoring an architecture take, by doing a few of each.
    pub(crate) fn measure(
        lab: &Lab,
        config: &RunConfig,
        supernet: &mut dyn Supernet,
        mask: &Mask,
    ) -> Result<Measured> {
        let lr = config.training.warm_up.first_lr;
        let name = "dry-run".to_owned();
        let shrinking = &Shrinking::NONE;
        let keep = Vec::new();
        let job = Job { name, mask, shrinking, epochs: 1, first_lr: lr, last_lr: lr, keep };
        let training = job.training(lab, config, mask);
        let paths = training.paths();
        let mut step = |step, batch: Batch| {
            Ok::<_, Error>(paths.train(supernet, &batch, (0, step), &training.options)?)
        };
        let mut steps = |n| {
            let steps = || first_steps(&lab.training, training.seed, 0, n, &mut step);
            let (loss, shares) = TimeShares::of(steps);
            loss.map(|_| shares)
        };
        let n_steps = lab.training.n_steps();
        if device::is_card(&lab.device) {
            steps(n_steps.min(STEPS_OF_ALL_KINDS))?;
        }
        // The first also start threads and fill the allocator; they say how many more are quick.
        let n_first = n_steps.min(2);
        let first = steps(n_first)?.seconds() / n_first as f64;
        let n = ((MEASURED_SECONDS / first) as usize).clamp(4, 200).min(n_steps);
        if 1 < config.data.resolutions.len() {
            // The same steps: none that counts is the first of its resolution.
            steps(n)?;
        }
        let shares = steps(n)?;
        let step_seconds = shares.seconds() / n as f64;
        let score_seconds = score_seconds(lab, config, supernet, mask);
        Ok(Measured { step_seconds, shares, score_seconds })
    }

    fn training<'a>(&'a self, lab: &'a Lab, config: &RunConfig, mask: &'a Mask) -> Training<'a> {
        let t = &config.training;
        let max_norm = t.max_gradient_norm;
        let lookahead = if t.nesterov { Lookahead::Nesterov } else { Lookahead::None };
        Training {
            space: lab.space.as_ref(),
            mask,
            batches: &lab.training,
            sampling: t.sampling,
            schedule: Schedule {
                first: self.first_lr,
                last: self.last_lr,
                n_steps: self.epochs as usize * lab.training.n_steps(),
            },
            options: StepOptions {
                lr: self.first_lr,
                optimizer: Optimizer::Sgd { momentum: t.momentum, lookahead },
                weight_decay: t.weight_decay,
                max_gradient_norm: (0.0 < max_norm).then_some(max_norm),
                label_smoothing: t.label_smoothing,
                averaging: None,
            },
            seed: lab.seed.child(&self.name),
        }
    }
}

/// How long it takes to score an architecture on one checkpoint.
fn score_seconds(lab: &Lab, config: &RunConfig, supernet: &dyn Supernet, mask: &Mask) -> f64 {
    let mut rng = lab.seed.child("dry-run/scores").rng();
    let n_late = config.training.fine_tune.late_checkpoints as usize;
    let late = vec![supernet; n_late];
    let mut scores = |n_archs| {
        let clock = Instant::now();
        for _ in 0..n_archs {
            lab.exams.of(&late, &sample_connected(lab.space.as_ref(), mask, &mut rng));
        }
        clock.elapsed().as_secs_f64() / (n_archs * n_late) as f64
    };
    if device::is_card(&lab.device) {
        scores(SCORES_OF_ALL_KINDS);
    }
    let first = scores(1);
    if MEASURED_SECONDS < first * n_late as f64 {
        return first;
    }
    let n = ((MEASURED_SECONDS / first) as usize).clamp(4, 200);
    scores(n.div_ceil(n_late))
}
