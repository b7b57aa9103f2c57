//! A search space and its sizes from the command line.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use nb201::Nb201Config;
use ofa::OfaConfig;
use proxyless::ProxylessConfig;

use crate::config::SpaceConfig;
use crate::misuse::Misuse;
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
    /// nb201: channels of the first stage [default: 16]
    #[arg(long)]
    channels: Option<usize>,
    /// nb201: cells in each stage [default: 5]
    #[arg(long)]
    cells_per_stage: Option<usize>,
    /// proxyless, ofa: what all channels are multiplied by [default: 1]
    #[arg(long)]
    width: Option<f64>,
    /// proxyless, ofa: stride of the first convolution [default: 2]
    #[arg(long)]
    stem_stride: Option<usize>,
    /// proxyless: channels of the six stages at width 1 [default: 24,40,80,96,192,320]
    #[arg(long, value_delimiter = ',')]
    stage_channels: Option<Vec<usize>>,
    /// ofa: expansions that a block may have, some of 3, 4, 6 [default: 4,6]
    #[arg(long, value_delimiter = ',')]
    expand_ratios: Option<Vec<usize>>,
    /// ofa: blocks that a stage may have, some of 2, 3, 4 [default: 3,4]
    #[arg(long, value_delimiter = ',')]
    depths: Option<Vec<usize>>,
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
            ensure!(
                (1..=most).contains(&size),
                Misuse(format!("{name} must lie between 1 and {most}, got {size}"))
            );
        }
        self.refuse_foreign()?;
        let config = self.config()?;
        config.check().map_err(|(key, fault)| {
            let name = key.rsplit('.').next().unwrap_or(key);
            Misuse(format!("--{name} {fault}"))
        })?;
        Ok((config, Task { image_channels: IMAGE_CHANNELS, resolution, classes }))
    }

    /// Refuses sizes that the space has not.
    fn refuse_foreign(&self) -> Result<()> {
        use SpaceName::{Nb201, Ofa, Proxyless};
        let sizes = [
            ("--channels", self.channels.is_some(), &[Nb201][..]),
            ("--cells-per-stage", self.cells_per_stage.is_some(), &[Nb201]),
            ("--width", self.width.is_some(), &[Proxyless, Ofa]),
            ("--stem-stride", self.stem_stride.is_some(), &[Proxyless, Ofa]),
            ("--stage-channels", self.stage_channels.is_some(), &[Proxyless]),
            ("--expand-ratios", self.expand_ratios.is_some(), &[Ofa]),
            ("--depths", self.depths.is_some(), &[Ofa]),
        ];
        let space = self.space.to_possible_value();
        let space = space.as_ref().map_or("the space", |value| value.get_name());
        for (name, is_given, spaces) in sizes {
            ensure!(
                !is_given || spaces.contains(&self.space),
                Misuse(format!("{space} has no {name}"))
            );
        }
        Ok(())
    }

    fn config(&self) -> Result<SpaceConfig> {
        let (width, stem_stride) = (self.width.unwrap_or(1.0), self.stem_stride.unwrap_or(2));
        Ok(match self.space {
            SpaceName::Nb201 => {
                let channels = self.channels.unwrap_or(16);
                let cells_per_stage = self.cells_per_stage.unwrap_or(5);
                SpaceConfig::Nb201(Nb201Config { channels, cells_per_stage, affine: true })
            }
            SpaceName::Proxyless => {
                let stage_channels = match &self.stage_channels {
                    Some(given) => given[..].try_into().map_err(|_| {
                        Misuse(format!("--stage-channels: expected six, got {}", given.len()))
                    })?,
                    None => [24, 40, 80, 96, 192, 320],
                };
                SpaceConfig::Proxyless(ProxylessConfig { width, stage_channels, stem_stride })
            }
            SpaceName::Ofa => {
                let expand_ratios = self.expand_ratios.clone().unwrap_or_else(|| vec![4, 6]);
                let depths = self.depths.clone().unwrap_or_else(|| vec![3, 4]);
                SpaceConfig::Ofa(OfaConfig { width, expand_ratios, depths, stem_stride })
            }
        })
    }
}
