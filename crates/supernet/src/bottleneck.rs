//! The inverted bottleneck of MobileNets.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use flex_ops::Groups;
use rand_chacha::ChaCha8Rng;

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
        let &Self { n_in, n_mid, n_out, kernel, stride, activation, .. } = self;
        let pointwise = ConvNormConfig {
            n_in,
            n_out: n_mid,
            kernel: 1,
            stride: 1,
            groups: Groups::One,
            affine: Affine::Yes,
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
        let y = match &self.expand {
            Some(expand) => expand.forward(x.clone(), pass),
            None => x.clone(),
        };
        let y = self.project.forward(self.depthwise.forward(y, pass), pass);
        if self.adds_input { y + x } else { y }
    }
}
