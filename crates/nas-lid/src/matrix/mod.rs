//! Reads matrices of numbers that other programs wrote: npy, JSON or CSV.

mod npy;
mod text;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lid::{LidError, Unrounded};
use rayon::prelude::*;

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
pub(crate) enum Found {
    /// Of 32 bits.
    Narrow(Matrix<f32>),
    /// Of 64 bits, or a text.
    Wide(Matrix<f64>),
}

/// What the numbers of a file become.
pub(crate) trait FromFound: Sized {
    fn of(found: Found) -> Result<Self>;
}

/// Features, of which ratios of differences alone count. Columns that 32 bits do not hold are taken from their median
/// before they are rounded, and all are multiplied by a power of two where they are tiny, so that neither an offset nor
/// a scale does harm.
pub(crate) struct Features {
    pub(crate) matrix: Matrix<f32>,
    /// The numbers of the file, if some are others in the matrix.
    wide: Option<Vec<f64>>,
    /// What they were multiplied by.
    scale: f64,
    /// For each column whether some of its numbers were rounded.
    rounded: Vec<bool>,
}

impl Features {
    /// What they were before some were rounded.
    pub(crate) fn unrounded(&self) -> Result<Option<Unrounded<'_>>, LidError> {
        let wide = self.wide.as_deref();
        wide.map(|wide| Unrounded::new(wide, self.scale, &self.rounded)).transpose()
    }
}

impl FromFound for Features {
    fn of(found: Found) -> Result<Self> {
        let Matrix { n, d, values: wide } = match found {
            Found::Narrow(matrix) => {
                return Ok(Self { matrix, wide: None, scale: 1.0, rounded: Vec::new() });
            }
            Found::Wide(matrix) => matrix,
        };
        let differences = wide.par_chunks_exact(d.max(1)).flat_map_iter(|numbers| {
            numbers.iter().zip(&wide).map(|(value, first)| (value - first).abs())
        });
        let scale = scale(differences.reduce(|| 0.0, f64::max));
        let origin = |col| match scale {
            None if is_narrow(&wide, d, col) => 0.0,
            _ => median(&wide, d, col),
        };
        let origins: Vec<f64> = (0..d).into_par_iter().map(origin).collect();
        let scale = scale.unwrap_or(1.0);
        let mut values = Vec::with_capacity(wide.len());
        let mut rounded = vec![false; d];
        for (row, numbers) in wide.chunks_exact(d.max(1)).enumerate() {
            for (col, (value, origin)) in numbers.iter().zip(&origins).enumerate() {
                let exact = (value - origin) * scale;
                let narrow = exact as f32;
                ensure!(
                    narrow.is_finite(),
                    "row {row}, column {col}: {value:e} is too far from the median {origin:e} of the \
                     column for a 32-bit float"
                );
                rounded[col] |= f64::from(narrow).to_bits() != exact.to_bits();
                values.push(narrow);
            }
        }
        let wide = rounded.contains(&true).then_some(wide);
        Ok(Self { matrix: Matrix { n, d, values }, wide, scale, rounded })
    }
}

/// Whether 32 bits hold a column.
fn is_narrow(values: &[f64], d: usize, col: usize) -> bool {
    let mut column = values.iter().skip(col).step_by(d);
    // Bits, because there is nothing else that a conversion back must give again.
    column.all(|&value| f64::from(value as f32).to_bits() == value.to_bits())
}

fn median(values: &[f64], d: usize, col: usize) -> f64 {
    let mut column: Vec<f64> = values.iter().skip(col).step_by(d).copied().collect();
    let middle = column.len() / 2;
    *column.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// What brings tiny differences, of which this is the largest, to where 32 bits hold all of their digits.
fn scale(largest: f64) -> Option<f64> {
    const TINY: f64 = 1e-18;
    /// Of the powers of two, of which the first that is infinite is 2¹⁰²⁴.
    const MOST: i32 = 1000;
    (0.0 < largest && largest < TINY).then(|| 2_f64.powi((-largest.log2() as i32).min(MOST)))
}

impl FromFound for Matrix<f64> {
    fn of(found: Found) -> Result<Self> {
        Ok(match found {
            Found::Narrow(Matrix { n, d, values }) => {
                Matrix { n, d, values: values.into_iter().map(f64::from).collect() }
            }
            Found::Wide(matrix) => matrix,
        })
    }
}

/// Reads a file of whatever kind its first bytes tell; `key` is the name under which the matrix may
/// stand in a JSON object.
///
/// # Errors
///
/// If the file is malformed, or a number is not finite or too large for a `T`: with its row and column.
pub(crate) fn read<T: FromFound>(file: &Path, key: &str) -> Result<T> {
    let parse = || -> Result<Found> {
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
        Ok(Found::Wide(text::matrix(text, key)?))
    };
    parse().and_then(T::of).with_context(|| file.display().to_string())
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

    fn features(rows: &[f64]) -> Result<Vec<f32>> {
        columns(1, rows)
    }

    fn columns(d: usize, rows: &[f64]) -> Result<Vec<f32>> {
        let values = rows.to_vec();
        Ok(Features::of(Found::Wide(Matrix { n: rows.len() / d, d, values }))?.matrix.values)
    }

    #[test]
    fn differences_survive_rounding() {
        // What 32 bits hold stays as it is; 1e9 + 1/4 they do not, but differences from it.
        assert_eq!(features(&[1e8, 0.125, 0.25]).unwrap(), [1e8, 0.125, 0.25]);
        assert_eq!(features(&[1e9, 1e9 + 0.25, 1e9 + 1.0]).unwrap(), [-0.25, 0.0, 0.75]);
        // The median lies where most are: one that is far off does them no harm.
        let small = features(&[1.0, 1e-9, 2e-9, 3e-9, 4e-9]).unwrap();
        assert!((small[2] - small[1] - 1e-9).abs() < 1e-15 && (small[4] - 1e-9).abs() < 1e-15);
        // Ratios of tiny ones, too, beside a column that says nothing.
        let [a, b, c] = [0.0, 1e-50, 3e-50].map(|tiny| [1.0, tiny]);
        let tiny = columns(2, &[a, b, c].concat()).unwrap();
        assert!([0, 2, 3, 4].iter().all(|&at| tiny[at].to_bits() == 0), "{tiny:?}");
        assert!((tiny[5] + 2.0 * tiny[1]).abs() < 1e-6 * tiny[5], "{tiny:?}");
        for scale in [1e-30, 1e-200, 1e-307] {
            let tiny = features(&[0.0, scale, 3.0 * scale]).unwrap();
            let [first, second] = [tiny[1] - tiny[0], tiny[2] - tiny[1]];
            assert!((second - 2.0 * first).abs() < 1e-6 * first, "{tiny:?}");
        }
        let error = format!("{:#}", features(&[0.1, 1e300, 0.2]).unwrap_err());
        assert!(
            error.starts_with("row 1, column 0: 1e300 is too far from the median 2e-1"),
            "{error}"
        );
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
