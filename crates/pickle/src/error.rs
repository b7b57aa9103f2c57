//! What can be wrong with a pickle.

use thiserror::Error;

/// What can be wrong with a pickle, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("byte {at}: {fault}")]
pub struct PickleError {
    /// The byte at which the instruction starts.
    pub at: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes end too early.
    #[error("the pickle ends here")]
    Truncated,
    /// An instruction that makes more than plain values, or none at all.
    #[error("instruction {0:#04x} is not understood")]
    Instruction(u8),
    /// A name that could execute something.
    #[error("`{module}.{name}` is refused: only plain values and arrays are read")]
    Global {
        /// The Python module.
        module: String,
        /// The name in it.
        name: String,
    },
    /// An instruction whose values are missing or of another kind.
    #[error("the instruction finds other values than it needs")]
    Operands,
    /// A value that was never remembered.
    #[error("value {0} was not remembered")]
    Memo(usize),
    /// A text that is no UTF-8.
    #[error("the text is no UTF-8")]
    Text,
    /// An array in the order of Fortran, or of numbers that are not little-endian.
    #[error("an array in another order of numbers or bytes is not read")]
    Order,
    /// An array of a type that is not read.
    #[error("an array of type `{0}` is not read")]
    Array(String),
}
