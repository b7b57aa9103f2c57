//! A search space and its sizes from the command line.

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use nb201::Nb201Config;
use ofa::OfaConfig;
use proxyless::ProxylessConfig;

use crate::config::SpaceConfig;
use crate::spaces::{MOST_CHANNELS, Task};

/// With this and [`MOST_CHANNELS`] all costs stay below 2⁶⁴.
const MOST_CLASSES: usize = 1 << 16;

/// Channels of the images.
const IMAGE_CHANNELS: usize = 3;

/// A search space and its sizes.
#[derive(clap::Args)]
pub(crate) struct SpaceOptions {
    /// The search space
    space: SpaceName,
    /// Side of the images in pixels [default: 32 for nb201, else 224]
    #[arg(long)]
    resolution: Option<usize>,
    /// Number of classes [default: 10 for nb201, else 1000]
    #[arg(long)]
    classes: Option<usize>,
    /// nb201: channels of the first stage
    #[arg(long, default_value_t = 16)]
    channels: usize,
    /// nb201: cells in each stage
    #[arg(long, default_value_t = 5)]
    cells_per_stage: usize,
    /// proxyless, ofa: what all channels are multiplied by
    #[arg(long, default_value_t = 1.0)]
    width: f64,
    /// proxyless, ofa: stride of the first convolution
    #[arg(long, default_value_t = 2)]
    stem_stride: usize,
    /// proxyless: channels of the six stages at width 1
    #[arg(long, value_delimiter = ',', default_values_t = [24, 40, 80, 96, 192, 320])]
    stage_channels: Vec<usize>,
    /// ofa: expansions that a block may have, some of 3, 4, 6
    #[arg(long, value_delimiter = ',', default_values_t = [4, 6])]
    expand_ratios: Vec<usize>,
    /// ofa: blocks that a stage may have, some of 2, 3, 4
    #[arg(long, value_delimiter = ',', default_values_t = [3, 4])]
    depths: Vec<usize>,
}

/// The names of the search spaces.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SpaceName {
    /// NAS-Bench-201
    Nb201,
    /// ProxylessNAS
    Proxyless,
    /// Once-for-All on MobileNetV3
    Ofa,
}

impl SpaceOptions {
    /// The space, and what its networks see and tell apart.
    pub(crate) fn checked(&self) -> Result<(SpaceConfig, Task)> {
        let (resolution, classes) = match self.space {
            SpaceName::Nb201 => (32, 10),
            SpaceName::Proxyless | SpaceName::Ofa => (224, 1000),
        };
        let resolution = self.resolution.unwrap_or(resolution);
        let classes = self.classes.unwrap_or(classes);
        for (name, size, most) in
            [("--resolution", resolution, MOST_CHANNELS), ("--classes", classes, MOST_CLASSES)]
        {
            ensure!((1..=most).contains(&size), "{name} must lie between 1 and {most}, got {size}");
        }
        let config = self.config()?;
        config.check().map_err(|(key, fault)| {
            let name = key.rsplit('.').next().unwrap_or(key);
            anyhow!("--{name} {fault}")
        })?;
        Ok((config, Task { image_channels: IMAGE_CHANNELS, resolution, classes }))
    }

    fn config(&self) -> Result<SpaceConfig> {
        let (width, stem_stride) = (self.width, self.stem_stride);
        Ok(match self.space {
            SpaceName::Nb201 => {
                let (channels, cells_per_stage) = (self.channels, self.cells_per_stage);
                SpaceConfig::Nb201(Nb201Config { channels, cells_per_stage, affine: true })
            }
            SpaceName::Proxyless => {
                let stage_channels = self.stage_channels[..].try_into();
                let stage_channels = stage_channels.context("--stage-channels: expected six")?;
                SpaceConfig::Proxyless(ProxylessConfig { width, stage_channels, stem_stride })
            }
            SpaceName::Ofa => {
                let (expand_ratios, depths) = (self.expand_ratios.clone(), self.depths.clone());
                SpaceConfig::Ofa(OfaConfig { width, expand_ratios, depths, stem_stride })
            }
        })
    }
}
