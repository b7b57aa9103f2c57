//! What can go wrong with a supernet.

use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong with a supernet.
#[derive(Debug, Error)]
pub enum SupernetError {
    /// The loss left the numbers.
    #[error("the loss is {loss} on path {arch}")]
    Loss {
        /// The loss.
        loss: f64,
        /// The path, one operation number per edge.
        arch: String,
    },
    /// A checkpoint could not be read or written.
    #[error("checkpoint {}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no checkpoint.
    #[error("checkpoint {} is damaged", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A checkpoint of another network.
    #[error("checkpoint {} does not fit: tensor `{tensor}` is missing or has another shape", file.display())]
    Mismatch {
        /// The file.
        file: PathBuf,
        /// The first tensor that does not fit.
        tensor: String,
    },
}
