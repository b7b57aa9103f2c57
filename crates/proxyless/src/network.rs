//! The network whose blocks hold every operation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use space::{Arch, EdgeId, SearchSpace};
use supernet::{
    Activation, Affine, Bottleneck, BottleneckConfig, ConvNorm, ConvNormConfig, Epsilon, Groups,
    Linear, Network, Pass, Shortcut, Taps, global_avg_pool, published_block, published_bottleneck,
    published_conv_norm, published_frame,
};

use crate::Proxyless;
use crate::block::{Block, Operation};

/// Stem, a fixed block, 21 blocks with every operation, a last convolution, pooling, classifier.
#[derive(Module, Debug)]
pub struct ProxylessNetwork {
    stem: ConvNorm,
    first: Bottleneck,
    blocks: Vec<Choices>,
    mix: ConvNorm,
    classifier: Linear,
}

/// The bottlenecks of one block, in the order of the operations; to skip takes none.
#[derive(Module, Debug)]
struct Choices {
    bottlenecks: Vec<Bottleneck>,
}

/// What the published networks add to variances.
const EPSILON: Epsilon = Epsilon::TensorFlow;

impl ProxylessNetwork {
    /// Draws all weights.
    pub fn init(space: &Proxyless, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let [stem, first] = [space.stem_channels(), space.first_channels()];
        let bottleneck = |n_in, n_mid, n_out, kernel, stride| BottleneckConfig {
            n_in,
            n_mid,
            n_out,
            kernel,
            stride,
            epsilon: EPSILON,
            activation: Activation::Relu6,
            shortcut: Shortcut::IfItFits,
        };
        let mut n_in = first;
        let stem_block = conv(space.image_channels, stem, 3, space.config.stem_stride);
        let stem_block = stem_block.init(device, rng);
        // Where widths are small, its input would fit.
        let first_block =
            BottleneckConfig { shortcut: Shortcut::Never, ..bottleneck(stem, stem, first, 3, 1) };
        let first_block = first_block.init(device, rng);
        let mask = space.full_mask();
        let blocks = Block::all().zip(mask.edges()).map(|(block, edge)| {
            let n_out = space.stage_channels(block.stage);
            let bottlenecks = mask.ops(edge).iter().filter_map(|&op| match Operation::of(op) {
                Operation::Bottleneck { kernel, expand } => {
                    let config = bottleneck(n_in, expand * n_in, n_out, kernel, block.stride);
                    Some(config.init(device, rng))
                }
                Operation::Skip => None,
            });
            let choices = Choices { bottlenecks: bottlenecks.collect() };
            n_in = n_out;
            choices
        });
        let blocks = blocks.collect();
        let last = space.last_channels();
        Self {
            stem: stem_block,
            first: first_block,
            blocks,
            mix: conv(n_in, last, 1, 1).init(device, rng),
            classifier: Linear::new(last, space.classes, device, rng),
        }
    }
}

impl Network for ProxylessNetwork {
    /// What is fixed, and the blocks.
    fn n_parts(&self) -> usize {
        1 + self.blocks.len()
    }

    fn edges_of_part(&self, part: usize) -> Vec<EdgeId> {
        part.checked_sub(1).map(EdgeId).into_iter().collect()
    }

    fn forward_part(
        &self,
        part: usize,
        mut x: Tensor<4>,
        arch: &Arch,
        pass: &mut Pass<'_>,
    ) -> Tensor<4> {
        match part.checked_sub(1) {
            None => x = self.first.forward(self.stem.forward(x, pass), pass),
            Some(block) => {
                let op = arch.op(EdgeId(block));
                if let Some(bottleneck) = self.blocks[block].bottlenecks.get(op.0) {
                    x = bottleneck.forward(x, pass);
                }
            }
        }
        pass.tap(Taps::Blocks, &x);
        x
    }

    fn forward_head(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<2> {
        let x = self.mix.forward(x, pass);
        pass.tap(Taps::Blocks, &x);
        let logits = self.classifier.forward(global_avg_pool(x, pass), pass);
        pass.tap(Taps::Blocks, &logits.clone().unsqueeze_dims(&[2, 3]));
        logits
    }

    fn edge_of(parameter: &str) -> Option<EdgeId> {
        parameter.strip_prefix("blocks.")?.split('.').next()?.parse().ok().map(EdgeId)
    }

    /// As in <https://github.com/mit-han-lab/proxylessnas>; what is fixed first is a block there.
    fn published_name(tensor: &str) -> String {
        if let Some(name) = published_frame(tensor) {
            return name;
        }
        let (module, part) = tensor.split_once('.').unwrap_or((tensor, ""));
        match module {
            "blocks" => published_choice(part),
            "mix" => format!("feature_mix_layer.{}", published_conv_norm(part)),
            _ => tensor.to_owned(),
        }
    }
}

/// The published name of a tensor in the list of the blocks with operations.
fn published_choice(part: &str) -> String {
    let mut parts = part.splitn(4, '.');
    let mut next = || parts.next().unwrap_or_default();
    let (block, _bottlenecks, op, tensor) = (next(), next(), next(), next());
    let number = block.parse().map_or(0, |block: usize| block + 1);
    let part = published_bottleneck(tensor, false);
    published_block(number, &format!("candidate_ops.{op}.{part}"))
}

fn conv(n_in: usize, n_out: usize, kernel: usize, stride: usize) -> ConvNormConfig {
    let (groups, affine) = (Groups::One, Affine::Yes);
    let activation = Activation::Relu6;
    ConvNormConfig { n_in, n_out, kernel, stride, groups, affine, epsilon: EPSILON, activation }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use space::Seed;
    use supernet::StochasticDepth;

    use super::*;
    use crate::ProxylessConfig;

    fn space(resolution: usize) -> Proxyless {
        let stage_channels = [24, 40, 80, 96, 192, 320];
        let config = ProxylessConfig { width: 0.1, stage_channels, stem_stride: 1 };
        Proxyless::new(&config, 3, resolution, 10)
    }

    #[test]
    fn parameters_know_their_edge() {
        let edge = ProxylessNetwork::edge_of;
        assert_eq!(edge("blocks.17.bottlenecks.2.depthwise.conv.weight"), Some(EdgeId(17)));
        assert_eq!(edge("mix.conv.weight"), None);
    }

    #[test]
    fn shapes_are_those_of_the_space() {
        let space = space(12);
        let device = Device::flex();
        let network = ProxylessNetwork::init(&space, &device, &mut Seed::new(1).rng());
        for seed in 0..4 {
            let arch = space.full_mask().sample(&mut Seed::new(seed).rng());
            let mut shapes = Vec::new();
            let mut see = |_, x: Tensor<4>| {
                let [_, c, h, w] = x.dims();
                shapes.push([c, h, w]);
            };
            let images = Tensor::ones([2, 3, 12, 12], &device);
            let mut pass = Pass::tapped(Taps::Blocks, &mut see);
            let logits = network.forward(images, &arch, &mut pass);
            assert_eq!(logits.dims(), [2, 10]);
            assert_eq!(shapes, space.taps(&arch));
        }
    }

    #[test]
    fn blocks_are_left_out_in_training_alone() {
        let space = space(12);
        let device = Device::flex();
        let network = ProxylessNetwork::init(&space, &device, &mut Seed::new(1).rng());
        let arch = space.full_mask().first();
        let images: Vec<f32> = (0..2 * 3 * 144).map(|i| (37 * i % 101) as f32 / 50.0).collect();
        let images = Tensor::from_data(TensorData::new(images, [2, 3, 12, 12]), &device);
        let logits = |mut pass: Pass<'_>| -> Vec<f32> {
            let logits = network.forward(images.clone(), &arch, &mut pass);
            logits.into_data().try_to_vec().unwrap()
        };
        let at = |rate| {
            logits(Pass::of_batch().leaving_out(StochasticDepth { rate, seed: Seed::new(2) }))
        };
        assert_eq!(at(0.0), logits(Pass::of_batch()));
        assert_ne!(at(0.9), at(0.0));
    }

    /// `golden/proxyless_archs.json`: `supernet_params` at width 1.
    #[test]
    fn the_whole_supernet_has_the_published_size() {
        let stage_channels = [24, 40, 80, 96, 192, 320];
        let config = ProxylessConfig { width: 1.0, stage_channels, stem_stride: 2 };
        let space = Proxyless::new(&config, 3, 224, 1000);
        let network = ProxylessNetwork::init(&space, &Device::flex(), &mut Seed::new(1).rng());
        assert_eq!(supernet::parameters(&network).values().sum::<u64>(), 16_034_168);
    }
}
