//! `nas-lid arch`: parameters, multiply-adds and taps of one architecture.

use anyhow::{Result, bail};
use nb201::{Nb201, Nb201Config};
use serde_json::json;
use space::SearchSpace;

use crate::Format;

/// What to describe.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The search space: nb201
    space: String,
    /// The architecture, as the space writes it
    arch: String,
    /// Channels of the first stage
    #[arg(long, default_value_t = 16)]
    channels: usize,
    /// Cells in each stage
    #[arg(long, default_value_t = 5)]
    cells_per_stage: usize,
    /// Side of the images in pixels
    #[arg(long, default_value_t = 32)]
    resolution: usize,
    /// Number of classes
    #[arg(long, default_value_t = 10)]
    classes: usize,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    if options.space != "nb201" {
        bail!("unknown search space `{}`, expected nb201", options.space);
    }
    let sizes = [options.channels, options.cells_per_stage, options.resolution, options.classes];
    if sizes.iter().any(|&size| size == 0 || 1 << 16 < size) {
        bail!("channels, cells, resolution and classes must lie between 1 and 65536");
    }
    let config = Nb201Config {
        channels: options.channels,
        cells_per_stage: options.cells_per_stage,
        affine: true,
    };
    let space = Nb201::new(&config, 3, options.resolution, options.classes);
    let arch = space.parse(&options.arch)?;
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
