//! `nas-lid export`: the supernet of a network that a run has found, for PyTorch.

use std::path::{Path, PathBuf};

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
        for folder in ["checkpoints", "retrain"].map(|name| options.chosen.dir().join(name)) {
            let is_free = !lies_within(out, &folder);
            ensure!(is_free, Misuse(format!("--out {place}: what lies there is of the run")));
        }
    }
    let chosen = options.chosen.open()?;
    let (lab, arch) = (&chosen.lab, &chosen.arch);
    let mut supernet = chosen.arm().fine_tuned(arch)?;
    supernet.store_statistics(arch, &lab.statistics_batches()?);
    let mut weights = supernet.export();
    weights.metadata = chosen.metadata()?;

    let default = || chosen.dir.path(&format!("export/{}.safetensors", chosen.method.name()));
    let out = options.out.clone().unwrap_or_else(default);
    weights.write(&out)?;
    let (arch, file) = (lab.space.format(arch), out.display().to_string());
    crate::print(match format {
        Format::Json => format!("{}\n", json!({ "arch": arch, "file": file })),
        Format::Text => format!("arch  {arch}\nfile  {file}\n"),
    })
}

/// Whether a file, if there were one, would lie in a folder or in one of its folders, by whatever path.
fn lies_within(file: &Path, folder: &Path) -> bool {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    let real = |path: &Path| path.canonicalize().ok();
    let place = real(file).or_else(|| real(parent.unwrap_or(Path::new("."))));
    place.zip(real(folder)).is_some_and(|(place, folder)| place.starts_with(folder))
}
