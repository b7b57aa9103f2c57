//! Reads matrices of numbers that other programs wrote: npy, JSON or CSV.

mod npy;
mod text;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};

#[cfg(test)]
pub(crate) use npy::fixture as npy_fixture;

/// `n` rows of `d` numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Matrix<T> {
    pub(crate) n: usize,
    pub(crate) d: usize,
    /// Row by row.
    pub(crate) values: Vec<T>,
}

/// What the numbers of a file become.
pub(crate) trait Number: Copy {
    /// The nearest; infinite if there is none. `origin` may be subtracted from all numbers of a column.
    fn nearest(value: f64, origin: f64) -> Self;
    fn is_finite(self) -> bool;
}

/// Features, of which differences alone count: those of 64 bits are taken from the first row before they are
/// rounded, so that an offset does no harm.
impl Number for f32 {
    fn nearest(value: f64, origin: f64) -> Self {
        (value - origin) as Self
    }
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Number for f64 {
    fn nearest(value: f64, _origin: f64) -> Self {
        value
    }
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// Reads a file of whatever kind its first bytes tell; `key` is the name under which the matrix may
/// stand in a JSON object.
///
/// # Errors
///
/// If the file is malformed, or a number is not finite as a `T`: with its row and column.
pub(crate) fn read<T: Number>(file: &Path, key: &str) -> Result<Matrix<T>> {
    let parse = || -> Result<Matrix<T>> {
        let mut source = File::open(file)?;
        let mut first = Vec::new();
        source.by_ref().take(npy::FIRST.len() as u64).read_to_end(&mut first)?;
        // A pipe cannot be read again from its start.
        let mut source = first.as_slice().chain(source);
        if first == npy::FIRST {
            return npy::matrix(source);
        }
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).ok().context("neither an npy file nor a text")?;
        text::matrix(&text, key)
    };
    parse().with_context(|| file.display().to_string())
}

/// A number at its place, if it is one; `origin` is what the first row has there.
fn checked<T: Number>(value: f64, origin: f64, [row, col]: [usize; 2]) -> Result<T> {
    ensure!(value.is_finite(), "row {row}, column {col} is {value}");
    let nearest = T::nearest(value, origin);
    ensure!(
        nearest.is_finite(),
        "row {row}, column {col}: {value:e} is too far from {origin:e} in row 0 for a 32-bit float"
    );
    Ok(nearest)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn of(bytes: &[u8]) -> Result<Matrix<f64>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        read(file.path(), "similarity")
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let expected = Matrix { n: 2, d: 1, values: vec![0.1_f64, -2.0] };
        let numbers: Vec<u8> = expected.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let npy = npy_fixture("<f8", "False", "(2, 1)", &numbers);
        for bytes in
            [&npy[..], b" [[0.1], [-2]]", b"{\"similarity\": [[0.1], [-2]]}", b"a\n0.1\n-2"]
        {
            assert_eq!(of(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn files_of_no_kind_are_refused() {
        let refused = |bytes: &[u8], expected: &str| {
            let error = format!("{:#}", of(bytes).unwrap_err());
            assert!(error.ends_with(expected), "{error}");
        };
        refused(b"\xff\xd8\xff\xe0 a picture", ": neither an npy file nor a text");
        refused(b"\x93NUM", ": neither an npy file nor a text");
        refused(b"", ": no rows of numbers");
    }
}
