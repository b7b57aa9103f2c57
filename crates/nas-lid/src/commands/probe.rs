//! `nas-lid probe`: what it takes to measure one architecture, or to decide one split, by a criterion, and
//! to train a step.

use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::ValueEnum;
use data::Batch;
use lid::{Aggregate, Estimator};
use nb201::{Nb201, Nb201Config, Nb201Network};
use partition::{Measure, Objective, Sizes};
use rand::RngExt;
use search::{
    Criterion, CutOptions, EdgeScore, GradientCriterion, LidCriterion, LidOptions, PerTap, tap_lids,
};
use serde_json::json;
use space::{EdgeId, SearchSpace, Seed};
use supernet::{Engine, Lookahead, Optimizer, StepOptions, Supernet, Taps};

use super::MOST_IMAGES;
use crate::memory::Peak;
use crate::misuse::Misuse;
use crate::spaces::{MOST_CELLS, MOST_CHANNELS};
use crate::{Format, device};

/// What to measure, on a network of NAS-Bench-201 with 32 × 32 images of noise.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The criterion, or a training step
    #[arg(value_enum)]
    work: Kind,
    /// The architecture; without it a whole split is decided: every edge in three contexts
    arch: Option<String>,
    /// Channels of the first stage
    #[arg(long, default_value_t = 16, value_parser = super::within(1..=MOST_CHANNELS))]
    channels: usize,
    /// Cells in each stage
    #[arg(long, default_value_t = 5, value_parser = super::within(1..=MOST_CELLS))]
    cells_per_stage: usize,
    /// Images in the batch; more than the 20 neighbors
    #[arg(long, default_value_t = 128, value_parser = super::within(LEAST_IMAGES..=MOST_IMAGES))]
    batch_size: usize,
    /// What a gradient keeps from forward to backward
    #[arg(long, value_enum, default_value = "activations")]
    kept: Kept,
    /// Times the work is done; that of the fastest is told
    #[arg(long, default_value_t = NonZeroUsize::MIN)]
    repeats: NonZeroUsize,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// What is measured along a path.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Local intrinsic dimension at every block: forward passes
    Lid,
    /// The gradient of the loss on the shared weights: forward and backward
    Gradient,
    /// A training step of one architecture, with momentum and clipping, after a first one; no split can be decided by it
    Step,
}

/// What a gradient keeps.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kept {
    /// What backward needs
    Activations,
    /// What enters each cell, which backward computes again
    PartInputs,
}

impl From<Kept> for supernet::Kept {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Activations => Self::Activations,
            Kept::PartInputs => Self::PartInputs,
        }
    }
}

/// Contexts in which every edge is compared for a whole decision.
const N_CONTEXTS: usize = 3;

/// Images of which each has enough neighbors.
const LEAST_IMAGES: usize = LID.neighbors + 1;

const SIDE: usize = 32;
const CLASSES: usize = 10;

/// The published setting; how profiles are compared takes no time beside it.
const LID: LidOptions = LidOptions {
    neighbors: 20,
    estimator: Estimator::Mle,
    taps: Taps::Blocks,
    features: PerTap::Mean,
    aggregate: Aggregate::Mean,
    measure: Measure::Cosine,
};

const CUT: CutOptions = CutOptions {
    n_groups: 2,
    sizes: Sizes::Balanced,
    objective: Objective::IntraSum,
    edge_score: EdgeScore::Gap,
};

const STEP: StepOptions = StepOptions {
    lr: 0.01,
    optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
    weight_decay: 5e-4,
    max_gradient_norm: Some(5.0),
    label_smoothing: 0.0,
    averaging: None,
};

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let Options { channels, cells_per_stage, batch_size, .. } = *options;
    ensure!(
        options.arch.is_some() || options.work != Kind::Step,
        Misuse("a step needs an architecture: nas-lid probe step ARCH".into())
    );
    let device = device::open(&options.device)?;
    let space =
        Nb201::new(&Nb201Config { channels, cells_per_stage, affine: true }, 3, SIDE, CLASSES);
    let seed = Seed::new(1);
    let network =
        |device: &Device| Nb201Network::init(&space, device, &mut seed.child("weights").rng());
    let supernet = Engine::build(&device, network).keeping(options.kept.into());
    let batch = noise(batch_size, seed.child("images"));
    let work = Work { options, space: &space, supernet: &supernet, device: &device, seed };
    // The first of its kind pays for threads and code that stay; a card makes code for each size.
    let small = noise(LEAST_IMAGES, seed.child("images"));
    work.run(if device::is_card(&device) { &batch } else { &small })?;

    let peak = Peak::start(&device);
    let mut seconds = f64::INFINITY;
    for _ in 0..options.repeats.get() {
        seconds = seconds.min(work.run(&batch)?);
    }
    let bytes = peak.bytes_above_rest();
    crate::print(match format {
        Format::Json => format!("{}\n", json!({ "seconds": seconds, "peak_bytes": bytes })),
        Format::Text => {
            let mebibytes = |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            let peak = bytes.map_or("unknown".to_owned(), mebibytes);
            format!("time         {seconds:.3} s\npeak memory  {peak} above rest\n")
        }
    })
}

struct Work<'a> {
    options: &'a Options,
    space: &'a Nb201,
    supernet: &'a dyn Supernet,
    device: &'a Device,
    seed: Seed,
}

impl Work<'_> {
    /// Does the work, and tells its seconds.
    fn run(&self, batch: &Batch) -> Result<f64> {
        let Some(arch) = &self.options.arch else { return self.seconds(|| self.decide(batch)) };
        let arch = self.space.parse(arch)?;
        match self.options.work {
            Kind::Lid => self.seconds(|| {
                let lids = tap_lids(self.supernet, &[arch], batch, &LID)?;
                ensure!(!lids[0].is_empty(), "the architecture has no tap");
                Ok(())
            }),
            Kind::Gradient => self.seconds(|| {
                let gradient = self.supernet.shared_gradient(&arch, batch, EdgeId(0))?;
                ensure!(!gradient.is_empty(), "the architecture has no gradient");
                Ok(())
            }),
            Kind::Step => {
                let mut trained = self.supernet.fork();
                // The first of a training has no update to remember.
                trained.train_step(batch, &arch, &STEP)?;
                self.device.sync()?;
                self.seconds(|| Ok(trained.train_step(batch, &arch, &STEP).map(drop)?))
            }
        }
    }

    fn seconds(&self, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let clock = Instant::now();
        work()?;
        self.device.sync()?;
        Ok(clock.elapsed().as_secs_f64())
    }

    fn decide(&self, batch: &Batch) -> Result<()> {
        let criterion: Box<dyn Criterion> = match self.options.work {
            Kind::Lid => Box::new(LidCriterion { options: LID, cut: CUT }),
            Kind::Gradient => Box::new(GradientCriterion { measure: Measure::Cosine, cut: CUT }),
            Kind::Step => unreachable!("its architecture was asked for"),
        };
        // In some contexts an edge reaches no tap, so that one is not enough.
        let (mask, batches) = (self.space.full_mask(), vec![batch.clone(); N_CONTEXTS]);
        let seed = self.seed.child("split");
        criterion.evidence(self.supernet, self.space, &mask, &batches, seed, &mut |_, _| ())?;
        Ok(())
    }
}

/// Images of uniform noise with labels in turn.
fn noise(n: usize, seed: Seed) -> Batch {
    let mut rng = seed.rng();
    let shape = [n, 3, SIDE, SIDE];
    let images = (0..n * 3 * SIDE * SIDE).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
    Batch { images, labels: (0..n).map(|image| (image % CLASSES) as i32).collect(), shape }
}
