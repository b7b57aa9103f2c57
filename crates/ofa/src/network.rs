//! The network of which every architecture is a part.

use burn::module::Module;
use burn::tensor::activation::hard_swish;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use space::{Arch, EdgeId};
use supernet::{
    Activation, Affine, Bottleneck, BottleneckConfig, Conv, ConvConfig, ConvNorm, ConvNormConfig,
    Epsilon, Groups, Linear, Network, Pass, Shortcut, Taps, global_avg_pool, published_block,
    published_bottleneck, published_conv_norm, published_frame,
};

use crate::Ofa;
use crate::block::{Block, BlockConfig};
use crate::choice::{Choice, KERNELS};
use crate::space_impl::n_mid;
use crate::stage::{LAST, STAGE_BLOCKS, STEM, Stage};

/// Stem, a fixed block, five stages of elastic blocks, two last convolutions, classifier.
#[derive(Module, Debug)]
pub struct OfaNetwork {
    stem: ConvNorm,
    first: Bottleneck,
    blocks: Vec<Block>,
    expand: ConvNorm,
    mix: Conv,
    classifier: Linear,
    #[module(skip)]
    space: Ofa,
}

/// What the published networks add to variances.
const EPSILON: Epsilon = Epsilon::PyTorch;

impl OfaNetwork {
    /// Draws all weights.
    pub fn init(space: &Ofa, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let channels = space.channels(STEM);
        let stem = conv(space.image_channels, channels, 3, space.stem_stride).init(device, rng);
        let first = BottleneckConfig {
            n_in: channels,
            n_mid: channels,
            n_out: channels,
            kernel: 3,
            stride: 1,
            epsilon: EPSILON,
            activation: Activation::Relu,
            shortcut: Shortcut::IfItFits,
        };
        let first = first.init(device, rng);
        let mut n_in = channels;
        let mut blocks = Vec::new();
        for stage in Stage::ALL {
            let n_out = space.channels(stage.channels);
            for number in 0..STAGE_BLOCKS {
                let largest = BottleneckConfig {
                    n_in,
                    n_mid: n_mid(n_in, space.largest_expand()),
                    n_out,
                    kernel: KERNELS[KERNELS.len() - 1],
                    stride: if number == 0 { stage.stride } else { 1 },
                    epsilon: EPSILON,
                    activation: stage.activation,
                    shortcut: Shortcut::IfItFits,
                };
                let squeeze_excite = stage.squeeze_excite;
                blocks.push(BlockConfig { largest, squeeze_excite }.init(device, rng));
                n_in = n_out;
            }
        }
        let [expanded, mixed] = LAST.map(|channels| space.channels(channels));
        let mix =
            ConvConfig { n_in: expanded, n_out: mixed, kernel: 1, stride: 1, groups: Groups::One };
        Self {
            stem,
            first,
            blocks,
            expand: conv(n_in, expanded, 1, 1).init(device, rng),
            mix: mix.init(device, rng),
            classifier: Linear::new(mixed, space.classes, device, rng),
            space: space.clone(),
        }
    }
}

impl Network for OfaNetwork {
    /// What is fixed, and the blocks.
    fn n_parts(&self) -> usize {
        1 + self.blocks.len()
    }

    fn edges_of_part(&self, part: usize) -> Vec<EdgeId> {
        let Some(block) = part.checked_sub(1) else { return Vec::new() };
        let depth = Choice::Depth { stage: block / STAGE_BLOCKS };
        [depth, Choice::Kernel { block }, Choice::Expand { block }].map(Choice::edge).into()
    }

    fn forward_part(
        &self,
        part: usize,
        x: Tensor<4>,
        arch: &Arch,
        pass: &mut Pass<'_>,
    ) -> Tensor<4> {
        let Some(block) = part.checked_sub(1) else {
            return self.first.forward(self.stem.forward(x, pass), pass);
        };
        if self.space.depth(arch, block / STAGE_BLOCKS) <= block % STAGE_BLOCKS {
            pass.skip_tap(Taps::Blocks);
            return x;
        }
        let [kernel, expand] = [self.space.kernel(arch, block), self.space.expand(arch, block)];
        let x = self.blocks[block].forward(x, kernel, expand, pass);
        pass.tap(Taps::Blocks, &x);
        x
    }

    fn forward_head(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<2> {
        let x = self.expand.forward(x, pass);
        pass.tap(Taps::Blocks, &x);
        let x = global_avg_pool(x, pass).unsqueeze_dims(&[2, 3]); // [b, c, 1, 1]
        let x = hard_swish(self.mix.forward(x, pass));
        pass.tap(Taps::Blocks, &x);
        let [b, c, _, _] = x.dims();
        let logits = self.classifier.forward(x.reshape([b, c]), pass);
        pass.tap(Taps::Blocks, &logits.clone().unsqueeze_dims(&[2, 3]));
        logits
    }

    /// The depthwise kernel of a block and its transforms belong to the choice of its kernel, all else of
    /// it to the choice of its expansion.
    fn edge_of(parameter: &str) -> Option<EdgeId> {
        let (block, part) = parameter.strip_prefix("blocks.")?.split_once('.')?;
        let block = block.parse().ok()?;
        let of_kernel = part.starts_with("depthwise.conv.") || part.starts_with("transforms.");
        let choice = if of_kernel { Choice::Kernel { block } } else { Choice::Expand { block } };
        Some(choice.edge())
    }

    /// As in <https://github.com/mit-han-lab/once-for-all>; what is fixed first is a block there.
    fn published_name(tensor: &str) -> String {
        if let Some(name) = published_frame(tensor) {
            return name;
        }
        let (module, part) = tensor.split_once('.').unwrap_or((tensor, ""));
        match module {
            "blocks" => published_choice(part),
            "expand" => format!("final_expand_layer.{}", published_conv_norm(part)),
            "mix" => format!("feature_mix_layer.conv.{part}"),
            _ => tensor.to_owned(),
        }
    }
}

/// The published name of a tensor in the list of the elastic blocks.
fn published_choice(part: &str) -> String {
    let (number, part) = part.split_once('.').unwrap_or((part, ""));
    let number = number.parse().map_or(0, |number: usize| number + 1);
    let part = match part.split_once('.') {
        Some(("transforms", "to_5")) => "depth_conv.conv.7to5_matrix".to_owned(),
        Some(("transforms", "to_3")) => "depth_conv.conv.5to3_matrix".to_owned(),
        Some(("gate", tensor)) => format!("depth_conv.se.fc.{tensor}"),
        _ => published_bottleneck(part, true),
    };
    published_block(number, &part)
}

fn conv(n_in: usize, n_out: usize, kernel: usize, stride: usize) -> ConvNormConfig {
    let (groups, affine) = (Groups::One, Affine::Yes);
    let activation = Activation::HardSwish;
    ConvNormConfig { n_in, n_out, kernel, stride, groups, affine, epsilon: EPSILON, activation }
}

#[cfg(test)]
mod tests {
    use space::{SearchSpace, Seed};

    use super::*;
    use crate::OfaConfig;

    fn space(width: f64, stem_stride: usize, resolution: usize, classes: usize) -> Ofa {
        let (expand_ratios, depths) = (vec![4, 6], vec![3, 4]);
        let config = OfaConfig { width, expand_ratios, depths, stem_stride };
        Ofa::new(&config, 3, resolution, classes).unwrap()
    }

    #[test]
    fn parameters_know_their_edge() {
        let name = |parameter| OfaNetwork::edge_of(parameter).map(|edge| Choice::of(edge).name());
        let check = |parameter, expected: &str| assert_eq!(name(parameter).unwrap(), expected);
        check("blocks.0.depthwise.conv.weight", "ks_block1");
        check("blocks.19.transforms.to_3", "ks_block20");
        check("blocks.19.depthwise.norm.scale", "er_block20");
        check("blocks.2.gate.reduce.bias", "er_block3");
        assert_eq!(name("expand.conv.weight"), None);
    }

    #[test]
    fn shapes_are_those_of_the_space() {
        let space = space(0.1, 1, 12, 10);
        let device = Device::flex();
        let network = OfaNetwork::init(&space, &device, &mut Seed::new(1).rng());
        for seed in 0..4 {
            let arch = space.full_mask().sample(&mut Seed::new(seed).rng());
            let mut shapes = Vec::new();
            let mut numbers = Vec::new();
            let mut see = |tap, x: Tensor<4>| {
                let [_, c, h, w] = x.dims();
                shapes.push([c, h, w]);
                numbers.push(tap);
            };
            let mut pass = Pass::tapped(Taps::Blocks, &mut see);
            let images = Tensor::ones([2, 3, 12, 12], &device);
            let logits = network.forward(images, &arch, &mut pass);
            assert_eq!(logits.dims(), [2, 10]);
            assert_eq!(shapes, space.taps(&arch));
            // The last block of a stage keeps its number where it is absent.
            let absent = |number| number < 20 && space.depth(&arch, number / 4) <= number % 4;
            assert!(numbers.into_iter().eq((0..23).filter(|&number| !absent(number))));
        }
    }

    /// The largest architecture is the whole network but for the transforms of kernels.
    #[test]
    fn what_is_counted_is_what_was_built() {
        let space = space(1.0, 2, 224, 1000);
        let network = OfaNetwork::init(&space, &Device::flex(), &mut Seed::new(1).rng());
        let mask = space.full_mask();
        let largest = mask.edges().map(|edge| mask.ops(edge)[mask.ops(edge).len() - 1]).collect();
        let largest = Arch::new(largest);
        let transforms = 20 * (25 * 25 + 9 * 9);
        let built: u64 = supernet::parameters(&network).values().sum();
        assert_eq!(built, space.cost(&largest).parameters + transforms);
    }
}
