//! Files of latency tables, which say what was measured.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use space::{LatencyTable, SearchSpace};
use supernet::Kernels;

use crate::config::SpaceConfig;

/// A table, and what it is of.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Measured {
    pub(crate) of: Subject,
    /// Images at once.
    pub(crate) images: usize,
    pub(crate) table: LatencyTable,
}

/// The networks of a space on images of one size, by one kind of kernels.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) space: SpaceConfig,
    pub(crate) resolution: usize,
    pub(crate) kernels: Kernels,
}

/// Reads the times of these networks, which cover the whole space.
pub(crate) fn read(file: &Path, of: &Subject, space: &dyn SearchSpace) -> Result<LatencyTable> {
    let place = || format!("latency table {}", file.display());
    let text = std::fs::read_to_string(file).with_context(place)?;
    let measured: Measured = serde_json::from_str(&text).with_context(place)?;
    ensure!(
        measured.of == *of,
        "{} is of another space, other sizes, another resolution or other kernels",
        place()
    );
    measured.table.check(&space.full_mask()).with_context(place)?;
    Ok(measured.table)
}
