//! The dimensions of one architecture on one batch.

use std::collections::BTreeMap;

use data::Batch;
use lid::{Degenerate, LidError, estimate};
use space::Arch;
use supernet::{Features, Supernet};

use crate::LidOptions;

/// The LID of each image at each tap; none where the image's neighbors have no dimension.
pub type TapLids = BTreeMap<usize, Vec<Option<f64>>>;

/// Passes a batch along an architecture and measures tap by tap; the features of a tap are only
/// borrowed, so one layer at a time is in memory.
///
/// # Errors
///
/// The first tap at which something else is wrong than degenerate images, and what it is.
///
/// # Panics
///
/// If the supernet shows a tap twice.
pub fn tap_lids(
    supernet: &dyn Supernet,
    arch: &Arch,
    batch: &Batch,
    options: &LidOptions,
) -> Result<TapLids, (usize, LidError)> {
    let mut lids = TapLids::new();
    let mut fault = None;
    supernet.probe(arch, batch, options.taps, &mut |tap, features| {
        if fault.is_some() {
            return;
        }
        match image_lids(features, options) {
            Ok(per_image) => {
                let earlier = lids.insert(tap, per_image);
                assert!(earlier.is_none(), "tap {tap} of {arch} came twice");
            }
            Err(source) => fault = Some((tap, source)),
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
