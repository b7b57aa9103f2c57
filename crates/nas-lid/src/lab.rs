//! Where space, images and device meet: everything the stages of a run work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use data::{Augment, Batch, Batches, Dataset, Gallery, Normalization};
use space::{Accuracy, Arch, LatencyTable, SearchSpace, Seed, Test};
use supernet::{Statistics, Supernet};
use weights::Weights;

use crate::config::{EvaluationStatistics, NormalizationConfig, RunConfig, TruthConfig};
use crate::inputs::Inputs;
use crate::run_dir::RunDir;
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
    evaluation: Vec<Batch>,
    /// Training images as they are.
    plain: Batches,
    /// Batches of these that statistics are taken of.
    n_recalibration: usize,
    recalibration: Option<Vec<Batch>>,
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
        let seed = Seed::new(config.seed);
        let dataset = dataset(config, archives)?;
        let resolution = config.data.resolution;
        let (train, valid, norm) = sides(config, &dataset.train, seed)?;
        let (train, valid) = (Arc::new(train), Arc::new(valid));
        let task =
            Task { image_channels: train.shape()[0], resolution, classes: dataset.classes.len() };
        let RunConfig { kernels, keeps, .. } = *config;
        let compute = Compute { device: device.clone(), kernels, keeps };
        let Opened { space, untrained } =
            spaces::open(&config.space, task, &compute, seed.child("weights"))?;

        let t = &config.training;
        let training = Batches::new(train.clone(), &norm, config.data.augment, t.batch_size)?;
        let e = &config.evaluation;
        let plain =
            |images: &Arc<Gallery>, size| Batches::new(images.clone(), &norm, Augment::NONE, size);
        let evaluation = plain(&valid, e.batch_size)?;
        let plain_train = plain(&train, e.batch_size)?;
        let n_recalibration = e.recalibration_batches;
        let probes = plain(&train, config.split.probe_batch_size)?;
        let n_evaluation = e.images / e.batch_size;
        let recalibration = match e.statistics {
            EvaluationStatistics::OfBatch => None,
            EvaluationStatistics::Recalibrated => {
                Some(take(&plain_train, n_recalibration, seed.child(RECALIBRATION))?)
            }
        };
        let test = match config.ranking.truth {
            TruthConfig::Unknown | TruthConfig::Table(_) => None,
            TruthConfig::TrainedAlone(_) => {
                let test = Arc::new(dataset.test.at(resolution)?);
                Some(plain(&test, e.batch_size)?)
            }
        };
        let Inputs { published, latency, sha256: inputs_digest } =
            Inputs::read(config, space.as_ref())?;
        let shrinking = Shrinking::new(&t.warm_up.shrinking, space.as_ref())
            .context("`training.warm-up.shrinking`")?;
        Ok(Self {
            space,
            seed,
            dataset: dataset.name,
            data_digest: dataset.digest,
            training,
            probes: take(&probes, config.split.probe_batches, seed.child("data/probes"))?,
            evaluation: take(&evaluation, n_evaluation, seed.child("data/evaluation"))?,
            normalization: norm,
            shrinking,
            latency,
            inputs_digest,
            plain: plain_train,
            n_recalibration,
            recalibration,
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
            let imported = supernet.import(published).context("`training.first-weights`")?;
            tracing::info!("published weights: {imported}");
        }
        Ok(supernet)
    }

    /// Training images that the statistics of batch norm are taken of, to be kept with weights.
    pub(crate) fn statistics_batches(&self) -> Result<Vec<Batch>> {
        take(&self.plain, self.n_recalibration, self.seed.child(RECALIBRATION))
    }

    /// Validation accuracy and loss of an architecture with the weights of a supernet.
    pub(crate) fn evaluate(&self, supernet: &dyn Supernet, arch: &Arch) -> supernet::Evaluation {
        supernet.evaluate(arch, &self.evaluation, self.statistics())
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
        for steps in steps.chunks(self.evaluation.len()) {
            let batches = steps.iter().map(|&step| test.batch(&order, step));
            let batches: Vec<Batch> = batches.collect::<Result<_, _>>()?;
            // Not all of one size where pictures are unreadable.
            let n: usize = batches.iter().map(|batch| batch.labels.len()).sum();
            let evaluation = supernet.evaluate(arch, &batches, self.statistics());
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

    fn statistics(&self) -> Statistics<'_> {
        match &self.recalibration {
            Some(batches) => Statistics::Recalibrated(batches),
            None => Statistics::OfBatch,
        }
    }
}

/// Training and validation images at the resolution of the run, and their normalization.
fn sides(
    config: &RunConfig,
    images: &Gallery,
    seed: Seed,
) -> Result<(Gallery, Gallery, Normalization)> {
    let data = &config.data;
    let images = images.at(data.resolution)?;
    let (train, valid) = data::split(&images, data.valid_images, seed.child("data/split"))?;
    let norm = match &data.normalization {
        NormalizationConfig::Measured => Normalization::of(&train)?,
        NormalizationConfig::Given(given) => given.clone(),
    };
    let (wanted, given) = (train.shape()[0], norm.mean.len());
    ensure!(
        wanted == given,
        "`data.normalization.given` is of {given} channels, the images have {wanted}"
    );
    Ok((train, valid, norm))
}

/// The file of a run directory that numbers the pictures found unreadable.
const UNREADABLE: &str = "unreadable.json";

/// The name of the stream that chooses batches for statistics.
const RECALIBRATION: &str = "data/recalibration";

/// The images of a run, as they are.
pub(crate) fn dataset(config: &RunConfig, archives: Option<&Path>) -> Result<Dataset> {
    Ok(Dataset::load(&config.data.source, archives, &cache())?)
}

/// Where imported images are kept: the user's cache, never the folder that holds the archives.
fn cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || Some(PathBuf::from(folder("HOME")?).join(".cache"));
    let cache = folder("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.unwrap_or_else(std::env::temp_dir).join("nas-lid")
}

/// The first `n` batches of a shuffle.
fn take(batches: &Batches, n: usize, seed: Seed) -> Result<Vec<Batch>> {
    if batches.n_steps() < n {
        let (have, size) = (batches.images().len(), batches.batch_size());
        bail!("{n} batches of {size} images are wanted, but there are {have} images");
    }
    let order = batches.epoch(seed, 0);
    Ok((0..n).map(|step| batches.batch(&order, step)).collect::<Result<_, _>>()?)
}
