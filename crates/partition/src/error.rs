//! What can be wrong with a similarity, a partition or a request to cut.

use thiserror::Error;

use crate::{Measure, Objective, Sizes};

/// What can be wrong with a similarity, a partition or a request to cut.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PartitionError {
    /// There are no vertices, vectors or matrices at all.
    #[error("nothing to compare: at least one vertex is needed")]
    Empty,
    /// The number of values is not the square of the number of vertices.
    #[error("{n} vertices need {n} × {n} similarities, got {got}")]
    Count {
        /// Vertices.
        n: usize,
        /// Values given.
        got: usize,
    },
    /// A similarity so large that sums of such overflow.
    #[error("similarity at row {row}, column {col} is {value:e}: a sum of such numbers overflows")]
    TooLarge {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// A row of a nested matrix has another length than the matrix has rows.
    #[error("row {row} of a similarity of {n} rows has {got} entries")]
    Ragged {
        /// The row.
        row: usize,
        /// Rows of the matrix.
        n: usize,
        /// Entries of the row.
        got: usize,
    },
    /// A similarity is infinite or not a number.
    #[error("similarity at row {row}, column {col} is {value}, not a finite number")]
    NotFinite {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// Two mirrored similarities differ.
    #[error("similarity is not symmetric: row {row}, column {col} is {value}, mirrored {mirrored}")]
    NotSymmetric {
        /// Row of the entry above the diagonal.
        row: usize,
        /// Column of the entry above the diagonal.
        col: usize,
        /// The entry above the diagonal.
        value: f64,
        /// The entry below the diagonal.
        mirrored: f64,
    },
    /// A vertex without any similarity, which the spectrum of the graph cannot place.
    #[error("vertex {vertex} is similar to no other")]
    Isolated {
        /// The vertex.
        vertex: usize,
    },
    /// A similarity below zero, where the objective allows none.
    #[error(
        "similarity at row {row}, column {col} is {value}: a cut of a graph needs non-negative ones"
    )]
    Negative {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// A vector is longer or shorter than the first.
    #[error("vector {vector} has {got} numbers, vector 0 has {expected}")]
    UnequalVectors {
        /// The vector.
        vector: usize,
        /// Length of the first vector.
        expected: usize,
        /// Length of this one.
        got: usize,
    },
    /// The vectors have no numbers.
    #[error("vectors without numbers have no similarity")]
    EmptyVectors,
    /// A number of a vector is infinite or not a number.
    #[error("number {position} of vector {vector} is {value}, not finite")]
    VectorNotFinite {
        /// The vector.
        vector: usize,
        /// Position in the vector.
        position: usize,
        /// The number.
        value: f64,
    },
    /// The measure is undefined for a zero (cosine) or constant (Pearson, Spearman) vector.
    #[error("{measure} similarity is undefined for vector {vector}: it is {}", flat(*.measure))]
    FlatVector {
        /// The measure.
        measure: Measure,
        /// The vector.
        vector: usize,
    },
    /// Matrices of unequal size cannot be averaged.
    #[error("similarity {matrix} has {got} vertices, similarity 0 has {expected}")]
    UnequalSimilarities {
        /// The matrix.
        matrix: usize,
        /// Vertices of the first matrix.
        expected: usize,
        /// Vertices of this one.
        got: usize,
    },
    /// A group of a partition has no member.
    #[error("group {group} is empty")]
    EmptyGroup {
        /// The group, as given.
        group: usize,
    },
    /// A vertex is in two groups, or twice in one.
    #[error("vertex {vertex} is in the groups twice")]
    Repeated {
        /// The vertex.
        vertex: usize,
    },
    /// The groups skip a number: they are not complete.
    #[error("groups with {n} members lack vertex {vertex}")]
    Missing {
        /// The smallest vertex that is in no group.
        vertex: usize,
        /// Members of all groups.
        n: usize,
    },
    /// Too many vertices to try every partition.
    #[error("{n} vertices are too many to try every partition, {max} is the limit")]
    TooManyVertices {
        /// Vertices.
        n: usize,
        /// The most that are tried.
        max: usize,
    },
    /// Too few vertices for the published cut.
    #[error("the published cut needs at least {min} vertices, got {n}")]
    TooFewVertices {
        /// Vertices.
        n: usize,
        /// The fewest that can be cut.
        min: usize,
    },
    /// No partition has this many groups of these sizes.
    #[error("no partition of {n} vertices into {n_groups} groups of sizes `{sizes}` exists")]
    NoPartition {
        /// Vertices.
        n: usize,
        /// Groups asked for.
        n_groups: usize,
        /// Sizes asked for.
        sizes: Sizes,
    },
    /// Partitions exist, but the objective is defined for none of them.
    #[error("objective `{objective}` is undefined for every cut of {n} vertices into {n_groups}")]
    Undefined {
        /// The objective.
        objective: Objective,
        /// Vertices.
        n: usize,
        /// Groups asked for.
        n_groups: usize,
    },
}

/// What a vector is that the measure cannot take.
fn flat(measure: Measure) -> &'static str {
    match measure {
        Measure::Cosine => "zero",
        Measure::Pearson | Measure::Spearman | Measure::InverseDistance => "constant",
    }
}
