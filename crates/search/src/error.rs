//! What can go wrong when edges are compared and architectures are sought.

use lid::LidError;
use partition::PartitionError;
use space::{EdgeId, OpId, SpaceError};
use supernet::SupernetError;
use thiserror::Error;

/// What can go wrong when edges are compared and architectures are sought.
#[derive(Debug, Error)]
pub enum SearchError {
    /// A division needs at least two groups.
    #[error("operations divide into at least 2 groups, got {n_groups}")]
    Groups {
        /// The groups asked for.
        n_groups: usize,
    },
    /// There is nothing to compare operations on.
    #[error("no probe batches")]
    NoBatches,
    /// The features at a tap have no dimension for a reason that is no degenerate image.
    #[error("operation {} of edge {}, batch {batch}, tap {tap}", op.0, edge.0)]
    Probe {
        /// The edge that was probed.
        edge: EdgeId,
        /// The operation on it.
        op: OpId,
        /// The number of the probe batch.
        batch: usize,
        /// The tap.
        tap: usize,
        /// What was wrong there.
        source: LidError,
    },
    /// The supernet has no gradient for an architecture.
    #[error("operation {} of edge {}, batch {batch}", op.0, edge.0)]
    Gradient {
        /// The edge that was probed.
        edge: EdgeId,
        /// The operation on it.
        op: OpId,
        /// The number of the probe batch.
        batch: usize,
        /// What the supernet said.
        source: SupernetError,
    },
    /// The vectors of a batch have no similarity, and the context is not to blame.
    #[error("edge {}, batch {batch}", edge.0)]
    Similarity {
        /// The edge.
        edge: EdgeId,
        /// The number of the probe batch.
        batch: usize,
        /// What is wrong with the vectors.
        source: PartitionError,
    },
    /// In no batch could the operations of an edge be compared.
    #[error("edge {}: none of {n_batches} batches compares its operations: {last}", edge.0)]
    Incomparable {
        /// The edge.
        edge: EdgeId,
        /// How many batches were tried.
        n_batches: usize,
        /// Why the last of them failed.
        last: Incomparable,
    },
    /// The operations of an edge cannot be cut as asked.
    #[error("edge {}", edge.0)]
    Cut {
        /// The edge.
        edge: EdgeId,
        /// What is wrong with the request.
        source: PartitionError,
    },
    /// Options of evolution that do not fit together.
    #[error("evolution")]
    Evolution(#[from] EvolutionFault),
    /// No architecture was found that is allowed, connected and within the constraints.
    #[error("no connected architecture within the constraints was found under the mask")]
    NoArch,
}

impl SearchError {
    /// The edge that it is about, if it is about one.
    pub fn edge(&self) -> Option<EdgeId> {
        match *self {
            Self::Probe { edge, .. }
            | Self::Gradient { edge, .. }
            | Self::Similarity { edge, .. }
            | Self::Incomparable { edge, .. }
            | Self::Cut { edge, .. } => Some(edge),
            Self::Groups { .. } | Self::NoBatches | Self::Evolution(_) | Self::NoArch => None,
        }
    }
}

/// Why the operations of an edge cannot be compared in one context.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Incomparable {
    /// At each tap, no image has a dimension under all operations.
    #[error("no tap at which all operations have a dimension")]
    NoTap,
    /// The edge reaches nothing that is measured.
    #[error("all operations give the same numbers")]
    Identical,
    /// A vector without a direction.
    #[error(transparent)]
    Flat(PartitionError),
}

/// What is wrong with the options of evolution.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EvolutionFault {
    /// A number that must not be zero.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// More children than the population holds.
    #[error(
        "{n_crossover} crossovers and {n_mutation} mutations exceed the population of {population}"
    )]
    Children {
        /// Children by crossover.
        n_crossover: usize,
        /// Children by mutation.
        n_mutation: usize,
        /// Architectures of a generation.
        population: usize,
    },
    /// A number that is no probability.
    #[error("`mutation-probability` must lie in [0, 1], got {0}")]
    Probability(f64),
    /// Times are weighed, and there is no table of them.
    #[error("`selection` weighs times, but there is no latency table")]
    NoTable,
    /// A table of times that does not fit the space.
    #[error("the latency table does not fit: {0}")]
    Table(SpaceError),
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// An error and its causes, as the program prints them.
    fn chain(error: &dyn std::error::Error) -> String {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    #[track_caller]
    fn check(error: SearchError, expected: Expect) {
        expected.assert_eq(&chain(&error));
    }

    #[test]
    fn messages_name_the_place() {
        let (edge, op) = (EdgeId(3), OpId(1));
        let source = LidError::TooFewPoints { n: 8, k: 20 };
        check(
            SearchError::Probe { edge, op, batch: 4, tap: 2, source },
            expect![
                "operation 1 of edge 3, batch 4, tap 2: 20 neighbors need at least 21 points, got 8"
            ],
        );
        check(
            SearchError::Incomparable { edge, n_batches: 5, last: Incomparable::Identical },
            expect![[
                "edge 3: none of 5 batches compares its operations: all operations give the same numbers"
            ]],
        );
        check(
            EvolutionFault::Probability(1.5).into(),
            expect!["evolution: `mutation-probability` must lie in [0, 1], got 1.5"],
        );
    }
}
