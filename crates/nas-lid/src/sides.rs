//! Training and validation images at every resolution of a run.

use std::sync::Arc;

use anyhow::{Result, ensure};
use data::{Gallery, Normalization};
use space::Seed;

use crate::config::{DataConfig, NormalizationConfig};

/// Training and validation images at one resolution.
pub(crate) struct Side {
    pub(crate) resolution: usize,
    pub(crate) train: Arc<Gallery>,
    pub(crate) valid: Arc<Gallery>,
}

/// The same images at each of the different resolutions, in the order of the configuration.
pub(crate) struct Sides(Vec<Side>);

impl Sides {
    /// Sets validation images aside, the same at every resolution.
    pub(crate) fn of(config: &DataConfig, images: &Gallery, seed: Seed) -> Result<Self> {
        let mut sides: Vec<Side> = Vec::new();
        for &resolution in &config.resolutions {
            if sides.iter().all(|side| side.resolution != resolution) {
                let images = images.at(resolution)?;
                let seed = seed.child("data/split");
                let (train, valid) = data::split(&images, config.valid_images, seed)?;
                sides.push(Side { resolution, train: train.into(), valid: valid.into() });
            }
        }
        Ok(Self(sides))
    }

    /// At each of the different resolutions.
    pub(crate) fn each(&self) -> &[Side] {
        &self.0
    }

    /// At the resolution of costs, probes and tests.
    pub(crate) fn first(&self) -> &Side {
        &self.0[0]
    }

    /// Training images at the others, as often as the configuration names them.
    pub(crate) fn train_at_others(&self, config: &DataConfig) -> Vec<Arc<Gallery>> {
        let at = |resolution: &usize| {
            self.0.iter().find(|side| side.resolution == *resolution).map(|side| side.train.clone())
        };
        config.resolutions[1..].iter().filter_map(at).collect()
    }

    /// Mean and spread of the channels.
    pub(crate) fn normalization(&self, config: &NormalizationConfig) -> Result<Normalization> {
        let train = &self.first().train;
        let normalization = match config {
            NormalizationConfig::Measured => Normalization::of(train)?,
            NormalizationConfig::Given(given) => given.clone(),
        };
        let (wanted, given) = (train.shape()[0], normalization.mean.len());
        ensure!(
            wanted == given,
            "`data.normalization.given` is of {given} channels, the images have {wanted}"
        );
        Ok(normalization)
    }
}
