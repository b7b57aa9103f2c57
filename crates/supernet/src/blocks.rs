//! Convolutions and norms that the networks of all spaces are made of.

use burn::module::{Module, Param, ParamId};
use burn::tensor::activation::{hard_swish, relu, relu6};
use burn::tensor::{Device, Tensor, assert_shape};
use flex_ops::{After, Before, Epsilon, Groups, Normalized, Options, Stage};
use rand_chacha::ChaCha8Rng;

use crate::Pass;
use crate::linear::{prefix, uniform};
use crate::pass::Ops;
use crate::stock_conv::StockConv;

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
    /// ReLU after the norm.
    Relu,
    /// ReLU up to 6, after the norm.
    Relu6,
    /// x · ReLU6(x + 3) ∕ 6, after the norm (Howard et al. 2019).
    HardSwish,
}

impl Activation {
    fn before(self) -> Before {
        match self {
            Self::ReluBefore => Before::Relu,
            Self::None | Self::Relu | Self::Relu6 | Self::HardSwish => Before::Nothing,
        }
    }

    fn after(self) -> After {
        match self {
            Self::None | Self::ReluBefore => After::Nothing,
            Self::Relu => After::Relu,
            Self::Relu6 => After::Relu6,
            Self::HardSwish => After::HardSwish,
        }
    }
}

/// Batch norm; the [`Pass`] says which statistics it takes.
#[derive(Module, Debug)]
pub struct Norm {
    scale: Option<Param<Tensor<1>>>,
    shift: Option<Param<Tensor<1>>>,
    /// Kept for [`Pass::stored`], never trained.
    pub(crate) mean: Param<Tensor<1>>,
    pub(crate) variance: Param<Tensor<1>>,
    channels: usize,
    #[module(skip)]
    pub(crate) epsilon: Epsilon,
}

impl Norm {
    /// Scale 1 and shift 0, and it keeps mean 0 and variance 1.
    pub fn new(channels: usize, affine: Affine, epsilon: Epsilon, device: &Device) -> Self {
        let kept = |value: Tensor<1>| Param::from_tensor(value).set_require_grad(false);
        let param = |value: Tensor<1>| match affine {
            Affine::Yes => Some(Param::from_tensor(value)),
            Affine::No => None,
        };
        Self {
            scale: param(Tensor::ones([channels], device)),
            shift: param(Tensor::zeros([channels], device)),
            mean: kept(Tensor::zeros([channels], device)),
            variance: kept(Tensor::ones([channels], device)),
            channels,
            epsilon,
        }
    }

    /// Normalizes each channel; what becomes negative is 0.
    ///
    /// # Shapes
    ///
    /// - `x` and output: `[b, c, h, w]`
    ///
    /// # Panics
    ///
    /// If `x` has another number of channels.
    pub fn forward_relu(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let [b, _, h, w] = x.dims();
        assert_shape!(x, [b, self.channels, h, w]);
        let affine = self.scale_and_shift(self.channels, &x.device());
        match pass.ops(&x.device()) {
            Ops::Stock => relu(pass.normalize(self, x, affine)),
            #[cfg(feature = "cuda")]
            Ops::Cube => {
                let given = pass.next_given(self, self.channels);
                self.observed(cube_ops::norm(x, affine, given, self.epsilon, After::Relu), pass)
            }
            Ops::Flex => {
                if let Some(given) = pass.next_given(self, self.channels) {
                    return flex_ops::norm_given(x, affine, given, self.epsilon, After::Relu);
                }
                self.observed(flex_ops::norm(x, affine, self.epsilon, After::Relu), pass)
            }
        }
    }

    /// The batch, after the pass has seen its statistics.
    fn observed(&self, normalized: Normalized, pass: &mut Pass<'_>) -> Tensor<4> {
        let Normalized { output, mean, variance } = normalized;
        pass.observe(self, mean, variance);
        output
    }

    /// What tells this norm's statistics from those of others.
    pub(crate) fn places(&self) -> [ParamId; 2] {
        [self.mean.id, self.variance.id]
    }

    /// Those of the first channels.
    fn scale_and_shift(&self, channels: usize, device: &Device) -> [Tensor<1>; 2] {
        let first = |param: &Param<Tensor<1>>| prefix(param.val(), &[channels]);
        let scale = self.scale.as_ref().map(first);
        let shift = self.shift.as_ref().map(first);
        [
            scale.unwrap_or_else(|| Tensor::ones([channels], device)),
            shift.unwrap_or_else(|| Tensor::zeros([channels], device)),
        ]
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
    /// Which input channels an output channel sees.
    pub groups: Groups,
}

impl ConvConfig {
    /// Draws the weights uniformly from ±1/√fan-in, as PyTorch does.
    ///
    /// # Panics
    ///
    /// If a depthwise convolution changes the number of channels.
    pub fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> Conv {
        let n_seen = match self.groups {
            Groups::One => self.n_in,
            Groups::Depthwise => {
                assert_eq!(self.n_in, self.n_out, "channels of a depthwise convolution");
                1
            }
        };
        let shape = [self.n_out, n_seen, self.kernel, self.kernel];
        let weight = uniform(shape, n_seen * self.kernel * self.kernel, device, rng);
        Conv { weight, stride: self.stride, groups: self.groups }
    }
}

/// A convolution without bias, padded by half its kernel.
#[derive(Module, Debug)]
pub struct Conv {
    weight: Param<Tensor<4>>,
    stride: usize,
    #[module(skip)]
    groups: Groups,
}

impl Conv {
    /// Convolves.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub fn forward(&self, x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
        let weight = self.weight.val();
        match pass.ops(&x.device()) {
            Ops::Stock => self.forward_stock(weight, x),
            Ops::Flex => flex_ops::conv(x, weight, self.stride, self.groups),
            #[cfg(feature = "cuda")]
            Ops::Cube => cube_ops::conv(x, weight, self.stride, self.groups),
        }
    }

    fn forward_stock(&self, weight: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
        let [_, n_in, ..] = x.dims();
        let kernel = weight.dims()[2];
        StockConv { stride: self.stride, kernel, groups: self.groups, n_in }.forward(x, weight)
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
    /// Which input channels an output channel sees.
    pub groups: Groups,
    /// Whether the norm is trained.
    pub affine: Affine,
    /// What the norm adds to variances.
    pub epsilon: Epsilon,
    /// The activation.
    pub activation: Activation,
}

impl ConvNormConfig {
    /// Draws the weights.
    ///
    /// # Panics
    ///
    /// If a depthwise convolution changes the number of channels.
    pub fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> ConvNorm {
        let Self { n_in, n_out, kernel, stride, groups, affine, epsilon, activation } = *self;
        ConvNorm {
            conv: ConvConfig { n_in, n_out, kernel, stride, groups }.init(device, rng),
            norm: Norm::new(n_out, affine, epsilon, device),
            activation,
        }
    }
}

/// \[ReLU →\] convolution → batch norm \[→ activation\].
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv,
    norm: Norm,
    #[module(skip)]
    activation: Activation,
}

impl ConvNorm {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        Self::in_turn(&[(self, self.weight())], x, pass)
    }

    /// Applies blocks one after the other, each by a weight that was made of its own, such as a part of it,
    /// for as many channels as that has.
    ///
    /// # Shapes
    ///
    /// - weights: `[n_out, n_in, k, k]`, or `[n_out, 1, k, k]` if depthwise
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, h′, w′]` of the last
    ///
    /// # Panics
    ///
    /// If a weight has more output channels than its block, or does not fit what it is applied to.
    pub fn in_turn(blocks: &[(&Self, Tensor<4>)], x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let device = x.device();
        let stage = |(block, weight): &(&Self, Tensor<4>), pass: &mut Pass<'_>| {
            block.stage(weight.clone(), &device, pass)
        };
        match pass.ops(&device) {
            Ops::Stock => {
                blocks.iter().fold(x, |x, (block, weight)| block.stock(weight.clone(), x, pass))
            }
            #[cfg(feature = "cuda")]
            Ops::Cube => blocks.iter().fold(x, |x, block| {
                let normalized = cube_ops::conv_norm(x, stage(block, pass));
                block.0.norm.observed(normalized, pass)
            }),
            Ops::Flex => {
                let stages = blocks.iter().map(|block| stage(block, pass)).collect();
                let (output, moments) = flex_ops::conv_norms(x, stages);
                for ((block, _), [mean, variance]) in blocks.iter().zip(moments) {
                    pass.observe(&block.norm, mean, variance);
                }
                output
            }
        }
    }

    fn stage(&self, weight: Tensor<4>, device: &Device, pass: &mut Pass<'_>) -> Stage {
        let [channels, ..] = weight.dims();
        let options = Options {
            stride: self.conv.stride,
            groups: self.conv.groups,
            before: self.activation.before(),
            epsilon: self.norm.epsilon,
            after: self.activation.after(),
        };
        let affine = self.norm.scale_and_shift(channels, device);
        Stage { weight, affine, given: pass.next_given(&self.norm, channels), options }
    }

    /// By burn's own operations.
    fn stock(&self, weight: Tensor<4>, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let affine = self.norm.scale_and_shift(weight.dims()[0], &x.device());
        let x = if self.activation.before() == Before::Relu { relu(x) } else { x };
        let x = pass.normalize(&self.norm, self.conv.forward_stock(weight, x), affine);
        match self.activation.after() {
            After::Nothing => x,
            After::Relu => relu(x),
            After::Relu6 => relu6(x),
            After::HardSwish => hard_swish(x),
        }
    }

    /// The trained weight, `[n_out, n_in, k, k]`, or `[n_out, 1, k, k]` if depthwise.
    pub fn weight(&self) -> Tensor<4> {
        self.conv.weight.val()
    }
}
