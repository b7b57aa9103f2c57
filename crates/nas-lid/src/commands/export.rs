//! `nas-lid export`: the supernet of a network that a run has found, for PyTorch.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::Format;
use crate::chosen::ChosenOptions;
use crate::misuse::Misuse;

/// Which network, and where to.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    chosen: ChosenOptions,
    /// The safetensors file [default: export/METHOD.safetensors in the run directory]
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    if let Some(out) = &options.out {
        let is_named = out.extension().is_some_and(|extension| extension == "safetensors");
        let place = out.display();
        ensure!(is_named, Misuse(format!("--out {place}: weights are a file named *.safetensors")));
    }
    let chosen = options.chosen.open()?;
    let (lab, arch) = (&chosen.lab, &chosen.arch);
    let mut supernet = chosen.arm().fine_tuned(arch)?;
    supernet.store_statistics(arch, &lab.statistics_batches()?);
    let mut weights = supernet.export();
    weights.metadata = chosen.metadata()?;

    let checkpoints = chosen.dir.path("checkpoints");
    let is_checkpoint = |out: &PathBuf| out.starts_with(&checkpoints);
    ensure!(
        !options.out.as_ref().is_some_and(is_checkpoint),
        Misuse(format!("--out: the checkpoints of the run lie in {}", checkpoints.display()))
    );
    let default = || chosen.dir.path(&format!("export/{}.safetensors", chosen.method.name()));
    let out = options.out.clone().unwrap_or_else(default);
    weights.write(&out)?;
    let (arch, file) = (lab.space.format(arch), out.display().to_string());
    crate::print(match format {
        Format::Json => format!("{}\n", json!({ "arch": arch, "file": file })),
        Format::Text => format!("arch  {arch}\nfile  {file}\n"),
    })
}
