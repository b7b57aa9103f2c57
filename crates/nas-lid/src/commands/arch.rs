//! `nas-lid arch`: parameters, multiply-adds and taps of one architecture.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use nb201::{Nb201, Nb201Config};
use ofa::{Ofa, OfaConfig};
use proxyless::{Proxyless, ProxylessConfig};
use serde_json::json;
use space::{Arch, SearchSpace};

use crate::spaces::{MOST_CHANNELS, WIDTHS};
use crate::{Format, mask_file};

/// What to describe.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The search space
    space: SpaceName,
    /// The architecture, as the space writes it, or a file: a published mask in JSON
    arch: String,
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

/// With these and [`MOST_CHANNELS`] all costs stay below 2⁶⁴.
const MOST_CELLS: usize = 1 << 8;
const MOST_CLASSES: usize = 1 << 16;

impl Options {
    fn space(&self) -> Result<Box<dyn SearchSpace>> {
        let (resolution, classes) = match self.space {
            SpaceName::Nb201 => (32, 10),
            SpaceName::Proxyless | SpaceName::Ofa => (224, 1000),
        };
        let resolution = self.resolution.unwrap_or(resolution);
        let classes = self.classes.unwrap_or(classes);
        let stage_channels =
            self.stage_channels.iter().map(|&n| ("--stage-channels", n, MOST_CHANNELS));
        let sizes = [
            ("--channels", self.channels, MOST_CHANNELS),
            ("--cells-per-stage", self.cells_per_stage, MOST_CELLS),
            ("--stem-stride", self.stem_stride, MOST_CHANNELS),
            ("--resolution", resolution, MOST_CHANNELS),
            ("--classes", classes, MOST_CLASSES),
        ];
        for (name, size, most) in sizes.into_iter().chain(stage_channels) {
            ensure!((1..=most).contains(&size), "{name} must lie between 1 and {most}, got {size}");
        }
        let (width, stem_stride) = (self.width, self.stem_stride);
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        ensure!(
            WIDTHS.contains(&width),
            "--width must lie between {least} and {most}, got {width}"
        );
        Ok(match self.space {
            SpaceName::Nb201 => {
                let (channels, cells_per_stage) = (self.channels, self.cells_per_stage);
                let config = Nb201Config { channels, cells_per_stage, affine: true };
                Box::new(Nb201::new(&config, 3, resolution, classes))
            }
            SpaceName::Proxyless => {
                let stage_channels = self.stage_channels[..].try_into();
                let stage_channels = stage_channels.context("--stage-channels: expected six")?;
                let config = ProxylessConfig { width, stage_channels, stem_stride };
                Box::new(Proxyless::new(&config, 3, resolution, classes))
            }
            SpaceName::Ofa => {
                let (expand_ratios, depths) = (self.expand_ratios.clone(), self.depths.clone());
                let config = OfaConfig { width, expand_ratios, depths, stem_stride };
                Box::new(Ofa::new(&config, 3, resolution, classes)?)
            }
        })
    }

    fn arch(&self, space: &dyn SearchSpace) -> Result<Arch> {
        let file = Path::new(&self.arch);
        if self.arch.ends_with(".json") || file.is_file() {
            let text = std::fs::read_to_string(file).with_context(|| self.arch.clone())?;
            return mask_file::parse(space, &text).with_context(|| self.arch.clone());
        }
        Ok(space.parse(&self.arch)?)
    }
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let space = options.space()?;
    let arch = options.arch(space.as_ref())?;
    let cost = space.cost(&arch);
    let taps = space.taps(&arch);
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({
                "space": space.name(),
                "arch": space.format(&arch),
                "parameters": cost.parameters,
                "macs": cost.macs,
                "taps": taps,
            })
        ),
        Format::Text => {
            let live = space.live_cost(&arch);
            format!(
                "parameters  {} ({} live)\nmacs        {} ({} live)\ntaps        {}\n",
                cost.parameters,
                live.parameters,
                cost.macs,
                live.macs,
                taps.iter().map(|[c, h, w]| format!("{c}x{h}x{w}")).collect::<Vec<_>>().join(" "),
            )
        }
    });
    Ok(())
}
