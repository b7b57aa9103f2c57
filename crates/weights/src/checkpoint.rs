//! Checkpoints of PyTorch.

use std::path::Path;

use pytorch_reader::{DType, PytorchReader};

use crate::number::{Element, Order};
use crate::{Fault, Tensor, Weights};

/// Reads what `torch.save` has written, in any of its formats.
pub(crate) fn read(file: &Path) -> Result<Weights, Fault> {
    let reader = PytorchReader::new(file).map_err(Fault::Checkpoint)?;
    let mut weights = Weights::default();
    for (name, tensor) in reader.into_tensors() {
        let element = match tensor.dtype() {
            DType::F16 => Element::F16,
            DType::BF16 => Element::Bf16,
            DType::F32 => Element::F32,
            DType::F64 => Element::F64,
            DType::U8 | DType::Bool => Element::U8,
            DType::I8 => Element::I8,
            DType::I16 => Element::I16,
            DType::I32 => Element::I32,
            DType::I64 => Element::I64,
            other @ (DType::U16 | DType::U32 | DType::U64) => {
                return Err(Fault::Element { tensor: name, element: format!("{other:?}") });
            }
        };
        let bytes = tensor.read().map_err(Fault::Io)?;
        let values = element.floats(&bytes, Order::Native);
        weights.tensors.insert(name, Tensor { shape: tensor.shape().to_vec(), values });
    }
    Ok(weights)
}
