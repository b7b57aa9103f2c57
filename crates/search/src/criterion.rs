//! The face of a criterion.

use data::Batch;
use space::{Mask, SearchSpace, Seed};
use supernet::Supernet;

use crate::{Evidence, SearchError};

/// A way to tell which edge of a supernet to split, and how.
///
/// An edge is split once only, as published: it can be split if its mask still allows all operations
/// of the space, and if they divide into as many groups of such sizes as asked for.
pub trait Criterion {
    /// What speaks for each edge that can be split, in edge order; empty if there is none.
    ///
    /// The random numbers of edge e and batch b come from the stream `split/edge-e/batch-b` of
    /// `seed`, so no edge's evidence depends on the others. `progress` is told how many of how many
    /// comparisons are done.
    ///
    /// # Errors
    ///
    /// If the options do not fit the space, the features or gradients are not finite, or no edge has operations that
    /// can be compared in any batch.
    ///
    /// # Panics
    ///
    /// If `mask` has another number of edges than `space`.
    fn evidence(
        &self,
        supernet: &dyn Supernet,
        space: &dyn SearchSpace,
        mask: &Mask,
        batches: &[Batch],
        seed: Seed,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Evidence>, SearchError>;
}

#[cfg(test)]
#[path = "criterion_tests.rs"]
mod tests;
