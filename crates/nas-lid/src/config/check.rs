//! Which values a run's configuration may hold, and which of them fit together.

use ofa::{Ofa, OfaError};
use partition::Sizes;
use search::Selection;
use space::SearchSpace;
use supernet::{Sampling, Sandwich};

use super::ranges::{
    Fault, MOST, at_most, count, inner_share, learning_rates, not_negative, share, whole_share,
    within,
};
use super::raw::{
    AcrossLeaves, AloneConfig, EvaluationConfig, FineTuneConfig, LatencyConfig, RunConfig,
    SearchConfig, SpaceConfig, SplitConfig, TrainingConfig, TruthConfig,
};
use crate::spaces::{self, MOST_CELLS, MOST_CHANNELS, STRIDES, Task, WIDTHS};

/// What is chosen in a space does not depend on its images.
const ANY_TASK: Task = Task { image_channels: 1, resolution: 1, classes: 1 };

/// Most networks that one step draws or trains.
const MOST_PATHS: usize = 1_000;

/// Most leaves of a split tree, each of which is trained.
const MOST_LEAVES: usize = 1_000;

/// Most architectures that are ranked, of which twenty times as many are drawn to choose them from, or that leaves
/// are compared by.
const MOST_RANKED: usize = 100_000;

impl RunConfig {
    /// Checks every range that a type cannot hold.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.space.check()?;
        self.data.check()?;
        self.training.check()?;
        self.split.check(self.space.most_ops())?;
        if self.training.warm_up.epochs.len() != self.split.levels() {
            let n = self.split.levels();
            let fault = format!("must have one entry for each of the {n} split levels");
            return Err(("training.warm-up.epochs", fault));
        }
        self.evaluation.check()?;
        if self.data.valid_images < self.evaluation.images {
            let n = self.data.valid_images;
            return Err(("evaluation.images", format!("exceeds the {n} validation images")));
        }
        self.search.check()?;
        within("ranking.archs", self.ranking.archs, 2..=MOST_RANKED)?;
        self.check_truth()?;
        count("ranking.resamples", self.ranking.resamples, MOST)?;
        inner_share("ranking.confidence", self.ranking.confidence)
    }

    fn check_truth(&self) -> Result<(), Fault> {
        let training = match (self.ranking.truth, &self.space) {
            (TruthConfig::Unknown, _) | (TruthConfig::Table(_), SpaceConfig::Nb201(_)) => {
                return Ok(());
            }
            (TruthConfig::Table(_), SpaceConfig::Proxyless(_) | SpaceConfig::Ofa(_)) => {
                return Err(("ranking.truth", "names a table, which only nb201 has".into()));
            }
            (TruthConfig::TrainedAlone(training), _) => training,
        };
        let AloneConfig { epochs, first_lr, last_lr } = training;
        within("ranking.truth.trained-alone.epochs", epochs, 1..=MOST as u64)?;
        learning_rates([
            ("ranking.truth.trained-alone.first-lr", first_lr),
            ("ranking.truth.trained-alone.last-lr", last_lr),
        ])
    }
}

impl SpaceConfig {
    /// Checks the sizes of a space.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self {
            Self::Nb201(sizes) => {
                count("space.nb201.channels", sizes.channels, MOST_CHANNELS)?;
                count("space.nb201.cells-per-stage", sizes.cells_per_stage, MOST_CELLS)
            }
            Self::Proxyless(sizes) => {
                within("space.proxyless.stem-stride", sizes.stem_stride, STRIDES)?;
                for &channels in &sizes.stage_channels {
                    count("space.proxyless.stage-channels", channels, MOST_CHANNELS)?;
                }
                within("space.proxyless.width", sizes.width, WIDTHS)
            }
            Self::Ofa(sizes) => {
                within("space.ofa.stem-stride", sizes.stem_stride, STRIDES)?;
                within("space.ofa.width", sizes.width, WIDTHS)?;
                let Task { image_channels, resolution, classes } = ANY_TASK;
                let space = Ofa::new(sizes, image_channels, resolution, classes);
                space.map(drop).map_err(|OfaError::Choices { key, got, known }| {
                    let key = match key {
                        "depths" => "space.ofa.depths",
                        _ => "space.ofa.expand-ratios",
                    };
                    (key, format!("must be some of {known:?} in ascending order, got {got:?}"))
                })
            }
        }
    }

    /// The operations of the edge that has most of them; of sizes that the check refuses, no bound.
    fn most_ops(&self) -> usize {
        let of = |space: Box<dyn SearchSpace>| {
            let mask = space.full_mask();
            mask.edges().map(|edge| mask.ops(edge).len()).fold(0, usize::max)
        };
        spaces::space(self, ANY_TASK).map_or(usize::MAX, of)
    }
}

impl TrainingConfig {
    fn check(&self) -> Result<(), Fault> {
        let Self { warm_up, fine_tune, .. } = self;
        count("training.batch-size", self.batch_size, MOST)?;
        self.check_paths()?;
        share("training.momentum", self.momentum)?;
        share("training.label-smoothing", self.label_smoothing)?;
        not_negative("training.weight-decay", self.weight_decay)?;
        not_negative("training.max-gradient-norm", self.max_gradient_norm)?;
        learning_rates([
            ("training.warm-up.first-lr", warm_up.first_lr),
            ("training.warm-up.last-lr", warm_up.last_lr),
            ("training.fine-tune.first-lr", fine_tune.first_lr),
            ("training.fine-tune.last-lr", fine_tune.last_lr),
        ])?;
        for &epochs in &warm_up.epochs {
            at_most("training.warm-up.epochs", epochs, MOST as u64)?;
        }
        let is_ascending = warm_up.shrinking.windows(2).all(|pair| pair[0].until < pair[1].until);
        if !is_ascending {
            return Err(("training.warm-up.shrinking", "must end its stages in order".into()));
        }
        for stage in &warm_up.shrinking {
            whole_share("training.warm-up.shrinking", stage.until)?;
        }
        fine_tune.check()
    }

    fn check_paths(&self) -> Result<(), Fault> {
        match self.sampling {
            Sampling::Uniform | Sampling::StrictFair => Ok(()),
            Sampling::CostliestOf(n) => {
                count("training.sampling.costliest-of", n.get(), MOST_PATHS)
            }
            Sampling::DeepestOf(n) => count("training.sampling.deepest-of", n.get(), MOST_PATHS),
            Sampling::Sandwich(Sandwich { between, distillation }) => {
                at_most("training.sampling.sandwich.between", between, MOST_PATHS)?;
                whole_share("training.sampling.sandwich.distillation", distillation)
            }
        }
    }
}

impl FineTuneConfig {
    fn check(&self) -> Result<(), Fault> {
        share("training.fine-tune.late-span", self.late_span)?;
        within("training.fine-tune.late-checkpoints", self.late_checkpoints, 1..=MOST as u64)?;
        at_most("training.fine-tune.epochs", self.epochs, MOST as u64)?;
        let n = self.late_checkpoints;
        if self.epochs < n {
            let fault = format!("must be at least the {n} late checkpoints");
            return Err(("training.fine-tune.epochs", fault));
        }
        // 0.29 of 100 epochs are 29, though the product is rounded down to less.
        if self.late_span * (self.epochs as f64) + 1e-9 < (n - 1) as f64 {
            let fault = format!("must be of at least {} epochs, for {n} late checkpoints", n - 1);
            return Err(("training.fine-tune.late-span", fault));
        }
        Ok(())
    }
}

impl EvaluationConfig {
    fn check(&self) -> Result<(), Fault> {
        count("evaluation.images", self.images, MOST)?;
        count("evaluation.batch-size", self.batch_size, MOST)?;
        if !self.images.is_multiple_of(self.batch_size) {
            let n = self.batch_size;
            return Err(("evaluation.images", format!("must be a multiple of the batch size {n}")));
        }
        count("evaluation.recalibration-batches", self.recalibration_batches, MOST)?;
        match self.across_leaves {
            AcrossLeaves::AsTheyAre => Ok(()),
            AcrossLeaves::AsInParent(n) => {
                within("evaluation.across-leaves.as-in-parent", n, 1..=MOST_RANKED)
            }
        }
    }
}

impl SearchConfig {
    fn check(&self) -> Result<(), Fault> {
        let evolution = &self.evolution;
        count("search.evolution.population", evolution.population, MOST)?;
        count("search.evolution.n-parents", evolution.n_parents, MOST)?;
        count("search.evolution.generations", evolution.generations, MOST)?;
        at_most("search.evolution.n-crossover", evolution.n_crossover, MOST)?;
        at_most("search.evolution.n-mutation", evolution.n_mutation, MOST)?;
        whole_share("search.evolution.mutation-probability", evolution.mutation_probability)?;
        if evolution.population < evolution.n_crossover + evolution.n_mutation {
            let fault = "must not be below the children of a generation".into();
            return Err(("search.evolution.population", fault));
        }
        match (evolution.selection, &self.latency) {
            (Selection::ParetoLatency, LatencyConfig::Unknown) => {
                Err(("search.latency", "must be a table, which the selection weighs".into()))
            }
            _ => Ok(()),
        }
    }
}

impl SplitConfig {
    fn check(&self, most_ops: usize) -> Result<(), Fault> {
        if self.methods.is_empty() {
            return Err(("split.methods", "must name at least one method".into()));
        }
        let mut sorted = self.methods.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < self.methods.len() {
            return Err(("split.methods", "names a method twice".into()));
        }
        self.check_groups(most_ops)?;
        count("split.probe-batches", self.probe_batches, MOST)?;
        count("split.probe-batch-size", self.probe_batch_size, MOST)?;
        within("split.lid.neighbors", self.lid.neighbors, 2..=MOST)?;
        if self.probe_batch_size <= self.lid.neighbors {
            let k = self.lid.neighbors;
            return Err(("split.probe-batch-size", format!("must exceed the {k} neighbors")));
        }
        Ok(())
    }

    fn check_groups(&self, most_ops: usize) -> Result<(), Fault> {
        let most = match self.cut.sizes {
            Sizes::Any | Sizes::Balanced => most_ops,
            Sizes::Min2 => most_ops / 2,
        };
        if most < 2 {
            return Err(("split.cut.sizes", "leave no edge of this space to be divided".into()));
        }
        for &groups in &self.groups {
            within("split.groups", groups, 2..=most)?;
        }
        let n_leaves = self.groups.iter().fold(1, |n: usize, &groups| n.saturating_mul(groups));
        if self.groups.is_empty() || MOST_LEAVES < n_leaves {
            let fault = format!("must make at least one level and at most {MOST_LEAVES} leaves");
            return Err(("split.groups", fault));
        }
        Ok(())
    }
}
