//! What can be wrong with pairs of numbers.

use std::fmt;

use thiserror::Error;

/// Why a figure is undefined.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RankError {
    /// The numbers do not come in pairs.
    #[error("{predicted} predictions do not pair with {truth} true values")]
    UnequalLengths {
        /// Number of predictions.
        predicted: usize,
        /// Number of true values.
        truth: usize,
    },
    /// There are fewer numbers than the figure needs.
    #[error("need at least {needed} values, got {n}")]
    TooFew {
        /// Numbers there are.
        n: usize,
        /// Numbers the figure needs.
        needed: usize,
    },
    /// A number is NaN or infinite.
    #[error("{side} value {value} at position {index} is not finite")]
    NotFinite {
        /// On which side of the pair.
        side: Side,
        /// Its position.
        index: usize,
        /// The number.
        value: f64,
    },
    /// All numbers are equal, so their order says nothing.
    #[error("all {side} values are equal")]
    Constant {
        /// On which side of the pair.
        side: Side,
    },
    /// A share of the values is outside `(0, 1]`.
    #[error("fraction {fraction} is outside (0, 1]")]
    BadFraction {
        /// The share.
        fraction: f64,
    },
    /// The best of none, or of more than there are.
    #[error("cannot take the best of {k} among {n}")]
    BadCount {
        /// Number asked for.
        k: usize,
        /// Number there is.
        n: usize,
    },
    /// A confidence is outside `(0, 1)`.
    #[error("confidence {confidence} is outside (0, 1)")]
    BadConfidence {
        /// The confidence.
        confidence: f64,
    },
    /// What was computed of finite numbers is none.
    #[error("the figure is {value}, not a finite number")]
    FigureNotFinite {
        /// The figure.
        value: f64,
    },
    /// The statistic is undefined on every resample.
    #[error("the statistic is undefined on all {resamples} resamples")]
    AllUndefined {
        /// Number of resamples.
        resamples: usize,
    },
}

/// One side of the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What was predicted; also the only side of a function of one.
    Predicted,
    /// What is true.
    Truth,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Predicted => "predicted",
            Self::Truth => "true",
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(error: &RankError, expected: Expect) {
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn messages_are_fragments_that_hold_the_values() {
        check(
            &RankError::UnequalLengths { predicted: 3, truth: 4 },
            expect!["3 predictions do not pair with 4 true values"],
        );
        check(&RankError::TooFew { n: 1, needed: 2 }, expect!["need at least 2 values, got 1"]);
        check(
            &RankError::NotFinite { side: Side::Truth, index: 7, value: f64::NAN },
            expect!["true value NaN at position 7 is not finite"],
        );
        check(
            &RankError::Constant { side: Side::Predicted },
            expect!["all predicted values are equal"],
        );
        check(&RankError::BadCount { k: 0, n: 5 }, expect!["cannot take the best of 0 among 5"]);
    }
}
