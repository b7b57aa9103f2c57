//! The inverted bottleneck of MobileNets.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use flex_ops::{Epsilon, Groups};
use rand_chacha::ChaCha8Rng;

use crate::pass::Fate;
use crate::{Activation, Affine, ConvNorm, ConvNormConfig, Pass};

/// Sizes of an inverted bottleneck.
#[derive(Clone, Copy, Debug)]
pub struct BottleneckConfig {
    /// Channels of the input.
    pub n_in: usize,
    /// Channels in between; as many as in the input: they are not made anew.
    pub n_mid: usize,
    /// Channels of the output.
    pub n_out: usize,
    /// Side of the depthwise kernel, odd.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// What the norms add to variances.
    pub epsilon: Epsilon,
    /// The activation of the channels in between.
    pub activation: Activation,
    /// Whether the input is added.
    pub shortcut: Shortcut,
}

/// Whether the input of a block is added to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// It never is.
    Never,
    /// It is if the block keeps the channels, and height and width by its stride of 1.
    IfItFits,
}

impl BottleneckConfig {
    /// The 1 × 1 convolution to more channels, the depthwise one, the 1 × 1 convolution to few.
    pub fn layers(&self) -> [ConvNormConfig; 3] {
        let &Self { n_in, n_mid, n_out, kernel, stride, epsilon, activation, .. } = self;
        let pointwise = ConvNormConfig {
            n_in,
            n_out: n_mid,
            kernel: 1,
            stride: 1,
            groups: Groups::One,
            affine: Affine::Yes,
            epsilon,
            activation,
        };
        let depthwise =
            ConvNormConfig { n_in: n_mid, kernel, stride, groups: Groups::Depthwise, ..pointwise };
        let project =
            ConvNormConfig { n_in: n_mid, n_out, activation: Activation::None, ..pointwise };
        [pointwise, depthwise, project]
    }

    /// Draws the weights.
    pub fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> Bottleneck {
        let [expand, depthwise, project] = self.layers();
        Bottleneck {
            expand: (self.n_in != self.n_mid).then(|| expand.init(device, rng)),
            depthwise: depthwise.init(device, rng),
            project: project.init(device, rng),
            adds_input: self.adds_input(),
        }
    }

    /// Whether the input is added to the output.
    pub fn adds_input(&self) -> bool {
        self.shortcut == Shortcut::IfItFits && self.stride == 1 && self.n_in == self.n_out
    }
}

/// \[1 × 1 convolution to more channels →\] depthwise convolution → 1 × 1 convolution to few, each with
/// its batch norm, the last without an activation (Sandler et al. 2018, *MobileNetV2*).
#[derive(Module, Debug)]
pub struct Bottleneck {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    adds_input: bool,
}

impl Bottleneck {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        plus_input(self.adds_input, x, pass, |x, pass| {
            let blocks = self.expand.iter().chain([&self.depthwise, &self.project]);
            let blocks: Vec<_> = blocks.map(|block| (block, block.weight())).collect();
            ConvNorm::in_turn(&blocks, x, pass)
        })
    }
}

/// What a block makes of its input, and the input, if that is added; in training such a block may be
/// left out.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - output: as the block's
pub fn plus_input(
    adds_input: bool,
    x: Tensor<4>,
    pass: &mut Pass<'_>,
    block: impl FnOnce(Tensor<4>, &mut Pass<'_>) -> Tensor<4>,
) -> Tensor<4> {
    if !adds_input {
        return block(x, pass);
    }
    match pass.fate() {
        Fate::LeftOut => x,
        Fate::Runs(scale) => {
            let y = block(x.clone(), pass);
            if 1.0 < scale { y * scale + x } else { y + x }
        }
    }
}

#[cfg(test)]
mod tests {
    use space::Seed;

    use super::*;
    use crate::StochasticDepth;

    #[test]
    fn blocks_are_left_out_at_their_rate_and_count_the_more_otherwise() {
        let depth = StochasticDepth { rate: 0.5, seed: Seed::new(4) };
        let mut pass = Pass::of_batch().leaving_out(depth);
        pass.enter(2, 4);
        let x = Tensor::<4>::ones([1, 1, 1, 1], &Device::flex());
        let n = 2000;
        let mut draw = |adds_input| {
            let y = plus_input(adds_input, x.clone(), &mut pass, |x, _| x * 2.0);
            f64::from(y.into_scalar::<f32>())
        };
        assert!((0..n).all(|_| (draw(false) - 2.0).abs() < 1e-6));
        let drawn: Vec<f64> = (0..n).map(|_| draw(true)).collect();
        let left_out = drawn.iter().filter(|&&y| y < 1.5).count() as f64 / f64::from(n);
        // Three quarters of the rate; four standard deviations of a share of 2000.
        assert!((left_out - 0.375).abs() < 0.044, "{left_out}");
        assert!(drawn.iter().all(|y| (y - 1.0).abs() < 1e-6 || (y - 4.2).abs() < 1e-5));
    }
}
