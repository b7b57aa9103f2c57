//! Arguments that no command can follow.

use std::fmt;

/// What is wrong with the arguments. The program ends as it does for those that do not parse.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl Misuse {
    /// The exit code, as that of `clap`.
    pub(crate) const CODE: u8 = 2;
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}
