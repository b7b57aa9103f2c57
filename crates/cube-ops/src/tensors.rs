//! Tensors of a card: new ones, and those whose numbers lie in order.

use burn::backend::{Cube, DType};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::cubecl::prelude::CubeCount;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Numbers yet to be written, on the card of another tensor.
pub(crate) fn empty(like: &CubeTensor, dims: &[usize]) -> CubeTensor {
    let shape = Shape::from(dims.to_vec());
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, DType::F32)
}

/// The same numbers in order.
///
/// # Panics
///
/// If they are not 32-bit floats, the only ones that the kernels read.
pub(crate) fn in_order(t: &CubeTensor) -> CubeTensor {
    assert_eq!(t.dtype, DType::F32, "numbers for a kernel");
    into_contiguous(t.clone())
}

/// Of a tensor without gradients.
pub(crate) fn plain<const D: usize>(t: Tensor<D>) -> CubeTensor {
    let t = t.try_into_primitive::<Cube>().expect("the caller has looked at the device");
    in_order(&t)
}

pub(crate) fn n_cubes([x, y, z]: [usize; 3]) -> CubeCount {
    CubeCount::Static(x as u32, y as u32, z as u32)
}
