//! What architectures are scored on.

use std::sync::Arc;

use anyhow::{Result, bail};
use burn::tensor::Device;
use data::{Augment, Batch, Batches, Normalization};
use rayon::prelude::*;
use space::{Accuracy, Arch, Seed};
use supernet::{Evaluation, Statistics, Supernet};

use crate::config::{EvaluationConfig, EvaluationStatistics, RunConfig, ScoredResolutions};
use crate::sides::{Side, Sides};

/// The validation images of every late checkpoint at every resolution.
pub(crate) struct Exams {
    /// At each resolution; the first is that of test images, too.
    papers: Vec<Paper>,
    /// Supernets that are examined at the same time.
    at_once: usize,
}

/// Supernets that the processor examines at the same time: where one leaves a core without work, for its
/// operations are small, the other has some. More take more memory.
const ON_PROCESSOR: usize = 2;

/// The name of the stream that chooses batches for statistics.
pub(crate) const RECALIBRATION: &str = "data/recalibration";

/// Images of one resolution.
struct Paper {
    batches: Vec<Batch>,
    /// Batches that one checkpoint is scored on.
    n_each: usize,
    /// Training images that statistics are measured on, if not on the batch itself.
    recalibration: Option<Vec<Batch>>,
}

impl Paper {
    /// Draws validation images, for each of `n_late` checkpoints others as long as there are some, and training images
    /// where statistics are measured on them.
    fn draw(
        train: &Batches,
        valid: &Batches,
        config: &EvaluationConfig,
        n_late: usize,
        seed: Seed,
    ) -> Result<Self> {
        let n_each = config.images / config.batch_size;
        let n_checkpoints = (valid.n_steps() / n_each).clamp(1, n_late);
        let recalibration = match config.statistics {
            EvaluationStatistics::OfBatch => None,
            EvaluationStatistics::Recalibrated => {
                Some(take(train, config.recalibration_batches, seed.child(RECALIBRATION))?)
            }
        };
        let batches = take(valid, n_each * n_checkpoints, seed.child("data/evaluation"))?;
        Ok(Self { batches, n_each, recalibration })
    }

    /// The images of a checkpoint, by its place among the late ones.
    fn of_checkpoint(&self, number: usize) -> &[Batch] {
        let n_checkpoints = self.batches.len() / self.n_each;
        &self.batches[number % n_checkpoints * self.n_each..][..self.n_each]
    }

    fn statistics(&self) -> Statistics<'_> {
        match &self.recalibration {
            Some(batches) => Statistics::Recalibrated(batches),
            None => Statistics::OfBatch,
        }
    }
}

impl Exams {
    /// Draws the images of a run.
    pub(crate) fn draw(
        sides: &Sides,
        normalization: &Normalization,
        config: &RunConfig,
        device: &Device,
    ) -> Result<Self> {
        let (evaluation, seed) = (&config.evaluation, Seed::new(config.seed));
        let n_late = config.training.fine_tune.late_checkpoints as usize;
        let paper = |Side { train, valid, .. }: &Side| {
            let plain = |images: &Arc<_>| {
                let n = evaluation.batch_size;
                Batches::new(Arc::clone(images), normalization, Augment::NONE, n)
            };
            Paper::draw(&plain(train)?, &plain(valid)?, evaluation, n_late, seed)
        };
        let scored = match evaluation.resolutions {
            ScoredResolutions::First => &sides.each()[..1],
            ScoredResolutions::All => sides.each(),
        };
        let papers = scored.iter().map(paper).collect::<Result<_>>()?;
        let at_once = if *device == Device::flex() { ON_PROCESSOR } else { 1 };
        Ok(Self { papers, at_once })
    }

    /// Validation accuracy and loss of an architecture with the weights of each late checkpoint: the mean over the
    /// resolutions.
    pub(crate) fn of(&self, late: &[&dyn Supernet], arch: &Arch) -> Vec<Evaluation> {
        let numbered: Vec<_> = late.iter().enumerate().collect();
        let examine = |&(number, supernet): &(usize, &&dyn Supernet)| {
            let of_paper = |paper: &Paper| {
                supernet.evaluate(arch, paper.of_checkpoint(number), paper.statistics())
            };
            mean(&self.papers.iter().map(of_paper).collect::<Vec<_>>())
        };
        let at_once = |some: &[_]| some.par_iter().map(examine).collect::<Vec<_>>();
        numbered.chunks(self.at_once).flat_map(at_once).collect()
    }

    /// Batches of images that a checkpoint is scored on at a time.
    pub(crate) fn n_batches(&self) -> usize {
        self.papers[0].n_each
    }

    /// Those of batch norm at the first resolution.
    pub(crate) fn statistics(&self) -> Statistics<'_> {
        self.papers[0].statistics()
    }
}

/// The mean accuracy and loss.
pub(crate) fn mean(each: &[Evaluation]) -> Evaluation {
    let n = each.len() as f64;
    let accuracy = each.iter().map(|one| one.accuracy.fraction()).sum::<f64>() / n;
    let loss = each.iter().map(|one| one.loss).sum::<f64>() / n;
    Evaluation { accuracy: Accuracy::from_fraction(accuracy.min(1.0)), loss }
}

/// The first `n` batches of a shuffle.
pub(crate) fn take(batches: &Batches, n: usize, seed: Seed) -> Result<Vec<Batch>> {
    if batches.n_steps() < n {
        let (have, size) = (batches.images().len(), batches.batch_size());
        bail!("{n} batches of {size} images are wanted, but there are {have} images");
    }
    let order = batches.epoch(seed, 0);
    Ok((0..n).map(|step| batches.batch(&order, step)).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels of the images that each of five checkpoints is scored on, two batches of one image each.
    fn seen(n_images: i32) -> Vec<Vec<i32>> {
        let batch = |label| Batch { images: vec![0.0], labels: vec![label], shape: [1, 1, 1, 1] };
        let batches = (0..n_images).map(batch).collect();
        let paper = Paper { batches, n_each: 2, recalibration: None };
        let labels = |number| {
            paper.of_checkpoint(number).iter().map(|batch: &Batch| batch.labels[0]).collect()
        };
        (0..5).map(labels).collect()
    }

    #[test]
    fn checkpoints_see_other_images_as_long_as_there_are_some() {
        assert_eq!(seen(10), [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]);
        assert_eq!(seen(4), [[0, 1], [2, 3], [0, 1], [2, 3], [0, 1]]);
        assert_eq!(seen(2), [[0, 1]; 5]);
    }

    #[test]
    fn a_mean_of_equal_accuracies_is_none_above_one() {
        let perfect = Evaluation { accuracy: Accuracy::from_fraction(1.0), loss: 0.1 };
        let mean = mean(&[perfect; 3]);
        assert_eq!(mean.accuracy, perfect.accuracy);
        assert!((mean.loss - 0.1).abs() < 1e-12);
    }
}
