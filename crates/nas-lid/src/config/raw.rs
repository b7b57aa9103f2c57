//! The configuration file, key by key; what each means stands beside it in `configs/`.

use std::path::PathBuf;

use clap::ValueEnum;
use nb201::{Nb201Config, TruthSet};
use ofa::OfaConfig;
use partition::{Objective, Sizes};
use proxyless::ProxylessConfig;
use search::{CutOptions, EdgeScore, Evolution, LidOptions, Selection};
use serde::{Deserialize, Serialize};
use supernet::{Kernels, Sampling, Sandwich};

use super::check::{Fault, not_negative, positive, share, whole_share, width};
use super::data::DataConfig;
use crate::shrinking::Stage;
use crate::spaces::MOST_CHANNELS;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RunConfig {
    pub(crate) seed: u64,
    pub(crate) kernels: Kernels,
    pub(crate) space: SpaceConfig,
    pub(crate) data: DataConfig,
    pub(crate) training: TrainingConfig,
    pub(crate) evaluation: EvaluationConfig,
    pub(crate) split: SplitConfig,
    pub(crate) search: SearchConfig,
    pub(crate) ranking: RankingConfig,
}

/// The search space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum SpaceConfig {
    Nb201(Nb201Config),
    Proxyless(ProxylessConfig),
    Ofa(OfaConfig),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TrainingConfig {
    pub(crate) first_weights: FirstWeights,
    pub(crate) batch_size: usize,
    pub(crate) sampling: Sampling,
    pub(crate) momentum: f64,
    pub(crate) nesterov: bool,
    pub(crate) weight_decay: f64,
    pub(crate) label_smoothing: f64,
    pub(crate) max_gradient_norm: f64,
    pub(crate) warm_up: WarmUpConfig,
    pub(crate) fine_tune: FineTuneConfig,
}

/// What the supernet starts from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FirstWeights {
    Drawn,
    /// Those of a published supernet.
    Published(PathBuf),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WarmUpConfig {
    pub(crate) epochs: Vec<u64>,
    pub(crate) shrinking: Vec<Stage>,
    pub(crate) first_lr: f64,
    pub(crate) last_lr: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FineTuneConfig {
    pub(crate) epochs: u64,
    pub(crate) first_lr: f64,
    pub(crate) last_lr: f64,
    pub(crate) late_checkpoints: u64,
    pub(crate) late_span: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EvaluationConfig {
    pub(crate) images: usize,
    pub(crate) batch_size: usize,
    pub(crate) statistics: EvaluationStatistics,
    pub(crate) recalibration_batches: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EvaluationStatistics {
    OfBatch,
    Recalibrated,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SplitConfig {
    pub(crate) methods: Vec<Method>,
    /// For each level, the groups that the operations of an edge are divided into.
    pub(crate) groups: Vec<usize>,
    pub(crate) probe_batches: usize,
    pub(crate) probe_batch_size: usize,
    pub(crate) cut: CutConfig,
    pub(crate) lid: LidOptions,
    pub(crate) gradient: GradientConfig,
}

impl SplitConfig {
    /// Levels of the split tree.
    pub(crate) fn levels(&self) -> usize {
        self.groups.len()
    }

    /// How operations are divided on a level.
    pub(crate) fn cut(&self, level: usize) -> CutOptions {
        let CutConfig { sizes, objective, edge_score } = self.cut;
        CutOptions { n_groups: self.groups[level], sizes, objective, edge_score }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CutConfig {
    pub(crate) sizes: Sizes,
    pub(crate) objective: Objective,
    pub(crate) edge_score: EdgeScore,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct GradientConfig {
    pub(crate) measure: partition::Measure,
}

/// How the supernet is divided.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// Not at all
    OneShot,
    /// At random
    Random,
    /// By gradients
    Gradient,
    /// By local intrinsic dimension
    Lid,
}

impl Method {
    /// The name in configurations, files and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneShot => "one-shot",
            Self::Random => "random",
            Self::Gradient => "gradient",
            Self::Lid => "lid",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SearchConfig {
    pub(crate) evolution: Evolution,
    pub(crate) max_parameters: u64,
    pub(crate) max_macs: u64,
    pub(crate) latency: LatencyConfig,
}

/// How long networks take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum LatencyConfig {
    Unknown,
    /// As `nas-lid latency` has measured.
    Table(PathBuf),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RankingConfig {
    pub(crate) truth: TruthConfig,
    pub(crate) archs: usize,
    pub(crate) resamples: usize,
    pub(crate) confidence: f64,
}

/// What scores are to predict.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum TruthConfig {
    /// Nothing: scores are not held against anything.
    Unknown,
    /// A column of the table of NAS-Bench-201.
    Table(TruthSet),
    /// Test accuracies of the sampled architectures, each trained by itself.
    TrainedAlone(AloneConfig),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct AloneConfig {
    pub(crate) epochs: u64,
    pub(crate) first_lr: f64,
    pub(crate) last_lr: f64,
}

impl RunConfig {
    /// Checks every range that a type cannot hold.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let t = &self.training;
        self.check_space()?;
        self.data.check()?;
        positive("training.batch-size", t.batch_size)?;
        share("training.momentum", t.momentum)?;
        share("training.label-smoothing", t.label_smoothing)?;
        not_negative("training.weight-decay", t.weight_decay)?;
        not_negative("training.max-gradient-norm", t.max_gradient_norm)?;
        for (key, lr) in [
            ("training.warm-up.first-lr", t.warm_up.first_lr),
            ("training.warm-up.last-lr", t.warm_up.last_lr),
            ("training.fine-tune.first-lr", t.fine_tune.first_lr),
            ("training.fine-tune.last-lr", t.fine_tune.last_lr),
        ] {
            not_negative(key, lr)?;
        }
        self.check_together()?;
        share("training.fine-tune.late-span", t.fine_tune.late_span)?;
        positive("training.fine-tune.late-checkpoints", t.fine_tune.late_checkpoints as usize)?;
        if t.fine_tune.epochs < t.fine_tune.late_checkpoints {
            let n = t.fine_tune.late_checkpoints;
            let fault = format!("must be at least the {n} late checkpoints");
            return Err(("training.fine-tune.epochs", fault));
        }
        self.check_split()?;
        positive("evaluation.images", self.evaluation.images)?;
        positive("evaluation.batch-size", self.evaluation.batch_size)?;
        if !self.evaluation.images.is_multiple_of(self.evaluation.batch_size) {
            let n = self.evaluation.batch_size;
            return Err(("evaluation.images", format!("must be a multiple of the batch size {n}")));
        }
        if self.data.valid_images < self.evaluation.images {
            let n = self.data.valid_images;
            return Err(("evaluation.images", format!("exceeds the {n} validation images")));
        }
        positive("evaluation.recalibration-batches", self.evaluation.recalibration_batches)?;
        let evolution = &self.search.evolution;
        positive("search.evolution.population", evolution.population)?;
        if let (Selection::ParetoLatency, LatencyConfig::Unknown) =
            (evolution.selection, &self.search.latency)
        {
            return Err(("search.latency", "must be a table, which the selection weighs".into()));
        }
        if evolution.population < evolution.n_crossover + evolution.n_mutation {
            let fault = "must not be below the children of a generation".into();
            return Err(("search.evolution.population", fault));
        }
        positive("ranking.archs", self.ranking.archs.saturating_sub(1))?;
        self.check_truth()?;
        positive("ranking.resamples", self.ranking.resamples)?;
        share("ranking.confidence", self.ranking.confidence)
    }

    /// What trains several networks in turn or at once.
    fn check_together(&self) -> Result<(), Fault> {
        if let Sampling::Sandwich(Sandwich { distillation, .. }) = self.training.sampling {
            whole_share("training.sampling.sandwich.distillation", distillation)?;
        }
        let stages = &self.training.warm_up.shrinking;
        let is_ascending = stages.windows(2).all(|pair| pair[0].until < pair[1].until);
        if !is_ascending {
            return Err(("training.warm-up.shrinking", "must end its stages in order".into()));
        }
        stages.iter().try_for_each(|stage| whole_share("training.warm-up.shrinking", stage.until))
    }

    fn check_space(&self) -> Result<(), Fault> {
        match &self.space {
            SpaceConfig::Nb201(sizes) => {
                positive("space.nb201.channels", sizes.channels)?;
                positive("space.nb201.cells-per-stage", sizes.cells_per_stage)
            }
            SpaceConfig::Proxyless(sizes) => {
                positive("space.proxyless.stem-stride", sizes.stem_stride)?;
                if sizes.stage_channels.iter().any(|n| !(1..=MOST_CHANNELS).contains(n)) {
                    let fault = format!("must lie between 1 and {MOST_CHANNELS}");
                    return Err(("space.proxyless.stage-channels", fault));
                }
                width("space.proxyless.width", sizes.width)
            }
            SpaceConfig::Ofa(sizes) => {
                positive("space.ofa.stem-stride", sizes.stem_stride)?;
                width("space.ofa.width", sizes.width)
            }
        }
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
        positive("ranking.truth.trained-alone.epochs", training.epochs as usize)?;
        not_negative("ranking.truth.trained-alone.first-lr", training.first_lr)?;
        not_negative("ranking.truth.trained-alone.last-lr", training.last_lr)
    }

    fn check_split(&self) -> Result<(), Fault> {
        let split = &self.split;
        if split.methods.is_empty() {
            return Err(("split.methods", "must name at least one method".into()));
        }
        let mut sorted = split.methods.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < split.methods.len() {
            return Err(("split.methods", "names a method twice".into()));
        }
        positive("split.groups", split.levels())?;
        if self.training.warm_up.epochs.len() != split.levels() {
            let n = split.levels();
            let fault = format!("must have one entry for each of the {n} split levels");
            return Err(("training.warm-up.epochs", fault));
        }
        if split.groups.iter().any(|&n| n < 2) {
            return Err(("split.groups", "must each be at least 2".into()));
        }
        positive("split.probe-batches", split.probe_batches)?;
        if split.probe_batch_size <= split.lid.neighbors {
            let k = split.lid.neighbors;
            return Err(("split.probe-batch-size", format!("must exceed the {k} neighbors")));
        }
        Ok(())
    }
}
