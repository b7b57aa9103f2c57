//! The types of NumPy's numbers.

use crate::Fault;
use crate::value::Value;

/// The type of the numbers of an array, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Signed, of so many bytes.
    Signed(usize),
    /// Unsigned, of so many bytes.
    Unsigned(usize),
    /// Floating point, of four or eight bytes.
    Float(usize),
}

impl Element {
    /// From NumPy's code, such as `f8`.
    pub(crate) fn of(code: &str) -> Result<Self, Fault> {
        Ok(match code {
            "i1" | "i2" | "i4" | "i8" => Self::Signed(usize::from(code.as_bytes()[1] - b'0')),
            "u1" | "u2" | "u4" | "u8" => Self::Unsigned(usize::from(code.as_bytes()[1] - b'0')),
            "f4" => Self::Float(4),
            "f8" => Self::Float(8),
            _ => return Err(Fault::Array(code.to_owned())),
        })
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Signed(size) | Self::Unsigned(size) | Self::Float(size) => size,
        }
    }

    /// A single number.
    pub(crate) fn scalar(self, bytes: &[u8]) -> Result<Value, Fault> {
        if bytes.len() != self.size() {
            return Err(Fault::Operands);
        }
        let bits = bytes.iter().rev().fold(0_u64, |n, &byte| (n << 8) | u64::from(byte));
        Ok(match self {
            Self::Float(4) => Value::Float(f64::from(f32::from_bits(bits as u32))),
            Self::Float(_) => Value::Float(f64::from_bits(bits)),
            Self::Unsigned(_) => Value::Integer(i64::try_from(bits).map_err(|_| Fault::Operands)?),
            Self::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                Value::Integer(((bits << unused) as i64) >> unused)
            }
        })
    }
}
