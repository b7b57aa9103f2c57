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
        #[cfg(feature = "cuda")]
        if x.is_autodiff() && !flex_ops::is_supported(&x.device()) {
            return crate::shared_sums::on_card(x, weight, self);
        }
        conv2d(x, weight, None, self.options())
    }

    pub(crate) fn options(self) -> ConvOptions<2> {
        let groups = match self.groups {
            Groups::One => 1,
            Groups::Depthwise => self.n_in,
        };
        let padding = self.kernel / 2;
        ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], groups)
    }

    /// Those of the convolution of images by slopes that gives the gradient of the weights: the step between the
    /// taps of its kernel is the stride.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn options_of_gradient(self, groups: usize) -> ConvOptions<2> {
        let padding = self.kernel / 2;
        ConvOptions::new([1, 1], [padding; 2], [self.stride; 2], groups)
    }
}
