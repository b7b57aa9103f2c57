//! Fused convolution and batch norm, pooling and gradient descent for burn's CPU backend.
//!
//! *Floor 1. May be used by supernets; knows no network.*
//!
//! burn's CPU backend computes ReLU, convolution and batch norm as a dozen passes over memory and
//! their gradients as more. Here they are one node of the graph that keeps one tensor beside its input, or
//! none where it is as fast to convolve again.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use flex_ops::{After, Options, conv_norm};
//!
//! let device = Device::flex();
//! let x = Tensor::<4>::ones([2, 3, 8, 8], &device);
//! let weight = Tensor::<4>::ones([4, 3, 3, 3], &device);
//! let (scale, shift) = (Tensor::ones([4], &device), Tensor::zeros([4], &device));
//! let options = Options { stride: 2, after: After::Relu, ..Options::PLAIN };
//! let normalized = conv_norm(x, weight, scale, shift, options);
//! assert_eq!(normalized.output.dims(), [2, 4, 4, 4]);
//! ```
//!
//! A weight may be a slice of a larger one, of its channels or of its kernel: only the slice is
//! copied. Results are the same bits for any number of threads. Dense 3 × 3 convolutions of stride 1 over
//! images of up to 32 columns take 16 products for four outputs instead of 36 (Lavin and Gray 2016).

mod activation;
mod backward;
mod by_channel;
mod chain;
mod dense;
mod depthwise;
mod descent;
mod elementwise;
mod forward;
mod geometry;
mod memory;
mod node;
mod pieces;
mod places;
mod pool;
mod shape;
mod stack;
mod vectors;
mod winograd;

use burn::tensor::{Device, Tensor};

pub use descent::{Descent, Lookahead, descend, sum_of_squares};
pub use memory::keep_freed_memory;

/// The target of the `tracing` spans around each kind of work, by which a program can measure it.
pub const PROFILE: &str = "profile";

/// What is added to a variance before its root is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Epsilon {
    /// 10⁻⁵, which PyTorch adds unless it is told otherwise.
    PyTorch,
    /// 10⁻³, which TensorFlow adds, and networks that come from there.
    TensorFlow,
}

impl Epsilon {
    /// The number.
    pub const fn value(self) -> f32 {
        match self {
            Self::PyTorch => 1e-5,
            Self::TensorFlow => 1e-3,
        }
    }
}

/// What a convolution is and what surrounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Stride in both directions.
    pub stride: usize,
    /// Which inputs an output sees.
    pub groups: Groups,
    /// What happens to the input.
    pub before: Before,
    /// What keeps the norm from dividing by nothing.
    pub epsilon: Epsilon,
    /// What happens to the normalized output.
    pub after: After,
}

impl Options {
    /// A dense convolution of stride 1 without activations, normalized as in PyTorch.
    pub const PLAIN: Self = Self {
        stride: 1,
        groups: Groups::One,
        before: Before::Nothing,
        epsilon: Epsilon::PyTorch,
        after: After::Nothing,
    };

    /// The same of each channel by itself.
    pub const DEPTHWISE: Self = Self { groups: Groups::Depthwise, ..Self::PLAIN };
}

/// Which input channels an output channel sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// All.
    One,
    /// Its own.
    Depthwise,
}

/// What happens to the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// ReLU.
    Relu,
}

/// What happens to the output of a batch norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// Nothing.
    Nothing,
    /// ReLU.
    Relu,
    /// ReLU up to 6.
    Relu6,
    /// x · ReLU6(x + 3) ∕ 6.
    HardSwish,
}

/// Which way numbers go through an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From inputs to outputs.
    Forward,
    /// Gradients from outputs to inputs, by the transposed map.
    Backward,
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

/// One of several convolutions with their batch norms.
#[derive(Clone, Debug)]
pub struct Stage {
    /// `[n_out, n_in, k, k]`, or `[n_in, 1, k, k]` if depthwise; `k` odd.
    pub weight: Tensor<4>,
    /// Scale and shift, each `[n_out]`.
    pub affine: [Tensor<1>; 2],
    /// Mean and variance to normalize by, each `[n_out]`, instead of those of the batch.
    pub given: Option<[Tensor<1>; 2]>,
    /// What surrounds the convolution.
    pub options: Options,
}

/// Whether the operations can run on this device.
pub fn is_supported(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

/// \[ReLU →\] convolution without bias, padded by half the kernel → batch norm by the statistics of
/// the batch → \[activation\].
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - `weight`: `[n_out, n_in, k, k]`, or `[n_in, 1, k, k]` if depthwise; `k` odd
/// - `scale`, `shift`: `[n_out]`
///
/// # Panics
///
/// If shapes disagree, images have no pixels, `k` is even, the stride is 0, or the device is not
/// [supported](is_supported).
pub fn conv_norm(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    options: Options,
) -> Normalized {
    let stage = Stage { weight, affine: [scale, shift], given: None, options };
    let (output, moments) = conv_norms(x, vec![stage]);
    let [[mean, variance]] = moments.try_into().expect("there is one stage");
    Normalized { output, mean, variance }
}

/// The same with a batch norm by given statistics, which have no gradient.
///
/// # Shapes
///
/// - as [`conv_norm`]; `affine`: scale and shift, `given`: mean and variance, each `[n_out]`
/// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn conv_norm_given(
    x: Tensor<4>,
    weight: Tensor<4>,
    affine: [Tensor<1>; 2],
    given: [Tensor<1>; 2],
    options: Options,
) -> Tensor<4> {
    let stage = Stage { weight, affine, given: Some(given), options };
    conv_norms(x, vec![stage]).0
}

/// What [`conv_norm`] makes of `x` by the first stage, of that by the second, and so on: the last output,
/// and mean and variance of every stage, the given ones where there are any. The same bits; but on a device
/// without gradients most stages normalize what they read, and the normalized numbers are never written.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - output: `[b, n_out, h′, w′]` of the last stage, `x` if there is none; `[n_out]` of every stage
///
/// # Panics
///
/// As [`conv_norm`].
pub fn conv_norms(x: Tensor<4>, stages: Vec<Stage>) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    let mut dims = x.dims();
    for Stage { weight, affine: [scale, shift], given, options } in &stages {
        let channels: Vec<&Tensor<1>> =
            [scale, shift].into_iter().chain(given.iter().flatten()).collect();
        check(dims, weight, &channels, *options);
        dims = node::shape(dims, weight.dims(), *options).output_dims();
    }
    chain::conv_norms(x, stages)
}

/// Convolution without bias, padded by half the kernel.
///
/// # Shapes
///
/// - `x`, `weight`: as [`conv_norm`]
/// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize, groups: Groups) -> Tensor<4> {
    check(x.dims(), &weight, &[], Options { stride, groups, ..Options::PLAIN });
    node::conv(x, weight, stride, groups)
}

/// Batch norm by the statistics of the batch → \[activation\].
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
/// - scale and shift: `[c]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn norm(
    x: Tensor<4>,
    [scale, shift]: [Tensor<1>; 2],
    epsilon: Epsilon,
    after: After,
) -> Normalized {
    let one = ones(&x);
    conv_norm(x, one, scale, shift, Options { epsilon, after, ..Options::DEPTHWISE })
}

/// The same by given statistics, which have no gradient.
///
/// # Shapes
///
/// - as [`norm`]; `mean`, `variance`: `[c]`
///
/// # Panics
///
/// As [`conv_norm`].
pub fn norm_given(
    x: Tensor<4>,
    affine: [Tensor<1>; 2],
    given: [Tensor<1>; 2],
    epsilon: Epsilon,
    after: After,
) -> Tensor<4> {
    let one = ones(&x);
    let options = Options { epsilon, after, ..Options::DEPTHWISE };
    conv_norm_given(x, one, affine, given, options)
}

/// A depthwise kernel of a single 1 that changes nothing.
fn ones(x: &Tensor<4>) -> Tensor<4> {
    Tensor::ones([x.dims()[1], 1, 1, 1], &x.device())
}

fn check(
    [_, n_in, height, width]: [usize; 4],
    weight: &Tensor<4>,
    channels: &[&Tensor<1>],
    options: Options,
) {
    let [n_out, n_seen, kernel, kernel_width] = weight.dims();
    match options.groups {
        Groups::One => assert_eq!(n_in, n_seen, "input channels"),
        Groups::Depthwise => assert_eq!([n_in, 1], [n_out, n_seen], "channels"),
    }
    assert!(kernel == kernel_width && kernel % 2 == 1, "a kernel of {kernel} × {kernel_width}");
    assert!(
        channels.iter().all(|t| t.dims() == [n_out]),
        "scale, shift or statistics of {n_out} channels"
    );
    assert!(0 < height && 0 < width, "images without pixels");
    assert!(0 < options.stride, "a stride of 0");
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

/// The mean of each channel.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - output: `[b, c]`
///
/// # Panics
///
/// If the device is not [supported](is_supported).
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let [b, c, _, _] = x.dims();
    pool::global_avg_pool(x).reshape([b, c])
}
