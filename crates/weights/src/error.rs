//! What can be wrong with a file of weights.

use std::path::PathBuf;

use thiserror::Error;

/// What can be wrong with a file of weights, and which.
#[derive(Debug, Error)]
#[error("weights {}", file.display())]
pub struct WeightsError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What can be wrong with a file of weights.
#[derive(Debug, Error)]
pub enum Fault {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(std::io::Error),
    /// It seems to be a safetensors file and is none.
    #[error("no safetensors file: {0}")]
    Safetensors(safetensors::SafeTensorError),
    /// It is no checkpoint of PyTorch, or one of more than tensors.
    #[error("neither safetensors nor a checkpoint of PyTorch: {0}")]
    Checkpoint(pytorch_reader::PytorchError),
    /// A tensor of numbers that are not read.
    #[error("tensor `{tensor}` is of type {element}, which is not read")]
    Element {
        /// The name of the tensor.
        tensor: String,
        /// The type of its numbers.
        element: String,
    },
}
