//! Linear layers, and how weights are drawn.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

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
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
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
    pub fn forward_prefix(&self, x: Tensor<2>, n_out: usize) -> Tensor<2> {
        let weight = prefix(self.weight.val(), &[n_out, x.dims()[1]]);
        x.matmul(weight.transpose()) + prefix(self.bias.val(), &[n_out]).unsqueeze()
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
