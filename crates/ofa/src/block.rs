//! The elastic bottleneck: smaller kernels and expansions are slices of the largest.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use supernet::{BottleneckConfig, ConvNorm, Pass, SqueezeExcite, plus_input, prefix, product};

use crate::space_impl::{n_mid, n_squeezed};

/// Sizes of an elastic bottleneck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    /// The largest of its bottlenecks.
    pub(crate) largest: BottleneckConfig,
    pub(crate) squeeze_excite: bool,
}

/// 1 × 1 convolution → depthwise convolution \[→ gate\] → 1 × 1 convolution, each with a batch norm.
#[derive(Module, Debug)]
pub(crate) struct Block {
    expand: ConvNorm,
    depthwise: ConvNorm,
    transforms: KernelTransforms,
    gate: Option<SqueezeExcite>,
    project: ConvNorm,
    adds_input: bool,
}

impl BlockConfig {
    /// Draws the weights; kernels are not transformed at first.
    pub(crate) fn init(&self, device: &Device, rng: &mut ChaCha8Rng) -> Block {
        let [expand, depthwise, project] = self.largest.layers();
        let n_mid = self.largest.n_mid;
        let gate = || SqueezeExcite::new(n_mid, n_squeezed(n_mid), device, rng);
        let gate = self.squeeze_excite.then(gate);
        Block {
            expand: expand.init(device, rng),
            depthwise: depthwise.init(device, rng),
            transforms: KernelTransforms::identity(device),
            gate,
            project: project.init(device, rng),
            adds_input: self.largest.adds_input(),
        }
    }
}

impl Block {
    /// Applies the block of one kernel and expansion.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in, h, w]`
    /// - output: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        kernel: usize,
        expand: usize,
        pass: &mut Pass<'_>,
    ) -> Tensor<4> {
        plus_input(self.adds_input, x, pass, |x, pass| {
            let n_mid = n_mid(x.dims()[1], expand);
            let weight = prefix(self.depthwise.weight(), &[n_mid]);
            let weight = self.transforms.shrink(weight, kernel, pass);

            let n_out = self.project.weight().dims()[0];
            let first = (&self.expand, prefix(self.expand.weight(), &[n_mid, x.dims()[1]]));
            let second = (&self.depthwise, weight);
            let last = (&self.project, prefix(self.project.weight(), &[n_out, n_mid]));
            match &self.gate {
                None => ConvNorm::in_turn(&[first, second, last], x, pass),
                Some(gate) => {
                    let y = ConvNorm::in_turn(&[first, second], x, pass); // [b, n_mid, h′, w′]
                    let y = gate.forward_prefix(y, n_squeezed(n_mid), pass);
                    ConvNorm::in_turn(&[last], y, pass)
                }
            }
        })
    }
}

/// How the middle of a kernel becomes a smaller kernel: one linear map for all channels (Cai et al. 2020,
/// figure 4).
#[derive(Module, Debug)]
struct KernelTransforms {
    to_5: Param<Tensor<2>>,
    to_3: Param<Tensor<2>>,
}

impl KernelTransforms {
    fn identity(device: &Device) -> Self {
        let eye = |side: usize| Param::from_tensor(Tensor::eye(side * side, device));
        Self { to_5: eye(5), to_3: eye(3) }
    }

    /// Kernels of the wanted side.
    ///
    /// # Shapes
    ///
    /// - `weight`: `[c, 1, 7, 7]`
    /// - output: `[c, 1, kernel, kernel]`
    fn shrink(&self, mut weight: Tensor<4>, kernel: usize, pass: &Pass<'_>) -> Tensor<4> {
        for (side, transform) in [(5, &self.to_5), (3, &self.to_3)] {
            if side < kernel {
                break;
            }
            let [channels, _, larger, _] = weight.dims();
            let border = (larger - side) / 2;
            let middle = border..border + side;
            let middle = weight.slice([0..channels, 0..1, middle.clone(), middle]);
            let middle = middle.reshape([channels, side * side]);
            weight = product(middle, transform.val(), pass).reshape([channels, 1, side, side]);
        }
        weight
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use space::Seed;
    use supernet::{Activation, Epsilon, Shortcut};

    use super::*;

    fn block(device: &Device) -> Block {
        let largest = BottleneckConfig {
            n_in: 8,
            n_mid: 48,
            n_out: 8,
            kernel: 7,
            stride: 1,
            epsilon: Epsilon::PyTorch,
            activation: Activation::HardSwish,
            shortcut: Shortcut::IfItFits,
        };
        BlockConfig { largest, squeeze_excite: true }.init(device, &mut Seed::new(4).rng())
    }

    #[test]
    fn kernels_shrink_to_their_middle() {
        let device = Device::flex();
        let numbers: Vec<f32> = (0..49).map(|i| i as f32).collect();
        let kernel = Tensor::<4>::from_data(TensorData::new(numbers, [1, 1, 7, 7]), &device);
        let mut transforms = KernelTransforms::identity(&device);
        let small = |transforms: &KernelTransforms, side| {
            transforms
                .shrink(kernel.clone(), side, &Pass::of_batch())
                .into_data()
                .try_to_vec::<f32>()
                .unwrap()
        };
        assert_eq!(small(&transforms, 7).len(), 49);
        assert_eq!(small(&transforms, 5)[..6], [8.0, 9.0, 10.0, 11.0, 12.0, 15.0]);
        assert_eq!(small(&transforms, 3), [16., 17., 18., 23., 24., 25., 30., 31., 32.]);
        // What a linear map does to five, it does to three as well.
        transforms.to_5 = Param::from_tensor(Tensor::eye(25, &device) * 2.0);
        assert_eq!(small(&transforms, 3)[..2], [32.0, 34.0]);
    }

    /// A gradient reaches the middle of the largest kernel, its first channels and the transforms.
    #[test]
    fn slices_train_the_whole() {
        let device = Device::flex().autodiff();
        let block = block(&device);
        let x = Tensor::<4>::random(
            [2, 8, 6, 6],
            burn::tensor::Distribution::Uniform(-1.0, 1.0),
            &device,
        );
        let y = block.forward(x, 3, 4, &mut Pass::of_batch());
        assert_eq!(y.dims(), [2, 8, 6, 6]);
        let gradients = y.powf_scalar(2.0).sum().backward();
        let of_kernel = block.depthwise.weight().grad(&gradients).unwrap();
        let sums = |channels, rows| {
            let part: Tensor<4> = of_kernel.clone().slice([channels, 0..1, rows, 0..7]);
            part.abs().sum().into_scalar::<f32>()
        };
        assert!(0.0 < sums(0..32, 2..5));
        assert!(sums(0..32, 0..2) < f32::MIN_POSITIVE && sums(32..48, 0..7) < f32::MIN_POSITIVE);
        assert!(block.transforms.to_5.grad(&gradients).is_some());
        assert!(block.transforms.to_3.grad(&gradients).is_some());
    }
}
