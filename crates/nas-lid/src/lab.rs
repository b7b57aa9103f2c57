//! Where space, images and device meet: everything the stages of a run work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use data::{Augment, Batch, Batches, Dataset, Images, Normalization};
use nb201::{Nb201, Nb201Network, Table};
use space::{Accuracy, Arch, SearchSpace, Seed, Test};
use supernet::{Engine, Statistics, Supernet};

use crate::config::{EvaluationStatistics, RunConfig, SpaceConfig};

/// The table of true accuracies, as people download it.
const TRUTH: &str = "nb201-test-accuracy-200ep.csv";

/// Space, images, and the way to make a supernet of untrained weights.
pub(crate) struct Lab {
    pub(crate) space: Box<dyn SearchSpace>,
    pub(crate) seed: Seed,
    pub(crate) dataset: String,
    pub(crate) data_digest: String,
    pub(crate) training: Batches,
    pub(crate) probes: Vec<Batch>,
    evaluation: Vec<Batch>,
    recalibration: Option<Vec<Batch>>,
    untrained: Box<dyn Fn() -> Box<dyn Supernet>>,
    truth: Option<Truth>,
}

impl Lab {
    /// Loads the images and prepares the space of a run.
    pub(crate) fn open(
        config: &RunConfig,
        archives: Option<&Path>,
        device: &Device,
    ) -> Result<Self> {
        let seed = Seed::new(config.seed);
        let dataset = Dataset::load(&config.data.source, archives, &cache())?;
        let resolution = config.data.resolution;
        if !resolution.is_multiple_of(4) {
            bail!("`data.resolution` is {resolution}, but nb201 halves the images twice");
        }
        let images = dataset.train.downscaled(resolution)?;
        let (train, valid) =
            data::split(&images, config.data.valid_images, seed.child("data/split"))?;
        let norm = Normalization::of(&train)?;
        let (train, valid) = (Arc::new(train), Arc::new(valid));
        let shape = train.shape;
        let n_classes = dataset.classes.len();

        let t = &config.training;
        let training = Batches::new(train.clone(), &norm, config.data.augment, t.batch_size)?;
        let e = &config.evaluation;
        let plain =
            |images: &Arc<Images>, size| Batches::new(images.clone(), &norm, Augment::NONE, size);
        let evaluation = plain(&valid, e.batch_size)?;
        let recalibration = plain(&train, e.batch_size)?;
        let probes = plain(&train, config.split.probe_batch_size)?;
        let n_evaluation = e.images / e.batch_size;
        let recalibration = match e.statistics {
            EvaluationStatistics::OfBatch => None,
            EvaluationStatistics::Recalibrated => Some(take(
                &recalibration,
                e.recalibration_batches,
                seed.child("data/recalibration"),
            )?),
        };
        let SpaceConfig::Nb201(options) = &config.space;
        let space = Nb201::new(options, shape[0], resolution, n_classes);
        let (network_space, network_device) = (space, device.clone());
        let untrained = move || -> Box<dyn Supernet> {
            let mut rng = seed.child("weights").rng();
            let device = network_device.clone().autodiff();
            let network = Nb201Network::init(&network_space, &device, &mut rng);
            Box::new(Engine::new(network, &network_device))
        };
        Ok(Self {
            space: Box::new(space),
            seed,
            dataset: dataset.name,
            data_digest: dataset.digest,
            training,
            probes: take(&probes, config.split.probe_batches, seed.child("data/probes"))?,
            evaluation: take(&evaluation, n_evaluation, seed.child("data/evaluation"))?,
            recalibration,
            untrained: Box::new(untrained),
            truth: truth(config, archives)?,
        })
    }

    /// A supernet with initial weights; the same every time.
    pub(crate) fn untrained(&self) -> Box<dyn Supernet> {
        (self.untrained)()
    }

    /// Validation accuracy and loss of an architecture with the weights of a supernet.
    pub(crate) fn evaluate(&self, supernet: &dyn Supernet, arch: &Arch) -> supernet::Evaluation {
        let statistics = match &self.recalibration {
            Some(batches) => Statistics::Recalibrated(batches),
            None => Statistics::OfBatch,
        };
        supernet.evaluate(arch, &self.evaluation, statistics)
    }

    /// Whether true accuracies are known.
    pub(crate) fn knows_truth(&self) -> bool {
        self.truth.is_some()
    }

    /// The true test accuracy of an architecture, to be reported.
    pub(crate) fn truth(&self, arch: &Arch) -> Option<Accuracy<Test>> {
        self.truth.as_ref().and_then(|truth| truth(arch))
    }
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
    Ok((0..n).map(|step| batches.batch(&order, step)).collect())
}

/// The true accuracy of an architecture, where the table holds it.
type Truth = Box<dyn Fn(&Arch) -> Option<Accuracy<Test>>>;

fn truth(config: &RunConfig, archives: Option<&Path>) -> Result<Option<Truth>> {
    let Some(file) = archives.map(|folder| folder.join(TRUTH)).filter(|file| file.exists()) else {
        return Ok(None);
    };
    let table = Table::read(&file).with_context(|| file.display().to_string())?;
    let column = config.ranking.truth;
    Ok(Some(Box::new(move |arch| table.accuracy(column, arch))))
}
