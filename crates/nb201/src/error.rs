//! What can be wrong with a table of accuracies or a file of NATS-Bench.

use space::SpaceError;
use thiserror::Error;

/// What can be wrong with a table of accuracies or a file of NATS-Bench.
#[derive(Debug, Error)]
pub enum Nb201Error {
    /// The file cannot be read or decompressed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is no pickle of plain values.
    #[error(transparent)]
    Pickle(#[from] pickle::PickleError),
    /// The pickle has another content.
    #[error(transparent)]
    Nats(#[from] NatsFault),
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
    /// A column in which no accuracy exceeds 1 %.
    #[error("`{column}` is at most 1 everywhere: accuracies are percentages, not fractions")]
    Fractions {
        /// The name of the column.
        column: &'static str,
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

/// What is missing or of another kind in a file of NATS-Bench.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NatsFault {
    /// There is no such key.
    #[error("no key `{0}`")]
    Missing(String),
    /// What stands at a key is not what the benchmark has there.
    #[error("what stands at `{0}` is not of NATS-Bench")]
    Kind(&'static str),
    /// The text of the architecture.
    #[error(transparent)]
    Arch(SpaceError),
}
