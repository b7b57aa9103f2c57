//! Gates of channels.

use burn::module::Module;
use burn::tensor::activation::{hard_sigmoid, relu};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use crate::{Linear, Pass, global_avg_pool};

/// A factor for each channel, made of the means of all (Hu et al. 2018, *Squeeze-and-Excitation
/// Networks*), by ReLU6(x + 3) ∕ 6 as in MobileNetV3.
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    reduce: Linear,
    expand: Linear,
}

impl SqueezeExcite {
    /// Draws the weights of a gate of `channels` with `n_mid` numbers in between.
    pub fn new(channels: usize, n_mid: usize, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        Self {
            reduce: Linear::new(channels, n_mid, device, rng),
            expand: Linear::new(n_mid, channels, device, rng),
        }
    }

    /// Multiplies the channels by their gates, with the first `n_mid` numbers in between; there may be
    /// fewer channels than the gate has.
    ///
    /// # Shapes
    ///
    /// - `x` and output: `[b, c, h, w]`
    ///
    /// # Panics
    ///
    /// If the gate has fewer channels or fewer numbers in between.
    pub fn forward_prefix(&self, x: Tensor<4>, n_mid: usize, pass: &Pass<'_>) -> Tensor<4> {
        let [b, c, _, _] = x.dims();
        let squeezed =
            relu(self.reduce.forward_prefix(global_avg_pool(x.clone(), pass), n_mid, pass));
        let gates = hard_sigmoid(self.expand.forward_prefix(squeezed, c, pass), 1.0 / 6.0, 0.5);
        x * gates.reshape([b, c, 1, 1])
    }
}
