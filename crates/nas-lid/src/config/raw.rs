//! The configuration file, key by key; what each means stands beside it in `configs/`.

use std::path::PathBuf;

use clap::ValueEnum;
use nb201::{Nb201Config, TruthSet};
use ofa::OfaConfig;
use partition::{Objective, Sizes};
use proxyless::ProxylessConfig;
use search::{CutOptions, EdgeScore, Evolution, LidOptions};
use serde::{Deserialize, Serialize};
use supernet::{Kept, Kernels, Sampling};

use super::data::DataConfig;
use crate::shrinking::Stage;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RunConfig {
    pub(crate) seed: u64,
    pub(crate) kernels: Kernels,
    pub(crate) kept: Kept,
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

impl FineTuneConfig {
    /// The last of so many epochs and others before it, evenly spaced over the last `late-span` of them.
    pub(crate) fn late_epochs(&self, total: u64) -> Vec<u64> {
        let n = self.late_checkpoints;
        let step = self.late_span * total as f64 / (n.max(2) - 1) as f64;
        let mut epochs: Vec<u64> =
            (0..n).map(|i| (total - (step * i as f64).round() as u64).max(1)).collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs
    }

    /// Epochs of a training of so many that are as far from its end as those of a leaf from its own, where
    /// it reaches back so far; without the last.
    pub(crate) fn late_epochs_before_end(&self, total: u64) -> Vec<u64> {
        let from_end = self.late_epochs(self.epochs).into_iter().map(|epoch| self.epochs - epoch);
        let epochs = from_end.filter_map(|before| total.checked_sub(before));
        epochs.filter(|epoch| (1..total).contains(epoch)).collect()
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EvaluationConfig {
    pub(crate) images: usize,
    pub(crate) batch_size: usize,
    pub(crate) scored_resolutions: ScoredResolutions,
    pub(crate) statistics: EvaluationStatistics,
    pub(crate) recalibration_batches: usize,
    pub(crate) across_leaves: AcrossLeaves,
}

/// The resolutions that scores are means over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ScoredResolutions {
    First,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EvaluationStatistics {
    OfBatch,
    Recalibrated,
}

/// How scores of several leaves are compared.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AcrossLeaves {
    AsTheyAre,
    /// Shifted until so many architectures of a leaf have the mean that they had before the first split.
    AsInParent(usize),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(late_checkpoints: u64, late_span: f64, expected: &[u64]) {
        let epochs = 20;
        let config =
            FineTuneConfig { epochs, first_lr: 0.1, last_lr: 0.1, late_checkpoints, late_span };
        assert_eq!(config.late_epochs(epochs), expected);
    }

    #[test]
    fn late_epochs_end_with_the_last_and_are_evenly_spaced() {
        check(1, 0.5, &[20]);
        check(3, 0.5, &[10, 15, 20]);
        check(2, 1.0, &[1, 20]);
        check(4, 0.15, &[17, 18, 19, 20]);
    }

    #[test]
    fn other_trainings_are_looked_at_as_far_from_their_end() {
        let config = FineTuneConfig {
            epochs: 20,
            first_lr: 0.1,
            last_lr: 0.1,
            late_checkpoints: 3,
            late_span: 0.5,
        };
        let epochs = [75, 20, 10, 6, 1, 0].map(|total| config.late_epochs_before_end(total));
        assert_eq!(epochs, [vec![65, 70], vec![10, 15], vec![5], vec![1], vec![], vec![]]);
    }
}
