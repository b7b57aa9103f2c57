//! Reads the values of Python pickles, and executes nothing.
//!
//! *Floor 0. May be used by every other crate; knows no files and nothing of what the values mean.*
//!
//! A pickle is a program, and Python runs whatever it names. Here only what makes plain values is
//! understood: numbers, texts, bytes, lists, tuples, sets as protocol 4 has them, dictionaries, ordered ones
//! too, and NumPy's scalars and arrays. Any other name or instruction is an error at its byte. A value that a
//! pickle mentions often is stored once: memory grows with the length of the pickle, up to some 100 bytes a
//! byte.
//!
//! ```
//! use pickle::Pickle;
//!
//! // `pickle.dumps({"epochs": 12, "losses": [0.5]})`
//! let bytes = b"\x80\x04}(\x8c\x06epochsK\x0c\x8c\x06losses]G?\xe0\x00\x00\x00\x00\x00\x00au.";
//! let pickle = Pickle::read(bytes)?;
//! let root = pickle.root();
//! assert_eq!(root.get("epochs").and_then(|epochs| epochs.integer()), Some(12));
//! let losses: Option<Vec<f64>> = root.get("losses").and_then(|losses| losses.numbers());
//! assert_eq!(losses, Some(vec![0.5]));
//! # Ok::<(), pickle::PickleError>(())
//! ```
//!
//! Format: `pickletools.py` of CPython, protocols 2 to 4; texts of Python 2 are texts if they are ASCII.

mod error;
mod machine;
mod numpy;
mod reader;
mod value;

pub use error::{Fault, PickleError};
pub use numpy::Element;
pub use value::{Array, Item, Pickle};
