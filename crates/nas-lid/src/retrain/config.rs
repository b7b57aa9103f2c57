//! How one network is trained; what each key means stands beside it in `configs/retrain-*.toml`.

use std::f64::consts::PI;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use data::Augment;
use serde::{Deserialize, Serialize};
use supernet::{Lookahead, Optimizer};

use crate::config::parsed;

/// How one network is trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RetrainConfig {
    pub(crate) start: Start,
    pub(crate) epochs: u64,
    pub(crate) batch_size: usize,
    pub(crate) weight_decay: f64,
    pub(crate) label_smoothing: f64,
    pub(crate) max_gradient_norm: f64,
    pub(crate) mixup: f64,
    pub(crate) stochastic_depth: f64,
    pub(crate) averaging: f64,
    pub(crate) distillation: f64,
    pub(crate) statistics_batches: usize,
    pub(crate) optimizer: OptimizerConfig,
    pub(crate) schedule: ScheduleConfig,
    pub(crate) augment: Augment,
}

/// What a network starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    Drawn,
    Inherited,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OptimizerConfig {
    Sgd { momentum: f64, nesterov: bool },
    AdamW { betas: [f64; 2], epsilon: f64 },
    RmsProp { decay: f64, momentum: f64, epsilon: f64 },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ScheduleConfig {
    pub(crate) warm_up_epochs: f64,
    pub(crate) lr: f64,
    pub(crate) last_lr: f64,
    pub(crate) decay: Decay,
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Decay {
    Cosine,
    Steps { epochs: f64, factor: f64 },
}

impl RetrainConfig {
    /// Reads and checks a file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let place = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("configuration {place}"))?;
        let config: Self = parsed(&text, &place.to_string())?;
        match config.fault() {
            Some((key, expected)) => bail!("{place}: `{key}` must {expected}"),
            None => Ok(config),
        }
    }

    /// A key, and what its value must do.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        let share = |value: f64| (0.0..1.0).contains(&value);
        let whole_share = |value: f64| (0.0..=1.0).contains(&value);
        let number = |value: f64| value.is_finite() && 0.0 <= value;
        let of_warm_up = (0.0..self.epochs as f64).contains(&self.schedule.warm_up_epochs);
        let (of_optimizer, s) = (self.optimizer.is_sound(), &self.schedule);
        let of_decay = match s.decay {
            Decay::Cosine => true,
            Decay::Steps { epochs, factor } => 0.0 < epochs && whole_share(factor),
        };
        let checks = [
            ("epochs", 0 < self.epochs, "be at least 1"),
            ("batch-size", 0 < self.batch_size, "be at least 1"),
            ("weight-decay", number(self.weight_decay), "not be negative"),
            ("label-smoothing", share(self.label_smoothing), "lie in [0, 1)"),
            ("max-gradient-norm", number(self.max_gradient_norm), "not be negative"),
            ("mixup", number(self.mixup), "not be negative"),
            ("stochastic-depth", share(self.stochastic_depth), "lie in [0, 1)"),
            ("averaging", share(self.averaging), "lie in [0, 1)"),
            ("distillation", whole_share(self.distillation), "lie in [0, 1]"),
            ("statistics-batches", 0 < self.statistics_batches, "be at least 1"),
            ("optimizer", of_optimizer, "have shares in [0, 1) and a positive epsilon"),
            ("schedule.warm-up-epochs", of_warm_up, "lie in [0, `epochs`)"),
            ("schedule.lr", number(s.lr), "not be negative"),
            ("schedule.last-lr", number(s.last_lr), "not be negative"),
            ("schedule.decay", of_decay, "have positive epochs and a factor in [0, 1]"),
            ("augment.erasing", whole_share(self.augment.erasing), "lie in [0, 1]"),
        ];
        let wrong = checks.into_iter().find(|(_, is_fine, _)| !is_fine);
        wrong.map(|(key, _, expected)| (key, expected))
    }
}

impl OptimizerConfig {
    fn is_sound(self) -> bool {
        let share = |value: f64| (0.0..1.0).contains(&value);
        match self {
            Self::Sgd { momentum, .. } => share(momentum),
            Self::AdamW { betas, epsilon } => betas.into_iter().all(share) && 0.0 < epsilon,
            Self::RmsProp { decay, momentum, epsilon } => {
                share(decay) && share(momentum) && 0.0 < epsilon
            }
        }
    }

    pub(crate) fn optimizer(self) -> Optimizer {
        match self {
            Self::Sgd { momentum, nesterov } => {
                let lookahead = if nesterov { Lookahead::Nesterov } else { Lookahead::None };
                Optimizer::Sgd { momentum, lookahead }
            }
            Self::AdamW { betas, epsilon } => Optimizer::AdamW { betas, epsilon },
            Self::RmsProp { decay, momentum, epsilon } => {
                Optimizer::RmsProp { decay, momentum, epsilon }
            }
        }
    }
}

impl ScheduleConfig {
    /// The learning rate at a moment, in epochs of so many: it rises evenly to `lr`, then falls.
    pub(crate) fn at(&self, epoch: f64, epochs: f64) -> f64 {
        let warm = self.warm_up_epochs;
        if epoch < warm {
            return self.lr * epoch / warm;
        }
        match self.decay {
            Decay::Cosine => {
                let progress = (epoch - warm) / (epochs - warm).max(f64::MIN_POSITIVE);
                let height = (1.0 + (PI * progress).cos()) / 2.0;
                self.last_lr + (self.lr - self.last_lr) * height
            }
            Decay::Steps { epochs: every, factor } => {
                let n_steps = ((epoch - warm) / every).floor();
                (self.lr * factor.powf(n_steps)).max(self.last_lr)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(decay: Decay, moments: [(f64, f64); 4]) {
        let schedule = ScheduleConfig { warm_up_epochs: 2.0, lr: 0.8, last_lr: 0.1, decay };
        for (epoch, expected) in moments {
            let lr = schedule.at(epoch, 10.0);
            assert!((lr - expected).abs() < 1e-12, "{lr} at {epoch}");
        }
    }

    #[test]
    fn learning_rates_rise_and_fall() {
        check(Decay::Cosine, [(0.0, 0.0), (1.0, 0.4), (2.0, 0.8), (6.0, 0.45)]);
        let steps = Decay::Steps { epochs: 3.0, factor: 0.5 };
        check(steps, [(0.5, 0.2), (4.9, 0.8), (5.0, 0.4), (9.0, 0.2)]);
        check(
            Decay::Steps { epochs: 0.5, factor: 0.5 },
            [(2.0, 0.8), (2.5, 0.4), (4.0, 0.1), (9.0, 0.1)],
        );
    }

    #[test]
    fn a_bad_value_is_named_by_its_key() {
        let text = include_str!("../../../../configs/retrain-digits.toml");
        let fault = |old: &str, new: &str| {
            assert!(text.contains(old), "{old}");
            toml::from_str::<RetrainConfig>(&text.replace(old, new)).unwrap().fault()
        };
        assert_eq!(fault("mixup = ", "mixup = "), None);
        assert_eq!(fault("batch-size = 64", "batch-size = 0").unwrap().0, "batch-size");
        assert_eq!(fault("momentum = 0.9", "momentum = 1.0").unwrap().0, "optimizer");
        assert_eq!(fault("erasing = ", "erasing = 1").unwrap().0, "augment.erasing");
    }
}
