//! The dimensions of architectures on one batch.

use std::collections::BTreeMap;

use data::Batch;
use lid::{Degenerate, LidError, estimate};
use space::Arch;
use supernet::{Features, Supernet};

use crate::LidOptions;

/// The LID of each image at each tap; none where the image's neighbors have no dimension.
pub type TapLids = BTreeMap<usize, Vec<Option<f64>>>;

/// Where features have no dimensions, and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tap {tap}: {source}")]
pub struct ProbeFault {
    /// The first of the architectures that have these features.
    pub arch: usize,
    /// The number of the tap.
    pub tap: usize,
    /// What is wrong there.
    pub source: LidError,
}

/// Passes a batch along architectures and measures tap by tap; the features of a tap are only
/// borrowed, so one layer at a time is in memory. What architectures share is measured once.
///
/// # Errors
///
/// The first tap at which something else is wrong than degenerate images.
///
/// # Panics
///
/// If the supernet shows a tap twice.
pub fn tap_lids(
    supernet: &dyn Supernet,
    archs: &[Arch],
    batch: &Batch,
    options: &LidOptions,
) -> Result<Vec<TapLids>, ProbeFault> {
    let mut lids = vec![TapLids::new(); archs.len()];
    let mut fault = None;
    supernet.probe(archs, batch, options.taps, &mut |owners, tap, features| {
        if fault.is_some() {
            return;
        }
        match image_lids(features, options) {
            Ok(per_image) => {
                for arch in owners {
                    let earlier = lids[arch].insert(tap, per_image.clone());
                    assert!(earlier.is_none(), "tap {tap} of {} came twice", archs[arch]);
                }
            }
            Err(source) => fault = Some(ProbeFault { arch: owners.start, tap, source }),
        }
    });
    fault.map_or(Ok(lids), Err)
}

/// # Shapes
///
/// - output: `[n]`
fn image_lids(features: &Features<'_>, options: &LidOptions) -> Result<Vec<Option<f64>>, LidError> {
    let neighbors = features.neighbors(options.neighbors)?;
    match estimate(&neighbors, options.estimator, Degenerate::Skip) {
        Ok(lid) => Ok(lid.per_point().to_vec()),
        Err(LidError::AllSkipped { n }) => Ok(vec![None; n]),
        Err(error) => Err(error),
    }
}
