//! Files besides images that a configuration names.

use std::path::Path;

use anyhow::{Context, Result};
use space::{LatencyTable, SearchSpace};
use weights::Weights;

use crate::config::{FirstWeights, Key, LatencyConfig, RunConfig};
use crate::latency_table::{self, Subject};
use crate::run_dir::digest;

/// What these files hold.
pub(crate) struct Inputs {
    /// What a supernet starts from, if it is not drawn.
    pub(crate) published: Option<Weights>,
    /// How long networks take, if that is known.
    pub(crate) latency: Option<LatencyTable>,
    /// SHA-256 of the files, one after another.
    pub(crate) sha256: String,
}

impl Inputs {
    /// Reads the files.
    pub(crate) fn read(config: &RunConfig, space: &dyn SearchSpace) -> Result<Self> {
        let mut files: Vec<&Path> = Vec::new();
        let published = match &config.training.first_weights {
            FirstWeights::Drawn => None,
            FirstWeights::Published(file) => {
                files.push(file);
                Some(Weights::read(file).context(Key("training.first-weights"))?)
            }
        };
        let latency = match &config.search.latency {
            LatencyConfig::Unknown => None,
            LatencyConfig::Table(file) => {
                files.push(file);
                let of = Subject {
                    space: config.space.clone(),
                    resolution: config.data.resolution(),
                    kernels: config.kernels,
                };
                Some(latency_table::read(file, &of, space).context(Key("search.latency"))?)
            }
        };
        let mut bytes = Vec::new();
        for file in files {
            bytes.extend(std::fs::read(file).with_context(|| file.display().to_string())?);
        }
        Ok(Self { published, latency, sha256: digest(&bytes) })
    }
}
