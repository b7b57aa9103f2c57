//! Fused convolution and batch norm for burn's CPU backend.
//!
//! *Floor 1. May be used by supernets; knows no network.*
//!
//! burn's CPU backend computes ReLU, convolution and batch norm as a dozen passes over memory and
//! their gradients as more. Here they are one node of the graph that keeps one tensor.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let x = Tensor::<4>::ones([2, 3, 8, 8], &device);
//! let weight = Tensor::<4>::ones([4, 3, 3, 3], &device);
//! let (scale, shift) = (Tensor::ones([4], &device), Tensor::zeros([4], &device));
//! let normalized = flex_ops::conv_norm(x, weight, scale, shift, 2, flex_ops::Before::Relu);
//! assert_eq!(normalized.output.dims(), [2, 4, 4, 4]);
//! ```
//!
//! Results are the same bits for any number of threads.

mod conv_norm;
mod geometry;
mod kernel;
mod node;
mod pool;

use burn::tensor::{Device, Tensor, TensorData};

use lanes::Isa;

/// Added to a variance before its root is taken, as in PyTorch.
pub const EPSILON: f32 = 1e-5;

/// What happens to the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// ReLU.
    Relu,
}

/// A batch after convolution and batch norm, and the statistics of the convolution.
#[derive(Debug)]
pub struct Normalized {
    /// `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`.
    pub output: Tensor<4>,
    /// `[n_out]`, detached.
    pub mean: Tensor<1>,
    /// `[n_out]`, biased, detached.
    pub variance: Tensor<1>,
}

impl Normalized {
    fn new(output: Tensor<4>, mean: Vec<f32>, variance: Vec<f32>, device: &Device) -> Self {
        let tensor = |values: Vec<f32>| {
            let n = values.len();
            Tensor::from_data(TensorData::new(values, [n]), device)
        };
        Self { output, mean: tensor(mean), variance: tensor(variance) }
    }
}

/// Whether the operations can run on this device.
pub fn is_supported(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

/// \[ReLU →\] convolution without bias, padded by half the kernel → batch norm by the statistics of
/// the batch.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - `weight`: `[n_out, n_in, k, k]`, `k` odd
/// - `scale`, `shift`: `[n_out]`
///
/// # Panics
///
/// If shapes disagree, `k` is even, `stride` is 0, or the device is not [supported](is_supported).
pub fn conv_norm(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    stride: usize,
    before: Before,
) -> Normalized {
    let [n_out, n_in, kernel, width] = weight.dims();
    assert_eq!(x.dims()[1], n_in, "input channels");
    assert!(kernel == width && kernel % 2 == 1, "a kernel of {kernel} × {width}");
    assert_eq!([scale.dims(), shift.dims()], [[n_out], [n_out]], "scale and shift");
    assert!(0 < stride, "a stride of 0");
    node::conv_norm(x, weight, scale, shift, stride, before == Before::Relu)
}

/// The mean of each 3 × 3 neighborhood; places outside the image do not count.
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
///
/// # Panics
///
/// If the device is not [supported](is_supported).
pub fn avg_pool3(x: Tensor<4>) -> Tensor<4> {
    pool::avg_pool3(x)
}

/// The mean of each 2 × 2 square; an odd last row or column is left out.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - output: `[b, c, h / 2, w / 2]`
///
/// # Panics
///
/// If the device is not [supported](is_supported), or an image has no square.
pub fn avg_pool2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    assert!(2 <= h && 2 <= w, "no square in {h} × {w} pixels");
    pool::avg_pool2(x)
}
