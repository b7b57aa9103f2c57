//! Matrices in NumPy's `.npy` files.

use std::io::{ErrorKind, Read};

use anyhow::{Context, Result, bail, ensure};

use super::{Matrix, Numbers, check};
use crate::lines::shown;

/// What such a file starts with.
pub(super) const FIRST: [u8; 6] = *b"\x93NUMPY";

/// A header longer than this is no header of a matrix.
const MAX_HEADER: usize = 64 << 10;

/// Numbers decoded at once.
const READ_AT_ONCE: usize = 1 << 18;

/// The number at a place, counted in numbers; the bytes must reach beyond it.
type Decode = fn(&[u8], usize) -> f64;

/// What the header tells.
struct Header {
    /// Bytes of a number.
    width: usize,
    decode: Decode,
    order: Order,
    shape: Vec<usize>,
}

/// Which index runs fastest through the file.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// The last.
    C,
    /// The first.
    Fortran,
}

/// Reads numbers of `f4` or `f8`; dimensions after the first become one, and a vector one column.
///
/// # Errors
///
/// If the file is malformed, or a number is not finite: with its row and column.
pub(super) fn matrix(mut source: impl Read) -> Result<Numbers> {
    let header = header(&mut source)?;
    Ok(if header.width == size_of::<f32>() {
        // Of 32 bits they are, whatever they were decoded to.
        Numbers::Narrow(body(&header, source, |value| value as f32)?)
    } else {
        Numbers::Wide(body(&header, source, |value| value)?)
    })
}

/// Reads the numbers behind a header.
fn body<T>(header: &Header, source: impl Read, number: fn(f64) -> T) -> Result<Matrix<T>> {
    let n = *header.shape.first().context("a single number is no matrix")?;
    let d = header.shape[1..].iter().try_fold(1_usize, |d, side| d.checked_mul(*side));
    let total = d.and_then(|d| n.checked_mul(d)?.checked_mul(header.width));
    let (d, total) = d.zip(total).context("the shape is larger than any memory")?;
    // Read no more than the header promises, and allocate as the bytes come.
    let mut source = source.take((total as u64).saturating_add(1));
    let values = match header.order {
        Order::C => in_order(header, &mut source, d, total, number)?,
        Order::Fortran => {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes)?;
            complete(bytes.len(), total)?;
            let number = |at: usize| {
                let (row, col) = (at / d, at % d);
                let value = (header.decode)(&bytes, header.place(row, col));
                check(value, row, col).map(|()| number(value))
            };
            (0..n * d).map(number).collect::<Result<_>>()?
        }
    };
    Ok(Matrix { n, d, values })
}

/// Numbers in the order of the file, decoded as they come: a large file is not held twice.
fn in_order<T>(
    header: &Header,
    source: &mut impl Read,
    d: usize,
    total: usize,
    number: fn(f64) -> T,
) -> Result<Vec<T>> {
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    let mut n_read = 0;
    loop {
        bytes.clear();
        source.by_ref().take((READ_AT_ONCE * header.width) as u64).read_to_end(&mut bytes)?;
        n_read += bytes.len();
        if bytes.is_empty() || total < n_read {
            complete(n_read, total)?;
            return Ok(values);
        }
        for at in 0..bytes.len() / header.width {
            let (place, value) = (values.len(), (header.decode)(&bytes, at));
            check(value, place / d, place % d)?;
            values.push(number(value));
        }
    }
}

fn complete(found: usize, total: usize) -> Result<()> {
    ensure!(found <= total, "more than the {total} bytes of numbers that the shape needs");
    ensure!(found == total, "expected {total} bytes of numbers, found {found}");
    Ok(())
}

impl Header {
    /// Where in the file the number of a row and column is, counted in numbers.
    fn place(&self, row: usize, col: usize) -> usize {
        let (n, sides) = (self.shape[0], &self.shape[1..]);
        let d: usize = sides.iter().product();
        match self.order {
            Order::C => row * d + col,
            Order::Fortran => {
                // A column stands for several indices of which the last runs fastest.
                let (mut place, mut rest, mut stride) = (row, col, n * d);
                for side in sides.iter().rev() {
                    stride /= side;
                    place += rest % side * stride;
                    rest /= side;
                }
                place
            }
        }
    }
}

fn header(source: &mut impl Read) -> Result<Header> {
    let text = header_text(source)?;
    let (width, decode): (usize, Decode) = match field(&text, "descr")?.trim_matches(['\'', '"']) {
        "<f4" | "=f4" => (4, |bytes, at| f32::from_le_bytes(bytes.as_chunks().0[at]).into()),
        ">f4" => (4, |bytes, at| f32::from_be_bytes(bytes.as_chunks().0[at]).into()),
        "<f8" | "=f8" => (8, |bytes, at| f64::from_le_bytes(bytes.as_chunks().0[at])),
        ">f8" => (8, |bytes, at| f64::from_be_bytes(bytes.as_chunks().0[at])),
        other => bail!("numbers of type `{}`, expected f4 or f8", shown(other)),
    };
    let order = match field(&text, "fortran_order")? {
        "True" => Order::Fortran,
        "False" => Order::C,
        other => bail!("fortran_order is `{}`", shown(other)),
    };
    let shape = field(&text, "shape")?;
    let sides = shape.strip_prefix('(').and_then(|shape| shape.strip_suffix(')'));
    let sides = sides.with_context(|| format!("the shape is `{}`", shown(shape)))?;
    let shape = sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().with_context(|| format!("the shape holds `{side}`")))
        .collect::<Result<_>>()?;
    Ok(Header { width, decode, order, shape })
}

/// The dictionary of the header; `source` is left at the first number.
fn header_text(source: &mut impl Read) -> Result<String> {
    let mut start = [0; 8];
    fill(source, &mut start, || "too short for an npy file: 8 bytes are needed".to_owned())?;
    ensure!(start.starts_with(&FIRST), "no npy file: its first bytes are others");
    let cut_off = |end: usize| format!("the header is cut off before byte {end}");
    let (first, length) = match start[6] {
        1 => {
            let mut length = [0; 2];
            fill(source, &mut length, || cut_off(10))?;
            (10, usize::from(u16::from_le_bytes(length)))
        }
        2 | 3 => {
            let mut length = [0; 4];
            fill(source, &mut length, || cut_off(12))?;
            (12, u32::from_le_bytes(length) as usize)
        }
        version => bail!("npy version {version} is unknown"),
    };
    ensure!(length <= MAX_HEADER, "a header of {length} bytes, at most {MAX_HEADER} are read");
    let mut text = vec![0; length];
    fill(source, &mut text, || cut_off(first + length))?;
    String::from_utf8(text).context("the header is no text")
}

/// Fills the buffer; says what is missing where the file ends too early.
fn fill(source: &mut impl Read, buffer: &mut [u8], missing: impl Fn() -> String) -> Result<()> {
    match source.read_exact(buffer) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => bail!(missing()),
        result => Ok(result?),
    }
}

/// The text of a value in the header, a literal Python dictionary.
fn field<'a>(header: &'a str, name: &str) -> Result<&'a str> {
    let missing = || format!("the header has no `{name}`");
    let quoted = format!("'{name}':");
    let (_, rest) = header.split_once(&quoted).with_context(missing)?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') {
        rest.find(')').map(|end| end + 1)
    } else {
        rest.find([',', '}'])
    };
    rest.get(..end.with_context(missing)?).map(str::trim).with_context(missing)
}

/// The bytes of a file.
#[cfg(test)]
pub(crate) fn fixture(descr: &str, fortran: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).expect("headers of tests are short");
    let length = length.to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers].concat()
}

#[cfg(test)]
mod tests {
    use super::fixture as file;
    use super::*;

    fn f4(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn f8(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[track_caller]
    fn check(bytes: &[u8], n: usize, d: usize, values: &[f32]) {
        let Numbers::Narrow(matrix) = matrix(bytes).unwrap() else { panic!("of 64 bits") };
        assert_eq!(matrix, Matrix { n, d, values: values.to_vec() });
    }

    #[test]
    fn types_give_the_same_matrix() {
        let values = [1., 2., 3., 4., 5., 6.];
        let little = |descr, numbers: &[u8]| file(descr, "False", "(2, 3)", numbers);
        check(&little("<f4", &f4(&values)), 2, 3, &values);
        let narrow: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        check(&little(">f4", &narrow), 2, 3, &values);
        let values = values.map(f64::from);
        let wide: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        for bytes in [little("<f8", &f8(&values)), little(">f8", &wide)] {
            let Numbers::Wide(matrix) = matrix(&bytes[..]).unwrap() else { panic!("of 32 bits") };
            assert_eq!(matrix, Matrix { n: 2, d: 3, values: values.to_vec() });
        }
    }

    #[test]
    fn orders_give_the_same_matrix() {
        let values = [1., 2., 3., 4., 5., 6.];
        let fortran = f4(&[1., 4., 2., 5., 3., 6.]);
        check(&file("<f4", "True", "(2, 3)", &fortran), 2, 3, &values);
        check(&file("<f4", "False", "(2, 3, 1)", &f4(&values)), 2, 3, &values);
        check(&file("<f4", "True", "(6,)", &f4(&values)), 6, 1, &values);

        // Entry (i, j, k) of 2 × 3 × 2 is 100 i + 10 j + k; Fortran order runs through i first.
        let entry = |i: u16, j: u16, k: u16| f32::from(100 * i + 10 * j + k);
        let (mut c, mut fortran) = (Vec::new(), Vec::new());
        for place in 0..12 {
            c.push(entry(place / 6, place / 2 % 3, place % 2));
            fortran.push(entry(place % 2, place / 2 % 3, place / 6));
        }
        check(&file("<f4", "False", "(2, 3, 2)", &f4(&c)), 2, 6, &c);
        check(&file("<f4", "True", "(2, 3, 2)", &f4(&fortran)), 2, 6, &c);
    }

    #[test]
    fn later_versions_have_longer_lengths() {
        let first = file("<f4", "False", "(1, 1)", &f4(&[1.0]));
        for version in [2, 3] {
            let mut later = first.clone();
            later[6] = version;
            later.splice(10..10, [0, 0]);
            check(&later, 1, 1, &[1.0]);
            later[11] = 1;
            refused(&later, "at most 65536 are read");
        }
    }

    #[test]
    fn empty_matrices_have_no_values() {
        check(&file("<f4", "True", "(5, 0)", &[]), 5, 0, &[]);
        check(&file("<f4", "True", "(0, 5)", &[]), 0, 5, &[]);
    }

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let error = format!("{:#}", matrix(bytes).map(drop).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn malformed_files_are_refused() {
        refused(b"", "too short");
        refused(b"PK\x03\x04 and more", "no npy file");
        refused(b"\x93NUMPY\x01\x00\x05\x00{}", "cut off before byte 15");
        refused(b"\x93NUMPY\x04\x00\x05\x00{}", "version 4");
        refused(&file("<i8", "False", "(1,)", &[0; 8]), "numbers of type `<i8`");
        refused(&file("<f4", "Maybe", "(1,)", &[0; 4]), "fortran_order is `Maybe`");
        refused(&file("<f4", "False", "()", &[0; 4]), "a single number is no matrix");
        refused(&file("<f4", "False", "(2, 2)", &f4(&[1.0])), "expected 16 bytes of numbers");
        refused(&file("<f4", "False", "(1, 1)", &f4(&[1.0, 2.0])), "more than the 4 bytes");
        refused(&file("<f4", "False", "(1, x)", &[]), "the shape holds `x`");
        refused(&file("<f4", "False", "(-1, 1)", &[]), "the shape holds `-1`");
    }

    #[test]
    fn promises_of_the_header_allocate_nothing() {
        refused(&file("<f4", "False", "(99999999999, 99999999999)", &[]), "larger than any memory");
        refused(&file("<f4", "False", "(99999999999, 9)", &[]), "found 0");
        let n = usize::MAX / 2;
        check(&file("<f4", "True", &format!("({n}, 0)"), &[]), n, 0, &[]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_named_by_place() {
        let nan = [0., 1., 2., f32::NAN];
        refused(&file("<f4", "False", "(2, 2)", &f4(&nan)), "row 1, column 1 is NaN");
        let infinite = [0., f32::NEG_INFINITY, 2., 3.];
        refused(&file("<f4", "True", "(2, 2)", &f4(&infinite)), "row 1, column 0 is -inf");
        let wide = f8(&[0., 1., f64::INFINITY, 3.]);
        refused(&file("<f8", "True", "(2, 2)", &wide), "row 0, column 1 is inf");
    }

    #[test]
    fn damaged_files_are_no_panic() {
        let valid = file("<f8", "True", "(2, 3, 1)", &f8(&[1., 2., 3., 4., 5., 6.]));
        for place in 0..valid.len() {
            assert!(matrix(&valid[..place]).is_err());
            for byte in 0..=u8::MAX {
                let mut damaged = valid.clone();
                damaged[place] = byte;
                // Either may come of it, as long as something does.
                drop(matrix(&damaged[..]));
            }
        }
    }
}
