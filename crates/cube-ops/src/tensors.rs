//! Tensors of a card: new ones, and those whose numbers lie in order.

use burn::backend::{Cube, DType};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::cubecl::prelude::CubeCount;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Numbers yet to be written, on the card of another tensor.
///
/// # Panics
///
/// If kernels, whose places have 32 bits, cannot reach them all.
pub(crate) fn empty(like: &CubeTensor, dims: &[usize]) -> CubeTensor {
    assert!(dims.iter().product::<usize>() <= MOST, "{dims:?} are too many numbers for a kernel");
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

/// Numbers that a kernel reaches.
const MOST: usize = u32::MAX as usize;

/// # Panics
///
/// If they are 2³² or more along an axis; a card may take fewer.
pub(crate) fn n_cubes(n: [usize; 3]) -> CubeCount {
    let [x, y, z] = n.map(|n| u32::try_from(n).expect("fewer cubes than a tensor has numbers"));
    CubeCount::Static(x, y, z)
}
