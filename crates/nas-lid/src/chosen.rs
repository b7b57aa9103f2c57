//! One architecture of a run, and where its weights are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use data::Dataset;
use space::Arch;

use crate::config::{Method, Plan};
use crate::lab::{Lab, dataset};
use crate::method::Arm;
use crate::run::found;
use crate::run_dir::RunDir;
use crate::{Place, device};

/// Which network of which run.
#[derive(clap::Args)]
pub(crate) struct ChosenOptions {
    /// The run directory
    dir: PathBuf,
    /// The architecture, as the space writes it [default: the best that was found]
    #[arg(long)]
    arch: Option<String>,
    /// Whose sub-supernets
    #[arg(long, value_enum, default_value_t = Method::Lid)]
    method: Method,
    #[command(flatten)]
    place: Place,
}

/// A run, opened to read from, and one of its architectures.
pub(crate) struct Chosen {
    pub(crate) plan: Plan,
    pub(crate) lab: Lab,
    pub(crate) dir: RunDir,
    pub(crate) method: Method,
    /// By its full name.
    pub(crate) device: String,
    /// All of its images.
    pub(crate) dataset: Dataset,
    pub(crate) arch: Arch,
}

impl ChosenOptions {
    /// The run directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the run on the data that it was made with.
    pub(crate) fn open(&self) -> Result<Chosen> {
        let (dir, manifest) = RunDir::existing(&self.dir)?;
        let plan = Plan::read(&self.dir.join("config.toml"), &[])?;
        let place = self.dir.display();
        let dataset = dataset(&plan.config, self.place.archives()?.as_deref())?;
        let lab = Lab::of(&plan.config, &dataset, &device::open(&self.place.device)?)?;
        ensure!(manifest.data_sha256 == lab.data_digest, "{place} was made with other images");
        let arch = match &self.arch {
            Some(text) => lab.space.parse(text)?,
            None => best(&dir, self.method, &lab)?,
        };
        let (method, device) = (self.method, device::full_name(&self.place.device));
        Ok(Chosen { plan, lab, dir, method, device, dataset, arch })
    }
}

/// The best architecture that the search of a method has found.
fn best(dir: &RunDir, method: Method, lab: &Lab) -> Result<Arch> {
    let found = found(dir, method, lab.space.as_ref())?.with_context(|| {
        let name = method.name();
        format!("the run has not searched by {name} yet; name an --arch or another --method")
    })?;
    Ok(found[0].arch.clone())
}

impl Chosen {
    /// The sub-supernets of the method.
    pub(crate) fn arm(&self) -> Arm<'_> {
        let Self { plan, lab, dir, method, .. } = self;
        Arm { lab, config: &plan.config, dir, method: *method }
    }

    /// What one has to know to run the network.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let lab = &self.lab;
        let entries = [
            ("format", "pt".to_owned()),
            ("space", serde_json::to_string(&self.plan.config.space)?),
            ("arch", lab.space.format(&self.arch)),
            ("dataset", lab.dataset.clone()),
            ("resolution", self.plan.config.data.resolution().to_string()),
            ("mean", serde_json::to_string(&lab.normalization.mean)?),
            ("std", serde_json::to_string(&lab.normalization.std)?),
        ];
        Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}
