//! What a batch norm divides by.

use burn_cubecl::cubecl;
use cubecl::prelude::*;
use flex_ops::Epsilon;

const OF_PYTORCH: f32 = Epsilon::PyTorch.value();
const OF_TENSORFLOW: f32 = Epsilon::TensorFlow.value();

/// What a distance from the mean is divided by.
#[cube]
pub(crate) fn deviation(variance: f32, #[comptime] epsilon: Epsilon) -> f32 {
    match comptime!(epsilon) {
        Epsilon::PyTorch => (variance + OF_PYTORCH).sqrt(),
        Epsilon::TensorFlow => (variance + OF_TENSORFLOW).sqrt(),
    }
}
