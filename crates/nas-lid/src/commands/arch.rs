//! `nas-lid arch`: parameters, multiply-adds and taps of one architecture.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use space::{Arch, SearchSpace};

use crate::space_options::SpaceOptions;
use crate::{Format, mask_file, spaces};

/// What to describe.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    space: SpaceOptions,
    /// The architecture, as the space writes it, or a file: a published mask in JSON
    arch: String,
}

impl Options {
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
    let (config, task) = options.space.checked()?;
    spaces::check_resolution(&config, task.resolution)?;
    let space = spaces::space(&config, task)?;
    let arch = options.arch(space.as_ref())?;
    let cost = space.cost(&arch);
    let (live, taps) = (space.live_cost(&arch), space.taps(&arch));
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({
                "space": space.name(),
                "arch": space.format(&arch),
                "parameters": cost.parameters,
                "macs": cost.macs,
                "live_parameters": live.parameters,
                "live_macs": live.macs,
                "taps": taps,
            })
        ),
        Format::Text => format!(
            "parameters  {} ({} live)\nmacs        {} ({} live)\ntaps        {}\n",
            cost.parameters,
            live.parameters,
            cost.macs,
            live.macs,
            taps.iter().map(|[c, h, w]| format!("{c}x{h}x{w}")).collect::<Vec<_>>().join(" "),
        ),
    })
}
