//! The convolution of burn.

use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use flex_ops::Groups;

/// A convolution that keeps height and width at stride 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StockConv {
    pub(crate) stride: usize,
    /// Side of the kernel.
    pub(crate) kernel: usize,
    pub(crate) groups: Groups,
    /// Channels of the input.
    pub(crate) n_in: usize,
}

impl StockConv {
    /// Convolves, without bias.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - `weight`: `[n_out, n_in, k, k]`, or `[n_in, 1, k, k]` if depthwise
    pub(crate) fn forward(self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let groups = match self.groups {
            Groups::One => 1,
            Groups::Depthwise => self.n_in,
        };
        let padding = self.kernel / 2;
        let options = ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], groups);
        conv2d(x, weight, None, options)
    }
}
