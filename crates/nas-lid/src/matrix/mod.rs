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

/// Numbers as a file has them.
pub(crate) enum Numbers {
    /// Of 32 bits.
    Narrow(Matrix<f32>),
    /// Of 64 bits, or a text.
    Wide(Matrix<f64>),
}

impl From<Numbers> for Matrix<f64> {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Narrow(Matrix { n, d, values }) => {
                Matrix { n, d, values: values.into_iter().map(f64::from).collect() }
            }
            Numbers::Wide(matrix) => matrix,
        }
    }
}

/// Reads a file of whatever kind its first bytes tell; `key` is the name under which the matrix may
/// stand in a JSON object.
///
/// # Errors
///
/// If the file is malformed, or a number is not finite: with its row and column.
pub(crate) fn read<T: From<Numbers>>(file: &Path, key: &str) -> Result<T> {
    let parse = || -> Result<Numbers> {
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
        // Some programs mark a text as one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Numbers::Wide(text::matrix(text, key)?))
    };
    parse().map(T::from).with_context(|| file.display().to_string())
}

/// A number at its place must be one.
fn check(value: f64, row: usize, col: usize) -> Result<()> {
    ensure!(value.is_finite(), "row {row}, column {col} is {value}");
    Ok(())
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
        for bytes in [
            &npy[..],
            b" [[0.1], [-2]]",
            b"\xef\xbb\xbf[[0.1], [-2]]",
            b"{\"similarity\": [[0.1], [-2]]}",
            b"a\n0.1\n-2",
        ] {
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
