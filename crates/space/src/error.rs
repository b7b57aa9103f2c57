//! What can be wrong with a mask or an architecture.

use thiserror::Error;

use crate::EdgeId;

/// What can be wrong with a mask or an architecture.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// Groups of operations that are not a partition of an edge.
    #[error("the groups do not divide the {n_ops} operations of edge {} completely", edge.0)]
    Groups {
        /// The edge.
        edge: EdgeId,
        /// How many operations it has.
        n_ops: usize,
    },
    /// An edge whose operations are missing, repeated or out of order.
    #[error("the operations of edge {} are missing, repeated or out of order", edge.0)]
    Mask {
        /// The edge.
        edge: EdgeId,
    },
    /// A table of times that lacks one, or has one that is none.
    #[error("part {part} of the latency table has no time of 0 s or more for {choice}")]
    Latency {
        /// The number of the part.
        part: usize,
        /// The operations, or the edge that the space does not have.
        choice: String,
    },
    /// A text that is no architecture of the space.
    #[error("`{text}` is no architecture of {space}: {reason}")]
    Arch {
        /// The text.
        text: String,
        /// The name of the space.
        space: &'static str,
        /// What is wrong with it.
        reason: ArchFault,
    },
}

/// What is wrong with the text of an architecture.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArchFault {
    /// The text has another shape.
    #[error("expected the form {0}")]
    Form(&'static str),
    /// There is no such operation.
    #[error("unknown operation `{name}` on edge {edge}, expected one of {expected}")]
    Operation {
        /// The name that was given.
        name: String,
        /// The name of the edge.
        edge: String,
        /// The names that exist.
        expected: String,
    },
}
