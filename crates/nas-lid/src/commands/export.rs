//! `nas-lid export`: the weights of a network that a run has found, for PyTorch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use space::Arch;

use crate::config::{Method, Plan};
use crate::lab::Lab;
use crate::method::Arm;
use crate::run::Found;
use crate::run_dir::{Manifest, RunDir};
use crate::{Format, Place, device};

/// Which network of which run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The run directory
    dir: PathBuf,
    /// The architecture, as the space writes it [default: the best that was found]
    #[arg(long)]
    arch: Option<String>,
    /// Whose sub-supernets
    #[arg(long, value_enum, default_value_t = Method::Lid)]
    method: Method,
    /// The safetensors file [default: export/METHOD.safetensors in the run directory]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let plan = Plan::read(&options.dir.join("config.toml"), &[])?;
    let device = device::open(&options.place.device)?;
    let lab = Lab::open(&plan.config, options.place.data.as_deref(), &device)?;
    let dir = RunDir::unopened(&options.dir);
    let manifest: Manifest = dir.read_json("manifest.json")?;
    ensure!(
        manifest.data_sha256 == lab.data_digest,
        "{} was made with other data",
        options.dir.display()
    );
    let arm = Arm { lab: &lab, config: &plan.config, dir: &dir, method: options.method };
    let arch = match &options.arch {
        Some(text) => lab.space.parse(text)?,
        None => best(&arm)?,
    };

    let mut supernet = arm.fine_tuned(&arch)?;
    supernet.store_statistics(&arch, &lab.statistics_batches()?);
    let mut weights = supernet.export();
    weights.metadata = metadata(&plan, &lab, &arch)?;
    let name = options.method.name();
    let default = || dir.path(&format!("export/{name}.safetensors"));
    let out = options.out.clone().unwrap_or_else(default);
    let folder = out.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    weights.write(&out)?;
    let (arch, file) = (lab.space.format(&arch), out.display().to_string());
    crate::print(match format {
        Format::Json => format!("{}\n", json!({ "arch": arch, "file": file })),
        Format::Text => format!("arch  {arch}\nfile  {file}\n"),
    });
    Ok(())
}

/// The best architecture that the search of a method has found.
fn best(arm: &Arm<'_>) -> Result<Arch> {
    let file = format!("search/{}.json", arm.method.name());
    ensure!(
        arm.dir.path(&file).exists(),
        "the run has not searched by {} yet; name an --arch",
        arm.method.name()
    );
    let found: Vec<Found> = arm.dir.read_json(&file)?;
    Ok(found.into_iter().next().context("the search has found nothing; name an --arch")?.arch)
}

/// What one has to know to run the network.
fn metadata(plan: &Plan, lab: &Lab, arch: &Arch) -> Result<BTreeMap<String, String>> {
    let entries = [
        ("format", "pt".to_owned()),
        ("space", serde_json::to_string(&plan.config.space)?),
        ("arch", lab.space.format(arch)),
        ("dataset", lab.dataset.clone()),
        ("resolution", plan.config.data.resolution.to_string()),
        ("mean", serde_json::to_string(&lab.normalization.mean)?),
        ("std", serde_json::to_string(&lab.normalization.std)?),
    ];
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
