//! Numbers of any type as 32-bit floats.

use half::{bf16, f16};

/// The type of a number in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    I8,
    I16,
    I32,
    I64,
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Native,
}

impl Element {
    /// The numbers in some bytes, rounded to 32-bit floats.
    pub(crate) fn floats(self, bytes: &[u8], order: Order) -> Vec<f32> {
        match self {
            Self::F16 => map(bytes, order, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => map(bytes, order, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => map(bytes, order, f32::from_le_bytes),
            Self::F64 => map(bytes, order, |b| f64::from_le_bytes(b) as f32),
            Self::U8 => map(bytes, order, |[byte]| f32::from(byte)),
            Self::I8 => map(bytes, order, |b| f32::from(i8::from_le_bytes(b))),
            Self::I16 => map(bytes, order, |b| f32::from(i16::from_le_bytes(b))),
            Self::I32 => map(bytes, order, |b| i32::from_le_bytes(b) as f32),
            Self::I64 => map(bytes, order, |b| i64::from_le_bytes(b) as f32),
        }
    }
}

fn map<const N: usize>(bytes: &[u8], order: Order, number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let swapped = order == Order::Native && cfg!(target_endian = "big");
    let of = |bytes: &[u8; N]| {
        let mut bytes = *bytes;
        if swapped {
            bytes.reverse();
        }
        number(bytes)
    };
    bytes.as_chunks::<N>().0.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(element: Element, bytes: &[u8], expected: &[f32]) {
        assert_eq!(element.floats(bytes, Order::Little), expected);
    }

    #[test]
    fn numbers_of_every_type() {
        check(Element::F16, &[0x00, 0x3c, 0x00, 0xc1], &[1.0, -2.5]);
        check(Element::Bf16, &[0x80, 0x3f, 0x20, 0xc0], &[1.0, -2.5]);
        check(Element::F32, &(-2.5_f32).to_le_bytes(), &[-2.5]);
        check(Element::F64, &1e-3_f64.to_le_bytes(), &[1e-3]);
        check(Element::U8, &[0, 255], &[0.0, 255.0]);
        check(Element::I8, &[0xff], &[-1.0]);
        check(Element::I16, &(-300_i16).to_le_bytes(), &[-300.0]);
        check(Element::I32, &70_000_i32.to_le_bytes(), &[70_000.0]);
        check(Element::I64, &(-7_i64).to_le_bytes(), &[-7.0]);
    }
}
