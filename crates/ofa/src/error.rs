//! What can be wrong with the sizes of the space.

use thiserror::Error;

/// What can be wrong with the sizes of the space.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OfaError {
    /// Choices that are none, out of order, repeated or unknown.
    #[error("`{key}` must be some of {known:?} in ascending order, got {got:?}")]
    Choices {
        /// The key of the configuration.
        key: &'static str,
        /// What stands there.
        got: Vec<usize>,
        /// What may stand there.
        known: Vec<usize>,
    },
}
