//! What architectures are scored on.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use data::{Augment, Batch, Batches, Normalization};
use rayon::prelude::*;
use space::{Accuracy, Arch, Seed};
use supernet::{Evaluation, Statistics, Supernet};

use crate::config::{EvaluationConfig, EvaluationStatistics, Key, RunConfig, ScoredResolutions};
use crate::device;
use crate::scales::{Scale, Scales};

/// The validation images of every late checkpoint.
pub(crate) struct Exams {
    /// At each resolution that is scored; the first is that of test images, too.
    exams: Vec<Exam>,
    /// Supernets that are examined at the same time.
    at_once: usize,
}

/// Supernets that the processor examines at the same time: where one leaves a core without work, for its
/// operations are small, the other has some. More take more memory.
const ON_PROCESSOR: usize = 2;

/// Most memory for validation images.
const MOST_BYTES: u64 = 16 << 30;

/// The name of the stream that chooses batches for statistics.
pub(crate) const RECALIBRATION: &str = "data/recalibration";

/// Images of one resolution.
struct Exam {
    batches: Vec<Batch>,
    /// Batches that one checkpoint is scored on.
    n_each: usize,
    /// Training images that statistics are measured on, if not on the batch itself.
    recalibration: Option<Vec<Batch>>,
}

impl Exam {
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
                let n = config.recalibration_batches;
                check_enough(train, n).context(Key("evaluation.recalibration-batches"))?;
                Some(take(train, n, seed.child(RECALIBRATION))?)
            }
        };
        let batches = take(valid, n_each * n_checkpoints, seed.child("data/evaluation"))?;
        Ok(Self { batches, n_each, recalibration })
    }

    /// The images of a checkpoint, by how many late ones come after it.
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
        scales: &Scales,
        normalization: &Normalization,
        config: &RunConfig,
        device: &Device,
    ) -> Result<Self> {
        let (evaluation, seed) = (&config.evaluation, Seed::new(config.seed));
        let n_late = config.training.fine_tune.late_checkpoints as usize;
        let exam = |Scale { train, valid, .. }: &Scale| {
            let plain = |images: &Arc<_>| {
                let n = evaluation.batch_size;
                Batches::new(Arc::clone(images), normalization, Augment::NONE, n)
            };
            Exam::draw(&plain(train)?, &plain(valid)?, evaluation, n_late, seed)
        };
        let scored = match evaluation.scored_resolutions {
            ScoredResolutions::First => &scales.each()[..1],
            ScoredResolutions::All => scales.each(),
        };
        check_size(scored, evaluation.images * n_late, MOST_BYTES)?;
        let exams = scored.iter().map(exam).collect::<Result<_>>()?;
        let at_once = if device::is_card(device) { 1 } else { ON_PROCESSOR };
        Ok(Self { exams, at_once })
    }

    /// Validation accuracy and loss of an architecture with the weights of each late checkpoint, the last one last: the
    /// mean over the resolutions.
    pub(crate) fn of(&self, late: &[&dyn Supernet], arch: &Arch) -> Vec<Evaluation> {
        // From the end: trainings of other lengths see the same images as near to theirs.
        let numbered: Vec<_> = (0..late.len()).rev().zip(late).collect();
        let examine = |&(number, supernet): &(usize, &&dyn Supernet)| {
            let at_resolution = |exam: &Exam| {
                supernet.evaluate(arch, exam.of_checkpoint(number), exam.statistics())
            };
            mean(&self.exams.iter().map(at_resolution).collect::<Vec<_>>())
        };
        let at_once = |some: &[_]| some.par_iter().map(examine).collect::<Vec<_>>();
        numbered.chunks(self.at_once).flat_map(at_once).collect()
    }

    /// Batches of images that a checkpoint is scored on at a time.
    pub(crate) fn n_batches(&self) -> usize {
        self.exams[0].n_each
    }

    /// Those of batch norm at the first resolution.
    pub(crate) fn statistics(&self) -> Statistics<'_> {
        self.exams[0].statistics()
    }
}

/// Whether so many images of each scale fit into memory.
fn check_size(scales: &[Scale], n_images: usize, most_bytes: u64) -> Result<()> {
    let bytes = |Scale { valid, .. }: &Scale| {
        let n_numbers = valid.shape().iter().product::<usize>() * n_images.min(valid.len());
        (n_numbers * size_of::<f32>()) as u64
    };
    let bytes = scales.iter().map(bytes).sum::<u64>();
    ensure!(
        bytes <= most_bytes,
        Key("evaluation.images").fault(format!(
            "those of all late checkpoints at all scored resolutions take {} MiB of memory, but may take {}",
            bytes.div_ceil(1 << 20),
            most_bytes >> 20
        ))
    );
    Ok(())
}

/// The mean accuracy and loss.
pub(crate) fn mean(each: &[Evaluation]) -> Evaluation {
    let n = each.len() as f64;
    let accuracy = each.iter().map(|one| one.accuracy.fraction()).sum::<f64>() / n;
    let loss = each.iter().map(|one| one.loss).sum::<f64>() / n;
    Evaluation { accuracy: Accuracy::from_fraction(accuracy.min(1.0)), loss }
}

/// Refuses the loss of a network whose training has left the numbers.
pub(crate) fn check_finite(loss: f64, name: impl Fn() -> String) -> Result<()> {
    ensure!(loss.is_finite(), "the loss of {} is {loss}: its training has diverged", name());
    Ok(())
}

/// Whether there are so many batches.
pub(crate) fn check_enough(batches: &Batches, n: usize) -> Result<()> {
    let (there, size) = (batches.n_steps(), batches.batch_size());
    ensure!(n <= there, "{n} batches of {size} images are wanted, but there are {there}");
    Ok(())
}

/// The first `n` batches of a shuffle.
pub(crate) fn take(batches: &Batches, n: usize, seed: Seed) -> Result<Vec<Batch>> {
    check_enough(batches, n)?;
    let order = batches.epoch(seed, 0);
    Ok((0..n).map(|step| batches.batch(&order, step)).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use data::{Gallery, Images};
    use rand::RngExt;
    use space::OpId;

    use super::*;
    use crate::config::Plan;
    use crate::spaces::{self, Compute, Task};

    fn config(scored: &str) -> RunConfig {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/nb201-smoke.toml");
        let scored = format!("evaluation.scored-resolutions={scored}");
        let sizes = ["evaluation.batch-size=4", "evaluation.images=4", "data.valid-images=8"];
        let overrides: Vec<String> = sizes.into_iter().map(str::to_owned).chain([scored]).collect();
        Plan::read(&file, &overrides).expect("the values fit together").config
    }

    /// 20 images of 8 × 8 pixels, 8 of them to validate on, and the same of 4 × 4.
    fn scales() -> Scales {
        let (pixels, labels) = ((0..64 * 20).map(|p| (p % 256) as u8), (0..20).map(|i| i % 10));
        let images: Gallery = Images::new([1, 8, 8], pixels.collect(), labels.collect()).into();
        Scales::of(&config("all").data, &images, Seed::new(1)).expect("there are enough")
    }

    /// Height of the images at each resolution that is scored, and the labels of their first batches.
    fn drawn(scored: &str) -> Vec<(usize, Vec<i32>)> {
        let normalization = Normalization { mean: vec![0.5], std: vec![0.2] };
        let exams = Exams::draw(&scales(), &normalization, &config(scored), &Device::flex());
        let first = |exam: &Exam| (exam.batches[0].shape[2], exam.batches[0].labels.clone());
        exams.expect("there are enough").exams.iter().map(first).collect()
    }

    #[test]
    fn exams_beyond_memory_are_refused() {
        // 8 images of 64 and of 16 numbers of 4 bytes, however many are asked for.
        let (scales, bytes) = (scales(), 8 * (64 + 16) * 4);
        assert!(check_size(scales.each(), 100, bytes).is_ok());
        let refused = format!("{:#}", check_size(scales.each(), 100, bytes - 1).unwrap_err());
        assert!(refused.starts_with("`evaluation.images`: "), "{refused}");
    }

    #[test]
    fn the_same_images_are_seen_at_every_resolution_that_is_scored() {
        let (heights, labels): (Vec<usize>, Vec<_>) = drawn("all").into_iter().unzip();
        assert_eq!(heights, [8, 4]);
        assert_eq!(labels[0], labels[1]);
        assert_eq!(drawn("first"), [(8, labels[0].clone())]);
    }

    /// Labels of the images that each of five checkpoints is scored on, two batches of one image each.
    fn seen(n_images: i32) -> Vec<Vec<i32>> {
        let batch = |label| Batch { images: vec![0.0], labels: vec![label], shape: [1, 1, 1, 1] };
        let batches = (0..n_images).map(batch).collect();
        let exam = Exam { batches, n_each: 2, recalibration: None };
        let labels = |number| {
            exam.of_checkpoint(number).iter().map(|batch: &Batch| batch.labels[0]).collect()
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
    fn each_checkpoint_is_scored_on_its_own_images() {
        let config = config("first");
        let task = Task { image_channels: 1, resolution: 8, classes: 10 };
        let compute = Compute::fast(&Device::flex());
        let late = [1, 2, 3].map(|seed| {
            (spaces::open(&config.space, task, &compute, Seed::new(seed)).unwrap().untrained)()
        });
        let noise = |seed| {
            let mut rng = Seed::new(seed).rng();
            let images = (0..20 * 64).map(|_| rng.random()).collect();
            Batch { images, labels: (0..20).map(|i| i % 10).collect(), shape: [20, 1, 8, 8] }
        };
        let exam = Exam { batches: [4, 5, 6].map(noise).into(), n_each: 1, recalibration: None };
        let arch = Arch::new([2, 3, 2, 4, 3, 1].map(OpId).into());
        // The last checkpoint takes the first images.
        let alone: Vec<Evaluation> = late
            .iter()
            .zip(exam.batches.chunks_exact(1).rev())
            .map(|(supernet, batch)| supernet.evaluate(&arch, batch, Statistics::OfBatch))
            .collect();
        let exams = Exams { exams: vec![exam], at_once: 2 };
        assert_eq!(exams.of(&late.each_ref().map(Box::as_ref), &arch), alone);
        assert_ne!(alone[0].loss.to_bits(), alone[1].loss.to_bits());
    }

    #[test]
    fn a_mean_of_equal_accuracies_is_none_above_one() {
        let perfect = Evaluation { accuracy: Accuracy::from_fraction(1.0), loss: 0.1 };
        let mean = mean(&[perfect; 3]);
        assert_eq!(mean.accuracy, perfect.accuracy);
        assert!((mean.loss - 0.1).abs() < 1e-12);
    }
}
