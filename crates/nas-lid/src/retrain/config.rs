//! How one network is trained; what each key means stands beside it in `configs/retrain-*.toml`.

use std::f64::consts::PI;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use data::Augment;
use serde::{Deserialize, Serialize};
use supernet::{Lookahead, Optimizer};

use crate::config::ranges::{
    Fault, MOST, above_zero, count, learning_rates, not_negative, share, whole_share, within,
};
use crate::config::{Origin, checked, data::augment};

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
    /// Reads and checks a file, which is where its values come from.
    pub(crate) fn read(file: &Path) -> Result<(Self, Origin)> {
        let place = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("configuration {place}"))?;
        let config = checked(&text, &place.to_string(), Self::check)?;
        Ok((config, Origin::of_file(text, &place.to_string())))
    }

    fn check(&self) -> Result<(), Fault> {
        within("epochs", self.epochs, 1..=MOST as u64)?;
        count("batch-size", self.batch_size, MOST)?;
        not_negative("weight-decay", self.weight_decay)?;
        share("label-smoothing", self.label_smoothing)?;
        not_negative("max-gradient-norm", self.max_gradient_norm)?;
        not_negative("mixup", self.mixup)?;
        share("stochastic-depth", self.stochastic_depth)?;
        share("averaging", self.averaging)?;
        whole_share("distillation", self.distillation)?;
        count("statistics-batches", self.statistics_batches, MOST)?;
        self.optimizer.check()?;
        self.schedule.check(self.epochs)?;
        augment(["augment.crop-area", "augment.jitter", "augment.erasing"], &self.augment)
    }
}

impl OptimizerConfig {
    fn check(self) -> Result<(), Fault> {
        match self {
            Self::Sgd { momentum, .. } => share("optimizer.sgd.momentum", momentum),
            Self::AdamW { betas, epsilon } => {
                betas.into_iter().try_for_each(|beta| share("optimizer.adam-w.betas", beta))?;
                above_zero("optimizer.adam-w.epsilon", epsilon)
            }
            Self::RmsProp { decay, momentum, epsilon } => {
                share("optimizer.rms-prop.decay", decay)?;
                share("optimizer.rms-prop.momentum", momentum)?;
                above_zero("optimizer.rms-prop.epsilon", epsilon)
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
    fn check(&self, epochs: u64) -> Result<(), Fault> {
        not_negative("schedule.warm-up-epochs", self.warm_up_epochs)?;
        if epochs as f64 <= self.warm_up_epochs {
            return Err(("schedule.warm-up-epochs", format!("must be below the {epochs} epochs")));
        }
        learning_rates([("schedule.lr", self.lr), ("schedule.last-lr", self.last_lr)])?;
        match self.decay {
            Decay::Cosine => Ok(()),
            Decay::Steps { epochs, factor } => {
                above_zero("schedule.decay", epochs)?;
                whole_share("schedule.decay", factor)
            }
        }
    }

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
        let read = |old: &str, new: &str| {
            assert!(text.contains(old), "{old}");
            checked(&text.replace(old, new), "r.toml", RetrainConfig::check)
                .map_or_else(|error| error.to_string(), |_| "fine".to_owned())
        };
        assert_eq!(read("mixup = ", "mixup = "), "fine");
        let line = |key: &str| {
            let lines = text.lines().position(|line| line.starts_with(key));
            1 + lines.expect("the key is there")
        };
        let expected = format!(
            "r.toml:{}: `batch-size` must lie between 1 and 1000000, got 0",
            line("batch-size")
        );
        assert_eq!(read("batch-size = 64", "batch-size = 0"), expected);
        let fault = "`optimizer.sgd.momentum` must lie in [0, 1), got 1";
        let expected = format!("r.toml:{}: {fault}", line("momentum"));
        assert_eq!(read("momentum = 0.9", "momentum = 1.0"), expected);
        let fault = "`schedule.warm-up-epochs` must be below the 20 epochs";
        let expected = format!("r.toml:{}: {fault}", line("warm-up-epochs"));
        assert_eq!(read("warm-up-epochs = 1.0", "warm-up-epochs = 20.0"), expected);
    }
}
