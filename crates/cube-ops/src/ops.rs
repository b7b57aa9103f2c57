//! The operations.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor};
use flex_ops::{After, Epsilon, Groups, Normalized, Options, Stage};

use crate::node;
use crate::shape::Shape;

/// Whether the operations can run on this device.
pub fn is_supported(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Cube(_))
}

/// \[ReLU →\] convolution without bias, padded by half the kernel → batch norm by the statistics of the batch or those
/// given → \[activation\].
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
///
/// # Panics
///
/// If shapes disagree, images have no pixels or channels, `k` is even, the stride is 0, or the device is not
/// [supported](is_supported).
pub fn conv_norm(x: Tensor<4>, stage: Stage) -> Normalized {
    let Stage { weight, affine, given, options } = stage;
    let shape = checked(x.dims(), weight.dims(), options);
    norm(node::conv(x, weight, shape), affine, given, options.epsilon, options.after)
}

/// Convolution without bias, padded by half the kernel.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - `weight`: `[n_out, n_in, k, k]`, or `[n_in, 1, k, k]` if depthwise; `k` odd
/// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize, groups: Groups) -> Tensor<4> {
    let options = Options { stride, groups, ..Options::PLAIN };
    let shape = checked(x.dims(), weight.dims(), options);
    node::conv(x, weight, shape)
}

/// Batch norm by the statistics of the batch, or by the mean and variance given, which have no gradient →
/// \[activation\].
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
/// - `affine` (scale and shift) and `given`: `[c]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn norm(
    x: Tensor<4>,
    affine: [Tensor<1>; 2],
    given: Option<[Tensor<1>; 2]>,
    epsilon: Epsilon,
    after: After,
) -> Normalized {
    let [b, channels, h, w] = x.dims();
    assert!(0 < b * channels * h * w, "images without pixels or channels");
    for t in affine.iter().chain(given.iter().flatten()) {
        assert_eq!(t.dims(), [channels], "scale, shift or statistics");
    }
    node::norm(x, affine, given, epsilon, after)
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
    node::avg_pool3(x)
}

fn checked(images: [usize; 4], weight: [usize; 4], options: Options) -> Shape {
    let [b, n_in, height, width] = images;
    let [n_out, n_seen, kernel, kernel_width] = weight;
    match options.groups {
        Groups::One => assert_eq!(n_in, n_seen, "input channels"),
        Groups::Depthwise => assert_eq!([n_in, 1], [n_out, n_seen], "channels"),
    }
    assert!(kernel == kernel_width && kernel % 2 == 1, "a kernel of {kernel} × {kernel_width}");
    assert!(0 < b * height * width * n_in * n_out, "images without pixels or channels");
    assert!(0 < options.stride, "a stride of 0");
    Shape::new(images, weight, options)
}
