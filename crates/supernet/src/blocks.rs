//! Building blocks that the networks of all spaces share.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{Device, Tensor, TensorData, assert_shape};
use flex_ops::{Before, Options};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::Pass;

/// Whether a norm has a trainable scale and shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affine {
    /// Scale and shift are trained.
    Yes,
    /// Scale 1, shift 0.
    No,
}

/// The activation of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// None.
    None,
    /// ReLU before the convolution.
    ReluBefore,
}

/// Batch norm without statistics of its own: they belong to the [`Pass`].
#[derive(Module, Debug)]
pub struct Norm {
    scale: Option<Param<Tensor<1>>>,
    shift: Option<Param<Tensor<1>>>,
    channels: usize,
}

impl Norm {
    /// Scale 1 and shift 0.
    pub fn new(channels: usize, affine: Affine, device: &Device) -> Self {
        let param = |value: Tensor<1>| match affine {
            Affine::Yes => Some(Param::from_tensor(value)),
            Affine::No => None,
        };
        Self {
            scale: param(Tensor::ones([channels], device)),
            shift: param(Tensor::zeros([channels], device)),
            channels,
        }
    }

    /// Normalizes each channel.
    ///
    /// # Shapes
    ///
    /// - `x` and output: `[b, c, h, w]`
    ///
    /// # Panics
    ///
    /// If `x` has another number of channels.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let [b, _, h, w] = x.dims();
        assert_shape!(x, [b, self.channels, h, w]);
        let (scale, shift) = self.scale_and_shift(&x.device());
        pass.normalize(x, scale, shift)
    }

    fn scale_and_shift(&self, device: &Device) -> (Tensor<1>, Tensor<1>) {
        let scale = self.scale.as_ref().map(Param::val);
        let shift = self.shift.as_ref().map(Param::val);
        (
            scale.unwrap_or_else(|| Tensor::ones([self.channels], device)),
            shift.unwrap_or_else(|| Tensor::zeros([self.channels], device)),
        )
    }
}

/// A convolution without bias that keeps height and width at stride 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvConfig {
    /// Channels of the input.
    pub n_in: usize,
    /// Channels of the output.
    pub n_out: usize,
    /// Side of the kernel, odd.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
}

impl ConvConfig {
    /// Draws the weights uniformly from ±1/√fan-in, as PyTorch does.
    pub fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> Conv {
        let shape = [self.n_out, self.n_in, self.kernel, self.kernel];
        let fan_in = self.n_in * self.kernel * self.kernel;
        Conv { weight: uniform(shape, fan_in, device, rng), stride: self.stride }
    }
}

/// A convolution without bias, padded by half its kernel.
#[derive(Module, Debug)]
pub struct Conv {
    weight: Param<Tensor<4>>,
    stride: usize,
}

impl Conv {
    /// Convolves.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let padding = weight.dims()[2] / 2;
        let options = ConvOptions::new([self.stride, self.stride], [padding, padding], [1, 1], 1);
        conv2d(x, weight, None, options)
    }
}

/// A convolution and its batch norm.
#[derive(Clone, Copy, Debug)]
pub struct ConvNormConfig {
    /// Channels of the input.
    pub n_in: usize,
    /// Channels of the output.
    pub n_out: usize,
    /// Side of the kernel, odd.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Whether the norm is trained.
    pub affine: Affine,
    /// The activation.
    pub activation: Activation,
}

impl ConvNormConfig {
    /// Draws the weights.
    pub fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> ConvNorm {
        let Self { n_in, n_out, kernel, stride, affine, activation } = *self;
        ConvNorm {
            conv: ConvConfig { n_in, n_out, kernel, stride }.init(device, rng),
            norm: Norm::new(n_out, affine, device),
            relu_before: activation == Activation::ReluBefore,
        }
    }
}

/// \[ReLU →\] convolution → batch norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv,
    norm: Norm,
    relu_before: bool,
}

impl ConvNorm {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let device = x.device();
        if flex_ops::is_supported(&device) {
            let before = if self.relu_before { Before::Relu } else { Before::Nothing };
            let options = Options { stride: self.conv.stride, before, ..Options::PLAIN };
            let (scale, shift) = self.norm.scale_and_shift(&device);
            let weight = self.conv.weight.val();
            if let Some(given) = pass.next_given() {
                return flex_ops::conv_norm_given(x, weight, [scale, shift], given, options);
            }
            let fused = flex_ops::conv_norm(x, weight, scale, shift, options);
            pass.observe(fused.mean, fused.variance);
            return fused.output;
        }
        let x = if self.relu_before { relu(x) } else { x };
        self.norm.forward(self.conv.forward(x), pass)
    }
}

/// A linear layer with bias, its weight laid out as in PyTorch: `[n_out, n_in]`.
#[derive(Module, Debug)]
pub struct Classifier {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Classifier {
    /// Draws weight and bias uniformly from ±1/√n_in, as PyTorch does.
    pub fn new(n_in: usize, n_out: usize, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        Self {
            weight: uniform([n_out, n_in], n_in, device, rng),
            bias: uniform([n_out], n_in, device, rng),
        }
    }

    /// Computes the logits.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in]`
    /// - output: `[b, n_out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

/// The mean of each 3 × 3 neighborhood; places outside the image do not count.
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
pub fn avg_pool3(x: Tensor<4>) -> Tensor<4> {
    if flex_ops::is_supported(&x.device()) {
        return flex_ops::avg_pool3(x);
    }
    let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
    avg_pool2d(x, options.with_count_include_pad(false))
}

/// The mean of each 2 × 2 square.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - output: `[b, c, h / 2, w / 2]`
pub fn avg_pool2(x: Tensor<4>) -> Tensor<4> {
    if flex_ops::is_supported(&x.device()) {
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
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    if flex_ops::is_supported(&x.device()) {
        return flex_ops::global_avg_pool(x);
    }
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h * w]).mean_dim(2).reshape([b, c])
}

fn uniform<const D: usize>(
    shape: [usize; D],
    fan_in: usize,
    device: &Device,
    rng: &mut ChaCha8Rng,
) -> Param<Tensor<D>> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    let n = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| bound * (2.0 * rng.random::<f32>() - 1.0)).collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}
