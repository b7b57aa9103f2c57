//! The fused operations against burn's own and against each other.

mod chain;
mod inputs;
mod norms;
mod stock;

use burn::tensor::Tensor;

/// The largest difference, in units of the largest value of the second.
pub(crate) fn distance<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    let scale: f32 = expected.clone().abs().max().into_scalar();
    let difference: f32 = (found - expected).abs().max().into_scalar();
    difference / scale.max(1e-6)
}
