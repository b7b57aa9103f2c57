//! Linear layers, and how weights are drawn.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::Pass;
use crate::pass::Ops;

/// A linear layer with bias, its weight laid out as in PyTorch: `[n_out, n_in]`.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// Draws weight and bias uniformly from ±1/√n_in, as PyTorch does.
    pub fn new(n_in: usize, n_out: usize, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        Self {
            weight: uniform([n_out, n_in], n_in, device, rng),
            bias: uniform([n_out], n_in, device, rng),
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in]`
    /// - output: `[b, n_out]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass<'_>) -> Tensor<2> {
        product(x, self.weight.val(), pass) + self.bias.val().unsqueeze()
    }

    /// Applies the part of the layer that makes its first `n_out` numbers of the first numbers of its
    /// input; the gradient of the rest is zero.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, n_in]`, not more numbers than the layer has
    /// - output: `[b, n_out]`
    ///
    /// # Panics
    ///
    /// If there are fewer numbers in the layer.
    pub fn forward_prefix(&self, x: Tensor<2>, n_out: usize, pass: &Pass<'_>) -> Tensor<2> {
        let weight = prefix(self.weight.val(), &[n_out, x.dims()[1]]);
        product(x, weight, pass) + prefix(self.bias.val(), &[n_out]).unsqueeze()
    }
}

/// `x · weightᵀ`, of 32-bit factors but for [`Kernels::Stock`](crate::Kernels::Stock) on a card.
///
/// # Shapes
///
/// - `x`: `[b, n_in]`
/// - `weight`: `[n_out, n_in]`
/// - output: `[b, n_out]`
pub fn product(x: Tensor<2>, weight: Tensor<2>, pass: &Pass<'_>) -> Tensor<2> {
    match pass.ops(&x.device()) {
        Ops::Stock | Ops::Flex => x.matmul(weight.transpose()),
        // burn's product rounds factors to 11 bits on a card.
        #[cfg(feature = "cuda")]
        Ops::Cube => {
            let ([b, n_in], [n_out, _]) = (x.dims(), weight.dims());
            let (x, weight) = (x.reshape([b, n_in, 1, 1]), weight.reshape([n_out, n_in, 1, 1]));
            cube_ops::conv(x, weight, 1, flex_ops::Groups::One).reshape([b, n_out])
        }
    }
}

/// The first entries along the first axes; the whole, uncopied, where they are all.
///
/// # Panics
///
/// If there are fewer.
pub fn prefix<const D: usize>(whole: Tensor<D>, sizes: &[usize]) -> Tensor<D> {
    let dims = whole.dims();
    let wanted: [usize; D] = std::array::from_fn(|i| sizes.get(i).copied().unwrap_or(dims[i]));
    if wanted == dims { whole } else { whole.slice(wanted.map(|size| 0..size)) }
}

/// Weights drawn uniformly from ±1/√fan-in, as PyTorch draws them.
pub(crate) fn uniform<const D: usize>(
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
