//! Reads matrices from NumPy's `.npy` files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// A header longer than this is no header of a matrix.
const MAX_HEADER: usize = 64 << 10;

/// `n` rows of `d` numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) n: usize,
    pub(crate) d: usize,
    /// Row by row.
    pub(crate) values: Vec<f32>,
}

/// What the header tells.
struct Header {
    bytes_per_number: usize,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads a file of `f4` or `f8`; dimensions after the first become one.
pub(crate) fn read(file: &Path) -> Result<Matrix> {
    let parse = || -> Result<Matrix> { matrix(File::open(file)?) };
    parse().with_context(|| file.display().to_string())
}

fn matrix(mut source: impl Read) -> Result<Matrix> {
    let header = header(&mut source)?;
    let n = *header.shape.first().context("a single number is no matrix")?;
    let d = header.shape[1..].iter().try_fold(1_usize, |d, side| d.checked_mul(*side));
    let total = d.and_then(|d| n.checked_mul(d)?.checked_mul(header.bytes_per_number));
    let (d, total) = d.zip(total).context("the shape is larger than any memory")?;
    // Read no more than the header promises, and allocate as the bytes come.
    let mut bytes = Vec::new();
    source.take(total as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() == total, "expected {total} bytes of numbers, found {}", bytes.len());
    let mut values = numbers(&header, &bytes)?;
    if header.fortran && header.shape.len() > 1 {
        ensure!(header.shape.len() == 2, "Fortran order is read for matrices only");
        values = (0..n * d).map(|i| values[i % d * n + i / d]).collect();
    }
    for (i, value) in values.iter().enumerate() {
        ensure!(value.is_finite(), "row {}, column {} is {value} as a 32-bit float", i / d, i % d);
    }
    Ok(Matrix { n, d, values })
}

fn numbers(header: &Header, bytes: &[u8]) -> Result<Vec<f32>> {
    let numbers = match (header.bytes_per_number, header.big_endian) {
        (4, false) => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        (4, true) => bytes.as_chunks().0.iter().map(|b| f32::from_be_bytes(*b)).collect(),
        (8, false) => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        (8, true) => bytes.as_chunks().0.iter().map(|b| f64::from_be_bytes(*b) as f32).collect(),
        (n, _) => bail!("numbers of {n} bytes are not read"),
    };
    Ok(numbers)
}

fn header(source: &mut impl Read) -> Result<Header> {
    let mut start = [0; 8];
    source.read_exact(&mut start).context("too short for an npy file")?;
    ensure!(start.starts_with(b"\x93NUMPY"), "no npy file: its first bytes are others");
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            source.read_exact(&mut length).context("the header is cut off")?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            source.read_exact(&mut length).context("the header is cut off")?;
            u32::from_le_bytes(length) as usize
        }
        version => bail!("npy version {version} is unknown"),
    };
    ensure!(length <= MAX_HEADER, "a header of {length} bytes");
    let mut text = vec![0; length];
    source.read_exact(&mut text).context("the header is cut off")?;
    let text = String::from_utf8(text).context("the header is no text")?;
    let descr = field(&text, "descr")?.trim_matches(['\'', '"']);
    let (big_endian, bytes_per_number) = match descr {
        "<f4" | "=f4" => (false, 4),
        ">f4" => (true, 4),
        "<f8" | "=f8" => (false, 8),
        ">f8" => (true, 8),
        other => bail!("numbers of type `{other}`, expected f4 or f8"),
    };
    let fortran = match field(&text, "fortran_order")? {
        "True" => true,
        "False" => false,
        other => bail!("fortran_order is `{other}`"),
    };
    let shape = field(&text, "shape")?;
    let sides = shape.strip_prefix('(').and_then(|shape| shape.strip_suffix(')'));
    let sides = sides.with_context(|| format!("the shape is `{shape}`"))?;
    let shape = sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().with_context(|| format!("the shape holds `{side}`")))
        .collect::<Result<_>>()?;
    Ok(Header { bytes_per_number, big_endian, fortran, shape })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(numbers);
        bytes
    }

    fn f4(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn orders_and_types_give_the_same_matrix() {
        let expected = Matrix { n: 2, d: 3, values: vec![1., 2., 3., 4., 5., 6.] };
        let c = file("<f4", "False", "(2, 3)", &f4(&[1., 2., 3., 4., 5., 6.]));
        assert_eq!(matrix(&c[..]).unwrap(), expected);
        let fortran = file("<f4", "True", "(2, 3)", &f4(&[1., 4., 2., 5., 3., 6.]));
        assert_eq!(matrix(&fortran[..]).unwrap(), expected);
        let wide: Vec<u8> = (1..7).flat_map(|i| f64::from(i).to_be_bytes()).collect();
        assert_eq!(matrix(&file(">f8", "False", "(2, 3)", &wide)[..]).unwrap(), expected);
        let cube = file("<f4", "False", "(2, 3, 1)", &f4(&[1., 2., 3., 4., 5., 6.]));
        assert_eq!(matrix(&cube[..]).unwrap(), expected);
    }

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let error = format!("{:#}", matrix(bytes).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn malformed_files_are_refused() {
        refused(b"", "too short");
        refused(b"PK\x03\x04 and more", "no npy file");
        refused(&file("<i8", "False", "(1,)", &[0; 8]), "numbers of type `<i8`");
        refused(&file("<f4", "False", "(2, 2)", &f4(&[1.0])), "expected 16 bytes of numbers");
        refused(&file("<f4", "False", "(1, 1)", &f4(&[1.0, 2.0])), "expected 4 bytes");
        let huge = "(99999999999, 99999999999)";
        refused(&file("<f4", "False", huge, &[]), "larger than any memory");
        refused(&file("<f4", "False", "(1, x)", &[]), "the shape holds `x`");
        refused(&file("<f4", "False", "(2, 1)", &f4(&[0., f32::NAN])), "row 1, column 0 is NaN");
        let valid = file("<f4", "False", "(1, 1)", &f4(&[1.0]));
        for end in 0..valid.len() {
            assert!(matrix(&valid[..end]).is_err());
        }
    }
}
