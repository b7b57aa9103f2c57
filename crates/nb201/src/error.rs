//! What can be wrong with a table of accuracies.

use space::SpaceError;
use thiserror::Error;

/// What can be wrong with a table of accuracies.
#[derive(Debug, Error)]
pub enum Nb201Error {
    /// The file cannot be read as CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// The columns are others.
    #[error("expected the header {expected}")]
    Header {
        /// The names of the columns.
        expected: String,
    },
    /// A line names no architecture.
    #[error("line {line}")]
    Arch {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        source: SpaceError,
    },
    /// A line holds something that is no percentage.
    #[error("line {line}: `{text}` is no percentage")]
    Percent {
        /// The line, from 1.
        line: u64,
        /// What stands there.
        text: String,
    },
    /// An architecture stands in two lines.
    #[error("line {line} names an architecture again")]
    Repeated {
        /// The second line, from 1.
        line: u64,
    },
    /// Architectures are missing.
    #[error("{n} of {expected} architectures are there")]
    Incomplete {
        /// How many there are.
        n: usize,
        /// How many there must be.
        expected: u128,
    },
}
