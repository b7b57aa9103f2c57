//! Safetensors files.

use std::collections::{BTreeMap, HashMap};

use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};

use crate::number::{Element, Order};
use crate::{Fault, Tensor, Weights};

impl Weights {
    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    ///
    /// If they are none, or have numbers that are not read.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Fault> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(Fault::Safetensors)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut weights = Self { metadata, ..Self::default() };
        let file = SafeTensors::deserialize(bytes).map_err(Fault::Safetensors)?;
        for (name, view) in file.iter() {
            let element = match view.dtype() {
                Dtype::F16 => Element::F16,
                Dtype::BF16 => Element::Bf16,
                Dtype::F32 => Element::F32,
                Dtype::F64 => Element::F64,
                Dtype::U8 | Dtype::BOOL => Element::U8,
                Dtype::I8 => Element::I8,
                Dtype::I16 => Element::I16,
                Dtype::I32 => Element::I32,
                Dtype::I64 => Element::I64,
                other => {
                    let (tensor, element) = (name.to_owned(), format!("{other:?}"));
                    return Err(Fault::Element { tensor, element });
                }
            };
            let values = element.floats(view.data(), Order::Little);
            let tensor = Tensor { shape: view.shape().to_vec(), values };
            weights.tensors.insert(name.to_owned(), tensor);
        }
        Ok(weights)
    }

    /// The bytes of a safetensors file of 32-bit floats.
    ///
    /// # Panics
    ///
    /// If a tensor has not as many values as its shape says.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let bytes: Vec<(&String, &Tensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                (name, tensor, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes.iter().map(|(name, tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            (name.as_str(), view.expect("as many values as the shape says"))
        });
        let metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        let metadata = (!metadata.is_empty()).then_some(metadata);
        let bytes = safetensors::serialize(views, metadata);
        in_order(bytes.expect("names are written as they were read"))
    }
}

/// The same file with the keys of its header in order: the metadata come in any.
fn in_order(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = *bytes.first_chunk::<8>().expect("a file begins with a length");
    let header = &mut bytes[8..][..u64::from_le_bytes(length) as usize];
    let sorted: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).expect("a header is JSON");
    let sorted = serde_json::to_vec(&sorted).expect("it was JSON");
    // Both are written without spaces, but for those at the end.
    header[..sorted.len()].copy_from_slice(&sorted);
    header[sorted.len()..].fill(b' ');
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor() -> impl Strategy<Value = Tensor> {
        prop::collection::vec(0..4_usize, 0..4).prop_flat_map(|shape| {
            let n: usize = shape.iter().product();
            let values = prop::collection::vec(-1e30_f32..1e30, n);
            values.prop_map(move |values| Tensor { shape: shape.clone(), values })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            tensors in prop::collection::btree_map("[a-z0-9.]{1,12}", tensor(), 0..5),
            metadata in prop::collection::btree_map("[a-z]{1,5}", ".{0,9}", 0..3),
        ) {
            let weights = Weights { tensors, metadata };
            let bytes = weights.to_safetensors();
            prop_assert_eq!(&bytes, &weights.to_safetensors());
            prop_assert_eq!(Weights::from_safetensors(&bytes).unwrap(), weights);
        }

        #[test]
        fn damaged_bytes_are_no_panic(at in 0..200_usize, byte in any::<u8>()) {
            let tensor = Tensor { shape: vec![2, 3], values: vec![1.0; 6] };
            let tensors = BTreeMap::from([("weight".to_owned(), tensor)]);
            let mut bytes = Weights { tensors, ..Weights::default() }.to_safetensors();
            let at = at % bytes.len();
            bytes[at] = byte;
            drop(Weights::from_safetensors(&bytes));
            drop(Weights::from_safetensors(&bytes[..at]));
        }
    }
}
