//! Training and validation images at every resolution of a run.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use data::{Gallery, Normalization};
use space::Seed;

use crate::config::{DataConfig, Key, NormalizationConfig};

/// Training and validation images at one resolution.
pub(crate) struct Scale {
    pub(crate) resolution: usize,
    pub(crate) train: Arc<Gallery>,
    pub(crate) valid: Arc<Gallery>,
}

/// The same images at each of the different resolutions, in the order of the configuration.
pub(crate) struct Scales(Vec<Scale>);

impl Scales {
    /// Sets validation images aside, the same at every resolution.
    pub(crate) fn of(config: &DataConfig, images: &Gallery, seed: Seed) -> Result<Self> {
        let first = config.resolution();
        let is_only = config.resolutions.iter().all(|resolution| *resolution == first);
        // Small images first where there are no others: large ones would be in memory twice.
        let at =
            |images: &Gallery, resolution| images.at(resolution).context(Key("data.resolutions"));
        let images = if is_only { Cow::Owned(at(images, first)?) } else { Cow::Borrowed(images) };
        let (train, valid) = data::split(&images, config.valid_images, seed.child("data/split"))
            .context(Key("data.valid-images"))?;
        drop(images);
        let mut scales: Vec<Scale> = Vec::new();
        for &resolution in &config.resolutions {
            if scales.iter().all(|scale| scale.resolution != resolution) {
                let [train, valid] = [&train, &valid].map(|images| at(images, resolution));
                let [train, valid] = [train?.into(), valid?.into()];
                scales.push(Scale { resolution, train, valid });
            }
        }
        Ok(Self(scales))
    }

    /// At each of the different resolutions.
    pub(crate) fn each(&self) -> &[Scale] {
        &self.0
    }

    /// At the resolution of costs, probes and tests.
    pub(crate) fn first(&self) -> &Scale {
        &self.0[0]
    }

    /// Training images at the others, as often as the configuration names them.
    pub(crate) fn train_at_others(&self, config: &DataConfig) -> Vec<Arc<Gallery>> {
        let at = |resolution: &usize| {
            let scale = self.0.iter().find(|scale| scale.resolution == *resolution);
            Arc::clone(&scale.expect("each resolution of the configuration has one").train)
        };
        config.resolutions[1..].iter().map(at).collect()
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
            Key("data.normalization.given")
                .fault(format!("{given} channels, but the images have {wanted}"))
        );
        Ok(normalization)
    }
}
