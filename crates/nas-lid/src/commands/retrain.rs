//! `nas-lid retrain`: the network that was found, trained to the end.

use std::path::PathBuf;

use anyhow::Result;

use crate::Format;
use crate::chosen::ChosenOptions;
use crate::retrain::{Outcome, RetrainConfig, Retraining};

/// Which network, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    chosen: ChosenOptions,
    /// How it is trained
    #[arg(long)]
    config: PathBuf,
    /// The folder under `retrain` in the run directory [default: the method]
    #[arg(long, value_parser = plain)]
    name: Option<String>,
}

/// A name that is no path.
fn plain(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err("a name is of letters, digits, - and _".to_owned())
    }
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let (config, origin) = RetrainConfig::read(&options.config)?;
    let chosen = options.chosen.open()?;
    let name = options.name.as_deref().unwrap_or(chosen.method.name());
    let outcome = origin.locate(Retraining::new(&chosen, &config, name))?.run()?;
    crate::print(match format {
        Format::Json => format!("{}\n", serde_json::to_string(&outcome)?),
        Format::Text => {
            let Outcome { arch, dataset, epochs, top_1, top_5, test_images } = outcome;
            format!(
                "arch    {arch}\nepochs  {epochs}\ntop-1   {:.2} % of {test_images} test images of \
                 {dataset}\ntop-5   {:.2} %\nfiles   {}\n",
                100.0 * top_1,
                100.0 * top_5,
                chosen.dir.path(&format!("retrain/{name}")).display()
            )
        }
    })
}
