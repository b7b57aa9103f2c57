//! What images a run takes, and how.

use data::{Augment, Normalization, PictureFolder, Source};
use serde::{Deserialize, Serialize};

use super::ranges::{
    Fault, MOST, above_zero, at_most, count, not_negative, share, upper_share, whole_share,
};
use crate::spaces::MOST_CHANNELS;

/// Most resolutions that the one of a step is drawn from.
const MOST_RESOLUTIONS: usize = 100;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DataConfig {
    pub(crate) source: Source,
    pub(crate) resolutions: Vec<usize>,
    pub(crate) valid_images: usize,
    pub(crate) normalization: NormalizationConfig,
    pub(crate) augment: Augment,
}

/// Mean and spread of the channels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NormalizationConfig {
    /// Those of the training images.
    Measured,
    Given(Normalization),
}

impl DataConfig {
    /// That of costs, probes and tests: the first.
    pub(crate) fn resolution(&self) -> usize {
        self.resolutions[0]
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        if let Source::Pictures(PictureFolder { center, most_unreadable, .. }) = self.source {
            upper_share("data.source.pictures.center", center)?;
            share("data.source.pictures.most-unreadable", most_unreadable)?;
        }
        let n = self.resolutions.len();
        if !(1..=MOST_RESOLUTIONS).contains(&n) {
            let fault = format!("must have 1 to {MOST_RESOLUTIONS} entries, got {n}");
            return Err(("data.resolutions", fault));
        }
        for &resolution in &self.resolutions {
            count("data.resolutions", resolution, MOST_CHANNELS)?;
        }
        count("data.valid-images", self.valid_images, MOST)?;
        self.normalization.check()?;
        // By a side and more an image may be gone altogether.
        let most = self.resolution() - 1;
        at_most("data.augment.crop-padding", self.augment.crop_padding, most)?;
        at_most("data.augment.cutout", self.augment.cutout, most)?;
        let keys = ["data.augment.crop-area", "data.augment.jitter", "data.augment.erasing"];
        augment(keys, &self.augment)
    }
}

impl NormalizationConfig {
    fn check(&self) -> Result<(), Fault> {
        let Self::Given(Normalization { mean, std }) = self else { return Ok(()) };
        for &mean in mean {
            whole_share("data.normalization.given.mean", f64::from(mean))?;
        }
        for &std in std {
            above_zero("data.normalization.given.std", f64::from(std))?;
        }
        if mean.len() == std.len() {
            Ok(())
        } else {
            let fault = format!("has {} channels, its mean {}", std.len(), mean.len());
            Err(("data.normalization.given.std", fault))
        }
    }
}

/// Checks random changes; the keys are those of the crop's area, the jitter and the erasing.
pub(crate) fn augment(keys: [&'static str; 3], augment: &Augment) -> Result<(), Fault> {
    let [crop_area, jitter, erasing] = keys;
    upper_share(crop_area, augment.crop_area)?;
    let strengths = augment.jitter;
    for strength in [strengths.brightness, strengths.contrast, strengths.saturation] {
        not_negative(jitter, strength)?;
    }
    whole_share(erasing, augment.erasing)
}
