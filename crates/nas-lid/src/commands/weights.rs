//! `nas-lid weights`: how published weights fit a network.

use std::path::PathBuf;

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde_json::json;
use space::Seed;
use supernet::{Imported, SupernetError};
use weights::Weights;

use crate::Format;
use crate::space_options::SpaceOptions;
use crate::spaces::{self, Compute, Opened};

/// Which weights of which network.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    space: SpaceOptions,
    /// What PyTorch has written (.pth, .pth.tar), or safetensors
    file: PathBuf,
    /// Write the weights under their published names to this safetensors file
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let (space, task) = options.space.checked()?;
    let compute = Compute::fast(&Device::flex());
    let Opened { untrained, .. } = spaces::open(&space, task, &compute, Seed::new(0))?;
    let mut supernet = untrained();
    let published = Weights::read(&options.file)?;
    let imported = supernet.import(&published);
    if let Err(SupernetError::Unfit { tensors }) = &imported {
        crate::print(match format {
            Format::Json => format!("{}\n", json!({ "unfit": tensors })),
            Format::Text => tensors.iter().map(|tensor| format!("{tensor}\n")).collect(),
        })?;
    }
    let imported = imported.with_context(|| options.file.display().to_string())?;
    if let Some(out) = &options.out {
        supernet.export().write(out)?;
    }
    crate::print(match format {
        Format::Json => {
            let Imported { n_taken, unused, kept } = imported;
            format!("{}\n", json!({ "taken": n_taken, "unused": unused, "kept": kept }))
        }
        Format::Text => format!("{imported}\n"),
    })
}
