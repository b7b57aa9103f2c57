//! What can go wrong with a supernet.

use std::path::PathBuf;

use space::Arch;
use thiserror::Error;
use weights::WeightsError;

/// What can go wrong with a supernet.
#[derive(Debug, Error)]
pub enum SupernetError {
    /// The loss left the numbers.
    #[error("the loss is {loss} on path {arch}")]
    Loss {
        /// The loss.
        loss: f64,
        /// The path; it prints as one operation number per edge.
        arch: Arch,
    },
    /// The gradient left the numbers, the loss did not.
    #[error("the norm of the gradient is {norm} on path {arch}")]
    Gradient {
        /// The norm.
        norm: f64,
        /// The first path of the step; it prints as one operation number per edge.
        arch: Arch,
    },
    /// A file that could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A checkpoint that holds other numbers, or another note, than were written.
    #[error("checkpoint {} is damaged: it is not as it was written", file.display())]
    Altered {
        /// The file.
        file: PathBuf,
    },
    /// Weights that no checkpoint of this program are.
    #[error("checkpoint {} has no digest: another program, or an older one, wrote it", file.display())]
    Undigested {
        /// The file.
        file: PathBuf,
    },
    /// A checkpoint of another network.
    #[error("checkpoint {} does not fit: tensor `{tensor}` is missing or has another shape", file.display())]
    Mismatch {
        /// The file.
        file: PathBuf,
        /// The first tensor that does not fit.
        tensor: String,
    },
    /// A part of a network with too many choices to measure each.
    #[error(
        "part {part} of the network has {n} choices of operations, at most {most} are measured"
    )]
    Choices {
        /// The number of the part.
        part: usize,
        /// Choices that it has.
        n: usize,
        /// Most choices.
        most: usize,
    },
    /// Published weights that are not of this network.
    #[error("tensors that do not fit the network: {} ({} in all)", first(tensors), tensors.len())]
    Unfit {
        /// The published names, and what is wrong with each.
        tensors: Vec<String>,
    },
}

/// The first few of a list.
fn first(all: &[String]) -> String {
    const MOST: usize = 8;
    let others = if MOST < all.len() { ", …" } else { "" };
    format!("{}{others}", all[..all.len().min(MOST)].join(", "))
}
