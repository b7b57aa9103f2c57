//! Named tensors in safetensors files and in checkpoints of PyTorch.
//!
//! *Floor 1. May be used by supernets and the program; knows no network and nothing of what the names mean.*
//!
//! Both kinds of file are read to 32-bit floats, whatever they hold; safetensors is what is written. No
//! file executes anything: of a checkpoint only what makes tensors is understood.
//!
//! ```
//! use std::collections::BTreeMap;
//! use weights::{Tensor, Weights};
//!
//! let bias = Tensor { shape: vec![2], values: vec![0.5, -1.0] };
//! let weights = Weights {
//!     tensors: BTreeMap::from([("head.bias".to_owned(), bias)]),
//!     metadata: BTreeMap::from([("note".to_owned(), "untrained".to_owned())]),
//! };
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("weights.safetensors");
//! weights.write(&file)?;
//! assert_eq!(Weights::read(&file)?, weights);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod digest;
mod error;
mod number;
mod safe;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use whole_file::WholeFile;

pub use error::{Fault, WeightsError};

/// Named tensors, and what else is said of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// By name; the parts of a name are joined by dots.
    pub tensors: BTreeMap<String, Tensor>,
    /// Empty if they come from a checkpoint of PyTorch.
    pub metadata: BTreeMap<String, String>,
}

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sides, outermost first; none for a single number.
    pub shape: Vec<usize>,
    /// As many as the product of the sides.
    pub values: Vec<f32>,
}

impl Weights {
    /// Reads a safetensors file, or what `torch.save` has written: `.pth`, `.pt`, `.pth.tar`.
    ///
    /// The content tells them apart, not the name. The names of tensors in dictionaries within
    /// dictionaries are joined by dots. Numbers of other types are rounded to 32-bit floats.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is neither.
    pub fn read(file: &Path) -> Result<Self, WeightsError> {
        let fault = |fault| WeightsError { file: file.to_owned(), fault };
        let read = if is_safetensors(file).map_err(|e| fault(Fault::Io(e)))? {
            std::fs::read(file).map_err(Fault::Io).and_then(|bytes| Self::from_safetensors(&bytes))
        } else {
            checkpoint::read(file)
        };
        read.map_err(fault)
    }

    /// Writes a safetensors file, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    ///
    /// # Panics
    ///
    /// If a tensor has not as many values as its shape says.
    pub fn write(&self, file: &Path) -> Result<(), WeightsError> {
        let write = || {
            let mut whole = WholeFile::create(file)?;
            whole.write_all(&self.to_safetensors())?;
            whole.finish()
        };
        write().map_err(|e| WeightsError { file: file.to_owned(), fault: Fault::Io(e) })
    }
}

/// Whether a file begins with the length of a header and the brace of one.
fn is_safetensors(file: &Path) -> std::io::Result<bool> {
    let mut start = [0; 9];
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    if length < 9 {
        return Ok(false);
    }
    file.read_exact(&mut start)?;
    let header = u64::from_le_bytes(start[..8].try_into().expect("eight bytes"));
    Ok(start[8] == b'{' && header < length)
}
