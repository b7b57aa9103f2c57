//! Means of neighborhoods and of whole channels.

use burn::tensor::Tensor;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;

use crate::Pass;
use crate::pass::Ops;

/// The mean of each 3 × 3 neighborhood; places outside the image do not count.
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
pub fn avg_pool3(x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
    match pass.ops(&x.device()) {
        Ops::Flex => flex_ops::avg_pool3(x),
        #[cfg(feature = "cuda")]
        Ops::Cube => cube_ops::avg_pool3(x),
        Ops::Stock => {
            let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
            avg_pool2d(x, options.with_count_include_pad(false))
        }
    }
}

/// The mean of each 2 × 2 square.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - output: `[b, c, h / 2, w / 2]`
pub fn avg_pool2(x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
    if pass.ops(&x.device()) == Ops::Flex {
        return flex_ops::avg_pool2(x);
    }
    avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// The mean of each channel.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - output: `[b, c]`
pub fn global_avg_pool(x: Tensor<4>, pass: &Pass<'_>) -> Tensor<2> {
    if pass.ops(&x.device()) == Ops::Flex {
        return flex_ops::global_avg_pool(x);
    }
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h * w]).mean_dim(2).reshape([b, c])
}
