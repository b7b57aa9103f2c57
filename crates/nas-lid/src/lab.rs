//! Where space, images and device meet: everything the stages of a run work with.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::tensor::Device;
use data::{Augment, Batch, Batches, Dataset, Gallery, Normalization};
use space::{Accuracy, Arch, LatencyTable, SearchSpace, Seed, Test};
use supernet::Supernet;
use weights::Weights;

use crate::cache;
use crate::config::{Key, RunConfig, TruthConfig};
use crate::exams::{Exams, RECALIBRATION, check_enough, check_finite, take};
use crate::inputs::Inputs;
use crate::run_dir::RunDir;
use crate::scales::{Scale, Scales};
use crate::shrinking::Shrinking;
use crate::spaces::{self, Compute, Opened, Task};

/// Space, images, and the way to make a supernet of untrained weights.
pub(crate) struct Lab {
    pub(crate) space: Box<dyn SearchSpace>,
    pub(crate) seed: Seed,
    pub(crate) dataset: String,
    pub(crate) data_digest: String,
    pub(crate) training: Batches,
    pub(crate) probes: Vec<Batch>,
    pub(crate) normalization: Normalization,
    /// Which part of the space the first warm-up trains until when.
    pub(crate) shrinking: Shrinking,
    /// How long networks take, if that is known.
    pub(crate) latency: Option<LatencyTable>,
    /// SHA-256 of the other files that the configuration names.
    pub(crate) inputs_digest: String,
    /// What architectures are scored on.
    pub(crate) exams: Exams,
    /// Where networks are trained and scored.
    pub(crate) device: Device,
    /// Training images as they are.
    plain: Batches,
    /// Batches of these that statistics are taken of.
    n_recalibration: usize,
    /// Where networks trained alone are the truth.
    test: Option<Batches>,
    untrained: Box<dyn Fn() -> Box<dyn Supernet>>,
    published: Option<Weights>,
}

impl Lab {
    /// Loads the images and prepares the space of a run.
    pub(crate) fn open(
        config: &RunConfig,
        archives: Option<&Path>,
        device: &Device,
    ) -> Result<Self> {
        Self::of(config, &dataset(config, archives)?, device)
    }

    /// Prepares the space of a run whose images are loaded.
    pub(crate) fn of(config: &RunConfig, dataset: &Dataset, device: &Device) -> Result<Self> {
        let seed = Seed::new(config.seed);
        let scales = Scales::of(&config.data, &dataset.train, seed)?;
        for Scale { resolution, .. } in scales.each() {
            spaces::check_resolution(&config.space, *resolution)
                .context(Key("data.resolutions"))?;
        }
        let norm = scales.normalization(&config.data.normalization)?;
        let Scale { resolution, train, .. } = scales.first();
        let (resolution, image_channels) = (*resolution, train.shape()[0]);
        let task = Task { image_channels, resolution, classes: dataset.classes.len() };
        let RunConfig { kernels, kept, .. } = *config;
        let compute = Compute { device: device.clone(), kernels, kept };
        let Opened { space, untrained } =
            spaces::open(&config.space, task, &compute, seed.child("weights"))?;

        let (t, e) = (&config.training, &config.evaluation);
        let training = Batches::new(train.clone(), &norm, config.data.augment, t.batch_size)
            .context(Key("training.batch-size"))?
            .or_at(scales.train_at_others(&config.data));
        let plain =
            |images: &Arc<Gallery>, size| Batches::new(images.clone(), &norm, Augment::NONE, size);
        let plain_train = plain(train, e.batch_size).context(Key("evaluation.batch-size"))?;
        let probes =
            plain(train, config.split.probe_batch_size).context(Key("split.probe-batch-size"))?;
        check_enough(&probes, config.split.probe_batches).context(Key("split.probe-batches"))?;
        let test = match config.ranking.truth {
            TruthConfig::Unknown | TruthConfig::Table(_) => None,
            TruthConfig::TrainedAlone(_) => {
                let test = Arc::new(dataset.test.at(resolution)?);
                Some(plain(&test, dividing(test.len(), e.batch_size))?)
            }
        };
        let Inputs { published, latency, sha256: inputs_digest } =
            Inputs::read(config, space.as_ref())?;
        let shrinking = Shrinking::new(&t.warm_up.shrinking, space.as_ref())
            .context(Key("training.warm-up.shrinking"))?;
        Ok(Self {
            space,
            seed,
            dataset: dataset.name.clone(),
            data_digest: dataset.digest.clone(),
            training,
            probes: take(&probes, config.split.probe_batches, seed.child("data/probes"))?,
            exams: Exams::draw(&scales, &norm, config, device)?,
            device: device.clone(),
            normalization: norm,
            shrinking,
            latency,
            inputs_digest,
            plain: plain_train,
            n_recalibration: e.recalibration_batches,
            test,
            untrained,
            published,
        })
    }

    /// A supernet with weights that are drawn; the same every time.
    pub(crate) fn untrained(&self) -> Box<dyn Supernet> {
        (self.untrained)()
    }

    /// The supernet that a run starts from.
    pub(crate) fn first(&self) -> Result<Box<dyn Supernet>> {
        let mut supernet = self.untrained();
        if let Some(published) = &self.published {
            let imported = supernet.import(published).context(Key("training.first-weights"))?;
            tracing::info!("published weights: {imported}");
        }
        Ok(supernet)
    }

    /// Whether what a run finds can be exported.
    pub(crate) fn check_statistics_batches(&self) -> Result<()> {
        check_enough(&self.plain, self.n_recalibration)
            .context(Key("evaluation.recalibration-batches"))
    }

    /// Training images that the statistics of batch norm are taken of, to be kept with weights.
    pub(crate) fn statistics_batches(&self) -> Result<Vec<Batch>> {
        take(&self.plain, self.n_recalibration, self.seed.child(RECALIBRATION))
    }

    /// Accuracy on all whole batches of test images, to be reported.
    pub(crate) fn test_accuracy(
        &self,
        supernet: &dyn Supernet,
        arch: &Arch,
    ) -> Result<Accuracy<Test>> {
        let test = self.test.as_ref().context("test images are for networks trained alone")?;
        let order = test.epoch(self.seed.child("data/test"), 0);
        let steps: Vec<usize> = (0..test.n_steps()).collect();
        let (mut n_right, mut n_images) = (0.0, 0);
        // As many at once as validation images.
        for steps in steps.chunks(self.exams.n_batches()) {
            let batches = steps.iter().map(|&step| test.batch(&order, step));
            let batches: Vec<Batch> = batches.collect::<Result<_, _>>()?;
            // Not all of one size where pictures are unreadable.
            let n: usize = batches.iter().map(|batch| batch.labels.len()).sum();
            let evaluation = supernet.evaluate(arch, &batches, self.exams.statistics());
            check_finite(evaluation.loss, || self.space.format(arch))?;
            n_right += evaluation.accuracy.fraction() * n as f64;
            n_images += n;
        }
        // What was measured here is known to be test images.
        Ok(Accuracy::from_fraction((n_right / n_images as f64).min(1.0)))
    }

    /// Counts pictures that earlier processes of a run have found unreadable, too.
    pub(crate) fn recall_unreadable(&self, dir: &RunDir) -> Result<()> {
        if dir.path(UNREADABLE).exists() {
            self.training.images().recall(&dir.read_json(UNREADABLE)?);
        }
        Ok(())
    }

    /// Keeps which pictures have been found unreadable, if any.
    pub(crate) fn keep_unreadable(&self, dir: &RunDir) -> Result<()> {
        let unreadable = self.training.images().unreadable();
        if unreadable.is_empty() { Ok(()) } else { dir.write_json(UNREADABLE, &unreadable) }
    }
}

/// The file of a run directory that numbers the pictures found unreadable.
const UNREADABLE: &str = "unreadable.json";

/// The size of batches, `most` or down to half of it, that leaves the fewest of `n` images over.
fn dividing(n: usize, most: usize) -> usize {
    let most = most.min(n);
    let sizes = most.div_ceil(2)..=most;
    sizes.min_by_key(|&size| (n % size, Reverse(size))).unwrap_or(most)
}

/// The images of a run, as they are.
pub(crate) fn dataset(config: &RunConfig, archives: Option<&Path>) -> Result<Dataset> {
    Ok(Dataset::load(&config.data.source, archives, &cache::folder())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_few_images_over() {
        assert_eq!([dividing(10_000, 250), dividing(297, 100), dividing(40, 100)], [250, 99, 40]);
        // 80 batches of 125; of a prime number one is left over.
        assert_eq!([dividing(10_000, 128), dividing(101, 50)], [125, 50]);
        assert_eq!(dividing(7, 1), 1);
    }
}
