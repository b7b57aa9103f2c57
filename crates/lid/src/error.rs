//! What can be wrong with points, distances and neighborhoods.

use std::fmt;

use thiserror::Error;

/// Why no dimension can be estimated.
///
/// The variants say what and which row; the caller knows which batch and which tap.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LidError {
    /// There is no value at all.
    #[error("there are no points")]
    Empty,
    /// Points of no features have no distances.
    #[error("points need at least one feature")]
    NoFeatures,
    /// The values do not fill the last row.
    #[error("{len} values are no whole number of points of {d} features")]
    Ragged {
        /// Number of values.
        len: usize,
        /// Features per point.
        d: usize,
    },
    /// A feature is NaN or infinite.
    #[error("value {value} at row {row}, column {col} is not finite")]
    NotFinite {
        /// Row of the value.
        row: usize,
        /// Column of the value.
        col: usize,
        /// The value.
        value: f32,
    },
    /// A feature of 64 bits lies where 32 bits have no numbers.
    #[error(
        "row {row}, column {col}: {value:e} is too far from the median {median:e} of the column for a 32-bit float"
    )]
    TooFar {
        /// Row of the value.
        row: usize,
        /// Column of the value.
        col: usize,
        /// The value.
        value: f64,
        /// What differences are taken from; 0 in a column of 32-bit numbers.
        median: f64,
    },
    /// The distances are no square matrix.
    #[error("{len} distances are no square matrix")]
    NotSquare {
        /// Number of distances.
        len: usize,
    },
    /// A distance is negative, NaN or infinite.
    #[error("distance {value} from row {row} to row {col} is no finite non-negative number")]
    BadDistance {
        /// Row of the distance.
        row: usize,
        /// Column of the distance.
        col: usize,
        /// The distance.
        value: f64,
    },
    /// The neighbors asked for are none.
    #[error("no neighbors were asked for")]
    NoNeighbors,
    /// Not every point has `k` others.
    #[error("{k} neighbors need at least {} points, got {n}", k.saturating_add(1))]
    TooFewPoints {
        /// Number of points.
        n: usize,
        /// Neighbors asked for.
        k: usize,
    },
    /// The estimator needs more neighbors than there are.
    #[error("the estimator needs at least {needed} neighbors, got {k}")]
    TooFewNeighbors {
        /// Neighbors there are.
        k: usize,
        /// Neighbors the estimator needs.
        needed: usize,
    },
    /// The neighbors of a point have no dimension.
    #[error("the neighbors of row {row} have no dimension: {cause}")]
    Degenerate {
        /// The first such row.
        row: usize,
        /// What is wrong with it.
        cause: Cause,
    },
    /// Every row was skipped.
    #[error("none of the {n} rows has a dimension")]
    AllSkipped {
        /// Number of rows.
        n: usize,
    },
    /// A share that leaves nothing, or is none.
    #[error("the share {0} of discarded ratios is outside [0, 1)")]
    BadShare(f64),
    /// So large a share of so few ratios is all of them.
    #[error("a share of {share} leaves none of {n} ratios")]
    NothingLeft {
        /// The share to be left out.
        share: f64,
        /// Points that have a ratio.
        n: usize,
    },
    /// No estimator has that name.
    #[error("no estimator is called {0:?}; there are mle, mle-unbiased, mom, two-nn and two-nn-ml")]
    UnknownEstimator(String),
}

/// What makes a neighborhood degenerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The nearest neighbor is at distance zero.
    Duplicate,
    /// All neighbors are equally far: the last by at most 10⁻⁶ farther than the first, about what the rounding of
    /// `f32` features leaves.
    Equidistant,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "a duplicate at distance zero",
            Self::Equidistant => "all are equally far",
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(error: &LidError, expected: Expect) {
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn messages_are_fragments_that_hold_the_place() {
        check(&LidError::Empty, expect!["there are no points"]);
        check(
            &LidError::Ragged { len: 7, d: 2 },
            expect!["7 values are no whole number of points of 2 features"],
        );
        check(
            &LidError::NotFinite { row: 3, col: 1, value: f32::NAN },
            expect!["value NaN at row 3, column 1 is not finite"],
        );
        check(
            &LidError::BadDistance { row: 0, col: 2, value: -1.0 },
            expect!["distance -1 from row 0 to row 2 is no finite non-negative number"],
        );
        check(
            &LidError::TooFewPoints { n: 2, k: 20 },
            expect!["20 neighbors need at least 21 points, got 2"],
        );
        check(
            &LidError::Degenerate { row: 5, cause: Cause::Duplicate },
            expect!["the neighbors of row 5 have no dimension: a duplicate at distance zero"],
        );
        check(
            &LidError::Degenerate { row: 0, cause: Cause::Equidistant },
            expect!["the neighbors of row 0 have no dimension: all are equally far"],
        );
        check(
            &LidError::UnknownEstimator("mel".to_owned()),
            expect![[
                r#"no estimator is called "mel"; there are mle, mle-unbiased, mom, two-nn and two-nn-ml"#
            ]],
        );
    }
}
